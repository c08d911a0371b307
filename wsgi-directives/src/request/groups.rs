//! `Require wsgi-group`: whether a user's groups hold one of those that are required (spec/behaviour.md §7.2).

use crate::words::LineWords;

/// `required` is the rest of the line, in words as httpd reads them; case does not matter. Bytes are compared as they are.
pub fn is_member<'a>(required: &[u8], groups: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    // A character per byte, so that lines in any encoding can be split.
    let line: String = required.iter().map(|byte| char::from(*byte)).collect();
    LineWords::new(&line).filter(|word| !word.is_empty()).any(|word| {
        let word: Vec<u8> = word.chars().map(|c| c as u8).collect();
        groups.clone().any(|group| group.eq_ignore_ascii_case(&word))
    })
}

#[cfg(test)]
mod tests {
    use super::is_member;

    fn member(required: &str, groups: &[&str]) -> bool {
        is_member(required.as_bytes(), groups.iter().map(|group| group.as_bytes()))
    }

    #[test]
    fn any_word_is_enough() {
        assert!(member("staff admin", &["x", "ADMIN"]));
        assert!(member("\"two words\" x", &["Two Words"]));
        assert!(!member("staff admin", &["staf", "admins", ""]));
        assert!(!member("staff", &[]));
    }

    #[test]
    fn bytes_need_not_be_text() {
        let groups = [&b"caf\xe9"[..]];
        assert!(is_member(b"x caf\xe9", groups.into_iter()));
        assert!(!is_member("caf\u{e9}".as_bytes(), groups.into_iter()));
    }

    #[test]
    fn nothing_required_is_nothing_granted() {
        assert!(!member("", &["staff", ""]));
        assert!(!member("\"\"", &["staff", ""]));
    }
}
