//! Whether the kernel killed a process for lack of memory: the counters of our own control group, which the daemons
//! share, or else those of the machine.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// Compares the kernel's count of such kills with that at the last look.
#[derive(Debug)]
pub struct OomWatch {
    seen: Option<u64>,
}

impl OomWatch {
    /// Begins with the count as it is.
    #[must_use]
    pub fn new() -> Self {
        Self { seen: count() }
    }

    /// One of our processes has just been killed: was it for lack of memory? Kills at the same time are each counted.
    pub fn explains_kill(&mut self) -> bool {
        let (Some(seen), Some(now)) = (self.seen, count()) else { return false };
        let is_more = now > seen;
        self.seen = Some(if is_more { seen + 1 } else { now });
        is_more
    }

    /// Nothing of ours was killed up to now: what was counted concerned others.
    pub fn forget(&mut self) {
        self.seen = count();
    }
}

/// Processes killed so far.
fn count() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let files = candidates(&groups);
    files
        .iter()
        .chain([&PathBuf::from("/proc/vmstat")])
        .find_map(|file| oom_kill(&fs::read_to_string(file).ok()?))
}

/// The files that may hold the counter, best first: version 1 (or a hybrid) has a memory controller of its own, version 2
/// is the entry without a name. Inside a container the path may be one of the host, and the mount our own group.
fn candidates(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|name| name == "memory") {
            let mount = Path::new(MOUNT).join("memory");
            files.extend([mount.join(path), mount].map(|group| group.join("memory.oom_control")));
        } else if controllers.is_empty() {
            let mount = Path::new(MOUNT);
            files.extend([mount.join(path), mount.to_owned()].map(|group| group.join("memory.events")));
        }
    }
    files
}

/// The counter in the text of any of these files.
fn oom_kill(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_is_found_in_each_form() {
        assert_eq!(oom_kill("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(oom_kill("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(oom_kill("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn own_group_comes_before_the_mount() {
        let paths = |groups| candidates(groups).iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            paths("0::/system.slice/apache2.service\n"),
            ["/sys/fs/cgroup/system.slice/apache2.service/memory.events", "/sys/fs/cgroup/memory.events"]
        );
        assert_eq!(
            paths("4:cpu,memory:/a:b\n1:name=systemd:/\n"),
            ["/sys/fs/cgroup/memory/a:b/memory.oom_control", "/sys/fs/cgroup/memory/memory.oom_control"]
        );
    }

    #[test]
    fn each_kill_is_explained_once() {
        let mut watch = OomWatch { seen: Some(u64::MAX) };
        assert!(!watch.explains_kill(), "a counter that goes back explains nothing");
        if let Some(now) = count().filter(|now| *now > 0) {
            let mut watch = OomWatch { seen: Some(now - 1) };
            assert!(watch.explains_kill() && !watch.explains_kill());
        }
    }
}
