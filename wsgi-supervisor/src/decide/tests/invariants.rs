//! What must hold whenever the state machine has done what is due.

use super::super::group::{DaemonGroup, ProcessSlot};
use super::super::process::DaemonProcess;
use super::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest pause of any back-off, for the first process of a slot or for a zygote.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Looks for what must not be.
pub fn check(world: &World) {
    let known: BTreeSet<i32> = world.machine.processes().map(|process| process.pid).collect();
    assert_eq!(known, world.alive, "each process is known until it is dead, and no longer");
    nobody_is_forgotten(world);
    for (name, group) in world.machine.groups() {
        for (index, slot) in group.slots.iter().enumerate() {
            has_two_at_most(world, name, index, slot);
            if world.machine.ending().is_none() {
                is_served_soon(world, name, group, index, slot);
            }
        }
        let zygotes = world.machine.processes().filter(|process| process.is_of(name) && process.is_zygote());
        assert!(zygotes.filter(|zygote| zygote.ending.is_none()).count() <= 2, "one zygote, and one to come");
    }
}

/// Who is not to end is somewhere where it is thought of.
fn nobody_is_forgotten(world: &World) {
    for process in world.machine.processes().filter(|process| process.ending.is_none()) {
        let (pid, group) = (process.pid, world.machine.group(&process.plan.spec.name));
        let has_place = group.is_some_and(|group| match process.slot {
            None => group.forker.as_ref().is_some_and(|forker| forker.has(pid)),
            Some(_) => {
                group.slots.iter().any(|slot| slot.occupants().any(|known| known == pid))
                    || group.retiring.iter().any(|place| place.pids.contains(&pid))
            }
        });
        assert!(has_place, "nobody thinks of {process:?}");
    }
    for (name, group) in world.machine.groups() {
        for pid in group.slots.iter().flat_map(ProcessSlot::occupants) {
            let process = world.machine.process(pid);
            assert!(process.is_some_and(|process| process.is_of(name)), "{pid} is not there");
        }
    }
}

/// One process serves a slot, and one may be about to take over. Others end.
fn has_two_at_most(world: &World, name: &[u8], index: usize, slot: &ProcessSlot) {
    let is_here = |process: &&DaemonProcess| process.is_of(name) && process.slot == Some(index);
    let is_staying = |process: &&DaemonProcess| {
        let of_retiring =
            |group: &DaemonGroup| group.retiring.iter().any(|place| place.pids.contains(&process.pid));
        process.ending.is_none() && !world.machine.group(name).is_some_and(of_retiring)
    };
    let staying: Vec<i32> =
        world.machine.processes().filter(is_here).filter(is_staying).map(|p| p.pid).collect();
    let occupants: Vec<i32> = slot.occupants().collect();
    assert!(staying.iter().all(|pid| occupants.contains(pid)), "{staying:?} live beside {occupants:?}");
    let births = world.machine.births.iter().filter(|birth| birth.is_for(name, index)).count();
    assert!(births + usize::from(slot.successor.is_some()) <= 1, "more than one successor is on its way");
    assert!(slot.current.is_none() || slot.current != slot.successor, "it succeeds itself");
}

/// A slot is served, or its process is on its way, or it is tried again within the back-off.
fn is_served_soon(world: &World, name: &[u8], group: &DaemonGroup, index: usize, slot: &ProcessSlot) {
    let is_born = world.machine.births.iter().any(|birth| birth.is_for(name, index));
    let is_imported = group.forker.as_ref().is_some_and(|forker| forker.candidate.is_some());
    let waits_for_end = slot.plan.is_service()
        && world.machine.processes().any(|process| process.is_of(name) && process.slot == Some(index));
    if slot.occupants().next().is_some() || is_born || is_imported || waits_for_end {
        return;
    }
    let wake = world.machine.wake().expect("it is started some time");
    assert!(wake > world.now, "the machine is at rest");
    assert!(wake <= world.now + LONGEST_PAUSE, "it is tried again within the back-off");
}
