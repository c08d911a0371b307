//! Memory for large pieces of a response. httpd takes it over without a copy; a few blocks are kept for the next pieces,
//! the others go back to the system: the C library would keep them all, in a heap for each thread.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Size of a block, in bytes.
pub const SIZE: usize = 64 * 1024;
/// Most unused blocks that a child keeps.
const KEPT: usize = 8;

/// A block that nobody uses.
struct Unused(NonNull<c_void>);

// SAFETY: plain memory that nobody else points to.
unsafe impl Send for Unused {}

static UNUSED: Mutex<Vec<Unused>> = Mutex::new(Vec::new());

/// A block of [`SIZE`] bytes.
#[derive(Debug)]
pub struct Block(NonNull<c_void>);

impl Block {
    /// A block with whatever bytes it had before; `None` if there is no memory.
    pub fn take() -> Option<Self> {
        let unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(Unused(start)) = unused {
            return Some(Self(start));
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, which touches no other.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, access, flags, -1, 0) };
        NonNull::new(start).filter(|_| start != libc::MAP_FAILED).map(Self)
    }

    /// Its first byte.
    pub fn start(&self) -> *mut u8 {
        self.0.as_ptr().cast()
    }

    /// Hands the block over to somebody who brings it back by [`Block::from_raw`].
    pub fn into_raw(self) -> *mut c_void {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `start` came from [`Block::into_raw`], and is not used any more.
    pub unsafe fn from_raw(start: *mut c_void) -> Option<Self> {
        NonNull::new(start).map(Self)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.len() < KEPT {
            unused.push(Unused(self.0));
            return;
        }
        drop(unused);
        // SAFETY: mapped with this size in `take`, and nobody uses it any more.
        unsafe { libc::munmap(self.0.as_ptr(), SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_unused_blocks_are_kept() {
        let blocks: Vec<_> = (0..3 * KEPT).map(|_| Block::take().unwrap()).collect();
        for block in blocks {
            // SAFETY: a block is as long, and `from_raw` gets what `into_raw` gave.
            unsafe {
                block.start().write_bytes(1, SIZE);
                drop(Block::from_raw(block.into_raw()));
            }
        }
        assert_eq!(UNUSED.lock().unwrap().len(), KEPT);
    }
}
