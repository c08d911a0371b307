//! The HEAD payload: status, reason line and headers of a response, and the checks httpd makes on it.
//!
//! Layout: `u16` status, `u8` flags, status line, `u16` count, then name and value strings.
//! httpd treats every byte as hostile: bounded counts, no control characters that could forge a header.

use crate::ProtocolError;
use crate::codec::{FieldReader, put_bytes, put_u16};

/// Most headers of one response.
pub const MAX_HEADERS: u16 = 4096;
/// Final statuses. One below 200 is interim by its number: a client or a proxy takes what follows for the final response, so
/// the body of this one would be read as a message of its own.
pub const STATUSES: core::ops::RangeInclusive<u16> = 200..=999;
/// Longest status line in bytes.
pub const MAX_STATUS_LINE: usize = 8192;
/// Longest header name or value in bytes; the operator's header-buffer-size is checked by the caller.
pub const MAX_FIELD: usize = 8 * 1024 * 1024;

/// Writes a HEAD payload.
#[derive(Debug)]
pub struct HeadWriter<'o> {
    out: &'o mut Vec<u8>,
    count_at: usize,
    count: u16,
}

impl<'o> HeadWriter<'o> {
    /// Appends status and status line (`"200 OK"`, as the application gave it).
    #[must_use]
    pub fn begin(out: &'o mut Vec<u8>, status: u16, line: &[u8]) -> Self {
        put_u16(out, status);
        out.push(0);
        put_bytes(out, line);
        let count_at = out.len();
        put_u16(out, 0);
        Self { out, count_at, count: 0 }
    }

    /// Appends one header.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        put_bytes(self.out, name);
        put_bytes(self.out, value);
        self.count = self.count.saturating_add(1);
    }

    fn with(mut self, name: &[u8], value: &[u8]) -> Self {
        self.header(name, value);
        self
    }

    /// Ends the payload.
    pub fn finish(self) {
        self.out[self.count_at..self.count_at + 2].copy_from_slice(&self.count.to_le_bytes());
    }
}

/// Appends one more header to a payload that [`HeadWriter`] has written.
pub fn append_header(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let mut r = FieldReader::new(head);
    let has_line = r.take(3, "status").is_ok() && r.bytes(usize::MAX, "status line").is_ok();
    let count_at = head.len() - r.rest().len();
    let count = r.u16("header count");
    if let (true, Ok(count)) = (has_line, count) {
        HeadWriter { out: head, count_at, count }.with(name, value).finish();
    }
}

/// A decoded HEAD payload.
#[derive(Debug, Clone)]
pub struct ResponseHead<'a> {
    /// Three digits, 200 to 999.
    pub status: u16,
    /// The whole status line, starting with the digits.
    pub line: &'a [u8],
    headers: FieldReader<'a>,
    count: u16,
}

impl<'a> ResponseHead<'a> {
    /// Reads and validates a whole payload, headers included.
    ///
    /// # Errors
    /// A missing field, a status outside 200…999, a status line that does not start with the status or
    /// holds control characters, too many headers, a header with CR, LF or NUL, or a Content-Length that is no number.
    pub fn decode(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        Self::decode_within(payload, STATUSES)
    }

    /// The same for the answer to the opening handshake of a WebSocket, whose status is 101.
    ///
    /// # Errors
    /// As [`ResponseHead::decode`].
    pub fn decode_upgrade(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        Self::decode_within(payload, 101..=101)
    }

    fn decode_within(
        payload: &'a [u8],
        statuses: core::ops::RangeInclusive<u16>,
    ) -> Result<Self, ProtocolError> {
        let mut r = FieldReader::new(payload);
        let status = r.u16("status")?;
        if r.u8("flags")? != 0 {
            return Err(ProtocolError::Field("flags"));
        }
        let line = r.bytes(MAX_STATUS_LINE, "status line")?;
        // The number must be the line's own.
        let digits = line.get(..3).filter(|d| d.iter().all(u8::is_ascii_digit));
        let number = digits.map(|d| d.iter().fold(0u16, |n, b| n * 10 + u16::from(b - b'0')));
        if number != Some(status) || !statuses.contains(&status) {
            return Err(ProtocolError::Field("status"));
        }
        if line.iter().any(u8::is_ascii_control) {
            return Err(ProtocolError::Field("status line"));
        }
        let count = r.u16("header count")?;
        if count > MAX_HEADERS {
            return Err(ProtocolError::Field("header count"));
        }
        let headers = r.clone();
        for _ in 0..count {
            let name = r.bytes(MAX_FIELD, "header name")?;
            let value = r.bytes(MAX_FIELD, "header value")?;
            if name.is_empty() || name.iter().any(|b| b.is_ascii_control() || *b == b' ') {
                return Err(ProtocolError::Field("header name"));
            }
            if value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
                return Err(ProtocolError::Field("header value"));
            }
            if name.eq_ignore_ascii_case(b"content-length") && content_length(value).is_none() {
                return Err(ProtocolError::Field("Content-Length"));
            }
        }
        r.finish("head")?;
        Ok(Self { status, line, headers, count })
    }

    /// The headers in the application's order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut r = self.headers.clone();
        // `decode` read every header once, so these reads cannot fail; a failure would end the iteration.
        (0..self.count).map_while(move |_| {
            Some((r.bytes(MAX_FIELD, "header name").ok()?, r.bytes(MAX_FIELD, "header value").ok()?))
        })
    }

    /// The last value of the header `name`, compared without case.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v).last()
    }
}

/// The number in a Content-Length header: digits and nothing else, so that all who read it read the same.
#[must_use]
pub fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: i64 = core::str::from_utf8(value).ok()?.parse().ok()?;
    u64::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(status: u16, line: &[u8], headers: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = HeadWriter::begin(&mut out, status, line);
        for (n, v) in headers {
            w.header(n, v);
        }
        w.finish();
        out
    }

    #[test]
    fn round_trip() {
        let bytes = head(200, b"200 OK", &[(b"Content-Type", b"text/plain"), (b"X-A", b"")]);
        let decoded = ResponseHead::decode(&bytes).unwrap();
        assert_eq!((decoded.status, decoded.line), (200, &b"200 OK"[..]));
        assert_eq!(decoded.headers().count(), 2);
        assert_eq!(decoded.last("content-type"), Some(&b"text/plain"[..]));
    }

    #[test]
    fn one_more_header() {
        let mut bytes = head(200, b"200 OK", &[(b"X-A", b"1")]);
        append_header(&mut bytes, b"Content-Length", b"5");
        assert_eq!(
            bytes,
            head(200, b"200 OK", &[(&b"X-A"[..], &b"1"[..]), (&b"Content-Length"[..], &b"5"[..])])
        );
        let mut none = Vec::new();
        append_header(&mut none, b"X", b"");
        assert!(none.is_empty());
    }

    #[test]
    fn refusals() {
        for (bytes, field) in [
            (head(200, b"404 Nope", &[]), "status"),
            (head(200, b"200 O\nK", &[]), "status line"),
            (head(200, b"200", &[(b"A B", b"")]), "header name"),
            (head(200, b"200", &[(b"", b"")]), "header name"),
            (head(200, b"200", &[(b"A", b"x\r\nB: y")]), "header value"),
            (head(200, b"200", &[(b"A", b"\0")]), "header value"),
            (head(199, b"199 Early", &[]), "status"),
            (head(101, b"101 Switching Protocols", &[]), "status"),
            (head(99, b"099", &[]), "status"),
            (head(1000, b"1000", &[]), "status"),
            (head(200, b"200", &[(b"Content-Length", b"")]), "Content-Length"),
            (head(200, b"200", &[(b"content-length", b"+5")]), "Content-Length"),
            (head(200, b"200", &[(b"Content-Length", b"5 ")]), "Content-Length"),
            (head(200, b"200", &[(b"Content-Length", b"x"), (b"Content-Length", b"5")]), "Content-Length"),
            (head(200, b"200", &[(b"Content-Length", b"9223372036854775808")]), "Content-Length"),
        ] {
            assert_eq!(ResponseHead::decode(&bytes).unwrap_err(), ProtocolError::Field(field));
        }
        let mut trailing = head(200, b"200", &[]);
        trailing.push(0);
        assert_eq!(ResponseHead::decode(&trailing).unwrap_err(), ProtocolError::Trailing("head"));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(head) = ResponseHead::decode(&bytes) { let _ = head.headers().count(); }
        }
    }
}
