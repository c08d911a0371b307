//! A running daemon as the state machine sees it: what it has said, and what shall become of it.

use super::escalation::{EndingReason, Escalation};
use super::event::{ProcessRole, StartOrder};
use super::plan::GroupPlan;
use crate::log_line::LogLine;
use crate::messages::{self, EndKind};
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::death::{EndReason, ProcessDeath};
use wsgi_protocol::launch::{DaemonTimers, ReadyByte};

/// Most time a successor gets to come up when `startup-timeout` does not say.
const SUCCESSOR_LIMIT: Duration = Duration::from_secs(120);

/// A running daemon.
#[derive(Debug, Clone)]
pub struct DaemonProcess {
    /// Its process id.
    pub pid: i32,
    /// Index of its slot in the group named by `plan`; none for a zygote.
    pub slot: Option<usize>,
    /// What it was started with.
    pub plan: Rc<GroupPlan>,
    /// When it was forked.
    pub started: Instant,
    /// When it said that it serves.
    pub served: Option<Instant>,
    /// Asked for a successor.
    pub asked: Option<ReadyByte>,
    /// When it did.
    pub asked_at: Option<Instant>,
    /// Process id of the zygote that forked it.
    pub zygote: Option<i32>,
    /// It shall be replaced in a roll.
    pub renew: bool,
    /// It was told so, in order that it leaves its successor the list of its scripts and asks for it.
    pub told_renew: Option<Instant>,
    /// It was started beside the process of its slot.
    pub is_successor: bool,
    /// Killed if it has not come up by then.
    pub deadline: Option<Instant>,
    /// Why it shall end, and what is done about it.
    pub ending: Option<(EndingReason, Escalation)>,
    /// Why it stops, as it said itself.
    pub reason: Option<EndReason>,
    /// SIGKILL was sent by us.
    pub killed: bool,
    /// It has closed its ready pipe; if it is still alive at this moment, it has closed more than that.
    pub closed_at: Option<Instant>,
    /// That has been found, and said.
    pub is_deaf: bool,
    /// A step of its set-up failed; that line says it all.
    pub set_up_failed: bool,
}

impl DaemonProcess {
    /// A process that was just started. What a zygote imports that nobody has asked for is as good as preloads.
    #[must_use]
    pub fn new(order: &StartOrder, pid: i32, is_awaited: bool, now: Instant) -> Self {
        let plan = Rc::clone(&order.plan);
        let timers = plan.spec.launch.timers;
        let has_preloads = !plan.spec.launch.preloads.is_empty();
        let (slot, is_successor, limit) = match order.role {
            ProcessRole::Worker { slot, has_predecessor: true } => {
                (Some(slot), true, Some(successor_limit(&timers, has_preloads)))
            }
            // A service may take its time.
            ProcessRole::Worker { slot, .. } if plan.is_service() => (Some(slot), false, None),
            ProcessRole::Worker { slot, .. } => (Some(slot), false, first_limit(&timers, has_preloads)),
            ProcessRole::Zygote { .. } => {
                (None, is_awaited, Some(successor_limit(&timers, has_preloads || !is_awaited)))
            }
        };
        Self {
            pid,
            slot,
            plan,
            started: now,
            served: None,
            asked: None,
            asked_at: None,
            zygote: None,
            renew: false,
            told_renew: None,
            is_successor,
            deadline: limit.map(|limit| now + limit),
            ending: None,
            reason: None,
            killed: false,
            closed_at: None,
            is_deaf: false,
            set_up_failed: false,
        }
    }

    /// Whether it is forked for workers, and serves nothing itself.
    #[must_use]
    pub fn is_zygote(&self) -> bool {
        self.slot.is_none()
    }

    /// Whether it is of this group.
    #[must_use]
    pub fn is_of(&self, group: &[u8]) -> bool {
        self.plan.spec.name == group
    }

    /// What it is called in the log.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        if self.is_zygote() { "zygote" } else { "daemon process" }
    }

    /// Decides that it shall end. A stop overrides a drain, nothing overrides a stop.
    pub fn end(&mut self, ending: EndingReason, now: Instant) {
        let is_service = self.plan.is_service();
        let ending = match ending {
            EndingReason::Drain | EndingReason::MakeRoom if is_service => EndingReason::StopService,
            EndingReason::Drain | EndingReason::MakeRoom | EndingReason::Stop
                if self.served.is_none() && !is_service =>
            {
                EndingReason::Discard
            }
            other => other,
        };
        let overrides = match &self.ending {
            None => true,
            // Whoever drains as long as somebody waits gives way to one that has to start.
            Some((EndingReason::Drain, _)) => {
                !matches!(ending, EndingReason::Drain | EndingReason::StopService)
            }
            Some((EndingReason::MakeRoom | EndingReason::StopService, _)) => {
                !matches!(ending, EndingReason::Drain | EndingReason::MakeRoom | EndingReason::StopService)
            }
            Some((EndingReason::Stop | EndingReason::Discard, _)) => false,
        };
        if overrides {
            let timers = &self.plan.spec.launch.timers;
            self.ending = Some((ending, Escalation::new(now, ending, timers)));
            self.deadline = None;
        }
    }

    /// The line about its death; none where the failure of its set-up has said it all.
    #[must_use]
    pub fn death_line(
        &self,
        death: &ProcessDeath,
        is_successor: bool,
        hint: Option<String>,
        now: Instant,
    ) -> Option<LogLine> {
        if self.set_up_failed {
            return None;
        }
        let seconds = |since: Instant| now.duration_since(since).as_secs_f64();
        let age = match self.served {
            _ if self.plan.is_service() => format!("{:.1} s after its start", seconds(self.started)),
            Some(served) => format!("after {:.1} s of service", seconds(served)),
            None => format!("{:.1} s after its start, before it served", seconds(self.started)),
        };
        let kind = match &self.ending {
            Some(_) if self.killed => EndKind::Killed,
            Some((EndingReason::Discard, _)) => EndKind::GivenUp,
            Some(_) if death.cause().is_orderly() => EndKind::AsTold,
            Some(_) => EndKind::AsToldBadly,
            None if death.cause().is_orderly() => EndKind::Ended,
            None => EndKind::Died,
        };
        let mut how = format!("{death}, {age}");
        if is_successor {
            how.push_str(", while its predecessor went on serving");
        }
        if matches!(kind, EndKind::Killed | EndKind::AsToldBadly | EndKind::Died) {
            if let Some(hint) = hint {
                how.push_str(&format!("; its last output: {hint}"));
            }
            if let Some(stack) = death.stack_line() {
                how.push_str(&format!("; Python stack: {stack}"));
            }
        }
        let what = format!("{} {} of group '{}'", self.noun(), self.pid, self.plan.name());
        Some(messages::process_ended(kind, what, how))
    }
}

/// Preloads do not count against `startup-timeout` (spec/daemon.md §2.5), so it only bounds what has none.
fn successor_limit(timers: &DaemonTimers, has_preloads: bool) -> Duration {
    match Duration::from_millis(timers.startup) {
        limit if limit.is_zero() => SUCCESSOR_LIMIT,
        limit if has_preloads => limit.max(SUCCESSOR_LIMIT),
        limit => limit,
    }
}

/// How long a process that nobody serves beside may take until its Python serves, if `startup-timeout` says.
fn first_limit(timers: &DaemonTimers, has_preloads: bool) -> Option<Duration> {
    let limit = Duration::from_millis(timers.startup);
    (!limit.is_zero() && !has_preloads).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors_have_bounded_time() {
        let timers = |startup| DaemonTimers { startup, ..DaemonTimers::default() };
        assert_eq!(successor_limit(&timers(0), false).as_secs(), 120);
        assert_eq!(successor_limit(&timers(15_000), false).as_secs(), 15);
        assert_eq!(successor_limit(&timers(15_000), true).as_secs(), 120);
        assert_eq!(successor_limit(&timers(300_000), true).as_secs(), 300);
        assert_eq!(first_limit(&timers(0), false), None);
        assert_eq!(first_limit(&timers(15_000), true), None);
        assert_eq!(first_limit(&timers(15_000), false), Some(Duration::from_secs(15)));
    }
}
