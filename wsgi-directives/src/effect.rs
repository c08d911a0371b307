//! Whether a row of a table acts.

/// Whether what a row says already happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEffect {
    /// It acts.
    Acts,
    /// Parsed and carried, acts once the named part is written; logged once until then.
    Later(&'static str),
    /// Will never act here, and why; logged once.
    Never(&'static str),
    /// Accepted for old configurations only; each use is warned about, with this advice.
    Legacy(&'static str),
}

/// Whether these words say what holds anyway: then it does not matter that they have no effect.
pub(crate) fn is_default<'a>(default: &str, words: impl Iterator<Item = &'a str>) -> bool {
    !default.is_empty()
        && default
            .split_ascii_whitespace()
            .map(str::to_ascii_lowercase)
            .eq(words.map(str::to_ascii_lowercase))
}
