//! Who serves a slot: first starts, successors, and the hand-over between them.

use super::StateMachine;
use super::backoff::ProcessOutcome;
use super::escalation::EndingReason;
use super::event::{GroupCounter, ProcessAction};
use super::start::ProcessOrigin;
use crate::messages;
use std::rc::Rc;
use std::time::Instant;
use wsgi_protocol::launch::{DaemonOrder, ReadyByte};

impl StateMachine {
    /// Starts what is missing in a slot, or shall be replaced.
    pub(super) fn advance_slot(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(slot) = self.slot(name, index) else { return };
        match (slot.current, slot.successor) {
            (Some(current), None) => self.replace_if_needed(name, index, current, now),
            (Some(_), Some(_)) => {}
            (None, Some(successor)) => self.promote(name, index, successor),
            (None, None) => {
                let retry_at = slot.retry_at.filter(|at| *at > now);
                let waits = slot.plan.is_service() && self.is_inhabited(name, index);
                match retry_at {
                    Some(at) => self.wake_at(at),
                    None if waits => {} // a service never runs twice; the end of the old one wakes us
                    None if !self.may_start(name, index, now) => {}
                    None => {
                        let origin = self.origin(name, index, now);
                        self.start_from(origin, name, index, false, now);
                    }
                }
            }
        }
    }

    /// The predecessor of a successor died: it serves alone, however long it takes to come up.
    fn promote(&mut self, name: &[u8], index: usize, successor: i32) {
        if let Some(slot) = self.slot_mut(name, index) {
            (slot.current, slot.successor) = (Some(successor), None);
        }
        self.act(ProcessAction::SwitchSocket(name.to_vec(), index));
        if let Some(process) = self.processes.get_mut(&successor) {
            process.is_successor = false;
            process.deadline = None;
        }
        self.publish(name, index);
    }

    fn is_inhabited(&self, name: &[u8], index: usize) -> bool {
        self.processes.values().any(|process| process.slot == Some(index) && process.is_of(name))
    }

    /// A process is replaced when it asks for it, when it is of an older generation, or in a roll.
    fn replace_if_needed(&mut self, name: &[u8], index: usize, current: i32, now: Instant) {
        let (Some(process), Some(slot)) = (self.processes.get(&current), self.slot(name, index)) else {
            return;
        };
        let is_stale = process.plan.serial != slot.plan.serial;
        if process.ending.is_some() || !(is_stale || process.renew || process.asked.is_some()) {
            return;
        }
        let is_ours = is_stale || process.told_renew.is_some();
        let (asked, is_service) = (process.asked, process.plan.is_service());
        // With its scripts loaded, a successor serves its first request as fast as the last one was.
        let inherits = is_stale && process.served.is_some() && !slot.is_cut_off;
        // What httpd or an operator wants is only held back by failures.
        let pause = slot.successor_at.filter(|at| (asked.is_none() || is_ours) && *at > now);
        if inherits && self.tell_renew(current, now) {
            return;
        }
        if asked == Some(ReadyByte::Replace) && !is_ours && self.is_reloading(name) {
            return; // the first one tries: if the new code fails, it fails once
        }
        if let Some(at) = pause {
            return self.wake_at(at);
        }
        if !self.may_start(name, index, now) {
            return;
        }
        if !is_service && self.groups.get(name).is_some_and(|group| group.is_exclusive_now()) {
            if asked.is_none() || is_ours || self.may_replace(name, index, now) {
                self.end_for_successor(name, index, now);
            }
            return;
        }
        let origin = if is_service { ProcessOrigin::Exec } else { self.origin(name, index, now) };
        if origin == ProcessOrigin::Wait {
            return;
        }
        // A daemon may ask at any rate. Where a zygote was started for it, that has counted already.
        let has_counted = asked == Some(ReadyByte::Replace) && origin != ProcessOrigin::Exec;
        if asked.is_some() && !is_ours && !has_counted && !self.may_replace(name, index, now) {
            return;
        }
        match is_service {
            true => self.replace_service(name, index, current, now),
            false => self.start_from(origin, name, index, true, now),
        }
    }

    /// Whether one more replacement of the slot is within its pace.
    fn may_replace(&mut self, name: &[u8], index: usize, now: Instant) -> bool {
        let Some(slot) = self.slot_mut(name, index) else { return false };
        let granted = slot.pace.take(now);
        if let Err(at) = granted {
            self.wake_at(at);
        }
        granted.is_ok()
    }

    /// The next process of a service starts when this one has ended.
    fn replace_service(&mut self, name: &[u8], index: usize, current: i32, now: Instant) {
        if let Some(process) = self.processes.get_mut(&current) {
            process.end(EndingReason::StopService, now);
        }
        if let Some(slot) = self.slot_mut(name, index) {
            (slot.current, slot.retry_at) = (None, None);
        }
        self.wake_at(now);
        self.occupant_left(name, index);
    }

    /// A process serves. If it is the successor of its slot, its predecessor drains.
    pub(super) fn hand_over(&mut self, name: &[u8], index: usize, pid: i32, now: Instant) {
        let Some(slot) = self.slot_mut(name, index).filter(|slot| slot.successor == Some(pid)) else {
            return;
        };
        let old = slot.current.replace(pid);
        slot.successor = None;
        (slot.lost_successors, slot.successor_at) = (0, None);
        self.act(ProcessAction::SwitchSocket(name.to_vec(), index));
        let started = self.processes.get(&pid).map(|process| process.started);
        let deserted = self.deserted;
        if let Some(old) = old.and_then(|old| self.processes.get_mut(&old)) {
            let is_deserted = old.plan.serial <= deserted;
            old.end(if is_deserted { EndingReason::MakeRoom } else { EndingReason::Drain }, now);
            let is_changed_code = old.asked == Some(ReadyByte::Replace);
            let counter = GroupCounter::Reloaded { is_done: true, is_changed_code };
            let plan = Rc::clone(&old.plan);
            self.act(ProcessAction::Count(plan, counter));
            if let Some(group) = self.groups.get_mut(name).filter(|_| is_changed_code) {
                group.roll_since = started;
                group.roll_by_operator = false;
            }
        }
        if let Some(group) = self.groups.get_mut(name) {
            group.is_held_back = false;
        }
        self.occupant_left(name, index);
    }

    /// A successor did not come up: its predecessor stays.
    pub(super) fn successor_lost(&mut self, name: &[u8], index: usize, not_set_up: bool, now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(slot) = group.slots.get_mut(index) else { return };
        slot.successor = None;
        let pause = slot.successor_pause(not_set_up);
        slot.successor_at = Some(now + pause);
        if self.ending.is_some() {
            return; // it was we who ended it
        }
        let plan = Rc::clone(&slot.plan);
        let Some(current) = slot.current.and_then(|pid| self.processes.get_mut(&pid)) else { return };
        let (group_name, pid) = (plan.name(), current.pid);
        let is_stale = current.plan.serial != plan.serial;
        let was_rolled = std::mem::take(&mut current.renew) | current.told_renew.take().is_some();
        group.is_held_back = true;
        let asked = current.asked.take();
        current.asked_at = None;
        let is_changed_code = asked == Some(ReadyByte::Replace);
        let counter = GroupCounter::Reloaded { is_done: false, is_changed_code };
        self.actions.push(ProcessAction::Count(Rc::clone(&current.plan), counter));
        if asked.is_some() {
            self.actions.push(ProcessAction::Order(pid, DaemonOrder::Keep));
        }
        if was_rolled {
            group.roll_since = None;
        }
        let reason = match asked {
            _ if is_stale => "with the new configuration",
            _ if was_rolled && group.roll_by_operator => "at the restart by mod_wsgi-ctl",
            Some(ReadyByte::Recycle) if !was_rolled => "to recycle a process",
            _ => "with the changed code",
        };
        let is_repeated = is_stale && group.told_kept == Some(plan.serial);
        if is_stale {
            group.told_kept = Some(plan.serial);
        }
        let line =
            messages::predecessor_stays(&group_name, pid, not_set_up, reason, is_stale.then_some(pause));
        self.log(&plan, if is_repeated { line.repeated() } else { line });
        if is_changed_code {
            self.keep_others(name);
        }
        self.publish(name, index);
    }

    /// What an occupant that will not serve leaves: the next one starts after a pause.
    pub(super) fn occupant_failed(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(slot) = self.slot_mut(name, index) else { return };
        slot.current = None;
        slot.retry_at = Some(now + slot.backoff.note(ProcessOutcome::NeverServed));
        self.occupant_left(name, index);
    }
}
