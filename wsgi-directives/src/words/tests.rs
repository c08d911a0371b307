//! Examples of spec/directives.md §2.1 and §2.2, and properties against a plain reference.

use super::*;
use proptest::prelude::*;

fn words(line: &str) -> Vec<String> {
    LineWords::new(line).map(Cow::into_owned).collect()
}

#[test]
fn examples() {
    assert_eq!(words("  a  b\t c "), ["a", "b", "c"]);
    assert_eq!(words(r#""a b" 'c "d' e"f g"#), ["a b", "c \"d", "e\"f", "g"]);
    assert_eq!(
        words(r#""a\"b" "c\\d" "e\nf" 'g\"h' i\\j k\"l"#),
        ["a\"b", "c\\d", "e\\nf", "g\\\"h", "i\\j", "k\\\"l"]
    );
    assert_eq!(words(r#""a"b"#), ["a", "b"]);
    assert_eq!(words(r#""open end"#), ["open end"]);
    assert_eq!(words("\"\" ''"), ["", ""]);
    assert_eq!(words("\"a\\"), ["a\\"]);
    assert_eq!(words("\\"), ["\\"]);
    assert_eq!(words(""), Vec::<String>::new());
    assert_eq!(words("'é ü' ß"), ["é ü", "ß"]);
}

fn pairs(line: &str) -> Vec<Option<(String, String)>> {
    let mut words = LineWords::new(line);
    let mut found = Vec::new();
    while let Some(pair) = words.pair() {
        let stop = pair.is_err();
        found.push(pair.ok().map(|(name, value)| (name.to_owned(), value.into_owned())));
        if stop {
            break;
        }
    }
    found
}

#[test]
fn option_pairs() {
    let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
    assert_eq!(pairs("a=1 b='2 3'"), [pair("a", "1"), pair("b", "2 3")]);
    assert_eq!(pairs("threads= 5"), [pair("threads", "5")]);
    assert_eq!(pairs("lang= threads=5"), [pair("lang", "threads=5")]);
    assert_eq!(pairs("a=1 lang="), [pair("a", "1"), pair("lang", "")]);
    assert_eq!(pairs("a='' b=1"), [pair("a", ""), pair("b", "1")]);
    assert_eq!(pairs("a =1"), [None]);
    assert_eq!(pairs("=1"), [None]);
    assert_eq!(pairs("a"), [None]);
    assert_eq!(pairs("\"user=joe\""), [pair("\"user", "joe\"")]);
    assert_eq!(pairs("a=b=c"), [pair("a", "b=c")]);
}

/// The C function, transcribed step by step over bytes.
fn reference(line: &[u8]) -> Vec<Vec<u8>> {
    let at = |i: usize| line.get(i).copied().unwrap_or(0);
    let space = |c: u8| matches!(c, b' ' | 9..=13);
    let (mut i, mut out) = (0, Vec::new());
    loop {
        while space(at(i)) {
            i += 1;
        }
        if i >= line.len() {
            return out;
        }
        let quote = if matches!(at(i), b'"' | b'\'') { at(i) } else { 0 };
        let start = if quote != 0 { i + 1 } else { i };
        let mut end = start;
        while end < line.len() && !(quote != 0 && at(end) == quote) && !(quote == 0 && space(at(end))) {
            let skip = quote != 0 && at(end) == b'\\' && (at(end + 1) == quote || at(end + 1) == b'\\');
            end += if skip { 2 } else { 1 };
        }
        let mut word = Vec::new();
        let mut j = start;
        while j < end {
            if at(j) == b'\\' && (at(j + 1) == b'\\' || (quote != 0 && at(j + 1) == quote)) {
                j += 1;
            }
            word.push(at(j));
            j += 1;
        }
        out.push(word);
        i = if quote != 0 && at(end) == quote { end + 1 } else { end };
    }
}

proptest! {
    #[test]
    fn agrees_with_the_reference(line in r#"[ab=\\"' \té]{0,30}"#) {
        let ours: Vec<Vec<u8>> = words(&line).into_iter().map(String::into_bytes).collect();
        prop_assert_eq!(ours, reference(line.as_bytes()));
    }

    #[test]
    fn never_panics(line in any::<String>()) {
        let _ = words(&line);
        let _ = pairs(&line);
    }

    #[test]
    fn quoting_brings_back_any_text(text in any::<String>()) {
        let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert_eq!(words(&quoted), [text]);
    }

    #[test]
    fn apply_never_panics(id in 0..crate::DIRECTIVES.len(), args in r#"[ -~]{0,40}|[a-z]{1,4} ([a-z-]{1,12}=[0-9a-z%{}]{0,6} ?){0,3}"#) {
        let mut conf = crate::fake::FakeConfiguration::default();
        let _ = conf.main(&format!("{} {args}", crate::DIRECTIVES[id].name));
    }
}
