//! How many processes start at once. A start costs CPU time: where hundreds are due, all of them together take as long as
//! one after the other, but nobody serves before nearly all do, and what serves already gets no turn.

use super::StateMachine;
use super::process::DaemonProcess;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A process that does not serve after this long may wait for something; others do not wait for it any more.
const YOUNG: Duration = Duration::from_secs(5);

/// What is known about starts.
#[derive(Debug, Default, Clone)]
pub(super) struct StartCrowd {
    /// So many at once; 0 for any number.
    most: usize,
    /// One had to wait in this tick.
    is_held_up: bool,
    /// Places whose requests wait for their first process, and since when.
    awaited: BTreeMap<(Vec<u8>, usize), Instant>,
}

/// Whose turn comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum StartClass {
    /// Nobody serves, and requests wait since then.
    Awaited(Instant),
    /// Nobody serves.
    Missing,
    /// There is a process, which may be replaced.
    Served,
}

impl StateMachine {
    /// From now on so many processes start at once; 0 for any number.
    pub fn limit_starts(&mut self, most: usize) {
        self.crowd.most = most;
    }

    /// Whether a start had to wait for others in the last tick.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        self.crowd.is_held_up
    }

    /// Processes that are starting.
    #[must_use]
    pub fn starting(&self, now: Instant) -> usize {
        let is_young = |process: &&DaemonProcess| is_starting(process) && now < process.started + YOUNG;
        self.processes.values().filter(is_young).count()
    }

    /// Places without a process.
    pub fn missing(&self) -> impl Iterator<Item = (&Vec<u8>, usize)> {
        self.groups.iter().flat_map(|(name, group)| {
            let missing = group.slots.iter().enumerate().filter(|(_, slot)| slot.current.is_none());
            missing.map(move |(index, _)| (name, index))
        })
    }

    /// Requests wait at these places.
    pub(super) fn await_first(&mut self, places: Vec<(Vec<u8>, usize)>, now: Instant) {
        let before = std::mem::take(&mut self.crowd.awaited);
        let since = |place: &(Vec<u8>, usize)| before.get(place).copied().unwrap_or(now);
        self.crowd.awaited = places.into_iter().map(|place| (place.clone(), since(&place))).collect();
    }

    /// A tick begins.
    pub(super) fn begin_starts(&mut self) {
        self.crowd.is_held_up = false;
    }

    /// Whether one more process may start now. If not, it is remembered when.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        if self.crowd.most == 0 || self.starting(now) < self.crowd.most {
            return true;
        }
        self.crowd.is_held_up = true;
        let starting = self.processes.values().filter(|process| is_starting(process));
        let ages = starting.map(|process| process.started + YOUNG).filter(|at| *at > now);
        if let Some(at) = ages.min() {
            self.wake_at(at);
        }
        false
    }

    /// Whether the next process of a place may start now. One that a zygote forks has its imports behind it.
    pub(super) fn may_start(&mut self, name: &[u8], index: usize, now: Instant) -> bool {
        let group = self.groups.get(name);
        let forker = group.and_then(|group| group.forker.as_ref()).filter(|forker| !forker.given_up);
        let serial = forker.filter(|forker| forker.current.is_some()).map(|forker| forker.plan.serial);
        let is_forked = serial.is_some() && serial == self.slot(name, index).map(|slot| slot.plan.serial);
        is_forked || self.has_room(now)
    }

    /// The order in which places have their turn: those first that are missed most, or have been for longest.
    pub(super) fn order_places(&self, places: &mut [(Vec<u8>, usize)]) {
        places.sort_by_cached_key(|place| match self.slot(&place.0, place.1) {
            Some(slot) if slot.current.is_some() => StartClass::Served,
            // What fails again and again is not before what serves and has changed.
            Some(slot) if slot.backoff.is_failing() => StartClass::Served,
            _ => {
                self.crowd.awaited.get(place).map_or(StartClass::Missing, |since| StartClass::Awaited(*since))
            }
        });
    }

    /// Whether requests wait at a place of the group.
    pub(super) fn is_group_awaited(&self, name: &[u8]) -> bool {
        self.crowd.awaited.keys().any(|(awaited, _)| awaited == name)
    }
}

fn is_starting(process: &DaemonProcess) -> bool {
    process.served.is_none() && process.ending.is_none()
}
