//! Processes that hang before they serve: a successor in the import of its application, a first process in the start of
//! Python itself (a `.pth` file on a mount that does not answer); and those that hear nothing any more.

use super::StateMachine;
use super::escalation::EndingReason;
use crate::messages;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::launch::ReadyByte;

/// A process that hears nothing any more is replaced again after so long, if its successor has failed.
const ASKS_AGAIN: Duration = Duration::from_secs(10);

impl StateMachine {
    /// A process that does not come up in time is given up.
    pub(super) fn check_deadline(&mut self, pid: i32, now: Instant) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Some(deadline) = process.deadline else { return };
        if deadline > now {
            self.wake_at(deadline);
            return;
        }
        process.end(EndingReason::Discard, now);
        let seconds = now.duration_since(process.started).as_secs();
        let (noun, plan, slot) = (process.noun(), Rc::clone(&process.plan), process.slot);
        let name = &plan.spec.name;
        self.log(&plan, messages::not_up_in_time(noun, pid, &plan.name(), seconds));
        let Some(index) = slot else { return self.candidate_lost(name, pid, false, now) };
        let Some(slot) = self.slot(name, index) else { return };
        if slot.successor == Some(pid) {
            self.successor_lost(name, index, false, now);
        } else if slot.current == Some(pid) {
            self.occupant_failed(name, index, now);
        }
    }

    /// A process that serves and whose ready pipe has ended has lost its descriptors (`os.closerange`): it hears and
    /// accepts nothing any more, and is replaced.
    pub(super) fn check_descriptors(&mut self, pid: i32, now: Instant) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        match process.closed_at {
            Some(at) if at > now => return self.wake_at(at),
            // Again later: its successor may fail, and it cannot ask any more.
            Some(_) => process.closed_at = Some(now + ASKS_AGAIN),
            None => return,
        }
        if process.served.is_some() && process.ending.is_none() && !process.is_zygote() {
            process.asked.get_or_insert(ReadyByte::Recycle);
            process.asked_at.get_or_insert(now);
            if !std::mem::replace(&mut process.is_deaf, true) {
                let plan = Rc::clone(&process.plan);
                self.log(&plan, messages::descriptors_lost(pid, &plan.name()));
            }
        }
        self.wake_at(now + ASKS_AGAIN);
    }
}
