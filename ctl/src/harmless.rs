//! What reaches the terminal: names, paths, causes of death and lines of logs come from others, and a terminal obeys what
//! is hidden in them.

use std::fmt::Write;

/// The text with everything but line ends escaped that a terminal would act on, or that changes the order in which
/// characters are seen. The form is that of JSON strings, so that JSON stays JSON.
#[must_use]
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && (character.is_control() || is_format(character)) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

/// Line and paragraph separators, marks and overrides of direction, invisible characters.
fn is_format(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_nothing_to_obey() {
        assert_eq!(text("a\u{1b}]0;x\u{7}b\nc\td"), "a\\u001b]0;x\\u0007b\nc\\u0009d");
        assert_eq!(text("\u{9b}31m\u{202e}gro.\u{7f}\r"), "\\u009b31m\\u202egro.\\u007f\\u000d");
        assert_eq!(text("Grüße, 東京"), "Grüße, 東京");
    }
}
