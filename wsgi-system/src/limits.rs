//! Resource limits, and what a process has used.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

/// Stack size the system gives new threads (RLIMIT_STACK, as glibc takes it); Rust's own default of 2 MiB is too
/// little for deep recursion in Python.
#[must_use]
pub fn default_stack() -> usize {
    const USUAL: u64 = 8 * 1024 * 1024;
    let limit = getrlimit(Resource::RLIMIT_STACK).map(|(now, _)| now);
    // Unlimited, or so much that many threads would exhaust the address space limit: the usual size.
    let sane = limit.ok().filter(|limit| (64 * 1024..=64 * 1024 * 1024).contains(limit));
    usize::try_from(sane.unwrap_or(USUAL)).unwrap_or(8 << 20)
}

/// How many descriptors this process may have: now, and at most.
#[must_use]
pub fn open_files() -> Option<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).ok()
}

/// Raises the number of descriptors that this process may have, as far as the hard limit allows.
pub fn allow_open_files(wanted: u64) {
    if let Some((now, most)) = open_files().filter(|(now, most)| *now < wanted.min(*most)) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(most).max(now), most);
    }
}

/// Whether this process may have so many descriptors; the soft limit is raised for that, as far as the hard one allows.
#[must_use]
pub fn has_descriptors(wanted: usize) -> bool {
    let (Some((now, most)), Ok(wanted)) = (open_files(), u64::try_from(wanted)) else { return true };
    if wanted > now {
        allow_open_files(wanted.saturating_mul(2));
    }
    wanted <= most
}

/// Whether the process may run out of memory that the system still has (RLIMIT_DATA, RLIMIT_AS).
#[must_use]
pub fn is_memory_limited() -> bool {
    let is_limited = |of| getrlimit(of).is_ok_and(|(now, _)| now != nix::sys::resource::RLIM_INFINITY);
    is_limited(Resource::RLIMIT_DATA) || is_limited(Resource::RLIMIT_AS)
}

/// User and system CPU time of the calling thread, seconds.
#[must_use]
pub fn thread_cpu() -> Option<(f64, f64)> {
    cpu(UsageWho::RUSAGE_THREAD)
}

/// User and system CPU time of the process, seconds.
#[must_use]
pub fn process_cpu() -> Option<(f64, f64)> {
    cpu(UsageWho::RUSAGE_SELF)
}

fn cpu(who: UsageWho) -> Option<(f64, f64)> {
    use nix::sys::time::TimeVal;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let usage = getrusage(who).ok()?;
    Some((seconds(usage.user_time()), seconds(usage.system_time())))
}

/// Most memory that the process ever had resident, bytes.
#[must_use]
pub fn largest_memory() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    usage.and_then(|usage| u64::try_from(usage.max_rss()).ok()).unwrap_or(0) * 1024
}

/// Bytes of a page of memory.
#[must_use]
pub fn page_size() -> u64 {
    number(SysconfVar::PAGE_SIZE).unwrap_or(4096)
}

/// Units of the times in /proc, per second.
#[must_use]
pub fn clock_ticks() -> u64 {
    number(SysconfVar::CLK_TCK).unwrap_or(100)
}

/// Most supplementary groups that a process can have.
#[must_use]
pub fn most_groups() -> Option<u64> {
    number(SysconfVar::NGROUPS_MAX)
}

fn number(name: SysconfVar) -> Option<u64> {
    sysconf(name).ok().flatten().and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0)
}
