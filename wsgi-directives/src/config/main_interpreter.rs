//! Which daemon groups may be asked for their main interpreter by its name, `%{GLOBAL}`. In all others the first
//! application group has it (`docs/differences.md`).

/// The lines that decide where requests run, in the order of the configuration.
#[derive(Debug, Default)]
pub struct RoutingLines {
    lines: Vec<GlobalLine>,
}

#[derive(Debug)]
struct GlobalLine {
    /// The virtual host that it stands in; `None` in the main server, which all inherit.
    vhost: Option<u32>,
    directive: String,
    args: String,
}

/// Directives that name an application group.
const NAMING: [&str; 5] = [
    "WSGIApplicationGroup",
    "WSGIScriptAlias",
    "WSGIScriptAliasMatch",
    "WSGIHandlerScript",
    "WSGIImportScript",
];

/// What a name in the configuration stands for.
#[derive(Debug, PartialEq, Eq)]
enum RoutingName<'a> {
    /// This one.
    Fixed(&'a str),
    /// Embedded mode, which is no group.
    Embedded,
    /// It depends on the request.
    Unknown,
}

impl<'a> RoutingName<'a> {
    fn of(text: &'a str) -> Self {
        match text.trim_matches(|c| c == '"' || c == '\'') {
            "%{GLOBAL}" => Self::Embedded,
            text if text.contains("%{") => Self::Unknown,
            text => Self::Fixed(text),
        }
    }

    fn may_be(&self, group: &str) -> bool {
        match self {
            Self::Fixed(name) => *name == group,
            Self::Embedded => false,
            Self::Unknown => true,
        }
    }
}

impl GlobalLine {
    fn may_name_main(&self) -> bool {
        NAMING.contains(&&*self.directive)
            && (self.args.contains("%{GLOBAL}") || self.args.contains("%{ENV:"))
            && self
                .application_group()
                .is_none_or(|name| !matches!(RoutingName::of(name), RoutingName::Fixed(_)))
    }

    /// The value of an option, without quotes around both.
    fn option(&self, name: &str) -> Option<&str> {
        let words = self.args.split_whitespace().map(|word| word.trim_start_matches(['"', '\'']));
        words
            .filter_map(|word| word.split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    fn application_group(&self) -> Option<&str> {
        self.option("application-group")
    }

    /// The daemon group that it names.
    fn process_group(&self) -> Option<RoutingName<'_>> {
        if self.directive == "WSGIProcessGroup" {
            return self.args.split_whitespace().next().map(RoutingName::of);
        }
        self.option("process-group").map(RoutingName::of)
    }

    /// Whether a request for `other`'s scope may be subject to it.
    fn reaches(&self, vhost: Option<u32>) -> bool {
        self.vhost.is_none() || vhost.is_none() || self.vhost == vhost
    }
}

impl RoutingLines {
    /// Takes note of a line.
    pub(crate) fn note(&mut self, vhost: Option<u32>, directive: &str, args: &str) {
        if NAMING.contains(&directive) || ["WSGIProcessGroup", "WSGIDispatchScript"].contains(&directive) {
            self.lines.push(GlobalLine { vhost, directive: directive.to_owned(), args: args.to_owned() });
        }
    }

    /// Whether a request for the main interpreter may go to `group`.
    pub(super) fn may_name_main_of(&self, group: &str) -> bool {
        self.lines.iter().any(|line| {
            if line.directive == "WSGIDispatchScript" {
                return true; // it may say anything
            }
            if !line.may_name_main() {
                return false;
            }
            match line.process_group() {
                Some(name) => name.may_be(group),
                None => self.scope_reaches(line.vhost, group),
            }
        })
    }

    /// Whether anything in the scope of a line sends requests to `group`.
    fn scope_reaches(&self, vhost: Option<u32>, group: &str) -> bool {
        let of_scope = self.lines.iter().filter(|line| line.reaches(vhost));
        of_scope.filter_map(GlobalLine::process_group).any(|name| name.may_be(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Text<'a> = (Option<u32>, &'a str, &'a str);

    fn groups(lines: &[Text<'_>]) -> [bool; 2] {
        let mut routing = RoutingLines::default();
        lines.iter().for_each(|(vhost, directive, args)| routing.note(*vhost, directive, args));
        ["a", "b"].map(|group| routing.may_name_main_of(group))
    }

    #[test]
    fn options_of_one_line_belong_together() {
        let a = "/ /a.wsgi process-group=a application-group=%{GLOBAL}";
        let b = "/ /b.wsgi process-group=b";
        assert_eq!(groups(&[(None, "WSGIScriptAlias", a), (None, "WSGIScriptAlias", b)]), [true, false]);
        let embedded = "/ /a.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}";
        assert_eq!(
            groups(&[(None, "WSGIScriptAlias", embedded), (None, "WSGIProcessGroup", "a")]),
            [false; 2]
        );
        let quoted = "/ /a.wsgi \"process-group=b\" 'application-group=%{GLOBAL}'";
        assert_eq!(groups(&[(None, "WSGIScriptAlias", quoted)]), [false, true]);
        let unknown = "/ /a.wsgi process-group=%{ENV:g} application-group=%{GLOBAL}";
        assert_eq!(groups(&[(None, "WSGIScriptAlias", unknown)]), [true; 2]);
    }

    #[test]
    fn preloads_and_blocks_name_it_too() {
        let named = |line: &str| {
            crate::fake::FakeConfiguration::of(&["WSGIDaemonProcess a", line]).global.names_main_of("a")
        };
        assert!(named("WSGIImportScript /a.py process-group=a application-group=%{GLOBAL}"));
        assert!(!named("WSGIImportScript /a.py process-group=a application-group=x"));
        assert!(named("<WSGIInterpreterOptions application-group=%{GLOBAL}>"));
        assert!(!named("<WSGIInterpreterOptions process-group=a>"));
        assert!(named("WSGIDispatchScript /d.py") && !named("WSGIPythonOptimize 1"));
    }

    #[test]
    fn virtual_hosts_are_apart_and_the_main_server_is_everywhere() {
        let (group_a, group_b) = ((Some(1), "WSGIProcessGroup", "a"), (Some(2), "WSGIProcessGroup", "b"));
        let global = |vhost| (vhost, "WSGIApplicationGroup", "%{GLOBAL}");
        assert_eq!(groups(&[group_a, group_b]), [false; 2]);
        assert_eq!(groups(&[group_a, group_b, global(Some(1))]), [true, false]);
        assert_eq!(groups(&[group_a, group_b, global(None)]), [true; 2]);
        assert_eq!(groups(&[group_a, group_b, (Some(3), "WSGIDispatchScript", "/d.py")]), [true; 2]);
        let inherited = [(None, "WSGIProcessGroup", "b"), group_a, global(Some(1))];
        assert_eq!(groups(&inherited), [true; 2], "a section of the host may have the main server's group");
        let fixed = (Some(1), "WSGIScriptAlias", "/%{GLOBAL} /a.wsgi application-group=x");
        assert_eq!(groups(&[group_a, fixed]), [false; 2]);
    }
}
