//! The error logs of a generation, as the supervisor gets them.

use crate::httpd::server;
use apr_sys as sys;
use std::os::fd::RawFd;
use wsgi_protocol::control::LogTarget;

/// The distinct error logs of a generation, by descriptor.
pub(super) struct LogFds {
    pub(super) fds: Vec<RawFd>,
    main: RawFd,
}

impl LogFds {
    /// # Safety
    /// `main` is live.
    pub(super) unsafe fn new(main: *mut sys::server_rec) -> Self {
        // Without a file (syslog) the supervisor's lines go to httpd's stderr.
        // SAFETY: by the contract.
        let main = unsafe { server::error_log_fd(main) }.unwrap_or(libc::STDERR_FILENO);
        Self { fds: vec![main], main }
    }

    /// # Safety
    /// `s` is live.
    pub(super) unsafe fn target(&mut self, s: *mut sys::server_rec) -> LogTarget {
        // SAFETY: by the contract.
        let (fd, level) = unsafe { (server::error_log_fd(s).unwrap_or(self.main), server::log_level(s)) };
        let known = self.fds.iter().position(|f| *f == fd);
        let full = self.fds.len() >= wsgi_protocol::control::MAX_LOG_FDS;
        let index = known.unwrap_or_else(|| {
            if full {
                return 0;
            }
            self.fds.push(fd);
            self.fds.len() - 1
        });
        LogTarget { index: index as u32, level }
    }
}
