//! What a daemon writes to its standard output and error: opaque bytes, cut into lines of bounded length.

use crate::log::Level;
use std::collections::VecDeque;

/// Longest line passed on in one piece.
pub const LINE_BYTES: usize = 8192;
/// Lines kept as a hint for the line that reports a death.
const TAIL_LINES: usize = 3;
/// Bytes kept of each of them.
const TAIL_BYTES: usize = 300;

/// Cuts bytes into lines and remembers the last ones.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    tail: VecDeque<Vec<u8>>,
    fatal: bool,
}

impl Lines {
    /// Takes bytes as they were read; calls `emit` for each line that is complete or too long.
    pub fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(Level, &[u8])) {
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
    pub fn finish(&mut self, mut emit: impl FnMut(Level, &[u8])) {
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

    fn complete(&mut self, emit: &mut impl FnMut(Level, &[u8])) {
        let line = std::mem::take(&mut self.partial);
        let (level, text) = split_level(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            return;
        }
        if level <= Level::WARN {
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
fn split_level(line: &[u8]) -> (Level, &[u8]) {
    match line {
        [b'<', digit @ b'0'..=b'7', b'>', text @ ..] => (Level(u32::from(digit - b'0')), text),
        _ => (Level::ERROR, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<(u32, String)>, Option<String>) {
        let mut got = Vec::new();
        let mut lines = Lines::default();
        let mut emit =
            |level: Level, text: &[u8]| got.push((level.0, String::from_utf8_lossy(text).into_owned()));
        for piece in pieces {
            lines.push(piece, &mut emit);
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
