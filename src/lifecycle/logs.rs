//! The error logs of a generation, as the supervisor is told of them.

use crate::httpd::origin::{self, LogServers};
use crate::httpd::server::Server;
use std::io::{self, Stderr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use wsgi_protocol::control::LogTarget;

/// The distinct error logs of a generation, by descriptor.
pub struct ErrorLogs {
    /// Descriptors in the order of [`LogTarget::index`].
    pub fds: Vec<BorrowedFd<'static>>,
    /// Some log must be written by httpd.
    pub need_writer: bool,
    main: BorrowedFd<'static>,
}

impl ErrorLogs {
    /// With the log of the main server, which is open.
    pub fn new(main: Server<'static>) -> Self {
        static STANDARD_ERROR: OnceLock<Stderr> = OnceLock::new();
        // Without a file (syslog) the descriptor is httpd's stderr.
        let main = main.error_log_fd().unwrap_or_else(|| STANDARD_ERROR.get_or_init(io::stderr).as_fd());
        Self { fds: vec![main], need_writer: false, main }
    }

    /// The log of a server; `servers` was made from httpd's list.
    pub fn target(&mut self, s: Server<'static>, servers: &LogServers) -> LogTarget {
        let (fd, by_httpd) = (s.error_log_fd().unwrap_or(self.main), origin::needs_httpd(s));
        let known = self.fds.iter().position(|known| known.as_raw_fd() == fd.as_raw_fd());
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
        LogTarget { index: index as u32, level: s.log_level(), server }
    }
}
