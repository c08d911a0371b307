//! Finds the WSGIScriptAlias of a URI and composes the file name (spec/directives.md §5.2).

use crate::config::{AliasForm, MountTarget, ScriptAlias};
use crate::place::RegexMatch;
use std::sync::Arc;

/// An alias that matches a URI.
#[derive(Clone, Copy, Debug)]
pub struct AliasMatch<'a> {
    /// The alias.
    pub alias: &'a Arc<ScriptAlias>,
    /// Number of URI bytes it consumed (`L` of the spec).
    pub consumed: usize,
    groups: RegexMatch,
}

/// What the URI is mapped to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedUri<'a> {
    /// `r->filename` before httpd's directory walk splits it into file and path info.
    File(Vec<u8>),
    /// A module; SCRIPT_NAME is the URI up to `script_end`, PATH_INFO the rest.
    Module {
        /// Dotted name.
        module: &'a str,
        /// Callable of the target; `None` leaves it to the other settings.
        callable: Option<&'a str>,
        /// Offset in the URI.
        script_end: usize,
    },
}

/// The first alias of the merged list that matches the decoded URI path; there is no longest-prefix rule.
pub fn find_alias<'a>(aliases: &'a [Arc<ScriptAlias>], uri: &[u8]) -> Option<AliasMatch<'a>> {
    if !uri.is_empty() && uri[0] != b'/' {
        return None;
    }
    aliases.iter().find_map(|alias| {
        let (consumed, groups) = match &alias.form {
            AliasForm::Prefix(prefix) => (match_prefix(prefix.as_bytes(), uri)?, RegexMatch::default()),
            AliasForm::Regex { regex, .. } => {
                let found = regex.search(uri)?;
                (found.groups[0]?.1.min(uri.len()), found)
            }
        };
        (consumed > 0).then_some(AliasMatch { alias, consumed, groups })
    })
}

impl<'a> AliasMatch<'a> {
    /// Target plus what the alias left of the URI. A mount of exactly `/` leaves the whole URI.
    pub fn target(&self, uri: &[u8]) -> MappedUri<'a> {
        let mount = match &self.alias.form {
            AliasForm::Prefix(prefix) => prefix.as_bytes(),
            AliasForm::Regex { .. } => &uri[..self.consumed],
        };
        match &self.alias.target {
            MountTarget::Module { module, callable } => {
                let last = uri[..self.consumed].iter().rposition(|byte| *byte != b'/');
                let script_end = last.map_or(0, |last| last + 1);
                MappedUri::Module { module, callable: callable.as_deref(), script_end }
            }
            MountTarget::File(path) => {
                let rest = if mount == b"/" { uri } else { &uri[self.consumed..] };
                let mut name = Vec::with_capacity(path.len() + rest.len());
                match self.alias.form {
                    AliasForm::Prefix(_) => name.extend_from_slice(path.as_bytes()),
                    AliasForm::Regex { .. } => substitute(path.as_bytes(), uri, &self.groups, &mut name),
                }
                name.extend_from_slice(rest);
                MappedUri::File(name)
            }
        }
    }
}

impl ScriptAlias {
    /// Length of the target in the file `name` that this alias made, if everything behind it can be nothing but path
    /// info once the target is a file. `None` where httpd's own walk has to find out.
    #[must_use]
    pub fn plain_target(&self, name: &[u8]) -> Option<usize> {
        let (AliasForm::Prefix(_), MountTarget::File(path)) = (&self.form, &self.target) else { return None };
        let is_plain = |part: &[u8]| !part.windows(2).any(|two| two == b"//" || two == b"/.");
        let rest = name.strip_prefix(path.as_bytes())?;
        let is_split = path.starts_with('/') && !path.ends_with('/') && (rest.is_empty() || rest[0] == b'/');
        (is_split && is_plain(name)).then_some(path.len())
    }

    /// Whether a file name still begins with this alias's target, whose length is `len`.
    #[must_use]
    pub fn is_at(&self, len: usize, name: &[u8]) -> bool {
        matches!(&self.target, MountTarget::File(path) if name.get(..len) == Some(path.as_bytes()))
    }
}

/// Number of URI bytes a prefix matches: runs of slashes match runs of slashes, everything else literally,
/// and the match ends at a component boundary.
pub(crate) fn match_prefix(prefix: &[u8], uri: &[u8]) -> Option<usize> {
    let slashes = |text: &[u8]| text.iter().take_while(|byte| **byte == b'/').count();
    let (mut p, mut u) = (0, 0);
    while p < prefix.len() {
        if prefix[p] == b'/' {
            let run = slashes(&uri[u..]);
            if run == 0 {
                return None;
            }
            p += slashes(&prefix[p..]);
            u += run;
        } else {
            if uri.get(u) != Some(&prefix[p]) {
                return None;
            }
            p += 1;
            u += 1;
        }
    }
    let boundary = prefix.last() == Some(&b'/') || matches!(uri.get(u), None | Some(b'/'));
    boundary.then_some(u)
}

/// httpd's `ap_pregsub`: `$0` to `$9`, a backslash takes the next byte literally.
fn substitute(template: &[u8], uri: &[u8], found: &RegexMatch, out: &mut Vec<u8>) {
    let mut bytes = template.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek().copied()) {
            (b'$', Some(digit @ b'0'..=b'9')) => {
                bytes.next();
                let group = found.groups[usize::from(digit - b'0')];
                out.extend_from_slice(group.and_then(|(start, end)| uri.get(start..end)).unwrap_or_default());
            }
            (b'\\', Some(next)) => {
                bytes.next();
                out.push(next);
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests;
