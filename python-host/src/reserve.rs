//! Memory that is kept back for our own code. When an application has taken all that its process may have
//! (`memory-limit=`), Python raises MemoryError; Rust's collections abort, and would end all requests of the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::Mutex;
use std::time::Duration;

/// How much is kept: the receive buffers of a dozen threads that start at that moment.
const SIZE: usize = 1 << 20;

/// How often memory is asked for again, with pauses: what was taken is usually given back with a MemoryError.
const ATTEMPTS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(2);

#[global_allocator]
static ALLOCATOR: ReserveAllocator = ReserveAllocator { kept: Mutex::new(Vec::new()) };

/// Keeps memory back, if there is none kept. Costs a look where there is.
pub(crate) fn refill() {
    ALLOCATOR.refill();
}

/// The C library's allocator, with something kept back.
struct ReserveAllocator {
    kept: Mutex<Vec<u8>>,
}

impl ReserveAllocator {
    fn refill(&self) {
        let Ok(mut kept) = self.kept.try_lock() else { return };
        if kept.capacity() == 0 {
            // More than `retry` would try to get: if there is no room for it now, then at the next look.
            let _ = kept.try_reserve_exact(SIZE + 1);
        }
    }

    /// Gives back what is kept. Who keeps it just now is the thread that asks, or will have done so in a moment.
    fn release(&self) {
        let kept = self.kept.try_lock().map(|mut kept| std::mem::take(&mut *kept));
        drop(kept);
    }

    /// Makes an attempt that has failed again, with what is kept, until it succeeds or has failed for a second.
    #[cold]
    fn retry(&self, size: usize, mut attempt: impl FnMut() -> *mut u8) -> *mut u8 {
        if size > SIZE {
            return ptr::null_mut();
        }
        for _ in 0..ATTEMPTS {
            self.release();
            let found = attempt();
            if !found.is_null() {
                return found;
            }
            std::thread::sleep(PAUSE);
        }
        ptr::null_mut()
    }
}

// SAFETY: everything comes from and goes to `System`, with the layouts of the callers; nothing unwinds.
unsafe impl GlobalAlloc for ReserveAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's contract.
        let attempt = || unsafe { System.alloc(layout) };
        let found = attempt();
        if found.is_null() { self.retry(layout.size(), attempt) } else { found }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's contract.
        let attempt = || unsafe { System.alloc_zeroed(layout) };
        let found = attempt();
        if found.is_null() { self.retry(layout.size(), attempt) } else { found }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the caller's contract; it came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the caller's contract; an attempt that fails leaves the old block as it was.
        let attempt = || unsafe { System.realloc(pointer, layout, new_size) };
        let found = attempt();
        if found.is_null() { self.retry(new_size, attempt) } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_goes_to_an_allocation_that_has_failed() {
        let allocator = ReserveAllocator { kept: Mutex::new(Vec::new()) };
        allocator.refill();
        assert!(allocator.kept.lock().unwrap().capacity() > SIZE);
        let mut some = 7;
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            if attempts < 3 { ptr::null_mut() } else { &raw mut some }
        };
        assert_eq!(allocator.retry(16, attempt), &raw mut some);
        assert_eq!(allocator.kept.lock().unwrap().capacity(), 0, "it was given back");
        assert!(allocator.retry(SIZE + 1, || unreachable!("too large to be ours")).is_null());
    }
}
