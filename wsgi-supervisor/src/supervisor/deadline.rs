//! Processes that hang before they serve: a successor in the import of its application, a first process in the start of
//! Python itself (a `.pth` file on a mount that does not answer).

use super::Supervisor;
use crate::backoff::ProcessOutcome;
use crate::escalation::EndingReason;
use crate::log::LogLevel;
use std::time::Instant;

impl Supervisor {
    /// A process that does not come up in time is given up.
    pub(super) fn check_deadline(&mut self, pid: i32, now: Instant) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Some(deadline) = process.deadline else { return };
        if deadline > now {
            self.wake_at(deadline);
            return;
        }
        let seconds = now.duration_since(process.started).as_secs();
        process.end(EndingReason::Discard, now);
        let (noun, group) = (process.noun(), process.plan.name());
        let line = format!("{noun} {pid} of group '{group}' did not come up in {seconds} s");
        process.plan.log.write(LogLevel::WARN, &line);
        let (name, index) = (process.plan.spec.name.clone(), process.slot);
        self.candidate_lost(&name, pid, false, now);
        let Some(slot) = self.groups.get_mut(&name).and_then(|group| group.slots.get_mut(index)) else {
            return;
        };
        if slot.successor == Some(pid) {
            self.successor_lost(&name, index, false, now);
        } else if slot.current == Some(pid) {
            slot.current = None;
            slot.retry_at = Some(now + slot.backoff.note(ProcessOutcome::NeverServed));
            self.occupant_left(&name, index);
            self.wake_at(now);
        }
    }
}
