//! The timers of a daemon, without threads or clocks (spec/daemon.md §2.5 with its recommendations).
//!
//! All of them run on the monotonic clock, each by itself, and all are exact: [`Timetable::check`] says what
//! is due now and when to ask again. A timer that is not armed yet contributes its whole length to that.

use super::blocked_loop::BlockedLoop;
use crate::thread_record::ThreadRecord;
use std::sync::Arc;
use wsgi_protocol::launch::DaemonTimers;

/// How often the resident size is looked at while requests are served, ns.
const RSS_PERIOD: u64 = 1_000_000_000;

/// How often it is looked at what a blocked loop waits for, ns.
const LOOP_PERIOD: u64 = 250_000_000;

/// What has to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DueAction {
    /// restart-interval.
    Restart,
    /// inactivity-timeout.
    Inactive,
    /// startup-timeout.
    Startup,
    /// deadlock-timeout.
    Deadlock,
    /// Look at the resident size.
    Rss,
    /// Interrupt this request of this worker.
    Interrupt { worker: usize, number: u64 },
    /// The request of this worker is over its time and cannot be, or was not, interrupted.
    Expired { worker: usize, number: u64 },
    /// Log the stack of this request.
    Slow { worker: usize, number: u64 },
    /// The event loop has been blocked for so long, ns, which is longer than a request may take.
    LoopExpired { blocked: u64 },
}

/// What the timers look at besides the slots. Times are monotonic ns, 0 = has not happened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TimerView {
    /// Now.
    pub(super) now: u64,
    /// The process's first request reached the application.
    pub(super) first_request: u64,
    /// A script has been loaded.
    pub(super) loaded: bool,
    /// Requests that the event loop runs.
    pub(super) in_loop: usize,
    /// Since when the GIL watchdog waits for the GIL.
    pub(super) gil_wanted: u64,
    /// How the event loop is blocked, if it is. That is worth a wake-up of whoever asks.
    pub(super) loop_blocked: Option<BlockedLoop>,
}

/// See the module's comment. Lengths are ns, 0 = off.
#[derive(Debug)]
pub(super) struct Timetable {
    restart: u64,
    restart_from: u64,
    inactivity: u64,
    inactivity_from: u64,
    startup: u64,
    deadlock: u64,
    request: u64,
    /// The same where nothing is scaled: on the event loop, which is one thread.
    loop_request: u64,
    /// The moment since which it was blocked when that was last over.
    loop_expired: u64,
    interrupt: u64,
    slow: u64,
    rss: bool,
    rss_at: u64,
    /// Per worker: number of the request that was interrupted, reported slow, expired.
    handled: Vec<[u64; 3]>,
}

fn ns(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

impl Timetable {
    /// Timers of a process with `threads` workers that starts to serve at `now`.
    pub(super) fn new(timers: &DaemonTimers, threads: usize, watch_rss: bool, now: u64) -> Self {
        // A fail-safe rather than a promise: the more threads, the likelier one of them may be slow.
        let scale = 1.0 + (threads.max(1) as f64).ln();
        Self {
            restart: ns(timers.restart_interval),
            restart_from: now,
            inactivity: ns(timers.inactivity),
            inactivity_from: 0,
            startup: ns(timers.startup),
            deadlock: ns(timers.deadlock),
            request: (ns(timers.request) as f64 * scale) as u64,
            loop_request: ns(timers.request),
            loop_expired: 0,
            interrupt: ns(timers.interrupt),
            slow: ns(timers.slow_request),
            rss: watch_rss,
            rss_at: now + RSS_PERIOD,
            handled: vec![[0; 3]; threads],
        }
    }

    /// Starts restart-interval and inactivity-timeout again, after a recycling that was called off.
    pub(super) fn rearm(&mut self, now: u64) {
        self.restart_from = now;
        self.inactivity_from = now;
    }

    /// Number of requests under way that are not so old that nobody waits for them any more.
    pub(super) fn active(&self, slots: &[Arc<ThreadRecord>], now: u64) -> usize {
        slots
            .iter()
            .filter_map(|slot| slot.running())
            .filter(|(_, start)| !self.is_stale(now, *start))
            .count()
    }

    fn is_stale(&self, now: u64, start: u64) -> bool {
        self.request > 0 && now.saturating_sub(start) > self.request + self.interrupt
    }

    /// Puts what is due into `due` and returns when to ask again at the latest.
    pub(super) fn check(
        &mut self,
        slots: &[Arc<ThreadRecord>],
        view: &TimerView,
        due: &mut Vec<DueAction>,
    ) -> Option<u64> {
        let now = view.now;
        let mut next = NextDeadline { now, at: None };
        if self.restart > 0 && next.is_over(self.restart_from + self.restart) {
            due.push(DueAction::Restart);
        }
        // Nobody is served by a loop that does not come back, whether it keeps the GIL or not.
        let stuck = view.loop_blocked.map_or(view.gil_wanted, |blocked| blocked.since.min(view.gil_wanted));
        if self.deadlock > 0 && next.is_over(stuck + self.deadlock) {
            due.push(DueAction::Deadlock);
        }
        self.check_loop(view, &mut next, due);
        if self.startup > 0 && !view.loaded {
            match view.first_request {
                0 => next.or_after(self.startup),
                at if next.is_over(at + self.startup) => due.push(DueAction::Startup),
                _ => {}
            }
        }
        if self.rss && next.is_over(self.rss_at) {
            self.rss_at = now + RSS_PERIOD;
            next.or_after(RSS_PERIOD);
            due.push(DueAction::Rss);
        }
        self.check_inactivity(slots, view, &mut next, due);
        for (worker, slot) in slots.iter().enumerate() {
            self.check_request(worker, slot, &mut next, due);
        }
        next.at
    }

    /// It is not the loop's time in which another thread keeps the GIL from it.
    fn check_loop(&mut self, view: &TimerView, next: &mut NextDeadline, due: &mut Vec<DueAction>) {
        let Some(BlockedLoop { since, waited }) = view.loop_blocked else { return };
        next.or_after(LOOP_PERIOD);
        if self.loop_request > 0
            && self.loop_expired != since
            && next.is_over(since + waited + self.loop_request)
        {
            self.loop_expired = since;
            due.push(DueAction::LoopExpired { blocked: view.now.saturating_sub(since + waited) });
        }
    }

    fn check_inactivity(
        &mut self,
        slots: &[Arc<ThreadRecord>],
        view: &TimerView,
        next: &mut NextDeadline,
        due: &mut Vec<DueAction>,
    ) {
        let now = view.now;
        if self.inactivity == 0 {
            return;
        }
        let touched = slots.iter().map(|slot| slot.touched()).max().unwrap_or(0);
        if touched == 0 {
            next.or_after(self.inactivity);
        } else if next.is_over(touched.max(self.inactivity_from) + self.inactivity) {
            if self.active(slots, now) + view.in_loop == 0 {
                due.push(DueAction::Inactive);
            }
            self.inactivity_from = now;
            next.or_after(self.inactivity);
        }
    }

    fn check_request(
        &mut self,
        worker: usize,
        slot: &ThreadRecord,
        next: &mut NextDeadline,
        due: &mut Vec<DueAction>,
    ) {
        let Some((number, start)) = slot.running() else {
            for length in [self.request, self.slow].into_iter().filter(|l| *l > 0) {
                next.or_after(length);
            }
            return;
        };
        let [interrupted, reported, expired] = &mut self.handled[worker];
        if self.slow > 0 && *reported != number && next.is_over(start + self.slow) {
            *reported = number;
            due.push(DueAction::Slow { worker, number });
        }
        if self.request == 0 || *expired == number {
            return;
        }
        if self.interrupt > 0 && *interrupted != number {
            if next.is_over(start + self.request) {
                *interrupted = number;
                slot.note_interrupted(next.now);
                next.or_after(self.interrupt);
                due.push(DueAction::Interrupt { worker, number });
            }
            return;
        }
        let limit = match self.interrupt {
            0 => start + self.request,
            interrupt => slot.interrupted().max(start) + interrupt,
        };
        if next.is_over(limit) {
            *expired = number;
            due.push(DueAction::Expired { worker, number });
        }
    }
}

/// The earliest future moment that was asked about.
struct NextDeadline {
    now: u64,
    at: Option<u64>,
}

impl NextDeadline {
    /// Whether `at` is past; otherwise it is a candidate for the next check.
    fn is_over(&mut self, at: u64) -> bool {
        if at <= self.now {
            return true;
        }
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
        false
    }

    fn or_after(&mut self, length: u64) {
        self.is_over(self.now + length.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn check(t: &mut Timetable, slots: &[Arc<ThreadRecord>], now: u64) -> (Vec<DueAction>, Option<u64>) {
        let mut due = Vec::new();
        let next = t.check(slots, &TimerView { now, gil_wanted: 100 * S, ..TimerView::default() }, &mut due);
        (due, next)
    }

    fn slots() -> Vec<Arc<ThreadRecord>> {
        vec![ThreadRecord::new(1), ThreadRecord::new(2)]
    }

    #[test]
    fn nothing_set_never_wakes() {
        let mut t = Timetable::new(&DaemonTimers::default(), 2, false, 100 * S);
        assert_eq!(check(&mut t, &slots(), 100 * S), (vec![], None));
    }

    #[test]
    fn a_blocked_loop_is_over_its_time_once_and_is_given_up_in_the_end() {
        let timers = DaemonTimers { request: 2000, deadlock: 5000, ..DaemonTimers::default() };
        let mut t = Timetable::new(&timers, 8, false, 100 * S);
        let mut check = |now: u64, since: u64, waited: u64| {
            let loop_blocked = (since > 0).then_some(BlockedLoop { since, waited });
            let view = TimerView { now, gil_wanted: now, loop_blocked, ..TimerView::default() };
            let mut due = Vec::new();
            let next = t.check(&slots(), &view, &mut due);
            (due, next)
        };
        let expired = DueAction::LoopExpired { blocked: 2 * S };
        assert_eq!(check(100 * S, 0, 0), (vec![], Some(105 * S)));
        assert_eq!(check(101 * S, 100 * S, 0), (vec![], Some(101 * S + LOOP_PERIOD)));
        assert_eq!(check(102 * S, 100 * S, 0).0, [expired]);
        assert_eq!(check(105 * S - 1, 100 * S, 0), (vec![], Some(105 * S)));
        assert_eq!(check(105 * S, 100 * S, 0).0, [DueAction::Deadlock]);
        assert_eq!(check(106 * S, 0, 0).0, []);
        assert_eq!(check(108 * S, 106 * S, S).0, [], "another thread had the GIL");
        assert_eq!(check(109 * S, 106 * S, S).0, [expired]);
        assert_eq!(check(109 * S, 104 * S, 5 * S).0, [DueAction::Deadlock], "whoever has it");
    }

    #[test]
    fn intervals_are_independent_of_each_other() {
        let timers = DaemonTimers { restart_interval: 5000, deadlock: 3000, ..DaemonTimers::default() };
        let mut t = Timetable::new(&timers, 2, false, 100 * S);
        assert_eq!(check(&mut t, &slots(), 101 * S), (vec![], Some(103 * S)));
        assert_eq!(check(&mut t, &slots(), 103 * S), (vec![DueAction::Deadlock], Some(105 * S)));
        t.deadlock = 0;
        assert_eq!(check(&mut t, &slots(), 105 * S), (vec![DueAction::Restart], None));
        t.rearm(105 * S);
        assert_eq!(check(&mut t, &slots(), 106 * S), (vec![], Some(110 * S)));
    }

    #[test]
    fn a_request_is_interrupted_once_and_then_expires() {
        let timers = DaemonTimers { request: 10_000, interrupt: 2000, ..DaemonTimers::default() };
        let mut t = Timetable::new(&timers, 1, false, 100 * S);
        let slots = vec![ThreadRecord::new(1)];
        assert_eq!(check(&mut t, &slots, 100 * S), (vec![], Some(110 * S)));
        slots[0].begin(104 * S);
        assert_eq!(check(&mut t, &slots, 110 * S), (vec![], Some(114 * S)));
        let interrupt = DueAction::Interrupt { worker: 0, number: 1 };
        assert_eq!(check(&mut t, &slots, 114 * S), (vec![interrupt], Some(116 * S)));
        assert_eq!(t.active(&slots, 116 * S), 1);
        assert_eq!(check(&mut t, &slots, 116 * S), (vec![DueAction::Expired { worker: 0, number: 1 }], None));
        assert_eq!(t.active(&slots, 117 * S), 0, "stale");
        assert_eq!(check(&mut t, &slots, 120 * S), (vec![], None));
        slots[0].end();
        slots[0].begin(121 * S);
        assert_eq!(check(&mut t, &slots, 122 * S), (vec![], Some(131 * S)));
    }

    #[test]
    fn request_limit_grows_with_the_threads() {
        let t = Timetable::new(&DaemonTimers { request: 60_000, ..DaemonTimers::default() }, 15, false, 0);
        assert_eq!(t.request / S, 222);
    }

    #[test]
    fn inactivity_needs_a_first_request_and_idleness() {
        let timers = DaemonTimers { inactivity: 4000, ..DaemonTimers::default() };
        let mut t = Timetable::new(&timers, 2, false, 100 * S);
        let slots = slots();
        assert_eq!(check(&mut t, &slots, 150 * S), (vec![], Some(154 * S)));
        slots[1].touch(151 * S);
        slots[1].begin(151 * S);
        assert_eq!(check(&mut t, &slots, 155 * S).0, [], "busy");
        slots[1].end();
        assert_eq!(check(&mut t, &slots, 158 * S), (vec![], Some(159 * S)));
        assert_eq!(check(&mut t, &slots, 159 * S).0, [DueAction::Inactive]);
    }

    #[test]
    fn startup_runs_from_the_first_request_until_a_script_is_loaded() {
        let mut t = Timetable::new(&DaemonTimers { startup: 2000, ..DaemonTimers::default() }, 1, false, 0);
        let mut ask = |view: TimerView| {
            let mut due = Vec::new();
            (t.check(&[], &view, &mut due), due)
        };
        assert_eq!(ask(TimerView { now: 50 * S, ..TimerView::default() }).0, Some(52 * S));
        let view = TimerView { now: 51 * S, first_request: 50 * S, ..TimerView::default() };
        assert_eq!(ask(view).0, Some(52 * S));
        assert_eq!(ask(TimerView { now: 52 * S, ..view }).1, [DueAction::Startup]);
        assert_eq!(ask(TimerView { now: 52 * S, loaded: true, ..view }), (None, vec![]));
    }

    #[test]
    fn slow_requests_are_reported_once() {
        let mut t =
            Timetable::new(&DaemonTimers { slow_request: 1000, ..DaemonTimers::default() }, 2, false, 0);
        let slots = slots();
        slots[1].begin(10 * S);
        let due = check(&mut t, &slots, 11 * S).0;
        assert_eq!(due, [DueAction::Slow { worker: 1, number: 1 }]);
        assert_eq!(check(&mut t, &slots, 12 * S).0, []);
    }
}
