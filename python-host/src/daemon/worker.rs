//! A worker thread: takes one ready connection at a time, reads its request and runs it.
//!
//! The GIL, if there is one for all, is taken before the request is read and kept from one request to the next while
//! more are ready; a request still in its socket when this process dies was certainly not started.

use super::application::{Application, RequestRunner};
use super::connection::READ_ROOM;
use super::loop_source::{self, ConnectionFate};
use super::os;
use super::pool::{ACCEPT_BURST, CONNECTION_EVENTS, PoolPhase, WorkerPool};
use super::registry::{ClaimedConnection, PollEvent, ReadyConnection, has_left};
use super::reload;
use super::socket_exchange::SocketExchange;
use crate::exchange::RequestOutcome;
use crate::thread_record::{ThreadRecord, ThreadState};
use crate::{forked, waits};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use wsgi_protocol::metrics::RequestAccount;
use wsgi_protocol::request::{Request, RequestFlags};
use wsgi_protocol::yielding::AdaptiveYield;

/// A worker's buffers are given back to the system after a request that made them larger than this.
const KEEP_CAPACITY: usize = 4 * READ_ROOM;

/// How often a worker that must not take another request looks whether it may after all, or shall end.
const SPENT_LOOK: Duration = Duration::from_millis(5);

/// The same while the event loop has as many requests as it may, if nobody tells that there is room.
const FULL_LOOK: Duration = Duration::from_millis(50);

/// How often a worker looks for the next request after others had the CPU, before it sleeps.
const LOOKS: u32 = 3;

static YIELDING: AdaptiveYield = AdaptiveYield::new();

pub(super) struct WorkerThread<A: Application> {
    pool: &'static WorkerPool<A>,
    index: usize,
    record: &'static ThreadRecord,
    runner: A::Runner,
    attached: bool,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

/// What has become of a request.
enum RequestEnd {
    /// It is for the event loop, and nothing was run.
    ForLoop(ClaimedConnection),
    /// It has ended, or will be read again.
    Over(ConnectionFate),
}

impl<A: Application> WorkerThread<A> {
    /// The body of worker thread `index`.
    pub(super) fn run(pool: &'static WorkerPool<A>, index: usize) {
        let record = &pool.slots[index];
        record.enter();
        let runner = pool.application.runner(record.clone());
        let (buffer, out) = (Vec::with_capacity(READ_ROOM), Vec::new());
        let mut worker = Self { pool, index, record, runner, attached: false, buffer, out };
        if wsgi_system::limits::is_memory_limited() {
            // What Python keeps for a thread is made now as well.
            worker.attach();
            worker.detach();
        }
        pool.note_ready();
        worker.serve();
        worker.detach();
        drop(worker);
        record.set(ThreadState::Absent);
    }

    fn attach(&mut self) {
        if !std::mem::replace(&mut self.attached, true) {
            waits::during(|| self.runner.attach());
        }
    }

    fn detach(&mut self) {
        if std::mem::replace(&mut self.attached, false) {
            self.runner.detach();
        }
    }

    fn serve(&mut self) {
        let pool = self.pool;
        while pool.phase() == PoolPhase::Serving {
            if pool.is_spent() {
                // What comes now waits, unread, for the successor.
                self.detach();
                std::thread::sleep(SPENT_LOOK);
                continue;
            }
            if pool.in_loop.is_read_by_loop() {
                self.detach();
                pool.in_loop.wait_while_read();
                continue;
            }
            if pool.in_loop.is_full() {
                self.detach();
                pool.in_loop.wait_for_room(FULL_LOOK);
                continue;
            }
            if pool.gate.is_over() {
                self.detach();
                self.record.set(ThreadState::Parked);
                if !pool.gate.park(self.index) {
                    return;
                }
                self.record.set(ThreadState::Polling);
            }
            match self.next_event() {
                None | Some(PollEvent::Wake) => {}
                Some(PollEvent::Listener) => self.accept(),
                Some(PollEvent::Connection(connection, flags)) => self.connection_event(connection, flags),
            }
        }
    }

    /// The next event; without the GIL if there is none yet.
    fn next_event(&mut self) -> Option<PollEvent> {
        let pool = self.pool;
        if self.attached {
            if let Some(event) = pool.wait(Some(Duration::ZERO)) {
                return Some(event);
            }
            self.detach();
            if let Some(event) = YIELDING.let_pass(LOOKS, || pool.wait(Some(Duration::ZERO))) {
                return Some(event);
            }
        }
        self.record.nap();
        pool.gate.begin_nap();
        let event = pool.wait(None);
        pool.gate.end_nap();
        // Withdrawn while asleep: the event goes to whoever polls.
        let is_withdrawn = pool.gate.is_over() || pool.in_loop.is_read_by_loop();
        match event {
            Some(PollEvent::Connection(connection, events)) if is_withdrawn => {
                // Writable was asked for because the whole request is here already: no further byte will tell of it.
                let again = CONNECTION_EVENTS | (events & libc::EPOLLOUT);
                pool.arm(connection, again);
                None
            }
            event => event,
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPT_BURST {
            match self.pool.accept() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.pool.cannot_accept(&error);
                    self.detach();
                    // Out of descriptors or memory: the listener stays ready, and asking again at once is useless.
                    std::thread::sleep(Duration::from_millis(50));
                    return;
                }
            }
        }
    }

    fn connection_event(&mut self, connection: ReadyConnection, flags: i32) {
        // The one-shot event made this thread the only one to work on it but for the draining main thread.
        let next = self.read(connection.claim(), flags);
        self.pool.settle(next);
        if self.buffer.capacity() > KEEP_CAPACITY {
            self.buffer = Vec::with_capacity(READ_ROOM);
        }
        if self.out.capacity() > KEEP_CAPACITY {
            self.out = Vec::new();
        }
    }

    fn read(&mut self, connection: ClaimedConnection, flags: i32) -> ConnectionFate {
        let pool = self.pool;
        let is_front = !has_left(flags) && connection.partial.is_empty();
        let look = || connection.foresees(|head| pool.application.is_for_loop(head));
        let is_foreseen = is_front && pool.in_loop.is_next(look);
        if is_front && !is_foreseen {
            self.attach();
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let next = match self.pool.receive(connection, flags, &mut buffer) {
            Ok((connection, seq, payload)) => self.request(connection, seq, &buffer[payload], is_foreseen),
            Err(fate) => fate,
        };
        self.buffer = buffer;
        next
    }

    /// `is_foreseen`: it was taken because the event loop would run it.
    fn request(
        &mut self,
        connection: ClaimedConnection,
        seq: u16,
        payload: &[u8],
        is_foreseen: bool,
    ) -> ConnectionFate {
        let (connection, request) = match self.pool.admit_request(connection, (seq, payload)) {
            Ok(admitted) => admitted,
            Err(fate) => return fate,
        };
        let now = os::now_ns();
        if self.pool.application.is_for_loop(&request.head) {
            return self.hand_over(connection, seq, payload, &request, now);
        }
        if is_foreseen {
            self.pool.in_loop.pass();
            return self.pool.give_back(connection, seq);
        }
        self.attach();
        self.record.begin(now);
        self.pool.started();
        let next = self.run_request(connection, seq, payload, &request, now);
        self.record.end();
        match next {
            RequestEnd::ForLoop(connection) => self.hand_over(connection, seq, payload, &request, now),
            RequestEnd::Over(next) => {
                self.pool.in_loop.note_other_kind();
                self.pool.finished();
                next
            }
        }
    }

    /// The event loop runs the request.
    fn hand_over(
        &mut self,
        connection: ClaimedConnection,
        seq: u16,
        payload: &[u8],
        request: &Request<'_>,
        began: u64,
    ) -> ConnectionFate {
        let pool = self.pool;
        self.detach();
        let came = pool.conversation(connection, (seq, payload), request, (began, self.index));
        match came {
            Ok(conversation) => pool.application.converse(conversation),
            Err(fate) => return fate,
        }
        if pool.in_loop.hands_reading_over() {
            pool.application.read_in_loop(pool);
        }
        ConnectionFate::Gone
    }

    fn run_request(
        &mut self,
        mut connection: ClaimedConnection,
        seq: u16,
        payload: &[u8],
        request: &Request<'_>,
        began: u64,
    ) -> RequestEnd {
        let (pool, head) = (self.pool, &request.head);
        reload::begin_request(std::mem::take(&mut connection.was_held));
        let counts = pool.limits.inactivity && !head.flags.has(RequestFlags::IGNORE_ACTIVITY);
        let activity = counts.then_some(self.record);
        let mut exchange = SocketExchange::new(
            &mut connection,
            seq,
            request,
            &mut self.out,
            (A::RELEASED, A::UNSENT),
            activity,
        )
        .with_stream(&pool.streams[self.index]);
        if loop_source::is_overdue(pool.limits.queue, head) {
            drop(exchange);
            return RequestEnd::Over(loop_source::refuse_overdue(connection, seq));
        }
        let clock = head.flags.has(RequestFlags::MEASURE_CPU).then_some(self.record);
        let cpu = clock.map_or(0, ThreadRecord::cpu_ns);
        let runner = &mut self.runner;
        let result = catch_unwind(AssertUnwindSafe(|| runner.run(request, &mut exchange)));
        if result.is_err() {
            // It may have come in a process that the application has forked off.
            forked::end_if_forked();
            self.attached = self.runner.is_attached();
        }
        if !self.runner.is_attached() {
            exchange.forget_gil();
        }
        // The hook has logged it.
        let outcome = result.unwrap_or(RequestOutcome::Fail(500));
        if outcome == RequestOutcome::ForLoop {
            drop(exchange);
            return RequestEnd::ForLoop(connection);
        }
        if outcome == RequestOutcome::Refused && pool.reload.take_hold() {
            drop(exchange);
            self.hold(connection, seq, payload);
            return RequestEnd::Over(ConnectionFate::Gone);
        }
        let used = clock.map_or(0, ThreadRecord::cpu_ns).saturating_sub(cpu);
        exchange.account = Some(RequestAccount { began, ended: os::now_ns(), gil: waits::take(), cpu: used });
        let draining = pool.phase() != PoolPhase::Serving;
        let is_usable = exchange.finish(outcome, draining);
        drop(exchange);
        RequestEnd::Over(ConnectionFate::of(connection, is_usable))
    }

    /// Keeps the request that noticed a changed script until the supervisor has decided; the connection gets
    /// it back as if it had just been received.
    fn hold(&self, mut connection: ClaimedConnection, seq: u16, payload: &[u8]) {
        connection.unread(seq, payload);
        connection.was_held = true;
        self.pool.hold(connection);
    }
}
