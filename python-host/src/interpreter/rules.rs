//! Which settings an interpreter gets: the rules of `<WSGIInterpreterOptions>` resolved for one application group
//! (spec/daemon.md §5.3). Pure.

use wsgi_protocol::launch::{InterpreterRule, Launch};

/// The settings of one interpreter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InterpreterSettings<'l> {
    /// `sys.path` layers; each one ends up before those in front of it.
    pub layers: Vec<&'l [u8]>,
    /// Own GIL, if it is a sub-interpreter.
    pub own_gil: bool,
    /// `sys.setswitchinterval`, seconds, and whether a rule for this very application group says so.
    pub switch_interval: Option<(f64, bool)>,
    /// Block `sys.stdin`.
    pub restrict_stdin: bool,
    /// Block `sys.stdout`.
    pub restrict_stdout: bool,
    /// Neutralise `signal.signal`.
    pub restrict_signal: bool,
}

/// The settings for `group`. Rules are ordered from least to most specific, and later ones win.
pub fn resolve<'l>(launch: &'l Launch, group: &[u8]) -> InterpreterSettings<'l> {
    let rules: Vec<&InterpreterRule> = launch
        .rules
        .iter()
        .filter(|rule| rule.application_group.as_deref().is_none_or(|name| name == group))
        .collect();
    let flag =
        |choice: fn(&InterpreterRule) -> Option<bool>| rules.iter().rev().find_map(|rule| choice(rule));
    let switch = rules
        .iter()
        .rev()
        .find_map(|rule| rule.switch_interval.map(|seconds| (seconds, rule.application_group.is_some())));
    let base = launch.python_path.iter();
    let layers = base.chain(rules.iter().filter_map(|rule| rule.python_path.as_ref()));
    InterpreterSettings {
        layers: layers.map(Vec::as_slice).collect(),
        own_gil: flag(|rule| rule.own_gil).unwrap_or(false),
        switch_interval: launch.switch_interval.map(|seconds| (seconds, false)).or(switch),
        restrict_stdin: flag(|rule| rule.restrict_stdin).unwrap_or(false),
        restrict_stdout: flag(|rule| rule.restrict_stdout).unwrap_or(false),
        restrict_signal: flag(|rule| rule.restrict_signal).unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(group: Option<&str>, path: &str, stdout: Option<bool>) -> InterpreterRule {
        InterpreterRule {
            application_group: group.map(|name| name.as_bytes().to_vec()),
            python_path: Some(path.as_bytes().to_vec()),
            restrict_stdout: stdout,
            ..InterpreterRule::default()
        }
    }

    #[test]
    fn the_most_specific_rule_wins_and_paths_add_up() {
        let launch = Launch {
            python_path: Some(b"/base".to_vec()),
            rules: vec![
                rule(None, "/all", Some(true)),
                rule(Some("other"), "/other", None),
                rule(Some("mine"), "/mine", Some(false)),
            ],
            ..Launch::default()
        };
        let settings = resolve(&launch, b"mine");
        assert_eq!(settings.layers, [&b"/base"[..], b"/all", b"/mine"]);
        assert!(!settings.restrict_stdout && settings.restrict_signal && !settings.own_gil);
        assert!(resolve(&launch, b"third").restrict_stdout);
    }
}
