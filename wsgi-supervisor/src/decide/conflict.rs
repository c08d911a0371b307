//! Groups whose application holds something that two processes cannot have: a process ends before its successor starts,
//! and requests wait in the queue meanwhile. The configuration says so, or it is found out: the group then remembers it until
//! the next configuration, whose processes may be others, or none that can be started.

use super::StateMachine;
use super::escalation::EndingReason;
use super::event::ProcessAction;
use crate::messages;
use std::rc::Rc;
use std::time::Instant;

/// After so many processes in a row that found something taken the next one serves without it.
const CONFLICTS: u32 = 5;

impl StateMachine {
    /// Replaces a process by ending it; what follows is an ordinary start. Of several processes one at a time, so that the
    /// others serve.
    pub(super) fn end_for_successor(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(group) = self.groups.get(name) else { return };
        let serves = |pid: i32| {
            self.processes
                .get(&pid)
                .is_some_and(|process| process.ending.is_none() && process.served.is_some())
        };
        let mut others = group.slots.iter().enumerate().filter(|(other, _)| *other != index);
        if others.any(|(_, slot)| !slot.current.is_some_and(serves)) {
            return; // its start, or its end, wakes us
        }
        let current = group.slots.get(index).and_then(|slot| slot.current);
        if let Some(process) = current.and_then(|pid| self.processes.get_mut(&pid)) {
            process.end(EndingReason::MakeRoom, now);
        }
        // One that was replaced earlier and still drains may be what holds it.
        let of_group = self.processes.values_mut().filter(|process| process.is_of(name));
        let draining = of_group.filter(|process| process.ending.is_some() && process.slot == Some(index));
        draining.for_each(|process| process.end(EndingReason::MakeRoom, now));
        self.wake_at(now);
    }

    /// The successor of a slot has found something taken that its predecessor may hold. The only process of a group makes
    /// room for the next one; where there are several, it is not the predecessor alone that is in the way.
    pub(super) fn successor_conflicts(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let are_many = group.slots.len() > 1 || group.has_zygotes();
        let Some(slot) = group.slots.get_mut(index) else { return };
        let plan = Rc::clone(&slot.plan);
        if !are_many {
            slot.successor = None;
            group.is_exclusive = true;
        }
        self.log(&plan, messages::conflict(&plan.name(), are_many));
        if are_many {
            return self.successor_lost(name, index, false, now);
        }
        self.end_for_successor(name, index, now);
    }

    /// The only process of a slot found something taken, and will not serve. Who holds it may be gone soon; or stays, and then
    /// requests shall be told by the application why it does not work, and try again. A process that inherits no scripts has
    /// none that could refuse.
    pub(super) fn note_conflict(&mut self, name: &[u8], index: usize) {
        let Some(slot) = self.slot_mut(name, index) else { return };
        slot.conflicts += 1;
        if slot.conflicts < CONFLICTS {
            return;
        }
        slot.conflicts = 0;
        let plan = Rc::clone(&slot.plan);
        self.act(ProcessAction::ForgetHeirloom(name.to_vec(), index));
        self.log(&plan, messages::stays_taken(&plan.name(), CONFLICTS));
    }
}
