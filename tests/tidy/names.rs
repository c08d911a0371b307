//! Names: a type's name is its own in its crate and seldom one bare word, and a metaphor that names a file or a type is
//! explained in ARCHITECTURE.md, "Words".

use crate::source::SourceFile;
use crate::{assert_none, at};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Words that are not the field's. What is named by one of them is named in the table, too.
const METAPHORS: [&str; 33] = [
    "attendant",
    "bell",
    "birth",
    "courtesy",
    "crowd",
    "desk",
    "disposal",
    "furnish",
    "gate",
    "handoff",
    "heir",
    "heirloom",
    "inquest",
    "journal",
    "kit",
    "leftovers",
    "ledger",
    "lifeline",
    "meter",
    "nursery",
    "obituary",
    "pace",
    "prober",
    "relay",
    "remains",
    "revival",
    "slot",
    "steward",
    "supervisor",
    "ticket",
    "turn",
    "turnstile",
    "zygote",
];

/// How many words a newcomer is asked to learn at most.
const MOST_WORDS: usize = 25;

/// How many of a hundred types may be named by one word only. `Supervisor` says enough; `Place` or `Order` does not.
const MOST_SINGLE_WORDS: usize = 35;

/// How many types a crate has before its own share is looked at, too.
const ENOUGH_TYPES: usize = 12;

/// Types of a crate that are not in tests: name, file, line.
fn types(source: &SourceFile) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (line, code) in source.code_lines() {
        let is_inside = code.starts_with(char::is_whitespace);
        let mut words = code
            .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '(')
            .filter(|word| !word.is_empty());
        let keyword = words
            .by_ref()
            .find(|word| !word.starts_with("pub") && !matches!(*word, "(super" | "(crate" | "unsafe"));
        let is_type = match keyword {
            Some("struct" | "enum" | "union" | "trait") => true,
            // Within an `impl` it is an associated type.
            Some("type") => !is_inside,
            _ => false,
        };
        // A macro gets the name from whoever uses it.
        if let Some(name) = words.next().filter(|_| is_type && !code.contains(" $")) {
            found.push((name.split('(').next().unwrap_or_default().to_owned(), line));
        }
    }
    found
}

fn sources() -> Vec<SourceFile> {
    let is_code =
        |source: &SourceFile| !source.is_test_file() && source.path.iter().any(|part| part == "src");
    SourceFile::all().into_iter().filter(is_code).collect()
}

/// The first column of the table "Words".
fn words() -> Vec<String> {
    let text = std::fs::read_to_string(crate::source::tree().join("ARCHITECTURE.md")).expect("it is there");
    let table =
        text.split("\n## Words\n").nth(1).expect("a section Words").split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.filter_map(|row| row.split('|').nth(1)).map(|word| word.trim().to_lowercase()).collect()
}

#[test]
fn type_names_are_unique_in_their_crate() {
    let mut places: BTreeMap<(PathBuf, String), PathBuf> = BTreeMap::new();
    let mut found = Vec::new();
    for source in sources() {
        let parts = source.path.iter().take_while(|part| *part != "src").collect();
        for (name, line) in types(&source) {
            // The same name twice in one file is one type for two systems.
            match places.insert((PathBuf::clone(&parts), name.clone()), source.path.clone()) {
                Some(other) if other != source.path => {
                    found.push(at(&source, line, &format!("{name} is also in {}", other.display())));
                }
                _ => (),
            }
        }
    }
    assert_none("a type's name is its own in its crate", found);
}

#[test]
fn few_type_names_are_one_bare_word() {
    let mut crates: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for source in SourceFile::all() {
        let names = types(&source).into_iter().map(|(name, _)| name);
        crates.entry(source.path.iter().take(1).collect()).or_default().extend(names);
    }
    let share = |names: &[&String]| {
        let single = names.iter().filter(|name| is_one_word(name)).count();
        (single * 100).div_ceil(names.len().max(1))
    };
    let all: Vec<&String> = crates.values().flatten().collect();
    assert!(all.len() > 500, "types are found: {}", all.len());
    let mut found = Vec::new();
    if share(&all) > MOST_SINGLE_WORDS {
        found.push(format!("all crates: {} %", share(&all)));
    }
    for (path, names) in &crates {
        let names: Vec<&String> = names.iter().collect();
        if names.len() > ENOUGH_TYPES && share(&names) > MOST_SINGLE_WORDS {
            let single: Vec<&str> =
                names.iter().filter(|name| is_one_word(name)).map(|name| name.as_str()).collect();
            found.push(format!("{}: {} %: {}", path.display(), share(&names), single.join(", ")));
        }
    }
    assert_none("a type's name says what it is, mostly in two words", found);
}

/// Whether a name is one word, as `Launch`.
fn is_one_word(name: &str) -> bool {
    !name.chars().skip(1).any(|c| c.is_uppercase() || c == '_')
}

#[test]
fn metaphors_are_explained() {
    let words = words();
    assert!(words.len() <= MOST_WORDS, "{} words", words.len());
    let is_explained =
        |metaphor: &str| words.iter().any(|word| word.split([' ', ',']).any(|part| part == metaphor));
    let mut found = Vec::new();
    for source in sources() {
        let file = source.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let mut names: Vec<(String, usize)> = vec![(file.to_owned(), 1)];
        names.extend(types(&source).into_iter().map(|(name, line)| (first_word(&name), line)));
        for (name, line) in names {
            if METAPHORS.contains(&name.as_str()) && !is_explained(&name) {
                found.push(at(&source, line, &name));
            }
        }
    }
    assert_none("ARCHITECTURE.md, \"Words\", explains what is no word of the field", found);
}

/// `Exit` of `ExitRecord`, in small letters.
fn first_word(name: &str) -> String {
    let end = name.char_indices().skip(1).find(|(_, c)| c.is_uppercase()).map_or(name.len(), |(at, _)| at);
    name[..end].to_lowercase()
}
