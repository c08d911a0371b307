//! Splitting what an application writes to a log into records (spec/behaviour.md §3.3). Pure.

/// Longest record; the rest of the line is dropped, as httpd would.
const LONGEST: usize = 8192;

/// The line that has not ended yet.
#[derive(Debug, Default)]
pub struct LineBuffer {
    pending: Vec<u8>,
    /// Nothing may be written any more.
    pub closed: bool,
    /// `flush` or `close` has been called: the text layer may have been changed by the application.
    pub touched: bool,
}

impl LineBuffer {
    /// Takes data in and gives each line that is complete now to `emit`.
    pub fn push(&mut self, mut data: &[u8], mut emit: impl FnMut(&[u8])) {
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            let line = &data[..end];
            data = &data[end + 1..];
            if self.pending.is_empty() {
                emit(cut(line));
            } else {
                self.keep(line);
                emit(&self.pending);
                self.pending.clear();
            }
        }
        self.keep(data);
    }

    /// Gives what is pending to `emit`.
    pub fn flush(&mut self, mut emit: impl FnMut(&[u8])) {
        if !self.pending.is_empty() {
            emit(&self.pending);
            self.pending.clear();
        }
    }

    /// Whether a line has not ended yet.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn keep(&mut self, data: &[u8]) {
        let room = LONGEST - self.pending.len();
        self.pending.extend_from_slice(&data[..data.len().min(room)]);
    }
}

fn cut(line: &[u8]) -> &[u8] {
    &line[..line.len().min(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(lines: &mut LineBuffer, data: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        lines.push(data, |line| records.push(line.to_vec()));
        records
    }

    #[test]
    fn lines_end_at_newlines_and_flushes() {
        let mut lines = LineBuffer::default();
        assert_eq!(pushed(&mut lines, b"a\n\nb\r\nc"), [&b"a"[..], b"", b"b\r"]);
        assert_eq!(pushed(&mut lines, b"d"), [b""; 0]);
        assert_eq!(pushed(&mut lines, b"e\nf"), [b"cde"]);
        let mut last = Vec::new();
        lines.flush(|line| last.push(line.to_vec()));
        lines.flush(|line| last.push(line.to_vec()));
        assert_eq!(last, [b"f"]);
    }

    #[test]
    fn records_have_a_maximum() {
        let mut lines = LineBuffer::default();
        for _ in 0..3 {
            pushed(&mut lines, &[b'x'; 5000]);
        }
        assert_eq!(pushed(&mut lines, b"\ny\n")[0].len(), LONGEST);
        assert_eq!(pushed(&mut lines, &[&[b'x'; 9000][..], b"\n"].concat())[0].len(), LONGEST);
    }
}
