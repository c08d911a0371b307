//! `env-file=`: `KEY=VALUE` lines for a daemon's environment, read by the root parent with care.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Longest file in bytes.
const LIMIT: u64 = 256 * 1024;

/// Reads a file that is a regular file (no link) of root or of the user who gets the values: nobody can have
/// root read him a file that he could not read himself.
///
/// # Errors
/// One sentence naming the file and the fix.
pub fn read(path: &Path, uid: u32) -> Result<Vec<(String, String)>, String> {
    let name = path.display();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file =
        file.map_err(|e| format!("env-file '{name}' cannot be opened ({e}); give a readable plain file"))?;
    let facts = file.metadata().map_err(|e| format!("env-file '{name}' cannot be examined ({e})"))?;
    // SAFETY: cannot fail.
    let own = unsafe { libc::geteuid() };
    if !facts.is_file() || facts.len() > LIMIT {
        return Err(format!("env-file '{name}' must be a plain file of at most {LIMIT} bytes"));
    }
    if facts.uid() != uid && (facts.nlink() > 1 || !is_guarded(path)) {
        return Err(format!(
            "env-file '{name}' belongs to another user than the group's, so every directory above it must belong to \
             root and be writable by root only, and it must have no second name"
        ));
    }
    if ![0, uid, own].contains(&facts.uid()) {
        return Err(format!("env-file '{name}' must be owned by root or by the user of the group"));
    }
    let text = content(file).map_err(|e| format!("env-file '{name}' cannot be read as UTF-8 ({e})"))?;
    parse(&text)
        .map_err(|line| format!("env-file '{name}' line {line}: write KEY=VALUE, or # before a comment"))
}

/// Whether nobody but root (or the user httpd runs as) can make the path lead elsewhere.
fn is_guarded(path: &Path) -> bool {
    // SAFETY: cannot fail.
    let own = unsafe { libc::geteuid() };
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directories = path.ancestors().skip(1).chain(real.ancestors().skip(1));
    directories.filter(|d| !d.as_os_str().is_empty()).all(|directory| {
        directory.symlink_metadata().is_ok_and(|facts| {
            let is_ours = facts.uid() == 0 || facts.uid() == own;
            // In a sticky directory nobody can put something else in the place of root's entries.
            let is_closed = facts.mode() & 0o022 == 0 || facts.mode() & 0o1000 != 0;
            is_ours && (facts.is_symlink() || is_closed)
        })
    })
}

fn content(file: File) -> std::io::Result<String> {
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// Lines of `KEY=VALUE`; a value may stand in quotes; `export ` is allowed. `Err` is the line number.
fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut vars = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=').ok_or(index + 1)?;
        let key = key.trim_end();
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) || !key.chars().all(valid) {
            return Err(index + 1);
        }
        vars.push((key.to_owned(), unquote(value.trim()).to_owned()));
    }
    Ok(vars)
}

fn unquote(value: &str) -> &str {
    let quoted = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let text = "# a comment\n\nexport A=1\nB = two words\nC=\"quoted # text\"\nD=\n";
        let expected = [("A", "1"), ("B", "two words"), ("C", "quoted # text"), ("D", "")];
        assert_eq!(parse(text).unwrap(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn wrong_lines_are_named() {
        assert_eq!(parse("A=1\nnonsense\n"), Err(2));
        assert_eq!(parse("1A=1\n"), Err(1));
        assert_eq!(parse("A B=1\n"), Err(1));
    }

    #[test]
    fn links_and_directories_are_refused() {
        assert!(read(Path::new("/etc"), 0).unwrap_err().contains("plain file"));
        assert!(read(Path::new("/proc/self/exe"), 0).unwrap_err().contains("cannot be opened"));
    }
}
