//! Successors that load what is out of date: code that has changed once more, or that an operator wants loaded anew.

use super::Supervisor;
use crate::escalation::EndingReason;
use crate::group::DaemonProcess;
use std::time::Instant;
use wsgi_protocol::launch::ReadyByte;

impl Supervisor {
    /// Code has changed once more: a successor that loads what is out of date gives way to one that does not.
    pub(super) fn give_up_outdated(&mut self, name: &[u8], now: Instant) {
        self.give_up_loading(name, now, |asker| asker.asked == Some(ReadyByte::Replace));
    }

    /// An operator wants everything loaded anew, and does not wait for what hangs.
    pub(super) fn give_up_all(&mut self, name: &[u8], now: Instant) {
        self.give_up_loading(name, now, |_| true);
    }

    fn give_up_loading(&mut self, name: &[u8], now: Instant, concerns: fn(&DaemonProcess) -> bool) {
        let Some(group) = self.groups.get_mut(name) else { return };
        for slot in &mut group.slots {
            let asker = slot.current.and_then(|pid| self.processes.get(&pid));
            if !asker.is_some_and(concerns) {
                continue;
            }
            if let Some(outdated) = slot.successor.take().and_then(|pid| self.processes.get_mut(&pid)) {
                outdated.end(EndingReason::Discard, now);
            }
        }
        let forker = group.forker.as_mut();
        let candidate = forker.and_then(|forker| forker.candidate.take_if(|known| known.asker.is_some()));
        if let Some(outdated) = candidate.and_then(|candidate| self.processes.get_mut(&candidate.pid)) {
            outdated.end(EndingReason::Discard, now);
        }
        self.wake_at(now);
    }
}
