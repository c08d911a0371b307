//! What a process knows of changes of its scripts: which it has asked about, and which have failed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};
use wsgi_protocol::heirloom::{TriedVersions, WRITTEN_MEANWHILE};
use wsgi_protocol::launch::PreloadScript;

/// Without a modification time (the script's own hook wants the reload) one change cannot be told from the next, and of some
/// failures nobody tells: the supervisor is asked again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How often the files of a failed change are looked at, at most.
const LOOK: Duration = Duration::from_millis(200);

/// Pauses between tries of a change that failed though nothing that is known of it has changed.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(160);

/// So often in a row a change is tried again at once because a file was written while it was being tried: it may have been
/// mended, but it may as well be written by each load.
const MOST_DOUBTS: u32 = 3;

/// How long lines wait for a request in whose log they belong.
const UNTOLD: Duration = Duration::from_secs(5);

/// A change of a script.
#[derive(Debug)]
struct ScriptChange {
    /// The file's modification time; 0 if it is not known.
    mtime: u64,
    asked: Instant,
    failed: Option<FailedChange>,
}

#[derive(Debug)]
struct FailedChange {
    tried: TriedVersions,
    lines: Vec<String>,
    since: Instant,
    looked: Instant,
    /// Somebody looks, and has not come back: on a file system that does not answer one thread waits, and no more.
    is_looked_at: bool,
    retry_at: Instant,
    pause: Duration,
    /// A file of it has changed, as somebody has seen who looked.
    has_changed: bool,
    /// The next successor tries it.
    is_due: bool,
    /// See [`MOST_DOUBTS`].
    doubts: u32,
}

/// Files to be looked at where nothing is held that others need: they may lie on a file system that does not answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileSight {
    key: (Vec<u8>, Vec<u8>),
    files: Vec<(Vec<u8>, i64)>,
    /// A file is another one than before.
    has_changed: bool,
    /// It may be: nobody knows which one was tried.
    is_doubtful: bool,
}

impl FileSight {
    /// Looks.
    pub(super) fn look(&mut self) {
        for (file, known) in &mut self.files {
            let mtime = mtime_of(file);
            let known = std::mem::replace(known, mtime);
            self.is_doubtful |= known == WRITTEN_MEANWHILE;
            self.has_changed |= mtime != known && known != WRITTEN_MEANWHILE;
        }
    }
}

/// What a change is that a request noticed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChangeLook {
    /// It has not been asked about.
    New,
    /// It has.
    Known,
    /// It has failed, which has not been told yet.
    Tell(Vec<String>),
    /// It has failed, and a file that stood in the traceback has changed since.
    Mended,
    /// It has failed a while ago.
    Again,
}

/// See the module's comment. By application group and script.
#[derive(Debug, Default)]
pub(super) struct ScriptChanges(HashMap<(Vec<u8>, Vec<u8>), ScriptChange>);

fn mtime_of(path: &[u8]) -> i64 {
    let metadata = fs::metadata(OsStr::from_bytes(path));
    metadata.map_or(0, |metadata| metadata.mtime() * 1_000_000 + metadata.mtime_nsec() / 1000)
}

impl ScriptChanges {
    /// What is to be looked at before [`ScriptChanges::look`]: the files of failed changes, now and then. Each is given back to
    /// [`ScriptChanges::note_sight`].
    pub(super) fn sights(&mut self, now: Instant) -> Vec<FileSight> {
        let mut sights = Vec::new();
        for (key, change) in &mut self.0 {
            let Some(failed) = &mut change.failed else { continue };
            if now.duration_since(failed.looked) >= LOOK && !failed.has_changed && !failed.is_looked_at {
                (failed.looked, failed.is_looked_at) = (now, true);
                sights.push(FileSight {
                    key: key.clone(),
                    files: failed.tried.files.clone(),
                    has_changed: false,
                    is_doubtful: false,
                });
            }
        }
        sights
    }

    /// Takes note of what was seen, unless the change has been tried again meanwhile.
    pub(super) fn note_sight(&mut self, sight: FileSight) {
        let failed = self.0.get_mut(&sight.key).and_then(|change| change.failed.as_mut());
        let is_same = |failed: &&mut FailedChange| {
            let files = failed.tried.files.iter().zip(&sight.files);
            failed.tried.files.len() == sight.files.len() && files.into_iter().all(|(a, b)| a.0 == b.0)
        };
        let Some(failed) = failed.filter(is_same) else { return };
        failed.is_looked_at = false;
        if sight.has_changed || sight.is_doubtful {
            failed.tried.files = sight.files;
        }
        if sight.has_changed {
            failed.doubts = 0;
        } else if sight.is_doubtful {
            failed.doubts += 1;
        }
        failed.has_changed |= sight.has_changed || sight.is_doubtful && failed.doubts <= MOST_DOUBTS;
    }

    /// A request of `group` sees that `script` has changed to `mtime`.
    pub(super) fn look(&mut self, script: &[u8], group: &[u8], mtime: u64, now: Instant) -> ChangeLook {
        let key = (group.to_vec(), script.to_vec());
        let known = self.0.get_mut(&key).filter(|change| {
            change.mtime == mtime && (mtime != 0 || now.duration_since(change.asked) < ASK_AGAIN)
        });
        let Some(change) = known else {
            self.0.insert(key, ScriptChange { mtime, asked: now, failed: None });
            return ChangeLook::New;
        };
        match &mut change.failed {
            Some(failed) if !failed.lines.is_empty() => ChangeLook::Tell(std::mem::take(&mut failed.lines)),
            Some(failed) => failed.look(now),
            // Whatever came of it was not told: a crash, for example.
            None if now.duration_since(change.asked) >= ASK_AGAIN => {
                change.asked = now;
                ChangeLook::Again
            }
            None => self.look_at_others(now),
        }
    }

    /// A change that has not failed itself waits for those that have, unless it is just being tried.
    fn look_at_others(&mut self, now: Instant) -> ChangeLook {
        let failed = self.0.values_mut().filter_map(|change| change.failed.as_mut());
        failed
            .map(|failed| failed.look(now))
            .find(|look| *look != ChangeLook::Known)
            .unwrap_or(ChangeLook::Known)
    }

    /// A script could not be loaded. Whether that is news.
    pub(super) fn note_failure(
        &mut self,
        script: &PreloadScript,
        tried: &TriedVersions,
        lines: Vec<String>,
        now: Instant,
    ) -> bool {
        let key = (script.application_group.clone(), script.script.clone());
        let before = self.0.remove(&key);
        // A change without a time stays one, and of a module the successor does not know it.
        let mtime = match (before.as_ref().map(|change| change.mtime), tried.mtime) {
            (Some(0), _) => 0,
            (Some(noticed), 0) => noticed,
            (_, tried) => u64::try_from(tried).unwrap_or(0),
        };
        let is_same = before.as_ref().is_some_and(|change| change.mtime == mtime);
        let failed_before = before.and_then(|change| change.failed).filter(|_| is_same);
        let pause =
            failed_before.as_ref().map_or(FIRST_PAUSE, |failed| (failed.pause * 2).min(LONGEST_PAUSE));
        // The same failure is told once.
        let is_known = failed_before.as_ref().is_some_and(|failed| failed.tried.covers(tried));
        let doubts = failed_before.as_ref().map_or(0, |failed| failed.doubts);
        let lines =
            if is_known { failed_before.map(|failed| failed.lines).unwrap_or_default() } else { lines };
        let (tried, retry_at) = (tried.clone(), now + pause);
        let failed = FailedChange {
            tried,
            lines,
            since: now,
            looked: now,
            is_looked_at: false,
            retry_at,
            pause,
            has_changed: false,
            is_due: false,
            doubts,
        };
        self.0.insert(key, ScriptChange { mtime, asked: now, failed: Some(failed) });
        !is_known
    }

    /// What failed of a script, if its last change did.
    pub(super) fn failed(&self, script: &PreloadScript) -> Option<TriedVersions> {
        let key = (script.application_group.clone(), script.script.clone());
        let failed = self.0.get(&key)?.failed.as_ref()?;
        // Once a file has changed, the script is worth a try.
        (!failed.is_due && !failed.has_changed).then(|| failed.tried.clone())
    }

    /// A successor is asked for: pauses begin again.
    pub(super) fn begin(&mut self, now: Instant) {
        for failed in self.0.values_mut().filter_map(|change| change.failed.as_mut()) {
            if failed.retry_at <= now {
                failed.retry_at = now + failed.pause;
            }
        }
    }

    /// Whether there is a change that has been asked about and has not failed.
    pub(super) fn are_untried(&self, now: Instant) -> bool {
        let is_recent =
            |change: &ScriptChange| change.mtime != 0 || now.duration_since(change.asked) < ASK_AGAIN;
        self.0.values().any(|change| change.failed.is_none() && is_recent(change))
    }

    /// Lines that have waited long enough for a request.
    pub(super) fn untold(&mut self, now: Instant) -> Vec<String> {
        let failed = self.0.values_mut().filter_map(|change| change.failed.as_mut());
        let old = failed.filter(|failed| now.duration_since(failed.since) >= UNTOLD);
        old.flat_map(|failed| std::mem::take(&mut failed.lines)).collect()
    }

    /// When [`ScriptChanges::untold`] has something to say.
    pub(super) fn next_untold(&self) -> Option<Instant> {
        let failed = self.0.values().filter_map(|change| change.failed.as_ref());
        failed.filter(|failed| !failed.lines.is_empty()).map(|failed| failed.since + UNTOLD).min()
    }
}

impl FailedChange {
    fn look(&mut self, now: Instant) -> ChangeLook {
        // Once: what comes of it will be noted.
        if std::mem::take(&mut self.has_changed) {
            self.is_due = true;
            return ChangeLook::Mended;
        }
        if self.retry_at > now {
            return ChangeLook::Known;
        }
        self.is_due = true;
        ChangeLook::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> PreloadScript {
        PreloadScript { script: b"a".to_vec(), application_group: b"g".to_vec() }
    }

    fn look(changes: &mut ScriptChanges, mtime: u64, now: Instant) -> ChangeLook {
        see(changes, now);
        changes.look(b"a", b"g", mtime, now)
    }

    /// As a request does before.
    fn see(changes: &mut ScriptChanges, now: Instant) {
        for mut sight in changes.sights(now) {
            sight.look();
            changes.note_sight(sight);
        }
    }

    #[test]
    fn nobody_looks_beside_one_who_has_not_come_back() {
        let (mut changes, now) = (ScriptChanges::default(), Instant::now());
        assert_eq!(changes.look(b"a", b"g", 1, now), ChangeLook::New);
        let tried = TriedVersions { mtime: 1, files: vec![(b"/nowhere".to_vec(), 0)] };
        changes.note_failure(&script(), &tried, Vec::new(), now);
        let mut away = changes.sights(now + LOOK);
        assert_eq!(away.len(), 1);
        assert!(changes.sights(now + 9 * LOOK).is_empty());
        away.drain(..).for_each(|sight| changes.note_sight(sight));
        assert_eq!(changes.sights(now + 9 * LOOK).len(), 1);
    }

    #[test]
    fn a_failed_change_is_tried_again_with_growing_pauses() {
        let (mut changes, mut now) = (ScriptChanges::default(), Instant::now());
        assert_eq!(look(&mut changes, 1, now), ChangeLook::New);
        let tried = TriedVersions { mtime: 1, files: Vec::new() };
        for pause in [10, 20, 40] {
            let is_news = changes.note_failure(&script(), &tried, vec!["why".to_owned()], now);
            assert_eq!(is_news, pause == 10);
            if is_news {
                assert_eq!(look(&mut changes, 1, now), ChangeLook::Tell(vec!["why".to_owned()]));
            }
            assert_eq!(look(&mut changes, 1, now + Duration::from_secs(pause - 1)), ChangeLook::Known);
            now += Duration::from_secs(pause);
            assert_eq!(look(&mut changes, 1, now), ChangeLook::Again);
            changes.begin(now);
            assert_eq!(look(&mut changes, 1, now), ChangeLook::Known);
        }
    }

    #[test]
    fn who_waits_for_another_script_sees_its_repair() {
        let path = std::env::temp_dir().join(format!("wsgi-others-{}", std::process::id()));
        let name = path.as_os_str().as_bytes().to_vec();
        let (mut changes, now) = (ScriptChanges::default(), Instant::now());
        assert_eq!(changes.look(b"other", b"", 1, now), ChangeLook::New);
        changes.note_failure(&script(), &TriedVersions { mtime: 1, files: vec![(name, 0)] }, Vec::new(), now);
        see(&mut changes, now + LOOK);
        assert_eq!(changes.look(b"other", b"", 1, now + LOOK), ChangeLook::Known);
        fs::write(&path, "").unwrap();
        see(&mut changes, now + 2 * LOOK);
        assert_eq!(changes.look(b"other", b"", 1, now + 2 * LOOK), ChangeLook::Mended);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_change_without_a_time_is_not_asked_about_all_the_time() {
        let (mut changes, now) = (ScriptChanges::default(), Instant::now());
        for (noticed, tried) in [(0, 7), (7, 0)] {
            look(&mut changes, noticed, now);
            changes.note_failure(
                &script(),
                &TriedVersions { mtime: tried, files: Vec::new() },
                Vec::new(),
                now,
            );
            assert_eq!(look(&mut changes, noticed, now), ChangeLook::Known);
        }
    }

    #[test]
    fn a_repair_elsewhere_is_noticed_once() {
        let path = std::env::temp_dir().join(format!("wsgi-changes-{}", std::process::id()));
        let name = path.as_os_str().as_bytes().to_vec();
        let (mut changes, now) = (ScriptChanges::default(), Instant::now());
        look(&mut changes, 1, now);
        changes.note_failure(&script(), &TriedVersions { mtime: 1, files: vec![(name, 0)] }, Vec::new(), now);
        assert_eq!(look(&mut changes, 1, now + LOOK), ChangeLook::Known, "it is missing as before");
        assert!(changes.failed(&script()).is_some());
        fs::write(&path, "").unwrap();
        see(&mut changes, now + 2 * LOOK);
        assert!(changes.failed(&script()).is_none(), "worth a try");
        assert_eq!(look(&mut changes, 1, now + 2 * LOOK), ChangeLook::Mended);
        assert_eq!(look(&mut changes, 1, now + 3 * LOOK), ChangeLook::Known);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_each_load_writes_is_no_repair_without_end() {
        let path = std::env::temp_dir().join(format!("wsgi-doubts-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        let name = path.as_os_str().as_bytes().to_vec();
        let (mut changes, mut now) = (ScriptChanges::default(), Instant::now());
        look(&mut changes, 1, now);
        let tried = TriedVersions { mtime: 1, files: vec![(name, WRITTEN_MEANWHILE)] };
        let told = |tries: u32| if tries == 0 { vec!["why".to_owned()] } else { Vec::new() };
        for tries in 0..=MOST_DOUBTS {
            assert_eq!(changes.note_failure(&script(), &tried, told(tries), now), tries == 0);
            if tries == 0 {
                assert_eq!(look(&mut changes, 1, now), ChangeLook::Tell(told(0)));
            }
            now += 2 * LOOK;
            let expected = if tries < MOST_DOUBTS { ChangeLook::Mended } else { ChangeLook::Known };
            assert_eq!(look(&mut changes, 1, now), expected, "{tries}");
        }
        assert_eq!(look(&mut changes, 1, now + LONGEST_PAUSE), ChangeLook::Again);
        changes.note_failure(&script(), &tried, Vec::new(), now);
        assert_eq!(look(&mut changes, 1, now + LOOK), ChangeLook::Known);
        // A repair that comes afterwards is seen.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert_eq!(look(&mut changes, 1, now + 3 * LOOK), ChangeLook::Mended);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn lines_wait_for_a_request_but_not_for_ever() {
        let (mut changes, now) = (ScriptChanges::default(), Instant::now());
        changes.note_failure(&script(), &TriedVersions::default(), vec!["why".to_owned()], now);
        assert_eq!(changes.untold(now), Vec::<String>::new());
        assert_eq!(changes.next_untold(), Some(now + UNTOLD));
        assert_eq!(changes.untold(now + UNTOLD), ["why"]);
        assert_eq!(changes.next_untold(), None);
    }
}
