//! One log line on its way from the supervisor to httpd's log writer, which has httpd format it: one record of a
//! SOCK_SEQPACKET socket per line. The text is opaque bytes.

/// Bytes before the text.
const HEADER: usize = 13;
/// Longest text of a record.
pub const MAX_TEXT: usize = 8192;
/// Longest record.
pub const MAX_RECORD: usize = HEADER + MAX_TEXT;

/// A log line that another process than the writer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// Number of the server in httpd's list.
    pub server: u32,
    /// httpd's number of the level.
    pub level: u8,
    /// Process whose line it is.
    pub pid: u32,
    /// Its thread.
    pub tid: u32,
    /// What it says.
    pub text: &'a [u8],
}

impl<'a> LogRecord<'a> {
    /// The bytes of the record; text beyond [`MAX_TEXT`] is left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = &self.text[..self.text.len().min(MAX_TEXT)];
        let mut bytes = Vec::with_capacity(HEADER + text.len());
        for number in [self.server, self.pid, self.tid] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.push(self.level);
        bytes.extend_from_slice(text);
        bytes
    }

    /// The record behind `bytes`; `None` if it is none.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (header, text) = bytes.split_first_chunk::<HEADER>()?;
        let number = |at: usize| header[at..].first_chunk().map(|four| u32::from_le_bytes(*four));
        let [.., level] = *header;
        (text.len() <= MAX_TEXT).then_some(())?;
        Some(Self { server: number(0)?, pid: number(4)?, tid: number(8)?, level, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_went() {
        let record = LogRecord { server: 3, level: 7, pid: 4711, tid: u32::MAX, text: b"a\0b\n" };
        assert_eq!(LogRecord::decode(&record.encode()), Some(record));
        let empty = LogRecord { text: b"", ..record };
        assert_eq!(LogRecord::decode(&empty.encode()), Some(empty));
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        let long = vec![b'x'; MAX_TEXT + 1];
        let record = LogRecord { server: 0, level: 3, pid: 1, tid: 1, text: &long };
        let mut bytes = record.encode();
        assert_eq!(bytes.len(), MAX_RECORD);
        assert!(LogRecord::decode(&bytes).is_some());
        bytes.push(0);
        assert_eq!(LogRecord::decode(&bytes), None);
        assert_eq!(LogRecord::decode(&bytes[..HEADER - 1]), None);
    }
}
