//! A process has ended: its slot reacts at once.

use super::StateMachine;
use super::backoff::{ProcessOutcome, SERVICE_PACE};
use super::process::DaemonProcess;
use crate::messages;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::death::{DeathCause, ProcessDeath};

impl StateMachine {
    /// A process is dead: the line about it, and what follows for its slot. `hint` is its last output.
    pub(super) fn died(&mut self, death: &ProcessDeath, hint: Option<String>, now: Instant) {
        let pid = death.pid.cast_signed();
        let Some(process) = self.processes.remove(&pid) else { return };
        let (name, cause) = (process.plan.spec.name.clone(), death.cause());
        let is_unasked = process.ending.is_none() && !(process.asked.is_some() && cause.is_orderly());
        let (mut is_successor, mut is_current) = (false, false);
        if let Some(slot) = process.slot.and_then(|index| self.slot_mut(&name, index)) {
            (is_successor, is_current) = (slot.successor == Some(pid), slot.current == Some(pid));
            if is_unasked || process.killed {
                slot.last_death = Some((pid, death.to_string()));
            }
        }
        if let Some(line) = process.death_line(death, is_successor, hint, now) {
            self.log(&process.plan, line);
        }
        let Some(index) = process.slot else { return self.zygote_lost(&process, now) };
        if process.zygote.is_some() && process.served.is_none() && process.ending.is_none() {
            self.note_birth(&name, false, now);
        }
        if is_successor {
            self.successor_died(&process, index, now);
        } else if is_current {
            self.occupant_died(&process, index, cause, now);
        }
    }

    /// The process of a slot is gone: the next one starts at once, unless it keeps failing.
    fn occupant_died(&mut self, process: &DaemonProcess, index: usize, cause: DeathCause, now: Instant) {
        let (name, is_ending) = (&process.plan.spec.name, self.ending.is_some());
        let Some(group) = self.groups.get_mut(name) else { return };
        let count = group.slots.len();
        let Some(slot) = group.slots.get_mut(index) else { return };
        slot.current = None;
        let pause = slot.pause_after(process, cause, now);
        slot.retry_at = Some(now + pause);
        let is_failing = slot.backoff.is_failing();
        if slot.backoff.failures() == 0 {
            slot.told_failing = false;
        } else if is_failing && !is_ending && !std::mem::replace(&mut slot.told_failing, true) {
            let plan = Rc::clone(&slot.plan);
            let line = messages::keeps_failing(&plan.name(), index, count, slot.backoff.failures(), pause);
            if !process.set_up_failed {
                self.log(&plan, line);
            }
        }
        self.occupant_left(name, index);
    }
}

impl super::group::ProcessSlot {
    /// How long the next start waits after the death of the process that served the slot.
    fn pause_after(&mut self, process: &DaemonProcess, cause: DeathCause, now: Instant) -> Duration {
        let is_service = process.plan.is_service();
        // It may have asked for its successor before, or just have said why it ends (`reload=immediate`).
        let has_said_why = process.asked.is_some() || process.served.is_some() && process.reason.is_some();
        if process.ending.is_some() || (has_said_why && cause.is_orderly()) {
            Duration::ZERO
        } else if process.set_up_failed {
            self.backoff.note(ProcessOutcome::NotSetUp)
        } else if is_service && cause.is_orderly() {
            (process.started + SERVICE_PACE).saturating_duration_since(now)
        } else {
            let since = if is_service { Some(process.started) } else { process.served };
            let lived = since.map(|since| ProcessOutcome::Served { after: now.duration_since(since) });
            let outcome = lived.unwrap_or(ProcessOutcome::NeverServed);
            self.backoff.note(if is_service { outcome.without_requests() } else { outcome })
        }
    }
}
