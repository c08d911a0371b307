//! The request body's way to the daemon: as far as the daemon granted, while its response is read.

use super::{AttemptVerdict, Relay, RelayStep, ResponseBody};
use crate::daemon::connection::{FillOutcome, wait};
use crate::daemon::request_body::{ClientInput, PARTS};
use crate::daemon::{DaemonFailure, is_gone};
use crate::handler::INTERNAL_ERROR;
use crate::httpd::brigade::{AP_FILTER_ERROR, AprStatus};
use crate::messages;
use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};
use wsgi_protocol::frame::{AbortReason, FrameHeader, FrameKind, HEADER_LEN};

/// Most body bytes in one frame: so much fits into the daemon's socket at once.
const BODY_FRAME: usize = 96 * 1024;

/// How long an application whose request body broke off may take to say what it has to say.
const HEARING: Duration = Duration::from_secs(2);

impl Relay<'_, '_> {
    /// A client that owes body bytes may stall as long as the virtual host's Timeout.
    pub(super) fn check_client_pace(&mut self) -> RelayStep {
        if self.body_idle_since.elapsed().as_millis() as u64 >= self.job.r.server_timeout_ms() {
            return Err(self.body_failed(AprStatus(apr_sys::APR_TIMEUP as i32)));
        }
        Ok(())
    }

    /// Sends body bytes as far as credit and client allow; whether there was progress.
    pub(super) fn pump(&mut self) -> Result<bool, AttemptVerdict> {
        self.request_body.invite(self.job.r, !matches!(self.body, ResponseBody::Awaited));
        match self.request_body.look() {
            ClientInput::Wait => Ok(false),
            ClientInput::File if self.request_body.credit == 0 => Ok(false),
            ClientInput::File => {
                self.send_file()?;
                self.body_idle_since = Instant::now();
                Ok(true)
            }
            ClientInput::Failed(status) => Err(self.body_failed(status)),
            ClientInput::End => {
                self.request_body.told = true;
                let head = FrameHeader::new(FrameKind::BodyEnd, self.connection.seq(), 0).encode();
                self.send(&head, 0)?;
                Ok(true)
            }
            ClientInput::Data => {
                let limit = self.request_body.credit.min(BODY_FRAME as u64) as usize;
                if limit == 0 {
                    return Ok(false);
                }
                let len = self.request_body.gather(limit);
                let head = FrameHeader::new(FrameKind::Body, self.connection.seq(), len).encode();
                self.send(&head, len)?;
                self.request_body.credit -= len as u64;
                self.request_body.consume(len);
                self.body_idle_since = Instant::now();
                Ok(true)
            }
        }
    }

    /// Sends what was buffered in a file, by its descriptor.
    fn send_file(&mut self) -> RelayStep {
        loop {
            let Some(file) = self.request_body.hand_file_over() else { return Ok(()) };
            let head = FrameHeader::new(FrameKind::BodyFile, self.connection.seq(), 8).encode();
            let length = file.len().to_le_bytes();
            let parts = [IoSlice::new(&head), IoSlice::new(&length)];
            match self.connection.send_with_descriptor(&parts, file.reader()) {
                // So few bytes are never taken in part (unix_stream_sendmsg).
                Ok(_) => return Ok(()),
                Err(error) => {
                    if !self.is_tried_again(error)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Nothing of a frame was taken: whether to try again. Otherwise the daemon has closed, and nothing more is sent.
    fn is_tried_again(&mut self, error: io::Error) -> Result<bool, AttemptVerdict> {
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => self.make_room()?,
            _ if is_gone(&error) => {
                // What the daemon said before it closed is still there to be read.
                self.request_body.told = true;
                return Ok(false);
            }
            _ => return Err(self.closed(Some(error))),
        }
        Ok(true)
    }

    /// Tells the daemon that the request is over, as far as that goes at once; whether it went.
    pub(super) fn tell_abort(&mut self, reason: AbortReason) -> bool {
        let head = FrameHeader::new(FrameKind::Abort, self.connection.seq(), 1).encode();
        let abort = [&head[..], &[reason as u8]].concat();
        matches!(self.connection.send_some(&[IoSlice::new(&abort)]), Ok(sent) if sent == abort.len())
    }

    /// Sends a frame whose payload is the first `len` bytes of the request body. While the daemon's side is full,
    /// its own output is read, so that neither waits for the other for ever.
    pub(super) fn send(&mut self, head: &[u8], len: usize) -> RelayStep {
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
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn make_room(&mut self) -> RelayStep {
        let events = libc::POLLOUT | libc::POLLIN;
        let ready = wait(self.connection.raw(), events, self.job.r.server_timeout_ms());
        let (ready, events) = ready.map_err(|e| self.closed(Some(e)))?;
        if !ready {
            return Err(self.timed_out());
        }
        if events & libc::POLLIN != 0 {
            match self.fill() {
                Ok(FillOutcome::Some) => self.frames()?,
                Ok(FillOutcome::Again) => {}
                Ok(FillOutcome::Eof) => return Err(self.closed(None)),
                Err(error) => return Err(self.closed(Some(error))),
            }
        }
        Ok(())
    }

    /// The client's side of the body failed: the application is told, the client gets 408 or 500 unless httpd
    /// has answered already (spec/behaviour.md §2.2).
    pub(super) fn body_failed(&mut self, status: AprStatus) -> AttemptVerdict {
        if self.tunnel.is_some() {
            return self.tunnel_ends();
        }
        let reason = match status {
            s if s.is_timeout() => AbortReason::Timeout,
            s if s.is_answered() => AbortReason::Malformed,
            _ => AbortReason::ClientGone,
        };
        self.request_body.told = true;
        // The connection is given up either way.
        let _ = self.tell_abort(reason);
        self.job.r.close_connection();
        let heard = self.hear_out();
        if status.is_answered() {
            return AttemptVerdict::Finished(AP_FILTER_ERROR);
        }
        if matches!(self.body, ResponseBody::Pass) {
            return self.broken(&status.text());
        }
        if matches!(reason, AbortReason::ClientGone) {
            if !heard {
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
    /// Returns whether it logged anything.
    pub(super) fn hear_out(&mut self) -> bool {
        let mut heard = false;
        if self.data_left > 0 {
            return heard;
        }
        let deadline = Instant::now() + HEARING;
        loop {
            while let Ok(Some(header)) = self.connection.header() {
                if header.len as usize > self.longest(header.kind) {
                    return heard;
                }
                let Some(payload) = self.connection.payload(header) else { break };
                if let (FrameKind::Log, [level, text @ ..]) = (header.kind, payload) {
                    self.log(*level, text);
                    heard = true;
                }
                if matches!(
                    header.kind,
                    FrameKind::End | FrameKind::Aborted | FrameKind::Fail | FrameKind::Refused
                ) {
                    return heard;
                }
                self.connection.consume(HEADER_LEN + header.len as usize);
            }
            let left = deadline.saturating_duration_since(Instant::now()).as_millis() as u64;
            let ready =
                left > 0 && wait(self.connection.raw(), libc::POLLIN, left).is_ok_and(|(ready, _)| ready);
            let need = self.connection.header().ok().flatten().map_or(0, |h| HEADER_LEN + h.len as usize);
            if !ready || !matches!(self.connection.fill(need), Ok(FillOutcome::Some | FillOutcome::Again)) {
                return heard;
            }
        }
    }
}
