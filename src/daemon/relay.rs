//! The exchange of one request with a daemon: request body out and response in at the same time, frame by frame.
//! Every byte from the daemon is checked before it means anything.

mod ending;
mod response;
mod tunnel;
mod upload;
mod watch;

use super::DaemonFailure;
use super::buffer::ReadBuffer;
use super::connection::{DaemonConnection, FillOutcome, wait, wait_all};
use super::pool::InFlight;
use super::request_body::RequestBody;
use crate::generation::runtime::GroupView;
use crate::httpd::answer::HANDLED;
use crate::httpd::block::{self, MemoryBlock};
use crate::httpd::brigade::Brigade;
use crate::httpd::server::now_us;
use crate::httpd::websocket::is_websocket;
use crate::job::RequestJob;
use crate::metrics;
use std::ffi::c_int;
use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::{Duration, Instant};
use wsgi_protocol::conversation::{ConversationRules, FedBytes, RelayConversation, RelayEffect};
use wsgi_protocol::frame::RequestRefusal;
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

/// One step of an attempt: its value, or how the attempt ended.
type RelayStep<T = ()> = ControlFlow<AttemptVerdict, T>;

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
    /// What may come, and what it means.
    talk: RelayConversation,
    /// Bytes that the frame needs which has begun to come.
    needed: usize,
    /// The daemon takes the request body from memory.
    is_body_shared: bool,
    /// The daemon waits to hear whether it gets the client's socket.
    owes_switch: bool,
    /// Bytes given to httpd since the last flush.
    unflushed: usize,
    /// A WebSocket's daemon was last heard at this moment.
    heard_at: Instant,
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
        let rules = ConversationRules {
            header_limit: group.header_limit,
            error_override: job.config.error_override,
            header_only: job.r.is_header_only(),
        };
        let mut talk = RelayConversation::new(rules, connection.seq(), request_body.is_all_sent);
        if is_websocket(job.r) {
            talk.allow_upgrade();
        }
        let now = Instant::now();
        Self {
            job,
            group,
            process,
            started,
            connection,
            request_body,
            out: Brigade::new(job.r),
            talk,
            needed: 0,
            is_body_shared: false,
            owes_switch: false,
            unflushed: 0,
            heard_at: now,
            body_idle_since: now,
        }
    }

    /// Relays until the response has ended.
    pub fn run(mut self, timeout_ms: u64) -> AttemptVerdict {
        let timeout = self.set_client_timeout();
        let mut step = if self.wants_body() { Continue(()) } else { self.await_more(timeout_ms) };
        let verdict = loop {
            match step {
                Continue(()) => step = self.step(timeout_ms),
                Break(verdict) => break verdict,
            }
        };
        self.restore_client_timeout(timeout);
        verdict
    }

    fn step(&mut self, timeout_ms: u64) -> RelayStep {
        if self.talk.is_tunnel() {
            return self.tunnel_step(timeout_ms);
        }
        self.frames()?;
        if self.wants_body() && self.pump()? {
            return Continue(());
        }
        let filled = self.fill();
        self.filled(filled, timeout_ms)
    }

    /// Whether the daemon may get some of the request body.
    fn wants_body(&self) -> bool {
        self.talk.is_body_wanted(self.request_body.has_ended(), self.request_body.has_file())
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
            Ok(FillOutcome::Some) => Continue(()),
            Ok(FillOutcome::Eof) => Break(self.closed(None)),
            Ok(FillOutcome::Again) => self.idle(timeout_ms),
            Err(error) => Break(self.closed(Some(error))),
        }
    }

    /// Reads what the daemon has sent. Large blocks go to memory that httpd takes over.
    fn fill(&mut self) -> io::Result<FillOutcome> {
        let left = self.talk.data_left();
        if left < LARGE || !self.connection.pending().is_empty() {
            // One frame beyond the buffer's size (a huge head) makes it grow.
            return self.connection.fill(self.needed);
        }
        let room = left.min(block::SIZE);
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
        let part = self.talk.take_data(have);
        if part > 0 {
            self.out.add_block(block, part);
            self.unflushed += part;
            self.pass(false);
        }
        Ok(FillOutcome::Some)
    }

    /// Handles all complete frames, and the part of a DATA frame that is there.
    fn frames(&mut self) -> RelayStep {
        let mut buffer = self.connection.take_buffer();
        let step = self.frames_of(&mut buffer);
        self.connection.put_back(buffer);
        // Sending may mean to read on, which has to find what is left in the buffer.
        if step.is_continue() && std::mem::take(&mut self.owes_switch) { self.switch() } else { step }
    }

    fn frames_of(&mut self, buffer: &mut ReadBuffer) -> RelayStep {
        loop {
            if self.connection.is_flooded() {
                return Break(self.malformed(&"more descriptors than may be under way"));
            }
            match self.talk.feed(buffer.pending(), self.connection.has_fds()) {
                Ok(FedBytes::Incomplete { needed }) => {
                    self.needed = needed;
                    self.pass_on();
                    return Continue(());
                }
                Ok(FedBytes::Data { len, part }) => {
                    self.data(&buffer.pending()[..part], len == buffer.pending().len());
                    buffer.consume(len);
                }
                Ok(FedBytes::Frame { len, effect }) => {
                    // Data leaves before what follows it, unless that is more data: httpd must not take a body for whole, and
                    // give it a length, only because its end happened to arrive in the same read (spec/behaviour.md §4.5).
                    let is_more = matches!(effect, RelayEffect::DataFollows);
                    if !is_more || len == buffer.pending().len() {
                        self.pass_on();
                    }
                    let step = self.act(effect);
                    buffer.consume(len);
                    step?;
                }
                Err(violation) => return Break(self.violated(violation)),
            }
        }
    }

    fn pass_on(&mut self) {
        if !self.out.is_empty() {
            self.pass(false);
        }
    }

    /// Response bytes that stand in the connection's buffer; `is_all`: nothing stands behind them.
    fn data(&mut self, bytes: &[u8], is_all: bool) {
        if !bytes.is_empty() {
            // SAFETY: the brigade is passed on before the buffer is used again (below, or in `frames_of`).
            unsafe { self.out.add_transient(bytes) };
            self.unflushed += bytes.len();
        }
        if is_all {
            // Consuming everything may free the buffer, also if these bytes are not for the client.
            self.pass_on();
        }
    }

    /// Does what a frame asks for.
    fn act(&mut self, effect: RelayEffect<'_>) -> RelayStep {
        if self.talk.is_seen() && !self.talk.is_tunnel() {
            metrics::note_stage(if self.talk.has_head() {
                ThreadStage::Response
            } else {
                ThreadStage::Running
            });
        }
        match effect {
            RelayEffect::Nothing | RelayEffect::DataFollows => {}
            RelayEffect::BodyWanted(_) => self.body_idle_since = Instant::now(),
            RelayEffect::Head(head, usage) => self.head(&head, usage),
            RelayEffect::Upgrade(head) => {
                self.process.note_runner(true);
                return self.upgrade(&head);
            }
            RelayEffect::TakeOver(head) => {
                self.process.note_runner(true);
                self.upgrade(&head)?;
                self.owes_switch = true;
            }
            RelayEffect::File { offset, length } => return self.file(offset, length),
            RelayEffect::MemoryOffered => match self.connection.accept_offer() {
                Ok(()) => self.is_body_shared = true,
                Err(reason) => return Break(self.malformed(&reason)),
            },
            RelayEffect::Memory { start, len } => return self.memory(start, len),
            // The head alone may be what a client waits for.
            RelayEffect::Flush => self.pass(true),
            RelayEffect::Log { level, thread, text } => self.log(level, thread, text),
            // Only an event loop says it.
            RelayEffect::Watched => self.process.note_runner(true),
            RelayEffect::GoAway => self.connection.going_away = true,
            RelayEffect::Ended(kind, account) => {
                metrics::note_account(account);
                if let Some(account) = account {
                    self.process.note_runner(account.is_on_loop());
                }
                return Break(self.ended(kind));
            }
        }
        Continue(())
    }

    /// Gives httpd what has been collected.
    fn pass(&mut self, flush: bool) {
        if flush || self.unflushed > self.group.flush_bytes {
            self.out.add_flush();
            self.unflushed = 0;
        }
        if self.out.pass().is_err() {
            // The application is told by the closed connection; the access log keeps its status.
            self.talk.client_left();
        }
    }

    fn flush(&mut self) {
        if self.unflushed > 0 && !self.talk.is_client_gone() {
            self.pass(true);
        }
    }

    /// Nothing to read: flush after a short delay, then wait for daemon, client, or the time limit.
    fn idle(&mut self, timeout_ms: u64) -> RelayStep {
        if self.talk.is_client_gone() {
            return Break(AttemptVerdict::Finished(HANDLED));
        }
        self.connection.rest();
        if self.unflushed > 0 {
            let delay = self.group.flush_delay.as_millis() as u64;
            if self.wait_connection(delay)? {
                return Continue(());
            }
            self.flush();
            if self.talk.is_client_gone() {
                return Break(AttemptVerdict::Finished(HANDLED));
            }
        }
        let mut waited = 0;
        while waited < timeout_ms {
            let slice =
                if self.talk.is_seen() { timeout_ms - waited } else { LOOK_MS.min(timeout_ms - waited) };
            if self.wait_some(slice)? {
                return Continue(());
            }
            waited += slice;
            if self.talk.is_seen() {
                continue;
            }
            // A predecessor that drains may be running it: only an unread request can be given up here.
            if self.connection.is_unread() {
                self.check_queue()?;
            } else {
                metrics::note_stage(ThreadStage::Running);
            }
        }
        Break(self.timed_out())
    }

    /// A request that nobody has read is given up when its process cannot be started, or when it has waited for
    /// queue-timeout: if it is read in this moment, the daemon itself refuses it for that.
    fn check_queue(&self) -> RelayStep {
        let state = self.process.slot().state.load(std::sync::atomic::Ordering::Relaxed);
        if SlotState::from_number(state) == SlotState::Failed {
            return Break(AttemptVerdict::NotStarted);
        }
        let waited = Duration::from_micros(now_us().saturating_sub(self.job.waiting_since()));
        if self.group.queue_timeout.is_some_and(|limit| waited > limit + QUEUE_MARGIN) {
            return Break(AttemptVerdict::Refused(RequestRefusal::QueueTimeout));
        }
        Continue(())
    }

    /// Waits for the daemon, and for the client if the daemon wants more of the body.
    fn wait_some(&mut self, timeout_ms: u64) -> RelayStep<bool> {
        if !self.wants_body() {
            return if self.talk.is_watched() {
                self.wait_watching(timeout_ms)
            } else {
                self.wait_connection(timeout_ms)
            };
        }
        let Some(client) = self.job.r.client_fd() else {
            self.check_client_pace()?;
            let pause = (self.body_idle_since.elapsed().as_millis() as u64).clamp(1, STREAM_MS);
            self.wait_connection(pause)?;
            return Continue(true);
        };
        let mut polled = [
            libc::pollfd { fd: self.connection.raw(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: client, events: libc::POLLIN, revents: 0 },
        ];
        let mut left = self.job.r.server_timeout_ms().min(timeout_ms);
        while left > 0 {
            let slice = left.min(ASK_MS);
            if self.or_closed(wait_all(&mut polled, slice))? {
                return Continue(true);
            }
            left -= slice;
            self.check_client_pace()?;
            if self.pump()? {
                return Continue(true);
            }
        }
        Continue(false)
    }

    fn wait_connection(&mut self, timeout_ms: u64) -> RelayStep<bool> {
        let ready = wait(self.connection.raw(), libc::POLLIN, timeout_ms).map(|(ready, _)| ready);
        self.or_closed(ready)
    }

    /// A failure of the connection ends the attempt.
    fn or_closed<T>(&mut self, result: io::Result<T>) -> RelayStep<T> {
        match result {
            Ok(value) => Continue(value),
            Err(error) => Break(self.closed(Some(error))),
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
