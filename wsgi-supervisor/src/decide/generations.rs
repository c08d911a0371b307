//! Taking over a configuration, and letting go what only older ones had wanted.

use super::StateMachine;
use super::escalation::EndingReason;
use super::event::{Installation, PlaceCount, ProcessAction, SocketFate};
use super::forker::Forker;
use super::plan::GroupPlan;
use crate::messages;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

/// A generation that has httpd children, or is the newest.
#[derive(Debug, Clone)]
pub(super) struct LiveGeneration {
    /// Its serial.
    pub(super) serial: u64,
    /// How many processes of each group its children use.
    pub(super) counts: BTreeMap<Vec<u8>, PlaceCount>,
    /// It has httpd children.
    pub(super) has_children: bool,
}

impl StateMachine {
    /// A new configuration becomes the current one.
    pub(super) fn configured(
        &mut self,
        serial: u64,
        is_deserted: bool,
        counts: BTreeMap<Vec<u8>, PlaceCount>,
        installed: Vec<Installation>,
        now: Instant,
    ) {
        if is_deserted {
            self.deserted = serial - 1;
        }
        self.abandoned = None;
        for (name, place) in &counts {
            self.act(ProcessAction::PublishCount(serial, name.clone(), place.count));
        }
        self.live.push(LiveGeneration { serial, counts, has_children: true });
        for (plan, sockets) in installed {
            self.install(&plan, &sockets, now);
        }
        self.release(now);
    }

    /// Puts a group's plan into its slots. Successors of an older plan are of no use any more.
    pub(super) fn install(&mut self, plan: &Rc<GroupPlan>, sockets: &[SocketFate], now: Instant) {
        let group = self.groups.entry(plan.spec.name.clone()).or_default();
        (group.roll_since, group.told_set_up, group.is_held_back) = (None, None, false);
        group.is_exclusive = false;
        group.plan = Some(Rc::clone(plan));
        group.wanted = if group.stopped { 0 } else { plan.spec.processes as usize };
        group.forker = plan.wants_zygote().then(|| Forker::new(Rc::clone(plan)));
        if group.stopped {
            self.log(plan, messages::stays_stopped(&plan.name()));
        }
        self.births.retain(|birth| !birth.is_of(&plan.spec.name));
        for (index, socket) in sockets.iter().enumerate() {
            self.seat(plan, index, *socket, now);
        }
    }

    /// All httpd children of a generation are gone.
    pub(super) fn childless(&mut self, serial: u64, now: Instant) {
        let newest = self.live.last().map(|generation| generation.serial);
        let generation = self.live.iter_mut().find(|generation| generation.serial == serial);
        let Some(generation) = generation.filter(|generation| generation.has_children) else { return };
        generation.has_children = false;
        if newest == Some(serial) {
            self.abandoned = Some(now);
        }
        self.release(now);
    }

    /// Whether anything still is there for a generation.
    #[must_use]
    pub fn is_live(&self, serial: u64) -> bool {
        self.live.iter().any(|generation| generation.serial == serial)
    }

    /// How many processes of a group the children of a generation use.
    #[must_use]
    pub fn count(&self, serial: u64, name: &[u8]) -> usize {
        let generation = self.live.iter().find(|generation| generation.serial == serial);
        generation.and_then(|generation| generation.counts.get(name)).map_or(0, |place| place.count)
    }

    /// Lets go what only finished generations wanted: slots and groups.
    fn release(&mut self, now: Instant) {
        let newest = self.live.last().map(|generation| generation.serial);
        self.live.retain(|generation| Some(generation.serial) == newest || generation.has_children);
        for (name, group) in &mut self.groups {
            let counts = self.live.iter().filter_map(|generation| generation.counts.get(name));
            let wanted = counts.map(|place| place.count).max().unwrap_or(0);
            if wanted >= group.slots.len() {
                continue;
            }
            self.actions.push(ProcessAction::Vacate(name.clone(), wanted));
            for pid in group.slots.drain(wanted..).flat_map(|slot| slot.occupants()) {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.end(EndingReason::Drain, now);
                }
            }
        }
        let newest = self.live.last();
        self.groups.retain(|name, group| {
            let is_wanted = newest.is_some_and(|generation| generation.counts.contains_key(name));
            is_wanted || !group.slots.is_empty() || !group.retiring.is_empty()
        });
    }
}
