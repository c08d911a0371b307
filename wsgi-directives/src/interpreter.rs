//! Settings of one interpreter: top level, then matching `<WSGIInterpreterOptions>` (spec/directives.md §13).

use crate::config::{GlobalConfig, InterpreterBlock};

/// Whether a process of this group ("" is an httpd child) runs without the GIL; one answer per process, so
/// blocks for an application group do not count.
pub fn resolve_free_threading(global: &GlobalConfig, process_group: &str) -> bool {
    let blocks = blocks_of(global, process_group);
    let of_process = blocks.iter().rev().filter(|block| block.application_group.is_none());
    let chosen = of_process.into_iter().find_map(|block| block.settings.free_threading);
    chosen.or(global.interpreter.free_threading).unwrap_or(false)
}

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
