//! The lines about what will not start: text, and what to do. Numbers are those of the error map.

use wsgi_protocol::events;

/// A group that is left out of this generation.
pub fn group_cannot_start(group: &str, reason: &str, place: &str) -> String {
    events::GROUP_LEFT_OUT
        .line(format!("Daemon process group '{group}' ({place}) cannot be started: {reason}."))
}

/// Limits of open files with which daemons do not start, or serve few requests.
pub fn too_few_files(who: &str, need: u64, limit: u64) -> String {
    events::TOO_FEW_FILES.line(format!(
        "The limit of open files, {limit}, is too low: {who} needs {need}, and the files that applications open. Raise it \
         where httpd is started (LimitNOFILE= of its systemd unit, or ulimit -n)."
    ))
}

/// Embedded mode cannot work with the configured home.
pub fn embedded_cannot_start(reason: &str) -> String {
    events::EMBEDDED_UNUSABLE.line(format!("Embedded mode cannot be used: {reason}."))
}
