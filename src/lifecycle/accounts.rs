//! The user and group databases of this machine.

use wsgi_plan::{AccountDatabase, UserEntry};
use wsgi_system::accounts;

pub use wsgi_system::accounts::{gid_of, group_name, uid_of};

/// The databases.
#[derive(Debug)]
pub struct SystemAccounts;

impl AccountDatabase for SystemAccounts {
    fn user(&self, uid: u32) -> Option<UserEntry> {
        user(uid)
    }

    fn memberships(&self, name: &str, primary: u32) -> Vec<u32> {
        accounts::memberships(name, primary)
    }

    fn has_members(&self, gid: u32) -> bool {
        accounts::has_members(gid)
    }
}

/// The user with this id.
pub fn user(uid: u32) -> Option<UserEntry> {
    accounts::user(uid).map(|(name, home)| UserEntry { name, uid, home })
}
