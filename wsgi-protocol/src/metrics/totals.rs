//! Reading: totals of a group, what runs, and what became of its processes.

use super::blocks::read_words;
use super::{
    BOUNDS_US, BUCKETS, MetricsBlock, MetricsView, OUTCOMES, PHASES, RETIRED, RequestPhase, STOPS, TEXT,
    ThreadStage,
};
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::fence;
use serde::{Deserialize, Serialize};

/// One histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// Sum, ns.
    pub sum_ns: u64,
    /// Per bucket, not cumulative.
    pub buckets: [u64; BUCKETS],
}

impl Distribution {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// What has been added since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            sum_ns: self.sum_ns.wrapping_sub(earlier.sum_ns),
            buckets: std::array::from_fn(|at| self.buckets[at].saturating_sub(earlier.buckets[at])),
        }
    }

    /// The duration in seconds below which this share of all lies, by linear interpolation in its bucket; `None` without
    /// any. In the last bucket it is that bucket's lower bound.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = share * count as f64;
        let (mut before, mut lower) = (0.0, 0.0);
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_US) {
            let (here, upper) = (*bucket as f64, bound as f64 / 1e6);
            if here > 0.0 && before + here >= rank {
                return Some(lower + (upper - lower) * ((rank - before) / here).clamp(0.0, 1.0));
            }
            before += here;
            lower = upper;
        }
        Some(lower)
    }
}

/// All that was counted for a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTotals {
    /// Requests by first digit of the status.
    pub classes: [u64; 5],
    /// Requests by [`super::Outcome`].
    pub outcomes: [u64; OUTCOMES.len()],
    /// Body bytes from clients, and to them.
    pub bytes: (u64, u64),
    /// CPU time of requests, ns; 0 if it is not measured.
    pub cpu_ns: u64,
    /// By [`RequestPhase`].
    pub phases: [Distribution; PHASES],
}

impl GroupTotals {
    /// Requests in all.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.classes.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// One histogram.
    #[must_use]
    pub fn phase(&self, phase: RequestPhase) -> &Distribution {
        &self.phases[phase as usize]
    }

    fn add(&mut self, block: &MetricsBlock) {
        let phases = self
            .phases
            .iter_mut()
            .flat_map(|phase| std::iter::once(&mut phase.sum_ns).chain(&mut phase.buckets));
        let plain = self.classes.iter_mut().chain(&mut self.outcomes);
        let plain = plain.chain([&mut self.bytes.0, &mut self.bytes.1, &mut self.cpu_ns]).chain(phases);
        for (to, from) in plain.zip(block.cells.each()) {
            *to = to.wrapping_add(from.load(Relaxed));
        }
    }
}

/// A request under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningRequest {
    /// Process id of httpd's child.
    pub child: u32,
    /// When it began, monotonic ns.
    pub since: u64,
    /// Slot of the daemon process in the status memory.
    pub slot: Option<usize>,
    /// What is done with it.
    pub stage: ThreadStage,
    /// Method and path, perhaps cut; bytes of the client.
    pub text: Vec<u8>,
}

/// What became of a group's processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLifecycle {
    /// Processes started.
    pub starts: u64,
    /// Processes that ended: not in order, in order; by index of [`super::stop_name`].
    pub stops: [[u64; STOPS]; 2],
    /// CPU of ended processes, µs: user, system.
    pub cpu_us: (u64, u64),
    /// Reloads of changed code: succeeded, failed.
    pub reloads: (u32, u32),
    /// When the last one was, µs since the epoch, and whether it succeeded.
    pub last_reload: Option<(u64, bool)>,
}

/// How often a reader starts again while counters are being moved.
const TRIES: usize = 100;

impl MetricsView<'_> {
    /// Adds up a group's counters.
    #[must_use]
    pub fn totals(&self, group: usize) -> GroupTotals {
        self.all_totals(&[group]).pop().unwrap_or_default()
    }

    /// Adds up the counters of several groups, all at the same moment as far as the end of a child is concerned.
    #[must_use]
    pub fn all_totals(&self, groups: &[usize]) -> Vec<GroupTotals> {
        let mut seen = Vec::new();
        for _ in 0..TRIES {
            let version = self.header.folding.load(Acquire);
            if version.is_multiple_of(2) || seen.is_empty() {
                let mut all = vec![GroupTotals::default(); groups.len()];
                for block in self.used().iter().filter(|block| block.owner.load(Acquire) != 0) {
                    let group = block.group.load(Relaxed) as usize;
                    for at in
                        groups.iter().enumerate().filter(|(_, known)| **known == group).map(|(at, _)| at)
                    {
                        all[at].add(block);
                    }
                }
                fence(Acquire);
                if version.is_multiple_of(2) && self.header.folding.load(Relaxed) == version {
                    return all;
                }
                seen = all;
            }
            std::thread::yield_now();
        }
        // A child's counts are just being moved: off by those, and not a reset to zero.
        seen
    }

    /// The requests of a group under way, oldest first; WebSockets, which are not meant to end, behind all others.
    #[must_use]
    pub fn running(&self, group: usize) -> Vec<RunningRequest> {
        let blocks = self.used().iter().filter(|block| block.group.load(Relaxed) as usize == group);
        let mut all: Vec<RunningRequest> = blocks.filter_map(MetricsBlock::running).collect();
        all.sort_by_key(|running| (running.stage == ThreadStage::WebSocket, running.since));
        all
    }

    /// What became of a group's processes.
    #[must_use]
    pub fn lifecycle(&self, group: usize) -> ProcessLifecycle {
        let Some(group) = self.groups.get(group) else { return ProcessLifecycle::default() };
        let reload = match group.reload_result.load(Relaxed) {
            0 => None,
            result => Some((group.reload_at.load(Relaxed), result == 1)),
        };
        let stops = std::array::from_fn(|kind| {
            std::array::from_fn(|reason| {
                let row: &[_; STOPS] = &group.stops[kind];
                row[reason].load(Relaxed)
            })
        });
        ProcessLifecycle {
            starts: group.starts.load(Relaxed),
            stops,
            cpu_us: (group.cpu_us[0].load(Relaxed), group.cpu_us[1].load(Relaxed)),
            reloads: (group.reloads[0].load(Relaxed), group.reloads[1].load(Relaxed)),
            last_reload: reload,
        }
    }
}

impl MetricsBlock {
    /// The request its thread has; `None` if it has none, or has just begun another one.
    fn running(&self) -> Option<RunningRequest> {
        let since = self.since.load(Acquire);
        let version = self.version.load(Acquire);
        let child = self.owner.load(Relaxed);
        if since == 0 || version % 2 == 1 || child == RETIRED || child == 0 {
            return None;
        }
        let text = read_words(&self.text, (self.text_len.load(Relaxed) as usize).min(TEXT));
        let slot = (self.slot.load(Relaxed) as usize).checked_sub(1);
        let stage = ThreadStage::from_number(self.stage.load(Relaxed));
        fence(Acquire);
        let same = self.version.load(Relaxed) == version && self.since.load(Relaxed) == since;
        same.then_some(RunningRequest { child, since, slot, stage, text })
    }
}
