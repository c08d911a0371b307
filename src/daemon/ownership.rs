//! `script-user=` and `script-group=`: looks at the requested file and its directory before a daemon is asked.

use super::DaemonFailure;
use crate::job::RequestJob;
use crate::lifecycle::accounts;
use crate::messages;
use std::ffi::{OsStr, c_int};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use wsgi_directives::{DaemonGroup, FileOwnership, OwnershipDemand, OwnershipFault, check_ownership};

const FORBIDDEN: c_int = apr_sys::HTTP_FORBIDDEN as c_int;

/// Whether the group may serve the requested resource (spec/directives.md §7.5). A module has no owner, and is
/// refused by groups that demand one.
pub fn check(job: &RequestJob<'_>, group: &DaemonGroup) -> Result<(), DaemonFailure> {
    let options = &group.options;
    if options.script_user.is_none() && options.script_group.is_none() {
        return Ok(());
    }
    let file = Path::new(OsStr::from_bytes(job.r.filename()));
    let parent = file.parent().filter(|parent| parent.is_absolute());
    check_ownership(options, facts(file), parent.and_then(facts)).map_err(|violation| {
        let name = match (violation.fault, violation.demand) {
            (OwnershipFault::OwnedBy(uid), OwnershipDemand::User) => {
                accounts::user(uid).map(|user| user.name).ok_or(uid)
            }
            (OwnershipFault::OwnedBy(gid), OwnershipDemand::Group) => accounts::group_name(gid).ok_or(gid),
            _ => Ok(String::new()),
        };
        let name = name.unwrap_or_else(|id| format!("#{id}"));
        // It would be refused again.
        DaemonFailure {
            status: FORBIDDEN,
            event: messages::event(violation.number()),
            text: violation.message(&name),
            is_unseen: false,
        }
    })
}

fn facts(path: &Path) -> Option<FileOwnership> {
    let found = path.metadata().ok()?;
    Some(FileOwnership { uid: found.uid(), gid: found.gid(), mode: found.mode() })
}
