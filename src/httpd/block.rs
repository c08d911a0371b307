//! Memory for what daemons send. httpd takes large pieces over without a copy; a few blocks are kept for the next ones, the
//! others go back to the system: the C library would keep them all, in a heap for each thread.

use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Size of a block, in bytes.
pub const SIZE: usize = 64 * 1024;
/// Most unused blocks that a child keeps while others are in use, and when none is.
const KEPT: usize = 8;
const RESTING: usize = 3;

/// The books of a child.
struct BlockStore {
    unused: Vec<MemoryMapping>,
    used: usize,
}

impl BlockStore {
    const fn new() -> Self {
        Self { unused: Vec::new(), used: 0 }
    }

    /// A block that is not used any more; which ones are too many now.
    fn give_back(&mut self, block: MemoryMapping) -> Vec<MemoryMapping> {
        self.used -= 1;
        self.unused.push(block);
        let limit = if self.used == 0 { RESTING } else { KEPT };
        // The last ones are those whose memory is in the caches.
        self.unused.drain(..self.unused.len().saturating_sub(limit)).collect()
    }
}

fn store() -> MutexGuard<'static, BlockStore> {
    static STORE: Mutex<BlockStore> = Mutex::new(BlockStore::new());
    // Nothing panics between two writes to the books.
    STORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of any size, of a mapping of its own: it is with the system again as soon as it is dropped.
#[derive(Debug)]
pub struct MemoryMapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: plain memory with one owner.
unsafe impl Send for MemoryMapping {}

impl MemoryMapping {
    /// No bytes.
    const NONE: Self = Self { start: NonNull::dangling(), len: 0 };

    /// `len` bytes of zeros; `None` if there is no memory.
    pub fn of(len: usize) -> Option<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, which touches no other.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, access, flags, -1, 0) };
        NonNull::new(start).filter(|_| start != libc::MAP_FAILED).map(|start| Self { start, len })
    }
}

impl Deref for MemoryMapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped with this size, and the kernel's zeros are there from the beginning.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for MemoryMapping {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; the mapping has one owner.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len) }
    }
}

impl Drop for MemoryMapping {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: mapped with this size, and nobody uses it any more.
            unsafe { libc::munmap(self.start.as_ptr(), self.len) };
        }
    }
}

/// A block of [`SIZE`] bytes.
#[derive(Debug)]
pub struct MemoryBlock(MemoryMapping);

impl MemoryBlock {
    /// A block with whatever bytes it had before; `None` if there is no memory.
    pub fn take() -> Option<Self> {
        let mut store = store();
        let unused = store.unused.pop();
        store.used += usize::from(unused.is_some());
        drop(store);
        if let Some(mapping) = unused {
            return Some(Self(mapping));
        }
        let mapping = MemoryMapping::of(SIZE)?;
        self::store().used += 1;
        Some(Self(mapping))
    }

    /// Hands the block over to somebody who brings it back by [`MemoryBlock::from_raw`].
    pub fn into_raw(self) -> *mut c_void {
        std::mem::ManuallyDrop::new(self).0.start.as_ptr()
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `start` came from [`MemoryBlock::into_raw`], and is not used any more.
    pub unsafe fn from_raw(start: *mut c_void) -> Option<Self> {
        NonNull::new(start).map(|start| Self(MemoryMapping { start, len: SIZE }))
    }
}

impl Deref for MemoryBlock {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for MemoryBlock {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for MemoryBlock {
    fn drop(&mut self) {
        let mapping = std::mem::replace(&mut self.0, MemoryMapping::NONE);
        let surplus = store().give_back(mapping);
        drop(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_unused_blocks_are_kept_and_fewer_at_rest() {
        let mut store = BlockStore { used: 3 * KEPT, ..BlockStore::new() };
        for block in 1..3 * KEPT {
            let surplus = store.give_back(MemoryMapping::NONE);
            assert_eq!(surplus.len(), usize::from(block > KEPT));
        }
        assert_eq!(store.unused.len(), KEPT);
        let surplus = store.give_back(MemoryMapping::NONE);
        assert_eq!((surplus.len(), store.unused.len(), store.used), (KEPT + 1 - RESTING, RESTING, 0));
    }

    #[test]
    fn a_block_is_memory_from_hand_to_hand() {
        let mut block = MemoryBlock::take().unwrap();
        assert_eq!(block.len(), SIZE);
        block.fill(1);
        // SAFETY: `from_raw` gets what `into_raw` gave.
        let block = unsafe { MemoryBlock::from_raw(block.into_raw()) }.unwrap();
        assert!(block.iter().all(|byte| *byte == 1));
    }
}
