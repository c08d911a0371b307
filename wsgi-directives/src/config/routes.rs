//! What can be told about routing before any request: which scripts will run in a group's main interpreter. For
//! `preload=on`, which imports them early; a wrong guess costs an import, never a wrong answer.

use super::daemon::ApplicationInterface;
use super::mount::{AliasForm, MountTarget, ScriptAlias};
use crate::place::{DirectivePlace, SourceLocation, VhostId};
use std::collections::HashSet;
use std::sync::Arc;

/// Which name a line sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// WSGIProcessGroup.
    Process,
    /// WSGIApplicationGroup.
    Application,
}

/// One WSGIProcessGroup or WSGIApplicationGroup, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RouteLine {
    kind: RouteKind,
    virtual_host: Option<VhostId>,
    section: Option<String>,
    value: String,
    place: SourceLocation,
}

/// One WSGIProcessGroup, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct ProcessLine<'a> {
    /// The name.
    pub value: &'a str,
    /// Path of the directory-type section around it.
    pub section: Option<&'a str>,
    /// Where it stands.
    pub place: &'a SourceLocation,
}

/// The lines that choose groups, and the aliases they choose for.
#[derive(Debug, Default)]
pub struct RouteLines {
    lines: Vec<RouteLine>,
    aliases: Vec<Arc<ScriptAlias>>,
}

impl RouteLines {
    /// Takes a line in.
    pub(crate) fn note(&mut self, kind: RouteKind, place: &DirectivePlace<'_>, value: String) {
        let section = place.directory.map(str::to_owned);
        self.lines.push(RouteLine {
            kind,
            virtual_host: place.virtual_host,
            section,
            value,
            place: place.origin(),
        });
    }

    /// Takes an alias in.
    pub(crate) fn mount(&mut self, alias: Arc<ScriptAlias>) {
        self.aliases.push(alias);
    }

    /// Targets of aliases that, as far as fixed texts tell, run in the main interpreter of this group.
    pub fn targets_of(&self, group: &str) -> Vec<&MountTarget> {
        let runs_here = |alias: &&Arc<ScriptAlias>| {
            let options = &alias.options;
            self.value(RouteKind::Process, alias, options.process_group.as_deref()) == Some(group)
                && self.value(RouteKind::Application, alias, options.application_group.as_deref()) == Some("")
        };
        let mut targets: Vec<&MountTarget> = Vec::new();
        for alias in self.aliases.iter().filter(runs_here).filter(|alias| alias.has_fixed_target()) {
            if !targets.contains(&&alias.target) {
                targets.push(&alias.target);
            }
        }
        targets
    }

    /// What aliases mount in the main interpreter of this group, whose `interface=` is given, as far as fixed texts tell:
    /// target, callable, and how it is called. An ASGI application runs there unless an application group is named.
    pub fn mounted_in(
        &self,
        group: &str,
        default: ApplicationInterface,
    ) -> Vec<(&MountTarget, &str, ApplicationInterface)> {
        let mut found = Vec::new();
        for alias in self.aliases.iter().filter(|alias| alias.has_fixed_target()) {
            let options = &alias.options;
            let interface = options.interface.unwrap_or(default);
            let is_main = match self.text(RouteKind::Application, alias, options.application_group.as_deref())
            {
                None => interface == ApplicationInterface::Asgi,
                Some(text) => text.is_empty() || text == "%{GLOBAL}",
            };
            let own = match &alias.target {
                MountTarget::Module { callable: Some(callable), .. } => Some(callable),
                _ => options.callable_object.as_ref(),
            };
            let row = (&alias.target, own.map_or("application", String::as_str), interface);
            let runs_here = is_main
                && self.value(RouteKind::Process, alias, options.process_group.as_deref()) == Some(group);
            if runs_here && interface != ApplicationInterface::Wsgi && !found.contains(&row) {
                found.push(row);
            }
        }
        found
    }

    /// The lines that choose process groups.
    pub fn process_lines(&self) -> impl Iterator<Item = ProcessLine<'_>> {
        self.lines.iter().filter(|line| line.kind == RouteKind::Process).map(|line| ProcessLine {
            value: &line.value,
            section: line.section.as_deref(),
            place: &line.place,
        })
    }

    /// Process groups as lines and aliases name them.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let of_aliases = self.aliases.iter().filter_map(|alias| alias.options.process_group.as_deref());
        self.process_lines().map(|line| line.value).chain(of_aliases)
    }

    /// Aliases for which nothing chooses a process group.
    pub fn without_group(&self) -> impl Iterator<Item = &Arc<ScriptAlias>> {
        self.aliases.iter().filter(|alias| {
            self.value(RouteKind::Process, alias, alias.options.process_group.as_deref()).is_none()
        })
    }

    /// All scripts that aliases name, each once, as patterns: `*` at the end stands for the rest of a path. Thousands of virtual
    /// hosts may name the same one, and each process of each group is told all of them.
    pub fn patterns(&self) -> Vec<String> {
        let pattern = |alias: &Arc<ScriptAlias>| match (&alias.form, &alias.target) {
            (AliasForm::Regex { .. }, MountTarget::File(path)) if path.contains('$') => {
                format!("{}*", path.split('$').next().unwrap_or_default())
            }
            (AliasForm::Prefix(_), MountTarget::File(path)) if path.ends_with('/') => format!("{path}*"),
            (_, target) => target.text(),
        };
        let mut known = HashSet::new();
        self.aliases.iter().map(pattern).filter(|pattern| known.insert(pattern.clone())).collect()
    }

    /// The fixed name in force for an alias: its own option, or that of the most specific line.
    fn value<'a>(&'a self, kind: RouteKind, alias: &ScriptAlias, own: Option<&'a str>) -> Option<&'a str> {
        match self.text(kind, alias, own)? {
            "%{GLOBAL}" => Some(""),
            value if value.contains("%{") => None,
            value => Some(value),
        }
    }

    /// The same as it is written.
    fn text<'a>(&'a self, kind: RouteKind, alias: &ScriptAlias, own: Option<&'a str>) -> Option<&'a str> {
        let ranked = self.lines.iter().filter(|line| line.kind == kind);
        let best = ranked.filter_map(|line| Some((line.rank(alias)?, line))).max_by_key(|(rank, _)| *rank);
        own.or_else(|| best.map(|(_, line)| line.value.as_str()))
    }
}

impl RouteLine {
    /// How specific the line is for an alias, in httpd's order of merging: server, directory, location; the main server's
    /// before those of the virtual host. `None`: it is not about the alias.
    fn rank(&self, alias: &ScriptAlias) -> Option<(u8, bool, usize)> {
        let own_host = self.virtual_host == alias.place.virtual_host;
        if !own_host && self.virtual_host.is_some() {
            return None;
        }
        let Some(section) = &self.section else { return Some((0, own_host, 0)) };
        let file = match &alias.target {
            MountTarget::File(path) => path.as_str(),
            MountTarget::Module { .. } => "",
        };
        let url = match &alias.form {
            AliasForm::Prefix(url) => url.as_str(),
            AliasForm::Regex { .. } => "",
        };
        let class = if is_within(file, section) {
            1
        } else if is_within(url, section) {
            2
        } else {
            return None;
        };
        Some((class, own_host, section.len()))
    }
}

impl ScriptAlias {
    /// Whether the target is the same for all requests, as far as the line itself tells.
    fn has_fixed_target(&self) -> bool {
        match (&self.form, &self.target) {
            (AliasForm::Regex { .. }, MountTarget::File(path)) => !path.contains('$'),
            (AliasForm::Prefix(_), MountTarget::File(path)) => !path.ends_with('/'),
            (_, MountTarget::Module { .. }) => true,
        }
    }
}

fn is_within(path: &str, section: &str) -> bool {
    let section = section.trim_end_matches('/');
    path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::ApplicationInterface;
    use crate::fake::FakeConfiguration;
    use crate::place::DirectivePlace;

    fn targets(lines: &[(Option<&str>, &str)]) -> Vec<String> {
        let mut conf = FakeConfiguration::of(&["WSGIDaemonProcess g"]);
        for (directory, line) in lines {
            match directory {
                Some(path) => conf
                    .at(line, DirectivePlace { directory: Some(path), ..DirectivePlace::default() })
                    .unwrap(),
                None => conf.main(line).unwrap(),
            };
        }
        conf.global.routes.targets_of("g").iter().map(|target| format!("{target:?}")).collect()
    }

    #[test]
    fn the_most_specific_fixed_text_decides() {
        let alias = (None, "WSGIScriptAlias /app /srv/app/wsgi.py");
        let (process, global) = ("WSGIProcessGroup g", "WSGIApplicationGroup %{GLOBAL}");
        let found = vec!["File(\"/srv/app/wsgi.py\")".to_owned()];
        assert_eq!(targets(&[alias, (None, process), (None, global)]), found);
        assert_eq!(targets(&[alias, (Some("/srv/app"), process), (Some("/srv/app/"), global)]), found);
        assert_eq!(targets(&[alias, (Some("/app"), process), (Some("/"), global)]), found);
        let none: Vec<String> = Vec::new();
        assert_eq!(targets(&[alias, (None, process)]), none, "%{{RESOURCE}} is not known");
        assert_eq!(targets(&[alias, (Some("/srv/ap"), process), (None, global)]), none);
        assert_eq!(
            targets(&[alias, (None, process), (None, global), (Some("/srv"), "WSGIProcessGroup h")]),
            none
        );
        assert_eq!(
            targets(&[alias, (None, process), (None, global), (Some("/app"), "WSGIProcessGroup %{ENV:X}")]),
            none
        );
        let own = (None, "WSGIScriptAlias /app /srv/app/wsgi.py process-group=g application-group=%{GLOBAL}");
        assert_eq!(targets(&[own, (None, "WSGIProcessGroup h")]), found);
    }

    #[test]
    fn asgi_applications_run_in_the_main_interpreter() {
        let conf = FakeConfiguration::of(&[
            "WSGIDaemonProcess g",
            "WSGIProcessGroup g",
            "WSGIScriptAlias /a /srv/a.py interface=asgi callable-object=app",
            "WSGIScriptAlias /b module:site.main:api interface=asgi application-group=%{GLOBAL}",
            "WSGIScriptAlias /c /srv/c.py interface=asgi application-group=%{RESOURCE}",
            "WSGIScriptAlias /d /srv/d.py",
            "WSGIScriptAlias /e /srv/e.py interface=wsgi application-group=%{GLOBAL}",
        ]);
        let mounted = |default| {
            let rows = conf.global.routes.mounted_in("g", default).into_iter();
            rows.map(|(target, callable, _)| format!("{} {callable}", target.text())).collect::<Vec<_>>()
        };
        let always = ["/srv/a.py app", "module:site.main:api api"];
        assert_eq!(mounted(ApplicationInterface::Auto), always);
        assert_eq!(mounted(ApplicationInterface::Asgi), [&always[..], &["/srv/d.py application"]].concat());
    }

    #[test]
    fn patterns_stand_for_what_an_alias_can_reach() {
        let conf = FakeConfiguration::of(&[
            "WSGIScriptAlias /a /srv/a.wsgi",
            "WSGIScriptAlias /b /srv/b/",
            "WSGIScriptAliasMatch ^/(x) /srv/m/$1.wsgi",
            "WSGIScriptAlias /c module:site.wsgi:app",
            "WSGIScriptAlias /again /srv/a.wsgi",
        ]);
        assert_eq!(
            conf.global.routes.patterns(),
            ["/srv/a.wsgi", "/srv/b/*", "/srv/m/*", "module:site.wsgi:app"]
        );
    }

    #[test]
    fn only_fixed_targets_are_candidates() {
        let here = [(None, "WSGIProcessGroup g"), (None, "WSGIApplicationGroup %{GLOBAL}")];
        let of = |line| targets(&[here[0], here[1], (None, line)]);
        assert_eq!(of("WSGIScriptAlias / /srv/").len(), 0);
        assert_eq!(of("WSGIScriptAliasMatch ^/(x) /srv/$1.wsgi").len(), 0);
        assert_eq!(of("WSGIScriptAliasMatch ^/(x) /srv/x.wsgi").len(), 1);
        assert_eq!(of("WSGIScriptAlias / module:site.wsgi").len(), 1);
    }
}
