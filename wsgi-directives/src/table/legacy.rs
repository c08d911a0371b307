//! Directives of old releases: accepted so that a 4.9 configuration starts, with one warning (spec/directives.md
//! §15).

use crate::arity::Arity;
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use crate::place::Notice;

pub(super) const LAZY_INITIALIZATION: Directive = Directive {
    name: "WSGILazyInitialization",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "On",
    since: "3.0, removed in 6.0.0",
    doc: "Removed: Python is never initialised in the parent process.",
    details: "On is what always happens. Off is warned about and ignored.",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
    action: RowAction::Custom(lazy_initialization),
};

pub(super) const NEW_RELIC_CONFIG_FILE: Directive = Directive {
    name: "WSGINewRelicConfigFile",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "PATH",
    default: "",
    since: "4.1.0, removed in 6.0.0",
    doc: "Removed: configuration of the New Relic agent.",
    details: "",
    effect: RowEffect::Legacy("start the New Relic agent in the application and remove the line"),
    good: "/etc/newrelic.ini",
    bad: Some(""),
    action: RowAction::Custom(ignored),
};

pub(super) const NEW_RELIC_ENVIRONMENT: Directive = Directive {
    name: "WSGINewRelicEnvironment",
    syntax: "NAME",
    doc: "Removed: environment of the New Relic agent.",
    good: "production",
    ..NEW_RELIC_CONFIG_FILE
};

pub(super) const PY3K_WARNING_FLAG: Directive = Directive {
    name: "WSGIPy3kWarningFlag",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "Off",
    since: "3.0, removed in 6.0.0",
    doc: "Removed: it concerned Python 2 only.",
    details: "",
    effect: RowEffect::Legacy("it concerned Python 2 only, remove the line"),
    good: "Off",
    bad: Some("yes"),
    action: RowAction::Custom(ignored_flag),
};

pub(super) const OUTPUT_BUFFERING: Directive = Directive {
    name: "WSGIOutputBuffering",
    contexts: DirectiveContexts::VDH,
    since: "1.0, removed in 3.0",
    doc: "Removed: whether a response is collected before it is sent.",
    effect: RowEffect::Legacy("a response is sent as the application gives it, remove the line"),
    ..PY3K_WARNING_FLAG
};

pub(super) const PYTHON_EXECUTABLE: Directive = Directive {
    name: "WSGIPythonExecutable",
    contexts: DirectiveContexts::V,
    doc: "Removed: the Python program.",
    since: "1.0, removed in 3.0",
    effect: RowEffect::Legacy(
        "write python-home= at WSGIDaemonProcess, or WSGIPythonHome, with the directory of the virtual environment",
    ),
    good: "/usr/bin/python3",
    ..NEW_RELIC_CONFIG_FILE
};

pub(super) const RELOAD_MECHANISM: Directive = Directive {
    name: "WSGIReloadMechanism",
    contexts: DirectiveContexts::VDH,
    syntax: "Module|Process|Interpreter",
    since: "2.0, removed in 3.0",
    doc: "Removed: how changed scripts are loaded.",
    effect: RowEffect::Legacy("daemons always load changed code in a new process, remove the line"),
    good: "Process",
    ..NEW_RELIC_CONFIG_FILE
};

pub(super) const USER_AUTHORITATIVE: Directive = Directive {
    name: "WSGIUserAuthoritative",
    contexts: DirectiveContexts::DH_AUTH,
    default: "On",
    since: "2.0, removed in 4.0",
    doc: "Removed: whether a user unknown to the script may be known to another provider.",
    effect: RowEffect::Legacy(
        "AuthBasicProvider asks providers in the order in which they are written, remove the line",
    ),
    ..PY3K_WARNING_FLAG
};

pub(super) const VERBOSE_DEBUGGING: Directive = Directive {
    name: "WSGIVerboseDebugging",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "Off",
    since: "3.0",
    doc: "Accepted without effect, as since 6.0.0: use LogLevel wsgi:debug.",
    details: "",
    effect: RowEffect::Never("use LogLevel wsgi:debug instead"),
    good: "On",
    bad: Some("yes"),
    action: RowAction::GlobalFlag(|global| &mut global.verbose_debugging),
};

fn lazy_initialization(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    if !line.on_off()? {
        let text = "WSGILazyInitialization Off is no longer supported: Python is never initialised in the \
                    parent process; remove the line.";
        line.notices.push(Notice::warning(text));
    }
    Ok(())
}

fn ignored(_: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    Ok(())
}

fn ignored_flag(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    line.on_off().map(drop)
}
