//! What docs/security.md and docs/faults.md promise is tested: each row of what an application cannot do, and of what heals,
//! names a test, and the tests are there.

use crate::assert_none;
use crate::source::SourceFile;
use std::collections::BTreeSet;

/// Every function of the tree, alone and with the name of its file in front.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in SourceFile::all() {
        let module = source.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let words: Vec<&str> = source.code.split_whitespace().collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "fn") {
            let name = pair[1].split(['(', '<']).next().unwrap_or_default();
            names.insert(format!("{module}::{name}"));
            names.insert(name.to_owned());
        }
    }
    names
}

/// The words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The last two parts of a path of Rust; `None` for what is none.
fn path(word: &str) -> Option<String> {
    let is_name = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let parts: Vec<&str> = word.split("::").collect();
    let is_path = parts.len() > 1 && parts.iter().all(|part| is_name(part));
    is_path.then(|| parts[parts.len() - 2..].join("::"))
}

/// What is wrong with a document: tests that are not there, and rows of its first table that name none.
fn broken_promises(document: &str, known: &BTreeSet<String>) -> Vec<String> {
    let missing = quoted(document).filter_map(path).filter(|name| !known.contains(name));
    let mut found: Vec<String> = missing.map(|name| format!("{name} is not in the tree")).collect();
    let rows = document.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    for row in rows.take_while(|line| line.starts_with('|')) {
        if !quoted(row).any(|word| known.contains(&path(word).unwrap_or_else(|| word.to_owned()))) {
            found.push(format!("no test: {row}"));
        }
    }
    found
}

#[test]
fn promises_are_tested() {
    let document =
        std::fs::read_to_string(crate::source::tree().join("docs/security.md")).expect("it exists");
    assert_none("docs/security.md names a test for each row", broken_promises(&document, &functions()));
}

#[test]
fn faults_are_tested() {
    let document = std::fs::read_to_string(crate::source::tree().join("docs/faults.md")).expect("it exists");
    let known = functions();
    let found = document.split("\n## ").flat_map(|section| broken_promises(section, &known)).collect();
    assert_none("docs/faults.md names a test for each row", found);
}

#[test]
fn broken_promises_are_found() {
    let known = ["trust::one", "one", "alone"].map(str::to_owned).into();
    let document = |row: &str| {
        format!("# x\n\n| wish | way |\n|---|---|\n| a | {row} |\n\n`env=`, `os.fork()`\n| b | no row |\n")
    };
    for good in ["`trust::one`", "x (`config::trust::one`)", "`alone` in `wsgi-supervisor`"] {
        assert_eq!(broken_promises(&document(good), &known), [""; 0], "{good}");
    }
    assert_eq!(broken_promises(&document("nothing"), &known).len(), 1);
    assert_eq!(broken_promises(&document("`trust::two`"), &known).len(), 2);
}
