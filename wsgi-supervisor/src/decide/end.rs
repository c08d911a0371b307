//! How everything ends: with httpd, or because httpd has started another supervisor; and what is due for processes meanwhile.

use super::StateMachine;
use super::escalation::{EndingReason, Escalation, EscalationAction};
use super::event::ProcessAction;
use super::plan::SupervisorEnd;
use std::time::{Duration, Instant};

/// How long httpd may take to read its configuration again after the children of the last one are gone.
const ABANDON_GRACE: Duration = Duration::from_secs(8);

impl StateMachine {
    /// Ends all daemons. A stop overrides a retirement.
    pub(super) fn begin_end(&mut self, end: SupervisorEnd, now: Instant) {
        if self.ending == Some(SupervisorEnd::Stop) || self.ending == Some(end) {
            return;
        }
        self.ending = Some(end);
        // What is not there yet is not waited for: it ends when it is not welcomed.
        self.births.clear();
        let ending = if end == SupervisorEnd::Stop { EndingReason::Stop } else { EndingReason::Drain };
        for process in self.processes.values_mut() {
            process.end(ending, now);
        }
    }

    /// httpd stops, and does not wait for daemons any longer.
    pub(super) fn kill_all(&mut self) {
        for process in self.processes.values_mut() {
            process.killed = true;
            self.actions.push(ProcessAction::Kill(process.pid));
        }
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
                self.act(action);
            }
        }
    }

    fn next_action(&mut self, pid: i32, now: Instant) -> Option<ProcessAction> {
        let process = self.processes.get_mut(&pid)?;
        let (_, escalation) = process.ending.as_mut()?;
        let action = escalation.next_due(now);
        if let (None, Some(deadline)) = (action, escalation.deadline()) {
            self.wake_at(deadline);
        }
        Some(match action? {
            EscalationAction::Order(order) => ProcessAction::Order(pid, order),
            EscalationAction::Terminate => ProcessAction::Terminate(pid),
            EscalationAction::Kill => {
                self.processes.get_mut(&pid)?.killed = true;
                ProcessAction::Kill(pid)
            }
        })
    }

    /// A process has closed the other end of its orders, and knows only signals.
    pub(super) fn takes_no_orders(&mut self, pid: i32, now: Instant) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Some((ending, escalation)) = &mut process.ending else { return };
        *escalation = Escalation::of_the_deaf(now);
        let discards = *ending == EndingReason::Discard;
        // The turn that gave the order has noted when the longer escalation is due.
        self.wake_at(now);
        // One that is given up gets the signal with the order.
        if !discards {
            self.act(ProcessAction::Terminate(pid));
        }
    }
}
