//! Counting requests: what one thread notes while it has a request, and adds to its block at the end. A note costs a few
//! stores; clocks are read twice per request, without a system call.

use crate::generation::metrics::{block, now};
use crate::httpd::answer::HANDLED;
use crate::httpd::request::Request;
use crate::httpd::tree::ConfigTree;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use wsgi_protocol::events;
use wsgi_protocol::metrics::{
    MetricsBlock, OUTCOMES, RequestAccount, RequestOutcome, RequestPhase, RequestSample, ThreadStage,
};

/// What is known of the request that the thread has.
#[derive(Clone, Copy)]
struct RequestNotes {
    block: Option<&'static MetricsBlock>,
    /// When it was last sent to a process, and to which.
    sent: u64,
    pid: u32,
    account: Option<RequestAccount>,
    outcome: Option<RequestOutcome>,
    /// The client can see that something is missing.
    is_broken: bool,
    is_websocket: bool,
    /// Body bytes from the client.
    input: u64,
}

const NOTHING: RequestNotes = RequestNotes {
    block: None,
    sent: 0,
    pid: 0,
    account: None,
    outcome: None,
    is_broken: false,
    is_websocket: false,
    input: 0,
};

thread_local! {
    static NOTES: Cell<RequestNotes> = const { Cell::new(NOTHING) };
}

fn note(change: impl FnOnce(&mut RequestNotes)) {
    let mut notes = NOTES.get();
    change(&mut notes);
    NOTES.set(notes);
}

/// A request that is being counted. An internal redirect may begin another one inside of it.
pub struct RequestRecording<'r> {
    r: Request<'r>,
    began: u64,
    status: c_int,
    outer: RequestNotes,
}

impl<'r> RequestRecording<'r> {
    /// A request for a group begins; `None`: the group is not counted.
    pub fn begin(r: Request<'r>, group: Option<usize>) -> Option<Self> {
        let block = block(group?)?;
        let began = now();
        if !block.is_shared() {
            block.begin(began, r.method(), r.uri());
        }
        let outer = NOTES.replace(RequestNotes { block: Some(block), sent: began, ..NOTHING });
        Some(Self { r, began, status: crate::httpd::answer::INTERNAL_ERROR, outer })
    }

    /// It ends with this answer of the handler.
    pub fn end(mut self, status: c_int) {
        self.status = status;
    }

    fn sample(&self, notes: &RequestNotes) -> RequestSample {
        let ended = now();
        let times = notes.account.map(|account| account.judged(notes.sent, ended));
        let status = match self.status {
            _ if notes.is_broken => 500,
            status if status == HANDLED || status < 0 => self.r.status(),
            status => status as u16,
        };
        let gone = if self.r.is_aborted() { RequestOutcome::ClientGone } else { RequestOutcome::Ok };
        let total = ended.saturating_sub(self.began);
        let is_measured = !notes.is_websocket;
        RequestSample {
            status,
            outcome: notes.outcome.unwrap_or(gone),
            bytes: (notes.input, self.r.bytes_sent()),
            cpu_ns: times.map_or(0, |times| times.cpu),
            phases: [
                is_measured.then_some(total),
                times.map(|times| times.queue),
                times.map(|times| times.application).filter(|_| is_measured),
                times.and_then(|times| times.gil),
            ],
        }
    }
}

impl Drop for RequestRecording<'_> {
    fn drop(&mut self) {
        let notes = NOTES.replace(self.outer);
        if let Some(block) = notes.block {
            let sample = self.sample(&notes);
            block.count(&sample);
            tell(self.r, &notes, &sample);
            block.rest();
            // A block has room for one request: the outer one is shown again when its own thread says something.
        }
    }
}

/// What access logs can show, as `%{NAME}n` and `%{NAME}e`.
const SHOWN: [&CStr; 6] =
    [c"WSGI_QUEUE_US", c"WSGI_APP_US", c"WSGI_GIL_US", c"WSGI_CPU_US", c"WSGI_PID", c"WSGI_OUTCOME"];
/// Position of the CPU time there.
const CPU: usize = 3;

/// Which of [`SHOWN`] the configuration names, a bit each.
static WANTED: AtomicU32 = AtomicU32::new(0);

/// In post_config: looks for what access logs want to show, so that nothing is done for what they do not.
pub fn find_wanted(tree: ConfigTree<'_>) {
    let is_wanted = |name: &CStr| name.to_str().is_ok_and(|name| crate::status::asks_for(tree, name));
    let wanted = SHOWN.iter().enumerate().filter(|(_, name)| is_wanted(name));
    WANTED.store(wanted.fold(0, |bits, (at, _)| bits | 1 << at), Relaxed);
}

/// Whether the CPU time of requests is to be measured.
pub fn wants_cpu() -> bool {
    WANTED.load(Relaxed) & 1 << CPU != 0
}

fn tell(r: Request<'_>, notes: &RequestNotes, sample: &RequestSample) {
    let wanted = WANTED.load(Relaxed);
    if wanted == 0 {
        return;
    }
    let us = |phase: RequestPhase| sample.phases[phase as usize].map(|ns| (ns / 1000).to_string());
    let cpu = || notes.account.map(|_| (sample.cpu_ns / 1000).to_string());
    let pid = || Some(notes.pid).filter(|pid| *pid != 0).map(|pid| pid.to_string());
    let outcome = || OUTCOMES.iter().find(|row| row.0 == sample.outcome).map(|row| row.1.to_owned());
    for (at, name) in SHOWN.into_iter().enumerate().filter(|(at, _)| wanted & 1 << at != 0) {
        let value = match at {
            0 => us(RequestPhase::Queue),
            1 => us(RequestPhase::Application),
            2 => us(RequestPhase::Gil),
            CPU => cpu(),
            4 => pid(),
            _ => outcome(),
        };
        if let Some(value) = value {
            r.notes().set(r.pool(), name, value.as_bytes());
            r.subprocess_env().set(r.pool(), name, value.as_bytes());
        }
    }
}

/// The request was sent to a process.
pub fn note_sent(slot: usize, pid: u32) {
    note(|notes| {
        notes.sent = now();
        notes.pid = pid;
        if let Some(block) = notes.block {
            block.sent_to(slot);
        }
    });
}

/// It has come as far as this.
pub fn note_stage(stage: ThreadStage) {
    if let Some(block) = NOTES.get().block {
        block.advance(stage);
    }
}

/// Its client's connection has become a WebSocket.
pub fn note_websocket() {
    note(|notes| notes.is_websocket = true);
    note_stage(ThreadStage::WebSocket);
}

/// So many bytes of its body came from the client.
pub fn note_input(bytes: usize) {
    note(|notes| notes.input += bytes as u64);
}

/// Its response breaks off.
pub fn note_broken() {
    note(|notes| notes.is_broken = true);
}

/// How it ended, unless that is known already.
pub fn note_outcome(outcome: RequestOutcome) {
    note(|notes| _ = notes.outcome.get_or_insert(outcome));
}

/// The same by the number of the event that was logged about it.
pub fn note_event(number: u16) {
    let rows = [
        (&events::QUEUE_TIMEOUT, RequestOutcome::QueueTimeout),
        (&events::QUEUE_FULL, RequestOutcome::ConnectTimeout),
        (&events::GROUP_UNAVAILABLE, RequestOutcome::Unavailable),
        (&events::NO_SOCKET, RequestOutcome::Unavailable),
        (&events::RESTARTS_EXHAUSTED, RequestOutcome::Restarting),
        (&events::RESPONSE_TIMEOUT, RequestOutcome::ResponseTimeout),
        (&events::RESPONSE_MISSING, RequestOutcome::ProcessLost),
        (&events::RESPONSE_FAILED, RequestOutcome::ProcessLost),
        (&events::RESPONSE_BROKEN, RequestOutcome::ProcessLost),
        (&events::REQUEST_NOT_SENT, RequestOutcome::ProcessLost),
        (&events::HEADER_TOO_LONG, RequestOutcome::BadResponse),
        (&events::MALFORMED_HEAD, RequestOutcome::BadResponse),
        (&events::PROTOCOL_BROKEN, RequestOutcome::BadResponse),
    ];
    let known = rows.iter().find(|(event, _)| event.number == number);
    note_outcome(known.map_or(RequestOutcome::Rejected, |row| row.1));
}

/// What a daemon tells of the request's times, with the frame that ends it.
pub fn note_account(account: Option<RequestAccount>) {
    if account.is_some() {
        note(|notes| notes.account = account);
    }
}

/// An embedded application ran from `began` until now, and waited for the GIL for no time that is known.
pub fn note_embedded(began: u64) {
    let account = RequestAccount { began, ended: now(), gil: 0, cpu: 0 };
    note(|notes| {
        notes.sent = began;
        notes.pid = crate::child::child_pid();
        notes.account = Some(account);
    });
}

/// The clock of all these.
pub fn clock() -> u64 {
    now()
}
