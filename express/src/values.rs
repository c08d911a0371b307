//! What was given on the command line, asked for by the names of the table.

use crate::table::{self, OptionRow, ValueKind};
use std::collections::BTreeMap;

/// The values of the options.
#[derive(Clone, Debug, Default)]
pub struct OptionValues {
    given: BTreeMap<&'static str, Vec<Vec<String>>>,
}

impl OptionValues {
    /// The key of the arguments without a name.
    pub const ENTRY_POINT: &'static str = "ENTRY-POINT";

    /// Sets a flag.
    pub fn put_flag(&mut self, name: &'static str, is_on: bool) {
        if is_on {
            self.given.insert(name, Vec::new());
        } else {
            self.given.remove(name);
        }
    }

    /// Sets the words of each use of an option.
    pub fn put(&mut self, name: &'static str, uses: Vec<Vec<String>>) {
        self.given.insert(name, uses);
    }

    /// Whether the option was given at all.
    pub fn is_given(&self, name: &str) -> bool {
        debug_assert!(table::find(name).is_some(), "{name} is no option");
        self.given.contains_key(name)
    }

    /// Whether a flag was given.
    pub fn flag(&self, name: &str) -> bool {
        debug_assert_eq!(row(name).map(|row| row.kind), Some(ValueKind::Flag), "{name}");
        self.given.contains_key(name)
    }

    /// The words of each use.
    pub fn uses(&self, name: &str) -> &[Vec<String>] {
        self.given.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of an option with one value, or its literal default.
    pub fn text(&self, name: &str) -> Option<&str> {
        let given = self.uses(name).last().and_then(|words| words.first()).map(String::as_str);
        given.or_else(|| row(name).and_then(OptionRow::literal_default))
    }

    /// The values of an option with one value that may be given several times.
    pub fn list(&self, name: &str) -> Vec<&str> {
        debug_assert!(row(name).is_some_and(|row| row.is_list), "{name}");
        self.uses(name).iter().filter_map(|words| words.first()).map(String::as_str).collect()
    }

    /// The values of an option with two values.
    pub fn pairs(&self, name: &str) -> Vec<(&str, &str)> {
        debug_assert_eq!(row(name).map(|row| row.values.len()), Some(2), "{name}");
        self.uses(name)
            .iter()
            .filter(|words| words.len() == 2)
            .map(|words| (words[0].as_str(), words[1].as_str()))
            .collect()
    }

    /// The value of an option of whole numbers; 0 when it has no default and was not given.
    pub fn int(&self, name: &str) -> i64 {
        debug_assert!(matches!(row(name).map(|row| row.kind), Some(ValueKind::Int(..))), "{name}");
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The value of an option of numbers, if it was given.
    pub fn number(&self, name: &str) -> Option<f64> {
        debug_assert!(matches!(row(name).map(|row| row.kind), Some(ValueKind::Number(..))), "{name}");
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// The arguments without a name.
    pub fn entry_points(&self) -> Vec<&str> {
        self.uses(OptionValues::ENTRY_POINT)
            .iter()
            .filter_map(|words| words.first())
            .map(String::as_str)
            .collect()
    }
}

fn row(name: &str) -> Option<&'static OptionRow> {
    table::find(name)
}
