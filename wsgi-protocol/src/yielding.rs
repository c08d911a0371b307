//! Letting others run before going to sleep. On a busy machine what a thread waits for is often there when its turn comes
//! again: a switch of threads then costs half, because nobody has to be woken.
//!
//! Where looks are in vain most of the time, as on an idle machine, nobody looks for a while.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// What a look that finds something is worth, in looks that do not.
const WORTH: i32 = 4;
/// Most such looks in a row before nobody looks.
const HOPE: i32 = 32;
/// How many go to sleep without a look then, before the next one tries again.
const REST: i32 = 128;

/// The memory of one process. See the module's comment.
#[derive(Debug)]
pub struct AdaptiveYield {
    /// How many more looks may be in vain; at and below 0: how many went without.
    hope: AtomicI32,
}

impl AdaptiveYield {
    /// Nothing is known yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { hope: AtomicI32::new(1) }
    }

    /// Asks `look` up to `times` times, after others had the CPU. `None`: there is nothing yet; it is time to sleep.
    #[inline]
    pub fn let_pass<T>(&self, times: u32, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        // Updates that others overwrite are lost, which matters little.
        let mut hope = self.hope.load(Relaxed);
        if hope <= 0 {
            if hope > -REST {
                self.hope.store(hope - 1, Relaxed);
                return None;
            }
            hope = 1;
        }
        let found = (0..times).find_map(|_| {
            std::thread::yield_now();
            look()
        });
        let hope = if found.is_some() { (hope + WORTH).min(HOPE) } else { hope - 1 };
        self.hope.store(hope, Relaxed);
        found
    }
}

impl Default for AdaptiveYield {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_until_something_is_there() {
        let yielding = AdaptiveYield::new();
        let mut looks = 0;
        let mut third = || {
            looks += 1;
            (looks == 3).then_some(looks)
        };
        assert_eq!(yielding.let_pass(4, &mut third), Some(3));
        assert_eq!((yielding.let_pass(4, &mut third), looks), (None, 7));
    }

    #[test]
    fn nobody_looks_where_it_is_in_vain_until_somebody_tries_again() {
        let yielding = AdaptiveYield::new();
        let mut looks = 0;
        for _ in 0..=REST {
            assert_eq!(yielding.let_pass(3, || (looks += 1, None::<()>).1), None);
        }
        assert_eq!(looks, 3);
        // From the next one on it is worth it, for a while.
        assert_eq!(yielding.let_pass(1, || Some(())), Some(()));
        assert_eq!(
            (0..20).filter(|_| yielding.let_pass(1, || (looks += 1, None::<()>).1).is_some()).count(),
            0
        );
        assert_eq!(looks, 3 + 1 + WORTH);
    }
}
