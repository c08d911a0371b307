//! Where the workers of a group with `preload=on` come from: its zygotes, and the workers they were asked for.

use super::backoff::{Backoff, ProcessOutcome};
use super::event::{ProcessRole, StartOrder};
use super::plan::GroupPlan;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Failures in a row after which processes are started one by one again.
const PATIENCE: usize = 3;
/// How long a zygote may take to fork a worker before it is taken for hung.
const BIRTH_LIMIT: Duration = Duration::from_secs(10);

/// All processes of a group notice a change soon after each other: it costs one zygote.
const WAVE: Duration = Duration::from_secs(2);

/// The zygotes of a group, for one generation.
#[derive(Debug, Clone)]
pub struct Forker {
    /// What they are started with.
    pub plan: Rc<GroupPlan>,
    /// The zygote that forks workers.
    pub current: Option<i32>,
    /// One that is still importing, and shall take over.
    pub candidate: Option<ZygoteCandidate>,
    /// No start before this.
    pub retry_at: Option<Instant>,
    /// It does not work for this group, until there is a reason to try it again.
    pub given_up: bool,
    /// It has been given up before and has given no process since: one failure is enough then.
    pub is_retried: bool,
    /// When a zygote was given up last because code had changed.
    pub(super) outdated_at: Option<Instant>,
    pub(super) backoff: Backoff,
    pub(super) lost_births: usize,
}

/// A zygote that is importing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZygoteCandidate {
    /// Its process id.
    pub pid: i32,
    /// Index of the slot whose process asked for changed code and waits for an answer.
    pub asker: Option<usize>,
    /// When it was started.
    pub started: Instant,
}

impl Forker {
    /// One without a zygote yet.
    #[must_use]
    pub fn new(plan: Rc<GroupPlan>) -> Self {
        Self {
            plan,
            current: None,
            candidate: None,
            retry_at: None,
            given_up: false,
            is_retried: false,
            outdated_at: None,
            backoff: Backoff::default(),
            lost_births: 0,
        }
    }

    /// Whether the process is one of its zygotes.
    #[must_use]
    pub fn has(&self, pid: i32) -> bool {
        self.current == Some(pid) || self.candidate.is_some_and(|candidate| candidate.pid == pid)
    }

    /// Takes the zygote out that imports without having been asked for, because code has changed; its process id.
    pub fn take_outdated(&mut self, now: Instant) -> Option<i32> {
        let candidate = self.candidate.filter(|known| known.asker.is_none())?;
        if self.outdated_at.is_some_and(|at| now < at + WAVE) {
            return None;
        }
        (self.candidate, self.outdated_at) = (None, Some(now));
        Some(candidate.pid)
    }

    /// A zygote has ended by itself.
    pub fn note_death(&mut self, outcome: ProcessOutcome, now: Instant) {
        self.retry_at = Some(now + self.backoff.note(outcome.without_requests()));
    }

    /// A worker that was asked for has not come to serve, or has (`served`).
    pub fn note_birth(&mut self, served: bool) {
        self.lost_births = if served { 0 } else { self.lost_births + 1 };
        self.is_retried &= !served;
    }

    /// There may be other code, or an operator has seen to it: a zygote is tried once more.
    pub fn try_again(&mut self) {
        if std::mem::take(&mut self.given_up) {
            self.backoff.reset();
            (self.lost_births, self.retry_at, self.is_retried) = (0, None, true);
        }
    }

    /// Gives up if it has failed too often; true when it just did.
    pub fn lose_patience(&mut self) -> bool {
        let patience = if self.is_retried { 1 } else { PATIENCE };
        let fails = self.backoff.failures() >= patience || self.lost_births >= patience;
        fails && !std::mem::replace(&mut self.given_up, true)
    }
}

/// A worker that a zygote was asked for.
#[derive(Debug, Clone)]
pub struct WorkerBirth {
    /// Its number, which is never used again.
    pub number: u64,
    /// What it will be.
    pub order: StartOrder,
    /// Index of its slot.
    pub slot: usize,
    /// Process id of its zygote.
    pub zygote: i32,
    /// When it is given up.
    pub deadline: Instant,
}

impl WorkerBirth {
    /// One that is asked for now.
    #[must_use]
    pub fn new(number: u64, order: StartOrder, slot: usize, zygote: i32, now: Instant) -> Self {
        Self { number, order, slot, zygote, deadline: now + BIRTH_LIMIT }
    }

    /// Whether it is of this group.
    #[must_use]
    pub fn is_of(&self, group: &[u8]) -> bool {
        self.order.plan.spec.name == group
    }

    /// Whether a process serves its slot already.
    #[must_use]
    pub fn has_predecessor(&self) -> bool {
        matches!(self.order.role, ProcessRole::Worker { has_predecessor: true, .. })
    }

    /// Whether it is for this slot.
    #[must_use]
    pub fn is_for(&self, group: &[u8], slot: usize) -> bool {
        self.slot == slot && self.is_of(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::control::GroupSpec;

    fn forker() -> Forker {
        Forker::new(Rc::new(GroupPlan { spec: GroupSpec::default(), serial: 1, number: 1 }))
    }

    #[test]
    fn three_failures_in_a_row_are_enough() {
        let (mut forker, now) = (forker(), Instant::now());
        forker.note_death(ProcessOutcome::NeverServed, now);
        forker.note_death(ProcessOutcome::NeverServed, now);
        assert!(!forker.lose_patience());
        forker.note_death(ProcessOutcome::NeverServed, now);
        assert!(forker.lose_patience() && forker.given_up);
        assert!(!forker.lose_patience(), "told once");
    }

    #[test]
    fn a_zygote_that_has_worked_is_started_again_for_ever() {
        let (mut forker, now) = (forker(), Instant::now());
        for _ in 0..9 {
            forker.note_death(ProcessOutcome::Served { after: Duration::from_secs(5) }, now);
            forker.note_birth(false);
            forker.note_birth(false);
            forker.note_birth(true);
        }
        assert!(!forker.lose_patience());
        (0..3).for_each(|_| forker.note_birth(false));
        assert!(forker.lose_patience());
    }

    #[test]
    fn one_that_was_given_up_gets_one_more_try() {
        let (mut forker, now) = (forker(), Instant::now());
        forker.try_again();
        assert!(!forker.is_retried, "there was no need");
        (0..3).for_each(|_| forker.note_death(ProcessOutcome::NeverServed, now));
        assert!(forker.lose_patience());
        forker.try_again();
        assert!(!forker.given_up && forker.retry_at.is_none() && !forker.lose_patience());
        forker.note_death(ProcessOutcome::NeverServed, now);
        assert!(forker.lose_patience());
        forker.try_again();
        forker.note_birth(true);
        forker.note_birth(false);
        assert!(!forker.lose_patience(), "it has worked");
    }
}
