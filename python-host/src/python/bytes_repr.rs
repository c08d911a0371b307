//! `repr()` of a bytes object, for messages that hold one (spec/behaviour.md §4.1).

use std::fmt::Write;

/// As Python writes it: `b'…'`, with double quotes only if there are single but no double ones inside.
pub fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => {
                if char::from(byte) == quote {
                    text.push('\\');
                }
                text.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(text, "\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::bytes_repr;

    #[test]
    fn as_python_writes_it() {
        for (bytes, text) in [
            (&b""[..], "b''"),
            (b"404Nope", "b'404Nope'"),
            (b"a\tb\nc\rd\\", r"b'a\tb\nc\rd\\'"),
            (b"\x00\x7f\xff", r"b'\x00\x7f\xff'"),
            (b"it's", r#"b"it's""#),
            (b"it's \"so\"", r#"b'it\'s "so"'"#),
            (b"\"", r#"b'"'"#),
        ] {
            assert_eq!(bytes_repr(bytes), text);
        }
    }
}
