//! Paths as the command line gives them.

use std::path::{Component, Path, PathBuf};

/// Absolute and without `.` and `..` components, by the text alone as shells' `cd` does it.
pub fn absolute(path: &str) -> PathBuf {
    let path = Path::new(path);
    let start = if path.is_absolute() { PathBuf::new() } else { std::env::current_dir().unwrap_or_default() };
    let mut out = PathBuf::new();
    for part in start.components().chain(path.components()) {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// As text for a configuration.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// [`absolute`] as text.
pub fn absolute_text(path: &str) -> String {
    text(&absolute(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths() {
        assert_eq!(absolute("/a/./b/../c"), Path::new("/a/c"));
        assert_eq!(absolute("x"), std::env::current_dir().expect("there is one").join("x"));
    }
}
