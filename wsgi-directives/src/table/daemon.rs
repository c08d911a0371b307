//! WSGIDaemonProcess and the directives about its sockets and support files (spec/directives.md §7, §8).

use crate::arity::Arity;
use crate::config::{AcceptMutex, DaemonGroup, DaemonOptions};
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use crate::options::{DAEMON_OPTIONS, read_options};
use crate::place::{Notice, NoticeLevel, SystemFacts};

pub(super) const ACCEPT_MUTEX: Directive = Directive {
    name: "WSGIAcceptMutex",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "default|flock|fcntl|sysvsem|posixsem|pthread",
    default: "default",
    since: "1.0",
    doc: "Accepted without effect: accepting a connection needs no lock here.",
    details: "",
    effect: RowEffect::Never("processes of a group need no lock to accept a connection"),
    good: "fcntl",
    bad: Some("spinlock"),
    action: RowAction::Custom(accept_mutex),
};

pub(super) const DAEMON_PROCESS: Directive = Directive {
    name: "WSGIDaemonProcess",
    arity: Arity::RawArgs,
    contexts: DirectiveContexts::V,
    syntax: "NAME [OPTION=VALUE...]",
    default: "",
    since: "1.0",
    doc: "Define a named group of daemon processes.",
    details: "Inside a virtual host only hosts of the same ServerName may use the group, and it logs to that \
              host's ErrorLog. The same definition may be repeated in virtual hosts of the same ServerName (certbot \
              clones them), if all options are equal.",
    effect: RowEffect::Acts,
    good: "site processes=2 threads=5 display-name=%{GROUP}",
    bad: Some("site threads=many"),
    action: RowAction::Custom(daemon_process),
};

pub(super) const PASS_ENV: Directive = Directive {
    name: "WSGIPassEnv",
    arity: Arity::List,
    contexts: DirectiveContexts::G,
    syntax: "NAME... | *",
    default: "",
    since: "new",
    doc: "Variables of httpd's own environment that the processes of all groups see.",
    details: "None by default, besides PATH, TZ, TMPDIR, LANG, LC_* and the names of the user. A * stands for the \
              rest of a name; alone it means all but those of the shell and the service manager (HOME, PWD, SUDO_*, \
              LISTEN_* and so on). May be repeated. One group: pass-env=. Whatever is passed can be read by \
              every application of the group.",
    effect: RowEffect::Acts,
    good: "DATABASE_URL PG*",
    bad: Some("A=B"),
    action: RowAction::Custom(pass_env),
};

pub(super) const SOCKET_PREFIX: Directive = Directive {
    name: "WSGISocketPrefix",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "PATH",
    default: "(the runtime directory of httpd with /wsgi appended)",
    since: "1.0",
    doc: "Prefix of the paths of daemon sockets, relative to ServerRoot.",
    details: "The directory must exist, and the whole path must fit into 107 bytes.",
    effect: RowEffect::Acts,
    good: "/run/wsgi",
    bad: Some(""),
    action: RowAction::Custom(socket_prefix),
};

pub(super) const SOCKET_ROTATION: Directive = Directive {
    name: "WSGISocketRotation",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "On",
    since: "4.6.0",
    doc: "Whether each restart gives the daemon sockets new names.",
    details: "",
    effect: RowEffect::Acts,
    good: "Off",
    bad: Some("no"),
    action: RowAction::GlobalFlag(|global| &mut global.socket_rotation),
};

pub(super) const SUPPORT_DIRECTORY: Directive = Directive {
    name: "WSGISupportDirectory",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "DIR",
    default: "(mod_wsgi/ beside mod_wsgi.so)",
    since: "new",
    doc: "Directory of wsgi-supervisor and of the Python host library.",
    details: "",
    effect: RowEffect::Acts,
    good: "/usr/lib/apache2/modules/mod_wsgi",
    bad: Some(""),
    action: RowAction::Custom(support_directory),
};

fn accept_mutex(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let word = line.word();
    let method = match word.to_ascii_lowercase().as_str() {
        "default" => AcceptMutex::Default,
        "flock" => AcceptMutex::Flock,
        "fcntl" => AcceptMutex::Fcntl,
        "sysvsem" => AcceptMutex::SysVSem,
        "posixsem" => AcceptMutex::PosixSem,
        "pthread" => AcceptMutex::Pthread,
        _ => {
            return Err(ConfigError::value(
                format!(
                    "Accept mutex lock mechanism '{word}' is invalid. Valid accept mutex mechanisms for this \
                     platform are: default, flock, fcntl, sysvsem, posixsem, pthread."
                ),
                "",
            ));
        }
    };
    line.global()?.accept_mutex = Some(method);
    Ok(())
}

fn pass_env(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let words: Vec<_> = line.words().collect();
    let set = &mut line.global()?.pass_env;
    match words.iter().find(|word| !set.add(word)) {
        None if !words.is_empty() => Ok(()),
        wrong => Err(ConfigError::value(
            format!("Invalid name '{}' for WSGIPassEnv.", wrong.map(AsRef::as_ref).unwrap_or_default()),
            "Write names of environment variables, for example DATABASE_URL, or PG* for all that begin with PG.",
        )),
    }
}

fn socket_prefix(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let path = absolute(line, "WSGISocketPrefix")?;
    line.global()?.socket_prefix = Some(path);
    Ok(())
}

fn support_directory(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let path = absolute(line, "WSGISupportDirectory")?;
    line.global()?.support_directory = Some(path);
    Ok(())
}

/// The single argument, relative to ServerRoot.
fn absolute(line: &LineApplication<'_, '_>, directive: &str) -> Result<String, ConfigError> {
    let word = line.word();
    let hint = "Write an absolute path.";
    let wrong = || ConfigError::value(format!("Invalid {directive} '{word}'."), hint);
    line.system.server_root_relative(&word).ok_or_else(wrong)
}

fn daemon_process(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let mut words = line.words();
    let name = words.next().unwrap_or_default().into_owned();
    if name.is_empty() {
        return Err(ConfigError::value(
            "Name of WSGI daemon process not supplied.",
            "Write WSGIDaemonProcess NAME [option=value ...].",
        ));
    }
    let is_option = |(key, _): (&str, &str)| DAEMON_OPTIONS.iter().any(|row| row.info.name == key);
    if name.split_once('=').is_some_and(is_option) {
        line.notices.push(Notice::warning(format!(
            "WSGIDaemonProcess {name}: the first word is the name of the group, so this one is called '{name}'; write \
             WSGIDaemonProcess NAME {name}."
        )));
    }
    let mut options = DaemonOptions::default();
    let written = read_options(DAEMON_OPTIONS, "WSGI daemon process", &mut words, &mut options, line)?;
    if options.script_user.is_some() && options.script_group.is_some() {
        return Err(ConfigError::value(
            "Only one of script-user and script-group allowed.",
            format!("Remove one of them from the group '{name}'."),
        ));
    }
    let place = line.place.origin();
    let group = DaemonGroup { name, options, written, place, also: Vec::new(), server_names: Vec::new() };
    let system = line.system;
    match line.global()?.groups.get_mut(&group.name) {
        None => line.global()?.groups.push(group),
        Some(first) => {
            let notice = repeat(first, group, system)?;
            line.notices.push(notice);
        }
    }
    Ok(())
}

/// Accepts a second definition that is equal to the first, and of the same site.
fn repeat(
    first: &mut DaemonGroup,
    again: DaemonGroup,
    system: &dyn SystemFacts,
) -> Result<Notice, ConfigError> {
    if let Some(error) = first.stranger(&again.place, system) {
        return Err(error);
    }
    if first.options != again.options {
        return Err(ConfigError::DefineGroup {
            differs: difference(first, &again),
            name: again.name,
            first: first.place.clone(),
            again: again.place,
        });
    }
    let text = format!(
        "WSGIDaemonProcess {} repeats the equal definition at {}: both lines mean one group of processes.",
        first.name, first.place
    );
    first.also.push(again.place);
    Ok(Notice::at(NoticeLevel::Notice, text))
}

/// The first option that was written in one definition and not, or differently, in the other.
fn difference(first: &DaemonGroup, again: &DaemonGroup) -> Option<&'static str> {
    let values = |group: &DaemonGroup, option: &str| -> Vec<String> {
        let same = group.written.iter().filter(|(name, _)| *name == option);
        same.map(|(_, value)| value.clone()).collect()
    };
    let mut names = again.written.iter().chain(&first.written).map(|(name, _)| *name);
    names.find(|name| values(first, name) != values(again, name))
}
