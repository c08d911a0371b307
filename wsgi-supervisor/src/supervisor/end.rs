//! How the supervisor itself ends: with httpd, or because httpd has started another one.

use super::Supervisor;
use crate::escalation::{EndingReason, Escalation, EscalationAction};
use crate::listen::ListeningSocket;
use crate::log::LogLevel;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::time::{Duration, Instant};

/// The control socket of a dying parent closes just before the parent is seen to be dead.
const PARENT_GRACE: Duration = Duration::from_millis(100);

/// How long httpd may take to read its configuration again after the children of the last one are gone.
const ABANDON_GRACE: Duration = Duration::from_secs(8);

/// Why the supervisor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupervisorEnd {
    /// httpd stops, or is dead: everything ends within httpd's own limit.
    Stop,
    /// httpd lives and has dropped us, because it was upgraded: daemons drain.
    Retire,
}

impl Supervisor {
    /// httpd's parent is dead.
    pub(super) fn parent_ended(&mut self, now: Instant) {
        self.parent = None;
        self.control = None;
        self.control_lost = None;
        self.begin_end(SupervisorEnd::Stop, now);
    }

    /// Ends all daemons. A stop overrides a retirement.
    pub(super) fn begin_end(&mut self, end: SupervisorEnd, now: Instant) {
        if self.ending == Some(SupervisorEnd::Stop) || self.ending == Some(end) {
            return;
        }
        self.ending = Some(end);
        // What is not there yet is not waited for: it ends when it is not welcomed.
        self.births.clear();
        self.log
            .write(LogLevel::INFO, &format!("supervisor: ending {} daemon processes", self.processes.len()));
        let ending = if end == SupervisorEnd::Stop { EndingReason::Stop } else { EndingReason::Drain };
        for process in self.processes.values_mut() {
            process.end(ending, now);
        }
    }

    /// httpd stops, and does not wait for daemons any longer.
    pub(super) fn kill_all(&mut self) {
        let pids: Vec<_> = self.processes.keys().copied().collect();
        pids.into_iter().for_each(|pid| self.act(pid, EscalationAction::Kill));
    }

    /// Decides what the loss of the control socket means.
    pub(super) fn advance_end(&mut self, now: Instant) {
        let Some(lost) = self.control_lost else { return };
        if now < lost + PARENT_GRACE {
            self.wake_at(lost + PARENT_GRACE);
            return;
        }
        self.control_lost = None;
        let end = if getppid() == self.parent_id { SupervisorEnd::Retire } else { SupervisorEnd::Stop };
        self.begin_end(end, now);
    }

    /// httpd has dropped the configuration, its children are gone, and no other one came: the module is no longer
    /// loaded.
    pub(super) fn advance_abandonment(&mut self, now: Instant) {
        let Some(since) = self.abandoned else { return };
        if now < since + ABANDON_GRACE {
            self.wake_at(since + ABANDON_GRACE);
            return;
        }
        self.abandoned = None;
        self.begin_end(SupervisorEnd::Retire, now);
    }

    /// Carries out what is due for processes that shall end, and finds those that hang while they start.
    pub(super) fn advance_processes(&mut self, now: Instant) {
        let pids: Vec<_> = self.processes.keys().copied().collect();
        for pid in pids {
            self.check_deadline(pid, now);
            self.check_descriptors(pid, now);
            while let Some(action) = self.next_action(pid, now) {
                self.act(pid, action);
            }
        }
    }

    fn next_action(&mut self, pid: i32, now: Instant) -> Option<EscalationAction> {
        let (_, escalation) = self.processes.get_mut(&pid)?.ending.as_mut()?;
        let action = escalation.next_due(now);
        let deadline = escalation.deadline();
        if let (None, Some(deadline)) = (action, deadline) {
            self.wake_at(deadline);
        }
        action
    }

    fn act(&mut self, pid: i32, action: EscalationAction) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        // It has not been waited for, so the number cannot belong to another process.
        let id = Pid::from_raw(pid);
        let _ = match action {
            EscalationAction::Order(order) => match nix::unistd::write(&process.order, &[order as u8]) {
                // It has closed the other end, and knows only signals.
                Err(Errno::EPIPE) => {
                    if let Some((_, escalation)) = &mut process.ending {
                        *escalation = Escalation::of_the_deaf(Instant::now());
                    }
                    kill(id, Signal::SIGTERM)
                }
                result => result.map(drop),
            },
            EscalationAction::Terminate => kill(id, Signal::SIGTERM),
            EscalationAction::Kill => {
                process.killed = true;
                kill(id, Signal::SIGKILL)
            }
        };
    }

    pub(super) fn is_finished(&self) -> bool {
        self.ending.is_some() && self.processes.is_empty() && self.remains.is_empty()
    }

    /// The last thing: no socket file stays behind.
    pub(super) fn unlink_all(&mut self) {
        self.operator = None;
        for group in self.groups.values_mut() {
            group.retiring.iter_mut().for_each(|place| _ = place.listener.withdraw());
            for slot in &mut group.slots {
                let next = slot.next.as_mut().map(ListeningSocket::withdraw).unwrap_or_default();
                for problem in slot.listener.withdraw().into_iter().chain(next) {
                    slot.plan.log.write(LogLevel::WARN, &problem);
                }
            }
        }
    }
}
