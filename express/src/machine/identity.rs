//! Who the processes run as.

use crate::problem::ExpressError;
use crate::values::OptionValues;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user and group of the application.
#[derive(Clone, Debug)]
pub struct ApplicationIdentity {
    /// As httpd's `User` takes it: a name, or `#` and a number.
    pub user: String,
    /// As httpd's `Group` takes it.
    pub group: String,
    /// Its number.
    pub uid: Uid,
    /// Its number.
    pub gid: Gid,
}

impl ApplicationIdentity {
    /// From the options, the variables that apachectl takes too, and who runs this.
    ///
    /// # Errors
    /// A user or group that does not exist.
    pub fn find(values: &OptionValues) -> Result<ApplicationIdentity, ExpressError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = |first: &str, second: &str, option: &str| {
            variable(first).or_else(|| variable(second)).or_else(|| values.text(option).map(str::to_owned))
        };
        let user = named("MOD_WSGI_USER", "WSGI_RUN_USER", "user");
        let group = named("MOD_WSGI_GROUP", "WSGI_RUN_GROUP", "group");
        let (user, uid, primary) = match user {
            Some(name) => find_user(&name)?,
            None => {
                let uid = geteuid();
                let known = User::from_uid(uid).ok().flatten();
                (known.map_or_else(|| format!("#{uid}"), |user| user.name), uid, getegid())
            }
        };
        let (group, gid) = match group {
            Some(name) => find_group(&name)?,
            None => {
                let known = Group::from_gid(primary).ok().flatten();
                (known.map_or_else(|| format!("#{primary}"), |group| group.name), primary)
            }
        };
        Ok(ApplicationIdentity { user, group, uid, gid })
    }

    /// Whether this command is run by root and the application by somebody else.
    pub fn is_other(&self) -> bool {
        geteuid().is_root() && !self.uid.is_root()
    }

    /// A command that runs as this user.
    pub fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new(program);
        if self.is_other() {
            // The standard library drops root's other groups when it sets the user.
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
        command
    }

    /// Whether this user can read a file.
    pub fn can_read(&self, path: &std::path::Path) -> bool {
        if !self.is_other() {
            return std::fs::File::open(path).is_ok();
        }
        self.test("-r", path)
    }

    /// Whether this user can enter a folder, or run a program.
    pub fn can_enter(&self, path: &std::path::Path) -> bool {
        self.test("-x", path)
    }

    fn test(&self, what: &str, path: &std::path::Path) -> bool {
        let test = super::program("test").unwrap_or_else(|| "/usr/bin/test".into());
        self.command(&test).arg(what).arg(path).current_dir("/").status().is_ok_and(|status| status.success())
    }
}

/// The numbers of a user, named or by number.
pub fn user(name: &str) -> Option<(Uid, Gid)> {
    find_user(name).ok().map(|(_, uid, gid)| (uid, gid))
}

fn find_user(name: &str) -> Result<(String, Uid, Gid), ExpressError> {
    let failed = || ExpressError::Usage(format!("--user {name}: there is no such user"));
    if let Some(number) = name.strip_prefix('#') {
        let uid = Uid::from_raw(number.parse().map_err(|_| failed())?);
        let known = User::from_uid(uid).ok().flatten();
        return Ok((name.to_owned(), uid, known.map_or(getegid(), |user| user.gid)));
    }
    let user = User::from_name(name).ok().flatten();
    let by_number =
        || name.parse().ok().and_then(|number| User::from_uid(Uid::from_raw(number)).ok().flatten());
    let user = user.or_else(by_number).ok_or_else(failed)?;
    Ok((user.name, user.uid, user.gid))
}

fn find_group(name: &str) -> Result<(String, Gid), ExpressError> {
    let failed = || ExpressError::Usage(format!("--group {name}: there is no such group"));
    if let Some(number) = name.strip_prefix('#') {
        return Ok((name.to_owned(), Gid::from_raw(number.parse().map_err(|_| failed())?)));
    }
    let group = Group::from_name(name).ok().flatten();
    let by_number =
        || name.parse().ok().and_then(|number| Group::from_gid(Gid::from_raw(number)).ok().flatten());
    let group = group.or_else(by_number).ok_or_else(failed)?;
    Ok((group.name, group.gid))
}

/// Owner and mode of what another identity is to read: root's, and only the group of the application may look.
pub fn share(path: &std::path::Path, identity: &ApplicationIdentity, mode: u32) -> Result<(), ExpressError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |error: std::io::Error| ExpressError::file(path, &error);
    if identity.is_other() {
        std::os::unix::fs::lchown(path, None, Some(identity.gid.as_raw())).map_err(failed)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)
}
