//! `<WSGIInterpreterOptions>` and the directives that may stand in it (spec/directives.md §12, §13).

use crate::arity::Arity;
use crate::config::{GlobalConfig, InterpreterBlock, InterpreterSettings};
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use crate::options::value;
use crate::place::{BlockId, Notice, NoticeLevel};

const GIL_STAYS: RowEffect =
    RowEffect::Later("free-threaded builds of Python are refused until they are supported");

impl GlobalConfig {
    /// The block whose content is being read, if the section of this name encloses the line directly: what encloses a
    /// line is the newest block.
    pub fn block_within(&self, section: Option<&str>) -> Option<BlockId> {
        let is_block = section.is_some_and(|name| name.eq_ignore_ascii_case(INTERPRETER_OPTIONS.name));
        self.newest_block().filter(|_| is_block)
    }
}

pub(super) const INTERPRETER_OPTIONS: Directive = Directive {
    name: "<WSGIInterpreterOptions",
    arity: Arity::Section,
    contexts: DirectiveContexts::G,
    syntax: "[process-group=NAME] [application-group=NAME]>",
    default: "",
    since: "6.0.0",
    doc: "Settings for the interpreters of one process group, application group, or both.",
    details: "A selector that is not written matches everything. The block with more selectors wins, then the \
              later one; WSGIPythonPath adds up. Quote a whole selector if its value has blanks.",
    effect: RowEffect::Acts,
    good: "process-group=site application-group=%{GLOBAL}>",
    bad: Some("group=site>"),
    action: RowAction::Custom(open_block),
};

pub(super) const FREE_THREADING: Directive = Directive {
    name: "WSGIFreeThreading",
    arity: Arity::Take1,
    contexts: DirectiveContexts::GI,
    syntax: "On|Off",
    default: "Off",
    since: "6.0.0",
    doc: "Run a free-threaded Python without its GIL; ordinary builds are not affected.",
    details: "In a <WSGIInterpreterOptions> with application-group it is ignored: it concerns whole processes.",
    effect: GIL_STAYS,
    good: "On",
    bad: Some("yes"),
    action: RowAction::Custom(free_threading),
};

pub(super) const PER_INTERPRETER_GIL: Directive = Directive {
    name: "WSGIPerInterpreterGIL",
    arity: Arity::Take1,
    contexts: DirectiveContexts::GI,
    syntax: "On|Off",
    default: "Off",
    since: "6.0.0",
    doc: "Give sub-interpreters a GIL of their own (Python 3.12 and later).",
    details: "Extension modules that are not made for it can then not be imported there.",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
    action: RowAction::InterpreterFlag(|settings| &mut settings.per_interpreter_gil),
};

pub(super) const PYTHON_PATH: Directive = Directive {
    name: "WSGIPythonPath",
    arity: Arity::Take1,
    contexts: DirectiveContexts::GI,
    syntax: "DIR[:DIR...]",
    default: "",
    since: "1.0",
    doc: "Directories put in front of sys.path in embedded mode; .pth files in them are read.",
    details: "Daemon groups use their option python-path; blocks of <WSGIInterpreterOptions> reach both.",
    effect: RowEffect::Acts,
    good: "/srv/site:/srv/lib",
    bad: Some(""),
    action: RowAction::Custom(python_path),
};

pub(super) const RESTRICT_SIGNAL: Directive = Directive {
    name: "WSGIRestrictSignal",
    arity: Arity::Take1,
    contexts: DirectiveContexts::GI,
    syntax: "On|Off",
    default: "On",
    since: "1.0",
    doc: "On: signal.signal() installs nothing and logs who called it.",
    details: "",
    effect: RowEffect::Acts,
    good: "Off",
    bad: Some("no"),
    action: RowAction::InterpreterFlag(|settings| &mut settings.restrict_signal),
};

pub(super) const RESTRICT_STDIN: Directive = Directive {
    name: "WSGIRestrictStdin",
    arity: Arity::Take1,
    contexts: DirectiveContexts::GI,
    syntax: "On|Off",
    default: "Off",
    since: "1.0",
    doc: "On: any use of sys.stdin raises OSError.",
    details: "",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
    action: RowAction::InterpreterFlag(|settings| &mut settings.restrict_stdin),
};

pub(super) const RESTRICT_STDOUT: Directive = Directive {
    name: "WSGIRestrictStdout",
    doc: "On: any use of sys.stdout raises OSError. Off: it goes to the error log.",
    action: RowAction::InterpreterFlag(|settings| &mut settings.restrict_stdout),
    ..RESTRICT_STDIN
};

pub(super) const SWITCH_INTERVAL: Directive = Directive {
    name: "WSGISwitchInterval",
    arity: Arity::Take1,
    contexts: DirectiveContexts::GI,
    syntax: "SECONDS",
    default: "(Python's own, 0.005)",
    since: "6.0.0",
    doc: "sys.setswitchinterval() in embedded mode; fractions of seconds.",
    details: "Daemon groups use their option switch-interval. nan, inf and numbers below a nanosecond are errors.",
    effect: RowEffect::Acts,
    good: "0.01",
    bad: Some("0"),
    action: RowAction::Custom(switch_interval),
};

fn python_path(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let entries = line.word().split(':').map(str::to_owned).collect();
    line.interpreter()?.python_path = Some(entries);
    Ok(())
}

fn switch_interval(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let word = line.word();
    let time = value::positive_seconds(&word).ok_or_else(|| {
        let hint = format!("'{word}' is not; write for example WSGISwitchInterval 0.005.");
        ConfigError::value("WSGISwitchInterval must be a positive number of seconds.", hint)
    })?;
    line.interpreter()?.switch_interval = Some(time);
    Ok(())
}

/// A process has one GIL mode, so a block for one interpreter cannot choose it (WSGI0201).
fn free_threading(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    line.on_off()?;
    let block = line.place.in_interpreter_options;
    let blocks = &line.global()?.blocks;
    if block.and_then(|id| blocks.get(id.0)).is_some_and(|block| block.application_group.is_some()) {
        line.notices.push(Notice {
            level: NoticeLevel::Warning,
            number: Some(201),
            text: "WSGIFreeThreading is ignored in <WSGIInterpreterOptions> with application-group: it concerns \
                   whole processes, select them by process-group."
                .into(),
            origin: None,
        });
    }
    Ok(())
}

fn open_block(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let wrong = |problem: String| ConfigError::OpenSection { problem };
    let Some((selectors, _)) = line.args.rsplit_once('>') else {
        return Err(wrong(" directive missing closing '>'".into()));
    };
    let (mut process_group, mut application_group) = (None, None);
    for word in crate::words::LineWords::new(selectors) {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| wrong(format!(": argument '{word}' is not of the form key=value")))?;
        let (name, slot) = if key.eq_ignore_ascii_case("process-group") {
            ("process-group", &mut process_group)
        } else if key.eq_ignore_ascii_case("application-group") {
            ("application-group", &mut application_group)
        } else {
            let expected = "expected process-group or application-group";
            return Err(wrong(format!(": unknown selector '{key}', {expected}")));
        };
        if slot.is_some() {
            return Err(wrong(format!(": {name} given more than once")));
        }
        *slot = Some(if value == "%{GLOBAL}" { String::new() } else { value.to_owned() });
    }
    let place = line.place.origin();
    let settings = InterpreterSettings::default();
    line.global()?.blocks.push(InterpreterBlock { process_group, application_group, settings, place });
    Ok(())
}
