//! Every row of the directive table and of the option tables: its good and its bad example, given to a real httpd;
//! what the original does otherwise must be listed in docs/differences.md.

use super::ConfigJudge;
use integration::{Subject, is_root};
use std::collections::BTreeSet;
use wsgi_directives::docs::options_of;
use wsgi_directives::{DIRECTIVES, Directive, DirectiveContexts, OptionInfo, RowEffect};

/// Examples that must exist on the machine.
const EXISTING: [(&str, &str); 4] = [
    ("/srv/venv", "@PYTHON@"),
    ("/etc/site.env", "@ROOT@/app/site.env"),
    ("/run/wsgi", "@ROOT@/run/other"),
    ("/srv/jail", "@ROOT@"),
];

fn existing(text: &str) -> String {
    EXISTING.iter().fold(text.to_owned(), |text, (example, real)| text.replace(example, real))
}

/// One line to be judged.
#[derive(Debug)]
struct LineCase {
    /// Directive, or `directive option=`.
    name: String,
    lines: String,
    is_good: bool,
}

/// The line in each place where the row may stand.
fn in_places(row: &Directive, line: &str) -> Vec<String> {
    let block = |open: &str, close: &str| format!("{open}\n{line}\n{close}");
    let mut all = Vec::new();
    if row.contexts.has(DirectiveContexts::G) || row.contexts.has(DirectiveContexts::V) {
        all.push(line.to_owned());
    }
    if row.contexts.has(DirectiveContexts::V) {
        all.push(block("<VirtualHost 127.0.0.1:1>\nServerName other.example", "</VirtualHost>"));
    }
    if row.contexts.has(DirectiveContexts::D) {
        for section in ["Directory /srv", "Location /x", "Files x", "DirectoryMatch x", "If \"true\""] {
            let name = section.split(' ').next().expect("a word");
            all.push(block(&format!("<{section}>"), &format!("</{name}>")));
        }
    }
    if row.contexts.has(DirectiveContexts::I) {
        all.push(block("<WSGIInterpreterOptions process-group=%{GLOBAL}>", "</WSGIInterpreterOptions>"));
    }
    all
}

/// The directive's line, with what closes it.
fn written(row: &Directive, arguments: &str) -> String {
    match row.is_section() {
        true => format!("{} {arguments}\nWSGIRestrictStdin On\n</{}>", row.name, &row.name[1..]),
        false => format!("{} {arguments}", row.name),
    }
}

fn directive_cases() -> Vec<LineCase> {
    let mut cases = Vec::new();
    for row in DIRECTIVES {
        let case = |lines, is_good| LineCase { name: row.name.to_owned(), lines, is_good };
        let good = written(row, &existing(row.good));
        cases.extend(in_places(row, &good).into_iter().map(|lines| case(lines, true)));
        if let Some(bad) = row.bad {
            let place = in_places(row, &written(row, bad)).swap_remove(0);
            cases.push(case(place, false));
        }
    }
    cases
}

/// A line with one option, and what else it needs.
fn with_option(row: &Directive, option: &OptionInfo, value: &str) -> String {
    let pair = match value {
        "" => format!("{}=", option.name),
        value => format!("{}='{value}'", option.name),
    };
    let line = match row.name {
        "<WSGIInterpreterOptions" => return written(row, &format!("{}={value}>", option.name)),
        "WSGIDaemonProcess" => format!("WSGIDaemonProcess site {pair}"),
        "WSGIScriptAlias" => format!("WSGIScriptAlias /app @ROOT@/app/app.wsgi {pair}"),
        "WSGIScriptAliasMatch" => format!("WSGIScriptAliasMatch ^/(x+) @ROOT@/app/$1.wsgi {pair}"),
        "WSGIHandlerScript" => format!("WSGIHandlerScript name @ROOT@/app/app.wsgi {pair}"),
        "WSGIImportScript" => {
            let both = ["process-group", "application-group"].map(|name| match name == option.name {
                true => String::new(),
                false => format!("{name}=%{{GLOBAL}}"),
            });
            format!("WSGIImportScript @ROOT@/app/app.wsgi {} {} {pair}", both[0], both[1])
        }
        name => format!("{name} @ROOT@/app/app.wsgi {pair}"),
    };
    in_places(row, &line).swap_remove(0)
}

fn option_cases() -> Vec<LineCase> {
    let mut cases = Vec::new();
    for row in DIRECTIVES {
        // Only root can chroot, and the test of the configuration says so (spec/directives.md §2.8).
        let options = options_of(row.name).into_iter().filter(|option| is_root() || option.name != "chroot");
        for option in options {
            let case = |value: &str, is_good| LineCase {
                name: format!("{} {}=", row.name, option.name),
                lines: with_option(row, option, value),
                is_good,
            };
            cases.push(case(&existing(option.good), true));
            cases.extend(option.bad.map(|bad| case(bad, false)));
            let literal = !option.default.is_empty() && !option.default.starts_with('(');
            cases.extend(literal.then(|| case(option.default, true)));
        }
    }
    cases
}

/// What the original judges otherwise, besides what is new: words of docs/differences.md that say so, and whose examples it
/// concerns.
const DIFFERENT: [(&str, &[&str]); 5] = [
    (
        "text after a number",
        &[
            "WSGIDaemonProcess",
            "WSGIDaemonProcess connect-timeout=",
            "WSGIDaemonProcess cpu-priority=",
            "WSGIDaemonProcess deadlock-timeout=",
            "WSGIDaemonProcess inactivity-timeout=",
            "WSGIDaemonProcess maximum-requests=",
            "WSGIDaemonProcess memory-limit=",
            "WSGIDaemonProcess request-timeout=",
            "WSGIDaemonProcess virtual-memory-limit=",
            "WSGIPythonOptimize",
        ],
    ),
    ("other sizes with `K`, `M`, `G`, `T`", &["WSGIDaemonProcess response-buffer-size="]),
    (
        "`WSGILazyInitialization`, `WSGINewRelicConfigFile`, `WSGINewRelicEnvironment`, `WSGIPy3kWarningFlag`, \
         `newrelic-*=`; `WSGIReloadMechanism`, `WSGIPythonExecutable`, `WSGIOutputBuffering`, `WSGIUserAuthoritative`",
        &[
            "WSGIOutputBuffering",
            "WSGIPythonExecutable",
            "WSGIReloadMechanism",
            "WSGIUserAuthoritative",
            "WSGIDaemonProcess newrelic-config-file=",
            "WSGIDaemonProcess newrelic-environment=",
            "WSGILazyInitialization",
            "WSGINewRelicConfigFile",
            "WSGINewRelicEnvironment",
            "WSGIPy3kWarningFlag",
        ],
    ),
    ("`proxy-buffer-size=`", &["WSGIDaemonProcess proxy-buffer-size="]),
    ("`WSGITrustedProxyHeaders X_Real_IP`", &["WSGITrustedProxyHeaders"]),
];

/// Directives and options that the original does not have, by their rows.
fn new_names() -> Vec<String> {
    let mut names = Vec::new();
    for row in DIRECTIVES {
        let options = options_of(row.name).into_iter().filter(|option| option.since == "new");
        names.extend(options.map(|option| format!("{} {}=", row.name, option.name)));
        names.extend((row.since == "new").then(|| row.name.to_owned()));
    }
    names
}

/// Judges all; under the control, the names that it judges otherwise must be exactly those of [`DIFFERENT`], and what is new.
fn judge_all(cases: &[LineCase]) {
    let judge = ConfigJudge::new();
    let mut wrong = Vec::new();
    for case in cases {
        let verdict = judge.verdict(&case.lines);
        if verdict.is_ok != case.is_good {
            wrong.push((case.name.as_str(), format!("{case:?}: {}", verdict.text)));
        }
    }
    let new = new_names();
    let listed = DIFFERENT.iter().flat_map(|(_, names)| names.iter().copied());
    let listed = listed.chain(new.iter().map(String::as_str));
    let expected: BTreeSet<&str> = match Subject::is_ours() {
        true => BTreeSet::new(),
        false => listed.filter(|name| cases.iter().any(|case| case.name == *name)).collect(),
    };
    let found: BTreeSet<&str> = wrong.iter().map(|(name, _)| *name).collect();
    let texts: Vec<&str> = wrong.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(found, expected, "of {} cases:\n{}", cases.len(), texts.join("\n"));
}

#[test]
fn differences_are_written_down() {
    let document = include_str!("../../../docs/differences.md");
    for (words, names) in DIFFERENT {
        assert!(document.contains(words), "{names:?}: {words:?} is not in docs/differences.md");
    }
}

#[test]
fn every_directive_has_a_good_and_a_bad_example() {
    if Subject::is_too_old("it lacks what 5 and 6 brought") {
        return;
    }
    judge_all(&directive_cases());
}

#[test]
fn every_option_has_a_good_and_a_bad_example() {
    if Subject::is_too_old("it lacks what 5 and 6 brought") {
        return;
    }
    judge_all(&option_cases());
}

/// All that is current in one file, as it would stand in a large configuration: nothing gets into another's way.
#[test]
fn all_good_examples_together() {
    if Subject::skips("some are new") {
        return;
    }
    let current = DIRECTIVES.iter().filter(|row| !matches!(row.effect, RowEffect::Legacy(_)));
    let first = |row: &Directive| in_places(row, &written(row, &existing(row.good))).swap_remove(0);
    // The manual's example of a block names the group `site`, which stands before it.
    let lines: Vec<String> = current.map(first).collect();
    ConfigJudge::new().accepted(&lines.join("\n"));
}

/// The sample that is installed: as it is, and with each line made active.
#[test]
fn sample_configuration_is_accepted() {
    if Subject::skips("some directives are new") {
        return;
    }
    let judge = ConfigJudge::new();
    let sample = include_str!("../../../conf/wsgi.conf");
    judge.accepted(sample);
    for row in DIRECTIVES.iter().filter(|row| !row.is_section()) {
        let active = |line: &&str| line.trim_start().starts_with(&format!("#{} ", row.name));
        let Some(line) = sample.lines().find(active) else { continue };
        let line = existing(line.trim_start().trim_start_matches('#'));
        judge.accepted(&in_places(row, &line).swap_remove(0));
    }
}
