//! Processes as `/proc` shows them: who descends from an httpd, and who still has a hand in its ServerRoot.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One process at the moment of looking.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenProcess {
    /// Its id.
    pub pid: i32,
    /// Start time in clock ticks since boot: with the pid it names a process for good.
    pub started: u64,
    /// Its parent.
    pub parent: i32,
    /// Zombies have ended; only nobody has collected them.
    pub is_zombie: bool,
    /// Its arguments, joined by spaces.
    pub command: String,
}

impl SeenProcess {
    /// The process with this id, if there is one.
    pub fn of(pid: i32) -> Option<SeenProcess> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        Some(SeenProcess {
            pid,
            started: fields.get(19)?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            is_zombie: matches!(*fields.first()?, "Z" | "X"),
            command: read_words(pid, "cmdline"),
        })
    }

    /// All processes.
    pub fn all() -> Vec<SeenProcess> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted");
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(SeenProcess::of).collect()
    }

    /// Still the same process, and running.
    pub fn is_alive(&self) -> bool {
        SeenProcess::of(self.pid).is_some_and(|now| now.started == self.started && !now.is_zombie)
    }

    /// The files mapped into it, e.g. a libpython.
    pub fn maps(&self) -> String {
        fs::read_to_string(format!("/proc/{}/maps", self.pid)).unwrap_or_default()
    }

    /// Memory in KiB by a field name of `/proc/<pid>/smaps_rollup`, such as `Pss` or `Rss`.
    pub fn memory(&self, field: &str) -> u64 {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).unwrap_or_default();
        let line = rollup.lines().find(|line| line.starts_with(&format!("{field}:")));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }

    /// True when its arguments, environment, working directory or an open file names something in `root`.
    fn touches(&self, root: &Path) -> bool {
        let text = root.to_string_lossy();
        let folder = |link: &Path| fs::read_link(link).is_ok_and(|target| target.starts_with(root));
        let home = format!("/proc/{}", self.pid);
        self.command.contains(&*text)
            || read_words(self.pid, "environ").contains(&*text)
            || folder(&Path::new(&home).join("cwd"))
            || fs::read_dir(format!("{home}/fd")).is_ok_and(|fds| fds.flatten().any(|fd| folder(&fd.path())))
    }
}

/// Sends a signal to a process.
///
/// # Panics
/// When it has ended and was waited for.
#[track_caller]
pub fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it runs");
}

/// Ends a process with SIGKILL; one that has ended is as good.
pub fn kill(pid: i32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
}

/// Every process below `ancestor` and every process that touches `root`; never this one.
pub(crate) fn belonging_to(ancestor: i32, root: &Path) -> BTreeSet<SeenProcess> {
    let all = SeenProcess::all();
    let mut found: BTreeSet<i32> = BTreeSet::from([ancestor]);
    loop {
        let before = found.len();
        found.extend(all.iter().filter(|p| found.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>());
        if found.len() == before {
            break;
        }
    }
    let own = std::process::id() as i32;
    all.into_iter().filter(|p| p.pid != own && (found.contains(&p.pid) || p.touches(root))).collect()
}

fn read_words(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}
