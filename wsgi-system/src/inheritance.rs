//! In a forked child: leaves behind what a daemon would inherit of the shell or service that httpd was started from.

use nix::errno::Errno;
use std::io;

/// `keyctl` operation: a new session keyring.
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;

/// Bits of the execution domain that weaken the address space of what is exec'ed; the kernel itself clears them for
/// set-user-id programs.
const UNSAFE_PERSONALITY: libc::c_int =
    libc::READ_IMPLIES_EXEC | libc::ADDR_NO_RANDOMIZE | libc::ADDR_COMPAT_LAYOUT | libc::MMAP_PAGE_ZERO;

/// Joins a new, anonymous session keyring: that of the shell may hold root's keys.
///
/// # Errors
/// ENOMEM and the like. A kernel without keyrings has no keys, and where a seccomp filter forbids the call, it forbids
/// the daemon to use keys as well.
pub fn leave_keyring() -> Result<(), Errno> {
    // SAFETY: a null name asks for an anonymous keyring.
    let result = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>())
    };
    match Errno::result(result) {
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES | Errno::EOPNOTSUPP) | Ok(_) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The next program has random addresses, also where `setarch -R` started httpd.
pub fn restore_address_layout() {
    // SAFETY: plain numbers; the first call only asks.
    unsafe {
        let now = libc::personality(0xffff_ffff);
        if now >= 0 && now & UNSAFE_PERSONALITY != 0 {
            libc::personality((now & !UNSAFE_PERSONALITY) as libc::c_ulong);
        }
    }
}

/// A real-time class is httpd's own business: with it, a daemon could keep everything else from the processor or disk.
pub fn leave_real_time() {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const IOPRIO_CLASS_RT: libc::c_long = 1;
    // SAFETY: `none` is a valid record; the rest are plain numbers. Going down is always allowed.
    unsafe {
        let policy = libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK;
        if matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE) {
            let none = libc::sched_param { sched_priority: 0 };
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const none);
        }
        if libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) >> 13 == IOPRIO_CLASS_RT {
            libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
        }
    }
}

/// Whoever protects httpd from the OOM killer does not mean applications. Written while privileged, so that they cannot
/// take it back.
///
/// # Errors
/// The file cannot be read or written.
pub fn give_up_oom_protection() -> Result<(), Errno> {
    let path = "/proc/self/oom_score_adj";
    let errno = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let now = match std::fs::read_to_string(path) {
        // Without /proc nothing can be done about it, and nobody need be told with each process.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(errno)?,
    };
    if now.trim_start().starts_with('-') { std::fs::write(path, "0").map_err(errno) } else { Ok(()) }
}

/// The header and the two records of 32 bits each of capget(2), in version 3.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

/// One of the two.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilitySets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl CapabilityHeader {
    /// Version 3 (_LINUX_CAPABILITY_VERSION_3), this process.
    fn own() -> Self {
        Self { version: 0x2008_0522, pid: 0 }
    }
}

/// Gives up what an exec as another user could still carry on: inheritable and ambient capabilities. The permitted ones
/// stay until the exec (see `become_user`), but none is in effect.
///
/// # Errors
/// The errno of capset.
pub fn leave_capabilities() -> Result<(), Errno> {
    let mut header = CapabilityHeader::own();
    let mut sets = [CapabilitySets::default(); 2];
    // SAFETY: the header names the version whose two records follow.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()))?;
        sets.iter_mut().for_each(|set| (set.effective, set.inheritable) = (0, 0));
        Errno::result(libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()))?;
        // Ambient ones are always inheritable, too, so there is nothing left of them. Before Linux 4.3 there are none.
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    Ok(())
}

/// Gives up all capabilities, which leaves the process as dumpable as it is.
#[must_use]
pub fn drop_capabilities() -> bool {
    let (mut header, none) = (CapabilityHeader::own(), [CapabilitySets::default(); 2]);
    // SAFETY: the header names the version whose two records follow.
    unsafe { libc::syscall(libc::SYS_capset, &raw mut header, none.as_ptr()) == 0 }
}
