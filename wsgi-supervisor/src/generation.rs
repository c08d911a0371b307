//! One configuration generation: what it wants, where it logs, which slots of its status memory are whose.

use crate::budget::LogBudget;
use crate::decide::GroupPlan;
use crate::log::GroupLog;
use crate::log_file::LogFile;
use crate::log_writer::LogWriter;
use crate::memory::{MetricsMemory, StatusMemory};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wsgi_protocol::control::{GroupSpec, LogTarget};
use wsgi_protocol::death::ProcessDeath;
use wsgi_protocol::metrics::GroupRecord;
use wsgi_protocol::status::SlotRecord;

/// Where a group's processes are found: its first slot in the status memory, and a socket path for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// Index of the first slot.
    pub first_slot: usize,
    /// A path per process there can be.
    pub paths: Vec<PathBuf>,
}

/// The groups of a generation that came to listen, by name.
pub type GroupPlaces = BTreeMap<Vec<u8>, GroupPlace>;

/// A generation. Shared by all that was started for it.
#[derive(Debug)]
pub struct Generation {
    /// Our own count: httpd may use its number twice.
    pub serial: u64,
    /// httpd's number.
    pub number: u32,
    /// Path of the host library.
    pub host_library: Vec<u8>,
    /// Groups.
    pub places: GroupPlaces,
    /// Status memory; gone when a newer generation took the same memory over.
    pub memory: RefCell<Option<StatusMemory>>,
    /// Metrics memory, if httpd has one.
    pub metrics: Option<MetricsMemory>,
    /// The scoreboard for daemons that may see it.
    pub board: Option<OwnedFd>,
}

impl Generation {
    /// Tells its children how many processes a group has.
    pub fn publish_count(&self, group: &[u8], count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.with_slot(group, 0, |slot| slot.processes.store(count, Ordering::Release));
    }

    /// Calls `write` with the slot of a process, if the generation has it.
    pub fn with_slot(&self, group: &[u8], index: usize, write: impl FnOnce(&SlotRecord)) {
        let Some(place) = self.places.get(group).filter(|place| index < place.paths.len()) else { return };
        if let Some(slot) =
            self.memory.borrow().as_ref().and_then(|memory| memory.slot(place.first_slot + index))
        {
            write(slot);
        }
    }

    /// Tells httpd's children of a death, if the generation has the slot. `at` is monotonic, in ns.
    pub fn publish_death(&self, group: &[u8], index: usize, at: u64, death: &ProcessDeath) {
        let Some(place) = self.places.get(group).filter(|place| index < place.paths.len()) else { return };
        let slot = u32::try_from(place.first_slot + index);
        if let (Some(memory), Ok(slot)) = (self.memory.borrow().as_ref(), slot) {
            memory.exit_records().inspect(|records| records.publish(slot, at, death));
        }
    }
}

/// What a plan needs beside what is decided about it: a log, the memories of its generation.
#[derive(Debug)]
pub struct PlanHandles {
    /// The plan.
    pub plan: Rc<GroupPlan>,
    /// Log of the group.
    pub log: GroupLog,
    /// The generation it belongs to.
    pub generation: Rc<Generation>,
    /// What its processes may have logged.
    pub budget: RefCell<LogBudget>,
}

impl PlanHandles {
    /// Those of a group of which nothing is logged yet.
    #[must_use]
    pub fn new(spec: GroupSpec, log: GroupLog, generation: Rc<Generation>) -> Self {
        let budget = RefCell::new(LogBudget::new(spec.log_rate));
        let plan = Rc::new(GroupPlan { spec, serial: generation.serial, number: generation.number });
        Self { plan, log, generation, budget }
    }

    /// Whether output of its processes is read now: they are within `log-rate=`, and the log keeps up.
    #[must_use]
    pub fn is_heard(&self, now: Instant) -> bool {
        self.budget.borrow().paused(now).is_none() && !self.log.is_congested()
    }

    /// The scoreboard, if processes of the group may see it.
    #[must_use]
    pub fn board(&self) -> Option<BorrowedFd<'_>> {
        self.generation.board.as_ref().filter(|_| self.plan.spec.launch.server_metrics).map(AsFd::as_fd)
    }

    /// Counts something, if the group has counters.
    pub fn count(&self, note: impl FnOnce(&GroupRecord)) {
        let (memory, number) = (self.generation.metrics.as_ref(), self.plan.spec.metrics);
        let record = memory.zip(number).and_then(|(memory, number)| memory.group(number as usize));
        if let Some(record) = record {
            note(record);
        }
    }
}

/// The logs of a generation.
#[derive(Debug, Default)]
pub struct GenerationLogs {
    /// Open files by index.
    pub files: Vec<Rc<LogFile>>,
    /// httpd's log writer, if some log needs it.
    pub writer: Option<Rc<LogWriter>>,
}

impl GenerationLogs {
    /// The log a target names; one that is not there is replaced by standard error.
    #[must_use]
    pub fn of(&self, target: LogTarget) -> GroupLog {
        let log = GroupLog::new(self.files.get(target.index as usize).cloned(), target.level);
        match (&self.writer, target.server) {
            (Some(writer), Some(server)) => log.by_httpd(Rc::clone(writer), server),
            _ => log,
        }
    }
}

/// Which paths are wanted for which process, over all generations that still have httpd children.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PathClaims(BTreeMap<(Vec<u8>, usize), BTreeSet<PathBuf>>);

impl PathClaims {
    /// Collects the claims of groups of generations, each with the number of processes that is used there.
    pub fn of<'a>(groups: impl Iterator<Item = (&'a Vec<u8>, &'a GroupPlace, usize)>) -> Self {
        let mut claims = Self::default();
        for (name, place, count) in groups {
            for (index, path) in place.paths.iter().take(count).enumerate() {
                claims.0.entry((name.clone(), index)).or_default().insert(path.clone());
            }
        }
        claims
    }

    /// The paths wanted for a process; `None`: nobody wants the process any more.
    #[must_use]
    pub fn paths(&self, group: &[u8], index: usize) -> Option<&BTreeSet<PathBuf>> {
        self.0.get(&(group.to_vec(), index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(groups: &[(&str, &[&str])]) -> GroupPlaces {
        let place =
            |paths: &[&str]| GroupPlace { first_slot: 0, paths: paths.iter().map(PathBuf::from).collect() };
        groups.iter().map(|(name, paths)| (name.as_bytes().to_vec(), place(paths))).collect()
    }

    #[test]
    fn claims_are_the_union_of_living_generations() {
        let old = places(&[("a", &["/1.a0", "/1.a1"]), ("gone", &["/1.g"])]);
        let new = places(&[("a", &["/2.a0"]), ("added", &["/2.n"])]);
        let of = |generations: &[&GroupPlaces]| {
            let groups = generations.iter().flat_map(|places| places.iter());
            PathClaims::of(
                groups.map(|(name, place)| (name, place, place.paths.len())).collect::<Vec<_>>().into_iter(),
            )
        };
        let both = of(&[&old, &new]);
        let paths = |claims: &PathClaims, group: &str, index| {
            claims
                .paths(group.as_bytes(), index)
                .map(|set| set.iter().map(|p| p.display().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(paths(&both, "a", 0).unwrap(), ["/1.a0", "/2.a0"]);
        assert_eq!(paths(&both, "a", 1).unwrap(), ["/1.a1"]);
        assert_eq!(paths(&both, "gone", 0).unwrap(), ["/1.g"]);
        let only_new = of(&[&new]);
        assert_eq!(paths(&only_new, "a", 0).unwrap(), ["/2.a0"]);
        assert_eq!(paths(&only_new, "a", 1), None);
        assert_eq!(paths(&only_new, "gone", 0), None);
    }
}
