//! Whether the configuration still leads to a script that the predecessor had loaded.

use crate::host::Host;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether it does, as far as it shows, and the script is there.
pub(super) fn is_wanted(host: &Host, script: &[u8]) -> bool {
    let is_there = || script.starts_with(b"module:") || Path::new(OsStr::from_bytes(script)).exists();
    let names = &host.launch().names;
    // httpd names scripts as it sees them.
    let is_named = |name: &Vec<u8>| matches(host.inside_chroot(name).unwrap_or(name), script);
    (names.is_empty() || names.iter().any(is_named)) && is_there()
}

/// Whether a script fits a name of the configuration (`wsgi_protocol::launch::Launch::names`).
fn matches(name: &[u8], script: &[u8]) -> bool {
    match name.strip_suffix(b"*") {
        Some(beginning) => script.starts_with(beginning),
        None => script == name,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_are_paths_or_beginnings() {
        assert!(matches(b"/srv/a.wsgi", b"/srv/a.wsgi"));
        assert!(!matches(b"/srv/a.wsgi", b"/srv/a.wsgi2"));
        assert!(matches(b"/srv/b/*", b"/srv/b/c/d.wsgi"));
        assert!(!matches(b"/srv/b/*", b"/srv/bc"));
    }
}
