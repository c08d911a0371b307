//! `docs/messages.md`: the error map for operators.

use super::{LogEvent, rows};
use std::fmt::Write;

const HEAD: &str = "# Messages

<!-- Rendered from wsgi-protocol/src/events/table/ by `UPDATE_DOCS=1 cargo test -p wsgi-protocol`. Do not edit. -->

Each failure is one line in the error log of the virtual host that it concerns. Its number is stable, so that it can be
searched for; numbers below 300 mean what they mean in mod_wsgi 6.1, those from 300 on are events that only
this implementation has. Lines about a request carry `[script /path]` before the number.

**client**: the status that the client gets; *broken off*: the response had begun, and ends visibly unfinished (the connection
is closed, an HTTP/2 stream is reset). **process**: what becomes of the process that the line is about. **by**: who
writes the line; *process with Python* is a daemon, or an httpd child in embedded mode.

";

/// The whole file.
pub fn render() -> String {
    let mut out = String::from(HEAD);
    out.push_str("| number | level | what happened | client | process | what to do | by |\n|---|---|---|---|---|---|---|\n");
    for (_, event) in rows().filter(|(_, event)| event.number != 0) {
        row(&mut out, &format!("WSGI{:04}", event.number), event);
    }
    out.push_str("\n## Without a number\n\n");
    out.push_str(
        "| | level | what happened | client | process | what to do | by |\n|---|---|---|---|---|---|---|\n",
    );
    for (_, event) in rows().filter(|(_, event)| event.number == 0) {
        row(&mut out, "", event);
    }
    out
}

fn row(out: &mut String, number: &str, event: &LogEvent) {
    let LogEvent { level, cause, answer, fate, advice, writer, .. } = event;
    // Writing to a String cannot fail.
    let _ = writeln!(out, "| {number} | {level} | {cause} | {answer} | {fate} | {advice} | {writer} |");
}
