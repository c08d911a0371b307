//! The error map: every cause that is logged with a number, what the client sees, and what becomes of the process
//! (spec/behaviour.md §9, spec/daemon.md §1.9.7). The files of messages take their numbers from here, and
//! `docs/messages.md` is rendered from it.

mod manual;
mod table;

pub use manual::render;
pub use table::*;

use std::fmt::{self, Display};

/// Who writes the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineWriter {
    /// httpd, when it reads its configuration or starts.
    Parent,
    /// The httpd child that has the request.
    Child,
    /// The supervisor of the daemons, or a process on its way to become one.
    Supervisor,
    /// A daemon.
    Daemon,
    /// The process that runs Python: a daemon, or an httpd child in embedded mode.
    Python,
}

/// httpd's level of the line, numbered as in httpd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EventLevel {
    /// Action must be taken.
    Alert = 1,
    /// Something as a whole does not work.
    Crit = 2,
    /// A request failed, or something like it.
    Error = 3,
    /// It works, and not as asked for.
    Warn = 4,
    /// Good to know.
    Notice = 5,
    /// Part of normal operation.
    Info = 6,
}

/// What the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAnswer {
    /// No request is concerned, or it is served nevertheless.
    Unaffected,
    /// This status, with httpd's error handling.
    Status(u16),
    /// This status in embedded mode, that one in daemon mode.
    Modes(u16, u16),
    /// 408 when the client was too slow, 500 when it failed otherwise; nothing when it is gone.
    BodyFault,
    /// What has begun ends visibly unfinished: the connection is closed, an HTTP/2 stream is reset.
    BrokenOff,
    /// This status, or a response visibly broken off when it has begun.
    StatusOrBroken(u16),
    /// Requests to what does not work get this status.
    Later(u16),
}

/// What becomes of the process the line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessFate {
    /// It goes on.
    Unaffected,
    /// It is not started.
    NotStarted,
    /// It ends and is started again, after a pause if it keeps failing.
    Retried,
    /// It ends, or has ended, and another takes its place.
    Replaced,
    /// It goes on without Python.
    WithoutPython,
}

/// One row of the error map.
#[derive(Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// The stable number, printed as `WSGInnnn`; numbers below 300 are those of the original for the same event. 0:
    /// the line has none.
    pub number: u16,
    /// Who writes it.
    pub writer: LineWriter,
    /// Its level.
    pub level: EventLevel,
    /// What the client sees.
    pub answer: ClientAnswer,
    /// What becomes of the process.
    pub fate: ProcessFate,
    /// What happened.
    pub cause: &'static str,
    /// What the operator can do.
    pub advice: &'static str,
}

/// An event, and the text of a line about it without the number.
pub type EventLine = (&'static LogEvent, String);

impl LogEvent {
    /// The text of a line about this event, number first.
    pub fn line(&self, text: impl Display) -> String {
        match self.number {
            0 => text.to_string(),
            number => format!("WSGI{number:04}: {text}"),
        }
    }

    /// The status that an httpd child answers with; 500 where the row names none.
    pub fn status(&self) -> u16 {
        match self.answer {
            ClientAnswer::Status(status)
            | ClientAnswer::StatusOrBroken(status)
            | ClientAnswer::Later(status) => status,
            ClientAnswer::Modes(embedded, _) => embedded,
            ClientAnswer::Unaffected | ClientAnswer::BodyFault | ClientAnswer::BrokenOff => 500,
        }
    }

    /// The row with this number.
    pub fn find(number: u16) -> Option<&'static Self> {
        rows().map(|(_, event)| event).find(|event| event.number == number)
    }
}

impl Display for LineWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parent => "httpd at start",
            Self::Child => "httpd child",
            Self::Supervisor => "supervisor",
            Self::Daemon => "daemon",
            Self::Python => "process with Python",
        })
    }
}

impl Display for EventLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
        })
    }
}

impl Display for ClientAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unaffected => f.write_str("–"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Modes(embedded, daemon) => write!(f, "{embedded} embedded, {daemon} daemon"),
            Self::BodyFault => f.write_str("408 or 500"),
            Self::BrokenOff => f.write_str("broken off"),
            Self::StatusOrBroken(status) => write!(f, "{status}, or broken off"),
            Self::Later(status) => write!(f, "{status} for its requests"),
        }
    }
}

impl Display for ProcessFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unaffected => "–",
            Self::NotStarted => "not started",
            Self::Retried => "tried again",
            Self::Replaced => "replaced",
            Self::WithoutPython => "without Python",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_stands_for_one_event() {
        let numbers: Vec<u16> = rows().map(|(_, event)| event.number).filter(|n| *n != 0).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "rows stand in the order of their numbers: {numbers:?}");
    }

    #[test]
    fn rows_can_be_printed_in_a_table() {
        for (name, event) in rows() {
            for text in [event.cause, event.advice] {
                assert!(!text.contains(['|', '\n']) && text.ends_with('.'), "{name}: {text:?}");
            }
            assert!((400..600).contains(&event.status()), "{name}");
        }
    }

    #[test]
    fn lines_begin_with_the_number() {
        assert_eq!(QUEUE_TIMEOUT.line("too late"), "WSGI0084: too late");
        assert_eq!(LogEvent::find(84), Some(&QUEUE_TIMEOUT));
        assert_eq!(CLIENT_GONE.line("gone"), "gone");
    }
}
