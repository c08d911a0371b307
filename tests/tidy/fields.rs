//! What is configured, sent or reported is read by those it is for: the compiler does not say it of a public field.

use crate::source::SourceFile;
use crate::{assert_none, at};
use std::path::Path;

/// Records: their file, their names, and where each of their fields is read.
const RECORDS: [(&str, &[&str], &[&str]); 8] = [
    ("wsgi-directives/src/config/daemon.rs", &["DaemonOptions", "AsgiOptions"], CONFIGURED),
    ("wsgi-directives/src/config/global.rs", &["GlobalConfig", "InterpreterSettings"], CONFIGURED),
    ("wsgi-directives/src/config/layer.rs", &["Settings"], &["wsgi-directives/src/request"]),
    ("wsgi-directives/src/request/effective.rs", &["RequestConfig"], &["src", "wsgi-directives/src/request"]),
    (
        "wsgi-protocol/src/launch.rs",
        &["Launch", "DaemonTimers", "PythonSettings", "HttpdFacts", "InterpreterRule", "MountedApplication"],
        &["python-host/src", "wsgi-supervisor/src"],
    ),
    (
        "wsgi-protocol/src/control.rs",
        &["Configuration", "GroupSpec", "DaemonIdentity", "ResourceLimits", "GroupSockets", "LogTarget"],
        &["wsgi-supervisor/src"],
    ),
    ("wsgi-protocol/src/request.rs", &["RequestHead"], &["python-host/src"]),
    (
        "wsgi-status/src/lib.rs",
        &["StatusReport", "ServerReport", "GroupReport", "ProcessReport", "RequestReport"],
        &["wsgi-status/src"],
    ),
];

/// Who reads the configuration; the tables of directives and options fill it.
const CONFIGURED: &[&str] = &[
    "src",
    "wsgi-plan/src",
    "wsgi-directives/src/checks",
    "wsgi-directives/src/checks.rs",
    "wsgi-directives/src/config",
    "wsgi-directives/src/request",
];

/// Fields of directives that are checked and have no effect (their rows say so).
const WITHOUT_EFFECT: [&str; 3] = ["accept_mutex", "telemetry_options", "verbose_debugging"];

/// The fields of a record, with their lines.
fn fields(source: &SourceFile, record: &str) -> Vec<(usize, String)> {
    let head = format!("pub struct {record}");
    let lines = source.code_lines().skip_while(|(_, line)| {
        !line.trim().strip_prefix(&head).is_some_and(|rest| rest.starts_with([' ', '<']))
    });
    let body = lines.skip(1).take_while(|(_, line)| line.trim() != "}");
    let field = |(number, line): (usize, &str)| {
        let name = line.trim().trim_start_matches("pub ").split_once(':')?.0.trim();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| (number, name.to_owned()))
    };
    body.filter_map(field).collect()
}

/// Whether code takes a field of this name from something: `x.name`, or a macro's `!(name)`. That it only fills it looks alike
/// but for `x.name = y`.
fn reads(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let (before, rest) = (&line[..at], &line[at + name.len()..]);
        let is_whole = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_filled = rest.trim_start().strip_prefix('=').is_some_and(|rest| !rest.starts_with('='));
        is_whole && !is_filled && (before.ends_with('.') || before.ends_with("!("))
    })
}

#[test]
fn fields_are_read() {
    let all = SourceFile::all();
    let mut found = Vec::new();
    for (file, records, readers) in RECORDS {
        let source = all.iter().find(|source| source.path == Path::new(file));
        let source = source.unwrap_or_else(|| panic!("{file} is there"));
        let readers: Vec<_> =
            all.iter().filter(|source| source.is_in(readers) && !source.is_test_file()).collect();
        for record in records {
            let fields = fields(source, record);
            assert!(!fields.is_empty(), "{file} has a record {record}");
            let forgotten = fields.iter().filter(|(_, name)| {
                let is_read =
                    readers.iter().any(|source| source.code_lines().any(|(_, line)| reads(line, name)));
                !is_read && !WITHOUT_EFFECT.contains(&name.as_str())
            });
            found.extend(forgotten.map(|(line, name)| at(source, *line, &format!("{record}::{name}"))));
        }
    }
    assert_none("a field that is filled and that nobody reads", found);
}

#[test]
fn what_reads_a_field_is_told_from_what_fills_it() {
    for read in
        ["let a = options.name;", "switch!(name).unwrap_or(false)", "if o.name == 1", "self.name.get()"]
    {
        assert!(reads(read, "name"), "{read}");
    }
    for other in ["launch.name = options.other;", "name: other,", "x.name_of()", "let name = 1;"] {
        assert!(!reads(other, "name"), "{other}");
    }
}
