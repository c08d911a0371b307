//! The options of the command line: one row each. Parser, help, manual and tests derive from these rows.

mod application;
mod diagnosis;
mod environment;
mod limits;
mod listening;
mod logging;
mod mapping;

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueKind {
    /// No value: the option is there or not.
    Flag,
    /// A whole number from the first to the second.
    Int(i64, i64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// One of these words; case matters.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
}

/// What an option does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionState {
    /// As in mod_wsgi.
    Works,
    /// An option of this implementation only.
    New,
    /// Another name for something that has a better one: not in the help.
    Hidden,
    /// Accepted; has no effect, for this reason, which is told once.
    NoEffect(&'static str),
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// Without the two dashes.
    pub name: &'static str,
    /// Of each of its values.
    pub kind: ValueKind,
    /// What its values are called in the help; as many as it takes.
    pub values: &'static [&'static str],
    /// Each use adds to the earlier ones.
    pub is_list: bool,
    /// The default, or a description of it in parentheses; empty when there is none.
    pub default: &'static str,
    /// The directive or mechanism that it becomes, for the manual.
    #[cfg_attr(not(test), allow(dead_code))]
    pub becomes: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// Whether it works.
    pub state: OptionState,
}

impl OptionRow {
    /// The default as a value; none when it is computed.
    pub fn literal_default(&self) -> Option<&'static str> {
        (!self.default.is_empty() && !self.default.starts_with('(')).then_some(self.default)
    }

    /// The default as a reader sees it.
    pub fn described_default(&self) -> &'static str {
        self.default.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(self.default)
    }

    const fn list(mut self) -> OptionRow {
        self.is_list = true;
        self
    }

    const fn state(mut self, state: OptionState) -> OptionRow {
        self.state = state;
        self
    }
}

/// A group of rows under one heading.
#[derive(Clone, Copy, Debug)]
pub struct OptionGroup {
    /// Of the help and of the manual.
    pub heading: &'static str,
    /// In the order of the help.
    pub rows: &'static [OptionRow],
}

/// All options of `start-server` and `setup-server`.
pub static GROUPS: &[OptionGroup] = &[
    application::APPLICATION,
    listening::LISTENING,
    listening::CAPACITY,
    limits::LIFECYCLE,
    limits::TRANSFER,
    mapping::MAPPING,
    mapping::PROXYING,
    mapping::ACCESS,
    listening::TLS,
    environment::ENVIRONMENT,
    logging::LOGGING,
    diagnosis::METRICS,
    diagnosis::SERVICES,
    environment::PATHS,
    diagnosis::DEBUGGING,
];

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static OptionRow> {
    GROUPS.iter().flat_map(|group| group.rows)
}

/// The row of a name.
pub fn find(name: &str) -> Option<&'static OptionRow> {
    rows().find(|row| row.name == name)
}

const fn flag(name: &'static str, becomes: &'static str, help: &'static str) -> OptionRow {
    row(name, ValueKind::Flag, &[], "", becomes, help)
}

const fn text(
    name: &'static str,
    value: &'static [&'static str],
    default: &'static str,
    becomes: &'static str,
    help: &'static str,
) -> OptionRow {
    row(name, ValueKind::Text, value, default, becomes, help)
}

/// A whole number that is not negative.
const fn count(
    name: &'static str,
    value: &'static [&'static str],
    default: &'static str,
    becomes: &'static str,
    help: &'static str,
) -> OptionRow {
    row(name, ValueKind::Int(0, i32::MAX as i64), value, default, becomes, help)
}

const fn row(
    name: &'static str,
    kind: ValueKind,
    values: &'static [&'static str],
    default: &'static str,
    becomes: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow { name, kind, values, is_list: false, default, becomes, help, state: OptionState::Works }
}

#[cfg(test)]
mod tests;
