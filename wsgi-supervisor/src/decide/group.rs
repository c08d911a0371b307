//! Groups as the state machine sees them, and their slots.

use super::backoff::{Backoff, ReplacementPace};
use super::event::SocketFate;
use super::forker::Forker;
use super::plan::GroupPlan;
use crate::log_line::LogLine;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::status::SlotState;

/// A group.
#[derive(Debug, Default, Clone)]
pub struct DaemonGroup {
    /// What its processes are started with from now on; none before the first configuration.
    pub plan: Option<Rc<GroupPlan>>,
    /// Processes it shall have.
    pub wanted: usize,
    /// An operator has stopped it: it stays so over configurations.
    pub stopped: bool,
    /// Its slots; those beyond `wanted` wait for the end of an older generation.
    pub slots: Vec<ProcessSlot>,
    /// Places that are given up.
    pub retiring: Vec<RetiringPlace>,
    /// The last successor did not come up: older code or an older configuration serves.
    pub is_held_back: bool,
    /// Its application holds something that two processes cannot have, as has been found out with this configuration.
    pub is_exclusive: bool,
    /// The roll was asked for by an operator, not by a changed script.
    pub roll_by_operator: bool,
    /// New code is rolled out: processes started before this moment are replaced one by one.
    pub roll_since: Option<Instant>,
    /// The last set-up failure told at its own level, so that it is not told every few seconds.
    pub told_set_up: Option<LogLine>,
    /// It was told that its killed processes do not end.
    pub told_clogged: bool,
    /// Serial of the generation of which it was told that it does not come up.
    pub told_kept: Option<u64>,
    /// Where its workers come from, with `preload=on`.
    pub forker: Option<Forker>,
}

impl DaemonGroup {
    /// Replaces all processes one by one.
    pub fn roll(&mut self, since: Instant, by_operator: bool) {
        (self.roll_since, self.roll_by_operator) = (Some(since), by_operator);
        self.is_held_back = false;
        self.slots.iter_mut().for_each(|slot| slot.wants_socket |= by_operator);
        if let Some(forker) = &mut self.forker {
            forker.try_again();
        }
    }

    /// Whether its processes come from a zygote now.
    #[must_use]
    pub fn has_zygotes(&self) -> bool {
        self.forker.as_ref().is_some_and(|forker| !forker.given_up)
    }

    /// Whether its processes must not live beside each other. A zygote imports beside its workers in any case.
    #[must_use]
    pub fn is_exclusive_now(&self) -> bool {
        let is_configured = self.plan.as_ref().is_some_and(|plan| plan.spec.exclusive);
        !self.has_zygotes() && (self.is_exclusive || is_configured)
    }

    /// The process of a slot says that there is other code, with which `preload=on` may work.
    pub fn code_has_changed(&mut self, index: usize, now: Instant) {
        // In a roll it is known already how the new code comes up.
        let given_up = self.forker.as_mut().filter(|forker| forker.given_up && self.roll_since.is_none());
        let (Some(forker), Some(slot)) = (given_up, self.slots.get_mut(index)) else { return };
        // A daemon may say so at any rate.
        if slot.pace.take(now).is_ok() {
            forker.try_again();
        }
    }
}

/// A place that is given up, and the processes that still serve it.
#[derive(Debug, Clone)]
pub struct RetiringPlace {
    /// Its socket is kept under this number.
    pub number: u64,
    /// Processes.
    pub pids: Vec<i32>,
    /// When they are told to drain; `None` when they have been.
    pub drain_at: Option<Instant>,
}

/// A place for one process.
#[derive(Debug, Clone)]
pub struct ProcessSlot {
    /// What processes are started with from now on.
    pub plan: Rc<GroupPlan>,
    /// The next process shall have another socket: copies of this one may be anywhere.
    pub wants_socket: bool,
    /// The process of another user serves until the next one does: requests of the new generation wait for that.
    pub is_cut_off: bool,
    /// The process that serves, or is the first to come up.
    pub current: Option<i32>,
    /// The process that shall take over.
    pub successor: Option<i32>,
    /// Failures of `current`.
    pub backoff: Backoff,
    /// No start before this.
    pub retry_at: Option<Instant>,
    /// `Failing` was logged.
    pub told_failing: bool,
    /// Successors in a row that did not come up.
    pub lost_successors: usize,
    /// No successor before this.
    pub successor_at: Option<Instant>,
    /// Processes in a row that found something taken, although they had no predecessor.
    pub conflicts: u32,
    /// Bounds how often a process is replaced.
    pub pace: ReplacementPace,
    /// Processes started here.
    pub starts: u32,
    /// Process id and cause of the last death here that nobody had asked for.
    pub last_death: Option<(i32, String)>,
}

impl ProcessSlot {
    /// A slot without a process.
    #[must_use]
    pub fn new(plan: Rc<GroupPlan>, now: Instant) -> Self {
        Self {
            plan,
            wants_socket: false,
            is_cut_off: false,
            current: None,
            successor: None,
            backoff: Backoff::default(),
            retry_at: None,
            told_failing: false,
            lost_successors: 0,
            successor_at: None,
            conflicts: 0,
            pace: ReplacementPace::new(now),
            starts: 0,
            last_death: None,
        }
    }

    /// A new generation: what failed before may work now.
    pub fn renew(&mut self, plan: Rc<GroupPlan>, socket: SocketFate) {
        self.plan = plan;
        self.wants_socket = socket == SocketFate::Kept;
        self.is_cut_off = socket == SocketFate::CutOff;
        self.backoff.reset();
        (self.retry_at, self.successor_at) = (None, None);
        (self.lost_successors, self.told_failing, self.conflicts) = (0, false, 0);
    }

    /// What those are told who may not have the process that serves now.
    #[must_use]
    pub fn state_without_process(&self) -> SlotState {
        let is_failing = self.lost_successors > 2;
        if is_failing { SlotState::Failed } else { SlotState::Starting }
    }

    /// Pause before the next successor is tried, after one more did not come up.
    pub fn successor_pause(&mut self, not_set_up: bool) -> Duration {
        const SECONDS: [u64; 7] = [1, 2, 5, 10, 20, 40, 60];
        // An attempt that does not even come to the interpreter costs little.
        const CHEAP: u64 = 5;
        let pause = SECONDS[self.lost_successors.min(SECONDS.len() - 1)];
        self.lost_successors += 1;
        Duration::from_secs(if not_set_up { pause.min(CHEAP) } else { pause })
    }

    /// Processes of the slot that are known.
    pub fn occupants(&self) -> impl Iterator<Item = i32> + use<> {
        [self.current, self.successor].into_iter().flatten()
    }
}
