//! A control group for each process, where that of httpd is delegated (`Delegate=yes` of its service): whatever a process
//! starts stays in it, in whatever session, and ends with it.

use std::fs;
use std::path::{Path, PathBuf};
use wsgi_system::process::has_attribute;

/// The delegated control group.
#[derive(Debug)]
pub struct DelegatedCgroup {
    folder: PathBuf,
    made: u64,
}

/// That of one process.
#[derive(Debug)]
pub struct ProcessCgroup(PathBuf);

impl DelegatedCgroup {
    /// Finds the control group that this process is in, if it may divide it: systemd marks it for that.
    #[must_use]
    pub fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let folder = mounts.lines().find_map(mount_point)?.join(own);
        let is_marked = ["user.delegate", "trusted.delegate"].iter().any(|name| has_attribute(&folder, name));
        let mut found = Self { folder, made: 0 };
        is_marked.then(|| {
            found.clean_up();
            found
        })
    }

    /// One for the next process; none if that cannot be.
    pub fn make(&mut self) -> Option<ProcessCgroup> {
        self.made += 1;
        let path = self.folder.join(format!("{PREFIX}{}-{}", std::process::id(), self.made));
        fs::create_dir(&path).ok().map(|()| ProcessCgroup(path))
    }

    /// What a supervisor that was killed has left, as far as nobody is in it: its daemons end what they run.
    fn clean_up(&mut self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner =
                name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
                ProcessCgroup(entry.path()).remove();
            }
        }
    }
}

/// What names begin with; the supervisor's process id and a number follow.
const PREFIX: &str = "wsgi-";

/// Where a line of mountinfo (proc(5)) mounts control groups of version 2.
fn mount_point(line: &str) -> Option<PathBuf> {
    let (place, kind) = line.split_once(" - ")?;
    kind.starts_with("cgroup2 ").then(|| place.split(' ').nth(4).map(PathBuf::from))?
}

/// Whether a line of `/proc/PID/cgroup` names the control group of version 2 that has this name.
fn names_group(line: &str, name: &str) -> bool {
    let path = line.strip_prefix("0::").map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
    path.and_then(|path| path.rsplit_once('/')).is_some_and(|(_, last)| last == name)
}

impl ProcessCgroup {
    /// The file to which a process writes its id in order to be in it; 0 stands for the writer.
    #[must_use]
    pub fn entrance(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    /// Whether the process is in it; one that has ended was, until then.
    #[must_use]
    pub fn holds(&self, pid: i32) -> bool {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let name = self.0.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| text.lines().any(|line| names_group(line, name)))
    }

    /// Its processes.
    #[must_use]
    pub fn members(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.entrance()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Kills all of them at once (Linux 5.14).
    pub fn kill(&self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
    }

    /// Removes it, if nothing is left in it.
    pub fn remove(&self) -> bool {
        fs::remove_dir(&self.0).is_ok()
    }
}

impl Drop for ProcessCgroup {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_known_by_their_names() {
        let is = |line| names_group(line, "wsgi-7-1");
        assert!(is("0::/a.service/wsgi-7-1") && is("0::/wsgi-7-1 (deleted)"));
        assert!(
            !is("0::/a.service/wsgi-7-10") && !is("0::/wsgi-7-1/b") && !is("1:pids:/wsgi-7-1") && !is("0::/")
        );
    }

    #[test]
    fn mounts_are_told_apart() {
        let line = "34 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(mount_point(line), Some(PathBuf::from("/sys/fs/cgroup")));
        let others =
            ["35 24 0:31 / /sys/fs/cgroup/pids rw shared:10 - cgroup cgroup rw,pids", "nonsense", ""];
        assert!(others.into_iter().all(|line| mount_point(line).is_none()));
    }
}
