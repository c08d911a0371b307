//! Rules of this workspace that can be checked by looking at it; CONTRIBUTING.md says why each is there.

mod circles;
mod dependencies;
mod fields;
mod messages;
mod names;
mod planted;
mod promises;
mod references;
mod source;
mod versions;

use serde_json::Value;
use source::SourceFile;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Folders that own a foreign object, httpd's records, Python's objects, what the kernel gives; and what is to be promised
/// of a process: that the supervisor has one thread.
const UNSAFE_FOLDERS: [&str; 6] = [
    "apr-sys",
    "python-host",
    "src",
    "wsgi-supervisor/src/disposal.rs",
    "wsgi-supervisor/src/main.rs",
    "wsgi-system",
];

/// How many blocks of unsafe code each has outside of tests, and in how many files. The numbers only ever get smaller: whoever
/// gets below one writes the new one here. What is only a system call belongs into `wsgi-system`, what is only a field of
/// httpd's is read by `src/httpd/record.rs`, an object of Python's into `python-host/src/python/`.
const UNSAFE_LEFT: [(&str, usize, usize); 5] = [
    ("apr-sys", 0, 0),
    ("python-host", 162, 21),
    ("src", 185, 19),
    ("wsgi-supervisor", 2, 1),
    ("wsgi-system", 75, 9),
];

/// Files where C calls Rust.
const C_ENTRY_FILES: [&str; 11] = [
    "python-host/src/daemon/signals.rs",
    "python-host/src/entry.rs",
    "python-host/src/forked.rs",
    "python-host/src/python/trampoline.rs",
    "python-host/src/thread_end.rs",
    "python-host/tests/host/boundary.rs",
    "src/boundary.rs",
    "src/embedded/from_host.rs",
    "src/httpd/bucket.rs",
    "src/httpd/pool.rs",
    "wsgi-system/src/signals.rs",
];

/// Who may depend on whom (ARCHITECTURE.md).
const EDGES: [(&str, &[&str]); 12] = [
    ("apr-sys", &[]),
    ("integration", &["wsgi-directives", "wsgi-protocol"]),
    ("mod_wsgi-ctl", &["wsgi-protocol"]),
    ("mod_wsgi", &["apr-sys", "wsgi-directives", "wsgi-plan", "wsgi-protocol", "wsgi-status", "wsgi-system"]),
    ("mod_wsgi-express", &["wsgi-directives"]),
    ("python-host", &["wsgi-protocol", "wsgi-system"]),
    ("wsgi-directives", &[]),
    ("wsgi-plan", &["wsgi-directives", "wsgi-protocol"]),
    ("wsgi-protocol", &[]),
    ("wsgi-status", &["wsgi-protocol"]),
    ("wsgi-system", &["wsgi-protocol"]),
    ("wsgi-supervisor", &["wsgi-protocol", "wsgi-system"]),
];

#[track_caller]
fn assert_none(rule: &str, violations: Vec<String>) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

fn at(source: &SourceFile, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.path.display())
}

#[test]
fn files_begin_by_saying_what_they_are() {
    let lacking = SourceFile::all().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none(
        "the first line is `//! …`",
        lacking.map(|source| source.path.display().to_string()).collect(),
    );
}

#[test]
fn files_are_short() {
    let long = SourceFile::all()
        .into_iter()
        .filter(|source| source.lines_without_tests() > 500 && !source.path.ends_with("tests.rs"));
    let say =
        |source: SourceFile| at(&source, source.lines_without_tests(), "the last line before the tests");
    assert_none("at most 500 lines", long.map(say).collect());
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for source in SourceFile::all() {
        let functions = source.functions();
        let functions = functions.iter().filter(|(_, _, length)| *length > 60);
        long.extend(
            functions.map(|(line, name, length)| at(&source, *line, &format!("{name}: {length} lines"))),
        );
    }
    assert_none("functions have at most 60 lines", long);
}

#[test]
fn unsafe_has_a_postcode() {
    let mut found = Vec::new();
    for source in SourceFile::all().iter().filter(|source| !source.is_in(&UNSAFE_FOLDERS)) {
        let lines = source.code.lines().enumerate();
        let words = lines.filter(|(_, line)| has_word(line, "unsafe") && !names_a_function_type(line));
        found.extend(words.map(|(index, line)| at(source, index + 1, line.trim())));
    }
    assert_none(&format!("`unsafe` only in {UNSAFE_FOLDERS:?}"), found);
}

#[test]
fn unsafe_code_gets_less() {
    let mut found = Vec::new();
    let all = SourceFile::all();
    for (folder, blocks, files) in UNSAFE_LEFT {
        let own = all.iter().filter(|source| source.is_in(&[folder]) && !source.is_test_file());
        let count = |source: &SourceFile| {
            source.code_lines().map(|(_, code)| code.matches("unsafe {").count()).sum::<usize>()
        };
        let counts: Vec<usize> = own.map(count).filter(|count| *count > 0).collect();
        let now = (counts.iter().sum::<usize>(), counts.len());
        if now.0 > blocks || now.1 > files {
            found.push(format!(
                "{folder}: {} blocks in {} files, there were {blocks} in {files}",
                now.0, now.1
            ));
        }
    }
    assert_none("unsafe code only gets less", found);
}

#[test]
fn unsafe_blocks_say_why_they_are_sound() {
    let mut found = Vec::new();
    for source in SourceFile::all() {
        for (line, code) in source.code_lines() {
            let is_block = code.contains("unsafe {") || code.contains("unsafe impl");
            if is_block && !source.comment_at(source.statement_start(line)).contains("SAFETY:") {
                found.push(at(&source, line, code.trim()));
            }
        }
    }
    assert_none("a `// SAFETY:` comment stands directly above", found);
}

#[test]
fn c_enters_through_one_door() {
    let mut found = Vec::new();
    for source in SourceFile::all() {
        if C_ENTRY_FILES.iter().any(|path| source.path == Path::new(path)) {
            continue;
        }
        for (index, line) in source.text.lines().enumerate().take(source.lines_without_tests()) {
            let code = line.split("//").next().unwrap_or_default();
            let definition = ["extern \"C\" fn ", "extern \"C-unwind\" fn "].iter().any(|text| {
                code.split_once(text)
                    .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_alphabetic() || c == '_'))
            });
            if definition {
                found.push(at(&source, index + 1, line.trim()));
            }
        }
    }
    assert_none(&format!("functions for C to call only in files named {C_ENTRY_FILES:?}"), found);
}

#[test]
fn what_cannot_fail_says_why() {
    let mut found = Vec::new();
    for source in SourceFile::all().iter().filter(|source| !source.is_test_file()) {
        for (line, code) in source.code_lines() {
            let takes = code.contains(".unwrap()") || code.contains(".expect(");
            if takes && !source.comment_at(line).contains(|c: char| c.is_alphabetic()) {
                found.push(at(source, line, code.trim()));
            }
        }
    }
    assert_none("`unwrap()` and `expect()` have a comment that names the invariant", found);
}

#[test]
fn ignored_tests_have_a_reason() {
    let mut found = Vec::new();
    for source in SourceFile::all() {
        let lines = source.code.lines().enumerate().filter(|(_, line)| line.contains("#[ignore]"));
        found.extend(lines.map(|(index, line)| at(&source, index + 1, line.trim())));
    }
    assert_none("`#[ignore = \"reason\"]`", found);
}

#[test]
fn files_have_names_that_say_something() {
    let vague = ["utils", "util", "helpers", "helper", "misc", "common"];
    let is_vague =
        |path: &Path| path.iter().any(|part| vague.contains(&part.to_string_lossy().trim_end_matches(".rs")));
    let found = SourceFile::all().into_iter().filter(|source| is_vague(&source.path));
    assert_none(&format!("no {vague:?}"), found.map(|source| source.path.display().to_string()).collect());
}

/// A test that the control cannot pass is a difference, and a difference is documented.
#[test]
fn differences_from_the_control_are_documented() {
    let documented =
        std::fs::read_to_string(crate::source::tree().join("docs/differences.md")).expect("it exists");
    let mut found = Vec::new();
    for source in SourceFile::all().iter().filter(|source| source.path.starts_with("tests/it")) {
        let module = source.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let lines: Vec<&str> = source.code.lines().collect();
        for (line, name, length) in source.functions() {
            let skips =
                lines[line - 1..line - 1 + length].iter().any(|code| code.contains("Subject::skips("));
            let name = format!("`{module}::{name}`");
            if skips && !documented.contains(&name) {
                found.push(at(source, line, &name));
            }
        }
    }
    assert_none("docs/differences.md names each test that skips the control", found);
}

#[test]
fn crates_know_only_whom_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(crate::source::tree())
        .output()
        .expect("cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let members: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = text(&package["name"]);
        let Some((_, allowed)) = EDGES.iter().find(|(member, _)| *member == name) else {
            found.push(format!("{name} has no row in EDGES"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("a list") {
            let other = text(&dependency["name"]);
            if members.contains(&other) && !allowed.contains(&other.as_str()) {
                found.push(format!("{name} depends on {other}"));
            }
        }
    }
    assert_none("crate edges are those of ARCHITECTURE.md", found);
}

#[test]
fn decisions_touch_nothing() {
    const DOORS: [&str; 8] =
        ["nix::", "libc::", "std::os", "std::fs", "std::process", "crate::os", "Instant::now", "SystemTime"];
    let decide =
        |source: &SourceFile| source.is_in(&["wsgi-supervisor/src/decide"]) && !source.is_test_file();
    let mut violations = Vec::new();
    for source in SourceFile::all().iter().filter(|source| decide(source)) {
        let lines = source.code_lines().filter(|(_, line)| DOORS.iter().any(|door| line.contains(door)));
        violations.extend(lines.map(|(number, line)| at(source, number, line)));
    }
    assert_none("what decides about processes knows no descriptor, system call or clock", violations);
}

#[test]
fn pure_crates_forbid_unsafe_code() {
    let roots = [
        "wsgi-directives/src/lib.rs",
        "wsgi-plan/src/lib.rs",
        "wsgi-protocol/src/lib.rs",
        "tests/support/lib.rs",
        "express/src/main.rs",
    ];
    let all = SourceFile::all();
    let forbids = |root: &str| {
        all.iter()
            .any(|source| source.path == Path::new(root) && source.code.contains("#![forbid(unsafe_code)]"))
    };
    assert_none(
        "`#![forbid(unsafe_code)]`",
        roots.iter().filter(|root| !forbids(root)).map(|r| (*r).to_owned()).collect(),
    );
}

/// `unsafe extern "C" fn(…)` as a type: naming it does nothing unsafe.
fn names_a_function_type(line: &str) -> bool {
    line.split_once("unsafe extern ").is_some_and(|(_, rest)| rest.trim_start().starts_with("fn("))
}

fn has_word(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(is_word) && !line[start + word.len()..].starts_with(is_word)
    })
}
