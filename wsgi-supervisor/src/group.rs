//! Daemon groups as they run: slots, and the processes in them.

use crate::backoff::{Backoff, ReplacementPace};
use crate::cgroup::ProcessCgroup;
use crate::escalation::{EndingReason, Escalation};
use crate::forker::Forker;
use crate::generation::GroupPlan;
use crate::listen::ListeningSocket;
use crate::log::GroupLog;
use crate::output::LineCutter;
use crate::spawn::StartedDaemon;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::control::DaemonIdentity;
use wsgi_protocol::death::EndReason;
use wsgi_protocol::launch::{DaemonTimers, ReadyByte};
use wsgi_protocol::status::SlotState;

/// Most time a successor gets to come up when `startup-timeout` does not say.
const SUCCESSOR_LIMIT: Duration = Duration::from_secs(120);

/// Index of a process that has no slot: a zygote.
pub const NO_SLOT: usize = usize::MAX;

/// A group.
#[derive(Debug, Default)]
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
    pub retiring: Vec<RetiringSocket>,
    /// The last successor did not come up: older code or an older configuration serves.
    pub is_held_back: bool,
    /// Its application holds something that two processes cannot have, as has been found out with this configuration.
    pub is_exclusive: bool,
    /// The roll was asked for by an operator, not by a changed script.
    pub roll_by_operator: bool,
    /// New code is rolled out: processes started before this moment are replaced one by one.
    pub roll_since: Option<Instant>,
    /// The last set-up failure told at its own level, so that it is not told every few seconds.
    pub told_set_up: Option<String>,
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

/// User id, group id and chroot of the processes that share an heirloom: one user's process must not name the
/// scripts that another one's loads.
pub type HeirloomOwner = (u32, u32, Option<Vec<u8>>);

/// Whose processes of this kind are.
#[must_use]
pub fn owner(identity: &DaemonIdentity) -> HeirloomOwner {
    (identity.uid, identity.gid, identity.chroot.clone())
}

/// The socket of a place that is given up, and the processes that still serve it.
#[derive(Debug)]
pub struct RetiringSocket {
    /// The socket.
    pub listener: ListeningSocket,
    /// Log of the group.
    pub log: GroupLog,
    /// Processes.
    pub pids: Vec<i32>,
    /// When they are told to drain; `None` when they have been.
    pub drain_at: Option<Instant>,
}

/// A place for one process: its socket, and who serves it.
#[derive(Debug)]
pub struct ProcessSlot {
    /// What processes are started with from now on.
    pub plan: Rc<GroupPlan>,
    /// The socket; its queue outlives the processes.
    pub listener: ListeningSocket,
    /// The socket that takes its place, with all its names, when the next process serves.
    pub next: Option<ListeningSocket>,
    /// The next process shall have another socket: copies of this one may be anywhere.
    pub wants_socket: bool,
    /// The process of another user serves until the next one does: requests of the new generation wait for that.
    pub is_cut_off: bool,
    /// It was told that the name of its socket is gone and cannot be made again.
    pub told_missing: bool,
    /// Handed from process to process, and whose it is.
    pub heirloom: Option<(HeirloomOwner, OwnedFd)>,
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
    pub fn new(plan: Rc<GroupPlan>, listener: ListeningSocket, now: Instant) -> Self {
        Self {
            plan,
            listener,
            next: None,
            wants_socket: false,
            is_cut_off: false,
            told_missing: false,
            heirloom: None,
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

    /// The socket that its next process listens on.
    #[must_use]
    pub fn socket(&self) -> &ListeningSocket {
        self.next.as_ref().unwrap_or(&self.listener)
    }

    /// A new generation: what failed before may work now.
    pub fn renew(&mut self, plan: Rc<GroupPlan>) {
        self.plan = plan;
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
}

/// A running daemon.
#[derive(Debug)]
pub struct DaemonProcess {
    /// Its process id.
    pub pid: i32,
    /// Index of its slot in the group named by `plan`; [`NO_SLOT`] for a zygote.
    pub slot: usize,
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
    /// For a zygote: orders for workers go here.
    pub forker: Option<OwnedFd>,
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
    /// Ready bytes.
    pub ready: Option<OwnedFd>,
    /// Orders.
    pub order: OwnedFd,
    /// Standard output and error.
    pub output: Option<OwnedFd>,
    /// Failures of the set-up.
    pub report: Option<OwnedFd>,
    /// Its last Python stack.
    pub stack: OwnedFd,
    /// Cuts `output` into lines.
    pub lines: LineCutter,
    /// Its control group, if it has one: its own, or that of its zygote.
    pub cgroup: Option<Rc<ProcessCgroup>>,
    /// How many signs it has given lately, and since when.
    signs: (usize, Instant),
}

/// Most signs that a process gives in [`SIGN_TIME`]: it has about a handful in its life.
const SIGNS: usize = 200;
/// See [`SIGNS`].
const SIGN_TIME: Duration = Duration::from_secs(10);

impl DaemonProcess {
    /// Counts signs; whether it still is to be listened to.
    pub fn may_say(&mut self, count: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.signs.1) > SIGN_TIME {
            self.signs = (0, now);
        }
        self.signs.0 += count;
        self.signs.0 <= SIGNS
    }

    /// A process that was just started.
    #[must_use]
    pub fn new(
        started: StartedDaemon,
        plan: Rc<GroupPlan>,
        slot: usize,
        has_predecessor: bool,
        now: Instant,
    ) -> Self {
        let timers = plan.spec.launch.timers;
        let has_preloads = !plan.spec.launch.preloads.is_empty();
        let limit = match has_predecessor {
            true => Some(successor_limit(&timers, has_preloads)),
            // Nobody waits for a zygote, and a service may take its time.
            false if slot == NO_SLOT || plan.is_service() => None,
            false => first_limit(&timers, has_preloads),
        };
        Self {
            pid: started.pid.as_raw(),
            slot,
            plan,
            started: now,
            served: None,
            asked: None,
            asked_at: None,
            zygote: None,
            forker: None,
            renew: false,
            told_renew: None,
            is_successor: has_predecessor,
            deadline: limit.map(|limit| now + limit),
            ending: None,
            reason: None,
            killed: false,
            closed_at: None,
            is_deaf: false,
            set_up_failed: false,
            ready: Some(started.ready),
            order: started.order,
            output: Some(started.output),
            report: started.report,
            stack: started.stack,
            lines: LineCutter::default(),
            cgroup: None,
            signs: (0, now),
        }
    }

    /// What it is called in the log.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        if self.forker.is_some() { "zygote" } else { "daemon process" }
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
