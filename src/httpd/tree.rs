//! httpd's configuration tree: the lines of its files as they were read.

use super::record::Record;
use apr_sys as sys;

/// A line, or a section with what is in it.
#[derive(Clone, Copy)]
pub struct TreeDirective<'t>(Record<'t, sys::ap_directive_t>);

/// The lines of a configuration that has been read.
#[derive(Clone, Copy)]
pub struct ConfigTree<'t>(Option<TreeDirective<'t>>);

impl<'t> ConfigTree<'t> {
    /// That which begins with this line; none is empty.
    pub(super) fn of(first: Option<Record<'t, sys::ap_directive_t>>) -> Self {
        Self(first.map(TreeDirective))
    }

    /// All lines that stand in no section.
    pub fn lines(self) -> TreeLines<'t> {
        TreeLines(self.0)
    }
}

/// Lines in the order of the files.
pub struct TreeLines<'t>(Option<TreeDirective<'t>>);

impl<'t> Iterator for TreeLines<'t> {
    type Item = TreeDirective<'t>;

    fn next(&mut self) -> Option<TreeDirective<'t>> {
        let line = self.0.take()?;
        self.0 = line.0.follow(|line| &line.next).map(TreeDirective);
        Some(line)
    }
}

impl<'t> TreeDirective<'t> {
    /// A line that another record points to.
    pub(super) fn of(record: Record<'t, sys::ap_directive_t>) -> Self {
        Self(record)
    }

    /// Its name.
    pub fn name(self) -> String {
        self.0.text(|line| &line.directive).lossy()
    }

    /// The name, if it is text.
    pub fn known_name(self) -> Option<&'t str> {
        self.0.text(|line| &line.directive).utf8()
    }

    /// Whether it has this name.
    pub fn is_named(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The rest of the line.
    pub fn arguments(self) -> String {
        self.0.text(|line| &line.args).lossy()
    }

    /// Its file.
    pub fn file(self) -> String {
        self.0.text(|line| &line.filename).lossy()
    }

    /// The file, if its name is text.
    pub fn known_file(self) -> Option<&'t str> {
        self.0.text(|line| &line.filename).utf8()
    }

    /// Its line there.
    pub fn line(self) -> u32 {
        self.0.get(|line| line.line_num).max(0).cast_unsigned()
    }

    /// The section that it stands in.
    pub fn parent(self) -> Option<Self> {
        self.0.follow(|line| &line.parent).map(Self)
    }

    /// It, and the sections around it.
    pub fn and_parents(self) -> impl Iterator<Item = Self> {
        self.0.chain(|line| &line.parent).map(Self)
    }

    /// What is in a section.
    pub fn children(self) -> TreeLines<'t> {
        TreeLines(self.0.follow(|line| &line.first_child).map(Self))
    }
}
