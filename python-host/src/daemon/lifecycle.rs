//! From serving to the end of a daemon, as a state machine without threads (spec/daemon.md §2.3, §2.5, §2.7).
//!
//! `Serving → Recycling → Draining → Stopping`. Recycling still serves and waits for a successor; draining takes
//! nothing new; stopping ends the process. The first trigger's reason is the one that is published.

use wsgi_protocol::launch::{DaemonOrder, DaemonTimers};

/// How long a process that asked for a successor goes on serving without one, ns: a little more than the
/// supervisor gives a successor, and then tells us that it did not come up.
const SUCCESSOR_WAIT: u64 = 130_000_000_000;

/// How long a deadline is put off at a time, ns.
const NEXT_LOOK: u64 = 1_000_000_000;

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LifecycleStage {
    /// Normal.
    Serving,
    /// Serving, but wants to end: a successor has been asked for. Ends at `until` without one.
    Recycling { until: u64, called_off_by_keep: bool },
    /// Ends the requests under way.
    Draining,
    /// Ends.
    Stopping,
}

/// What the main thread has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LifecycleAction {
    /// Nothing.
    None,
    /// Ask the supervisor for a successor, which shall load our scripts if `warm`.
    Recycle { warm: bool },
    /// Recycling was called off: start the timers again.
    Resume,
    /// Take nothing new.
    Drain,
    /// End.
    Stop,
}

/// See the module's comment. Times are monotonic ns.
#[derive(Debug)]
pub(super) struct DaemonLifecycle {
    stage: LifecycleStage,
    reason: Option<&'static str>,
    /// When the requests under way must have ended.
    deadline: Option<u64>,
    graceful: u64,
    /// How long after an order to drain somebody may still wait for a request.
    drain: u64,
    /// Until when the deadline is put off while somebody waits for a request.
    patience: Option<u64>,
    eviction: u64,
    /// A successor was asked for because a script changed.
    reloading: bool,
}

impl DaemonLifecycle {
    /// A process that serves.
    pub(super) fn new(timers: &DaemonTimers) -> Self {
        let graceful = timers.graceful.saturating_mul(1_000_000);
        let eviction = match timers.eviction {
            0 => graceful,
            ms => ms.saturating_mul(1_000_000),
        };
        let drain = timers.drain.saturating_mul(1_000_000);
        Self {
            stage: LifecycleStage::Serving,
            reason: None,
            deadline: None,
            graceful,
            drain,
            patience: None,
            eviction,
            reloading: false,
        }
    }

    /// Where the process is.
    pub(super) fn stage(&self) -> LifecycleStage {
        self.stage
    }

    /// Why it ends.
    pub(super) fn reason(&self) -> &'static str {
        self.reason.unwrap_or("shutdown_signal")
    }

    /// When to call [`DaemonLifecycle::tick`] at the latest.
    pub(super) fn next(&self) -> Option<u64> {
        match self.stage {
            LifecycleStage::Recycling { until, .. } => Some(self.deadline.map_or(until, |d| d.min(until))),
            LifecycleStage::Draining => self.deadline,
            LifecycleStage::Serving | LifecycleStage::Stopping => None,
        }
    }

    /// End at once; requests under way have the shutdown timeout.
    pub(super) fn stop(&mut self, reason: &'static str) -> LifecycleAction {
        if self.stage == LifecycleStage::Stopping {
            return LifecycleAction::None;
        }
        self.reason.get_or_insert(reason);
        self.stage = LifecycleStage::Stopping;
        LifecycleAction::Stop
    }

    /// Take nothing new, end what is under way within the graceful window.
    pub(super) fn drain(&mut self, reason: &'static str, now: u64) -> LifecycleAction {
        match self.stage {
            LifecycleStage::Draining | LifecycleStage::Stopping => return LifecycleAction::None,
            LifecycleStage::Serving | LifecycleStage::Recycling { .. } => {}
        }
        if self.graceful == 0 && self.deadline.is_none() {
            return self.stop(reason);
        }
        self.reason.get_or_insert(reason);
        self.deadline.get_or_insert(now + self.graceful);
        self.stage = LifecycleStage::Draining;
        LifecycleAction::Drain
    }

    /// A timer or counter wants a new process.
    pub(super) fn recycle(&mut self, reason: &'static str, now: u64) -> LifecycleAction {
        if self.stage != LifecycleStage::Serving {
            return LifecycleAction::None;
        }
        self.reason.get_or_insert(reason);
        self.stage = LifecycleStage::Recycling { until: now + SUCCESSOR_WAIT, called_off_by_keep: true };
        // A process recycled because nobody needs it shall not hand its applications on.
        LifecycleAction::Recycle { warm: reason != "inactivity_timeout" }
    }

    /// SIGUSR1, SIGXCPU or an expired request: end now if idle, else soon, and at the end of the window for sure.
    pub(super) fn evict(&mut self, reason: EvictionCause, active: usize, now: u64) -> LifecycleAction {
        let (reason, window) = match reason {
            EvictionCause::Signal if self.eviction != self.graceful => ("eviction_signal", self.eviction),
            EvictionCause::Signal => ("graceful_signal", self.graceful),
            EvictionCause::CpuTime => ("cpu_time_limit", self.graceful),
            EvictionCause::RequestTimeout => ("request_timeout", self.graceful),
        };
        match self.stage {
            LifecycleStage::Draining | LifecycleStage::Stopping => return LifecycleAction::None,
            LifecycleStage::Serving | LifecycleStage::Recycling { .. } => {}
        }
        if active == 0 || window == 0 {
            return self.stop(reason);
        }
        self.reason.get_or_insert(reason);
        self.deadline.get_or_insert(now + window);
        let was_recycling = self.stage != LifecycleStage::Serving;
        self.stage = LifecycleStage::Recycling { until: now + SUCCESSOR_WAIT, called_off_by_keep: false };
        if was_recycling { LifecycleAction::None } else { LifecycleAction::Recycle { warm: true } }
    }

    /// A successor was asked for because a script changed.
    pub(super) fn reloading(&mut self) {
        self.reloading = true;
    }

    /// The supervisor has spoken.
    pub(super) fn order(&mut self, order: DaemonOrder, now: u64) -> LifecycleAction {
        match order {
            DaemonOrder::Stop => self.stop("shutdown_signal"),
            DaemonOrder::Drain | DaemonOrder::MakeRoom => {
                let reason = if self.reloading { "script_reload" } else { "shutdown_signal" };
                // One that has to be gone by a certain time, for its own sake, is not given more.
                let may_last = order == DaemonOrder::Drain && self.deadline.is_none();
                let action = self.drain(reason, now);
                if may_last && action == LifecycleAction::Drain {
                    self.patience = Some(now.saturating_add(self.drain));
                }
                if order == DaemonOrder::MakeRoom && self.stage == LifecycleStage::Draining {
                    // Its successor waits: whoever waits for a request here has had the time that there is.
                    self.patience = None;
                    self.deadline = self.deadline.map(|deadline| deadline.min(now + self.graceful));
                }
                action
            }
            DaemonOrder::Renew => self.recycle("shutdown_signal", now),
            DaemonOrder::Stacks => LifecycleAction::None,
            DaemonOrder::Keep => {
                self.reloading = false;
                match self.stage {
                    LifecycleStage::Recycling { called_off_by_keep: true, .. } => {
                        self.stage = LifecycleStage::Serving;
                        self.reason = None;
                        LifecycleAction::Resume
                    }
                    LifecycleStage::Recycling { .. } => self.drain("", now),
                    _ => LifecycleAction::None,
                }
            }
        }
    }

    /// Whether the deadline has come, and may be put off if somebody waits for a request.
    pub(super) fn may_last(&self, now: u64) -> bool {
        let is_over = self.deadline.is_some_and(|deadline| deadline <= now);
        self.stage == LifecycleStage::Draining
            && is_over
            && self.patience.is_some_and(|patience| now < patience)
    }

    /// Puts the deadline off: somebody waits for a request of a process that has been replaced.
    pub(super) fn last(&mut self, now: u64) {
        self.deadline = self.patience.map(|patience| patience.min(now + NEXT_LOOK));
    }

    /// Time has passed; `active` requests are under way.
    pub(super) fn tick(&mut self, active: usize, now: u64) -> LifecycleAction {
        let over = self.deadline.is_some_and(|d| d <= now);
        match self.stage {
            LifecycleStage::Recycling { until, .. } if over || until <= now => self.drain("", now),
            LifecycleStage::Draining if over || active == 0 => self.stop(""),
            _ => LifecycleAction::None,
        }
    }
}

/// What asked for [`DaemonLifecycle::evict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EvictionCause {
    /// SIGUSR1.
    Signal,
    /// SIGXCPU.
    CpuTime,
    /// A request that is over its time.
    RequestTimeout,
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn life(graceful: u64, eviction: u64) -> DaemonLifecycle {
        DaemonLifecycle::new(&DaemonTimers {
            graceful: graceful * 1000,
            eviction: eviction * 1000,
            ..DaemonTimers::default()
        })
    }

    #[test]
    fn recycling_waits_for_the_successor_and_then_drains() {
        let mut l = life(15, 0);
        assert_eq!(l.recycle("maximum_requests", 0), LifecycleAction::Recycle { warm: true });
        assert_eq!(l.recycle("restart_interval", 1), LifecycleAction::None);
        assert_eq!(l.tick(3, 2 * S), LifecycleAction::None);
        assert_eq!(l.order(DaemonOrder::Drain, 3 * S), LifecycleAction::Drain);
        assert_eq!(l.next(), Some(18 * S));
        assert_eq!(l.tick(1, 4 * S), LifecycleAction::None);
        assert_eq!(l.tick(0, 5 * S), LifecycleAction::Stop);
        assert_eq!(l.reason(), "maximum_requests");
    }

    #[test]
    fn recycling_without_an_answer_drains_by_itself() {
        let mut l = life(15, 0);
        l.recycle("inactivity_timeout", 0);
        assert_eq!(l.tick(1, SUCCESSOR_WAIT), LifecycleAction::Drain);
        assert_eq!(l.tick(1, SUCCESSOR_WAIT + 15 * S), LifecycleAction::Stop);
    }

    #[test]
    fn replaced_process_lasts_while_somebody_waits() {
        let timers = DaemonTimers { graceful: 15_000, drain: 60_000, ..DaemonTimers::default() };
        let mut l = DaemonLifecycle::new(&timers);
        assert_eq!(l.order(DaemonOrder::Drain, 0), LifecycleAction::Drain);
        assert!(!l.may_last(14 * S), "there is time");
        assert!(l.may_last(15 * S));
        l.last(15 * S);
        assert_eq!((l.tick(1, 15 * S), l.next()), (LifecycleAction::None, Some(16 * S)));
        assert!(!l.may_last(60 * S));
        assert_eq!(l.tick(1, 60 * S), LifecycleAction::Stop);
        let mut l = DaemonLifecycle::new(&timers);
        l.order(DaemonOrder::MakeRoom, 0);
        assert!(!l.may_last(15 * S), "the successor waits");
        let mut l = DaemonLifecycle::new(&timers);
        l.order(DaemonOrder::Drain, 0);
        l.last(15 * S);
        assert_eq!(l.order(DaemonOrder::MakeRoom, 15 * S + 1), LifecycleAction::None);
        assert!(!l.may_last(16 * S), "its successor has come to wait");
        assert_eq!(l.tick(1, 16 * S), LifecycleAction::Stop);
        let mut l = DaemonLifecycle::new(&timers);
        l.evict(EvictionCause::RequestTimeout, 1, 0);
        l.order(DaemonOrder::Drain, S);
        assert!(!l.may_last(15 * S), "its time was over");
    }

    #[test]
    fn keep_calls_recycling_off_but_not_an_operators_signal() {
        let mut l = life(15, 0);
        l.recycle("restart_interval", 0);
        assert_eq!(
            (l.order(DaemonOrder::Keep, 1), l.stage()),
            (LifecycleAction::Resume, LifecycleStage::Serving)
        );
        assert_eq!(l.evict(EvictionCause::Signal, 1, 2), LifecycleAction::Recycle { warm: true });
        assert_eq!(l.order(DaemonOrder::Keep, 3), LifecycleAction::Drain);
        assert_eq!(l.reason(), "graceful_signal");
    }

    #[test]
    fn eviction_ends_an_idle_process_at_once_and_a_busy_one_in_its_window() {
        assert_eq!(life(15, 0).evict(EvictionCause::Signal, 0, 0), LifecycleAction::Stop);
        assert_eq!(life(0, 0).evict(EvictionCause::Signal, 2, 0), LifecycleAction::Stop, "no window");
        let mut l = life(15, 3);
        l.evict(EvictionCause::Signal, 2, 0);
        assert_eq!((l.reason(), l.next()), ("eviction_signal", Some(3 * S)));
        assert_eq!(l.tick(2, 3 * S), LifecycleAction::Drain);
        assert_eq!(l.tick(2, 3 * S), LifecycleAction::Stop);
        let mut l = life(15, 3);
        l.evict(EvictionCause::CpuTime, 2, 0);
        assert_eq!((l.reason(), l.deadline), ("cpu_time_limit", Some(15 * S)));
    }

    #[test]
    fn orders() {
        let mut l = life(15, 0);
        l.reloading();
        assert_eq!(l.order(DaemonOrder::Drain, 0), LifecycleAction::Drain);
        assert_eq!(l.reason(), "script_reload");
        assert_eq!(l.order(DaemonOrder::Drain, 0), LifecycleAction::None);
        assert_eq!(l.order(DaemonOrder::Stop, 0), LifecycleAction::Stop);
        assert_eq!(l.order(DaemonOrder::Stop, 0), LifecycleAction::None);
        assert_eq!(life(0, 0).order(DaemonOrder::Drain, 0), LifecycleAction::Stop, "graceful-timeout=0");
    }
}
