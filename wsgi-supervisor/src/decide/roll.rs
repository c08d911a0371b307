//! Replacing the processes of a group one by one, and successors that load what is out of date.

use super::StateMachine;
use super::escalation::EndingReason;
use super::event::ProcessAction;
use super::process::DaemonProcess;
use std::time::{Duration, Instant};
use wsgi_protocol::launch::{DaemonOrder, ReadyByte};

impl StateMachine {
    /// Lets the next process of a group follow that still runs the code from before a change.
    pub(super) fn advance_roll(&mut self, name: &[u8], now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(since) = group.roll_since else { return };
        let are_expected = self.births.iter().any(|birth| birth.is_of(name) && birth.has_predecessor());
        if are_expected || group.slots.iter().any(|slot| slot.successor.is_some()) {
            return; // one by one
        }
        let mut are_old = false;
        for slot in &group.slots {
            let Some(process) = slot.current.and_then(|pid| self.processes.get_mut(&pid)) else { continue };
            if process.started < since && process.ending.is_none() {
                are_old = true;
                if process.served.is_some() {
                    let pid = process.pid;
                    self.tell_renew(pid, now);
                    return;
                }
            }
        }
        if !are_old {
            group.roll_since = None;
        }
    }

    /// Tells a process that it shall be replaced. One that does not ask for its successor in a second gets it unasked,
    /// and a service is replaced at once. Whether it still has time to ask.
    pub(super) fn tell_renew(&mut self, pid: i32, now: Instant) -> bool {
        const PATIENCE: Duration = Duration::from_secs(1);
        let Some(process) = self.processes.get_mut(&pid) else { return false };
        if process.told_renew.is_none() {
            self.actions.push(ProcessAction::Order(pid, DaemonOrder::Renew));
        }
        let told = *process.told_renew.get_or_insert(now);
        process.renew = process.plan.is_service() || (process.asked.is_none() && now >= told + PATIENCE);
        let may_ask = !process.renew && process.asked.is_none();
        if may_ask {
            self.wake_at(told + PATIENCE);
        }
        may_ask
    }

    /// Whether the first successor with changed code is on its way in the group.
    pub(super) fn is_reloading(&self, name: &[u8]) -> bool {
        // A roll under way means that the new code has come up in one process.
        let Some(group) = self.groups.get(name).filter(|group| group.roll_since.is_none()) else {
            return false;
        };
        let asked = |pid: Option<i32>| self.processes.get(&pid?)?.asked;
        let mut slots = group.slots.iter();
        slots.any(|slot| slot.successor.is_some() && asked(slot.current) == Some(ReadyByte::Replace))
    }

    /// The changed code does not come up: the other processes that wait for it need not try.
    pub(super) fn keep_others(&mut self, name: &[u8]) {
        let Some(group) = self.groups.get(name) else { return };
        for slot in group.slots.iter().filter(|slot| slot.successor.is_none()) {
            let Some(process) = slot.current.and_then(|pid| self.processes.get_mut(&pid)) else { continue };
            if process.asked == Some(ReadyByte::Replace) && process.ending.is_none() {
                process.asked = None;
                self.actions.push(ProcessAction::Order(process.pid, DaemonOrder::Keep));
            }
        }
    }

    /// Code has changed once more: a successor that loads what is out of date gives way to one that does not.
    pub(super) fn give_up_outdated(&mut self, name: &[u8], now: Instant) {
        self.give_up_loading(name, None, now, |asker| asker.asked == Some(ReadyByte::Replace));
    }

    /// The same for one place: the successors of others may well have begun with the newest code.
    pub(super) fn give_up_outdated_at(&mut self, name: &[u8], index: usize, now: Instant) {
        self.give_up_loading(name, Some(index), now, |asker| asker.asked == Some(ReadyByte::Replace));
    }

    /// An operator wants everything loaded anew, and does not wait for what hangs.
    pub(super) fn give_up_all(&mut self, name: &[u8], now: Instant) {
        self.give_up_loading(name, None, now, |_| true);
        let forker = self.groups.get_mut(name).and_then(|group| group.forker.as_mut());
        let candidate = forker.and_then(|forker| forker.candidate.take());
        self.discard(candidate.map(|candidate| candidate.pid), now);
    }

    /// Code has changed while a zygote that nobody has asked for imports: it may hang in what has been mended since.
    pub(super) fn give_up_unasked(&mut self, name: &[u8], now: Instant) {
        let forker = self.groups.get_mut(name).and_then(|group| group.forker.as_mut());
        let unasked = forker.and_then(|forker| forker.take_outdated(now));
        self.discard(unasked, now);
    }

    fn discard(&mut self, pid: Option<i32>, now: Instant) {
        if let Some(process) = pid.and_then(|pid| self.processes.get_mut(&pid)) {
            process.end(EndingReason::Discard, now);
        }
    }

    fn give_up_loading(
        &mut self,
        name: &[u8],
        only: Option<usize>,
        now: Instant,
        concerns: fn(&DaemonProcess) -> bool,
    ) {
        let Some(group) = self.groups.get_mut(name) else { return };
        for (index, slot) in group.slots.iter_mut().enumerate() {
            if only.is_some_and(|only| only != index) {
                continue;
            }
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
        let outdated = candidate.map(|candidate| candidate.pid);
        self.discard(outdated, now);
    }
}
