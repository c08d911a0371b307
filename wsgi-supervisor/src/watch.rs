//! Who tells the supervisor that something it answers for is gone, so that nothing is looked at by the clock: the kernel,
//! of folders whose files are removed; and when the next look is due after that.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two looks, however much there is to see.
const LOOK: Duration = Duration::from_secs(2);
/// A look waits so long after the notice: who removes one file often goes on to the next one.
const SETTLE: Duration = Duration::from_millis(100);
/// Most reads of notices in one look: what is left makes the next one due.
const READS: usize = 64;

/// When something is looked at.
#[derive(Debug, Default)]
pub struct LookTimes {
    last: Option<Instant>,
    next: Option<Instant>,
}

impl LookTimes {
    /// Something may have changed.
    pub fn notice(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| (last + LOOK).max(now + SETTLE));
        self.next = Some(self.next.map_or(earliest, |next| next.min(earliest)));
    }

    /// Whether it is time. Without a notice it is when the supervisor is awake for something else: not every change is told.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now) || self.last.is_none_or(|last| last + LOOK <= now)
    }

    /// It was looked at; if not all was well, or not all changes will be told, again by the clock.
    pub fn looked(&mut self, now: Instant, is_well: bool) {
        self.last = Some(now);
        self.next = (!is_well).then(|| now + LOOK);
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
    watched: BTreeSet<WatchDescriptor>,
}

impl FolderWatch {
    /// Watches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        Self { notices: Inotify::init(flags).ok(), watched: BTreeSet::new() }
    }

    /// Forgets what was told, and has these folders watched from now on, and no others. False: not all can be.
    pub fn watch<'a>(&mut self, folders: impl Iterator<Item = &'a Path>) -> bool {
        let Some(notices) = &self.notices else { return false };
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
        let above = above.into_iter().filter(|path| !path.as_os_str().is_empty()).map(|path| (path, own));
        // One folder can have several names, and then is watched for all that is asked of it.
        let also = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);
        let (mut is_whole, mut watched) = (true, BTreeSet::new());
        for (path, wanted) in folders.iter().map(|path| (path.as_path(), files)).chain(above) {
            match notices.add_watch(path, wanted | also) {
                Ok(watch) => _ = watched.insert(watch),
                Err(_) => is_whole = false,
            }
        }
        for gone in self.watched.difference(&watched) {
            let _ = notices.rm_watch(*gone); // it may have ended with its folder
        }
        self.watched = watched;
        is_whole
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
        let mut again = || {
            let is_whole = watch.watch([folder.as_path()].into_iter());
            assert!(!has_notice(&watch), "what was told is forgotten");
            is_whole
        };
        assert!(again());
        fs::write(folder.join("a"), "").unwrap();
        fs::write(root.join("b"), "").unwrap();
        fs::remove_file(root.join("b")).unwrap();
        assert!(!has_notice(&watch), "a new file, and what happens beside the folder");
        fs::rename(folder.join("a"), root.join("a")).unwrap();
        assert!(has_notice(&watch), "a file is moved away");
        assert!(watch.watch([folder.as_path()].into_iter()) && !has_notice(&watch));
        fs::rename(&root, root.with_extension("moved")).unwrap();
        assert!(has_notice(&watch), "the folder above is moved away");
        assert!(!watch.watch([folder.as_path()].into_iter()), "nothing can be watched there");
        fs::remove_dir_all(root.with_extension("moved")).unwrap();
    }

    #[test]
    fn looks_are_apart() {
        let mut times = LookTimes::default();
        let start = Instant::now();
        assert!(times.is_due(start) && times.next().is_none());
        times.looked(start, true);
        assert!(!times.is_due(start) && times.next().is_none());
        assert!(times.is_due(start + LOOK), "who is awake anyhow looks");
        times.notice(start);
        assert_eq!(times.next(), Some(start + LOOK));
        times.looked(start + LOOK, false);
        assert_eq!(times.next(), Some(start + LOOK * 2), "not all was well");
        times.looked(start, true);
        times.notice(start + LOOK * 5);
        assert_eq!(times.next(), Some(start + LOOK * 5 + SETTLE));
        times.notice(start + LOOK * 6);
        assert_eq!(times.next(), Some(start + LOOK * 5 + SETTLE), "later notices put nothing off");
    }
}
