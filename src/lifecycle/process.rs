//! What the kernel says of a process in `/proc/PID/stat`, and what a forked child does to its descriptors.

use std::os::fd::RawFd;

/// The fields of one process, from its state on.
pub struct ProcessStat(Vec<u8>);

impl ProcessStat {
    /// Reads them; `None` when there is no such process, or /proc is hidden.
    pub fn of(pid: u32) -> Option<Self> {
        let mut stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name before the state may hold anything, brackets too.
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        stat.drain(..(end + 2).min(stat.len()));
        (!stat.is_empty()).then_some(Self(stat))
    }

    /// The letter of its state.
    pub fn state(&self) -> u8 {
        self.0[0]
    }

    /// Whether it has not ended: one that nobody has waited for is dead all the same.
    pub fn is_running(&self) -> bool {
        !b"ZX".contains(&self.state())
    }

    /// A numeric field, by its number in proc_pid_stat(5); the state is field 3.
    pub fn field(&self, number: usize) -> Option<u64> {
        let text = self.0.split(|byte| *byte == b' ').nth(number.checked_sub(3)?)?;
        std::str::from_utf8(text).ok()?.trim_end().parse().ok()
    }
}

/// Descriptors beyond this are not looked for where the kernel cannot close a range of them.
const MOST: RawFd = 65_536;

/// Closes a descriptor that a record in the process pool keeps by its number, unless there is none (-1), and forgets it.
pub fn close_kept(fd: &mut RawFd) {
    let fd = std::mem::replace(fd, -1);
    if fd >= 0 {
        // SAFETY: a record's number, or a child's copy of it, is nobody else's descriptor.
        unsafe { libc::close(fd) };
    }
}

/// Closes all descriptors from `first` on.
///
/// # Safety
/// In a forked child that uses none of them any more. Async-signal-safe.
pub unsafe fn close_from(first: RawFd) {
    // SAFETY: by the contract.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first as u32, u32::MAX, 0) != 0 {
            close_each(first); // before Linux 5.9
        }
    }
}

/// # Safety
/// As [`close_from`].
unsafe fn close_each(first: RawFd) {
    // SAFETY: by the contract; numbers that are not in use are refused.
    (first..MOST).for_each(|fd| _ = unsafe { libc::close(fd) });
}

#[cfg(test)]
mod tests {
    use super::{ProcessStat, close_each, close_from};

    #[test]
    fn both_ways_to_close_leave_what_is_below() {
        for way in [close_from, close_each] {
            // SAFETY: the child makes system calls only, and ends.
            let status = unsafe {
                let pid = libc::fork();
                if pid == 0 {
                    libc::dup2(2, 40);
                    libc::dup2(2, 41);
                    way(41);
                    let [kept, closed] = [40, 41].map(|fd| libc::fcntl(fd, libc::F_GETFD));
                    libc::_exit(i32::from(kept < 0 || closed >= 0));
                }
                let mut status = -1;
                libc::waitpid(pid, &mut status, 0);
                status
            };
            assert_eq!(status, 0);
        }
    }

    #[test]
    fn fields_of_this_process() {
        let own = ProcessStat::of(std::process::id()).expect("it runs");
        assert!(own.is_running() && b"RS".contains(&own.state()));
        assert_eq!(own.field(4), Some(u64::from(std::os::unix::process::parent_id())));
        assert!(own.field(24).is_some_and(|pages| pages > 0) && own.field(2).is_none());
        assert!(ProcessStat::of(u32::MAX).is_none());
    }
}
