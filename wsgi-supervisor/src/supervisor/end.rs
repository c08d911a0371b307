//! How the supervisor itself ends: with httpd, or because httpd has started another one.

use super::Supervisor;
use crate::decide::{ProcessEvent, SupervisorEnd};
use crate::listen::ListeningSocket;
use crate::messages;
use nix::unistd::getppid;
use std::time::{Duration, Instant};

/// The control socket of a dying parent closes just before the parent is seen to be dead.
const PARENT_GRACE: Duration = Duration::from_millis(100);

impl Supervisor {
    /// httpd's parent is dead.
    pub(super) fn parent_ended(&mut self, now: Instant) {
        self.parent = None;
        self.control = None;
        self.control_lost = None;
        self.begin_end(SupervisorEnd::Stop, now);
    }

    /// Ends all daemons.
    pub(super) fn begin_end(&mut self, end: SupervisorEnd, now: Instant) {
        self.on(ProcessEvent::Ending(end), now);
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

    /// Says so, once for each reason.
    pub(super) fn tell_end(&mut self) {
        if self.told_ending != self.machine.ending() {
            self.told_ending = self.machine.ending();
            self.log.tell(&messages::ending(self.processes.len()));
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.machine.ending().is_some()
            && self.machine.processes().next().is_none()
            && self.remains.is_empty()
    }

    /// The last thing: no socket file stays behind.
    pub(super) fn unlink_all(&mut self) {
        self.operator = None;
        self.retired.values_mut().for_each(|place| _ = place.listener.withdraw());
        for slot in self.slots.values_mut().flatten() {
            let next = slot.next.as_mut().map(ListeningSocket::withdraw).unwrap_or_default();
            super::actions::tell_problems(&slot.plan, [slot.listener.withdraw(), next].concat());
        }
    }
}
