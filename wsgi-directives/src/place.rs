//! Where a line stands, and what this crate asks the surrounding system.

use std::fmt::{self, Debug};
use std::sync::Arc;

/// Number of a virtual host, chosen by the glue; equal numbers mean the same `server_rec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VhostId(pub u32);

/// Index of a `<WSGIInterpreterOptions>` block in [`crate::GlobalConfig::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockId(pub usize);

/// Where a directive stands, told by the httpd glue.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectivePlace<'a> {
    /// Configuration file.
    pub file: &'a str,
    /// Line in it.
    pub line: u32,
    /// The enclosing `<VirtualHost>`; `None` at main server level.
    pub virtual_host: Option<VhostId>,
    /// ServerName of the enclosing server as known so far.
    pub server_name: Option<&'a str>,
    /// Path of the enclosing directory-type section (httpd's `cmd->path`), also set in `.htaccess`.
    pub directory: Option<&'a str>,
    /// The line stands in a `.htaccess` file.
    pub htaccess: bool,
    /// The block that *directly* encloses the line (`<If…>` wrappers do not count).
    pub in_interpreter_options: Option<BlockId>,
}

impl DirectivePlace<'_> {
    /// The owned form that records keep for messages.
    pub fn origin(&self) -> SourceLocation {
        SourceLocation { file: Arc::from(self.file), line: self.line, virtual_host: self.virtual_host }
    }
}

/// Where something was written: kept with groups, aliases and preloads for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// Configuration file.
    pub file: Arc<str>,
    /// Line in it.
    pub line: u32,
    /// The enclosing `<VirtualHost>`; `None` at main server level.
    pub virtual_host: Option<VhostId>,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What parsing needs to know of the machine (spec/directives.md §2.8). Implemented by the glue.
pub trait SystemFacts {
    /// uid of a user name.
    fn uid_of_name(&self, name: &str) -> Option<u32>;
    /// gid of a group name.
    fn gid_of_name(&self, name: &str) -> Option<u32>;
    /// Name of a uid from the user database.
    fn name_of_uid(&self, uid: u32) -> Option<String>;
    /// Name of a gid from the group database.
    fn name_of_gid(&self, gid: u32) -> Option<String>;
    /// Whether the effective uid of the process that parses is 0.
    fn is_root(&self) -> bool;
    /// `sysconf(_SC_NGROUPS_MAX)`.
    fn ngroups_max(&self) -> usize;
    /// Compiles a pattern with httpd's engine (`ap_pregcomp`, extended); `None` if it does not compile.
    fn compile_regex(&self, pattern: &str) -> Option<Arc<dyn UriRegex>>;
    /// `ap_server_root_relative`; `None` where httpd cannot make the path absolute.
    fn server_root_relative(&self, path: &str) -> Option<String>;
    /// Directives of httpd's own modules that ours depend on; once the configuration has been read.
    fn neighbours(&self) -> NeighbourDirectives;
    /// The ServerName of a virtual host as known *now* (it may follow the WSGI directives in the file).
    fn server_name_of(&self, host: VhostId) -> Option<String>;
}

/// Directives of httpd's own modules that ours depend on.
#[derive(Clone, Debug, Default)]
pub struct NeighbourDirectives {
    /// The first `AuthBasicProvider wsgi` or similar line.
    pub provider: Option<SourceLocation>,
    /// The first `Require wsgi-group`.
    pub group_required: Option<SourceLocation>,
    /// Some AllowOverride lets `.htaccess` files say something.
    pub overrides: bool,
}

/// What chooses authentication providers; `<AuthnProviderAlias wsgi NAME>` gives ours another name.
const PROVIDERS: [&str; 4] =
    ["AuthBasicProvider", "AuthDigestProvider", "AuthFormProvider", "<AuthnProviderAlias"];

impl NeighbourDirectives {
    /// Takes note of a directive of httpd's configuration; `place` is asked where it stands if that matters.
    pub fn note(&mut self, name: &str, args: &str, place: impl FnOnce() -> SourceLocation) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        let says = |wanted: &str| {
            args.split([' ', '\t', '"', '\'', '>']).any(|word| word.eq_ignore_ascii_case(wanted))
        };
        if PROVIDERS.iter().any(|provider| is(provider)) && says("wsgi") {
            self.provider.get_or_insert_with(place);
        } else if (is("Require") || is("<AuthzProviderAlias")) && says("wsgi-group") {
            self.group_required.get_or_insert_with(place);
        } else if is("AllowOverride") || is("AllowOverrideList") {
            self.overrides |= !says("None");
        }
    }
}

/// A compiled pattern of WSGIScriptAliasMatch.
pub trait UriRegex: Debug + Send + Sync {
    /// Searches the decoded URI path, unanchored. `None` if there is no match.
    fn search(&self, uri: &[u8]) -> Option<RegexMatch>;
}

/// Byte offsets of a match and its groups, counted from the start of the URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegexMatch {
    /// `groups[0]` is the whole match, `groups[n]` is `$n`; `None` for a group that did not take part.
    pub groups: [Option<(usize, usize)>; 10],
}

/// Something worth telling the operator that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: NoticeLevel,
    /// Message number of the original (`WSGI0201`), where there is one.
    pub number: Option<u16>,
    /// One line that names directive and fix.
    pub text: String,
    /// The line of the configuration it is about, if not the one being read.
    pub origin: Option<SourceLocation>,
}

/// httpd log levels used for [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeLevel {
    /// APLOG_WARNING
    Warning,
    /// APLOG_NOTICE
    Notice,
    /// APLOG_INFO
    Info,
}

impl Notice {
    /// A warning without message number about the line being read.
    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Notice { level: NoticeLevel::Warning, number: None, text: text.into(), origin: None }
    }

    /// The same at another level.
    pub(crate) fn at(level: NoticeLevel, text: impl Into<String>) -> Self {
        Notice { level, number: None, text: text.into(), origin: None }
    }

    /// A warning about a line read earlier.
    pub(crate) fn about(origin: &SourceLocation, text: impl Into<String>) -> Self {
        Notice { level: NoticeLevel::Warning, number: None, text: text.into(), origin: Some(origin.clone()) }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number {
            write!(f, "WSGI{number:04}: ")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_found_by_name_and_word() {
        let found = |lines: &[(&str, &str)]| {
            let mut found = NeighbourDirectives::default();
            for (line, (name, args)) in (1..).zip(lines) {
                found.note(name, args, || SourceLocation { file: "a".into(), line, virtual_host: None });
            }
            let line = |place: Option<SourceLocation>| place.map(|place| place.line);
            (line(found.provider), line(found.group_required), found.overrides)
        };
        let basic =
            [("authbasicprovider", "file"), ("AuthBasicProvider", "file wsgi"), ("AuthFormProvider", "wsgi")];
        assert_eq!(found(&basic), (Some(2), None, false), "the first");
        assert_eq!(found(&[("<AuthnProviderAlias", "wsgi mine>")]), (Some(1), None, false));
        assert_eq!(found(&[("AuthUserFile", "wsgi"), ("AuthBasicProvider", "wsgix")]), (None, None, false));
        assert_eq!(found(&[("Require", "not \"wsgi-group\" a")]), (None, Some(1), false));
        assert_eq!(
            found(&[("<AuthzProviderAlias", "wsgi-group x>"), ("Require", "user a")]),
            (None, Some(1), false)
        );
        assert!(!found(&[("AllowOverride", "none"), ("AllowOverrideList", "None")]).2);
        assert!(found(&[("AllowOverride", "AuthConfig"), ("AllowOverride", "None")]).2);
    }
}
