//! Reading the command line: clap, built from the table of options.

use crate::NAME;
use crate::table::{self, OptionRow, OptionState, ValueKind};
use crate::values::OptionValues;
use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

/// The whole command.
pub fn command() -> Command {
    let plain = |name: &'static str, about: &'static str| Command::new(name).about(about).hide(true);
    shown()
        .subcommand(plain("x-options", "The options, one a line: name and values"))
        .subcommand(plain("x-watch", "Used by apachectl").arg(crate::control::server_root()))
        .subcommand(plain("x-environment", "Used by apachectl").arg(crate::control::server_root()))
}

/// What help, manual page and completions show of it.
pub fn shown() -> Command {
    let plain = |name: &'static str, about: &'static str| Command::new(name).about(about);
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves a WSGI application with Apache httpd.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(server("start-server", "Start a server for an application, in the foreground"))
        .subcommand(server("setup-server", "Write the files of such a server and start nothing"))
        .subcommand(server(
            "check",
            "Check what can be known before a start, as the user who will run the application",
        ))
        .subcommand(server("config", "Print the configuration, each line below the option that made it"))
        .subcommand(server("systemd", "Print a unit for systemd"))
        .subcommand(plain("module-config", "Print the lines of httpd's configuration that load the module"))
        .subcommand(
            plain("install-module", "Copy the module into httpd's folder and print the lines that load it")
                .arg(
                    Arg::new("modules-directory")
                        .long("modules-directory")
                        .value_name("DIRECTORY")
                        .value_hint(ValueHint::DirPath)
                        .help("Another folder than httpd's"),
                ),
        )
        .subcommand(plain("module-location", "Print where the module is"))
        .subcommand(crate::control::command())
}

/// A command that takes the options of the table.
pub fn server(name: &'static str, about: &'static str) -> Command {
    let mut command = Command::new(name).about(about).infer_long_args(true).args_override_self(true).arg(
        Arg::new(OptionValues::ENTRY_POINT)
            .value_name("ENTRY-POINT")
            .num_args(0..)
            .value_hint(ValueHint::AnyPath)
            .help("A script, a module (package.module or package.module:callable), an ini file, or a folder"),
    );
    for group in table::GROUPS {
        command = command.next_help_heading(group.heading);
        for row in group.rows {
            command = command.arg(argument(row));
        }
    }
    command
}

fn argument(row: &'static OptionRow) -> Arg {
    let hidden = matches!(row.state, OptionState::Hidden | OptionState::NoEffect(_));
    let arg = Arg::new(row.name).long(row.name).help(help(row)).hide(hidden);
    if row.kind == ValueKind::Flag {
        return arg.action(ArgAction::SetTrue);
    }
    let action = if row.is_list { ArgAction::Append } else { ArgAction::Set };
    arg.action(action)
        .value_names(row.values.iter().copied())
        .value_hint(hint(row))
        .num_args(row.values.len())
        .allow_hyphen_values(true)
        .value_parser(parser(row.kind))
}

/// What a shell offers as a value.
fn hint(row: &OptionRow) -> ValueHint {
    let is = |words: &[&str]| {
        row.values.iter().any(|value| words.iter().any(|word| value.split('|').any(|part| part == *word)))
    };
    match () {
        () if is(&["FILE", "SCRIPT"]) => ValueHint::FilePath,
        () if is(&["DIRECTORY"]) => ValueHint::DirPath,
        () if is(&["USER"]) => ValueHint::Username,
        () if is(&["ADDRESS"]) => ValueHint::Hostname,
        () => ValueHint::Other,
    }
}

/// The text of the help: what it is, and its default.
fn help(row: &OptionRow) -> String {
    match row.default {
        "" => row.help.to_owned(),
        _ => format!("{} [default: {}]", row.help, row.described_default()),
    }
}

/// Every value is kept as the text it was written as, once it is known to be right.
fn parser(kind: ValueKind) -> ValueParser {
    match kind {
        ValueKind::Word(words) => PossibleValuesParser::new(words).into(),
        ValueKind::Int(from, to) => ValueParser::new(move |text: &str| match text.trim().parse::<i64>() {
            Ok(number) if (from..=to).contains(&number) => Ok(number.to_string()),
            Ok(_) => Err(format!("a number from {from} to {to} is needed")),
            Err(_) => Err("a whole number is needed".to_owned()),
        }),
        ValueKind::Number(from, to) => ValueParser::new(move |text: &str| match text.trim().parse::<f64>() {
            Ok(number) if (from..=to).contains(&number) => Ok(text.trim().to_owned()),
            Ok(_) => Err(format!("a number from {from} to {to} is needed")),
            Err(_) => Err("a number is needed".to_owned()),
        }),
        ValueKind::Flag | ValueKind::Text => ValueParser::new(one_line),
    }
}

/// What goes into a configuration file must stay on its line.
fn one_line(text: &str) -> Result<String, String> {
    match text.chars().find(|c| c.is_control() && *c != '\t') {
        Some(c) => Err(format!("the character {} cannot be part of a value", c.escape_default())),
        None => Ok(text.to_owned()),
    }
}

/// The values of a server command.
pub fn values(matches: &ArgMatches) -> OptionValues {
    let mut values = OptionValues::default();
    for row in table::rows() {
        if row.kind == ValueKind::Flag {
            values.put_flag(row.name, matches.get_flag(row.name));
        } else if let Some(uses) = matches.get_occurrences::<String>(row.name) {
            values.put(row.name, uses.map(|words| words.cloned().collect()).collect());
        }
    }
    let positional = matches.get_many::<String>(OptionValues::ENTRY_POINT);
    values.put(
        OptionValues::ENTRY_POINT,
        positional.into_iter().flatten().map(|word| vec![word.clone()]).collect(),
    );
    values
}

/// Replaces `$NAME` and `${NAME}` by variables of the environment; those that are not set stay as they are.
pub fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.find('}')) {
            Some(end) => (&after[1..=end], end + 2),
            None => {
                let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..at + 1 + length]),
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
