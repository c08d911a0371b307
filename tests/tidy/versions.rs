//! What differs between versions of CPython stands in one table, and the newest one is named wherever versions are.

use crate::source::{SourceFile, tree};
use crate::{assert_none, at};
use std::path::Path;

/// The table, and where the version is read.
const TABLE: [&str; 2] = ["python-host/src/python/versions.rs", "python-host/src/python/symbols.rs"];

/// A line of code that compares a version.
fn compares(line: &str) -> bool {
    let is_about = line.to_ascii_lowercase().contains("version") || line.contains("minor");
    let comparisons = ["<", ">", "<=", ">=", "==", "!="];
    let compared = comparisons.iter().any(|sign| {
        line.split_once(&format!(" {sign} "))
            .is_some_and(|(_, rest)| rest.trim_start().starts_with(['(', '3']))
    });
    is_about && compared
}

#[test]
fn versions_are_compared_in_one_file() {
    assert!(compares("if symbols::get().version >= (3, 12) {") && compares("symbols.version == (3, 12)"));
    assert!(!compares("let version = symbols::get().version;") && !compares("if count == 3 {"));
    let is_table = |source: &SourceFile| TABLE.iter().any(|path| source.path == Path::new(path));
    let mut found = Vec::new();
    for source in
        SourceFile::all().iter().filter(|source| source.is_in(&["python-host/src"]) && !is_table(source))
    {
        let lines = source.code_lines().filter(|(_, code)| compares(code));
        found.extend(lines.map(|(line, code)| at(source, line, code.trim())));
    }
    for (path, text) in crate::source::python_files("python-host/src") {
        let words = ["sys.version_info", "sys.hexversion"];
        let lines = text.lines().enumerate().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        found.extend(lines.map(|(index, line)| format!("{}:{}: {}", path.display(), index + 1, line.trim())));
    }
    assert_none("versions of Python are compared in python-host/src/python/versions.rs only", found);
}

/// Where the versions of Python stand that this project is tried with.
const NAMED_IN: [&str; 5] =
    ["CONTRIBUTING.md", "Makefile", "README.md", "docs/dev/decisions.md", "packaging/debian/control.in"];

#[test]
fn the_newest_python_is_named() {
    let read = |file: &str| std::fs::read_to_string(tree().join(file)).expect("it is there");
    let script = read("scripts/newer_pythons.sh");
    let newest = script.lines().find_map(|line| line.strip_prefix("newest=")).expect("the script names one");
    let silent = NAMED_IN.iter().filter(|file| !read(file).contains(newest));
    assert_none(
        &format!("files that do not name Python {newest} of scripts/newer_pythons.sh"),
        silent.map(|file| (*file).to_owned()).collect(),
    );
}
