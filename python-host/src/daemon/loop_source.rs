//! Requests that the event loop reads itself, on its own thread, from the epoll set of the workers, who wait meanwhile: no
//! thread is woken for a request, and what the loop cannot take yet stays in its socket, unread. The first that is for a worker
//! goes back to httpd, and the reading to the workers. And what workers and loop have in common about reading.

use super::application::Application;
use super::connection::{ConnectionError, ConnectionInput, HttpdConnection};
use super::conversation::SocketConversation;
use super::os;
use super::pool::{ACCEPT_BURST, CONNECTION_EVENTS, PoolPhase, WorkerPool};
use super::registry::{ClaimedConnection, PollEvent, ReadyConnection, has_left};
use super::socket_exchange::send_frame;
use crate::conversation::{Conversation, RequestSource};
use crate::messages;
use std::ops::Range;
use std::os::fd::RawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wsgi_protocol::ProtocolError;
use wsgi_protocol::frame::{FromDaemon, RequestRefusal};
use wsgi_protocol::request::{Request, RequestFlags, RequestHead};

/// Most events looked at without a request among them.
const MOST: usize = 16;

/// What becomes of a connection after an event.
pub(super) enum ConnectionFate {
    /// Wait for its next event.
    Arm(ClaimedConnection),
    Close(ClaimedConnection),
    /// It is not the reader's any more.
    Gone,
}

impl ConnectionFate {
    /// Of one that can be used for a further request, or cannot.
    pub(super) fn of(connection: ClaimedConnection, is_usable: bool) -> Self {
        if is_usable { Self::Arm(connection) } else { Self::Close(connection) }
    }
}

impl<A: Application> WorkerPool<A> {
    /// Says why a connection is closed.
    fn complain(&self, connection: &HttpdConnection, broken: &ConnectionError) {
        if let ConnectionError::Malformed(ProtocolError::Version(_)) = broken {
            send_frame(connection, FromDaemon::Refused(RequestRefusal::Version), 0);
        }
        let text = match broken {
            ConnectionError::Malformed(e) => e.to_string(),
            ConnectionError::Receiving(e) => e.to_string(),
        };
        self.log(3, &messages::connection_closed(text));
    }

    /// The next request of a connection whose event has come with these flags, and where in `buffer` its payload lies; or what
    /// becomes of the connection.
    pub(super) fn receive(
        &self,
        mut connection: ClaimedConnection,
        flags: i32,
        buffer: &mut Vec<u8>,
    ) -> Result<(ClaimedConnection, u16, Range<usize>), ConnectionFate> {
        if has_left(flags) {
            // Whoever asked does not wait for the answer any more: nothing is run for it (spec/daemon.md §8, trap
            // 89).
            return Err(ConnectionFate::Close(connection));
        }
        match connection.read(buffer) {
            Ok(ConnectionInput::Request { seq, payload }) => {
                connection.keep_rest(buffer, &payload);
                Ok((connection, seq, payload))
            }
            Ok(ConnectionInput::Incomplete) => Err(ConnectionFate::Arm(connection)),
            Ok(ConnectionInput::Closed) => Err(ConnectionFate::Close(connection)),
            Err(broken) => {
                self.complain(&connection, &broken);
                Err(ConnectionFate::Close(connection))
            }
        }
    }

    /// What the payload says, if requests are run now; or what becomes of the connection.
    pub(super) fn admit_request<'b>(
        &self,
        mut connection: ClaimedConnection,
        (seq, payload): (u16, &'b [u8]),
    ) -> Result<(ClaimedConnection, Request<'b>), ConnectionFate> {
        let request = match Request::decode(payload) {
            Ok(request) => request,
            Err(e) => {
                self.complain(&connection, &ConnectionError::Malformed(e));
                return Err(ConnectionFate::Close(connection));
            }
        };
        if self.phase() != PoolPhase::Serving {
            self.refuse(&mut connection, seq);
            return Err(ConnectionFate::Arm(connection));
        }
        Ok((connection, request))
    }

    /// What is to become of a connection becomes of it.
    pub(super) fn settle(&self, fate: ConnectionFate) {
        match fate {
            ConnectionFate::Arm(connection) => self.arm(connection.unclaim(), CONNECTION_EVENTS),
            ConnectionFate::Close(connection) => self.close(connection),
            ConnectionFate::Gone => {}
        }
    }

    /// A request for the event loop, read at `began` by worker `reader`; or what becomes of its connection without it.
    pub(super) fn conversation(
        &'static self,
        connection: ClaimedConnection,
        (seq, payload): (u16, &[u8]),
        request: &Request<'_>,
        (began, reader): (u64, usize),
    ) -> Result<Box<dyn Conversation>, ConnectionFate> {
        let head = &request.head;
        if is_overdue(self.limits.queue, head) {
            return Err(refuse_overdue(connection, seq));
        }
        if self.limits.inactivity && !head.flags.has(RequestFlags::IGNORE_ACTIVITY) {
            self.slots[reader].touch(began);
        }
        self.in_loop.enter();
        self.note_first_request();
        Ok(Box::new(SocketConversation::new(self, connection, (seq, payload), request, began)))
    }

    /// A request that only a worker can run was taken before one could: httpd keeps it until then. It would be lost with a
    /// process that ends meanwhile.
    pub(super) fn give_back(&self, connection: ClaimedConnection, seq: u16) -> ConnectionFate {
        // It may be the first one of an ASGI application that is not loaded yet.
        self.in_loop.look_before();
        let sent = send_frame(&connection, FromDaemon::Refused(RequestRefusal::Restarting), seq);
        ConnectionFate::of(connection, sent)
    }

    /// Whether the loop may take another request now.
    fn may_read(&self) -> bool {
        self.phase() == PoolPhase::Serving
            && self.in_loop.is_read_by_loop()
            && !self.in_loop.is_full()
            && !self.is_spent()
    }

    fn accept_in_loop(&self) {
        for _ in 0..ACCEPT_BURST {
            match self.accept() {
                Ok(true) => {}
                Ok(false) => return,
                // A worker finds the same again, says so and waits for better times, which the loop must not.
                Err(_) => {
                    self.in_loop.give_reading_back();
                    return;
                }
            }
        }
    }

    fn read_in_loop(
        &'static self,
        connection: ReadyConnection,
        flags: i32,
        buffer: &mut Vec<u8>,
    ) -> Option<Box<dyn Conversation>> {
        self.request_in_loop(connection.claim(), flags, buffer).map_err(|fate| self.settle(fate)).ok()
    }

    fn request_in_loop(
        &'static self,
        connection: ClaimedConnection,
        flags: i32,
        buffer: &mut Vec<u8>,
    ) -> Result<Box<dyn Conversation>, ConnectionFate> {
        let (connection, seq, payload) = self.receive(connection, flags, buffer)?;
        let payload = &buffer[payload];
        let (connection, request) = self.admit_request(connection, (seq, payload))?;
        if self.application.is_for_loop(&request.head) {
            return self.conversation(connection, (seq, payload), &request, (os::now_ns(), 0));
        }
        self.in_loop.give_back_for_other_kind();
        Err(self.give_back(connection, seq))
    }
}

impl<A: Application> RequestSource for WorkerPool<A> {
    fn descriptor(&self) -> Option<RawFd> {
        self.may_read().then(|| self.epoll_fd())
    }

    fn take(&'static self) -> Option<Box<dyn Conversation>> {
        let _mark = ReadingMark::new(self);
        let mut buffer = self.in_loop.buffer();
        for _ in 0..MOST {
            if !self.may_read() {
                return None;
            }
            let Ok(event) = self.registry.wait(Some(Duration::ZERO)) else {
                self.in_loop.give_reading_back();
                return None;
            };
            match event? {
                PollEvent::Wake => {}
                PollEvent::Listener => self.accept_in_loop(),
                PollEvent::Connection(connection, flags) => {
                    let came = self.read_in_loop(connection, flags, &mut buffer);
                    if came.is_some() {
                        return came;
                    }
                }
            }
        }
        None
    }

    fn set_blocked(&self, is_blocked: bool) {
        self.in_loop.set_blocked(is_blocked);
    }

    fn end(&self) {
        self.in_loop.end_reading();
    }
}

/// The loop is reading: the main thread knows that something may be in hand.
struct ReadingMark<A: Application>(&'static WorkerPool<A>);

impl<A: Application> ReadingMark<A> {
    /// To be made before the phase is looked at.
    fn new(pool: &'static WorkerPool<A>) -> Self {
        pool.in_loop.set_reading(true);
        Self(pool)
    }
}

impl<A: Application> Drop for ReadingMark<A> {
    fn drop(&mut self) {
        self.0.in_loop.set_reading(false);
        if self.0.phase() != PoolPhase::Serving {
            self.0.main_wake.signal();
        }
    }
}

/// Gives a request back that has waited too long: httpd answers, and writes the line.
pub(super) fn refuse_overdue(connection: ClaimedConnection, seq: u16) -> ConnectionFate {
    let sent = send_frame(&connection, FromDaemon::Refused(RequestRefusal::QueueTimeout), seq);
    ConnectionFate::of(connection, sent)
}

/// Whether the request waited longer than `limit` (spec/daemon.md §1.10; wall clock).
pub(super) fn is_overdue(limit: Duration, head: &RequestHead<'_>) -> bool {
    // Until its body had come a request waited for its client.
    let is_buffered = head.flags.has(RequestFlags::BUFFERED);
    let since = if is_buffered { head.queue_start_us } else { head.request_start_us };
    if limit.is_zero() || since == 0 {
        return false;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    Duration::from_micros(now.saturating_sub(since)) > limit
}
