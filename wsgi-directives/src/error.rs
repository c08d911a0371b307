//! Why a configuration line was refused: one enum, variants named after what was attempted.

use crate::arity::Arity;
use crate::place::SourceLocation;
use std::borrow::Cow;
use std::fmt;

/// A refused configuration line. `Display` is the one line httpd prints after
/// "Syntax error on line N of FILE:"; it begins with the text of spec/directives.md §16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The number of arguments does not fit (httpd's own wording, spec/directives.md §2.5).
    CountArguments {
        /// Name of the directive.
        directive: &'static str,
        /// What it takes.
        expected: Arity,
        /// Its one-line description.
        doc: &'static str,
    },
    /// The directive stands where it may not stand (spec/directives.md §2.6).
    PlaceDirective {
        /// Name of the directive.
        directive: &'static str,
        /// Where it was found.
        found: Misplaced,
    },
    /// A word from a closed set was expected (`Off | On`, …).
    ChooseWord {
        /// Name of the directive.
        directive: &'static str,
        /// The set, as printed.
        choices: &'static str,
        /// What was written.
        given: String,
    },
    /// A `name=value` option is unknown or has a bad shape (spec/directives.md §2.2).
    ReadOption {
        /// What is being defined, for example "WSGI daemon process".
        definition: &'static str,
        /// What to write instead.
        hint: String,
    },
    /// An argument or an option's value cannot be accepted.
    ReadValue {
        /// The text of the original for this case.
        text: Cow<'static, str>,
        /// What to write instead; may be empty.
        hint: String,
    },
    /// A daemon group of that name exists already, with other options.
    DefineGroup {
        /// Name of the group.
        name: String,
        /// Where it was defined first.
        first: SourceLocation,
        /// Where it was defined again.
        again: SourceLocation,
        /// The first option that differs.
        differs: Option<&'static str>,
    },
    /// A daemon group of that name exists already, in a server that is another site.
    ShareGroup {
        /// Name of the group.
        name: String,
        /// Where it was defined first, and in whose server.
        first: String,
        /// Where it was defined again, and in whose server.
        again: String,
    },
    /// A preloaded script refers to a daemon group that cannot be used from here (spec/directives.md §9.1).
    ReferToGroup {
        /// Name of the group.
        name: String,
        /// What is wrong with it.
        problem: GroupReference,
    },
    /// A user or group does not exist (the original ends httpd here).
    LookUpIdentity {
        /// The option, for example `user`.
        option: &'static str,
        /// "user" or "group".
        kind: &'static str,
        /// What was written.
        name: String,
    },
    /// A word of WSGITrustedProxies is no address or subnet (spec/directives.md §11).
    ParseSubnet {
        /// The word.
        word: String,
        /// APR's reason, if the word got as far as APR.
        reason: Option<&'static str>,
        /// What to write instead.
        hint: &'static str,
    },
    /// The pattern of WSGIScriptAliasMatch does not compile.
    CompileRegex {
        /// The pattern.
        pattern: String,
    },
    /// The opening tag of `<WSGIInterpreterOptions>` is wrong (spec/directives.md §13).
    OpenSection {
        /// Everything after the directive's name.
        problem: String,
    },
    /// The glue asked for a directive that is not in the table: a fault of the caller.
    FindDirective {
        /// The index it asked for.
        id: usize,
    },
}

/// Where a directive stands although it may not (spec/directives.md §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// A main-server directive inside `<VirtualHost>`.
    VirtualHost,
    /// Inside a directory-type section of the server configuration.
    Directory,
    /// In a `.htaccess` file, or an access directive at server level.
    Elsewhere,
}

/// Why a preload may not name a daemon group (spec/directives.md §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupReference {
    /// No such group so far in the configuration.
    NotYetConfigured,
    /// The group belongs to a virtual host of another name.
    NotAccessible,
    /// Exactly one of the two servers has a ServerName so far.
    NotMatchable,
}

impl ConfigError {
    /// A refused value with the original's text and a hint what to write.
    pub(crate) fn value(text: impl Into<Cow<'static, str>>, hint: impl Into<String>) -> Self {
        ConfigError::ReadValue { text: text.into(), hint: hint.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CountArguments { directive, expected, doc } => {
                write!(f, "{directive} {}, {doc}", expected.complaint())
            }
            Self::PlaceDirective { directive, found } => place_text(f, directive, *found),
            Self::ChooseWord { directive, choices, given } => {
                write!(f, "{directive} must be one of: {choices} (and not '{given}')")
            }
            Self::ReadOption { definition, hint } => {
                write!(f, "Invalid option to {definition} definition. {hint}")
            }
            Self::ReadValue { text, hint } if hint.is_empty() => f.write_str(text),
            Self::ReadValue { text, hint } => write!(f, "{text} {hint}"),
            Self::DefineGroup { name, first, again, differs } => {
                write!(
                    f,
                    "Name duplicates previous WSGI daemon definition. '{name}' was defined at {first} "
                )?;
                write!(f, "and again, differently")?;
                if let Some(option) = differs {
                    write!(f, " (option {option})")?;
                }
                write!(f, ", at {again}: make both lines equal or rename one group.")
            }
            Self::ShareGroup { name, first, again } => write!(
                f,
                "Name duplicates previous WSGI daemon definition. '{name}' was defined at {first} and again at \
                 {again}: rename one of them, there and where WSGIProcessGroup or process-group= names it. \
                 For one group that serves both, define it once, outside of <VirtualHost>."
            ),
            Self::ReferToGroup { name, problem } => group_text(f, name, *problem),
            Self::LookUpIdentity { option, kind, name } => {
                write!(
                    f,
                    "bad {kind} name {name}: no such {kind} exists, correct {option}= or create it first"
                )
            }
            Self::ParseSubnet { word, reason, hint } => {
                write!(f, "Unable to parse trusted proxy IP address/subnet of \"{word}\".")?;
                if let Some(reason) = reason {
                    write!(f, " {reason}")?;
                }
                write!(f, " {hint}")
            }
            Self::CompileRegex { pattern } => {
                write!(f, "Regular expression could not be compiled. Correct the pattern '{pattern}'.")
            }
            Self::OpenSection { problem } => write!(f, "<WSGIInterpreterOptions>{problem}"),
            Self::FindDirective { id } => write!(f, "wsgi-directives has no directive number {id}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// httpd's wording for a misplaced directive; sections carry their closing bracket.
fn place_text(f: &mut fmt::Formatter<'_>, directive: &str, found: Misplaced) -> fmt::Result {
    let bracket = if directive.starts_with('<') { ">" } else { "" };
    match found {
        Misplaced::VirtualHost => {
            write!(f, "{directive}{bracket} cannot occur within <VirtualHost> section")
        }
        Misplaced::Directory => write!(f, "{directive}{bracket} not allowed in <Directory> context"),
        Misplaced::Elsewhere => write!(f, "{directive}{bracket} not allowed here"),
    }
}

/// The three texts of spec/directives.md §9.1, each with its way out.
fn group_text(f: &mut fmt::Formatter<'_>, name: &str, problem: GroupReference) -> fmt::Result {
    match problem {
        GroupReference::NotYetConfigured => write!(
            f,
            "WSGI process group not yet configured. Put WSGIDaemonProcess {name} earlier in the configuration."
        ),
        GroupReference::NotAccessible => write!(
            f,
            "WSGI process group not accessible. '{name}' belongs to a virtual host with another ServerName: \
             define it at main server level."
        ),
        GroupReference::NotMatchable => write!(
            f,
            "WSGI process group not matchable. Put ServerName before the WSGI directives in both virtual hosts \
             that use '{name}'."
        ),
    }
}
