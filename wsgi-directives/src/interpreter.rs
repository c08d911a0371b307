//! Settings of one interpreter: top level, then matching `<WSGIInterpreterOptions>` (spec/directives.md §13).

use crate::config::{DaemonGroup, GlobalConfig, InterpreterBlock, InterpreterSettings};
use std::time::Duration;

/// What an interpreter is created with.
#[derive(Clone, Debug, PartialEq)]
pub struct InterpreterConfig<'a> {
    /// Own GIL for a sub-interpreter (never for the main one).
    pub per_interpreter_gil: bool,
    /// Switch interval, if one is configured.
    pub switch_interval: Option<SwitchInterval>,
    /// WSGIRestrictStdin.
    pub restrict_stdin: bool,
    /// WSGIRestrictStdout.
    pub restrict_stdout: bool,
    /// WSGIRestrictSignal; ignored in service processes.
    pub restrict_signal: bool,
    /// Layers of sys.path additions. Each is hoisted to the front in this order, so the last one ends first;
    /// `home` of a daemon comes before all.
    pub python_path: Vec<&'a [String]>,
}

/// A switch interval and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchInterval {
    /// The interval.
    pub time: Duration,
    /// It was chosen for one application group: a shared GIL cannot honour that (WSGI0199).
    pub for_application: bool,
}

/// Resolves the settings of the interpreter `application_group` ("" is the main one) in a daemon of `group`,
/// or in an httpd child for `None`.
pub fn resolve<'a>(
    global: &'a GlobalConfig,
    group: Option<&'a DaemonGroup>,
    application_group: &str,
) -> InterpreterConfig<'a> {
    let process_group = group.map_or("", |group| group.name.as_str());
    let blocks = matching(global, process_group, Some(application_group));
    let top = &global.interpreter;
    let flag = |field: fn(&InterpreterSettings) -> Option<bool>, default: bool| {
        pick(&blocks, field).map(|(value, _)| value).or(field(top)).unwrap_or(default)
    };
    let base_interval = group.and_then(|group| group.options.switch_interval).or(top.switch_interval);
    let base_path = match group {
        Some(group) => group.options.python_path.as_deref(),
        None => top.python_path.as_deref(),
    };
    let own_gil = flag(|settings| settings.per_interpreter_gil, false);
    let own_interval = pick(&blocks, |settings| settings.switch_interval);
    InterpreterConfig {
        per_interpreter_gil: own_gil && !application_group.is_empty(),
        switch_interval: own_interval
            .map(|(time, block)| SwitchInterval { time, for_application: block.application_group.is_some() })
            .or(base_interval.map(|time| SwitchInterval { time, for_application: false })),
        restrict_stdin: flag(|settings| settings.restrict_stdin, false),
        restrict_stdout: flag(|settings| settings.restrict_stdout, false),
        restrict_signal: flag(|settings| settings.restrict_signal, true),
        python_path: base_path
            .into_iter()
            .chain(blocks.iter().filter_map(|block| block.settings.python_path.as_deref()))
            .collect(),
    }
}

/// Whether a process of this group ("" is an httpd child) runs without the GIL; one answer per process, so
/// blocks for an application group do not count.
pub fn resolve_free_threading(global: &GlobalConfig, process_group: &str) -> bool {
    let blocks = matching(global, process_group, None);
    let chosen = pick(&blocks, |settings| settings.free_threading).map(|(value, _)| value);
    chosen.or(global.interpreter.free_threading).unwrap_or(false)
}

/// Matching blocks from low to high specificity, file order within equal. Without an application group only
/// blocks that do not select one match.
fn matching<'a>(
    global: &'a GlobalConfig,
    process_group: &str,
    application_group: Option<&str>,
) -> Vec<&'a InterpreterBlock> {
    let selects =
        |selector: &Option<String>, name: &str| selector.as_deref().is_none_or(|wanted| wanted == name);
    let matches = |block: &&InterpreterBlock| {
        selects(&block.process_group, process_group)
            && match application_group {
                Some(name) => selects(&block.application_group, name),
                None => block.application_group.is_none(),
            }
    };
    let mut blocks: Vec<_> = global.blocks.iter().filter(matches).collect();
    blocks.sort_by_key(|block| {
        usize::from(block.process_group.is_some()) + usize::from(block.application_group.is_some())
    });
    blocks
}

/// The value of the most specific, latest block that sets it.
fn pick<'a, T>(
    blocks: &[&'a InterpreterBlock],
    field: impl Fn(&InterpreterSettings) -> Option<T>,
) -> Option<(T, &'a InterpreterBlock)> {
    blocks.iter().rev().find_map(|block| field(&block.settings).map(|value| (value, *block)))
}

#[cfg(test)]
mod tests;
