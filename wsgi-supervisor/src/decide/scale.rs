//! Another number of processes for a group, without losing a request: a place that goes is first closed to new
//! requests, then its process drains, and its socket stays as long as the process, so that who is still queued
//! there is served, or is seen not to have been started and goes elsewhere.

use super::StateMachine;
use super::escalation::EndingReason;
use super::event::{ProcessAction, SocketFate};
use super::group::RetiringPlace;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a place goes on serving for those who chose it just before it was closed.
const STRAGGLERS: Duration = Duration::from_secs(1);

impl StateMachine {
    /// Gives a group `count` processes; 0 stops it. Slots that are new, or that only an older configuration had wanted, have
    /// got sockets.
    pub(super) fn scale(&mut self, name: &[u8], count: usize, sockets: &[(usize, SocketFate)], now: Instant) {
        let plan = self.groups.get(name).and_then(|group| group.plan.clone());
        for (index, socket) in sockets {
            if let Some(plan) = &plan {
                self.seat(plan, *index, *socket, now);
            }
        }
        let Some(group) = self.groups.get_mut(name) else { return };
        (group.wanted, group.stopped) = (count, count == 0);
        self.births.retain(|birth| !birth.is_of(name) || birth.slot < count);
        for (age, generation) in self.live.iter_mut().rev().enumerate() {
            let Some(place) = generation.counts.get_mut(name) else { continue };
            // Children of an older generation do not learn of further processes.
            place.count = if age == 0 { count } else { place.count.min(count) }.min(place.most);
            let action = ProcessAction::PublishCount(generation.serial, name.to_vec(), place.count);
            self.actions.push(action);
        }
        let first = count.min(group.slots.len());
        // The last one first, so that the others keep their numbers.
        for (index, slot) in group.slots.drain(first..).enumerate().rev() {
            self.last_number += 1;
            let number = self.last_number;
            self.actions.push(ProcessAction::Retire(name.to_vec(), first + index, number));
            let pids = slot.occupants().collect();
            group.retiring.push(RetiringPlace { number, pids, drain_at: Some(now + STRAGGLERS) });
        }
        for index in 0..first {
            self.publish(name, index);
        }
    }

    /// Puts a plan into a slot, or makes the slot. A successor of an older plan is of no use any more.
    pub(super) fn seat(
        &mut self,
        plan: &Rc<super::GroupPlan>,
        index: usize,
        socket: SocketFate,
        now: Instant,
    ) {
        let Some(group) = self.groups.get_mut(&plan.spec.name) else { return };
        let Some(slot) = group.slots.get_mut(index) else {
            return group.slots.push(super::ProcessSlot::new(Rc::clone(plan), now));
        };
        slot.renew(Rc::clone(plan), socket);
        let stale = slot.successor.take().and_then(|pid| self.processes.get_mut(&pid));
        if let Some(process) = stale {
            process.end(EndingReason::Drain, now);
        }
    }

    /// Lets places go whose time has come.
    pub(super) fn advance_retiring(&mut self, name: &[u8], now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut retiring = std::mem::take(&mut group.retiring);
        retiring.retain_mut(|place| {
            match place.drain_at {
                Some(at) if at > now => self.wake_at(at),
                Some(_) => {
                    place.drain_at = None;
                    self.act(ProcessAction::Withdraw(place.number));
                    for pid in &place.pids {
                        if let Some(process) = self.processes.get_mut(pid) {
                            process.end(EndingReason::MakeRoom, now);
                        }
                    }
                    self.wake_at(now);
                }
                None => place.pids.retain(|pid| self.processes.contains_key(pid)),
            }
            place.drain_at.is_some() || !place.pids.is_empty()
        });
        if let Some(group) = self.groups.get_mut(name) {
            group.retiring = retiring;
        }
    }
}
