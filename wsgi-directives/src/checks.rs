//! Checks over the whole configuration once it has been read: warnings for what probably will not work.

use crate::config::{AliasForm, DaemonGroup, GlobalConfig, MountTarget, ScriptAlias, ServerConfig};
use crate::error::ConfigError;
use crate::place::{Notice, SystemFacts, VhostId};
use crate::request::alias::match_prefix;
use crate::request::effective;
use crate::request::select::{GroupChoice, GroupRefusal, select_group};
use std::collections::HashSet;
use std::sync::Arc;

mod authentication;
mod groups;

/// One server as httpd sees it after merging.
#[derive(Clone, Copy, Debug)]
pub struct ServerView<'a> {
    /// `None` for the main server.
    pub host: Option<VhostId>,
    /// Its ServerName.
    pub name: Option<&'a str>,
    /// Its merged record.
    pub config: &'a ServerConfig,
}

/// Longest WSGISocketPrefix that leaves room for what is appended, of the 107 bytes a path may have.
const LONGEST_PREFIX: usize = 75;

impl GlobalConfig {
    /// A group that was defined again in a server that is another site, as its ServerName tells now; while lines are
    /// read it may follow.
    pub fn shared_group(&self, system: &dyn SystemFacts) -> Option<ConfigError> {
        let again = |group: &DaemonGroup| group.also.iter().find_map(|also| group.stranger(also, system));
        self.groups.iter().find_map(again)
    }

    /// Completes the record after the last line has been read (httpd's post_config): notes the ServerNames of
    /// daemon groups for [`select_group`] and returns warnings about the configuration as a whole.
    /// Call it again after a restart has read the configuration anew; it is idempotent.
    pub fn finish(&mut self, servers: &[ServerView<'_>], system: &dyn SystemFacts) -> Vec<Notice> {
        for group in self.groups.iter_mut() {
            let hosts: Vec<VhostId> = group.homes().flatten().collect();
            group.server_names = hosts.into_iter().filter_map(|host| system.server_name_of(host)).collect();
        }
        self.has_aliases = servers.iter().any(|server| !server.config.aliases.is_empty());
        let mut notices = Vec::new();
        self.check_process_wide(&mut notices);
        self.check_names(system, &mut notices);
        self.check_unused(system, &mut notices);
        self.check_authentication(system, &mut notices);
        let mut seen = HashSet::new();
        for server in servers {
            let own = |alias: &&Arc<ScriptAlias>| alias.place.virtual_host == server.host;
            let aliases: Vec<&Arc<ScriptAlias>> = server.config.aliases.iter().filter(own).collect();
            check_shadows(&aliases, &mut notices);
            for alias in aliases {
                check_target(alias, &mut notices);
                self.check_alias_group(alias, server, &mut notices);
            }
            self.check_server(server, &mut seen, &mut notices);
        }
        notices
    }

    fn check_process_wide(&self, notices: &mut Vec<Notice>) {
        if let Some(prefix) = self.socket_prefix.as_deref().filter(|prefix| prefix.len() > LONGEST_PREFIX) {
            notices.push(Notice::warning(format!(
                "WSGISocketPrefix {prefix} is long: a socket path may have 107 bytes; use a shorter directory."
            )));
        }
        if let Some(home) = self.python_home.as_deref().filter(|home| home.contains(':')) {
            notices.push(Notice::warning(format!(
                "WSGIPythonHome {home} contains ':' and is taken as one path; write one directory."
            )));
        }
        for block in &self.blocks {
            if let Some(name) = block.process_group.as_deref().filter(|name| !name.is_empty())
                && self.groups.get(name).is_none()
            {
                notices.push(Notice::about(
                    &block.place,
                    format!(
                        "<WSGIInterpreterOptions process-group={name}> matches nothing: no WSGIDaemonProcess \
                         {name} is defined."
                    ),
                ));
            }
        }
        for group in &self.groups {
            let options = &group.options;
            if options.interrupt_timeout.is_some() && options.request_timeout.is_none() {
                let text = format!(
                    "WSGIDaemonProcess {}: interrupt-timeout has no effect without request-timeout.",
                    group.name
                );
                notices.push(Notice::about(&group.place, text));
            }
        }
    }

    /// A fixed group of an alias that its requests cannot use.
    fn check_alias_group(&self, alias: &ScriptAlias, server: &ServerView<'_>, notices: &mut Vec<Notice>) {
        let Some(name) = alias.options.process_group.as_deref() else { return };
        if let Some(problem) = self.group_problem(name, server) {
            notices.push(Notice::about(
                &alias.place,
                format!("{} {}: {problem}", directive(alias), alias.form.text()),
            ));
        }
    }

    /// WSGIProcessGroup and trusted proxies of a server record; said once per value, as hosts inherit.
    fn check_server(&self, server: &ServerView<'_>, seen: &mut HashSet<String>, notices: &mut Vec<Notice>) {
        let settings = &server.config.layer.settings;
        // A name that no group has is told for each line.
        let known = settings.process_group.as_deref().filter(|name| self.groups.get(name).is_some());
        if let Some(problem) = known.and_then(|name| self.group_problem(name, server)) {
            let text = format!("WSGIProcessGroup: {problem}");
            if seen.insert(text.clone()) {
                notices.push(Notice::warning(text));
            }
        }
        let believes = settings.trusted_proxy_headers.as_ref().is_some_and(|headers| !headers.is_empty());
        if believes && settings.trusted_proxies.is_none() && seen.insert("trusted proxies".into()) {
            notices.push(Notice::warning(format!(
                "WSGITrustedProxyHeaders without WSGITrustedProxies{} believes every client: name the addresses of \
                 your proxies with WSGITrustedProxies.",
                server.name.map(|name| format!(" (server {name})")).unwrap_or_default()
            )));
        }
    }

    /// What is wrong with a group name that needs no expansion.
    fn group_problem(&self, name: &str, server: &ServerView<'_>) -> Option<String> {
        if name.starts_with('%') {
            return None;
        }
        let (dir, config) = (crate::DirConfig::default(), server.config);
        let request = effective::effective(config, &dir, None);
        let unrestricted = crate::RequestConfig { restrict_process: None, ..request };
        match select_group(self, &unrestricted, name.as_bytes(), server.host, server.name) {
            GroupChoice::Refused(GroupRefusal::NotAccessible) => Some(groups::elsewhere(name)),
            GroupChoice::Refused(_) => Some(self.undefined(name)),
            GroupChoice::Embedded | GroupChoice::Daemon(_) => None,
        }
    }
}

fn directive(alias: &ScriptAlias) -> &'static str {
    match alias.form {
        AliasForm::Prefix(_) => "WSGIScriptAlias",
        AliasForm::Regex { .. } => "WSGIScriptAliasMatch",
    }
}

/// A prefix that an earlier prefix of the same server matches already is never reached.
fn check_shadows(aliases: &[&Arc<ScriptAlias>], notices: &mut Vec<Notice>) {
    let prefixes: Vec<(&str, &Arc<ScriptAlias>)> = aliases
        .iter()
        .filter_map(|alias| match &alias.form {
            AliasForm::Prefix(prefix) => Some((prefix.as_str(), *alias)),
            AliasForm::Regex { .. } => None,
        })
        .collect();
    for (index, (prefix, alias)) in prefixes.iter().enumerate() {
        let earlier = prefixes[..index].iter().find(|(other, _)| shadows(other, prefix));
        if let Some((other, by)) = earlier {
            let text = format!(
                "WSGIScriptAlias {prefix} is never reached: WSGIScriptAlias {other} at {} matches first; put the \
                 longer prefix before it.",
                by.place
            );
            notices.push(Notice::about(&alias.place, text));
        }
    }
}

/// Whether every URI that `later` matches is matched by `earlier`.
fn shadows(earlier: &str, later: &str) -> bool {
    match_prefix(earlier.as_bytes(), later.as_bytes()).is_some()
}

/// Targets that lead to 404 (spec/directives.md §20 items 18).
fn check_target(alias: &ScriptAlias, notices: &mut Vec<Notice>) {
    let MountTarget::File(path) = &alias.target else { return };
    let mut warn =
        |text: String| notices.push(Notice::about(&alias.place, format!("{} {text}", directive(alias))));
    let url = alias.form.text();
    if !path.starts_with('/') && !path.starts_with('$') {
        warn(format!(
            "{url} {path}: the target is not absolute and will be 404; write a path that begins with '/'."
        ));
    } else if let AliasForm::Prefix(prefix) = &alias.form
        && prefix != "/"
        && prefix.ends_with('/')
        && !path.ends_with('/')
    {
        // The other way round there is one slash too many, which neither a directory nor a script minds.
        warn(format!(
            "{url} {path} maps wrong names: end both with a slash (a directory), or neither (a script)."
        ));
    }
}

#[cfg(test)]
mod tests;
