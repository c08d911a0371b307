//! A line of the supervisor for a log: its words, and the level and number of the row of the error map that it is.

use crate::log_level::LogLevel;
use std::fmt::Display;
use wsgi_protocol::events::LogEvent;

/// A line for a log. From level warn on it is a row of the error map (`wsgi_protocol::events`), which has the advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    event: Option<&'static LogEvent>,
    level: LogLevel,
    words: String,
}

impl LogLine {
    /// A line about an event, with its number and level.
    #[must_use]
    pub fn of(event: &'static LogEvent, words: impl Display) -> Self {
        Self { event: Some(event), level: LogLevel(event.level as u32), words: words.to_string() }
    }

    /// What an operator did, or shall know without being alarmed.
    #[must_use]
    pub fn notice(words: impl Display) -> Self {
        Self::plain(LogLevel::NOTICE, words)
    }

    /// What happens in normal operation.
    #[must_use]
    pub fn info(words: impl Display) -> Self {
        Self::plain(LogLevel::INFO, words)
    }

    /// What is of interest to developers only.
    #[must_use]
    pub fn debug(words: impl Display) -> Self {
        Self::plain(LogLevel::DEBUG, words)
    }

    fn plain(level: LogLevel, words: impl Display) -> Self {
        Self { event: None, level, words: words.to_string() }
    }

    /// The same words once more, at level info. A number stands for a level, so that what is only repeated has none.
    #[must_use]
    pub fn repeated(self) -> Self {
        Self { event: None, level: LogLevel::INFO, words: self.words }
    }

    /// Its level.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level
    }

    /// What is written: the number, if it has one, and the words.
    #[must_use]
    pub fn text(&self) -> String {
        self.event.map_or_else(|| self.words.clone(), |event| event.line(&self.words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::events;

    #[test]
    fn numbers_and_levels_are_those_of_the_map() {
        let line = LogLine::of(&events::SET_USER, "no such user");
        assert_eq!((line.level(), line.text().as_str()), (LogLevel(1), "WSGI0007: no such user"));
        let again = line.repeated();
        assert_eq!((again.level(), again.text().as_str()), (LogLevel::INFO, "no such user"));
        assert_eq!(LogLine::of(&events::UNLINK, "").level(), LogLevel::WARN);
    }
}
