//! A client that goes while an ASGI application waits for that (`http.disconnect`): the daemon asks by WATCH, and is told
//! by ABORT.

use super::{ASK_MS, Relay, RelayStep};
use crate::daemon::connection::{wait, wait_all};
use std::ops::ControlFlow::{Break, Continue};
use wsgi_protocol::frame::AbortReason;

/// Events of a client's socket that mean that nobody is there any more.
pub(super) const GONE: i16 = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR;

impl Relay<'_, '_> {
    /// Waits for the daemon, and for the client to go. True: there is something to do.
    pub(super) fn wait_watching(&mut self, timeout_ms: u64) -> RelayStep<bool> {
        let Some(client) = self.job.r.client_fd() else { return self.wait_stream(timeout_ms) };
        let mut polled = [
            libc::pollfd { fd: self.connection.raw(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: client, events: libc::POLLRDHUP, revents: 0 },
        ];
        let ready = self.or_closed(wait_all(&mut polled, timeout_ms))?;
        if ready && polled[1].revents & GONE != 0 {
            self.tell_gone();
        }
        Continue(ready)
    }

    /// A client without a socket of its own (HTTP/2) is looked at now and then.
    fn wait_stream(&mut self, timeout_ms: u64) -> RelayStep<bool> {
        let mut left = timeout_ms;
        while left > 0 {
            if self.job.r.is_aborted() {
                self.tell_gone();
                return Continue(true);
            }
            let slice = left.min(ASK_MS);
            match wait(self.connection.raw(), libc::POLLIN, slice) {
                Ok((true, _)) => return Continue(true),
                Ok((false, _)) => left -= slice,
                Err(error) => return Break(self.closed(Some(error))),
            }
        }
        Continue(false)
    }

    /// The application decides what that means for its response.
    fn tell_gone(&mut self) {
        self.talk.stop_watching();
        // So little goes as a whole or not at all; a daemon that reads nothing learns it from its next write.
        if !self.tell_abort(AbortReason::ClientGone) {
            self.connection.mid_frame = true;
        }
    }
}
