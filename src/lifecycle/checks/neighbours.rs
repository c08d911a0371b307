//! Directives of httpd's own modules that ours depend on, found in the configuration tree.

use crate::httpd::tree::{ConfigTree, TreeLines};
use wsgi_directives::{NeighbourDirectives, SourceLocation};

/// Looks for them.
pub fn find(tree: ConfigTree<'_>) -> NeighbourDirectives {
    let mut found = NeighbourDirectives::default();
    walk(tree.lines(), &mut found);
    found
}

fn walk(lines: TreeLines<'_>, found: &mut NeighbourDirectives) {
    for line in lines {
        let place = || SourceLocation { file: line.file().into(), line: line.line(), virtual_host: None };
        found.note(&line.name(), &line.arguments(), place);
        walk(line.children(), found);
    }
}
