//! What the kernel tells of a thread's waits for a CPU (proc(5)).

use std::os::unix::fs::FileExt;

/// Part of a window below which a thread at work was asleep, or may have been kept from its CPU: one in so many.
pub const STARVED: u64 = 8;

/// The waits of one thread; its file stays open between two looks.
#[derive(Debug, Default)]
pub struct ThreadWaits {
    schedstat: Option<std::fs::File>,
}

impl ThreadWaits {
    /// Nanoseconds the thread `tid` has been waiting for a CPU so far; 0 where the kernel does not tell, and before the
    /// thread has started (`tid` 0).
    pub fn delay(&mut self, tid: i32) -> u64 {
        if self.schedstat.is_none() && tid != 0 {
            self.schedstat = std::fs::File::open(format!("/proc/self/task/{tid}/schedstat")).ok();
        }
        let mut text = [0; 64];
        let Some(n) = self.schedstat.as_ref().and_then(|f| f.read_at(&mut text, 0).ok()) else { return 0 };
        let mut words = text[..n].split(|b| *b == b' ').skip(1);
        words.next().unwrap_or_default().iter().fold(0, |n, d| n * 10 + u64::from(d.wrapping_sub(b'0')))
    }
}

/// Whether the thread is runnable at this moment.
pub fn is_runnable(tid: i32) -> bool {
    let stat = std::fs::read(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may hold some itself.
    let name = stat.iter().rposition(|b| *b == b')');
    name.is_some_and(|end| stat.get(end + 2) == Some(&b'R'))
}
