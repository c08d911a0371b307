//! Numbers of messages come from the error map (wsgi-protocol/src/events), and nothing else gives any.

use crate::source::SourceFile;
use crate::{assert_none, at};
use std::path::Path;
use wsgi_directives::{
    GroupRefusal, OwnedPart, OwnershipDemand, OwnershipFault, OwnershipViolation, PrecheckRefusal,
};
use wsgi_protocol::events::{LogEvent, rows};

/// Where lines are written.
const WRITERS: [&str; 4] = ["src", "python-host/src", "wsgi-plan/src", "wsgi-supervisor/src"];

/// Sources that write lines, without test files.
fn writers() -> Vec<SourceFile> {
    SourceFile::all().into_iter().filter(|source| source.is_in(&WRITERS) && !source.is_test_file()).collect()
}

#[test]
fn no_number_is_written_out() {
    let mut found = Vec::new();
    for source in writers() {
        let lines = source.text.lines().enumerate().take(source.lines_without_tests());
        for (index, line) in lines.filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let after = line.split("WSGI").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if after {
                found.push(at(&source, index + 1, line.trim()));
            }
        }
        if WRITERS.iter().any(|folder| source.path == Path::new(folder).join("messages.rs")) {
            let numbers = source.code_lines().filter(|(_, code)| has_number(code));
            found.extend(numbers.map(|(line, code)| at(&source, line, code.trim())));
        }
    }
    assert_none("numbers of messages stand in wsgi-protocol/src/events/table/ only", found);
}

/// A literal of two digits or more.
fn has_number(code: &str) -> bool {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_digit()))
}

/// Whose lines have the levels of their rows.
const LEVELLED: [&str; 3] = ["src", "python-host/src", "wsgi-plan/src"];

#[test]
fn no_level_is_written_out() {
    let mut found = Vec::new();
    for source in writers().iter().filter(|source| source.is_in(&LEVELLED)) {
        let lines = source.code_lines().filter(|(_, code)| names_level(code));
        found.extend(lines.map(|(line, code)| at(source, line, code.trim())));
    }
    assert_none("levels of messages stand in wsgi-protocol/src/events/table/ only", found);
}

/// Whether a level of warn or above stands in a line of code: by its name, by httpd's, or as a number for a log. Levels of
/// notices are what `wsgi-directives` says.
fn names_level(code: &str) -> bool {
    const LEVELS: [&str; 8] = ["alert", "crit", "critical", "emerg", "err", "error", "warn", "warning"];
    let words =
        |text: &str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
    let behind = |mark: &'static str| {
        code.match_indices(mark).map(move |(at, _)| (&code[..at], &code[at + mark.len()..]))
    };
    let is_level = |text: &str| LEVELS.contains(&words(text).as_str());
    behind("Level::").any(|(before, name)| !before.ends_with("Notice") && is_level(name))
        || behind("APLOG_").any(|(_, name)| is_level(name))
        || behind(".log_bytes(").any(|(_, first)| first.starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn a_level_that_is_written_out_is_found() {
    for planted in [
        "main.log(LogLevel::Crit, &text);",
        "log(level as u8, EventLevel::Warn)",
        "LogLevel::ERROR => 3,",
        "sys::APLOG_ERR as c_int",
        "r.log_bytes(3, text)",
    ] {
        assert!(names_level(planted), "{planted}");
    }
    for fine in [
        "NoticeLevel::Warning => &events::CONFIGURATION_DOUBTED,",
        "r.log_bytes(event.level as u8, text)",
        "LogLevel::Info",
        "let level = level.min(15);",
    ] {
        assert!(!names_level(fine), "{fine}");
    }
}

#[test]
fn each_row_is_used() {
    let sources = writers();
    let by_number: Vec<u16> = directives().into_iter().map(|(number, _)| number).collect();
    let unused = rows().filter(|(name, event)| {
        let names_it = |source: &SourceFile| {
            source.code.match_indices(name).any(|(at, _)| {
                let rest = &source.code[at + name.len()..];
                source.code[..at].ends_with("events::")
                    && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        };
        event.number != 0 && !by_number.contains(&event.number) && !sources.iter().any(names_it)
    });
    assert_none(
        "a row of the error map that nobody writes",
        unused.map(|(name, _)| name.to_owned()).collect(),
    );
}

#[test]
fn rules_of_requests_agree_with_the_map() {
    let differs = directives().into_iter().filter(|(number, status)| {
        LogEvent::find(*number).is_none_or(|event| status.is_some_and(|status| event.status() != status))
    });
    assert_none(
        "wsgi-directives gives other numbers or statuses than the error map",
        differs.map(|row| format!("{row:?}")).collect(),
    );
}

/// Numbers that wsgi-directives gives, with the status where it gives that too.
fn directives() -> Vec<(u16, Option<u16>)> {
    use PrecheckRefusal as P;
    let checks = [
        P::ExecCgiOff,
        P::FileMissing,
        P::IsDirectory,
        P::PathInfoRefused,
        P::UnknownCoding,
        P::ChunkedOff,
        P::BadLength,
        P::BodyTooLarge,
    ];
    let mut rows: Vec<_> =
        checks.iter().filter_map(|check| Some((check.number()?, Some(check.status())))).collect();
    use GroupRefusal as G;
    let groups = [G::NotAllowed, G::NoGroups, G::NotConfigured, G::NotAccessible];
    rows.extend(groups.map(|refusal| (refusal.number(), Some(500))));
    for demand in [OwnershipDemand::User, OwnershipDemand::Group] {
        for part in [OwnedPart::Script, OwnedPart::Parent] {
            let faults = [
                OwnershipFault::Unknown,
                OwnershipFault::OwnedBy(0),
                OwnershipFault::GroupWritable,
                OwnershipFault::WorldWritable,
            ];
            rows.extend(faults.map(|fault| (OwnershipViolation { demand, part, fault }.number(), Some(403))));
        }
    }
    // A notice of the configuration: wsgi-directives/src/table/interpreters.rs.
    rows.push((201, None));
    rows
}
