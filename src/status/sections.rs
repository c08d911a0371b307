//! The sections of the configuration that hold our pages.

use crate::httpd::bytes;
use apr_sys as sys;
use wsgi_status::access::StatusSection;

/// Finds them in httpd's configuration tree.
pub fn find() -> Vec<StatusSection> {
    let mut found = Vec::new();
    // SAFETY: post_config, on the parent's only thread: the tree is complete and does not change.
    unsafe { walk(sys::ap_conftree, &mut found) };
    found
}

/// Whether some directive, a LogFormat say, names this note or variable: `%{NAME}n`.
pub fn asks_for(name: &str) -> bool {
    let wanted = format!("{{{name}}}");
    // SAFETY: as in `find`.
    unsafe { holds(sys::ap_conftree, &wanted) }
}

/// # Safety
/// As [`walk`].
unsafe fn holds(mut directive: *const sys::ap_directive_t, wanted: &str) -> bool {
    // SAFETY: by the contract.
    unsafe {
        while let Some(one) = directive.as_ref() {
            if text(one.args).contains(wanted) || holds(one.first_child, wanted) {
                return true;
            }
            directive = one.next;
        }
    }
    false
}

/// # Safety
/// `directive` is null or the first of a list in httpd's configuration tree.
unsafe fn walk(mut directive: *const sys::ap_directive_t, found: &mut Vec<StatusSection>) {
    // SAFETY: by the contract; lists end with null, names and arguments are strings or null.
    unsafe {
        while let Some(one) = directive.as_ref() {
            if is_named(one, "SetHandler") && is_ours(&text(one.args)) {
                found.push(match one.parent.as_ref() {
                    Some(parent) => StatusSection::new(
                        &text(parent.directive),
                        &text(parent.args),
                        has_require(parent.first_child),
                    ),
                    None => StatusSection::new("", "", false),
                });
            }
            walk(one.first_child, found);
            directive = one.next;
        }
    }
}

/// # Safety
/// As [`walk`].
unsafe fn has_require(mut directive: *const sys::ap_directive_t) -> bool {
    // SAFETY: by the contract.
    unsafe {
        while let Some(one) = directive.as_ref() {
            let is_group = ["<RequireAll", "<RequireAny"].iter().any(|name| is_named(one, name));
            if is_named(one, "Require") || is_group && has_require(one.first_child) {
                return true;
            }
            directive = one.next;
        }
    }
    false
}

/// # Safety
/// A directive of the tree.
unsafe fn is_named(directive: &sys::ap_directive_t, name: &str) -> bool {
    // SAFETY: by the contract.
    unsafe { text(directive.directive) }.eq_ignore_ascii_case(name)
}

/// # Safety
/// Null or a string of the configuration.
unsafe fn text(pointer: *const std::ffi::c_char) -> String {
    // SAFETY: by the contract.
    String::from_utf8_lossy(unsafe { bytes(pointer) }.unwrap_or_default()).into_owned()
}

fn is_ours(arguments: &str) -> bool {
    let name = arguments.trim().trim_matches('"');
    name.eq_ignore_ascii_case("wsgi-status") || name.eq_ignore_ascii_case("wsgi-health")
}
