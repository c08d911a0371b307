//! Processes: fork, descriptors of processes, what a forked child does to its own descriptors.

use crate::options::listens;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{ForkResult, Pid};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Proof that this process was forked and ends, or execs another program, without coming back to its parent's code: it owns
/// nothing, so that it may close whatever it likes.
#[derive(Debug)]
pub struct ForkedChild(());

/// Ends the process when a panic would carry it into its parent's frames.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        exit_now(1);
    }
}

/// Runs `child` in a forked process, which ends with the status that `child` gives instead of exec'ing.
///
/// # Errors
/// The errno of fork.
///
/// # Safety
/// The process has no other thread: else locks may be held in the child for ever, the allocator's too. Or `child` makes
/// async-signal-safe calls only.
pub unsafe fn fork(child: impl FnOnce(&ForkedChild) -> i32) -> Result<i32, Errno> {
    // SAFETY: by the contract; the child never returns into the parent's frames, so no destructor of theirs runs twice.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child.as_raw()),
        ForkResult::Child => {
            let _end = EndOnUnwind;
            exit_now(child(&ForkedChild(())))
        }
    }
}

/// Whether [`promise_one_thread`] has been called.
static HAS_ONE_THREAD: AtomicBool = AtomicBool::new(false);

/// Promises that this process never has more than one thread, so that [`fork_alone`] can be called.
///
/// # Safety
/// It never has.
pub unsafe fn promise_one_thread() {
    HAS_ONE_THREAD.store(true, Ordering::Relaxed);
}

/// As [`fork`], in a process that has promised to have one thread.
///
/// # Errors
/// The errno of fork; EPERM without the promise.
pub fn fork_alone(child: impl FnOnce(&ForkedChild) -> i32) -> Result<i32, Errno> {
    if !HAS_ONE_THREAD.load(Ordering::Relaxed) {
        return Err(Errno::EPERM);
    }
    // SAFETY: there is one thread (above).
    unsafe { fork(child) }
}

/// Ends the process without running any destructor or exit handler. Async-signal-safe.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Process id of the parent.
#[must_use]
pub fn parent() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// Process id. Async-signal-safe.
#[must_use]
pub fn own() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Kernel id of the calling thread.
#[must_use]
pub fn own_tid() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// Whom this process runs as.
#[must_use]
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The group that this process runs as.
#[must_use]
pub fn effective_gid() -> u32 {
    nix::unistd::getegid().as_raw()
}

/// Has the kernel kill this process when its parent ends, or have it go on if it is stopped then. Async-signal-safe.
pub fn die_with_parent(dies: bool) {
    let _ = nix::sys::prctl::set_pdeathsig(if dies { Signal::SIGKILL } else { Signal::SIGCONT });
}

/// Whether others of the same user may look into this process.
#[must_use]
pub fn is_dumpable() -> bool {
    nix::sys::prctl::get_dumpable().unwrap_or(true)
}

/// Its own session and process group.
pub fn leave_session() {
    let _ = nix::unistd::setsid();
}

/// Names the calling thread, as `ps` and `top` show it: up to fifteen bytes of it.
pub fn set_name(name: &[u8]) {
    let _ = nix::sys::prctl::set_name(&std::ffi::CString::new(name).unwrap_or_default());
}

/// Sends a signal to this process.
pub fn signal_self(signal: libc::c_int) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// The name of the machine.
#[must_use]
pub fn host_name() -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    nix::unistd::gethostname().map(OsStringExt::into_vec).unwrap_or_default()
}

/// Sends a signal to a process, or asks with none whether there is one.
///
/// # Errors
/// The errno of kill(2).
pub fn kill(pid: i32, signal: Option<Signal>) -> Result<(), Errno> {
    nix::sys::signal::kill(Pid::from_raw(pid), signal)
}

/// Sends a signal, also a real-time one, to a thread of this process.
pub fn signal_thread(tid: i32, signal: libc::c_int) {
    // SAFETY: plain numbers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal) };
}

/// Fields of /proc/self/stat counted from the one behind the command's name, which is number 3.
const ARG_START: usize = 48 - 3;
const ARG_END: usize = 49 - 3;

/// Shows `title` instead of the command line. Without /proc only the short name changes.
pub fn set_title(title: &[u8]) {
    if let Some((start, end)) = std::fs::read("/proc/self/stat").ok().and_then(|stat| arguments(&stat)) {
        let room = end - start;
        let len = title.len().min(room.saturating_sub(1));
        // SAFETY: the kernel says that the process's arguments, writable memory on the initial stack, fill exactly
        // these addresses; Python made its own copy of them at its start.
        let area = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, room) };
        area[..len].copy_from_slice(&title[..len]);
        area[len..].fill(0);
    }
    set_name(&title[..title.len().min(15)]);
}

/// First and end address of the arguments.
fn arguments(stat: &[u8]) -> Option<(usize, usize)> {
    // The name may hold spaces and parentheses: the fields count from the last parenthesis.
    let rest = &stat[stat.iter().rposition(|b| *b == b')')? + 2..];
    let field = |n: usize| {
        std::str::from_utf8(rest.split(|b| *b == b' ').nth(n)?).ok()?.trim_end().parse::<usize>().ok()
    };
    let (start, end) = (field(ARG_START)?, field(ARG_END)?);
    // A kernel that hides addresses says 0; anything implausibly long is not believed.
    (start > 0 && end > start && end - start < 1 << 21).then_some((start, end))
}

/// What is known of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// It has not ended.
    Running,
    /// It has ended with this raw wait status, and has been waited for.
    Ended(i32),
    /// It is no child of this process, or somebody else has waited for it.
    Unknown,
}

/// Looks whether a child has ended, and waits for it if so.
#[must_use]
pub fn look_at_child(pid: i32) -> ChildState {
    match wait(pid, libc::WNOHANG) {
        (0, _) => ChildState::Running,
        (ended, status) if ended == pid => ChildState::Ended(status),
        _ => ChildState::Unknown,
    }
}

/// waitpid(2): what it returns, and the raw status, which nix has no way to get.
fn wait(pid: i32, options: libc::c_int) -> (i32, i32) {
    let mut status = 0;
    // SAFETY: the place is ours.
    let ended = unsafe { libc::waitpid(pid, &raw mut status, options) };
    (ended, status)
}

/// Waits for the end of a child; its raw wait status, `None` if there is no such child.
#[must_use]
pub fn await_child(pid: i32) -> Option<i32> {
    loop {
        let (ended, status) = wait(pid, 0);
        if ended == pid {
            return Some(status);
        }
        if Errno::last() != Errno::EINTR {
            return None;
        }
    }
}

/// A descriptor that becomes readable when the process ends (Linux 5.3).
///
/// # Errors
/// ESRCH when there is no such process, ENOSYS on an older kernel.
pub fn open_process(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: plain system call without pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just opened it for us (close-on-exec by default).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal to the process behind a descriptor of [`open_process`].
///
/// # Errors
/// ESRCH when it has ended, EPERM.
pub fn signal_process(process: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null record means that of kill(2); the rest are plain numbers.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as libc::c_int, none, 0)
    })
    .map(drop)
}

/// Sets the nice value of this process (absolute, like httpd's own module).
///
/// # Errors
/// The errno of setpriority.
pub fn set_nice(value: i32) -> Result<(), Errno> {
    // SAFETY: plain system call without pointers.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) }).map(drop)
}

/// A child that has ended and has not been waited for. `None` when there is none at the moment.
#[must_use]
pub fn ended_child() -> Option<i32> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags).ok()?.pid().map(Pid::as_raw)
}

/// Waits for a child that has ended: its raw wait status, and the CPU it has used, µs (user, system).
#[must_use]
pub fn reap(pid: i32) -> Option<(i32, (u64, u64))> {
    let mut status = 0;
    // SAFETY: all zero is a valid value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are ours; WNOHANG never blocks. (nix has no way to get the raw status.)
    let reaped = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
    let us = |time: libc::timeval| (time.tv_sec * 1_000_000 + time.tv_usec).unsigned_abs();
    (reaped == pid).then_some((status, (us(usage.ru_utime), us(usage.ru_stime))))
}

/// Whether a file has this extended attribute, with the value `1`.
#[must_use]
pub fn has_attribute(path: &std::path::Path, name: &str) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let text = |bytes: &[u8]| std::ffi::CString::new(bytes).ok();
    let (Some(path), Some(name)) = (text(path.as_os_str().as_bytes()), text(name.as_bytes())) else {
        return false;
    };
    let mut value = [0u8; 1];
    // SAFETY: both texts end in NUL; room for one byte is passed.
    let length = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), 1) };
    length == 1 && value == *b"1"
}

/// A copy that is out of the way of `count` descriptors that will be laid out: no higher than needed, because the limit
/// of open files may be low.
///
/// # Errors
/// The errno of the call that failed.
pub fn park(source: BorrowedFd<'_>, count: usize) -> Result<OwnedFd, Errno> {
    let first = RawFd::try_from(count).map_err(|_| Errno::EMFILE)?;
    let number = fcntl(source, FcntlArg::F_DUPFD_CLOEXEC(first))?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Descriptors beyond this are not looked for where the kernel cannot close a range of them.
const MOST: libc::c_uint = 65_536;

impl ForkedChild {
    /// Makes `sources[i]` the descriptor `i` and closes everything else but `kept`, which closes at exec and has been parked.
    ///
    /// # Errors
    /// The errno of the call that failed.
    pub fn lay_out(&self, sources: &[BorrowedFd<'_>], kept: BorrowedFd<'_>) -> Result<(), Errno> {
        let parked =
            sources.iter().map(|source| park(*source, sources.len())).collect::<Result<Vec<_>, Errno>>()?;
        for (target, source) in (0..).zip(&parked) {
            self.put(source.as_raw_fd(), target)?;
        }
        parked.into_iter().for_each(std::mem::forget); // closed with the rest
        let first = libc::c_uint::try_from(sources.len()).map_err(|_| Errno::EMFILE)?;
        self.close_all_but(first, &[kept.as_raw_fd()]);
        Ok(())
    }

    /// Makes the number `target` stand for what `source` is; it stays open at exec. Async-signal-safe.
    ///
    /// # Errors
    /// The errno of dup2(2).
    pub fn put(&self, source: RawFd, target: RawFd) -> Result<(), Errno> {
        // SAFETY: this child execs or exits next; no owner of the overwritten number is used any more.
        let result = unsafe {
            match source == target {
                true => libc::fcntl(source, libc::F_SETFD, 0),
                false => libc::dup2(source, target),
            }
        };
        Errno::result(result).map(drop)
    }

    /// Closes all descriptors from `first` on but those `kept`, in ascending order.
    pub fn close_all_but(&self, first: libc::c_uint, kept: &[RawFd]) {
        let mut from = first;
        let kept = kept.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok()).filter(|fd| *fd >= first);
        let gaps = kept.map(|fd| (std::mem::replace(&mut from, fd + 1), fd)).collect::<Vec<_>>();
        for (from, to) in gaps.into_iter().chain([(from, libc::c_uint::MAX)]).filter(|(from, to)| from < to) {
            self.close_range(from, to - 1);
        }
    }

    /// Closes all descriptors from `first` on. Async-signal-safe.
    pub fn close_from(&self, first: libc::c_uint) {
        self.close_range(first, libc::c_uint::MAX);
    }

    fn close_range(&self, first: libc::c_uint, last: libc::c_uint) {
        // SAFETY: this child execs or exits next; no owner of these numbers is used any more.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0 {
            self.close_each(first, last); // before Linux 5.9
        }
    }

    fn close_each(&self, first: libc::c_uint, last: libc::c_uint) {
        for number in first..=last.min(MOST) {
            // SAFETY: as above; numbers not in use are refused with EBADF.
            unsafe { libc::close(number as RawFd) };
        }
    }

    /// Closes all sockets that listen.
    pub fn close_listening(&self) {
        let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
        let numbers: Vec<RawFd> =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        for number in numbers.into_iter().filter(|number| listens(*number)) {
            self.close_range(number.cast_unsigned(), number.cast_unsigned());
        }
    }

    /// Marks all descriptors from `first` on as closing at exec; they stay usable until then.
    pub fn close_at_exec(&self, first: libc::c_uint) {
        let flags = libc::CLOSE_RANGE_CLOEXEC;
        // SAFETY: only changes the close-on-exec flag of descriptors of this process.
        if unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) } == 0 {
            return;
        }
        // Before Linux 5.11. All our own descriptors carry the flag already; this is for inherited ones.
        for number in first..MOST {
            // SAFETY: as above; numbers not in use are refused with EBADF.
            unsafe { libc::fcntl(number as RawFd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }

    /// Takes on another identity for good, without a way back and without being traced by its user: the memory is a copy of
    /// the parent's. Whether all of it was done.
    #[must_use]
    pub fn become_user(&self, uid: u32, gid: u32, groups: &[u32]) -> bool {
        use nix::sys::prctl;
        use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
        let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
        let _ = prctl::set_dumpable(false);
        // The change of the user makes the process dumpable where fs.suid_dumpable says so. Capabilities that its user does
        // not have keep that user from tracing it until that has been taken back.
        prctl::set_keepcaps(true).is_ok()
            && setgroups(&groups).is_ok()
            && setgid(Gid::from_raw(gid)).is_ok()
            && setuid(Uid::from_raw(uid)).is_ok()
            && prctl::set_dumpable(false).is_ok()
            && crate::inheritance::drop_capabilities()
    }

    /// Sleeps, whatever signals come. Async-signal-safe.
    pub fn sleep(&self, pause: std::time::Duration) {
        let seconds = libc::time_t::try_from(pause.as_secs()).unwrap_or(libc::time_t::MAX);
        let mut left = libc::timespec { tv_sec: seconds, tv_nsec: i64::from(pause.subsec_nanos()) };
        // SAFETY: the record lives through the call, which leaves in it what is left.
        while unsafe { libc::nanosleep(&raw const left, &raw mut left) } != 0 {}
    }

    /// Becomes another program; comes back only if that cannot be, with the reason. Async-signal-safe.
    pub fn exec(&self, program: &CStr, arguments: &ExecStrings<'_>, environment: &ExecStrings<'_>) -> Errno {
        // SAFETY: the strings live, and both lists end with null.
        unsafe { libc::execve(program.as_ptr(), arguments.0.as_ptr(), environment.0.as_ptr()) };
        Errno::last()
    }
}

/// Arguments or environment of a program, made before the fork: a list that ends with null.
#[derive(Debug)]
pub struct ExecStrings<'s>(Vec<*const libc::c_char>, std::marker::PhantomData<&'s CStr>);

impl<'s> ExecStrings<'s> {
    /// Of these strings.
    pub fn new(strings: impl IntoIterator<Item = &'s CStr>) -> Self {
        let pointers = strings.into_iter().map(CStr::as_ptr).chain([std::ptr::null()]);
        Self(pointers.collect(), std::marker::PhantomData)
    }
}

/// The file that an address of the program belongs to; `None` when the loader does not say.
#[must_use]
pub fn file_of(function: *const ()) -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    // SAFETY: dladdr looks the address up, and fills the record with strings of the loader.
    let name = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let known = libc::dladdr(function.cast(), &raw mut info) != 0 && !info.dli_fname.is_null();
        known.then(|| CStr::from_ptr(info.dli_fname))
    }?;
    Some(std::ffi::OsStr::from_bytes(name.to_bytes()).into())
}

/// Keeps the library that an address belongs to mapped until the process ends, however often it is closed.
pub fn stay_mapped(function: *const ()) {
    // SAFETY: as above; dlopen finds what is loaded already, so that no code of a library runs.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(function.cast(), &raw mut info) != 0 && !info.dli_fname.is_null() {
            libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_close_leave_what_is_below() {
        let ways: [fn(&ForkedChild); 2] = [|child| child.close_from(41), |child| child.close_each(41, 100)];
        for way in ways {
            // SAFETY: the child makes system calls only.
            let pid = unsafe {
                fork(|child| {
                    let made = child.put(2, 40).and_then(|()| child.put(2, 41));
                    way(child);
                    let [kept, closed] = [40, 41].map(crate::descriptors::is_open);
                    i32::from(made.is_err() || !kept || closed)
                })
            };
            assert_eq!(await_child(pid.unwrap()), Some(0));
        }
    }

    #[test]
    fn the_arguments_are_found() {
        let stat = std::fs::read("/proc/self/stat").unwrap();
        let (start, end) = arguments(&stat).unwrap();
        // SAFETY: see `set_title`.
        let area = unsafe { std::slice::from_raw_parts(start as *const u8, end - start) };
        assert_eq!(area, std::fs::read("/proc/self/cmdline").unwrap());
        assert_eq!(arguments(b"1 (a) b) S 1 2"), None);
    }

    #[test]
    fn a_panic_does_not_leave_the_child() {
        // SAFETY: the child ends at once.
        let pid = unsafe { fork(|_| std::panic::resume_unwind(Box::new(()))) };
        assert_eq!(await_child(pid.unwrap()), Some(1 << 8));
    }
}
