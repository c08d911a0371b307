//! The user and group databases.

use nix::unistd::{Gid, Group, Uid, User};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

/// The user with this id: name and home.
#[must_use]
pub fn user(uid: u32) -> Option<(String, Vec<u8>)> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    let home = user.dir.as_os_str().as_bytes().to_vec();
    Some((user.name, home))
}

/// The id of a user name.
#[must_use]
pub fn uid_of(name: &str) -> Option<u32> {
    Some(User::from_name(name).ok()??.uid.as_raw())
}

/// The id of a group name.
#[must_use]
pub fn gid_of(name: &str) -> Option<u32> {
    Some(Group::from_name(name).ok()??.gid.as_raw())
}

/// The name of a group id.
#[must_use]
pub fn group_name(gid: u32) -> Option<String> {
    Some(Group::from_gid(Gid::from_raw(gid)).ok()??.name)
}

/// Whether a group lists members besides root.
#[must_use]
pub fn has_members(gid: u32) -> bool {
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    group.is_some_and(|group| group.mem.iter().any(|name| name != "root"))
}

/// All groups of a user: the given primary one and its memberships.
#[must_use]
pub fn memberships(name: &str, primary: u32) -> Vec<u32> {
    let Ok(name) = CString::new(name) else { return vec![primary] };
    match nix::unistd::getgrouplist(&name, Gid::from_raw(primary)) {
        Ok(groups) => groups.into_iter().map(Gid::as_raw).collect(),
        Err(_) => vec![primary],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known() {
        assert_eq!(uid_of("root"), Some(0));
        assert_eq!(user(0).map(|(name, _)| name).as_deref(), Some("root"));
        assert_eq!(gid_of("root"), Some(0));
        assert!(memberships("root", 0).contains(&0));
        assert_eq!(uid_of("no-such-user-here"), None);
    }
}
