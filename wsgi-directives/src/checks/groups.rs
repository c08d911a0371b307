//! Daemon groups and the lines that name them: names that no group has, and groups that no line names.

use crate::config::{AliasForm, DaemonGroup, GlobalConfig, ScriptReader};
use crate::place::{Notice, SourceLocation, SystemFacts, VhostId};
use crate::request::select::GroupRefusal;

/// What `.htaccess` files could say otherwise is not known before requests come.
pub(super) const UNLESS: &str = " (unless a .htaccess does)";

impl GlobalConfig {
    /// Names of groups in the configuration files that no request can use.
    pub(super) fn check_names(&self, system: &dyn SystemFacts, notices: &mut Vec<Notice>) {
        for line in self.routes.process_lines() {
            let is_section = line.section.is_some();
            if let Some(problem) = self.name_problem(line.value, line.place, is_section, system) {
                let section =
                    line.section.map(|path| format!(" (in the section {path})")).unwrap_or_default();
                let text = format!("WSGIProcessGroup {}{section}: {problem}", line.value);
                notices.push(Notice::about(line.place, text));
            }
        }
        for used in &self.scripts {
            if let ScriptReader::Group(Some(name)) = &used.reader
                && let Some(problem) = self.name_problem(name, &used.place, true, system)
            {
                let text = format!("{} process-group={name}: {problem}", used.directive);
                notices.push(Notice::about(&used.place, text));
            }
        }
    }

    fn name_problem(
        &self,
        name: &str,
        place: &SourceLocation,
        is_section: bool,
        system: &dyn SystemFacts,
    ) -> Option<String> {
        if name.is_empty() || name.contains("%{") {
            return None;
        }
        let Some(group) = self.groups.get(name) else { return Some(self.undefined(name)) };
        // At server level the merged record is looked at, which also has what is inherited.
        let host = place.virtual_host.filter(|_| is_section)?;
        let is_reachable = group.homes().any(|home| home.is_none_or(|home| home == host))
            || group.has_server_name(system.server_name_of(host).as_deref());
        (!is_reachable).then(|| elsewhere(name))
    }

    /// The complaint about a name that no group has.
    pub(super) fn undefined(&self, name: &str) -> String {
        let defined = self.defined();
        format!("no WSGIDaemonProcess {name} is defined, {defined}; define it or correct the name.")
    }

    fn defined(&self) -> String {
        let names: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).take(8).collect();
        match names.as_slice() {
            [] => "there is no group at all".to_owned(),
            names if names.len() < self.groups.len() => format!("there are {} and others", names.join(", ")),
            names => format!("there is {}", names.join(", ")),
        }
    }

    /// What to write when a request may not use a group; a `.htaccess` is read by requests only.
    pub fn advice(&self, refusal: GroupRefusal) -> String {
        match refusal {
            GroupRefusal::NotAllowed => "add it to WSGIRestrictProcess, or choose another group".to_owned(),
            GroupRefusal::NoGroups | GroupRefusal::NotConfigured => {
                format!("{}: define it or correct the name", self.defined())
            }
            GroupRefusal::NotAccessible => {
                "it belongs to a virtual host with another ServerName: define it at main server level"
                    .to_owned()
            }
        }
    }

    /// Groups that no request, preload or handler can use: then the applications run in httpd's own children, with
    /// another Python than the one that was meant.
    pub(super) fn check_unused(&self, system: &dyn SystemFacts, notices: &mut Vec<Notice>) {
        let of_scripts = self.scripts.iter().filter_map(|used| match &used.reader {
            ScriptReader::Group(name) => name.as_deref(),
            ScriptReader::Httpd => None,
        });
        let of_imports = self.imports.iter().map(|import| import.process_group.as_str());
        let named: Vec<&str> = self.routes.named().chain(of_scripts).chain(of_imports).collect();
        let is_dispatched = self.scripts.iter().any(|used| used.directive == "WSGIDispatchScript");
        if is_dispatched || named.iter().any(|name| name.contains("%{") && *name != "%{GLOBAL}") {
            return;
        }
        let unless = if system.neighbours().overrides { UNLESS } else { "" };
        // One that is called `threads=5` is told about otherwise.
        let is_unused = |group: &&DaemonGroup| !named.contains(&&*group.name) && !group.name.contains('=');
        for group in self.groups.iter().filter(is_unused) {
            let advice = self.use_of(group);
            let text =
                format!("WSGIDaemonProcess {}: nothing names this group{unless}: {advice}", group.name);
            notices.push(Notice::about(&group.place, text));
        }
    }

    /// What to write so that a group is used.
    fn use_of(&self, group: &DaemonGroup) -> String {
        let name = &group.name;
        if group.options.is_service() {
            return format!(
                "write WSGIImportScript PATH process-group={name} application-group=%{{GLOBAL}}."
            );
        }
        let homes: Vec<Option<VhostId>> = group.homes().collect();
        let alias = self
            .routes
            .without_group()
            .find(|alias| homes.contains(&alias.place.virtual_host) || homes.iter().any(Option::is_none));
        let Some(alias) = alias else {
            return format!("write WSGIProcessGroup {name} where it is meant, or remove the line.");
        };
        let directive = match alias.form {
            AliasForm::Prefix(_) => "WSGIScriptAlias",
            AliasForm::Regex { .. } => "WSGIScriptAliasMatch",
        };
        format!(
            "write WSGIProcessGroup {name}, or process-group={name} at {directive} {} ({}), which runs in httpd's own \
             children otherwise.",
            alias.form.text(),
            alias.place
        )
    }
}

/// The complaint about a group of another site.
pub(super) fn elsewhere(name: &str) -> String {
    format!(
        "the group '{name}' belongs to a virtual host with another ServerName; define it at main server level."
    )
}
