//! Who may look: everybody whom an explicit `Require` in the section of the page lets in; without one only this machine.

use std::net::IpAddr;

/// A section of the configuration that has `SetHandler wsgi-status` or `wsgi-health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSection {
    /// The path of a `<Location>` without patterns; `None` for any other section.
    pub location: Option<String>,
    /// It holds a `Require`.
    pub has_require: bool,
}

impl StatusSection {
    /// A section as httpd's configuration tree has it: name `<Location`, arguments `"/path">`.
    #[must_use]
    pub fn new(name: &str, arguments: &str, has_require: bool) -> Self {
        let path = arguments.trim().trim_end_matches('>').trim().trim_matches('"');
        let is_plain = path.starts_with('/') && !path.contains(['*', '?', '[', '\\']);
        let location = (name.eq_ignore_ascii_case("<Location") && is_plain).then(|| path.to_owned());
        Self { location, has_require }
    }

    /// Whether it may be the one that applies to a URL path.
    fn may_cover(&self, path: &str) -> bool {
        let Some(location) = &self.location else { return true };
        let rest = path.strip_prefix(location.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || location.ends_with('/'))
    }
}

/// Whether access control was configured for the page at this URL path. Where it is not certain which section applies,
/// all that may have to have it.
#[must_use]
pub fn is_controlled(sections: &[StatusSection], path: &str) -> bool {
    let mut candidates = sections.iter().filter(|section| section.may_cover(path)).peekable();
    candidates.peek().is_some() && candidates.all(|section| section.has_require)
}

/// Whether an address is this machine's own.
#[must_use]
pub fn is_loopback(address: &str) -> bool {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_require_counts_where_it_stands() {
        let open = StatusSection::new("<location", "\"/open\">", true);
        let bare = StatusSection::new("<Location", "/bare>", false);
        let sections = [open.clone(), bare];
        for (path, controlled) in
            [("/open", true), ("/open/x", true), ("/opener", false), ("/bare", false), ("/", false)]
        {
            assert_eq!(is_controlled(&sections, path), controlled, "{path}");
        }
        let pattern = StatusSection::new("<LocationMatch", "^/o.*>", false);
        assert!(!is_controlled(&[open.clone(), pattern], "/open"), "it may apply, too");
        assert_eq!(StatusSection::new("<Location", "~ ^/x>", true).location, None);
        assert!(!is_controlled(&[], "/open"));
        assert!(is_controlled(&[open, StatusSection::new("<LocationMatch", "^/o.*>", true)], "/open"));
    }

    #[test]
    fn loopback() {
        for (address, own) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(is_loopback(address), own, "{address}");
        }
    }
}
