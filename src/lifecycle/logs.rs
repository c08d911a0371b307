//! The error logs of a generation, as the supervisor is told of them.

use crate::httpd::origin::{self, LogServers};
use crate::httpd::server;
use apr_sys as sys;
use std::os::fd::RawFd;
use wsgi_protocol::control::LogTarget;

/// The distinct error logs of a generation, by descriptor.
pub struct ErrorLogs {
    /// Descriptors in the order of [`LogTarget::index`].
    pub fds: Vec<RawFd>,
    /// Some log must be written by httpd.
    pub need_writer: bool,
    main: RawFd,
}

impl ErrorLogs {
    /// # Safety
    /// `main` is live, and its log is open.
    pub unsafe fn new(main: *mut sys::server_rec) -> Self {
        // Without a file (syslog) the descriptor is httpd's stderr.
        // SAFETY: by the contract.
        let main = unsafe { server::error_log_fd(main) }.unwrap_or(libc::STDERR_FILENO);
        Self { fds: vec![main], need_writer: false, main }
    }

    /// The log of a server.
    ///
    /// # Safety
    /// `s` is live, its log is open, and `servers` was made from httpd's list.
    pub unsafe fn target(&mut self, s: *mut sys::server_rec, servers: &LogServers) -> LogTarget {
        // SAFETY: by the contract.
        let (fd, level, by_httpd) = unsafe {
            (server::error_log_fd(s).unwrap_or(self.main), server::log_level(s), origin::needs_httpd(s))
        };
        let known = self.fds.iter().position(|f| *f == fd);
        let full = self.fds.len() >= wsgi_protocol::control::MAX_LOG_FDS;
        let index = known.unwrap_or_else(|| {
            if full {
                return 0;
            }
            self.fds.push(fd);
            self.fds.len() - 1
        });
        self.need_writer |= by_httpd;
        let server = if by_httpd { servers.position(s) } else { None };
        LogTarget { index: index as u32, level, server }
    }
}
