//! What a daemon writes to its standard output and error: opaque bytes, cut into lines of bounded length.

use crate::budget::{DroppedLines, LogBudget};
use crate::log_level::LogLevel;
use std::collections::VecDeque;

/// Longest line passed on in one piece.
pub const LINE_BYTES: usize = 8192;
/// Lines kept as a hint for the line that reports a death.
const TAIL_LINES: usize = 3;
/// Bytes kept of each of them.
const TAIL_BYTES: usize = 300;
/// Bytes kept of what was dropped last: should the process die, they are logged after all.
const HELD_BYTES: usize = 16 * 1024;
/// Lines of them.
const HELD_LINES: usize = 60;

/// Cuts bytes into lines and remembers the last ones.
#[derive(Debug, Default)]
pub struct LineCutter {
    partial: Vec<u8>,
    tail: VecDeque<Vec<u8>>,
    fatal: bool,
    /// The end of what was dropped, if nothing was logged since; it begins anywhere in a line.
    held: Vec<u8>,
    /// The line that is coming has lost its beginning.
    is_cut: bool,
}

impl LineCutter {
    /// Takes bytes as they were read; calls `emit` for each line that is complete or too long, as far as `budget` goes.
    /// What is dropped is not looked at. Tells whether something was.
    pub fn push(
        &mut self,
        bytes: &[u8],
        budget: &mut LogBudget,
        mut emit: impl FnMut(LogLevel, &[u8]),
    ) -> bool {
        let mut bytes = bytes;
        if self.is_cut && !budget.is_spent() {
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            self.drop(&bytes[..end], budget);
            bytes = &bytes[end..];
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            if !budget.pay(self.partial.len() + end) {
                self.drop(rest, budget);
                return true;
            }
            self.held.clear();
            self.accept(&rest[..end], &mut emit);
            rest = &rest[end..];
        }
        false
    }

    /// Drops bytes, and the beginning of their first line.
    fn drop(&mut self, bytes: &[u8], budget: &mut LogBudget) {
        let partial = std::mem::take(&mut self.partial);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        budget.drop(DroppedLines { lines: lines as u64, bytes: (partial.len() + bytes.len()) as u64 });
        for piece in [partial.as_slice(), bytes] {
            self.held.extend_from_slice(&piece[piece.len().saturating_sub(HELD_BYTES)..]);
        }
        let excess = self.held.len().saturating_sub(HELD_BYTES);
        self.held.drain(..excess);
        self.is_cut = bytes.last() != Some(&b'\n');
    }

    /// The process is dead: what was dropped last may explain it.
    pub fn recover(&mut self, mut emit: impl FnMut(LogLevel, &[u8])) {
        let held = std::mem::take(&mut self.held);
        self.is_cut = false;
        let mut ends = held.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        let begin = ends.nth(HELD_LINES).map_or(0, |(at, _)| at + 1);
        self.accept(&held[begin..], &mut emit);
    }

    fn accept(&mut self, bytes: &[u8], mut emit: impl FnMut(LogLevel, &[u8])) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut rest = piece;
            while self.partial.len() + rest.len() > LINE_BYTES {
                let (head, tail) = rest.split_at(LINE_BYTES - self.partial.len());
                self.partial.extend_from_slice(head);
                self.complete(&mut emit);
                rest = tail;
            }
            self.partial.extend_from_slice(rest);
            if self.partial.last() == Some(&b'\n') {
                self.partial.pop();
                self.complete(&mut emit);
            }
        }
    }

    /// The end of the output: what is left is a line.
    pub fn finish(&mut self, mut emit: impl FnMut(LogLevel, &[u8])) {
        if !self.partial.is_empty() {
            self.complete(&mut emit);
        }
    }

    /// The last lines that told of trouble, or those with which Python reported a fatal error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let lines: Vec<_> = self.tail.iter().map(|line| String::from_utf8_lossy(line)).collect();
        (!lines.is_empty()).then(|| lines.join(" | "))
    }

    fn complete(&mut self, emit: &mut impl FnMut(LogLevel, &[u8])) {
        let line = std::mem::take(&mut self.partial);
        let (level, text) = split_level(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            return;
        }
        if level <= LogLevel::WARN {
            self.remember(text);
        }
        emit(level, text);
    }

    fn remember(&mut self, text: &[u8]) {
        if text.starts_with(b"Fatal Python error") {
            self.tail.clear();
            self.fatal = true;
        }
        if self.tail.len() == TAIL_LINES {
            if self.fatal {
                return; // the first lines of a fatal error say more than the last frames of its stack
            }
            self.tail.pop_front();
        }
        self.tail.push_back(text.trim_ascii()[..text.trim_ascii().len().min(TAIL_BYTES)].to_vec());
    }
}

/// A line may begin with `<N>`, its syslog level (as for sd-daemon); else it is an error.
fn split_level(line: &[u8]) -> (LogLevel, &[u8]) {
    match line {
        [b'<', digit @ b'0'..=b'7', b'>', text @ ..] => (LogLevel(u32::from(digit - b'0')), text),
        _ => (LogLevel::ERROR, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<(u32, String)>, Option<String>) {
        let mut got = Vec::new();
        let mut lines = LineCutter::default();
        let mut emit =
            |level: LogLevel, text: &[u8]| got.push((level.0, String::from_utf8_lossy(text).into_owned()));
        let mut unlimited = LogBudget::new(0);
        for piece in pieces {
            lines.push(piece, &mut unlimited, &mut emit);
        }
        lines.finish(&mut emit);
        (got, lines.hint())
    }

    #[test]
    fn lines_are_put_together_and_levels_read() {
        let (got, hint) = lines(&[b"a", b"b\n\n<6>info", b"rm\r\n<9>x\n<4", b">last"]);
        let want = [(3, "ab"), (6, "inform"), (3, "<9>x"), (4, "last")].map(|(n, s)| (n, s.to_owned()));
        assert_eq!(got, want);
        assert_eq!(hint.as_deref(), Some("ab | <9>x | last"));
    }

    #[test]
    fn long_lines_are_cut_and_memory_is_bounded() {
        let (got, hint) = lines(&[&[b'x'; 3 * LINE_BYTES + 5], b"\nend\n"]);
        let lengths: Vec<_> = got.iter().map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [LINE_BYTES, LINE_BYTES, LINE_BYTES, 5, 3]);
        assert!(hint.unwrap().len() < 3 * TAIL_BYTES);
    }

    #[test]
    fn flood_is_dropped_but_its_end_is_logged_after_a_death() {
        let mut lines = LineCutter::default();
        let mut budget = LogBudget::new(1); // ten lines
        let mut got = Vec::new();
        let flood = b"x\n".repeat(50_000);
        lines.push(b"cut", &mut budget, |_, text| got.push(text.to_vec()));
        lines.push(&flood, &mut budget, |_, text| got.push(text.to_vec()));
        lines.push(b"x\nFatal Python error: Abor", &mut budget, |_, text| got.push(text.to_vec()));
        lines.push(b"ted\n  File 1\n", &mut budget, |_, text| got.push(text.to_vec()));
        assert_eq!(got.len(), 9, "one was paid for the beginning of a line");
        let (told, _) = budget.due(std::time::Instant::now());
        assert_eq!(told.unwrap().lines + 9, 50_000 + 3);
        assert!(lines.held.len() <= HELD_BYTES && lines.hint().is_some_and(|hint| !hint.contains("Fatal")));
        got.clear();
        assert!(lines.held.len() > 2 * HELD_LINES);
        lines.recover(|_, text| got.push(text.to_vec()));
        assert_eq!(got.len(), HELD_LINES);
        assert_eq!(got[got.len() - 2..], [b"Fatal Python error: Aborted".to_vec(), b"  File 1".to_vec()]);
        assert!(lines.hint().unwrap().starts_with("Fatal Python error: Aborted"));
    }

    #[test]
    fn lines_after_a_flood_are_whole() {
        let (mut lines, mut got) = (LineCutter::default(), Vec::new());
        let (mut budget, start) = (LogBudget::new(1), std::time::Instant::now());
        budget.advance(start);
        lines.push(&b"x\n".repeat(20), &mut budget, |_, _| ());
        lines.push(b"the beginning", &mut budget, |_, _| ());
        budget.advance(start + std::time::Duration::from_secs(5));
        lines.push(b" and the end\nwhole\n", &mut budget, |_, text| got.push(text.to_vec()));
        assert_eq!(got, [b"whole".to_vec()]);
        assert!(lines.held.is_empty());
    }

    #[test]
    fn exactly_full_line_is_one_line() {
        let mut bytes = vec![b'x'; LINE_BYTES - 1];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&[&bytes]).0.len(), 2);
    }

    #[test]
    fn fatal_error_of_python_is_the_hint() {
        let dump = b"before\nFatal Python error: Segmentation fault\n\nCurrent thread 0x1:\n  File \"a\", line 1\n  File \"b\"\n";
        assert_eq!(
            lines(&[dump]).1.unwrap(),
            "Fatal Python error: Segmentation fault | Current thread 0x1: | File \"a\", line 1"
        );
    }
}
