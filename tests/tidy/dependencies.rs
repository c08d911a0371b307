//! Crates that others have written: under licences that ours allows, each in one version.

use crate::assert_none;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Licences that may be linked with Apache-2.0.
const ALLOWED: [&str; 8] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are there in two versions, and why nothing can be done about it here.
const TWICE: [(&str, &str); 4] = [
    ("embedded-io", "postcard names both"),
    ("getrandom", "by rand"),
    ("rand", "stateright, in tests only, names an older one than proptest does"),
    ("rand_core", "by rand"),
];

/// All packages that are built here, with their dependencies.
fn packages() -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
        .current_dir(crate::source::tree())
        .output()
        .expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].take().as_array().expect("a list").clone()
}

fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

/// Whether a licence expression (SPDX, and the older form with a slash) leaves a choice that is allowed.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|licence| ALLOWED.contains(&licence.trim())))
}

#[test]
fn licences_are_allowed() {
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0") && is_allowed("MIT/Apache-2.0"));
    assert!(!is_allowed("GPL-3.0") && !is_allowed("MIT AND GPL-3.0") && !is_allowed(""));
    let found = packages();
    let found = found.iter().filter(|package| !is_allowed(text(package, "license")));
    let say = |package: &Value| format!("{}: {:?}", text(package, "name"), text(package, "license"));
    assert_none(
        "licences of crates are among those that tests/tidy/dependencies.rs allows",
        found.map(say).collect(),
    );
}

#[test]
fn crates_are_there_once() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        versions
            .entry(text(&package, "name").to_owned())
            .or_default()
            .push(text(&package, "version").to_owned());
    }
    let twice = versions
        .into_iter()
        .filter(|(name, versions)| versions.len() > 1 && !TWICE.iter().any(|(known, _)| known == name));
    assert_none("each crate in one version", twice.map(|row| format!("{row:?}")).collect());
}
