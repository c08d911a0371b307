//! What a status line and a header must look like, and the texts of what is wrong with them (spec/behaviour.md §4.1,
//! checks 8 to 18; §4.4 for Content-Length). Pure.

use crate::python::bytes_repr;
use wsgi_protocol::response::STATUSES;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// Not three digits, or a fourth.
    StatusCode,
    /// Something else than a space behind the digits.
    StatusSpace,
    /// Below 200: an interim response, or none at all.
    StatusInterim,
    /// A control character in the reason.
    StatusControl,
    /// An empty header name.
    NameEmpty,
    /// A control character in a header name.
    NameControl,
    /// A space in a header name.
    NameSpace,
    /// CR or LF in a header value.
    ValueLine,
    /// NUL in a header value, which would cut it on its way through httpd.
    ValueNull,
}

impl HeadFault {
    /// The text of the ValueError about `bytes`.
    pub fn message(self, bytes: &[u8]) -> String {
        let text = match self {
            Self::StatusCode => "status code must be a 3 digit integer",
            Self::StatusSpace => "no space following status code",
            Self::StatusInterim => "status code of a final response must be 200 or above",
            Self::StatusControl => "control character in status reason phrase",
            Self::NameEmpty => return "header name is empty".to_owned(),
            Self::NameControl => "control character in header name",
            Self::NameSpace => "space character in header name",
            Self::ValueLine => "carriage return/line feed character in header value",
            Self::ValueNull => "null character in header value",
        };
        format!("{text}: {}", bytes_repr(bytes))
    }
}

/// The status code of a status line.
pub fn check_status(line: &[u8]) -> Result<u16, HeadFault> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).take(4).count();
    if digits != 3 {
        return Err(HeadFault::StatusCode);
    }
    if line.get(3).is_some_and(|byte| *byte != b' ') {
        return Err(HeadFault::StatusSpace);
    }
    if line.iter().any(u8::is_ascii_control) {
        return Err(HeadFault::StatusControl);
    }
    let code = line[..3].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if STATUSES.contains(&code) { Ok(code) } else { Err(HeadFault::StatusInterim) }
}

/// A header name.
pub fn check_name(name: &[u8]) -> Result<(), HeadFault> {
    if name.is_empty() {
        return Err(HeadFault::NameEmpty);
    }
    match name.iter().find(|byte| byte.is_ascii_control() || **byte == b' ') {
        Some(b' ') => Err(HeadFault::NameSpace),
        Some(_) => Err(HeadFault::NameControl),
        None => Ok(()),
    }
}

/// A header value.
pub fn check_value(value: &[u8]) -> Result<(), HeadFault> {
    match value.iter().find(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        Some(0) => Err(HeadFault::ValueNull),
        Some(_) => Err(HeadFault::ValueLine),
        None => Ok(()),
    }
}

/// The number in a Content-Length header: leading blanks and `+` pass, and nothing counts as 0.
pub fn content_length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii_start();
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    if digits.is_empty() {
        return value.is_empty().then_some(0);
    }
    let add = |sum: i64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    };
    digits.iter().try_fold(0, add).and_then(|length| u64::try_from(length).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (line, result) in [
            (&b"200 OK"[..], Ok(200)),
            (b"200", Ok(200)),
            (b"200 ", Ok(200)),
            (b"200  x", Ok(200)),
            (b"999", Ok(999)),
            (b"099  x", Err(HeadFault::StatusInterim)),
            (b"100 Continue", Err(HeadFault::StatusInterim)),
            (b"101", Err(HeadFault::StatusInterim)),
            (b"199 x", Err(HeadFault::StatusInterim)),
            (b"200 \xe9", Ok(200)),
            (b"", Err(HeadFault::StatusCode)),
            (b"20 OK", Err(HeadFault::StatusCode)),
            (b"2000 OK", Err(HeadFault::StatusCode)),
            (b"404Nope", Err(HeadFault::StatusSpace)),
            (b"200\t", Err(HeadFault::StatusSpace)),
            (b"200 a\x7f", Err(HeadFault::StatusControl)),
            (b"200 a\0", Err(HeadFault::StatusControl)),
        ] {
            assert_eq!(check_status(line), result, "{line:?}");
        }
        assert_eq!(HeadFault::StatusSpace.message(b"404Nope"), "no space following status code: b'404Nope'");
    }

    #[test]
    fn headers() {
        assert_eq!(check_name(b"X:\xe9"), Ok(()));
        assert_eq!(check_name(b""), Err(HeadFault::NameEmpty));
        assert_eq!(check_name(b"A B\n"), Err(HeadFault::NameSpace));
        assert_eq!(check_name(b"A\nB "), Err(HeadFault::NameControl));
        assert_eq!(check_value(b"\ta\x01\xff"), Ok(()));
        assert_eq!(check_value(b"a\nb\0"), Err(HeadFault::ValueLine));
        assert_eq!(check_value(b"a\0\n"), Err(HeadFault::ValueNull));
    }

    #[test]
    fn lengths() {
        for (value, length) in [
            (&b"0"[..], Some(0)),
            (b"", Some(0)),
            (b" +12", Some(12)),
            (b"9223372036854775807", Some(i64::MAX as u64)),
            (b"9223372036854775808", None),
            (b"12 ", None),
            (b"-1", None),
            (b"many", None),
            (b" ", None),
        ] {
            assert_eq!(content_length(value), length, "{value:?}");
        }
    }
}
