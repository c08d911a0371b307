//! Users and groups named in options: `name` or `#number`.

use super::OptionContext;
use crate::config::NamedAccount;
use crate::error::ConfigError;

/// Looks a user up. `uncheckable` is the text for `#uid` without an entry in the user database.
pub(crate) fn user(
    text: &str,
    uncheckable: &'static str,
    context: &OptionContext<'_, '_, '_>,
) -> Result<NamedAccount, ConfigError> {
    let system = context.line.system;
    let id = id_of(text, "user", |name| system.uid_of_name(name), context)?;
    named(text, id, system.name_of_uid(id), uncheckable, context)
}

/// Looks a group up. `uncheckable` is the text for `#gid` without an entry; `None` accepts any number.
pub(crate) fn group(
    text: &str,
    uncheckable: Option<&'static str>,
    context: &OptionContext<'_, '_, '_>,
) -> Result<NamedAccount, ConfigError> {
    let system = context.line.system;
    let id = id_of(text, "group", |name| system.gid_of_name(name), context)?;
    match uncheckable {
        Some(complaint) => named(text, id, system.name_of_gid(id), complaint, context),
        None => Ok(NamedAccount { name: system.name_of_gid(id).unwrap_or_else(|| text.to_owned()), id }),
    }
}

/// The id, or an error for an empty, malformed or unknown name.
fn id_of(
    text: &str,
    kind: &'static str,
    look_up: impl Fn(&str) -> Option<u32>,
    context: &OptionContext<'_, '_, '_>,
) -> Result<u32, ConfigError> {
    let unknown = || ConfigError::LookUpIdentity { option: context.info.name, kind, name: text.to_owned() };
    match text.strip_prefix('#') {
        Some(digits) => digits.parse().map_err(|_| context.invalid(text)),
        None if text.is_empty() => Err(context.invalid(text)),
        None => look_up(text).ok_or_else(unknown),
    }
}

/// Pairs an id with its name; only a number may lack one.
fn named(
    text: &str,
    id: u32,
    name: Option<String>,
    uncheckable: &'static str,
    context: &OptionContext<'_, '_, '_>,
) -> Result<NamedAccount, ConfigError> {
    match name {
        _ if !text.starts_with('#') => Ok(NamedAccount { name: text.to_owned(), id }),
        Some(name) => Ok(NamedAccount { name, id }),
        None => Err(ConfigError::value(
            uncheckable,
            format!(
                "{}={text}: no entry with this number exists; create it or write a name.",
                context.info.name
            ),
        )),
    }
}
