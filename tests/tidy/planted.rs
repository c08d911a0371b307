//! Each rule is seen failing: what breaks it is put into a copy of the tree, where this program then looks by that rule alone.

use crate::source::{TREE, is_of_the_tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tests of the rules' own code, and rules that look at what is compiled into this program or comes from a registry: why none
/// of them can be broken in a copy.
const NOT_PLANTED: [(&str, &str); 11] = [
    ("circles::tests::", "a test of circles.rs"),
    ("dependencies::crates_are_there_once", "another version would have to come from a registry"),
    ("fields::what_reads_a_field_is_told_from_what_fills_it", "a test of fields.rs"),
    ("messages::a_level_that_is_written_out_is_found", "a test of messages.rs"),
    ("messages::rules_of_requests_agree_with_the_map", "both tables are compiled in"),
    ("planted::", "this file"),
    ("promises::broken_promises_are_found", "a test of promises.rs"),
    ("references::dead_ends_are_found", "a test of references.rs"),
    ("source::functions_are_measured", "a test of source.rs"),
    ("source::masking_keeps_lines_and_code", "a test of source.rs"),
    ("versions::tests::", "a test of versions.rs"),
];

/// What is done to a file of the copy.
enum Violation {
    /// A new file with this text.
    File(String),
    /// More text at the end.
    Lines(&'static str),
    /// One text for another.
    Instead(&'static str, &'static str),
}
use Violation::{File, Instead, Lines};

/// A file of its own, with a proper first line.
fn source(code: &str) -> Violation {
    File(format!("//! Planted.\n\n{code}\n"))
}

/// Rule, file, what is done to it.
type PlantedViolation = (&'static str, &'static str, Violation);

fn violations() -> Vec<PlantedViolation> {
    let mut all = of_the_tree();
    all.extend(of_code());
    all
}

/// What is wrong with files, crates and documents.
fn of_the_tree() -> Vec<PlantedViolation> {
    let dependency = "[dependencies]\nwsgi-status = { path = \"../wsgi-status\" }\n";
    let circle = source("use crate::planted::deep::Inner;\npub struct Planted;");
    let skipped = source("#[test]\nfn planted() {\n    if Subject::skips(\"it\") {}\n}");
    let dangling = ["// See no-such", "md."].join("."); // in one piece it would be a reference of this file
    let (long, headless) = (source(&"const A: u8 = 0;\n".repeat(501)), File("const A: u8 = 0;\n".to_owned()));
    vec![
        ("circles::files_know_each_other_in_one_direction", "src/planted.rs", circle),
        ("crates_know_only_whom_they_may", "apr-sys/Cargo.toml", Instead("[dependencies]\n", dependency)),
        ("decisions_touch_nothing", "wsgi-supervisor/src/decide/planted.rs", source("use std::fs;")),
        (
            "dependencies::licences_are_allowed",
            "apr-sys/Cargo.toml",
            Instead("license.workspace = true", "license = \"GPL-3.0\""),
        ),
        ("differences_from_the_control_are_documented", "tests/it/planted.rs", skipped),
        ("files_are_short", "src/planted.rs", long),
        ("files_begin_by_saying_what_they_are", "src/planted.rs", headless),
        ("files_have_names_that_say_something", "src/utils.rs", source("")),
        ("names::metaphors_are_explained", "src/turnstile.rs", source("")),
        ("promises::faults_are_tested", "docs/faults.md", Lines("\n`planted::no_such_test`\n")),
        ("promises::promises_are_tested", "docs/security.md", Lines("\n`planted::no_such_test`\n")),
        ("pure_crates_forbid_unsafe_code", "wsgi-plan/src/lib.rs", Instead("#![forbid(unsafe_code)]", "")),
        ("references::references_lead_somewhere", "src/planted.rs", source(&dangling)),
    ]
}

/// What is wrong with lines of code.
fn of_code() -> Vec<PlantedViolation> {
    let long = format!("fn planted() {{\n{}}}", "    f();\n".repeat(60));
    let version = "fn planted() -> bool {\n    version >= (3, 12)\n}";
    let single: String = (0..500).map(|number| format!("struct Planted{number};\n")).collect();
    let blocks = "// SAFETY: none.\nunsafe { f() }\n".repeat(1000);
    vec![
        ("c_enters_through_one_door", "src/planted.rs", source("extern \"C\" fn planted() {}")),
        (
            "fields::fields_are_read",
            "wsgi-protocol/src/launch.rs",
            Instead("pub struct Launch {", "pub struct Launch {\n    pub planted: bool,"),
        ),
        ("functions_are_short", "src/planted.rs", source(&long)),
        ("ignored_tests_have_a_reason", "src/planted.rs", source("#[ignore]\nfn planted() {}")),
        (
            "messages::each_row_is_used",
            "wsgi-supervisor/src/messages.rs",
            Instead("events::SOCKET_SHUT", "events::SOCKET_REMOVED"),
        ),
        (
            "messages::no_level_is_written_out",
            "src/planted.rs",
            source("fn planted() {\n    log(LogLevel::Error);\n}"),
        ),
        ("messages::no_number_is_written_out", "src/planted.rs", source("const A: &str = \"WSGI0123\";")),
        ("names::few_type_names_are_one_bare_word", "src/planted.rs", source(&single)),
        ("names::type_names_are_unique_in_their_crate", "src/planted.rs", source("pub struct ConfigState;")),
        ("unsafe_blocks_say_why_they_are_sound", "src/planted.rs", source("fn f() {\n    unsafe { f() }\n}")),
        ("unsafe_code_gets_less", "src/planted.rs", source(&blocks)),
        ("unsafe_has_a_postcode", "wsgi-plan/src/planted.rs", source("unsafe fn planted() {}")),
        ("versions::the_newest_python_is_named", "scripts/newer_pythons.sh", Instead("newest=3", "newest=9")),
        ("versions::versions_are_compared_in_one_file", "python-host/src/planted.rs", source(version)),
        ("what_cannot_fail_says_why", "src/planted.rs", source("fn planted() {\n    f().unwrap();\n}")),
    ]
}

/// Files that the violation of one rule needs besides.
const CIRCLE: [(&str, &str); 2] = [
    ("src/planted/deep.rs", "//! Planted.\n\nuse crate::planted::wide::Outer;\npub struct Inner;\n"),
    ("src/planted/wide.rs", "//! Planted.\n\nuse crate::planted::deep::Inner;\npub struct Outer;\n"),
];

/// The tree without what is built, in a folder that goes with it.
struct TreeCopy(PathBuf);

impl TreeCopy {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("wsgi-tidy-{}", std::process::id()));
        let copy = Self(path);
        copy_folder(integration::workspace(), &copy.0);
        copy
    }

    /// What the rules that these arguments choose print about the copy, if one is broken there.
    fn broken(&self, arguments: &[&str]) -> Option<String> {
        let program = std::env::current_exe().expect("Linux says so");
        let output = Command::new(program).args(arguments).env(TREE, &self.0).output();
        let output = output.expect("this program can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("running 0 tests"), "there is a rule {arguments:?}: {text}");
        (!output.status.success()).then_some(text)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }
}

impl Drop for TreeCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    for entry in fs::read_dir(from).expect("it can be read").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && is_of_the_tree(&path) {
            copy_folder(&path, &to.join(name));
        } else if path.is_file() {
            fs::copy(&path, to.join(name)).expect("it can be copied");
        }
    }
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let copy = TreeCopy::new();
    assert_eq!(copy.broken(&["--skip", "planted::"]), None, "the copy is as good as the tree");
    let mut found = Vec::new();
    for (rule, file, violation) in violations() {
        let path = copy.0.join(file);
        let before = fs::read_to_string(&path).ok();
        let text = before.clone().unwrap_or_default();
        let planted = match violation {
            File(text) => text,
            Lines(lines) => text + lines,
            Instead(old, new) => {
                assert!(text.contains(old), "{file} has {old:?}");
                text.replace(old, new)
            }
        };
        copy.write(file, &planted);
        if rule.starts_with("circles") {
            CIRCLE.iter().for_each(|(file, text)| copy.write(file, text));
        }
        match copy.broken(&["--exact", rule]) {
            None => found.push(format!("{rule} does not see {file}")),
            Some(said) => println!("{rule}:\n{said}"),
        }
        match before {
            Some(text) => copy.write(file, &text),
            None => fs::remove_file(&path).expect("it was written"),
        }
        let _ = fs::remove_dir_all(copy.0.join("src/planted"));
    }
    crate::assert_none("a rule that its violation does not break", found);
}

/// A rule without a violation is a rule that nobody has seen failing.
#[test]
fn each_rule_has_a_violation() {
    let program = std::env::current_exe().expect("Linux says so");
    let output = Command::new(program).arg("--list").output().expect("this program can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rules = text.lines().filter_map(|line| line.strip_suffix(": test"));
    let planted: BTreeMap<_, _> = violations().into_iter().map(|(rule, file, _)| (rule, file)).collect();
    let is_known = |rule: &str| {
        planted.contains_key(rule) || NOT_PLANTED.iter().any(|(start, _)| rule.starts_with(start))
    };
    crate::assert_none(
        "each rule has a row in tests/tidy/planted.rs",
        rules.filter(|rule| !is_known(rule)).map(str::to_owned).collect(),
    );
}
