//! What the kernel says of a process in `/proc`: only files that no process can make slow to read or false.

use std::fs;

/// Its real user id.
#[must_use]
pub fn user(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // The name stands before it, with line breaks escaped.
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What follows its state in `/proc/PID/stat`; `None` for one that has ended.
fn running(pid: i32) -> Option<String> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, brackets too.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = String::from_utf8_lossy(stat.get(end + 2..)?);
    let (state, rest) = fields.split_once(' ')?;
    (!["Z", "X"].contains(&state)).then(|| rest.to_owned())
}

/// Whether there is such a process, and it has not ended.
#[must_use]
pub fn is_running(pid: i32) -> bool {
    running(pid).is_some()
}

/// Its parent.
#[must_use]
pub fn parent(pid: i32) -> Option<i32> {
    running(pid)?.split_whitespace().next()?.parse().ok()
}

/// The session it belongs to; `None` for one that has ended, too.
#[must_use]
pub fn session(pid: i32) -> Option<i32> {
    running(pid)?.split_whitespace().nth(2)?.parse().ok()
}

/// All processes.
pub fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// All processes of a session but its leader.
#[must_use]
pub fn members(leader: i32) -> Vec<i32> {
    all().filter(|pid| *pid != leader && session(*pid) == Some(leader)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_facts() {
        let own = std::process::id().cast_signed();
        assert_eq!(user(own), Some(nix::unistd::getuid().as_raw()));
        let leader = nix::unistd::getsid(None).unwrap().as_raw();
        assert_eq!(session(own), Some(leader));
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id().cast_signed()));
        assert!(members(leader).contains(&own) != (own == leader));
        assert_eq!((user(i32::MAX), session(i32::MAX)), (None, None));
    }
}
