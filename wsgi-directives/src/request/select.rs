//! Chooses embedded mode or a daemon group for an expanded group name (spec/directives.md §6).

use super::effective::RequestConfig;
use crate::config::{DaemonGroup, GlobalConfig};
use crate::place::VhostId;
use std::fmt;

/// Where a request runs.
#[derive(Clone, Copy, Debug)]
pub enum GroupChoice<'a> {
    /// In the httpd child (the glue still asks WSGIRestrictEmbedded).
    Embedded,
    /// In a daemon of this group.
    Daemon(&'a DaemonGroup),
    /// Nowhere: status 500 and this line.
    Refused(GroupRefusal),
}

/// Why a group may not run a request; always status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRefusal {
    /// WSGIRestrictProcess does not list it.
    NotAllowed,
    /// There is no daemon group at all.
    NoGroups,
    /// There is no group of this name.
    NotConfigured,
    /// It belongs to a virtual host of another name.
    NotAccessible,
}

impl GroupRefusal {
    /// Message number of the original.
    pub fn number(self) -> u16 {
        match self {
            GroupRefusal::NotAllowed => 149,
            GroupRefusal::NoGroups => 150,
            GroupRefusal::NotConfigured => 151,
            GroupRefusal::NotAccessible => 152,
        }
    }

    /// The log line for a group of this name, without number.
    pub fn message(self, group: &[u8]) -> String {
        let name = String::from_utf8_lossy(group);
        match self {
            GroupRefusal::NotAllowed => format!(
                "Daemon process called '{name}' cannot be accessed by this WSGI application as not a member of \
                 allowed groups"
            ),
            GroupRefusal::NoGroups | GroupRefusal::NotConfigured => {
                format!("No WSGI daemon process called '{name}' has been configured")
            }
            GroupRefusal::NotAccessible => {
                format!("Daemon process called '{name}' cannot be accessed by this WSGI application")
            }
        }
    }
}

impl fmt::Display for GroupRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(b"?"))
    }
}

/// Steps 1 to 4 of spec/directives.md §6. `group` is the expanded name; `host` and `server_name` are those of the
/// virtual
/// host that was selected for the request. Needs [`GlobalConfig::finish`] to have run.
pub fn select_group<'a>(
    global: &'a GlobalConfig,
    config: &RequestConfig<'_>,
    group: &[u8],
    host: Option<VhostId>,
    server_name: Option<&str>,
) -> GroupChoice<'a> {
    if config.restrict_process.is_some_and(|allowed| !allowed.contains(group)) {
        return GroupChoice::Refused(GroupRefusal::NotAllowed);
    }
    if group.is_empty() {
        return GroupChoice::Embedded;
    }
    let Some(found) = std::str::from_utf8(group).ok().and_then(|name| global.groups.get(name)) else {
        let none = global.groups.is_empty();
        return GroupChoice::Refused(if none { GroupRefusal::NoGroups } else { GroupRefusal::NotConfigured });
    };
    if found.homes().any(|home| home.is_none() || home == host) || found.has_server_name(server_name) {
        GroupChoice::Daemon(found)
    } else {
        GroupChoice::Refused(GroupRefusal::NotAccessible)
    }
}

#[cfg(test)]
mod tests;
