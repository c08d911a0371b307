//! The rows against the list of names in the specification.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Options of the specification that stand outside the tables of its section 3.
const ELSEWHERE: [&str; 4] = ["ssl-port", "proxy-url-alias", "reload-on-changes", "disable-reloading"];

/// Name, with how many values, a list or not: from section 3 of the specification.
fn specified() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dev/spec/express.md");
    let text = std::fs::read_to_string(path).expect("it is in the workspace");
    let (_, text) = text.split_once("\n## 3. ").expect("section 3");
    let (text, _) = text.split_once("\n## 4. ").expect("section 4");
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `--")) {
        let cells: Vec<&str> = line.replace("\\|", "/").leak().split('|').collect();
        let names = cells[1].split('`').skip(1).step_by(2);
        let rest = cells[2..].join("|");
        for name in names {
            let after = cells[1].split(&format!("{name}`")).nth(1).unwrap_or_default();
            let mark = if after.starts_with('*') { "list " } else { "" };
            found.insert(name.trim_start_matches("--").to_owned(), format!("{mark}{rest}"));
        }
    }
    found
}

#[test]
fn all_152_names_of_the_specification_are_here() {
    let mut expected: BTreeSet<String> = specified().into_keys().collect();
    expected.extend(ELSEWHERE.map(str::to_owned));
    assert_eq!(expected.len(), 152);
    let ours: BTreeSet<String> =
        rows().filter(|row| row.state != OptionState::New).map(|row| row.name.to_owned()).collect();
    assert_eq!(ours.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "not specified");
    assert_eq!(expected.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new(), "missing");
}

#[test]
fn arity_and_repetition_are_those_of_the_specification() {
    for (name, rest) in specified() {
        let row = find(&name).expect("the other test says");
        let second = rest.split('|').find(|cell| cell.contains("×2"));
        let arity = if second.is_some() { 2 } else { usize::from(row.kind != ValueKind::Flag) };
        assert_eq!(row.values.len(), arity, "{name}");
        assert_eq!(row.is_list, rest.starts_with("list "), "{name}");
    }
}

#[test]
fn literal_defaults_are_those_of_the_specification() {
    let specified = specified();
    let of = |name: &str| specified.get(name).map(String::as_str).unwrap_or_default();
    for row in rows().filter(|row| row.state != OptionState::New) {
        let Some(default) = row.literal_default() else { continue };
        if row.name.starts_with("header-m") || row.name.starts_with("body-m") {
            continue; // three in one line of the specification
        }
        assert!(of(row.name).contains(&format!("`{default}`")), "{}: {default}", row.name);
    }
}

#[test]
fn names_are_unique_and_every_row_has_a_text() {
    let names: BTreeSet<&str> = rows().map(|row| row.name).collect();
    assert_eq!(names.len(), rows().count());
    for row in rows() {
        assert!(row.help.ends_with('.'), "{}: {}", row.name, row.help);
        assert_eq!(row.kind == ValueKind::Flag, row.values.is_empty(), "{}", row.name);
    }
}
