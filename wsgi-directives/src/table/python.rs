//! How Python is set up in every process (spec/directives.md §12, the main-server-only part).

use crate::arity::Arity;
use crate::config::HashSeed;
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use crate::options::value;

pub(super) const CASE_SENSITIVITY: Directive = Directive {
    name: "WSGICaseSensitivity",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "On",
    since: "1.0",
    doc: "Whether file names that differ only in case are different scripts.",
    details: "The default is Off on macOS and Windows. Off lower-cases script paths before module names are derived from them, and the script part of \
              %{RESOURCE}. The matching of aliases is not changed by it.",
    effect: RowEffect::Acts,
    good: "Off",
    bad: Some("yes"),
    action: RowAction::GlobalFlag(|global| &mut global.case_sensitivity),
};

pub(super) const DESTROY_INTERPRETER: Directive = Directive {
    name: "WSGIDestroyInterpreter",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "On",
    since: "4.9.1",
    doc: "Whether Python is torn down when a process ends (atexit functions run).",
    details: "",
    effect: RowEffect::Acts,
    good: "Off",
    bad: Some("no"),
    action: RowAction::GlobalFlag(|global| &mut global.destroy_interpreter),
};

pub(super) const DONT_WRITE_BYTECODE: Directive = Directive {
    name: "WSGIDontWriteBytecode",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "Off",
    since: "3.4",
    doc: "On: Python writes no .pyc files.",
    details: "",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("1"),
    action: RowAction::GlobalFlag(|global| &mut global.dont_write_bytecode),
};

pub(super) const EGGS: Directive = Directive {
    name: "WSGIPythonEggs",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "DIR",
    default: "",
    since: "2.0",
    doc: "PYTHON_EGG_CACHE in embedded mode.",
    details: "Daemon groups use their option python-eggs.",
    effect: RowEffect::Acts,
    good: "/var/cache/eggs",
    bad: Some(""),
    action: RowAction::GlobalText(|global| &mut global.python_eggs),
};

pub(super) const HASH_SEED: Directive = Directive {
    name: "WSGIPythonHashSeed",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "random|N",
    default: "random",
    since: "4.1.0",
    doc: "Seed of Python's hash randomisation: random, or a number from 0 to 4294967295.",
    details: "random means random. (mod_wsgi 5.0.1 to 6.1 take it as 0, which switches randomisation off.)",
    effect: RowEffect::Acts,
    good: "random",
    bad: Some("4294967296"),
    action: RowAction::Custom(hash_seed),
};

pub(super) const HOME: Directive = Directive {
    name: "WSGIPythonHome",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "DIR",
    default: "(the Python this module was installed for)",
    since: "1.0",
    doc: "Python prefix or virtual environment, for embedded mode and for groups without python-home.",
    details: "Embedded mode needs a Python with a shared libpython; daemon groups do not.",
    effect: RowEffect::Acts,
    good: "/srv/venv",
    bad: Some(""),
    action: RowAction::GlobalText(|global| &mut global.python_home),
};

pub(super) const OPTIMIZE: Directive = Directive {
    name: "WSGIPythonOptimize",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "N",
    default: "0",
    since: "1.0",
    doc: "Bytecode optimisation level, like python -O (1) and -OO (2).",
    details: "Negative numbers count as 0.",
    effect: RowEffect::Acts,
    good: "2",
    bad: Some("much"),
    action: RowAction::Custom(optimize),
};

pub(super) const WARNINGS: Directive = Directive {
    name: "WSGIPythonWarnings",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "FILTER",
    default: "",
    since: "3.0",
    doc: "One warning filter, like python -W; may be repeated.",
    details: "",
    effect: RowEffect::Acts,
    good: "ignore::DeprecationWarning",
    bad: Some(""),
    action: RowAction::Custom(warnings),
};

fn hash_seed(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let word = line.word();
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let seed = match word.parse::<u32>() {
        _ if word == "random" => HashSeed::Random,
        Ok(seed) if digits => HashSeed::Fixed(seed),
        _ => {
            return Err(ConfigError::value(
                "WSGIPythonHashSeed must be \"random\" or an integer in range [0; 4294967295]",
                format!("(and not '{word}')"),
            ));
        }
    };
    line.global()?.hash_seed = Some(seed);
    Ok(())
}

fn optimize(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let word = line.word();
    let level = value::integer(&word).ok_or_else(|| {
        ConfigError::value(
            format!("WSGIPythonOptimize must be a whole number, and '{word}' is not."),
            "Write WSGIPythonOptimize 1.",
        )
    })?;
    line.global()?.python_optimize = Some(u32::try_from(level).unwrap_or(0));
    Ok(())
}

fn warnings(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let word = line.word();
    line.global()?.python_warnings.push(word);
    Ok(())
}
