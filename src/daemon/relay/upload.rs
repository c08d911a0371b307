//! The request body's way to the daemon: as far as the daemon granted, while its response is read.

use super::{AttemptVerdict, Relay, RelayStep};
use crate::daemon::connection::{FillOutcome, wait};
use crate::daemon::request_body::{ClientInput, PARTS};
use crate::daemon::{DaemonFailure, is_gone};
use crate::httpd::answer::INTERNAL_ERROR;
use crate::httpd::brigade::{AP_FILTER_ERROR, AprStatus};
use crate::messages;
use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::ops::ControlFlow::{Break, Continue};
use std::time::{Duration, Instant};
use wsgi_protocol::conversation::{BodyAction, BodySupply};
use wsgi_protocol::frame::{AbortReason, FromHttpd};

/// Most body bytes in one frame: so much fits into the daemon's socket at once.
const BODY_FRAME: usize = 96 * 1024;

/// The same for the first body of a connection. Later ones go through memory, unless the daemon wants none, and httpd keeps
/// the buffers of a whole frame for each connection of a client.
const FIRST_FRAME: usize = 32 * 1024;

/// The same where they are in memory, and a frame only says so: each wakes the daemon.
const MEMORY_FRAME: usize = 512 * 1024;

/// How long an application whose request body broke off may take to say what it has to say.
const HEARING: Duration = Duration::from_secs(2);

impl Relay<'_, '_> {
    /// A client that owes body bytes may stall as long as the virtual host's Timeout.
    pub(super) fn check_client_pace(&mut self) -> RelayStep {
        if self.body_idle_since.elapsed().as_millis() as u64 >= self.job.r.server_timeout_ms() {
            return Break(self.body_failed(AprStatus(apr_sys::APR_TIMEUP as i32)));
        }
        Continue(())
    }

    /// Sends body bytes as far as credit and client allow; whether there was progress.
    pub(super) fn pump(&mut self) -> RelayStep<bool> {
        self.request_body.invite(self.job.r, self.talk.has_head());
        let supply = match self.request_body.look() {
            ClientInput::Wait => BodySupply::Nothing,
            // As a socket's end.
            ClientInput::End if self.talk.is_tunnel() => return Break(self.tunnel_ends()),
            ClientInput::File => BodySupply::File,
            ClientInput::End => BodySupply::Ended,
            ClientInput::Data => BodySupply::Bytes,
            ClientInput::Failed(status) => return Break(self.body_failed(status)),
        };
        match self.talk.next_body(supply) {
            BodyAction::Wait => return Continue(false),
            BodyAction::SendFile => self.send_file()?,
            BodyAction::SendEnd => {
                self.send(FromHttpd::BodyEnd, 0)?;
                self.connection.has_carried_body = true;
                return Continue(true);
            }
            BodyAction::SendBytes(credit) => {
                let credit = usize::try_from(credit).unwrap_or(usize::MAX);
                let len = match self.connection.body_memory().filter(|_| self.is_body_shared) {
                    Some(memory) => {
                        let (offset, length) = self.request_body.share(memory, credit.min(MEMORY_FRAME));
                        let (offset, length) = (offset as u32, length as u32);
                        self.send(FromHttpd::BodyMemory { offset, length }, 0)?;
                        u64::from(length)
                    }
                    None => {
                        let most = if self.connection.has_carried_body { BODY_FRAME } else { FIRST_FRAME };
                        let len = self.request_body.gather(credit.min(most));
                        self.send(FromHttpd::Body(len as u32), len)?;
                        self.request_body.consume(len);
                        len as u64
                    }
                };
                self.talk.body_sent(len);
            }
        }
        self.body_idle_since = Instant::now();
        Continue(true)
    }

    /// Sends what was buffered in a file, by its descriptor.
    fn send_file(&mut self) -> RelayStep {
        loop {
            let Some(file) = self.request_body.hand_file_over() else { return Continue(()) };
            let frame = FromHttpd::BodyFile(file.len()).encode(self.connection.seq());
            let parts = [IoSlice::new(frame.prefix())];
            match self.connection.send_with_descriptor(&parts, file.reader()) {
                // So few bytes are never taken in part (unix_stream_sendmsg).
                Ok(_) => return Continue(()),
                Err(error) => {
                    if !self.is_tried_again(error)? {
                        return Continue(());
                    }
                }
            }
        }
    }

    /// Nothing of a frame was taken: whether to try again. Otherwise the daemon has closed, and nothing more is sent.
    fn is_tried_again(&mut self, error: io::Error) -> RelayStep<bool> {
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => self.make_room()?,
            _ if is_gone(&error) => {
                // What the daemon said before it closed is still there to be read.
                self.talk.body_refused();
                return Continue(false);
            }
            _ => return Break(self.closed(Some(error))),
        }
        Continue(true)
    }

    /// Tells the daemon that the request is over, as far as that goes at once; whether it went.
    pub(super) fn tell_abort(&mut self, reason: AbortReason) -> bool {
        let frame = FromHttpd::Abort(reason).encode(self.connection.seq());
        let abort = frame.prefix();
        matches!(self.connection.send_some(&[IoSlice::new(abort)]), Ok(sent) if sent == abort.len())
    }

    /// The request is given up, and the daemon told so.
    pub(super) fn give_up(&mut self, reason: AbortReason) {
        self.talk.give_up();
        // The connection is given up either way.
        let _ = self.tell_abort(reason);
    }

    /// Sends a frame, and the first `len` bytes of the request body behind it. While the daemon's side is full,
    /// its own output is read, so that neither waits for the other for ever.
    pub(super) fn send(&mut self, frame: FromHttpd<'_>, len: usize) -> RelayStep {
        let frame = frame.encode(self.connection.seq());
        let head = frame.prefix();
        let total = head.len() + len;
        let mut sent = 0;
        while sent < total {
            let mut parts = std::array::from_fn::<_, { 1 + PARTS }, _>(|_| IoSlice::new(&[]));
            let count = self.request_body.pieces(len, &mut parts[1..]);
            parts[0] = IoSlice::new(head);
            let mut rest = &mut parts[..=count];
            IoSlice::advance_slices(&mut rest, sent);
            match self.connection.send_some(rest) {
                Ok(n) => {
                    sent += n;
                    self.connection.mid_frame = sent < total;
                }
                Err(error) => {
                    if !self.is_tried_again(error)? {
                        return Continue(());
                    }
                }
            }
        }
        Continue(())
    }

    fn make_room(&mut self) -> RelayStep {
        let events = libc::POLLOUT | libc::POLLIN;
        let ready = wait(self.connection.raw(), events, self.job.r.server_timeout_ms());
        let (ready, events) = self.or_closed(ready)?;
        if !ready {
            return Break(self.timed_out());
        }
        if events & libc::POLLIN != 0 {
            match self.fill() {
                Ok(FillOutcome::Some) => self.frames()?,
                Ok(FillOutcome::Again) => {}
                Ok(FillOutcome::Eof) => return Break(self.closed(None)),
                Err(error) => return Break(self.closed(Some(error))),
            }
        }
        Continue(())
    }

    /// The client's side of the body failed: the application is told, the client gets 408 or 500 unless httpd
    /// has answered already (spec/behaviour.md §2.2).
    pub(super) fn body_failed(&mut self, status: AprStatus) -> AttemptVerdict {
        if self.talk.is_tunnel() {
            return self.tunnel_ends();
        }
        let reason = match status {
            s if s.is_timeout() => AbortReason::Timeout,
            s if s.is_answered() => AbortReason::Malformed,
            _ => AbortReason::ClientGone,
        };
        self.give_up(reason);
        self.job.r.close_connection();
        self.hear_out();
        if status.is_answered() {
            return AttemptVerdict::Finished(AP_FILTER_ERROR);
        }
        if self.talk.begun() {
            return self.broken(&status.text());
        }
        if matches!(reason, AbortReason::ClientGone) {
            if !self.talk.has_logged() {
                let (event, text) = messages::client_left(&self.job.script, &status.text());
                self.job.r.log_event(event, &text);
            }
            return AttemptVerdict::Finished(INTERNAL_ERROR);
        }
        let http = if status.is_timeout() { apr_sys::HTTP_REQUEST_TIME_OUT as c_int } else { INTERNAL_ERROR };
        AttemptVerdict::Failed(DaemonFailure { status: http, ..messages::body_failed(&status.text()).into() })
    }

    /// After an abort the application ends with an exception: what it logs belongs to this request. Its response
    /// does not count any more.
    pub(super) fn hear_out(&mut self) {
        let deadline = Instant::now() + HEARING;
        while self.frames().is_continue() {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis() as u64;
            let ready =
                left > 0 && wait(self.connection.raw(), libc::POLLIN, left).is_ok_and(|(ready, _)| ready);
            if !ready || !matches!(self.fill(), Ok(FillOutcome::Some | FillOutcome::Again)) {
                return;
            }
        }
    }
}
