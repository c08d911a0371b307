//! Judging an error log: which lines a test asked for, which may be there, and which may not.

use crate::Subject;
use wsgi_protocol::events::LogEvent;

/// What a test says about the error logs of its httpd.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogExpectations {
    /// Each must be in some line; such lines are fine.
    pub required: Vec<String>,
    /// Lines with one of these are fine.
    pub allowed: Vec<String>,
}

/// Texts that no log may hold, whatever a test allows.
const NEVER: [&str; 6] =
    ["AH00051", "AH00052", "panicked at", "exit signal", "Fatal Python error", "double free or corruption"];

/// Levels that a test must have asked for.
const SERIOUS: [&str; 5] = ["warn", "error", "crit", "alert", "emerg"];

/// httpd says so when it finds all its threads busy (or nearly) in the moment of its look once a second: whether it does says
/// nothing of a test that fills them (AH00161, AH00286, AH00287, AH00484, AH10159: prefork, worker and event).
const BUSY: [&str; 5] = ["AH00161:", "AH00286:", "AH00287:", "AH00484:", "AH10159:"];

/// What applications of tests say before they sleep for a second or more: a test waits for it, instead of guessing when they do.
const SLEEPS: &str = "here it sleeps";

impl LogExpectations {
    /// Everything that is wrong with `log`, one sentence each.
    pub fn judge(&self, log: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        for text in self.required.iter().filter(|text| !log.contains(*text)) {
            complaints.push(format!("the error log lacks {text:?}"));
        }
        let lines: Vec<&str> = log.lines().collect();
        for (index, line) in lines.iter().copied().enumerate() {
            if NEVER.iter().any(|text| line.contains(text)) && !self.names_exactly(line) {
                complaints.push(format!("a crash in the error log: {line}"));
            } else if is_serious(line) && !self.permits(line) && !is_end_of_a_child(line, &lines[index + 1..])
            {
                complaints.push(format!("an unexpected line in the error log: {line}"));
            } else if Subject::is_ours() && !agrees_with_the_map(line) {
                complaints.push(format!("number and level are not those of wsgi_protocol::events: {line}"));
            }
        }
        complaints
    }

    fn permits(&self, line: &str) -> bool {
        let is_usual = line.ends_with(SLEEPS) || BUSY.iter().any(|number| line.contains(number));
        is_usual || self.required.iter().chain(&self.allowed).any(|text| line.contains(text))
    }

    /// A test that kills a child asks for `exit signal Killed`, say: then that line is no crash.
    fn names_exactly(&self, line: &str) -> bool {
        self.required.iter().any(|text| line.contains(text) && NEVER.iter().any(|never| text.contains(never)))
    }
}

/// `[date] [module:level] …` with a level of [`SERIOUS`]; a line without that form came from outside httpd's log.
fn is_serious(line: &str) -> bool {
    !line.trim().is_empty() && tag(line).is_none_or(|(_, level)| SERIOUS.contains(&level))
}

/// `module` and `level` of a line.
fn tag(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] [")?;
    rest.split_once(']')?.0.split_once(':')
}

/// A line of ours with a number has the level that the error map gives to it.
fn agrees_with_the_map(line: &str) -> bool {
    let Some(("wsgi", level)) = tag(line) else { return true };
    let number = line.split_once("WSGI").and_then(|(_, rest)| rest.split_once(": ")?.0.parse().ok());
    number.is_none_or(|number| LogEvent::find(number).is_some_and(|event| event.level.to_string() == level))
}

/// httpd's event MPM closes the sockets of a child that ends, and says so when a connection was just to be kept open. Only of a
/// child that has no request any more.
fn is_end_of_a_child(line: &str, later: &[&str]) -> bool {
    let process = line.split("[pid ").nth(1).and_then(|rest| rest.split([':', ']']).next());
    let is_of_it = |line: &&&str| process.is_some_and(|pid| line.contains(&format!("[pid {pid}:")));
    line.contains("AH03093") && !later.iter().filter(is_of_it).any(|line| line.contains("[client "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "[Mon Jan 01 00:00:00.0 2026] [wsgi:info] [pid 1:tid 2] hello";
    const ERROR: &str = "[Mon Jan 01 00:00:00.0 2026] [wsgi:error] [pid 1:tid 2] WSGI0174: boom";

    #[test]
    fn information_is_fine() {
        assert!(LogExpectations::default().judge(INFO).is_empty());
    }

    #[test]
    fn an_error_must_be_asked_for() {
        assert_eq!(LogExpectations::default().judge(ERROR).len(), 1);
        let asked = LogExpectations { required: vec!["WSGI0174".into()], ..LogExpectations::default() };
        assert!(asked.judge(ERROR).is_empty());
        assert_eq!(asked.judge(INFO), ["the error log lacks \"WSGI0174\""]);
    }

    #[test]
    fn numbers_and_levels_are_those_of_the_error_map() {
        let warned = ERROR.replace(":error", ":info");
        assert_eq!(LogExpectations::default().judge(&warned).len(), 1);
        assert_eq!(LogExpectations::default().judge(&INFO.replace("hello", "WSGI9999: hello")).len(), 1);
    }

    #[test]
    fn text_from_outside_the_log_is_unexpected() {
        assert_eq!(LogExpectations::default().judge("free(): invalid pointer").len(), 1);
    }

    #[test]
    fn a_socket_is_lost_at_the_end_of_a_child_only() {
        let lost = "[x] [mpm_event:error] [pid 7:tid 8] (9)Bad file descriptor: AH03093: process_socket";
        let served =
            |pid: u32| format!("{lost}\n[x] [wsgi:info] [pid {pid}:tid 8] [client 127.0.0.1:1] hello");
        assert!(LogExpectations::default().judge(&served(70)).is_empty());
        assert_eq!(LogExpectations::default().judge(&served(7)).len(), 1);
    }

    #[test]
    fn that_all_threads_are_busy_is_httpds_own() {
        let busy = "[x] [mpm_event:error] [pid 7:tid 7] AH00484: server reached MaxRequestWorkers setting";
        assert!(LogExpectations::default().judge(busy).is_empty());
        assert_eq!(LogExpectations::default().judge(&busy.replace("00484", "00485")).len(), 1);
    }

    #[test]
    fn a_panic_cannot_be_allowed() {
        let all = LogExpectations { allowed: vec!["[".into()], ..LogExpectations::default() };
        assert_eq!(all.judge("[x] [wsgi:error] thread 'main' panicked at src/lib.rs").len(), 1);
    }
}
