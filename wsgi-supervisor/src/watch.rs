//! Who tells the supervisor that something it answers for is gone, so that nothing is looked at by the clock: the kernel,
//! of folders whose files are removed; and when the next look is due after that.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two looks, however much there is to see.
const LOOK: Duration = Duration::from_secs(2);
/// The same where nearly all is told.
const SELDOM: Duration = Duration::from_secs(60);
/// A look waits so long after the notice: who removes one file often goes on to the next one.
const SETTLE: Duration = Duration::from_millis(100);
/// Most reads of notices in one look: what is left makes the next one due.
const READS: usize = 64;

/// When something is looked at.
#[derive(Debug, Default)]
pub struct LookTimes {
    last: Option<Instant>,
    next: Option<Instant>,
    /// The next one comes anyhow: no notice is waited for.
    is_soon: bool,
}

/// Of which changes there are notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeReach {
    /// Not of those that count.
    None,
    /// Of all but what becomes of the way to a folder.
    Nearly,
    /// Of all.
    All,
}

impl LookTimes {
    /// Something may have changed.
    pub fn notice(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| (last + LOOK).max(now + SETTLE));
        self.next = Some(self.next.map_or(earliest, |next| next.min(earliest)));
        self.is_soon = true;
    }

    /// Whether it is time. Without a notice it is when the supervisor is awake for something else: not every change is told.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now) || self.last.is_none_or(|last| last + LOOK <= now)
    }

    /// It was looked at; if not all was well, or not all changes will be told, again by the clock.
    pub fn looked(&mut self, now: Instant, is_well: bool, reach: NoticeReach) {
        self.last = Some(now);
        self.is_soon = !is_well || reach == NoticeReach::None;
        self.next = match reach {
            _ if self.is_soon => Some(now + LOOK),
            NoticeReach::All => None,
            _ => Some(now + SELDOM),
        };
    }

    /// Whether a notice would make the next look come earlier.
    #[must_use]
    pub fn awaits_notice(&self) -> bool {
        !self.is_soon
    }

    /// When the supervisor has to be awake for it.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.next
    }
}

/// Notices of what is removed from folders, or moved away, or with its folder.
#[derive(Debug)]
pub struct FolderWatch {
    /// None where the kernel gives no more of them.
    notices: Option<Inotify>,
    /// Tells of changes of what is mounted (proc_pid_mounts(5)).
    mounts: Option<File>,
    watched: BTreeSet<WatchDescriptor>,
}

impl FolderWatch {
    /// Watches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let mounts = File::open("/proc/self/mountinfo").ok();
        Self { notices: Inotify::init(flags).ok(), mounts, watched: BTreeSet::new() }
    }

    /// Forgets what was told, and has these folders watched from now on, and no others.
    pub fn watch<'a>(&mut self, folders: impl Iterator<Item = &'a Path>) -> NoticeReach {
        let Some(notices) = &self.notices else { return NoticeReach::None };
        for _ in 0..READS {
            if notices.read_events().is_err() {
                break;
            }
        }
        let own = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        let files = own | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM;
        let folders: BTreeSet<PathBuf> = folders.map(Path::to_owned).collect();
        // Those above are never asked for their files: a busy `/tmp` would wake us all the time.
        let above: BTreeSet<&Path> = folders.iter().flat_map(|folder| folder.ancestors().skip(1)).collect();
        let above = above.into_iter().filter(|path| !path.as_os_str().is_empty());
        let mut watched = BTreeSet::new();
        let mut reach = if self.mounts.is_some() { NoticeReach::All } else { NoticeReach::Nearly };
        // First those above: a folder can also be above another one, or have several names, and the last call holds for it.
        let above = above.map(|path| (path, own, NoticeReach::Nearly));
        let folders = folders.iter().map(|folder| (folder.as_path(), files, NoticeReach::None));
        for (path, flags, without) in above.chain(folders) {
            reach = reach.min(match notices.add_watch(path, flags) {
                Ok(watch) => {
                    watched.insert(watch);
                    // Nobody tells when a link leads elsewhere.
                    if path.is_symlink() { NoticeReach::Nearly } else { NoticeReach::All }
                }
                Err(_) => without,
            });
        }
        for gone in self.watched.difference(&watched) {
            let _ = notices.rm_watch(*gone); // it may have ended with its folder
        }
        self.watched = watched;
        reach
    }

    /// Has something out of the ordinary (POLLPRI) when something was mounted, or is no more.
    #[must_use]
    pub fn mounts(&self) -> Option<BorrowedFd<'_>> {
        self.mounts.as_ref().map(AsFd::as_fd)
    }

    /// Becomes readable with a notice.
    #[must_use]
    pub fn notices(&self) -> Option<BorrowedFd<'_>> {
        self.notices.as_ref().map(AsFd::as_fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::fs;

    fn has_notice(watch: &FolderWatch) -> bool {
        let mut polled = [PollFd::new(watch.notices().expect("inotify"), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).expect("it can be polled") > 0
    }

    #[test]
    fn only_what_goes_is_noticed() {
        let root = std::env::temp_dir().join(format!("wsgi-watch-{}", std::process::id()));
        let folder = root.join("sockets");
        fs::create_dir_all(&folder).unwrap();
        let mut watch = FolderWatch::new();
        let watched = |watch: &mut FolderWatch| watch.watch([folder.as_path()].into_iter());
        assert_eq!(watched(&mut watch), NoticeReach::All);
        assert!(!has_notice(&watch));
        fs::write(folder.join("a"), "").unwrap();
        fs::write(root.join("b"), "").unwrap();
        fs::remove_file(root.join("b")).unwrap();
        assert!(!has_notice(&watch), "a new file, and what happens beside the folder");
        fs::rename(folder.join("a"), root.join("a")).unwrap();
        assert!(has_notice(&watch), "a file is moved away");
        assert!(watched(&mut watch) == NoticeReach::All && !has_notice(&watch), "what was told is forgotten");
        let deeper = folder.join("deeper");
        fs::create_dir(&deeper).unwrap();
        assert_eq!(watch.watch([deeper.as_path()].into_iter()), NoticeReach::All);
        fs::remove_file(root.join("a")).unwrap();
        fs::write(folder.join("a"), "").unwrap();
        fs::remove_file(folder.join("a")).unwrap();
        assert!(!has_notice(&watch), "the folder is only above another one now");
        std::os::unix::fs::symlink(&folder, root.join("link")).unwrap();
        let way = root.join("link/deeper");
        assert_eq!(watch.watch([way.as_path()].into_iter()), NoticeReach::Nearly);
        fs::rename(&root, root.with_extension("moved")).unwrap();
        assert!(has_notice(&watch), "the folder above is moved away");
        assert_eq!(watched(&mut watch), NoticeReach::None, "nothing can be watched there");
        fs::remove_dir_all(root.with_extension("moved")).unwrap();
    }

    #[test]
    fn without_notices_the_clock_has_to_do() {
        let mut watch = FolderWatch { notices: None, mounts: None, watched: BTreeSet::new() };
        assert_eq!(watch.watch([Path::new("/")].into_iter()), NoticeReach::None);
        assert!(watch.notices().is_none() && watch.mounts().is_none());
        let (mut times, start) = (LookTimes::default(), Instant::now());
        times.looked(start, true, NoticeReach::None);
        assert!(times.next() == Some(start + LOOK) && !times.awaits_notice());
        times.looked(start, true, NoticeReach::Nearly);
        assert!(times.next() == Some(start + SELDOM) && times.awaits_notice());
        times.notice(start + LOOK);
        assert!(times.next() == Some(start + LOOK + SETTLE) && !times.awaits_notice());
    }

    #[test]
    fn looks_are_apart() {
        let mut times = LookTimes::default();
        let start = Instant::now();
        assert!(times.is_due(start) && times.next().is_none());
        times.looked(start, true, NoticeReach::All);
        assert!(!times.is_due(start) && times.next().is_none());
        assert!(times.is_due(start + LOOK), "who is awake anyhow looks");
        times.notice(start);
        assert_eq!(times.next(), Some(start + LOOK));
        times.looked(start + LOOK, false, NoticeReach::All);
        assert_eq!(times.next(), Some(start + LOOK * 2), "not all was well");
        times.looked(start, true, NoticeReach::All);
        times.notice(start + LOOK * 5);
        assert_eq!(times.next(), Some(start + LOOK * 5 + SETTLE));
        times.notice(start + LOOK * 6);
        assert_eq!(times.next(), Some(start + LOOK * 5 + SETTLE), "later notices put nothing off");
    }
}
