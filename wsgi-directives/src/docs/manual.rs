//! `docs/directives.md`: an index, then every directive with its options.

use super::{options_of, state, written_name};
use crate::directive::Directive;
use crate::effect::RowEffect;
use crate::options::OptionInfo;
use crate::table::DIRECTIVES;
use std::fmt::Write;

const HEAD: &str = "# Directives

<!-- Rendered from the tables in wsgi-directives/src by `UPDATE_DOCS=1 cargo test -p wsgi-directives`. Do not edit. -->

Every directive and option of mod_wsgi 6.1 is accepted, and those of 4.9 that were removed since. \"Since\" is
the first mod_wsgi release that has it; *new* is what only this implementation has. *no effect yet* means that
it is read and checked, and logged once as not acting. Differences in what is accepted are listed in
[differences.md](differences.md).

**Times** are whole numbers in the unit given; `ms`, `s`, `min` or `h` may be appended. **Sizes** are bytes; `K`,
`M`, `G` or `T` (powers of 1024) may be appended. Any other text after a number is an error. **Switches** take
`On` or `Off` in any case. Option values may be quoted: `display-name='my site'`.

**Names in `%{...}`** must be the whole value: `%{GLOBAL}` (embedded mode, or the main interpreter), `%{SERVER}`
(ServerName and port), `%{HOST}` (host of the request and port), `%{RESOURCE}` (`%{SERVER}`, `|`, and the URL of the
script), `%{ENV:NAME}` (request note, request environment or process environment). Ports 80 and 443, and ports
the configuration does not name, are left out.

";

/// The whole file.
pub(super) fn render() -> String {
    let mut out = String::from(HEAD);
    out.push_str("| Directive | Where | Default | Since | |\n|---|---|---|---|---|\n");
    for row in DIRECTIVES {
        let name = written_name(row);
        let (place, default) = (row.contexts.to_string(), code(row.default));
        let doc = with_state(row.doc, row.effect);
        line(
            &mut out,
            &[&format!("[{}](#{})", cell(&name), anchor(&name)), &cell(&place), &default, row.since, &doc],
        );
    }
    for row in DIRECTIVES {
        directive(&mut out, row);
    }
    out
}

fn directive(out: &mut String, row: &Directive) {
    let name = written_name(row);
    // Writing to a String cannot fail.
    let _ = write!(out, "\n## {}\n\n{}\n", name.replace('<', "\\<"), row.doc);
    let _ = write!(out, "\n    {} {}\n\n", row.name, row.syntax);
    let _ = writeln!(out, "- Where: {}", cell(&row.contexts.to_string()));
    if !row.default.is_empty() {
        let _ = writeln!(out, "- Default: {}", code(row.default));
    }
    let _ = writeln!(out, "- Since: {}", row.since);
    let _ = writeln!(out, "- Example: `{} {}`", row.name, row.good);
    match row.effect {
        RowEffect::Acts => {}
        RowEffect::Later(why) => drop(writeln!(out, "- No effect yet: {why}")),
        RowEffect::Never(why) => drop(writeln!(out, "- No effect: {why}")),
        RowEffect::Legacy(why) => drop(writeln!(out, "- Obsolete: {why}")),
    }
    if !row.details.is_empty() {
        let _ = write!(out, "\n{}\n", cell(row.details));
    }
    options(out, &options_of(row.name));
}

fn options(out: &mut String, options: &[&OptionInfo]) {
    if options.is_empty() {
        return;
    }
    out.push_str("\n| Option | Accepted | Default | Since | |\n|---|---|---|---|---|\n");
    for option in options {
        let default = match (option.default, option.unit) {
            (default, unit) if !unit.is_empty() && !default.starts_with('(') && !default.is_empty() => {
                format!("{} {unit}", code(default))
            }
            (default, _) => code(default),
        };
        let name = format!("`{}={}`", option.name, cell(option.value));
        let doc = with_state(option.doc, option.effect);
        line(out, &[&name, &cell(option.range), &default, option.since, &doc]);
    }
}

fn line(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// A default: literal ones as code, descriptions as text.
fn code(default: &str) -> String {
    match default.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(text) => text.to_owned(),
        None if default.is_empty() => String::new(),
        None => format!("`{default}`"),
    }
}

fn with_state(doc: &str, effect: RowEffect) -> String {
    match state(effect) {
        "" => cell(doc),
        state => format!("{} *({state})*", cell(doc)),
    }
}

/// Text that may stand in a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    heading.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}
