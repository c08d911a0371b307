//! The machine and httpd, as far as a plan depends on them: asked for once by who knows them, plain data for the rest.

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::PathBuf;

/// An entry of the user database.
#[derive(Debug, Clone)]
pub struct UserEntry {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Home directory.
    pub home: Vec<u8>,
}

/// The user and group databases.
pub trait AccountDatabase: Debug {
    /// The user with this id.
    fn user(&self, uid: u32) -> Option<UserEntry>;
    /// All groups of a user: the given primary one and its memberships.
    fn memberships(&self, name: &str, primary: u32) -> Vec<u32>;
    /// Whether a group lists members besides root.
    fn has_members(&self, gid: u32) -> bool;
}

/// httpd's own identity.
#[derive(Debug, Clone)]
pub struct HttpdUser {
    /// `User`
    pub uid: u32,
    /// `Group`
    pub gid: u32,
    /// Name of `User`.
    pub name: String,
    /// Whether the parent is root and can change identities.
    pub is_root: bool,
}

/// Where a plan is made.
#[derive(Debug)]
pub struct Surroundings {
    /// Who is who.
    pub accounts: &'static dyn AccountDatabase,
    /// Whom httpd's children run as.
    pub httpd: HttpdUser,
    /// Whom httpd's parent runs as.
    pub own_uid: u32,
    /// The parent's process id, which socket paths name.
    pub pid: u32,
    /// httpd's own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Limits of open files, the soft and the hard one; `None` when the kernel does not say.
    pub open_files: Option<(u64, u64)>,
    /// WSGISocketPrefix or its default, absolute.
    pub socket_prefix: String,
    /// The file of the module.
    pub module: Option<PathBuf>,
    /// Where supervisor and host library are, if that is known.
    pub support: Option<PathBuf>,
}
