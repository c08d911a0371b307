//! Directives of httpd's own modules that ours depend on, found in the configuration tree.

use crate::httpd::tree::{self, TreeLines};
use wsgi_directives::{NeighbourDirectives, SourceLocation};

/// Looks for them.
pub fn find() -> NeighbourDirectives {
    let mut found = NeighbourDirectives::default();
    // SAFETY: check_config or post_config, on the parent's only thread.
    walk(unsafe { tree::lines() }, &mut found);
    found
}

fn walk(lines: TreeLines<'_>, found: &mut NeighbourDirectives) {
    for line in lines {
        let place = || SourceLocation { file: line.file().into(), line: line.line(), virtual_host: None };
        found.note(&line.name(), &line.arguments(), place);
        walk(line.children(), found);
    }
}
