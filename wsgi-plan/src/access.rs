//! What can be done with a file, as the kernel tells the process that asks: so that ACLs and mounts count.

use nix::errno::Errno;
use nix::unistd::AccessFlags;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Links that are followed in search of an obstacle.
const MOST_LINKS: usize = 8;

/// What has to be possible with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessNeed {
    /// It exists and its parents can be searched; a path behind a file belongs to the URL.
    Reach,
    /// The same, and it is no directory: a script of processes that only a request chooses.
    ReachScript,
    /// A file that can be read.
    File,
    /// A directory that can be searched.
    Directory,
    /// A file that can be read, perhaps with a path behind it, or a directory that can be searched.
    Either,
    /// A script: a file that can be read, perhaps with a path behind it that belongs to the URL.
    Script,
    /// A program that can be executed.
    Program,
}

/// Why it is not possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessProblem {
    /// The first part of the path that does not exist.
    Missing(PathBuf),
    /// It is no directory.
    NotDirectory,
    /// It is a directory.
    IsDirectory,
    /// Permission is lacking at this part of the path; the flag says whether it is a directory to be searched.
    Denied(PathBuf, bool),
    /// The file system does not answer within so many seconds.
    Silent(u64),
}

/// What stands in the way; `None` is "possible, or unknown".
pub fn look(path: &Path, need: AccessNeed) -> Option<AccessProblem> {
    match path.metadata() {
        Ok(facts) => examine(path, &facts, need),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            let file = script_of(path).filter(|_| {
                matches!(
                    need,
                    AccessNeed::Reach | AccessNeed::ReachScript | AccessNeed::Either | AccessNeed::Script
                )
            });
            match file.map(|file| (file, file.metadata())) {
                Some((file, Ok(facts))) => examine(file, &facts, need),
                _ => Some(AccessProblem::Missing(first_missing(path))),
            }
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Some(culprit(path, AccessFlags::R_OK, 0))
        }
        Err(_) => None,
    }
}

fn examine(path: &Path, facts: &Metadata, need: AccessNeed) -> Option<AccessProblem> {
    match need {
        AccessNeed::Directory if !facts.is_dir() => return Some(AccessProblem::NotDirectory),
        AccessNeed::File | AccessNeed::Script | AccessNeed::ReachScript | AccessNeed::Program
            if facts.is_dir() =>
        {
            return Some(AccessProblem::IsDirectory);
        }
        _ => {}
    }
    let mode = match need {
        AccessNeed::Reach | AccessNeed::ReachScript => AccessFlags::F_OK,
        AccessNeed::Program => AccessFlags::X_OK,
        _ if facts.is_dir() => AccessFlags::X_OK,
        _ => AccessFlags::R_OK,
    };
    is_denied(path, mode).then(|| culprit(path, mode, 0))
}

/// The file that a path leads through.
fn script_of(path: &Path) -> Option<&Path> {
    // Without the slash at the end, which asks for a directory.
    let path = path.components().as_path();
    path.ancestors().find(|part| part.metadata().is_ok()).filter(|part| part.is_file())
}

fn first_missing(path: &Path) -> PathBuf {
    let mut parts: Vec<&Path> = path.ancestors().collect();
    parts.reverse();
    parts.into_iter().find(|part| part.metadata().is_err()).unwrap_or(path).to_owned()
}

/// Whether access(2) says that permission is lacking.
fn is_denied(path: &Path, mode: AccessFlags) -> bool {
    nix::unistd::access(path, mode) == Err(Errno::EACCES)
}

/// The part of a path at which permission is lacking: a directory above it, as written or behind its links, or
/// the path itself.
fn culprit(path: &Path, mode: AccessFlags, links: usize) -> AccessProblem {
    let mut parts: Vec<&Path> =
        path.ancestors().skip(1).filter(|part| !part.as_os_str().is_empty()).collect();
    parts.reverse();
    let closed = parts.into_iter().find(|part| is_denied(part, AccessFlags::X_OK));
    let (part, is_directory) = closed.map_or((path, mode == AccessFlags::X_OK), |part| (part, true));
    match part.read_link() {
        Ok(target) if links < MOST_LINKS => {
            let target = part.parent().unwrap_or(Path::new("/")).join(target);
            culprit(&target, if closed.is_some() { AccessFlags::X_OK } else { mode }, links + 1)
        }
        _ => AccessProblem::Denied(part.to_owned(), is_directory),
    }
}

/// The first part of a path, as written or behind its links, that somebody besides root and `own` may change; for a
/// directory that means that something else can be put into its place or into it. `is_shared` says of which groups others
/// may be members.
pub fn exposed(path: &Path, own: u32, is_shared: &dyn Fn(u32) -> bool) -> Option<PathBuf> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let parts = path.ancestors().chain(real.ancestors()).filter(|part| !part.as_os_str().is_empty());
    let found =
        parts.filter(|part| part.symlink_metadata().is_ok_and(|facts| is_open(&facts, own, is_shared)));
    found.last().map(Path::to_owned)
}

/// Whether another user can change it. In a sticky directory nobody can put something else in the place of entries that
/// are not his.
fn is_open(facts: &Metadata, own: u32, is_shared: &dyn Fn(u32) -> bool) -> bool {
    if facts.uid() != 0 && facts.uid() != own {
        return true;
    }
    let mode = facts.permissions().mode();
    let is_writable = mode & 0o002 != 0 || (mode & 0o020 != 0 && is_shared(facts.gid()));
    !facts.is_symlink() && is_writable && !(facts.is_dir() && mode & 0o1000 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_of_another_kind_is_told() {
        let missing = |path: &str| Some(AccessProblem::Missing(path.into()));
        for (path, need, expected) in [
            ("/etc/no/such/file", AccessNeed::File, missing("/etc/no")),
            ("/etc", AccessNeed::File, Some(AccessProblem::IsDirectory)),
            ("/etc/passwd", AccessNeed::Directory, Some(AccessProblem::NotDirectory)),
            ("/etc/passwd/x", AccessNeed::File, missing("/etc/passwd/x")),
            ("/etc", AccessNeed::Either, None),
            ("/etc/passwd/x/y", AccessNeed::Script, None),
            ("/etc/passwd/", AccessNeed::Script, None),
            ("/etc/passwd/", AccessNeed::Reach, None),
            ("/etc/no/x", AccessNeed::Script, missing("/etc/no")),
            ("/etc", AccessNeed::Script, Some(AccessProblem::IsDirectory)),
            ("/etc", AccessNeed::ReachScript, Some(AccessProblem::IsDirectory)),
            ("/etc/passwd/", AccessNeed::ReachScript, None),
        ] {
            assert_eq!(look(Path::new(path), need), expected, "{path}");
        }
    }

    #[test]
    fn open_directories_are_found_behind_links_too() {
        let own = nix::unistd::geteuid().as_raw();
        let folder = std::env::temp_dir().join(format!("wsgi-open-{}", std::process::id()));
        let inner = folder.join("inner");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("file"), "").unwrap();
        std::os::unix::fs::symlink("inner/file", folder.join("link")).unwrap();
        let exposed = |mode, is_shared| {
            std::fs::set_permissions(&inner, PermissionsExt::from_mode(mode)).unwrap();
            exposed(&folder.join("link"), own, &|_| is_shared)
        };
        assert_eq!(exposed(0o755, true), None);
        assert_eq!(exposed(0o777, false), Some(inner.canonicalize().unwrap()));
        assert_eq!(exposed(0o1777, true), None);
        assert_eq!(exposed(0o775, true), Some(inner.canonicalize().unwrap()));
        assert_eq!(exposed(0o775, false), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
