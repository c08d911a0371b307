//! Option tables: `name=value` words after a directive, one row each; reading them is the same for all.

pub(crate) mod daemon;
pub(crate) mod identity;
pub(crate) mod mount;
pub mod value;

use crate::effect::{RowEffect, is_default};
use crate::error::ConfigError;
use crate::line::{LineApplication, parse_on_off};
use crate::words::{BadPair, LineWords};
use std::time::Duration;

pub use daemon::DAEMON_OPTIONS;
pub use mount::{ALIAS_OPTIONS, HANDLER_OPTIONS, IMPORT_OPTIONS, SCRIPT_OPTIONS, SELECTORS};

/// What the manual knows of an option.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// Name, lower case.
    pub name: &'static str,
    /// Shape of the value for the manual, for example `N`, `On|Off`.
    pub value: &'static str,
    /// Default: a value that parses, or a description in parentheses; empty if there is none.
    pub default: &'static str,
    /// Unit of the value; empty if it has none.
    pub unit: &'static str,
    /// What is accepted.
    pub range: &'static str,
    /// First release of mod_wsgi with it; `new` for options of this implementation.
    pub since: &'static str,
    /// One line.
    pub doc: &'static str,
    /// Whether it acts.
    pub effect: RowEffect,
    /// A value that is accepted.
    pub good: &'static str,
    /// A value that is refused; `None` where no text is wrong.
    pub bad: Option<&'static str>,
}

/// One option of a definition that is collected in a `T`.
pub struct OptionRow<T: 'static> {
    /// For the manual and messages.
    pub info: OptionInfo,
    /// The `THING` in "Invalid THING for WSGI daemon process.", or the whole text if it ends in a dot.
    pub(crate) thing: &'static str,
    pub(crate) set: ValueSetter<T>,
}

/// How a value is read and where it goes.
pub(crate) enum ValueSetter<T: 'static> {
    /// Any text.
    Text(fn(&mut T) -> &mut Option<String>),
    /// Any text but the empty one.
    NonEmpty(fn(&mut T) -> &mut Option<String>),
    /// An absolute path.
    Absolute(fn(&mut T) -> &mut Option<String>),
    /// On or Off.
    Flag(fn(&mut T) -> &mut bool),
    /// Whole seconds (or a number with a unit); 0 switches off.
    SecondsOrOff(fn(&mut T) -> &mut Option<Duration>),
    /// Whole seconds (or a number with a unit).
    Seconds(fn(&mut T) -> &mut Duration),
    /// Milliseconds (or a number with a unit).
    Millis(fn(&mut T) -> &mut Duration),
    /// Anything else.
    Custom(fn(&mut T, &str, &mut OptionContext<'_, '_, '_>) -> Result<(), ConfigError>),
}

/// What reading an option's value may need.
pub(crate) struct OptionContext<'c, 'a, 's> {
    /// The line.
    pub line: &'c mut LineApplication<'a, 's>,
    /// The option being read.
    pub info: &'static OptionInfo,
    /// Its [`OptionRow::thing`].
    pub thing: &'static str,
    /// What is being defined.
    pub definition: &'static str,
}

impl OptionContext<'_, '_, '_> {
    /// "Invalid <thing> for <definition>." with what to write instead.
    pub fn invalid(&self, value: &str) -> ConfigError {
        let OptionInfo { name, range, good, .. } = self.info;
        let text = if self.thing.ends_with('.') {
            self.thing.to_owned()
        } else {
            format!("Invalid {} for {}.", self.thing, self.definition)
        };
        ConfigError::value(
            text,
            format!("{name}='{value}' is not accepted: write {range}, for example {name}={good}."),
        )
    }
}

/// Reads all remaining pairs of the line into `target`; returns the options as written.
///
/// # Errors
/// "Invalid option to <definition> definition." or the error of the option.
pub(crate) fn read_options<T>(
    rows: &'static [OptionRow<T>],
    definition: &'static str,
    words: &mut LineWords<'_>,
    target: &mut T,
    line: &mut LineApplication<'_, '_>,
) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let mut written = Vec::new();
    while let Some(pair) = words.pair() {
        let (name, value) = pair.map_err(|bad| bad_pair(bad, rows, definition))?;
        let row = rows.iter().find(|row| row.info.name == name);
        let row = row.ok_or_else(|| unknown_option(name, rows, definition))?;
        let mut context = OptionContext { line, info: &row.info, thing: row.thing, definition };
        store(&row.set, target, &value, &mut context)?;
        if !is_default(row.info.default, std::iter::once(&*value)) {
            line.tell_effect(row.info.name, row.info.effect);
        }
        written.push((row.info.name, value.into_owned()));
    }
    Ok(written)
}

fn store<T>(
    set: &ValueSetter<T>,
    target: &mut T,
    text: &str,
    context: &mut OptionContext<'_, '_, '_>,
) -> Result<(), ConfigError> {
    let wrong = |context: &OptionContext<'_, '_, '_>| context.invalid(text);
    match set {
        ValueSetter::Text(field) => *field(target) = Some(text.to_owned()),
        ValueSetter::NonEmpty(_) if text.is_empty() => return Err(wrong(context)),
        ValueSetter::Absolute(_) if !text.starts_with('/') => return Err(wrong(context)),
        ValueSetter::NonEmpty(field) | ValueSetter::Absolute(field) => *field(target) = Some(text.to_owned()),
        ValueSetter::Flag(field) => *field(target) = parse_on_off(text).ok_or_else(|| wrong(context))?,
        ValueSetter::SecondsOrOff(field) => {
            let time = value::duration(text, value::SECOND).ok_or_else(|| wrong(context))?;
            *field(target) = (!time.is_zero()).then_some(time);
        }
        ValueSetter::Seconds(field) => {
            *field(target) = value::duration(text, value::SECOND).ok_or_else(|| wrong(context))?;
        }
        ValueSetter::Millis(field) => {
            *field(target) = value::duration(text, value::MILLISECOND).ok_or_else(|| wrong(context))?;
        }
        ValueSetter::Custom(run) => run(target, text, context)?,
    }
    Ok(())
}

fn bad_pair<T>(bad: BadPair<'_>, rows: &[OptionRow<T>], definition: &'static str) -> ConfigError {
    let hint = match bad {
        BadPair::NoName => "An option's name is missing before '='.".to_owned(),
        BadPair::NoEquals(name) if rows.iter().any(|row| row.info.name == name) => {
            format!("Write {name}=VALUE without a blank before '='.")
        }
        BadPair::NoEquals(name) if name.starts_with(['"', '\'']) => {
            "Quote only the value: option='some value'.".to_owned()
        }
        BadPair::NoEquals(name) => format!("'{name}' is not of the form option=value."),
    };
    ConfigError::ReadOption { definition, hint }
}

fn unknown_option<T>(name: &str, rows: &[OptionRow<T>], definition: &'static str) -> ConfigError {
    let nearest = rows.iter().map(|row| row.info.name).min_by_key(|known| distance(name, known));
    let hint = match nearest {
        _ if name.starts_with(['"', '\'']) => "Quote only the value: option='some value'.".to_owned(),
        Some(known) if distance(name, known) <= 3 => {
            format!("'{name}' is not an option here; did you mean {known}=?")
        }
        _ => format!(
            "'{name}' is not an option here; the options are {}.",
            rows.iter().map(|row| row.info.name).collect::<Vec<_>>().join(", ")
        ),
    };
    ConfigError::ReadOption { definition, hint }
}

/// Levenshtein distance, to find the option that was meant.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
