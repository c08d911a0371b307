//! Who counts where: groups are registered, blocks claimed, filled, and given back.

use super::{
    GroupRecord, MAX_BLOCKS, MAX_GROUPS, MemoryHeader, MetricsBlock, RETIRED, RequestPhase, RequestSample,
    TEXT, ThreadStage, bucket,
};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU64, fence};

/// The memory as a process sees it.
#[derive(Debug, Clone, Copy)]
pub struct MetricsView<'a> {
    /// The front.
    pub header: &'a MemoryHeader,
    /// [`MAX_GROUPS`] records.
    pub groups: &'a [GroupRecord],
    /// [`MAX_BLOCKS`] blocks.
    pub blocks: &'a [MetricsBlock],
}

/// Longest part of a name that tells groups apart.
const NAME: usize = 256;

fn write_words(words: &[AtomicU64], bytes: &[u8]) {
    for (to, from) in words.iter().zip(bytes.chunks(8)) {
        let mut word = [0; 8];
        word[..from.len()].copy_from_slice(from);
        to.store(u64::from_ne_bytes(word), Relaxed);
    }
}

pub(super) fn read_words(words: &[AtomicU64], len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        words.iter().take(len.div_ceil(8)).flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
    bytes.truncate(len);
    bytes
}

impl<'a> MetricsView<'a> {
    /// The number of the group `name`; httpd's parent registers it if it is new. `None` when there are too many.
    #[must_use]
    pub fn register(&self, name: &[u8]) -> Option<usize> {
        let name = &name[..name.len().min(NAME)];
        let count = self.header.groups.load(Acquire) as usize;
        let known = self.groups.iter().take(count).position(|group| group.name() == name);
        if known.is_some() {
            return known;
        }
        let group = self.groups.get(count).filter(|_| count < MAX_GROUPS)?;
        let retired = self.claim(RETIRED, count)?;
        write_words(&group.name, name);
        group.name_len.store(name.len() as u32, Relaxed);
        group.retired.store(retired as u32, Relaxed);
        self.header.groups.store(count as u32 + 1, Release);
        Some(count)
    }

    /// A free block becomes that of `owner` for a group.
    #[must_use]
    pub fn claim(&self, owner: u32, group: usize) -> Option<usize> {
        let used = (self.header.used.load(Acquire) as usize).min(self.blocks.len());
        let taken = |index: &usize| {
            self.blocks
                .get(*index)
                .is_some_and(|block| block.owner.compare_exchange(0, owner, AcqRel, Relaxed).is_ok())
        };
        let index = (0..used).find(|index| self.blocks[*index].owner.load(Relaxed) == 0 && taken(index));
        let index = match index {
            Some(index) => index,
            None => (used..MAX_BLOCKS.min(self.blocks.len())).find(taken)?,
        };
        self.blocks[index].group.store(group as u32, Release);
        self.header.used.fetch_max(index as u32 + 1, AcqRel);
        Some(index)
    }

    /// The block that threads share which find none of their own.
    #[must_use]
    pub fn retired(&self, group: usize) -> Option<&'a MetricsBlock> {
        let count = self.header.groups.load(Acquire) as usize;
        let group = self.groups.get(group).filter(|_| group < count)?;
        self.blocks.get(group.retired.load(Relaxed) as usize)
    }

    /// In httpd's parent: what a dead child has counted goes to the retired blocks, and its blocks become free.
    pub fn fold(&self, owner: u32) {
        let mine = self.used().iter().filter(|block| block.owner.load(Acquire) == owner);
        let mine: Vec<&MetricsBlock> = mine.collect();
        if mine.is_empty() || owner == RETIRED || owner == 0 {
            return;
        }
        let version = self.header.folding.load(Relaxed) | 1;
        self.header.folding.store(version, Relaxed);
        fence(Release);
        for block in mine {
            let retired = self.retired(block.group.load(Relaxed) as usize);
            for (index, cell) in block.cells.each().enumerate() {
                let count = cell.swap(0, Relaxed);
                if let Some(to) = retired.filter(|_| count > 0).and_then(|to| to.cells.each().nth(index)) {
                    to.fetch_add(count, Relaxed);
                }
            }
            block.rest();
            block.owner.store(0, Release);
        }
        self.header.folding.store(version.wrapping_add(1), Release);
    }

    /// Processes that have blocks.
    #[must_use]
    pub fn owners(&self) -> Vec<u32> {
        let owners = self.used().iter().map(|block| block.owner.load(Acquire));
        let mut owners: Vec<u32> = owners.filter(|owner| *owner != 0 && *owner != RETIRED).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// Blocks that may be in use.
    pub(super) fn used(&self) -> &'a [MetricsBlock] {
        let used = (self.header.used.load(Acquire) as usize).min(self.blocks.len());
        &self.blocks[..used]
    }
}

impl GroupRecord {
    pub(super) fn name(&self) -> Vec<u8> {
        read_words(&self.name, (self.name_len.load(Relaxed) as usize).min(NAME))
    }
}

impl MetricsBlock {
    /// Whether several threads write to it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.owner.load(Relaxed) == RETIRED
    }

    /// Its thread begins a request at `since` (monotonic ns).
    pub fn begin(&self, since: u64, method: &[u8], path: &[u8]) {
        let version = self.version.load(Relaxed) | 1;
        self.version.store(version, Relaxed);
        fence(Release);
        let mut text = [0; TEXT];
        let mut len = 0;
        for part in [method, b" ", path] {
            let part = &part[..part.len().min(TEXT - len)];
            text[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        write_words(&self.text, &text[..len]);
        self.text_len.store(len as u32, Relaxed);
        self.slot.store(0, Relaxed);
        self.stage.store(ThreadStage::Dispatch as u32, Relaxed);
        self.version.store(version.wrapping_add(1), Release);
        self.since.store(since, Release);
    }

    /// What becomes of its request.
    pub fn advance(&self, stage: ThreadStage) {
        self.stage.store(stage as u32, Relaxed);
    }

    /// Its request was sent to the process in this slot of the status memory.
    pub fn sent_to(&self, slot: usize) {
        self.slot.store(slot as u32 + 1, Relaxed);
        self.advance(ThreadStage::Sent);
    }

    /// Its thread has no request.
    pub fn rest(&self) {
        self.since.store(0, Release);
    }

    /// Counts a request.
    pub fn count(&self, sample: &RequestSample) {
        let shared = self.is_shared();
        let add = |cell: &AtomicU64, n: u64| {
            if shared {
                cell.fetch_add(n, Relaxed);
            } else {
                // The only writer: a plain addition, without the cost of an atomic one.
                cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
            }
        };
        let cells = &self.cells;
        let class = usize::from((sample.status / 100).clamp(1, 5)) - 1;
        add(&cells.classes[class], 1);
        add(&cells.outcomes[sample.outcome as usize], 1);
        add(&cells.bytes[0], sample.bytes.0);
        add(&cells.bytes[1], sample.bytes.1);
        add(&cells.cpu_ns, sample.cpu_ns);
        for (histogram, ns) in cells.phases.iter().zip(sample.phases) {
            if let Some(ns) = ns {
                add(&histogram.sum_ns, ns);
                add(&histogram.buckets[bucket(ns)], 1);
            }
        }
    }
}

impl RequestPhase {
    /// All phases.
    pub const ALL: [Self; super::PHASES] = [Self::Request, Self::Queue, Self::Application, Self::Gil];

    /// Name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Queue => "queue",
            Self::Application => "application",
            Self::Gil => "gil_wait",
        }
    }
}
