//! A line of the configuration while httpd has us read it.

use super::pool::Pool;
use super::record::{HttpdText, Record};
use super::server::Server;
use super::tree::TreeDirective;
use apr_sys as sys;
use std::ffi::c_char;

/// The line under way.
#[derive(Clone, Copy)]
pub struct CommandLine<'c>(Record<'c, sys::cmd_parms>);

impl<'c> CommandLine<'c> {
    /// What httpd passes to a directive that is under way, on this thread.
    pub fn of(record: Record<'c, sys::cmd_parms>) -> Self {
        Self(record)
    }

    /// The pool of what the line sets.
    pub fn pool(self) -> Pool<'c> {
        Pool::of(self.0.part(|line| &line.pool))
    }

    /// The server in whose part of the configuration it stands.
    pub fn server(self) -> Server<'c> {
        Server::of(self.0.part(|line| &line.server))
    }

    /// The line in the tree.
    pub fn directive(self) -> TreeDirective<'c> {
        TreeDirective::of(self.0.part(|line| &line.directive))
    }

    /// The directory or location of the section around it.
    pub fn path(self) -> HttpdText<'c> {
        self.0.text(|line| &line.path)
    }

    /// The number of the row of the table of directives.
    pub fn row(self) -> usize {
        // SAFETY: httpd passes a command of this module's table; each holds the number of its row.
        unsafe { (*self.0.get(|line| line.cmd)).cmd_data }.addr()
    }

    /// Whether it stands in a `.htaccess` file: then a request is under way.
    pub fn is_in_htaccess(self) -> bool {
        // SAFETY: a directive under way; no text means that it would be allowed.
        unsafe { !sys::ap_check_cmd_context(self.0.raw(), sys::NOT_IN_HTACCESS).is_null() }
    }

    /// Has httpd read what stands within it: an error text, or null. Directives of this module may be among that.
    pub fn read_section(self) -> *const c_char {
        let directive = self.0.part(|line| &line.directive);
        let first = directive.get(|line| line.first_child);
        // SAFETY: a directive under way, which is a section, with its own context.
        unsafe { sys::ap_walk_config(first, self.0.raw(), self.0.get(|line| line.context)) }
    }
}
