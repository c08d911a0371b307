//! `env-file=`: `KEY=VALUE` lines for a daemon's environment, read with the rights of root and with care.

use crate::access;
use crate::plain_file::{self, OpenRefusal};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Longest file in bytes.
const LIMIT: u64 = 256 * 1024;

/// Reads a file that is a regular file (no link) of root or of the user who gets the values: nobody can have
/// root read him a file that he could not read himself. `own` is whom httpd's parent runs as.
///
/// # Errors
/// One sentence naming the file and the fix.
pub fn read(path: &Path, uid: u32, own: u32) -> Result<Vec<(String, String)>, String> {
    let name = path.display();
    let refused = |refusal| match refusal {
        OpenRefusal::Failed(e) => {
            format!("env-file '{name}' cannot be opened ({e}); give a readable plain file")
        }
        OpenRefusal::NotPlain => {
            format!("env-file '{name}' must be a plain file of at most {LIMIT} bytes, and no link")
        }
    };
    let file = plain_file::open_plain(path, LIMIT, false).map_err(refused)?;
    let facts = file.metadata().map_err(|e| format!("env-file '{name}' cannot be examined ({e})"))?;
    if facts.uid() != uid && (facts.nlink() > 1 || !is_guarded(path, own)) {
        return Err(format!(
            "env-file '{name}' belongs to another user than the group's, so every directory above it must belong to \
             root and be writable by root only, and it must have no second name"
        ));
    }
    if ![0, uid, own].contains(&facts.uid()) {
        return Err(format!("env-file '{name}' must be owned by root or by the user of the group"));
    }
    let text = plain_file::read_plain(file, LIMIT).map_err(|refusal| match refusal {
        OpenRefusal::Failed(e) => format!("env-file '{name}' cannot be read as UTF-8 ({e})"),
        OpenRefusal::NotPlain => refused(refusal),
    })?;
    parse(&text)
        .map_err(|line| format!("env-file '{name}' line {line}: write KEY=VALUE, or # before a comment"))
}

/// Whether nobody but root (or the user httpd runs as) can make the path lead elsewhere.
fn is_guarded(path: &Path, own: u32) -> bool {
    let real = path.canonicalize().ok();
    let folders = [path.parent(), real.as_deref().and_then(Path::parent)];
    folders
        .into_iter()
        .all(|folder| folder.is_some_and(|folder| access::exposed(folder, own, &|_| true).is_none()))
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
        assert!(read(Path::new("/etc"), 0, 0).unwrap_err().contains("plain file"));
        assert!(read(Path::new("/proc/self/exe"), 0, 0).unwrap_err().contains("plain file"));
    }
}
