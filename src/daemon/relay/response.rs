//! What a daemon's frames say about the response: its head, and files that httpd sends itself.

use super::{Relay, RelayStep};
use crate::config;
use crate::daemon::files;
use crate::httpd::origin::LogOrigin;
use crate::respond::{self, HeadSource};
use std::ops::ControlFlow::{Break, Continue};
use std::time::Instant;
use wsgi_protocol::conversation::HeadUse;
use wsgi_protocol::response::ResponseHead;

impl Relay<'_, '_> {
    /// Logs what the daemon says in the request's context.
    pub(super) fn log(&self, level: u8, tid: u32, text: &[u8]) {
        let Some(state) = config::state() else { return };
        let origin = LogOrigin { pid: self.process.pid(), tid };
        // httpd escapes control characters itself.
        state.log_servers.log_request(self.job.r, Some(origin), level.min(15), text);
        let pause = self.group.log_rate.pay(text, Instant::now());
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }

    /// The application's head: the client gets it, or something else.
    pub(super) fn head(&mut self, head: &ResponseHead<'_>, usage: HeadUse) {
        let r = self.job.r;
        #[cfg(feature = "fault-injection")]
        crate::job::inject_fault(r, "relay");
        respond::note_refusal(r, head.status);
        match usage {
            HeadUse::Pass => respond::apply_head(r, head, HeadSource::Daemon),
            HeadUse::ErrorPage(_) => {
                let is_asking = |(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(b"WWW-Authenticate");
                for (name, value) in head.headers().filter(is_asking) {
                    r.err_headers_out().add(r.pool(), name, value);
                }
            }
            HeadUse::Redirect => {}
        }
    }

    /// A file the daemon opened for us: httpd sends it itself.
    pub(super) fn file(&mut self, offset: u64, length: u64) -> RelayStep {
        let Some(fd) = self.connection.take_fd() else {
            return Break(self.malformed(&"FILE without descriptor"));
        };
        let size = match files::sendable_size(&fd) {
            Ok(size) => size,
            Err(reason) => {
                self.connection.refuse(fd);
                return Break(self.malformed(&reason));
            }
        };
        if length == 0 {
            return Continue(());
        }
        if length > size.saturating_sub(offset) {
            return Break(self.broken(&"a file of it is shorter than it was"));
        }
        self.out.add_file(fd, offset, length, true);
        self.unflushed += 1;
        self.pass(false);
        self.check_file()
    }

    /// A part of the response that the daemon has left in memory.
    pub(super) fn memory(&mut self, mut start: usize, len: usize) -> RelayStep {
        let memory = match self.connection.memory() {
            Ok(memory) => memory,
            Err(reason) => return Break(self.malformed(&reason)),
        };
        let end = start + len;
        while start < end && !self.talk.is_client_gone() {
            let have = self.out.add_memory(&memory, start, end - start);
            if have == 0 {
                return Break(self.broken(&"no memory for a part of it"));
            }
            start += have;
            self.unflushed += have;
            self.pass(false);
        }
        Continue(())
    }

    /// A file that was shorter when it was sent than it had been before: whoever read it got less than was announced.
    pub(super) fn check_file(&mut self) -> RelayStep {
        if self.out.is_cut() {
            Break(self.broken(&"a file of it could not be read to its end"))
        } else {
            Continue(())
        }
    }
}
