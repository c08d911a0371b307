//! What httpd's error log takes for a text.

use std::ffi::CString;

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
