//! Finds out which part of an interpreter's path a user may not pass, so that the log can name it. Only for the child that
//! has become that user: the path is his, and whoever looks at it may have to wait for ever.

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Links that are followed in search of an obstacle.
const MOST_LINKS: usize = 8;

/// The sentence about a program that could not be executed, if there is something to say.
#[must_use]
pub fn about(program: &[u8], errno: Errno) -> Option<String> {
    match errno {
        Errno::EACCES => for_denied(program),
        Errno::ENOENT => for_missing(program),
        _ => None,
    }
}

/// The sentence that names the first obstacle on the way to `program`, if one is seen.
fn for_denied(program: &[u8]) -> Option<String> {
    let literal = Path::new(std::ffi::OsStr::from_bytes(program));
    let (obstacle, is_directory) = obstacle(literal, 0)?;
    let verb = if is_directory { "search" } else { "execute" };
    let link = match literal.read_link() {
        Ok(target) => format!(" (it is a link to '{}')", target.display()),
        Err(_) => String::new(),
    };
    Some(format!("grant {verb} permission on '{}' to this user{link}", obstacle.display()))
}

/// The sentence for a program that is not there: a dangling link names its target.
fn for_missing(program: &[u8]) -> Option<String> {
    let path = Path::new(std::ffi::OsStr::from_bytes(program));
    let target = fs::read_link(path).ok()?;
    let fix = "install that Python again or make the virtual environment anew";
    let fix =
        if path.exists() { "its program loader is missing: it was built for another system" } else { fix };
    Some(format!("it is a link to '{}'; {fix}", target.display()))
}

/// The part that may not be passed, as written or behind links, and whether it is a directory.
fn obstacle(path: &Path, links: usize) -> Option<(PathBuf, bool)> {
    let mut parts: Vec<_> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    parts.reverse();
    let part = parts.into_iter().find(|part| access(*part, AccessFlags::X_OK) == Err(Errno::EACCES))?;
    match part.read_link() {
        Ok(target) if links < MOST_LINKS => {
            obstacle(&part.parent().unwrap_or(Path::new("/")).join(target), links + 1)
        }
        _ => Some((part.to_owned(), part != path || part.is_dir())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_executed_is_named_behind_links() {
        let directory = std::env::temp_dir().join(format!("wsgi-denied-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (file, link) = (directory.join("file"), directory.join("python3"));
        fs::write(&file, "").unwrap(); // not even root may execute it
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("file", &link).unwrap();
        let text = about(link.as_os_str().as_bytes(), Errno::EACCES).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        let expected =
            format!("grant execute permission on '{}' to this user (it is a link to 'file')", file.display());
        assert_eq!(text, expected);
        assert_eq!(about(b"/bin/sh", Errno::EACCES), None);
    }

    #[test]
    fn dangling_link_is_named() {
        let directory = std::env::temp_dir().join(format!("wsgi-advice-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let link = directory.join("python3");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("/nowhere/python3.99", &link).unwrap();
        let text = about(link.as_os_str().as_bytes(), Errno::ENOENT).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert!(text.contains("'/nowhere/python3.99'"), "{text}");
        assert_eq!(about(b"/nowhere/at/all", Errno::ENOENT), None);
    }
}
