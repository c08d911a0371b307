//! What httpd's error log takes: levels, and texts.

use std::ffi::CString;

/// httpd's log levels used here (APLOG_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// APLOG_CRIT
    Crit = 2,
    /// APLOG_ERR
    Error = 3,
    /// APLOG_WARNING
    Warning = 4,
    /// APLOG_NOTICE
    Notice = 5,
    /// APLOG_INFO
    Info = 6,
}

/// A C string: NULs, at which a record would end, are written out. (httpd escapes all other control characters.)
pub(super) fn text_of(message: &[u8]) -> CString {
    CString::new(message).unwrap_or_else(|_| {
        let mut escaped = Vec::with_capacity(message.len() + 16);
        for byte in message {
            match byte {
                0 => escaped.extend_from_slice(b"\\x00"),
                other => escaped.push(*other),
            }
        }
        // No NUL is left, so the conversion cannot fail; an empty record stands in if it did.
        CString::new(escaped).unwrap_or_default()
    })
}
