//! Directives of httpd's own modules that ours depend on, found in the configuration tree.

use crate::httpd::bytes;
use apr_sys as sys;
use wsgi_directives::{NeighbourDirectives, SourceLocation};

/// Looks for them.
pub fn find() -> NeighbourDirectives {
    let mut found = NeighbourDirectives::default();
    // SAFETY: check_config or post_config, on the parent's only thread: the tree is complete and does not change.
    unsafe { walk(sys::ap_conftree, &mut found) };
    found
}

/// # Safety
/// `directive` is null or the first of a list in httpd's configuration tree.
unsafe fn walk(mut directive: *const sys::ap_directive_t, found: &mut NeighbourDirectives) {
    // SAFETY: by the contract; lists end with null, names, files and arguments are strings or null.
    unsafe {
        while let Some(one) = directive.as_ref() {
            let (name, args) = (text(one.directive), text(one.args));
            let place = || {
                let line = one.line_num.max(0).cast_unsigned();
                SourceLocation { file: text(one.filename).into(), line, virtual_host: None }
            };
            found.note(&name, &args, place);
            walk(one.first_child, found);
            directive = one.next;
        }
    }
}

/// # Safety
/// Null or a string of the configuration.
unsafe fn text(pointer: *const std::ffi::c_char) -> String {
    // SAFETY: by the contract.
    String::from_utf8_lossy(unsafe { bytes(pointer) }.unwrap_or_default()).into_owned()
}
