//! What makes two worlds the same: process ids and moments count by their order, and the past only as far as it matters.

use super::super::backoff::{Backoff, ReplacementPace};
use super::super::escalation::EscalationAction;
use super::super::event::SocketFate;
use super::super::group::{DaemonGroup, ProcessSlot};
use super::super::plan::GroupPlan;
use super::super::process::DaemonProcess;
use super::world::World;
use std::time::{Duration, Instant};

/// Ages beyond this do not matter (`ReplacementPace` remembers five seconds).
const OLDEST_MS: u128 = 5000;
/// Added to what lies in the future.
const FUTURE: u64 = 1 << 32;

/// A world as numbers.
pub fn of(world: &World) -> Vec<u64> {
    let mut key = KeyWriter { world, past: Vec::new(), is_collected: false, numbers: Vec::new() };
    // The first pass finds the moments, the second one writes their order.
    key.world();
    key.past.sort_unstable();
    key.past.dedup();
    key.numbers.clear();
    key.is_collected = true;
    key.world();
    key.numbers
}

struct KeyWriter<'a> {
    world: &'a World,
    past: Vec<Instant>,
    is_collected: bool,
    numbers: Vec<u64>,
}

impl KeyWriter<'_> {
    fn flags(&mut self, flags: &[bool]) {
        self.numbers.push(flags.iter().fold(1, |sum, flag| sum * 2 + u64::from(*flag)));
    }

    fn count(&mut self, count: usize) {
        self.numbers.push(count as u64);
    }

    fn moment(&mut self, at: Option<Instant>) {
        let Some(at) = at else { return self.numbers.push(0) };
        let now = self.world.now;
        if at > now {
            return self.numbers.push(FUTURE + u64::try_from((at - now).as_millis()).unwrap());
        }
        if !self.is_collected {
            self.past.push(at);
        }
        let rank = self.past.partition_point(|known| *known < at) as u64;
        let age = u64::try_from((now - at).as_millis().min(OLDEST_MS)).unwrap();
        self.numbers.push(1 + rank * 100_000 + age);
    }

    fn pid(&mut self, pid: Option<i32>) {
        let known = pid.map_or(0, |pid| match self.world.alive.contains(&pid) {
            true => 2 + self.world.alive.range(..pid).count(),
            false => 1,
        });
        self.count(known);
    }

    fn plan(&mut self, plan: &GroupPlan) {
        self.numbers.push(self.world.last.1 - plan.serial);
    }

    fn backoff(&mut self, backoff: &Backoff) {
        self.count(backoff.failures.min(9) * 10 + backoff.short_lives.min(6));
    }

    fn pace(&mut self, pace: &ReplacementPace) {
        let age = (self.world.now - pace.since).as_millis();
        let tokens = u64::from(pace.tokens) + u64::try_from(age / 1000).unwrap();
        let phase = if tokens >= 5 { 0 } else { u64::try_from(age % 1000).unwrap() };
        self.numbers.extend([tokens.min(5), phase]);
    }

    fn process(&mut self, process: &DaemonProcess) {
        self.pid(Some(process.pid));
        self.numbers.extend(process.plan.spec.name.iter().map(|byte| u64::from(*byte)));
        self.count(process.slot.unwrap_or(99));
        self.plan(&process.plan);
        for moment in [
            Some(process.started),
            process.served,
            process.asked_at,
            process.told_renew,
            process.deadline,
            process.closed_at,
            process.ending.as_ref().map(|(_, escalation)| escalation.since),
        ] {
            self.moment(moment);
        }
        self.count(process.asked.map_or(0, |ready| ready as usize));
        self.pid(process.zygote);
        let kills = process.ending.as_ref().map_or(0, |(_, escalation)| {
            escalation.steps.iter().filter(|(_, action)| *action == EscalationAction::Kill).count()
        });
        self.count(process.ending.as_ref().map_or(0, |(ending, _)| 1 + *ending as usize) * 2 + kills);
        self.flags(&[
            process.renew,
            process.is_successor,
            process.reason.is_some(),
            process.killed,
            process.is_deaf,
            process.set_up_failed,
        ]);
        for order in self.world.orders.get(&process.pid).into_iter().flatten() {
            self.numbers.extend(format!("{order:?}").bytes().map(u64::from));
        }
    }

    fn slot(&mut self, slot: &ProcessSlot) {
        self.plan(&slot.plan);
        self.pid(slot.current);
        self.pid(slot.successor);
        self.backoff(&slot.backoff);
        // A pause that is over is none.
        let now = self.world.now;
        self.moment(slot.retry_at.filter(|at| *at > now));
        self.moment(slot.successor_at.filter(|at| *at > now));
        self.count(slot.lost_successors.min(7) * 10 + slot.conflicts as usize);
        self.pace(&slot.pace);
        self.flags(&[slot.wants_socket, slot.is_cut_off]);
    }

    fn group(&mut self, name: &[u8], group: &DaemonGroup) {
        self.numbers.extend(name.iter().map(|byte| u64::from(*byte)));
        self.count(group.wanted * 100 + group.slots.len());
        self.moment(group.roll_since);
        self.flags(&[group.stopped, group.is_exclusive, group.roll_by_operator]);
        if let Some(forker) = &group.forker {
            self.plan(&forker.plan);
            self.pid(forker.current);
            self.pid(forker.candidate.map(|candidate| candidate.pid));
            self.count(
                forker.candidate.map_or(0, |candidate| 1 + candidate.asker.map_or(0, |slot| 1 + slot)),
            );
            self.moment(forker.candidate.map(|candidate| candidate.started));
            self.moment(forker.outdated_at.filter(|at| *at + Duration::from_secs(2) > self.world.now));
            self.moment(forker.retry_at.filter(|at| *at > self.world.now));
            self.backoff(&forker.backoff);
            self.count(forker.lost_births.min(3));
            self.flags(&[forker.given_up, forker.is_retried]);
        }
        group.slots.iter().for_each(|slot| self.slot(slot));
        for place in &group.retiring {
            self.moment(place.drain_at);
            place.pids.iter().for_each(|pid| self.pid(Some(*pid)));
        }
    }

    fn world(&mut self) {
        let world = self.world;
        let machine = &world.machine;
        machine.groups().for_each(|(name, group)| self.group(name, group));
        machine.processes().for_each(|process| self.process(process));
        for birth in &machine.births {
            self.count(birth.slot);
            self.pid(Some(birth.zygote));
            self.moment(Some(birth.deadline));
        }
        for generation in &machine.live {
            self.numbers.push(world.last.1 - generation.serial);
            generation.counts.values().for_each(|place| self.count(place.count));
            self.flags(&[generation.has_children]);
        }
        self.numbers.push(world.last.1.saturating_sub(machine.deserted));
        self.moment(machine.abandoned);
        self.count(machine.ending().map_or(0, |end| 1 + end as usize));
        let fates = [SocketFate::Kept, SocketFate::Made, SocketFate::CutOff];
        self.count(fates.iter().position(|fate| *fate == world.fate).unwrap_or(0));
        self.flags(&[world.is_full]);
        self.count(world.next.len() * 100 + world.asked.len());
    }
}
