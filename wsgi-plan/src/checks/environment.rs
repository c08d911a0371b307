//! What a start says about httpd's own environment: which names no group passes, and which are passed and not there. Only
//! a start does, because the shell of a configuration test has another environment. Values are never told.

use super::inquiry::CheckFindings;
use crate::subjects::CheckSubjects;
use crate::survey::Survey;
use wsgi_directives::{DaemonGroup, is_usual};

/// Names that are told; the rest is counted.
const MOST: usize = 30;

/// Compares httpd's environment with what the configuration says of it.
pub fn compare(subjects: &CheckSubjects<'_>, survey: &Survey<'_>, findings: &mut CheckFindings) {
    let global = subjects.global;
    if global.groups.is_empty() {
        return;
    }
    let all = &subjects.surroundings.environment;
    let mut names: Vec<String> =
        all.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect();
    names.sort();
    let is_held = |name: &&String| {
        !is_usual(name)
            && !global.pass_env.passes(name)
            && !global.groups.iter().any(|group| has(subjects, survey, group, name))
    };
    let held: Vec<&String> = names.iter().filter(is_held).collect();
    if let Some(first) = held.first() {
        findings.notices.push(format!(
            "httpd's environment has {}, which processes of daemon groups do not see: write WSGIPassEnv NAME (such as \
             WSGIPassEnv {first}), or pass-env=NAME at WSGIDaemonProcess, for what their applications need.",
            list(&held)
        ));
    }
    let lacks = |name: &&str| !names.iter().any(|known| known == name);
    let wanted = global.groups.iter().flat_map(|group| group.options.pass_env.names());
    let mut missing: Vec<String> =
        wanted.chain(global.pass_env.names()).filter(lacks).map(str::to_owned).collect();
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        findings.notices.push(format!(
            "httpd's environment has no {}, which the configuration passes to daemons: set it where httpd is started \
             (Environment= or EnvironmentFile= of its systemd unit; Debian: export in /etc/apache2/envvars).",
            list(&missing.iter().collect::<Vec<_>>())
        ));
    }
}

/// Whether a group has a variable of this name, from wherever.
fn has(subjects: &CheckSubjects<'_>, survey: &Survey<'_>, group: &DaemonGroup, name: &str) -> bool {
    let options = &group.options;
    let uid = subjects.runner_of(group).uid;
    let in_file = |path: &String| {
        survey.environment(path, uid).is_ok_and(|pairs| pairs.iter().any(|(known, _)| known == name))
    };
    options.pass_env.passes(name)
        || options.env.iter().any(|(known, _)| known == name)
        || options.env_files.iter().any(in_file)
}

fn list(names: &[&String]) -> String {
    let told: Vec<&str> = names.iter().take(MOST).map(|name| name.as_str()).collect();
    match names.len().saturating_sub(MOST) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}
