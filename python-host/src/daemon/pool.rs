//! What all threads of the serve loop share: the epoll set, the gate, the slots, and the phase of the process.

use super::application::Application;
use super::complaints::ComplaintLimit;
use super::connection::HttpdConnection;
use super::controller::WorkerController;
use super::gate::{AdmittedWorkers, WorkerGate};
use super::in_loop::InLoop;
use super::os::{self, EventFd};
use super::registry::{
    ClaimedConnection, ConnectionRegistry, PollEvent, ReadyConnection, TOKEN_LISTENER, TOKEN_WAKE,
};
use super::reload::ScriptReload;
use super::socket_exchange::send_frame;
use super::stream::SocketSink;
use crate::coalesce::BlockCoalescer;
use crate::messages;
use crate::scheduler::wakeup::Wakeup;
use crate::thread_record::ThreadRecord;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use wsgi_protocol::frame::{FromDaemon, RequestRefusal};
use wsgi_protocol::launch::Launch;

/// What a connection waits for.
pub(super) const CONNECTION_EVENTS: i32 = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLONESHOT;

/// What a connection that already holds a whole request waits for: nothing, it is writable at once.
const AT_ONCE: i32 = CONNECTION_EVENTS | libc::EPOLLOUT;

/// Connections taken in a row before requests get their turn.
pub(super) const ACCEPT_BURST: usize = 16;

/// How the process treats requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum PoolPhase {
    /// Workers run requests.
    Serving = 0,
    /// Workers end when their request has ended; new requests are refused.
    Draining = 1,
    /// As draining, and nobody answers new requests.
    Stopping = 2,
}

/// The settings the request path looks at.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestLimits {
    /// inactivity-timeout is on.
    pub(super) inactivity: bool,
    /// startup-timeout is on.
    pub(super) startup: bool,
    /// queue-timeout, zero = off.
    pub(super) queue: Duration,
    /// socket-timeout, zero = off.
    pub(super) socket: Duration,
    /// Tell the main thread when so many requests have ended; 0 = never.
    pub(super) maximum_requests: u64,
    /// User ids that may connect, besides root.
    pub(super) peer_uids: Vec<u32>,
    /// Stack of worker threads in bytes.
    pub(super) stack_size: usize,
}

/// See the module's comment.
pub(super) struct WorkerPool<A: Application> {
    pub(super) application: &'static A,
    pub(super) limits: RequestLimits,
    /// By index; the threads count from 1.
    pub(super) slots: Box<[Arc<ThreadRecord>]>,
    pub(super) gate: WorkerGate,
    pub(super) streams: Box<[Arc<BlockCoalescer<SocketSink>>]>,
    pub(super) reload: ScriptReload,
    /// When the first request was begun, monotonic ns, 0 = never; only kept with startup-timeout.
    pub(super) first_request: AtomicU64,
    /// Wakes the main thread.
    pub(super) main_wake: EventFd,
    /// What worker thread `index` does.
    body: fn(&'static Self, usize),
    pub(super) gated: bool,
    wakeup: Wakeup,
    stop: AtomicBool,
    listener: BorrowedFd<'static>,
    wake: EventFd,
    pub(super) registry: ConnectionRegistry,
    phase: AtomicU8,
    /// Requests ended since the last [`WorkerPool::restart_count`].
    count: AtomicU64,
    /// A connection could not be accepted.
    is_exhausted: AtomicBool,
    complaints: ComplaintLimit,
    /// The same for threads that cannot even wait.
    waits: ComplaintLimit,
    /// What the event loop runs.
    pub(super) in_loop: InLoop,
    /// Worker threads that have not ended.
    pub(super) live: AtomicUsize,
    /// Worker threads that have had all they need to serve.
    pub(super) ready: AtomicUsize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<A: Application> WorkerPool<A> {
    /// A pool for the process described by `launch`, taking connections from `listener`, whose worker threads run `body`.
    ///
    /// # Errors
    /// Failure to create the epoll set or an eventfd.
    pub(super) fn new(
        application: &'static A,
        launch: &Launch,
        listener: BorrowedFd<'static>,
        body: fn(&'static Self, usize),
    ) -> io::Result<Self> {
        let threads = launch.threads as usize;
        let gated = threads > 1 && application.shares_lock();
        let limits = RequestLimits {
            inactivity: launch.timers.inactivity > 0,
            startup: launch.timers.startup > 0,
            queue: Duration::from_millis(launch.timers.queue),
            socket: Duration::from_millis(launch.timers.socket),
            maximum_requests: launch.maximum_requests,
            peer_uids: launch.peer_uids.clone(),
            stack_size: match launch.stack_size {
                0 => os::default_stack(),
                size => size as usize,
            },
        };
        let (registry, wake) = (ConnectionRegistry::new()?, EventFd::new()?);
        registry.epoll.add(wake.borrow(), libc::EPOLLIN, TOKEN_WAKE)?;
        Ok(Self {
            application,
            limits,
            slots: (1..=launch.threads).map(ThreadRecord::new).collect(),
            gate: WorkerGate::new(threads, if gated { 1 } else { threads }),
            // No send into a sink waits, so that nobody has to wait for one with the GIL.
            streams: (0..threads).map(|_| BlockCoalescer::new(SocketSink::default(), |f| f())).collect(),
            reload: ScriptReload::new(launch.reload_immediate),
            first_request: AtomicU64::new(0),
            main_wake: EventFd::new()?,
            body,
            gated,
            wakeup: Wakeup::default(),
            stop: AtomicBool::new(false),
            listener,
            wake,
            registry,
            phase: AtomicU8::new(PoolPhase::Serving as u8),
            count: AtomicU64::new(0),
            is_exhausted: AtomicBool::new(false),
            complaints: ComplaintLimit::default(),
            waits: ComplaintLimit::default(),
            in_loop: InLoop::new(launch),
            live: AtomicUsize::new(0),
            ready: AtomicUsize::new(0),
            threads: Mutex::default(),
        })
    }

    /// Begins to accept connections and to run requests.
    ///
    /// # Errors
    /// The listening socket cannot be polled, or no worker thread can be created.
    pub(super) fn start(&'static self) -> io::Result<()> {
        os::set_nonblocking(self.listener)?;
        if wsgi_system::limits::is_memory_limited() {
            self.start_all();
        }
        // Exclusive: processes that share the queue during a replacement do not all wake for one connection.
        self.registry.epoll.add(self.listener, libc::EPOLLIN | libc::EPOLLEXCLUSIVE, TOKEN_LISTENER)?;
        // Before the controller runs: it would admit the first worker itself for a request that is waiting already.
        if !self.admit() && self.live.load(SeqCst) == 0 {
            return Err(io::Error::other("no worker thread could be created"));
        }
        if self.gated {
            let controller = thread::Builder::new().name("wsgi-gate".into()).spawn(move || self.control())?;
            self.lock_threads().push(controller);
        }
        Ok(())
    }

    fn control(&'static self) {
        let (gate, epoll, slots, wakeup) = (&self.gate, &self.registry.epoll, &self.slots, &self.wakeup);
        WorkerController { gate, epoll, slots, wakeup, stop: &self.stop }.run(|| self.admit());
    }

    fn lock_threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        // The list is whole at every moment.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one more worker active if the gate permits; says whether it did.
    pub(super) fn admit(&'static self) -> bool {
        let index = match self.gate.admit() {
            AdmittedWorkers::Woken => return true,
            AdmittedWorkers::Nobody => return false,
            AdmittedWorkers::Start(index) => index,
        };
        self.live.fetch_add(1, SeqCst);
        let builder = thread::Builder::new().name(format!("wsgi-{}", index + 1));
        match builder.stack_size(self.limits.stack_size).spawn(move || self.worker(index)) {
            Ok(thread) => {
                self.lock_threads().push(thread);
                true
            }
            Err(error) => {
                self.live.fetch_sub(1, SeqCst);
                self.gate.start_failed();
                if self.complaints.may_be_told(os::now_ns()) {
                    self.log(3, &messages::no_thread(index, error));
                }
                false
            }
        }
    }

    fn worker(&'static self, index: usize) {
        /// Tells the main thread that the worker has ended, panic or not.
        struct WorkerLeave<'p>(&'p AtomicUsize, &'p EventFd);
        impl Drop for WorkerLeave<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
                self.1.signal();
            }
        }
        let _leave = WorkerLeave(&self.live, &self.main_wake);
        (self.body)(self, index);
    }

    /// How requests are treated now.
    #[inline]
    pub(super) fn phase(&self) -> PoolPhase {
        match self.phase.load(SeqCst) {
            0 => PoolPhase::Serving,
            1 => PoolPhase::Draining,
            _ => PoolPhase::Stopping,
        }
    }

    /// Leaves the serving phase: no connection is accepted, workers end with their request.
    pub(super) fn leave(&self, phase: PoolPhase) {
        self.phase.store(phase as u8, SeqCst);
        // It may have left the set before.
        let _ = self.registry.epoll.delete(self.listener);
        self.wake.signal();
        self.gate.close();
        self.in_loop.end_reading();
        self.stop.store(true, SeqCst);
        self.wakeup.wake();
    }

    /// Number of worker threads that have not ended.
    pub(super) fn live(&self) -> usize {
        self.live.load(SeqCst)
    }

    /// Waits for all threads of the pool; only when [`WorkerPool::live`] is 0 and the phase has been left.
    pub(super) fn join(&self) {
        for thread in std::mem::take(&mut *self.lock_threads()) {
            // A panic of a worker has been logged by the panic hook and changes nothing here.
            let _ = thread.join();
        }
    }

    /// The next event of the epoll set.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Option<PollEvent> {
        self.registry.wait(timeout).unwrap_or_else(|error| {
            self.cannot_wait(&error);
            None
        })
    }

    /// What all threads wait with is gone: each finds that again after a pause, and one says so once in a while.
    pub(super) fn cannot_wait(&self, error: &io::Error) {
        if self.waits.may_be_told(os::now_ns()) {
            self.log(2, &messages::cannot_wait(error));
        }
        thread::sleep(Duration::from_millis(100));
    }

    /// A connection could not be accepted: out of descriptors or memory. Another process may have what this one lacks, so
    /// a successor is asked for; that is said once in a while, however often it happens.
    pub(super) fn cannot_accept(&self, error: &io::Error) {
        if self.complaints.may_be_told(os::now_ns()) {
            self.log(3, &messages::cannot_accept(error));
        }
        self.is_exhausted.store(true, SeqCst);
        self.main_wake.signal();
    }

    /// Whether that has happened since the last time this was asked.
    pub(super) fn take_exhausted(&self) -> bool {
        self.is_exhausted.swap(false, SeqCst)
    }

    /// Whether somebody waits for a request under way: httpd closes the connection when the client is gone.
    pub(super) fn is_awaited(&self) -> bool {
        self.registry.is_awaited()
    }

    /// Descriptor of the epoll set, to poll it together with others.
    pub(super) fn epoll_fd(&self) -> std::os::fd::RawFd {
        self.registry.epoll.as_raw()
    }

    /// After the workers have been woken to see that they shall end: keeps the event from waking the main thread.
    pub(super) fn silence_wake(&self) {
        self.wake.clear();
    }

    /// Lets the listening socket go once the phase has been left: with its last holder the connections that wait in its
    /// queue are reset, and httpd takes them elsewhere.
    pub(super) fn give_up_listener(&self) {
        wsgi_system::descriptors::replace(self.listener, self.wake.borrow());
    }

    /// Takes one connection from the queue. False: the queue is empty.
    pub(super) fn accept(&self) -> io::Result<bool> {
        if self.phase() != PoolPhase::Serving {
            return Ok(false);
        }
        let socket = match os::accept(self.listener) {
            // The supervisor has shut the socket down, because another one has its place.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let _ = self.registry.epoll.delete(self.listener);
                return Ok(false);
            }
            result => result?,
        };
        let Some(socket) = socket else { return Ok(false) };
        let connection = HttpdConnection::new(socket);
        let uid = os::peer_uid(connection.socket())?;
        if uid != 0 && !self.limits.peer_uids.contains(&uid) {
            self.log(2, &messages::not_httpd(uid));
            return Ok(true);
        }
        os::set_socket_timeout(connection.socket(), self.limits.socket)?;
        match self.registry.insert(connection).enlist(&self.registry.epoll, CONNECTION_EVENTS) {
            Ok(()) => Ok(true),
            Err((connection, error)) => {
                self.close(connection.claim());
                Err(error)
            }
        }
    }

    /// Lets `connection` produce its next event.
    pub(super) fn arm(&self, connection: ReadyConnection, events: i32) {
        if let Err(error) = connection.arm(&self.registry.epoll, events) {
            self.log(3, &messages::cannot_poll(error));
        }
    }

    /// Ends a connection.
    pub(super) fn close(&self, connection: ClaimedConnection) {
        self.registry.remove(connection);
    }

    /// Tells httpd that the request was not started here.
    pub(super) fn refuse(&self, connection: &mut HttpdConnection, seq: u16) {
        // If it cannot be sent the peer has gone, and the next event closes the connection.
        send_frame(connection, FromDaemon::Refused(RequestRefusal::Restarting), seq);
        if !std::mem::replace(&mut connection.dismissed, true) {
            send_frame(connection, FromDaemon::GoAway, seq);
        }
    }

    /// Tells httpd on all connections that nobody works on that they take no further request.
    pub(super) fn dismiss_idle(&self) {
        self.for_each_idle(|connection| {
            // One that is being received, or held, gets its answer first.
            if connection.partial.is_empty() && !std::mem::replace(&mut connection.dismissed, true) {
                send_frame(connection, FromDaemon::GoAway, 0);
            }
        });
    }

    /// Calls `f` with every connection that nobody works on.
    pub(super) fn for_each_idle(&self, f: impl FnMut(&mut HttpdConnection)) {
        self.registry.for_each_idle(f);
    }

    /// Number of open connections.
    pub(super) fn connections(&self) -> usize {
        self.registry.len()
    }

    /// The event loop is done with a request, or with a WebSocket that had its own socket.
    pub(super) fn left_loop(&self, was_apart: bool) {
        if was_apart {
            self.in_loop.leave_apart();
        } else if self.in_loop.leave() {
            self.has_room();
        }
        if self.phase() != PoolPhase::Serving {
            self.main_wake.signal();
        }
    }

    /// There are fewer requests on the event loop than there may be, again.
    pub(super) fn has_room(&self) {
        if self.in_loop.is_read_by_loop() {
            self.application.ring_loop();
        }
    }

    /// For startup-timeout.
    pub(super) fn note_first_request(&self) {
        if self.limits.startup && self.first_request.load(Relaxed) == 0 {
            self.first_request.store(os::now_ns(), Relaxed);
            self.main_wake.signal();
        }
    }

    /// A worker has begun a request.
    #[inline]
    pub(super) fn started(&'static self) {
        if self.gated {
            self.wakeup.ring();
        }
        self.in_loop.pass();
        self.note_first_request();
        if self.gate.lacks_poller() {
            self.admit();
        }
    }

    /// A worker has ended a request.
    #[inline]
    pub(super) fn finished(&self) {
        let maximum = self.limits.maximum_requests;
        if maximum > 0 && self.count.fetch_add(1, SeqCst) + 1 == maximum {
            self.main_wake.signal();
        }
    }

    /// Whether maximum-requests has been reached.
    pub(super) fn is_used_up(&self) -> bool {
        let maximum = self.limits.maximum_requests;
        maximum > 0 && self.count.load(SeqCst) >= maximum
    }

    /// Whether the process has run the one request that `wsgi.run_once` promised it would.
    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        self.limits.maximum_requests == 1 && self.slots.len() == 1 && self.is_used_up()
    }

    /// Counts towards maximum-requests from zero again.
    pub(super) fn restart_count(&self) {
        self.count.store(0, SeqCst);
    }

    /// Requests ended by all workers.
    pub(super) fn served(&self) -> u64 {
        self.slots.iter().map(|slot| slot.finished()).sum::<u64>() + self.in_loop.begun()
    }

    /// Keeps a connection whose request noticed a changed script.
    pub(super) fn hold(&self, connection: ClaimedConnection) {
        match self.reload.hold(connection) {
            Some(released) => self.release(released),
            // The main thread may have worked out already how long it may sleep.
            None => self.main_wake.signal(),
        }
    }

    /// Lets a held connection go: its request is run, or refused if the process is ending.
    pub(super) fn release(&self, connection: ClaimedConnection) {
        self.arm(connection.unclaim(), AT_ONCE);
    }

    /// Logs outside of any request.
    pub(super) fn log(&self, level: u8, text: &str) {
        self.application.log(level, text);
    }
}
