//! The section in mod_status: one line per group, for people or for programs (`?auto`).

use crate::StatusReport;
use crate::html::escape;
use std::fmt::Write;

/// For `?auto`: `key: value` lines.
#[must_use]
pub fn lines(report: &StatusReport) -> String {
    let draining = u8::from(report.server.is_draining());
    let mut out = format!("WSGI-Groups: {}\nWSGI-Draining: {draining}\n", report.groups.len());
    for group in &report.groups {
        let name: String =
            group.title().chars().map(|c| if c.is_control() || c == ':' { '_' } else { c }).collect();
        let (busy, limit) = (group.busy(), group.limit());
        for (key, value) in [
            ("Processes", group.processes.len() as u64),
            ("BusyThreads", busy.into()),
            ("IdleThreads", limit.saturating_sub(busy).into()),
            ("QueueDepth", group.queue().into()),
            ("Requests", group.totals.requests()),
            ("Errors", group.errors()),
        ] {
            let _ = writeln!(out, "WSGI-{name}-{key}: {value}"); // writing to a String cannot fail
        }
    }
    out
}

/// For the page.
#[must_use]
pub fn table(report: &StatusReport) -> String {
    let mut out = String::from(
        "<hr /><h2>mod_wsgi</h2>\n<table border=\"1\"><tr><th>group</th><th>processes</th><th>busy threads</th>\
         <th>threads</th><th>waiting</th><th>requests</th><th>5xx</th></tr>\n",
    );
    for group in &report.groups {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(group.title()),
            group.processes.len(),
            group.busy(),
            group.limit(),
            group.queue(),
            group.totals.requests(),
            group.errors(),
        );
    }
    out.push_str("</table>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn one_line_is_one_line() {
        let text = lines(&sample());
        assert!(
            text.contains("WSGI-a\\\"<g>_-BusyThreads: 4\n") && text.contains("WSGI-embedded-Requests: 0\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2 + 3 * 6);
        assert!(table(&sample()).contains("<td>a\\&quot;&lt;g&gt;"));
    }
}
