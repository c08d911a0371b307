//! Finds out which part of an interpreter's path a user may not pass, so that the log can name it. It is asked in the child
//! that could not execute it, as that user: the path may lie in a file system that the user can make slow.

use super::step::{Failure, Step};
use nix::errno::Errno;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use wsgi_protocol::control::{GroupSpec, Identity};

/// Owner and permissions of a file or directory.
#[derive(Debug, Clone, Copy)]
struct Facts {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// Whether the identity may execute (or search) it. Supplementary groups count when they are listed.
fn may_execute(facts: Facts, identity: &Identity) -> bool {
    let listed = || identity.supplementary.as_ref().is_some_and(|groups| groups.contains(&facts.gid));
    let bit = if facts.uid == identity.uid {
        0o100
    } else if facts.gid == identity.gid || listed() {
        0o010
    } else {
        0o001
    };
    facts.mode & bit != 0
}

/// What to do about an interpreter that could not be executed.
#[must_use]
pub fn for_failure(failure: Failure, spec: &GroupSpec) -> Option<String> {
    let is_outside = spec.identity.chroot.is_none();
    match (failure.step, failure.errno) {
        (Step::Exec, Errno::EACCES) if is_outside => for_denied(&spec.interpreter, &spec.identity),
        (Step::Exec, Errno::ENOENT) if is_outside => for_missing(&spec.interpreter),
        _ => None,
    }
}

/// The sentence that names the first obstacle on the way to `program`, if one is seen.
#[must_use]
fn for_denied(program: &[u8], identity: &Identity) -> Option<String> {
    let literal = PathBuf::from(std::ffi::OsStr::from_bytes(program));
    // The user may not be able to follow a link, and always to read it in the user's own folder.
    let real = fs::canonicalize(&literal).or_else(|_| fs::read_link(&literal));
    let real = real.unwrap_or_else(|_| literal.clone());
    let obstacle = obstacle(&literal, identity).or_else(|| obstacle(&real, identity))?;
    let directory = if obstacle.is_dir() { "search" } else { "execute" };
    let link =
        if real == literal { String::new() } else { format!(" (it is a link to '{}')", real.display()) };
    Some(format!("grant {directory} permission on '{}' to this user{link}", obstacle.display()))
}

/// The sentence for a program that is not there: a dangling link names its target.
#[must_use]
fn for_missing(program: &[u8]) -> Option<String> {
    let path = Path::new(std::ffi::OsStr::from_bytes(program));
    let target = fs::read_link(path).ok()?;
    let fix = "install that Python again or make the virtual environment anew";
    let fix =
        if path.exists() { "its program loader is missing: it was built for another system" } else { fix };
    Some(format!("it is a link to '{}'; {fix}", target.display()))
}

fn obstacle(path: &Path, identity: &Identity) -> Option<PathBuf> {
    let mut parts: Vec<_> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    parts.reverse();
    parts.into_iter().find_map(|part| {
        let meta = fs::metadata(part).ok()?;
        let facts = Facts { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() };
        (!may_execute(facts, identity)).then(|| part.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_bits_are_read_as_the_kernel_does() {
        let joe = Identity { uid: 7, gid: 8, supplementary: Some(vec![9]), ..Identity::default() };
        let rows = [
            ((7, 0, 0o700), true),
            ((7, 0, 0o077), false),
            ((0, 8, 0o710), true),
            ((0, 8, 0o701), false),
            ((0, 9, 0o710), true),
            ((0, 0, 0o750), false),
            ((0, 0, 0o755), true),
        ];
        for ((uid, gid, mode), want) in rows {
            assert_eq!(may_execute(Facts { uid, gid, mode }, &joe), want, "{uid} {gid} {mode:o}");
        }
    }

    #[test]
    fn dangling_link_is_named() {
        let directory = std::env::temp_dir().join(format!("wsgi-advice-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let link = directory.join("python3");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("/nowhere/python3.99", &link).unwrap();
        let text = for_missing(link.as_os_str().as_bytes()).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert!(text.contains("'/nowhere/python3.99'"), "{text}");
        assert_eq!(for_missing(b"/nowhere/at/all"), None);
    }
}
