//! Daemon mode, httpd's side: choose a process, hand the request over, and start again elsewhere as long as no
//! application code has seen it (decisions.md, "A request that no application has seen may be sent again").

mod body_memory;
mod buffer;
mod connect;
mod connection;
pub mod descriptors;
mod files;
pub mod log_rate;
mod ownership;
mod parcel;
pub mod pool;
#[allow(unsafe_code)]
mod relay;
mod request_body;

use crate::buffered::{self, BufferedBody};
use crate::config::ConfigState;
use crate::generation::runtime::{ChildRuntime, GroupView};
use crate::httpd::answer::INTERNAL_ERROR;
use crate::httpd::server::now_us;
use crate::job::RequestJob;
use crate::{messages, metrics, respond};

use connect::ConnectError;
use connection::DaemonConnection;
use pool::InFlight;
use relay::{AttemptVerdict, Relay};
use request_body::RequestBody;
use std::ffi::c_int;
use std::time::{Duration, Instant};
use wsgi_directives::DaemonGroup;
use wsgi_protocol::events::{self, LogEvent};
use wsgi_protocol::frame::RequestRefusal;
use wsgi_protocol::outgoing::{AttemptStamp, BodyRest, RequestFrames};

/// Pause between attempts, once there have been more than can have an orderly reason.
const BREATHER: Duration = Duration::from_millis(5);

/// A status for httpd and the line that explains it.
struct DaemonFailure {
    status: c_int,
    event: &'static LogEvent,
    text: String,
    /// No application code has seen the request: it can be sent again, here or elsewhere.
    is_unseen: bool,
}

/// Events that say that a request has not been handed to an application.
const UNSEEN: [&LogEvent; 4] =
    [&events::GROUP_UNAVAILABLE, &events::QUEUE_FULL, &events::QUEUE_TIMEOUT, &events::RESTARTS_EXHAUSTED];

impl From<messages::EventLine> for DaemonFailure {
    /// The status of the error map.
    fn from((event, text): messages::EventLine) -> Self {
        let is_unseen = UNSEEN.iter().any(|known| known.number == event.number);
        Self { status: c_int::from(event.status()), event, text, is_unseen }
    }
}

impl DaemonFailure {
    /// Logs it; httpd's status.
    fn tell(self, job: &RequestJob<'_>) -> c_int {
        metrics::note_event(self.event.number);
        job.fail(self.event, &self.text);
        // Where another request leads here, its application may have run.
        if self.is_unseen && job.r.is_main() {
            respond::invite_again(job.r);
        }
        self.status
    }
}

/// Runs a request in a daemon group.
pub fn run(
    job: &mut RequestJob<'_>,
    state: &ConfigState,
    chosen: &DaemonGroup,
    application: &[u8],
    callable: &[u8],
) -> c_int {
    let Some(runtime) = state.runtime.as_ref() else { return INTERNAL_ERROR };
    let Some(group) = runtime.group(&chosen.name) else { return INTERNAL_ERROR };
    let recording = metrics::RequestRecording::begin(job.r, group.metrics);
    let ready = ownership::check(job, chosen).and_then(|()| check_group(group));
    let status = match ready {
        Ok(()) => match buffered::receive(job) {
            Ok(body) => send(job, runtime, group, (application, callable), body),
            Err(status) => status,
        },
        Err(failure) => failure.tell(job),
    };
    if let Some(recording) = recording {
        recording.end(status);
    }
    status
}

/// Groups that cannot serve are known without trying.
fn check_group(group: &GroupView) -> Result<(), DaemonFailure> {
    let name = &group.name;
    if let Some(reason) = &group.failed {
        return Err(messages::group_unavailable(name, reason).into());
    }
    if group.concurrency.threads == 0 {
        return Err(messages::group_is_service(name).into());
    }
    Ok(())
}

/// The request is sent to a process, with what was received of its body.
fn send<'r>(
    job: &RequestJob<'r>,
    runtime: &ChildRuntime,
    group: &GroupView,
    (application, callable): (&[u8], &[u8]),
    body: Option<BufferedBody<'r>>,
) -> c_int {
    if let Some(board) = &runtime.board {
        board.renew();
    }
    let outcome = RequestMessage::new(job, application, callable, body)
        .and_then(|mut message| RequestAttempt::new(job, runtime, group).run(&mut message));
    outcome.unwrap_or_else(|failure| failure.tell(job))
}

/// The encoded request with the first bytes of its body; kept until the daemon has started, to be sent again.
struct RequestMessage<'r> {
    frames: RequestFrames,
    body: RequestBody<'r>,
}

impl<'r> RequestMessage<'r> {
    fn new(
        job: &RequestJob<'r>,
        application: &[u8],
        callable: &[u8],
        body: Option<BufferedBody<'r>>,
    ) -> Result<Self, DaemonFailure> {
        let mut frames = RequestFrames::begin();
        job.encode(frames.payload(), application, callable, b"");
        let mut body = RequestBody::new(job, body);
        body.prefetch(frames.payload());
        let rest = match (body.has_file(), body.is_done()) {
            (true, _) => BodyRest::File,
            // All of it is in the message. Nothing may follow before the daemon asks for it: unread bytes then
            // prove that the request itself was not read.
            (false, true) => BodyRest::Nothing,
            (false, false) => BodyRest::Frames,
        };
        frames.finish(rest).map_err(|_| messages::environ_too_long())?;
        Ok(Self { frames, body })
    }

    /// Stamps what differs between attempts, and returns what to send.
    fn stamped(&mut self, connection: &mut DaemonConnection, connects: u32, restarts: u32) -> &[u8] {
        let is_fresh = connection.begin_request();
        let is_memory_free = connection.is_memory_free();
        self.frames.stamped(AttemptStamp {
            seq: connection.seq(),
            is_fresh,
            connects,
            restarts,
            is_memory_free,
        })
    }
}

/// The attempts to have one request run.
struct RequestAttempt<'a, 'r> {
    job: &'a RequestJob<'r>,
    runtime: &'a ChildRuntime,
    group: &'a GroupView,
    connects: u32,
    restarts: u32,
    broken: u32,
    started: Instant,
}

impl<'a, 'r> RequestAttempt<'a, 'r> {
    fn new(job: &'a RequestJob<'r>, runtime: &'a ChildRuntime, group: &'a GroupView) -> Self {
        Self { job, runtime, group, connects: 0, restarts: 0, broken: 0, started: Instant::now() }
    }

    fn run(&mut self, message: &mut RequestMessage<'r>) -> Result<c_int, DaemonFailure> {
        loop {
            let (mut connection, in_flight) = self.connection()?;
            self.connects += 1;
            let bytes = message.stamped(&mut connection, self.connects, self.restarts);
            metrics::note_sent(in_flight.index(), in_flight.pid());
            let sent = connection.send_all(bytes, self.timeout_ms());
            let verdict = match sent {
                Ok(()) => {
                    let process = (&in_flight, self.started);
                    Relay::new(self.job, self.group, process, &mut connection, &mut message.body)
                        .run(self.timeout_ms())
                }
                Err(error) if is_gone(&error) => AttemptVerdict::NotStarted,
                Err(error) => {
                    AttemptVerdict::Failed(messages::request_failed(&self.group.name, &error).into())
                }
            };
            match verdict {
                AttemptVerdict::Finished(status) => {
                    pool::check_in(connection, &in_flight);
                    return Ok(status);
                }
                AttemptVerdict::Failed(failure) => return Err(failure),
                AttemptVerdict::Refused(refusal) => self.refused(refusal)?,
                AttemptVerdict::NotStarted => self.not_started(&in_flight)?,
            }
        }
    }

    fn connection(&mut self) -> Result<(DaemonConnection, InFlight), DaemonFailure> {
        let name = &self.group.name;
        loop {
            let chosen = InFlight::choose(self.runtime, self.group);
            let Some(in_flight) = chosen else { return Err(self.nobody_serves().into()) };
            if let Some(connection) = pool::check_out(&in_flight) {
                return Ok((connection, in_flight));
            }
            let address = &self.group.sockets[in_flight.process()];
            let gone = || in_flight.is_out();
            let epoch = in_flight.epoch();
            return match connect::connect(address, self.group.connect_timeout, self.started, gone) {
                Ok(connection) => {
                    let mut connection = connection.with_peer(in_flight.peer());
                    connection.epoch = epoch;
                    Ok((connection, in_flight))
                }
                Err(ConnectError::Out) => continue,
                Err(ConnectError::Socket(error)) => Err(messages::no_socket(&error).into()),
                Err(ConnectError::NobodyListens) => Err(messages::nobody_listens(name).into()),
                Err(ConnectError::QueueFull) => {
                    Err(messages::connect_timeout(name, self.group.connect_timeout.as_secs()).into())
                }
                Err(ConnectError::Refused(error)) => {
                    let uid = wsgi_system::process::effective_uid();
                    Err(messages::connect_failed(name, &address.path(), uid, &error).into())
                }
            };
        }
    }

    /// Why there is no process to choose.
    fn nobody_serves(&self) -> messages::EventLine {
        if pool::is_unsupervised(self.runtime, self.group) {
            return messages::group_unsupervised(&self.group.name);
        }
        match self.processes() {
            0 => messages::group_stopped(&self.group.name),
            _ if pool::is_any_banned(self.runtime, self.group) => messages::group_banned(&self.group.name),
            _ => messages::group_failing(&self.group.name),
        }
    }

    /// How many processes the group has at the moment.
    fn processes(&self) -> u32 {
        pool::count(self.runtime, self.group) as u32
    }

    fn refused(&mut self, refusal: RequestRefusal) -> Result<(), DaemonFailure> {
        let name = &self.group.name;
        if refusal == RequestRefusal::QueueTimeout {
            let waited = now_us().saturating_sub(self.job.waiting_since());
            return Err(messages::queue_timeout(name, waited as f64 / 1e6).into());
        }
        if refusal == RequestRefusal::Version {
            return Err(messages::other_version(name).into());
        }
        self.restarts += 1;
        if self.restarts > 2 * self.processes() + 1 && !self.may_wait() {
            return Err(messages::restarts_exhausted(name).into());
        }
        Ok(())
    }

    /// Whether the request goes on waiting for a process that is on its way, after more attempts than there are processes:
    /// as long as it would wait in a full queue.
    fn may_wait(&self) -> bool {
        std::thread::sleep(BREATHER);
        self.started.elapsed() < self.group.connect_timeout
    }

    /// The process died or closed before it had read the request: nobody has seen it.
    fn not_started(&mut self, in_flight: &InFlight) -> Result<(), DaemonFailure> {
        pool::discard(in_flight);
        self.broken += 1;
        if self.broken > 2 * self.processes() + 3 && !self.may_wait() {
            let failure = DaemonFailure::from(messages::response_truncated(&self.group.name));
            return Err(DaemonFailure { is_unseen: true, ..failure });
        }
        Ok(())
    }

    /// socket-timeout, or the virtual host's Timeout.
    fn timeout_ms(&self) -> u64 {
        let own = self.group.socket_timeout.map(|t| t.as_millis() as u64);
        own.unwrap_or_else(|| self.job.r.server_timeout_ms()).max(1)
    }
}

/// Whether an error means that the other side has closed.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN))
}
