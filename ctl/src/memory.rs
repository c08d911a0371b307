//! How much memory processes have, as the kernel says: what drains costs its memory until it ends.

use std::collections::BTreeMap;
use std::fs;
use wsgi_protocol::operator::ServerStatus;

/// Resident memory of each process of a status by its id, bytes; without those that are gone, or in another PID namespace.
pub(crate) fn of(status: &ServerStatus) -> BTreeMap<i32, u64> {
    let pids = status.groups.iter().flat_map(|group| group.processes.iter().map(|process| process.pid));
    pids.filter_map(|pid| Some((pid, resident(pid)?))).collect()
}

/// As people read it.
pub(crate) fn text(bytes: Option<&u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}M", *bytes as f64 / f64::from(1 << 20)))
}

fn resident(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
