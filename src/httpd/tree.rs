//! httpd's configuration tree: the lines of its files as they were read.

use super::bytes;
use apr_sys as sys;
use std::ffi::c_char;
use std::marker::PhantomData;

/// A line, or a section with what is in it.
#[derive(Clone, Copy)]
pub struct TreeDirective<'t> {
    raw: *const sys::ap_directive_t,
    life: PhantomData<&'t sys::ap_directive_t>,
}

/// All lines that stand in no section. Valid while httpd's parent checks and applies its configuration.
///
/// # Safety
/// check_config or post_config, on the parent's only thread: the tree is complete and does not change for `'t`.
pub unsafe fn lines<'t>() -> TreeLines<'t> {
    // SAFETY: by the contract.
    TreeLines(TreeDirective::of(unsafe { sys::ap_conftree }))
}

/// Lines in the order of the files.
pub struct TreeLines<'t>(Option<TreeDirective<'t>>);

impl<'t> Iterator for TreeLines<'t> {
    type Item = TreeDirective<'t>;

    fn next(&mut self) -> Option<TreeDirective<'t>> {
        let line = self.0.take()?;
        self.0 = TreeDirective::of(line.record().next);
        Some(line)
    }
}

impl<'t> TreeDirective<'t> {
    /// `None` for the null pointer, with which lists end.
    fn of(raw: *const sys::ap_directive_t) -> Option<Self> {
        (!raw.is_null()).then_some(Self { raw, life: PhantomData })
    }

    fn record(self) -> &'t sys::ap_directive_t {
        // SAFETY: by the contract of `lines`.
        unsafe { &*self.raw }
    }

    fn text(self, pointer: *const c_char) -> String {
        // SAFETY: names, arguments and files are strings of the configuration, or null.
        String::from_utf8_lossy(unsafe { bytes(pointer) }.unwrap_or_default()).into_owned()
    }

    /// Its name.
    pub fn name(self) -> String {
        self.text(self.record().directive)
    }

    /// Whether it has this name.
    pub fn is_named(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The rest of the line.
    pub fn arguments(self) -> String {
        self.text(self.record().args)
    }

    /// Its file.
    pub fn file(self) -> String {
        self.text(self.record().filename)
    }

    /// Its line there.
    pub fn line(self) -> u32 {
        self.record().line_num.max(0).cast_unsigned()
    }

    /// The section that it stands in.
    pub fn parent(self) -> Option<Self> {
        Self::of(self.record().parent)
    }

    /// What is in a section.
    pub fn children(self) -> TreeLines<'t> {
        TreeLines(Self::of(self.record().first_child))
    }
}
