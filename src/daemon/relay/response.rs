//! What a daemon's frames say about the response: its head, and files that httpd sends itself.

use super::{AttemptVerdict, Relay, RelayStep, ReplacementAnswer, ResponseBody};
use crate::daemon::files;
use crate::httpd::origin::LogOrigin;
use crate::respond::{self, HeadSource};
use crate::{config, messages};
use std::ffi::c_int;
use std::time::Instant;
use wsgi_protocol::frame::{FrameHeader, FrameKind};
use wsgi_protocol::response::ResponseHead;

/// Most bytes of a head, unless header-buffer-size allows more: a single header may have half of them.
const HEAD: usize = 1024 * 1024;

impl Relay<'_, '_> {
    /// A frame that has to be there as a whole must not be larger than its kind can be, before any of it is read.
    pub(super) fn check_length(&mut self, header: FrameHeader) -> RelayStep {
        let (len, limit) = (header.len as usize, self.longest(header.kind));
        if len <= limit {
            return Ok(());
        }
        if header.kind == FrameKind::Head && matches!(self.body, ResponseBody::Awaited) {
            return Err(AttemptVerdict::Failed(
                messages::head_too_large(&self.group.name, len, limit).into(),
            ));
        }
        Err(self.malformed(&format!("frame {:?} of {len} bytes", header.kind)))
    }

    /// The largest payload of this kind.
    pub(super) fn longest(&self, kind: FrameKind) -> usize {
        kind.max_len(self.group.header_limit.saturating_mul(2).max(HEAD))
    }

    /// Logs what the daemon says in the request's context.
    pub(super) fn log(&self, level: u8, text: &[u8]) {
        let (Some((tid, text)), Some(state)) = (text.split_first_chunk::<4>(), config::state()) else {
            return;
        };
        let origin = LogOrigin { pid: self.process.pid(), tid: u32::from_le_bytes(*tid) };
        // SAFETY: a live request of this thread; httpd escapes control characters itself.
        unsafe { state.log_servers.log_request(self.job.r.raw(), Some(origin), level.min(15), text) };
        let pause = self.group.log_rate.pay(text, Instant::now());
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }

    pub(super) fn head(&mut self, payload: &[u8]) -> RelayStep {
        if !matches!(self.body, ResponseBody::Awaited) {
            return Err(self.malformed(&"a second head"));
        }
        let head = ResponseHead::decode(payload).map_err(|error| {
            AttemptVerdict::Failed(messages::malformed_head(&self.group.name, &error).into())
        })?;
        if head.headers().any(|(name, value)| name.len() + value.len() + 2 > self.group.header_limit) {
            return Err(AttemptVerdict::Failed(messages::header_too_long(&self.group.name).into()));
        }
        let r = self.job.r;
        #[cfg(feature = "fault-injection")]
        crate::handler::inject_fault(r, "relay");
        respond::note_refusal(r, head.status);
        let is_error = (400..600).contains(&head.status);
        if self.job.config.error_override && is_error {
            for (name, value) in head.headers().filter(|(n, _)| n.eq_ignore_ascii_case(b"WWW-Authenticate")) {
                r.err_headers_out().add(r.pool(), name, value);
            }
            self.body = ResponseBody::Discard(ReplacementAnswer::ErrorPage(c_int::from(head.status)));
        } else if respond::is_local_redirect(&head) {
            self.body = ResponseBody::Discard(ReplacementAnswer::Redirect(
                head.last("location").unwrap_or(b"/").to_vec(),
            ));
        } else {
            respond::apply_head(r, &head, HeadSource::Daemon);
            self.announced = respond::body_length(r, &head);
            self.body = ResponseBody::Pass;
        }
        Ok(())
    }

    /// A file the daemon opened for us: httpd sends it itself.
    pub(super) fn file(&mut self, payload: &[u8]) -> RelayStep {
        let fd = self.connection.take_fd();
        let numbers = payload.first_chunk::<8>().zip(payload.last_chunk::<8>());
        let Some(fd) = fd else { return Err(self.malformed(&"FILE without descriptor")) };
        let (Some((offset, length)), 16) = (numbers, payload.len()) else {
            self.connection.refuse(fd);
            return Err(self.malformed(&"FILE without range"));
        };
        let (offset, length) = (u64::from_le_bytes(*offset), u64::from_le_bytes(*length));
        let size = match files::sendable_size(&fd) {
            Ok(size) => size,
            Err(reason) => {
                self.connection.refuse(fd);
                return Err(self.malformed(&reason));
            }
        };
        if matches!(self.body, ResponseBody::Awaited) {
            return Err(self.malformed(&"a file before the head"));
        }
        let length = self.clip(length);
        if !matches!(self.body, ResponseBody::Pass) || self.client_gone || length == 0 {
            return Ok(());
        }
        if length > size.saturating_sub(offset) {
            return Err(self.broken(&"a file of it is shorter than it was"));
        }
        self.out.add_file(fd, offset, length, true);
        self.unflushed += 1;
        self.pass(false);
        self.check_file()
    }

    /// A file that was shorter when it was sent than it had been before: whoever read it got less than was announced.
    pub(super) fn check_file(&mut self) -> RelayStep {
        if self.out.is_cut() {
            Err(self.broken(&"a file of it could not be read to its end"))
        } else {
            Ok(())
        }
    }
}
