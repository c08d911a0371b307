//! Settings of one interpreter: top level, then matching `<WSGIInterpreterOptions>` (spec/directives.md §13).

use crate::config::{GlobalConfig, InterpreterBlock};

/// The blocks for a process group ("" is an httpd child) from low to high specificity, file order within equal:
/// whoever applies them in this order, for its application group, ends with the most specific, latest value.
pub fn blocks_of<'a>(global: &'a GlobalConfig, process_group: &str) -> Vec<&'a InterpreterBlock> {
    let matches = |block: &&InterpreterBlock| {
        block.process_group.as_deref().is_none_or(|wanted| wanted == process_group)
    };
    let mut blocks: Vec<_> = global.blocks.iter().filter(matches).collect();
    blocks.sort_by_key(|block| {
        usize::from(block.process_group.is_some()) + usize::from(block.application_group.is_some())
    });
    blocks
}

#[cfg(test)]
mod tests;
