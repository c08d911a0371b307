//! The environment of daemons: what the configuration says, and of httpd's own what it names.

use crate::generation::GenerationFacts;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use wsgi_directives::{DaemonGroup, GlobalConfig, is_inherited};
use wsgi_protocol::control::DaemonIdentity;
use wsgi_protocol::launch::PythonSettings;

/// Names of httpd's environment that reach a daemon: where programs and texts are, never secrets.
fn inherited(all: &[(OsString, OsString)]) -> Vec<(String, String)> {
    let texts = |(k, v): &(OsString, OsString)| Some((k.to_str()?.to_owned(), v.to_str()?.to_owned()));
    let all = all.iter().filter_map(texts);
    let mut kept: Vec<_> = all.filter(|(name, _)| is_inherited(name)).collect();
    if !kept.iter().any(|(name, _)| name == "PATH") {
        kept.push(("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()));
    }
    kept
}

/// What a group has of the rest of httpd's environment, because the configuration names it.
fn passed(
    all: &[(OsString, OsString)],
    global: &GlobalConfig,
    group: &DaemonGroup,
) -> Vec<(String, Vec<u8>)> {
    let all = all.iter().filter_map(|(k, v)| Some((k.to_str()?.to_owned(), v.clone().into_vec())));
    let is_passed = |name: &str| global.pass_env.passes(name) || group.options.pass_env.passes(name);
    all.filter(|(name, _)| is_passed(name)).collect()
}

/// The whole environment of the processes of a group, each entry as `NAME=VALUE`.
///
/// # Errors
/// One sentence about an `env-file=` and the fix.
pub fn of_group(
    common: &GenerationFacts<'_>,
    group: &DaemonGroup,
    identity: &DaemonIdentity,
    python: &PythonSettings,
) -> Result<Vec<Vec<u8>>, String> {
    let all = &common.subjects.surroundings.environment;
    let mut vars: Vec<(String, Vec<u8>)> =
        inherited(all).into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
    for (name, value) in &mut vars {
        if matches!(name.as_str(), "USER" | "USERNAME" | "LOGNAME") {
            value.clone_from(&identity.user);
        }
    }
    let mut set = |name: &str, value: &[u8]| {
        vars.retain(|(known, _)| known != name);
        vars.push((name.to_owned(), value.to_vec()));
    };
    if let Some(home) = &identity.passwd_home {
        set("HOME", home);
    }
    for (name, value) in passed(all, common.global(), group) {
        set(&name, &value);
    }
    if let Some(lang) = &group.options.lang {
        set("LANG", lang.as_bytes());
    }
    if let Some(locale) = &group.options.locale {
        set("LC_ALL", locale.as_bytes());
    }
    if let Some(seed) = python.hash_seed {
        set("PYTHONHASHSEED", seed.to_string().as_bytes());
    }
    for path in &group.options.env_files {
        for (name, value) in common.survey.environment(path, identity.uid)? {
            set(&name, value.as_bytes());
        }
    }
    for (name, value) in &group.options.env {
        set(name, value.as_bytes());
    }
    Ok(vars.into_iter().map(|(name, value)| [name.as_bytes(), b"=", &value].concat()).collect())
}
