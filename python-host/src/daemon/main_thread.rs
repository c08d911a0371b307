//! The main thread of a serving daemon: signals, orders, timers, and the refusing of requests while draining.
//!
//! It never takes the GIL before the end and never waits for anything but its own poll.

use super::application::Application;
use super::connection::ConnectionInput;
use super::helper_thread::{GilWatchdog, HelperThread};
use super::lifecycle::{DaemonLifecycle, EvictionCause, LifecycleAction, LifecycleStage};
use super::link::{self, SupervisorMessage};
use super::pool::{CONNECTION_EVENTS, PoolPhase, WorkerPool};
use super::registry::{ClaimedConnection, PollEvent, has_left};
use super::reload::ReloadRequest;
use super::timers::{DueAction, TimerView, Timetable};
use super::{last_stack, os, signals};
use crate::host::LongRunning;
use crate::thread_record::ThreadState;
use crate::{messages, reserve};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use wsgi_protocol::frame::{FrameHeader, FrameKind};
use wsgi_protocol::heirloom::Heirloom;
use wsgi_protocol::launch::{DaemonOrder, Launch, PreloadScript, ReadyByte};

/// How long a drained process stays for requests that were sent before its GOAWAY was read, ns.
const LINGER: u64 = 50_000_000;

/// Pause between two looks at requests that take long.
const SELDOM: Duration = Duration::from_millis(200);

/// Pause between two looks while workers are being told to end.
const SETTLE: Duration = Duration::from_millis(1);

/// See the module's comment.
pub(super) struct MainThread<A: Application> {
    pub(super) pool: &'static WorkerPool<A>,
    pub(super) life: DaemonLifecycle,
    /// Threads besides the pool's that may be in Python.
    pub(super) helper_threads: Arc<AtomicUsize>,
    gil_watchdog: GilWatchdog,
    /// The request thread because of which the process ends.
    pub(super) culprit: Option<u32>,
    timetable: Timetable,
    interrupter: HelperThread,
    dispatcher: HelperThread,
    orders: Option<BorrowedFd<'static>>,
    maximum_rss: u64,
    run_once: bool,
    served_at_rss: u64,
    /// Number of the last heirloom, and whether a change was the reason for it.
    heirlooms: u32,
    has_change: bool,
    linger_until: u64,
    silenced: bool,
    /// The deadline has been put off.
    lasts: bool,
    buffer: Vec<u8>,
}

impl<A: Application> MainThread<A> {
    /// `orders` does not block; none if there is no supervisor.
    pub(super) fn new(
        pool: &'static WorkerPool<A>,
        launch: &Launch,
        orders: Option<BorrowedFd<'static>>,
    ) -> Self {
        let helper_threads = Arc::new(AtomicUsize::new(0));
        let now = os::now_ns();
        Self {
            pool,
            life: DaemonLifecycle::new(&launch.timers),
            gil_watchdog: GilWatchdog::default(),
            culprit: None,
            timetable: Timetable::new(&launch.timers, pool.slots.len(), launch.maximum_rss > 0, now),
            interrupter: HelperThread::new("wsgi-interrupt", helper_threads.clone()),
            dispatcher: HelperThread::new("wsgi-signals", helper_threads.clone()),
            helper_threads,
            orders,
            maximum_rss: launch.maximum_rss,
            run_once: launch.run_once,
            served_at_rss: 0,
            heirlooms: 0,
            has_change: false,
            linger_until: 0,
            silenced: false,
            lasts: false,
            buffer: Vec::new(),
        }
    }

    /// Serves until the process has to end; with a deadlock-timeout of so many milliseconds, 0 for none.
    pub(super) fn run(&mut self, deadlock_ms: u64) {
        let watchdog = &self.gil_watchdog;
        if deadlock_ms > 0 && !watchdog.start(self.pool.application, deadlock_ms, &self.helper_threads) {
            self.pool.log(3, &messages::no_deadlock_watch());
        }
        loop {
            reserve::refill();
            self.pool.main_wake.clear();
            self.take_signals();
            self.take_orders();
            self.take_ask();
            self.check_count();
            self.check_descriptors();
            let timers = self.check_timers();
            self.tick();
            if self.life.stage() == LifecycleStage::Stopping {
                return;
            }
            let next = [timers, self.life.next(), self.tell_untold(), self.release_overdue()];
            let next = next.into_iter().flatten().min();
            self.wait(next);
        }
    }

    /// Gives the helper threads no further work, so that their threads end.
    pub(super) fn dismiss_helper_threads(&mut self) {
        self.gil_watchdog.stop();
        self.interrupter.dismiss();
        self.dispatcher.dismiss();
    }

    fn now(&self) -> u64 {
        os::now_ns()
    }

    fn active(&self) -> usize {
        self.timetable.active(&self.pool.slots, self.now()) + self.pool.in_loop.count()
    }

    fn act(&mut self, action: LifecycleAction) {
        match action {
            LifecycleAction::None => {}
            LifecycleAction::Recycle { warm } => self.ask_successor(ReadyByte::Recycle, warm),
            LifecycleAction::Resume => {
                self.timetable.rearm(os::now_ns());
                self.pool.restart_count();
            }
            LifecycleAction::Drain => {
                self.pool.log(6, &format!("Draining process, reason '{}'.", self.life.reason()));
                self.linger_until = self.now() + LINGER;
                link::say_why(self.life.reason());
                self.pool.leave(PoolPhase::Draining);
                self.pool.application.drain_loop();
                self.decided();
                self.pool.dismiss_idle();
            }
            LifecycleAction::Stop => {
                link::say_why(self.life.reason());
                self.pool.leave(PoolPhase::Stopping);
                self.pool.application.drain_loop();
                self.silenced = false;
                self.decided();
                self.pool.dismiss_idle();
            }
        }
    }

    fn ask_successor(&mut self, ready: ReadyByte, warm: bool) {
        let pool = self.pool;
        let failed = |script: &PreloadScript| pool.reload.failed(script);
        let scripts = if warm { pool.application.heirs(&failed) } else { Vec::new() };
        self.heirlooms += 1;
        // Whoever notices a change has a log in which a failure belongs.
        let quiet = ready == ReadyByte::Replace;
        self.has_change = quiet;
        let left = Heirloom { number: self.heirlooms, scripts, quiet, ..Heirloom::default() };
        if let Err(error) = link::leave(&left) {
            pool.log(4, &messages::cannot_leave(error));
        }
        link::say(ready);
    }

    /// The supervisor has given the successor up. Whether another one is worth a try is known by what it has left.
    fn keep(&mut self) {
        if !self.learn(!self.has_change) {
            self.decided();
        }
    }

    /// Takes note of what the successor says that it cannot load; whether another one has been asked for.
    fn learn(&mut self, wanted: bool) -> bool {
        let left = link::inherited();
        let failures = if left.number == self.heirlooms { left.failures } else { Vec::new() };
        let application = self.pool.application;
        self.pool.reload.failed_with(failures, wanted, |script| application.about_kept(script))
    }

    /// Requests that have waited for a successor long enough run with the old code; returns when to look again.
    fn release_overdue(&mut self) -> Option<u64> {
        let over = self.pool.reload.overdue();
        if !over.is_empty() {
            self.pool.log(4, &messages::no_successor_yet());
            // What is in its way shall not be in the way of other changes.
            if self.has_change && self.learn(false) {
                self.pool.main_wake.signal();
            }
        }
        for connection in over {
            self.pool.release(connection);
        }
        self.pool.reload.next_overdue().map(at_ns)
    }

    /// Why a changed script could not be loaded goes to the group's log if no request comes in whose log it belongs.
    fn tell_untold(&mut self) -> Option<u64> {
        for line in self.pool.reload.untold() {
            self.pool.log(3, &line);
        }
        self.pool.reload.next_untold().map(at_ns)
    }

    /// The held request goes on: refused if the process has left the serving phase, else run.
    fn decided(&mut self) {
        for connection in self.pool.reload.decided() {
            self.pool.release(connection);
        }
    }

    fn take_signals(&mut self) {
        for signal in signals::take() {
            let (active, now) = (self.active(), self.now());
            let action = match signal {
                libc::SIGTERM | libc::SIGINT => self.life.stop("shutdown_signal"),
                libc::SIGUSR1 => self.life.evict(EvictionCause::Signal, active, now),
                libc::SIGXCPU => {
                    if self.life.stage() != LifecycleStage::Serving {
                        // The kernel kills it next.
                        last_stack::leave_once(&self.pool.slots);
                    }
                    self.life.evict(EvictionCause::CpuTime, active, now)
                }
                _ => {
                    let application = self.pool.application;
                    self.dispatcher.ask(move || application.publish_signal(signal));
                    LifecycleAction::None
                }
            };
            self.act(action);
        }
    }

    fn take_orders(&mut self) {
        loop {
            let order = match self.orders.map_or(SupervisorMessage::Nothing, link::next_order) {
                SupervisorMessage::Nothing => return,
                SupervisorMessage::Order(order) => order,
                // The supervisor is dead, and the next one starts others: the requests under way end here.
                SupervisorMessage::End => {
                    self.orders = None;
                    DaemonOrder::Drain
                }
            };
            if order == DaemonOrder::Stacks {
                self.dump_stacks();
            }
            let action = self.life.order(order, self.now());
            self.act(action);
            if order == DaemonOrder::Keep {
                self.keep();
            }
            if self.orders.is_none() {
                // Workers that were about to accept have seen by then that it is over.
                std::thread::sleep(SETTLE);
                self.pool.give_up_listener();
                return;
            }
        }
    }

    /// The main interpreter's stacks appear at once, even when the GIL is held in C; those of others need theirs.
    fn dump_stacks(&mut self) {
        link::dump_stacks();
        let application = self.pool.application;
        self.interrupter.ask(move || application.dump_other_stacks());
    }

    fn take_ask(&mut self) {
        let action = match self.pool.reload.take_ask() {
            None => return,
            Some(ReloadRequest::Drain) => self.life.drain("script_reload", self.now()),
            Some(ReloadRequest::Successor)
                if matches!(self.life.stage(), LifecycleStage::Draining | LifecycleStage::Stopping) =>
            {
                return;
            }
            // Also where a successor is on its way, for another reason: it may have begun with what has been mended since, and
            // hang there.
            Some(ReloadRequest::Successor) => {
                self.life.reloading();
                self.pool.reload.set_patience(self.pool.application.load_time());
                self.ask_successor(ReadyByte::Replace, true);
                LifecycleAction::None
            }
        };
        self.act(action);
    }

    fn check_count(&mut self) {
        if self.life.stage() != LifecycleStage::Serving || !self.pool.is_used_up() {
            return;
        }
        let now = self.now();
        let action = if self.run_once {
            // `wsgi.run_once` promises that nothing else runs in this process.
            link::say(ReadyByte::Recycle);
            self.life.drain("maximum_requests", now)
        } else {
            self.life.recycle("maximum_requests", now)
        };
        self.act(action);
    }

    fn check_descriptors(&mut self) {
        if self.pool.take_exhausted() && self.life.stage() == LifecycleStage::Serving {
            let action = self.life.recycle("no_descriptors", self.now());
            self.act(action);
        }
    }

    fn check_timers(&mut self) -> Option<u64> {
        let pool = self.pool;
        let now = self.now();
        let view = TimerView {
            now,
            first_request: pool.first_request.load(SeqCst),
            loaded: pool.limits.startup && pool.application.has_loaded(),
            in_loop: pool.in_loop.count(),
            // What waits for nothing has not waited until now.
            gil_wanted: self.gil_watchdog.waiting_since().unwrap_or(now),
            loop_blocked: pool.application.blocked_loop(),
        };
        let mut due = Vec::new();
        let next = self.timetable.check(&pool.slots, &view, &mut due);
        for due in due {
            self.timer(due, view.now);
        }
        next
    }

    fn timer(&mut self, due: DueAction, now: u64) {
        let action = match due {
            DueAction::Restart => self.life.recycle("restart_interval", now),
            DueAction::Inactive => self.life.recycle("inactivity_timeout", now),
            DueAction::Startup => self.life.stop("startup_timeout"),
            DueAction::Deadlock => self.life.stop("deadlock_timeout"),
            DueAction::Rss if self.is_too_large() => self.life.recycle("maximum_rss", now),
            DueAction::Rss => LifecycleAction::None,
            DueAction::Interrupt { worker, number } => {
                self.attend(worker, number, LongRunning::Interrupted, now);
                LifecycleAction::None
            }
            DueAction::Slow { worker, number } => {
                self.attend(worker, number, LongRunning::Slow, now);
                LifecycleAction::None
            }
            DueAction::LoopExpired { blocked } => self.loop_expired(Duration::from_nanos(blocked), now),
            DueAction::Expired { worker, number } => {
                let action = self.life.evict(EvictionCause::RequestTimeout, self.active(), now);
                if action != LifecycleAction::None {
                    self.culprit = Some(worker as u32 + 1);
                }
                self.attend(worker, number, LongRunning::Overdue, now);
                action
            }
        };
        self.act(action);
    }

    /// A coroutine that does not come back cannot be cancelled: the process is replaced, as for a request of a worker.
    fn loop_expired(&mut self, blocked: Duration, now: u64) -> LifecycleAction {
        let action = self.life.evict(EvictionCause::RequestTimeout, self.active(), now);
        if action != LifecycleAction::None {
            self.culprit = Some(last_stack::EVENT_LOOP);
        }
        let application = self.pool.application;
        self.interrupter.ask(move || application.report_loop(blocked));
        action
    }

    /// Has a thread that may wait for the GIL look after a request that takes long.
    fn attend(&mut self, worker: usize, number: u64, why: LongRunning, now: u64) {
        let (application, slots) = (self.pool.application, &self.pool.slots);
        let Some((_, start)) = slots[worker].running().filter(|(n, _)| *n == number) else { return };
        let seconds = Duration::from_nanos(now.saturating_sub(start)).as_secs_f64();
        self.interrupter.ask(move || {
            let current = || slots[worker].running().is_some_and(|(n, _)| n == number);
            match why {
                LongRunning::Interrupted => application.interrupt(worker as u32 + 1, seconds, &current),
                LongRunning::Slow | LongRunning::Overdue => {
                    application.report(worker as u32 + 1, why, seconds, &current)
                }
            }
        });
    }

    /// Whether the resident size has passed its limit; only looked at after requests.
    fn is_too_large(&mut self) -> bool {
        let served = self.pool.served();
        if std::mem::replace(&mut self.served_at_rss, served) == served {
            return false;
        }
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let page = wsgi_system::limits::page_size();
        pages * page > self.maximum_rss
    }

    fn tick(&mut self) {
        let now = self.now();
        let mut active = self.active();
        if self.life.stage() == LifecycleStage::Draining {
            self.refuse_ready();
            if active == 0 && now < self.linger_until && self.pool.connections() > 0 {
                active = 1;
            }
        }
        if self.life.may_last(now) && self.pool.is_awaited() {
            self.life.last(now);
            self.lasts = true;
        }
        let action = self.life.tick(active, now);
        self.act(action);
    }

    /// Not serving any more: answers what comes on the connections, now that no worker polls them any more.
    pub(super) fn refuse_ready(&mut self) {
        let pool = self.pool;
        if !self.silenced {
            // A worker that still polls has to see the wake-up event before it may be cleared; one that runs a
            // request looks at the phase before it polls again.
            if pool.slots.iter().any(|s| s.state() == ThreadState::Polling) {
                return;
            }
            pool.silence_wake();
            self.silenced = true;
            pool.dismiss_idle();
        }
        while let Some(event) = pool.wait(Some(Duration::ZERO)) {
            if let PollEvent::Connection(connection, flags) = event {
                self.refuse(connection.claim(), flags);
            }
        }
    }

    fn refuse(&mut self, mut connection: ClaimedConnection, flags: i32) {
        let incoming =
            if has_left(flags) { Ok(ConnectionInput::Closed) } else { connection.read(&mut self.buffer) };
        match incoming {
            Ok(ConnectionInput::Request { seq, payload }) => {
                connection.keep_rest(&self.buffer, &payload);
                self.pool.refuse(&mut connection, seq);
            }
            Ok(ConnectionInput::Incomplete) => {}
            Ok(ConnectionInput::Closed) | Err(_) => return self.pool.close(connection),
        }
        self.pool.arm(connection.unclaim(), CONNECTION_EVENTS);
    }

    /// Refuses requests that have only been received in part: their bytes are read, so the end of the process
    /// would not show as a reset, and httpd could not know that they were not started.
    pub(super) fn refuse_partial(&self) {
        self.pool.for_each_idle(|connection| {
            if let Ok(Some(header)) = FrameHeader::decode(&connection.partial)
                && header.kind == FrameKind::Request
            {
                self.pool.refuse(connection, header.seq);
            }
        });
    }

    fn wait(&self, next: Option<u64>) {
        let mut timeout = next.map(|at| Duration::from_nanos(at.saturating_sub(self.now())));
        let mut epoll = -1;
        if self.life.stage() == LifecycleStage::Draining {
            let most = match self.silenced {
                true if self.lasts => SELDOM,
                true => Duration::from_nanos(LINGER) / 5,
                false => SETTLE,
            };
            timeout = Some(timeout.map_or(most, |t| t.min(most)));
            epoll = if self.silenced { self.pool.epoll_fd() } else { -1 };
        }
        let readable = libc::POLLIN;
        let orders = self.orders.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let mut fds = [(self.pool.main_wake.as_raw(), readable), (orders, readable), (epoll, readable)];
        if let Err(error) = os::poll(&mut fds, timeout) {
            self.pool.cannot_wait(&error);
        }
    }
}

/// A moment as the monotonic clock of the serve loop has it, ns.
fn at_ns(at: Instant) -> u64 {
    os::now_ns()
        + u64::try_from(at.saturating_duration_since(Instant::now()).as_nanos()).unwrap_or(u64::MAX / 2)
}
