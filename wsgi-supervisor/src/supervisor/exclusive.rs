//! Groups whose application holds something that two processes cannot have: a process ends before its successor starts,
//! and requests wait in the queue meanwhile. The configuration says so, or it is found out: the group then remembers it until
//! the next configuration, whose processes may be others, or none that can be started.

use super::Supervisor;
use crate::escalation::EndingReason;
use crate::group::ProcessSlot;
use crate::messages::LineSubject;
use std::time::Instant;

/// After so many processes in a row that found something taken the next one serves without it.
const CONFLICTS: u32 = 5;

impl Supervisor {
    /// Whether processes of the group must not live beside each other. A zygote imports beside its workers in any case.
    pub(super) fn is_exclusive(&self, name: &[u8]) -> bool {
        self.groups.get(name).is_some_and(|group| {
            let is_configured = group.plan.as_ref().is_some_and(|plan| plan.spec.exclusive);
            !group.has_zygotes() && (group.is_exclusive || is_configured)
        })
    }

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
            self.wake_at(now);
        }
        // One that was replaced earlier and still drains may be what holds it.
        let of_group = self.processes.values_mut().filter(|process| process.plan.spec.name == name);
        let draining = of_group.filter(|process| process.ending.is_some() && process.slot == index);
        draining.for_each(|process| process.end(EndingReason::MakeRoom, now));
    }

    /// The successor of a slot has found something taken that its predecessor may hold. The only process of a group makes
    /// room for the next one; where there are several, it is not the predecessor alone that is in the way.
    pub(super) fn successor_conflicts(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let are_many = group.slots.len() > 1 || group.has_zygotes();
        let Some(slot) = group.slots.get_mut(index) else { return };
        let (prefix, text, log) = (LineSubject::Conflict.prefix(), slot.plan.name(), slot.plan.log.clone());
        if are_many {
            let line = format!(
                "{prefix}the application of daemon process group '{text}' holds something that two processes cannot have (see \
                 the traceback above): write reload=exclusive, which ends each process before its successor starts, or give \
                 the group one process"
            );
            log.write(LineSubject::Conflict.level(), &line);
            return self.successor_lost(name, index, false, now);
        }
        slot.successor = None;
        group.is_exclusive = true;
        let line = format!(
            "{prefix}the application of daemon process group '{text}' holds something that two processes cannot have (see the \
             traceback above): from now on its process ends before its successor starts, and requests wait meanwhile; \
             reload=exclusive does so without trying"
        );
        log.write(LineSubject::Conflict.level(), &line);
        self.end_for_successor(name, index, now);
    }
}

impl ProcessSlot {
    /// Its only process found something taken, and will not serve. Who holds it may be gone soon; or stays, and then requests
    /// shall be told by the application why it does not work, and try again. A process that inherits no scripts has none
    /// that could refuse.
    pub(super) fn note_conflict(&mut self) {
        self.conflicts += 1;
        if self.conflicts < CONFLICTS {
            return;
        }
        self.heirloom = None;
        self.conflicts = 0;
        let (prefix, group) = (LineSubject::StaysTaken.prefix(), self.plan.name());
        let line = format!(
            "{prefix}what the application of daemon process group '{group}' needs for itself alone is still taken after {CONFLICTS} \
             processes (see the tracebacks above): the next process serves without having loaded it, and each request tries \
             the import again"
        );
        self.plan.log.write(LineSubject::StaysTaken.level(), &line);
    }
}
