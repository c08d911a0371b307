//! Rust source files of the workspace, with strings and comments blanked so that rules look at code only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Names the tree to look at, if it is not the one of this program.
pub const TREE: &str = "WSGI_TIDY_TREE";

/// The tree that is looked at.
pub fn tree() -> &'static Path {
    static GIVEN: OnceLock<Option<PathBuf>> = OnceLock::new();
    GIVEN
        .get_or_init(|| std::env::var_os(TREE).map(PathBuf::from))
        .as_deref()
        .unwrap_or(integration::workspace())
}

/// One file.
pub struct SourceFile {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// As it is.
    pub text: String,
    /// The same lines, with the insides of strings, characters and comments blanked.
    pub code: String,
}

impl SourceFile {
    /// Every `.rs` file, sorted by path.
    pub fn all() -> Vec<SourceFile> {
        let mut paths = Vec::new();
        collect(tree(), &mut paths);
        paths.sort();
        let read = |path: PathBuf| {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(tree()).expect("below it").to_owned();
            SourceFile { code: mask(&text), path, text }
        };
        paths.into_iter().map(read).collect()
    }

    /// True below one of these folders.
    pub fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// True when the file holds nothing but tests.
    pub fn is_test_file(&self) -> bool {
        self.path.starts_with("tests")
            || self.path.ends_with("tests.rs")
            || self.folders().any(|name| name == "tests")
    }

    /// How many lines there are before the first `#[cfg(test)]`.
    pub fn lines_without_tests(&self) -> usize {
        self.code.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(self.code.lines().count())
    }

    /// Lines of code before the first `#[cfg(test)]`, numbered from 1.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().take(self.lines_without_tests()).enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The comment lines directly above line `number`, attributes between them passed over, and the comment on it.
    pub fn comment_at(&self, number: usize) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        let own = lines[number - 1].split_once("//").map_or("", |(_, comment)| comment).to_owned();
        let above = lines[..number - 1].iter().rev().map(|line| line.trim());
        let above = above.take_while(|line| line.starts_with("//") || line.starts_with("#["));
        above.fold(own, |text, line| format!("{line}\n{text}"))
    }

    /// The first line of the statement that goes on in line `number`: rustfmt breaks after `=` and within arguments.
    pub fn statement_start(&self, number: usize) -> usize {
        let lines: Vec<&str> = self.code.lines().map(str::trim).collect();
        let goes_on =
            |line: &str| !line.is_empty() && !line.starts_with('#') && !line.ends_with([';', '{', '}']);
        (1..number).rev().take_while(|above| goes_on(lines[above - 1])).last().unwrap_or(number)
    }

    /// Functions before the first `#[cfg(test)]`: line, name, length in lines.
    pub fn functions(&self) -> Vec<(usize, String, usize)> {
        let mut found = Vec::new();
        let end: usize = self.code.lines().take(self.lines_without_tests()).map(|line| line.len() + 1).sum();
        let code = &self.code[..end.min(self.code.len())];
        for (start, _) in code.match_indices("fn ") {
            if start > 0 && !code.as_bytes()[start - 1].is_ascii_whitespace() {
                continue;
            }
            let rest = &code[start + 3..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let Some(length) = body_end(rest).filter(|_| !name.is_empty()) else { continue };
            let lines = rest[..length].matches('\n').count() + 1;
            found.push((code[..start].matches('\n').count() + 1, name, lines));
        }
        found
    }

    fn folders(&self) -> impl Iterator<Item = &str> {
        self.path.parent().into_iter().flat_map(Path::iter).filter_map(|name| name.to_str())
    }
}

/// Where the body that follows ends; none for a declaration without one.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut parentheses) = (0, 0);
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' if braces == 0 => parentheses += 1,
            b')' | b']' if braces == 0 => parentheses -= 1,
            b';' if braces == 0 && parentheses == 0 => return None,
            b'{' => braces += 1,
            b'}' if braces == 1 => return Some(at),
            b'}' => braces -= 1,
            _ => (),
        }
    }
    None
}

/// Every `.py` file below a folder of the workspace, with its text.
pub fn python_files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut open = vec![tree().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "py") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                found.push((path, text));
            }
        }
    }
    found
}

/// Whether a folder is part of the tree: not hidden, and not what is built.
pub fn is_of_the_tree(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    match &*name {
        "target" => false,
        // A build script's own folder, not the output of `make build`.
        "build" => folder.join("main.rs").exists(),
        name => !name.starts_with('.'),
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if is_of_the_tree(&path) {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Blanks strings, characters and comments; keeps every newline where it is.
fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut masked = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let length = token_length(&bytes[at..], at > 0 && is_word(bytes[at - 1]));
        if length > 1 {
            masked[at..at + length].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        at += length;
    }
    String::from_utf8(masked).expect("whole tokens were blanked")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the string, character or comment that begins here; 1 when none does.
fn token_length(rest: &[u8], is_inside_word: bool) -> usize {
    let find = |needle: &[u8], from: usize| {
        rest[from..].windows(needle.len()).position(|window| window == needle).map(|at| from + at)
    };
    match rest {
        [b'/', b'/', ..] => find(b"\n", 0).unwrap_or(rest.len()),
        [b'/', b'*', ..] => find(b"*/", 2).map_or(rest.len(), |at| at + 2),
        [b'"', ..] => quoted(rest, b'"'),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        [b'\'', first, ..] => {
            let width = first.leading_ones().max(1) as usize;
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 1 } // else a lifetime
        }
        [b'r', next, ..] if !is_inside_word && matches!(next, b'"' | b'#') => raw_string(rest, 1),
        [b'b' | b'c', b'r', next, ..] if !is_inside_word && matches!(next, b'"' | b'#') => {
            raw_string(rest, 2)
        }
        _ => 1,
    }
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 1; // r#name
    }
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = prefix + hashes + 1;
    rest[body..]
        .windows(end.len())
        .position(|window| window == end)
        .map_or(rest.len(), |at| body + at + end.len())
}

#[test]
fn masking_keeps_lines_and_code() {
    let text = "let a = \"unsafe {\"; // unsafe {\nlet b = '\"'; fn x<'a>() { r#\"fn \"# }\n/* fn */ let c = b'\\'';\n";
    let code = mask(text);
    assert_eq!(code.lines().count(), 3);
    assert!(!code.contains("unsafe") && !code.contains("/*"), "{code}");
    assert!(code.contains("fn x<'a>() {") && code.ends_with(";\n"), "{code}");
}

#[test]
fn functions_are_measured() {
    let source = |text: &str| SourceFile { path: PathBuf::new(), text: text.to_owned(), code: mask(text) };
    let found =
        source("fn one() {\n    {}\n}\nfn two(f: [u8; 2]);\n#[cfg(test)]\nfn three() {}\n").functions();
    assert_eq!(found, [(1, "one".to_owned(), 3)]);
}
