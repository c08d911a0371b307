//! What /proc and the kernel say of processes, threads and files.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;

/// The fields of one process in `/proc/PID/stat`, from its state on.
#[derive(Debug)]
pub struct ProcessStat(Vec<u8>);

impl ProcessStat {
    /// Reads them; `None` when there is no such process, or /proc is hidden.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(&format!("/proc/{pid}/stat"))
    }

    /// Those of a thread of this process.
    #[must_use]
    pub fn of_thread(tid: i32) -> Option<Self> {
        Self::read(&format!("/proc/self/task/{tid}/stat"))
    }

    fn read(path: &str) -> Option<Self> {
        let mut stat = std::fs::read(path).ok()?;
        // The name before the state may hold anything, brackets too.
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        stat.drain(..(end + 2).min(stat.len()));
        (!stat.is_empty()).then_some(Self(stat))
    }

    /// The letter of its state.
    #[must_use]
    pub fn state(&self) -> u8 {
        self.0[0]
    }

    /// Whether it has not ended: one that nobody has waited for is dead all the same.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !b"ZX".contains(&self.state())
    }

    /// A numeric field, by its number in proc_pid_stat(5); the state is field 3.
    #[must_use]
    pub fn field(&self, number: usize) -> Option<u64> {
        let text = self.0.split(|byte| *byte == b' ').nth(number.checked_sub(3)?)?;
        std::str::from_utf8(text).ok()?.trim_end().parse().ok()
    }
}

/// The waits of one thread for a CPU; its file stays open between two looks.
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

/// The address of the futex that a thread of this process waits at, if it does and the kernel tells.
#[must_use]
pub fn awaited_futex(tid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).ok()?;
    let mut words = text.split(' ');
    let call: i64 = words.next()?.parse().ok()?;
    let address = words.next()?.strip_prefix("0x")?;
    (call == libc::SYS_futex).then(|| u64::from_str_radix(address, 16).ok()).flatten()
}

/// Memory that this process has resident, bytes; 0 where /proc does not say.
#[must_use]
pub fn own_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = text.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * crate::limits::page_size()
}

/// What fstat(2) says of an open file.
#[derive(Debug, Clone, Copy)]
pub struct FileFacts {
    /// Type and permissions.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// The device that it is on.
    pub device: u64,
}

impl FileFacts {
    /// Those of an open file.
    #[must_use]
    pub fn of(file: BorrowedFd<'_>) -> Option<Self> {
        let facts = nix::sys::stat::fstat(file).ok()?;
        let size = u64::try_from(facts.st_size).ok()?;
        Some(Self { mode: facts.st_mode, size, device: facts.st_dev })
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }
}

/// What the kernel knows of an open file without asking its file system.
#[derive(Debug, Clone, Copy)]
pub struct CachedFacts {
    /// Type and permissions.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// The mount that it is on, if the kernel tells.
    pub mount: Option<u64>,
}

impl CachedFacts {
    /// Those of an open file.
    #[must_use]
    pub fn of(file: BorrowedFd<'_>) -> Option<Self> {
        let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
        let mask = libc::STATX_TYPE | libc::STATX_SIZE | libc::STATX_MNT_ID;
        // SAFETY: the kernel fills the structure for an open descriptor; all-zero is a valid one.
        let (status, facts) = unsafe {
            let mut facts: libc::statx = std::mem::zeroed();
            (libc::statx(file.as_raw_fd(), c"".as_ptr(), flags, mask, &raw mut facts), facts)
        };
        let is_told = facts.stx_mask & libc::STATX_MNT_ID != 0;
        (status == 0).then(|| Self {
            mode: facts.stx_mode.into(),
            size: facts.stx_size,
            mount: is_told.then_some(facts.stx_mnt_id),
        })
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }
}

/// The kind of file system that an open file is on: its magic number.
#[must_use]
pub fn file_system(file: BorrowedFd<'_>) -> Option<u64> {
    nix::sys::statfs::fstatfs(file).ok().map(|facts| facts.filesystem_type().0.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::own_tid;
    use std::sync::{Condvar, Mutex};

    #[test]
    fn fields_of_this_process() {
        let own = ProcessStat::of(std::process::id()).expect("it runs");
        assert!(own.is_running() && b"RS".contains(&own.state()));
        assert_eq!(own.field(4), Some(u64::from(std::os::unix::process::parent_id())));
        assert!(own.field(24).is_some_and(|pages| pages > 0) && own.field(2).is_none());
        assert!(ProcessStat::of(u32::MAX).is_none());
    }

    #[test]
    fn threads_that_wait_for_the_same_show_it() {
        let state = (Mutex::new(false), Condvar::new());
        assert_eq!(awaited_futex(own_tid()), None, "it runs");
        std::thread::scope(|scope| {
            let (sender, tids) = std::sync::mpsc::channel();
            for _ in 0..2 {
                let (sender, state) = (sender.clone(), &state);
                scope.spawn(move || {
                    sender.send(own_tid()).unwrap();
                    let over = state.0.lock().unwrap();
                    drop(state.1.wait_while(over, |over| !*over));
                });
            }
            let waiting: Vec<_> = tids.iter().take(2).collect();
            let is_same = || {
                let mut places = waiting.iter().map(|tid| awaited_futex(*tid));
                let first = places.next().flatten();
                first.is_some() && places.next() == Some(first)
            };
            while !is_same() {
                std::thread::yield_now();
            }
            *state.0.lock().unwrap() = true;
            state.1.notify_all();
        });
    }
}
