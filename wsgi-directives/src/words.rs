//! Splits the rest of a configuration line by httpd's rules (`ap_getword_conf`, spec/directives.md §2.1, §2.2).

use std::borrow::Cow;

/// The unread rest of a line.
#[derive(Clone, Copy, Debug)]
pub struct LineWords<'a> {
    rest: &'a str,
}

/// Why a `name=value` pair could not be read (spec/directives.md §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPair<'a> {
    /// The word has no `=`, or blanks before it.
    NoEquals(&'a str),
    /// The pair begins with `=`.
    NoName,
}

impl<'a> LineWords<'a> {
    /// Starts at the beginning of `line`.
    pub fn new(line: &'a str) -> Self {
        LineWords { rest: skip_blanks(line) }
    }

    /// What has not been read yet, without leading blanks.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads one `name=value` pair; `None` at the end of the line.
    pub fn pair(&mut self) -> Option<Result<(&'a str, Cow<'a, str>), BadPair<'a>>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find(|c: char| c == '=' || is_blank(c)).unwrap_or(self.rest.len());
        let (name, tail) = self.rest.split_at(end);
        if !tail.starts_with('=') {
            return Some(Err(BadPair::NoEquals(name)));
        }
        if name.is_empty() {
            return Some(Err(BadPair::NoName));
        }
        self.rest = skip_blanks(&tail[1..]);
        Some(Ok((name, self.next().unwrap_or(Cow::Borrowed("")))))
    }
}

impl<'a> Iterator for LineWords<'a> {
    type Item = Cow<'a, str>;

    /// The next word; a quoted empty word is a word.
    fn next(&mut self) -> Option<Cow<'a, str>> {
        let quote = self.rest.chars().next()?;
        let (word, after) = if quote == '"' || quote == '\'' {
            let body = &self.rest[1..];
            let end = closing_quote(body, quote as u8);
            let after = body[end..].strip_prefix(quote).unwrap_or(&body[end..]);
            (unescape(&body[..end], Some(quote)), after)
        } else {
            let end = self.rest.find(is_blank).unwrap_or(self.rest.len());
            (unescape(&self.rest[..end], None), &self.rest[end..])
        };
        self.rest = skip_blanks(after);
        Some(word)
    }
}

/// C's `isspace` in the C locale.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

/// Offset of the quote that ends `body`, or its length if there is none.
fn closing_quote(body: &str, quote: u8) -> usize {
    let bytes = body.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != quote {
        let escapes = bytes[at] == b'\\' && matches!(bytes.get(at + 1), Some(&c) if c == quote || c == b'\\');
        at += if escapes { 2 } else { 1 };
    }
    at
}

/// Removes the backslash before a backslash, and inside quotes before the quote character.
fn unescape(text: &str, quote: Option<char>) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(&next) if c == '\\' && (next == '\\' || Some(next) == quote) => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
