//! The exchange of one request with a daemon: request body out and response in at the same time, frame by frame.
//! Every byte from the daemon is checked before it means anything.

mod ending;
mod response;
mod tunnel;
mod upload;
mod watch;

pub use tunnel::is_websocket;

use super::DaemonFailure;
use super::connection::{DaemonConnection, FillOutcome, wait, wait_all};
use super::pool::InFlight;
use super::request_body::RequestBody;
use crate::handler::{HANDLED, RequestJob, now_us};
use crate::httpd::block::{self, MemoryBlock};
use crate::httpd::brigade::Brigade;
use crate::lifecycle::runtime::GroupView;
use crate::metrics;
use std::ffi::c_int;
use std::io;
use std::time::{Duration, Instant};
use wsgi_protocol::frame::{FrameHeader, FrameKind, HEADER_LEN, RequestRefusal};
use wsgi_protocol::metrics::ThreadStage;
use wsgi_protocol::status::SlotState;
use wsgi_protocol::yielding::AdaptiveYield;

/// Payload pieces of at least this size are read into memory of their own, which httpd then owns.
const LARGE: usize = 16 * 1024;
/// How often a request that nobody has answered looks whether its process can still be started.
const LOOK_MS: u64 = 200;
/// So much longer than queue-timeout a request waits here, so that a daemon which reads it now finds it overdue as well.
const QUEUE_MARGIN: Duration = Duration::from_millis(20);
/// A client without a socket of its own (HTTP/2) is asked for more body at first after 1 ms, then ever less often,
/// down to once in this many milliseconds.
const STREAM_MS: u64 = 16;

/// How often a silent client's input filters are asked: one that limits the time of a body (mod_reqtimeout) only looks at it
/// when it is asked.
const ASK_MS: u64 = 250;

/// How often a thread looks for the daemon's answer after others had the CPU, before it sleeps.
const LOOKS: u32 = 1;

static YIELDING: AdaptiveYield = AdaptiveYield::new();

/// How an attempt ended.
pub enum AttemptVerdict {
    /// httpd's status; the response is complete or visibly broken.
    Finished(c_int),
    /// Nothing was sent to the client.
    Failed(DaemonFailure),
    /// The daemon did not start it.
    Refused(RequestRefusal),
    /// The daemon never read it.
    NotStarted,
}

/// What to do with the response body.
enum ResponseBody {
    /// No head yet.
    Awaited,
    /// Pass it on.
    Pass,
    /// An error page or an internal redirect takes its place.
    Discard(ReplacementAnswer),
}

/// What is answered instead of the application's body.
enum ReplacementAnswer {
    /// httpd's own page for this status (WSGIErrorOverride).
    ErrorPage(c_int),
    /// The local URL of the kept head.
    Redirect(Vec<u8>),
}

type RelayStep = Result<(), AttemptVerdict>;

/// One attempt.
pub struct Relay<'a, 'r> {
    job: &'a RequestJob<'r>,
    group: &'a GroupView,
    process: &'a InFlight,
    /// When the first attempt began.
    started: Instant,
    connection: &'a mut DaemonConnection,
    request_body: &'a mut RequestBody<'r>,
    out: Brigade<'r>,
    body: ResponseBody,
    /// The daemon has sent anything that proves it has read the request.
    seen: bool,
    /// Bytes of the current DATA frame that are still to come.
    data_left: usize,
    /// What is left of the announced Content-Length; more does not reach the client, less is a broken response.
    announced: Option<u64>,
    /// Bytes given to httpd since the last flush.
    unflushed: usize,
    /// The client does not take any more.
    client_gone: bool,
    /// The daemon wants to know when the client goes.
    watched: bool,
    /// It has become a WebSocket, and the daemon was last heard at this moment.
    tunnel: Option<Instant>,
    body_idle_since: Instant,
}

impl<'a, 'r> Relay<'a, 'r> {
    /// Begins after the request has been sent.
    pub fn new(
        job: &'a RequestJob<'r>,
        group: &'a GroupView,
        (process, started): (&'a InFlight, Instant),
        connection: &'a mut DaemonConnection,
        request_body: &'a mut RequestBody<'r>,
    ) -> Self {
        Self {
            job,
            group,
            process,
            started,
            connection,
            request_body,
            out: Brigade::new(job.r),
            body: ResponseBody::Awaited,
            seen: false,
            data_left: 0,
            announced: None,
            unflushed: 0,
            client_gone: false,
            watched: false,
            tunnel: None,
            body_idle_since: Instant::now(),
        }
    }

    /// Relays until the response has ended.
    pub fn run(mut self, timeout_ms: u64) -> AttemptVerdict {
        let timeout = self.set_client_timeout();
        let mut step = if self.request_body.is_wanted() { Ok(()) } else { self.await_more(timeout_ms) };
        let verdict = loop {
            match step {
                Ok(()) => step = self.step(timeout_ms),
                Err(verdict) => break verdict,
            }
        };
        self.restore_client_timeout(timeout);
        verdict
    }

    fn step(&mut self, timeout_ms: u64) -> RelayStep {
        if self.tunnel.is_some() {
            return self.tunnel_step(timeout_ms);
        }
        self.frames()?;
        if self.request_body.is_wanted() && self.pump()? {
            return Ok(());
        }
        let filled = self.fill();
        self.filled(filled, timeout_ms)
    }

    /// Nothing is there yet: others may run, and then perhaps something is.
    fn await_more(&mut self, timeout_ms: u64) -> RelayStep {
        let filled = YIELDING.let_pass(LOOKS, || match self.fill() {
            Ok(FillOutcome::Again) => None,
            filled => Some(filled),
        });
        self.filled(filled.unwrap_or(Ok(FillOutcome::Again)), timeout_ms)
    }

    fn filled(&mut self, filled: io::Result<FillOutcome>, timeout_ms: u64) -> RelayStep {
        match filled {
            Ok(FillOutcome::Some) => Ok(()),
            Ok(FillOutcome::Eof) => Err(self.closed(None)),
            Ok(FillOutcome::Again) => self.idle(timeout_ms),
            Err(error) => Err(self.closed(Some(error))),
        }
    }

    /// Reads what the daemon has sent. Large blocks go to memory that httpd takes over.
    fn fill(&mut self) -> io::Result<FillOutcome> {
        if self.data_left < LARGE || !self.connection.pending().is_empty() {
            // One frame beyond the buffer's size (a huge head) makes it grow.
            let need = self
                .connection
                .header()
                .ok()
                .flatten()
                .map_or(0, |h| if h.kind == FrameKind::Data { 0 } else { HEADER_LEN + h.len as usize });
            return self.connection.fill(need);
        }
        let room = self.data_left.min(block::SIZE);
        let Some(mut block) = MemoryBlock::take() else { return Err(io::ErrorKind::OutOfMemory.into()) };
        let mut have = 0;
        let ended = loop {
            match self.connection.receive(&mut block[have..room]) {
                Ok(Some(0)) => break Ok(FillOutcome::Eof),
                Ok(Some(n)) => have += n,
                Ok(None) => break Ok(FillOutcome::Again),
                Err(error) => break Err(error),
            }
            if have == room {
                break Ok(FillOutcome::Some);
            }
        };
        if have == 0 {
            return ended;
        }
        self.data_left -= have;
        let part = self.clip(have as u64) as usize;
        if matches!(self.body, ResponseBody::Pass) && !self.client_gone && part > 0 {
            self.out.add_block(block, part);
            self.unflushed += part;
            self.pass(false);
        }
        Ok(FillOutcome::Some)
    }

    /// Handles all complete frames, and the part of a DATA frame that is there.
    fn frames(&mut self) -> RelayStep {
        loop {
            if self.connection.is_flooded() {
                return Err(self.malformed(&"more descriptors than may be under way"));
            }
            if self.data_left > 0 {
                let have = self.connection.pending().len().min(self.data_left);
                if have == 0 {
                    return self.pass_step();
                }
                self.data(have);
                continue;
            }
            let header = match self.connection.header() {
                Ok(Some(header)) => header,
                Ok(None) => return self.pass_step(),
                Err(error) => return Err(self.malformed(&error)),
            };
            if header.kind.is_from_httpd() {
                return Err(self.malformed(&format!("frame {:?} in the wrong direction", header.kind)));
            }
            if header.seq != self.connection.seq()
                && !matches!(header.kind, FrameKind::GoAway | FrameKind::Refused)
            {
                return Err(self.malformed(&format!("frame {:?} of another request", header.kind)));
            }
            if header.kind == FrameKind::Data {
                if !matches!(self.body, ResponseBody::Pass | ResponseBody::Discard(_)) {
                    return Err(self.malformed(&"data before the head"));
                }
                self.connection.consume(HEADER_LEN);
                self.data_left = header.len as usize;
                continue;
            }
            self.check_length(header)?;
            let len = HEADER_LEN + header.len as usize;
            if self.connection.pending().len() < len {
                return self.pass_step();
            }
            // Data leaves before what follows it: httpd must not take a body for whole, and give it a length,
            // only because its end happened to arrive in the same read (spec/behaviour.md §4.5).
            self.pass_step()?;
            let mut buffer = self.connection.take_buffer();
            let step = self.frame(header, &buffer.pending()[HEADER_LEN..len]);
            buffer.consume(len);
            self.connection.put_back(buffer);
            step?;
        }
    }

    fn pass_step(&mut self) -> RelayStep {
        if !self.out.is_empty() {
            self.pass(false);
        }
        Ok(())
    }

    /// Response bytes that stand in the connection's buffer.
    fn data(&mut self, have: usize) {
        let part = self.clip(have as u64) as usize;
        if matches!(self.body, ResponseBody::Pass) && !self.client_gone && part > 0 {
            let bytes = &self.connection.pending()[..part];
            // SAFETY: the brigade is passed on before the buffer is used again (below, or in `pass_step`).
            unsafe { self.out.add_transient(bytes) };
            self.unflushed += part;
            if have == self.connection.pending().len() {
                // Consuming everything resets the buffer.
                self.pass(false);
            }
        }
        self.connection.consume(have);
        self.data_left -= have;
    }

    /// As many of `len` body bytes as the announced length still allows.
    fn clip(&mut self, len: u64) -> u64 {
        match &mut self.announced {
            Some(left) => {
                let part = len.min(*left);
                *left -= part;
                part
            }
            None => len,
        }
    }

    fn frame(&mut self, header: FrameHeader, payload: &[u8]) -> RelayStep {
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
        if !matches!(header.kind, FrameKind::Refused | FrameKind::GoAway | FrameKind::Log) {
            self.seen = true;
            if self.tunnel.is_none() {
                metrics::note_stage(if header.kind == FrameKind::Head {
                    ThreadStage::Response
                } else {
                    ThreadStage::Running
                });
            }
        }
        let (payload, on_loop) = metrics::take_account(header.kind, payload);
        // These two are said of ASGI applications only.
        let on_loop =
            matches!(header.kind, FrameKind::Watch | FrameKind::Upgrade).then_some(true).or(on_loop);
        if let Some(on_loop) = on_loop {
            self.process.note_runner(on_loop);
        }
        let is_last =
            matches!(header.kind, FrameKind::End | FrameKind::Aborted | FrameKind::Fail | FrameKind::Refused);
        if is_last && self.connection.has_fds() {
            return Err(self.malformed(&"a descriptor without FILE"));
        }
        match (header.kind, payload) {
            (FrameKind::WantBody, bytes) => match number(bytes) {
                Some(credit) => {
                    self.request_body.credit += u64::from(credit);
                    self.body_idle_since = Instant::now();
                    Ok(())
                }
                None => Err(self.malformed(&"length of WANT_BODY")),
            },
            (FrameKind::Head, bytes) => self.head(bytes),
            (FrameKind::Upgrade, bytes) => self.upgrade(bytes),
            (FrameKind::File, bytes) => self.file(bytes),
            (FrameKind::Flush, []) => {
                // The head alone may be what a client waits for.
                if matches!(self.body, ResponseBody::Pass) && !self.client_gone {
                    self.pass(true);
                }
                Ok(())
            }
            (FrameKind::Log, [level, text @ ..]) => {
                self.log(*level, text);
                Ok(())
            }
            (FrameKind::End, []) => Err(self.end()),
            (FrameKind::Aborted, []) => Err(self.aborted()),
            (FrameKind::Fail, &[low, high]) => Err(self.fail(u16::from_le_bytes([low, high]))),
            (FrameKind::Refused, &[byte]) => match RequestRefusal::from_byte(byte) {
                Some(refusal) if !self.seen => Err(AttemptVerdict::Refused(refusal)),
                _ => Err(self.malformed(&"refusal out of turn")),
            },
            (FrameKind::Watch, []) => {
                self.watched = self.request_body.told;
                Ok(())
            }
            (FrameKind::GoAway, []) => {
                self.connection.going_away = true;
                Ok(())
            }
            _ => Err(self.malformed(&format!("frame {:?} of {} bytes", header.kind, payload.len()))),
        }
    }

    /// Gives httpd what has been collected.
    fn pass(&mut self, flush: bool) {
        if flush || self.unflushed > self.group.flush_bytes {
            self.out.add_flush();
            self.unflushed = 0;
        }
        if self.out.pass().is_err() {
            // The application is told by the closed connection; the access log keeps its status.
            self.client_gone = true;
        }
    }

    fn flush(&mut self) {
        if self.unflushed > 0 && !self.client_gone {
            self.pass(true);
        }
    }

    /// Nothing to read: flush after a short delay, then wait for daemon, client, or the time limit.
    fn idle(&mut self, timeout_ms: u64) -> RelayStep {
        if self.client_gone {
            return Err(AttemptVerdict::Finished(HANDLED));
        }
        self.connection.rest();
        if self.unflushed > 0 {
            let delay = self.group.flush_delay.as_millis() as u64;
            if self.wait_connection(delay)? {
                return Ok(());
            }
            self.flush();
            if self.client_gone {
                return Err(AttemptVerdict::Finished(HANDLED));
            }
        }
        let mut waited = 0;
        while waited < timeout_ms {
            let slice = if self.seen { timeout_ms - waited } else { LOOK_MS.min(timeout_ms - waited) };
            if self.wait_some(slice)? {
                return Ok(());
            }
            waited += slice;
            if self.seen {
                continue;
            }
            // A predecessor that drains may be running it: only an unread request can be given up here.
            if self.connection.is_unread() {
                self.check_queue()?;
            } else {
                metrics::note_stage(ThreadStage::Running);
            }
        }
        Err(self.timed_out())
    }

    /// A request that nobody has read is given up when its process cannot be started, or when it has waited for
    /// queue-timeout: if it is read in this moment, the daemon itself refuses it for that.
    fn check_queue(&self) -> RelayStep {
        let state = self.process.slot().state.load(std::sync::atomic::Ordering::Relaxed);
        if SlotState::from_u32(state) == SlotState::Failed {
            return Err(AttemptVerdict::NotStarted);
        }
        let waited = Duration::from_micros(now_us().saturating_sub(self.job.waiting_since()));
        if self.group.queue_timeout.is_some_and(|limit| waited > limit + QUEUE_MARGIN) {
            return Err(AttemptVerdict::Refused(RequestRefusal::QueueTimeout));
        }
        Ok(())
    }

    /// Waits for the daemon, and for the client if the daemon wants more of the body.
    fn wait_some(&mut self, timeout_ms: u64) -> Result<bool, AttemptVerdict> {
        if !self.request_body.is_wanted() {
            return if self.watched {
                self.wait_watching(timeout_ms)
            } else {
                self.wait_connection(timeout_ms)
            };
        }
        let Some(client) = self.job.r.client_fd() else {
            self.check_client_pace()?;
            let pause = (self.body_idle_since.elapsed().as_millis() as u64).clamp(1, STREAM_MS);
            self.wait_connection(pause)?;
            return Ok(true);
        };
        let mut polled = [
            libc::pollfd { fd: self.connection.raw(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: client, events: libc::POLLIN, revents: 0 },
        ];
        let mut left = self.job.r.server_timeout_ms().min(timeout_ms);
        while left > 0 {
            let slice = left.min(ASK_MS);
            if wait_all(&mut polled, slice).map_err(|e| self.closed(Some(e)))? {
                return Ok(true);
            }
            left -= slice;
            self.check_client_pace()?;
            if self.pump()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wait_connection(&mut self, timeout_ms: u64) -> Result<bool, AttemptVerdict> {
        match wait(self.connection.raw(), libc::POLLIN, timeout_ms) {
            Ok((ready, _)) => Ok(ready),
            Err(error) => Err(self.closed(Some(error))),
        }
    }

    /// `response-socket-timeout` while the response is relayed; gives back what was set before.
    fn set_client_timeout(&self) -> Option<i64> {
        let limit = self.group.response_timeout?;
        self.job.r.swap_client_timeout(limit.as_micros() as i64)
    }

    fn restore_client_timeout(&self, before: Option<i64>) {
        if let Some(before) = before {
            self.job.r.swap_client_timeout(before);
        }
    }
}
