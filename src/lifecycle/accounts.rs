//! The user and group databases, through the reentrant calls.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;
use wsgi_plan::{AccountDatabase, UserEntry};

/// The databases of this machine.
#[derive(Debug)]
pub struct SystemAccounts;

impl AccountDatabase for SystemAccounts {
    fn user(&self, uid: u32) -> Option<UserEntry> {
        user(uid)
    }

    fn memberships(&self, name: &str, primary: u32) -> Vec<u32> {
        memberships(name, primary)
    }

    fn has_members(&self, gid: u32) -> bool {
        has_members(gid)
    }
}

/// Size of the scratch buffer for database entries; groups with thousands of members need much.
const SCRATCH: usize = 256 * 1024;

/// The user with this id.
pub fn user(uid: u32) -> Option<UserEntry> {
    // SAFETY: `look` passes buffers of the announced size.
    look_user(|entry, buffer, len, found| unsafe { libc::getpwuid_r(uid, entry, buffer, len, found) })
}

/// The id of a user name.
pub fn uid_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: as above; the name is NUL-terminated.
    look_user(|entry, buffer, len, found| unsafe {
        libc::getpwnam_r(name.as_ptr(), entry, buffer, len, found)
    })
    .map(|user| user.uid)
}

/// The id of a group name.
pub fn gid_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: as above.
    look_group(|entry, buffer, len, found| unsafe {
        libc::getgrnam_r(name.as_ptr(), entry, buffer, len, found)
    })
    .map(|(_, gid)| gid)
}

/// The name of a group id.
pub fn group_name(gid: u32) -> Option<String> {
    // SAFETY: as above.
    look_group(|entry, buffer, len, found| unsafe { libc::getgrgid_r(gid, entry, buffer, len, found) })
        .map(|(name, _)| name)
}

/// Whether a group lists members besides root.
fn has_members(gid: u32) -> bool {
    let mut entry = MaybeUninit::<libc::group>::uninit();
    let mut buffer = vec![0 as c_char; SCRATCH];
    let mut found = ptr::null_mut();
    // SAFETY: the buffers are as long as announced; the list of members ends with a null pointer.
    unsafe {
        let status = libc::getgrgid_r(gid, entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found);
        if status != 0 || found.is_null() {
            return false;
        }
        let mut member = (*found).gr_mem;
        while !member.is_null() && !(*member).is_null() {
            if CStr::from_ptr(*member).to_bytes() != b"root" {
                return true;
            }
            member = member.add(1);
        }
    }
    false
}

/// All groups of a user: the given primary one and its memberships.
fn memberships(name: &str, primary: u32) -> Vec<u32> {
    let Ok(name) = CString::new(name) else { return vec![primary] };
    let mut groups = vec![0; 1024];
    let mut count = groups.len() as i32;
    // SAFETY: at most `count` entries are written, and `count` is updated.
    let status = unsafe { libc::getgrouplist(name.as_ptr(), primary, groups.as_mut_ptr(), &mut count) };
    if status < 0 {
        return vec![primary];
    }
    groups.truncate(count.max(0) as usize);
    groups
}

type AccountLookup<'a, T> = dyn FnMut(*mut T, *mut c_char, usize, *mut *mut T) -> i32 + 'a;

fn look<T, R>(mut lookup: Box<AccountLookup<'_, T>>, read: impl FnOnce(&T) -> R) -> Option<R> {
    let mut entry = MaybeUninit::<T>::uninit();
    let mut buffer = vec![0 as c_char; SCRATCH];
    let mut found = ptr::null_mut();
    if lookup(entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found) != 0 || found.is_null() {
        return None;
    }
    // SAFETY: a non-null result points to the filled entry, whose strings live in `buffer`.
    Some(read(unsafe { &*found }))
}

fn look_user(
    lookup: impl FnMut(*mut libc::passwd, *mut c_char, usize, *mut *mut libc::passwd) -> i32,
) -> Option<UserEntry> {
    look(Box::new(lookup), |entry: &libc::passwd| UserEntry {
        name: text(entry.pw_name),
        uid: entry.pw_uid,
        home: raw(entry.pw_dir),
    })
}

fn look_group(
    lookup: impl FnMut(*mut libc::group, *mut c_char, usize, *mut *mut libc::group) -> i32,
) -> Option<(String, u32)> {
    look(Box::new(lookup), |entry: &libc::group| (text(entry.gr_name), entry.gr_gid))
}

fn raw(p: *const c_char) -> Vec<u8> {
    if p.is_null() {
        return Vec::new();
    }
    // SAFETY: a string of a filled database entry.
    unsafe { CStr::from_ptr(p) }.to_bytes().to_vec()
}

fn text(p: *const c_char) -> String {
    String::from_utf8_lossy(&raw(p)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known() {
        assert_eq!(uid_of("root"), Some(0));
        assert_eq!(user(0).map(|u| u.name).as_deref(), Some("root"));
        assert_eq!(gid_of("root"), Some(0));
        assert!(memberships("root", 0).contains(&0));
        assert_eq!(uid_of("no-such-user-here"), None);
    }
}
