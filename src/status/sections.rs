//! The sections of the configuration that hold our pages.

use crate::httpd::tree::{ConfigTree, TreeDirective, TreeLines};
use wsgi_status::access::StatusSection;

/// Finds them in httpd's configuration tree.
pub fn find(tree: ConfigTree<'_>) -> Vec<StatusSection> {
    let mut found = Vec::new();
    walk(tree.lines(), &mut found);
    found
}

/// Whether some directive, a LogFormat say, names this note or variable: `%{NAME}n`.
pub fn asks_for(tree: ConfigTree<'_>, name: &str) -> bool {
    holds(tree.lines(), &format!("{{{name}}}"))
}

fn holds(lines: TreeLines<'_>, wanted: &str) -> bool {
    let mut lines = lines;
    lines.any(|line| line.arguments().contains(wanted) || holds(line.children(), wanted))
}

fn walk(lines: TreeLines<'_>, found: &mut Vec<StatusSection>) {
    for line in lines {
        if line.is_named("SetHandler") && is_ours(&line.arguments()) {
            found.push(match line.parent() {
                Some(parent) => StatusSection::new(&parent.name(), &parent.arguments(), has_require(parent)),
                None => StatusSection::new("", "", false),
            });
        }
        walk(line.children(), found);
    }
}

fn has_require(section: TreeDirective<'_>) -> bool {
    section.children().any(|line| {
        let is_group = ["<RequireAll", "<RequireAny"].iter().any(|name| line.is_named(name));
        line.is_named("Require") || is_group && has_require(line)
    })
}

fn is_ours(arguments: &str) -> bool {
    let name = arguments.trim().trim_matches('"');
    name.eq_ignore_ascii_case("wsgi-status") || name.eq_ignore_ascii_case("wsgi-health")
}
