//! Which scripts are loaded in this process, and what a successor has to know of them.

use super::Host;
use super::outcomes::NotLoaded;
use crate::asgi;
use crate::wsgi::{clock, early};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wsgi_protocol::heirloom::{BrokenChange, HeirScript, LoadFailure, TriedVersions};
use wsgi_protocol::launch::PreloadScript;

/// What is known of scripts.
#[derive(Default)]
pub(super) struct KnownScripts {
    /// In the order in which they were loaded.
    loaded: Mutex<Vec<LoadedScript>>,
    /// How long that took, ms.
    load_time: AtomicU64,
    /// Those that could not be loaded before the first request.
    failed: Mutex<Vec<PreloadScript>>,
    /// Those of them that found something taken.
    conflicts: Mutex<Vec<PreloadScript>>,
}

impl KnownScripts {
    /// Those that have failed are tried again.
    pub(super) fn forgive(&self) {
        self.failed().clear();
    }

    fn failed(&self) -> MutexGuard<'_, Vec<PreloadScript>> {
        // Nothing panics while it is locked.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn conflicts(&self) -> MutexGuard<'_, Vec<PreloadScript>> {
        // As above.
        self.conflicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A script that has been loaded.
struct LoadedScript {
    script: PreloadScript,
    /// The code that runs, if it came from a file that is a script.
    source: Option<Arc<[u8]>>,
    /// Modification time of that file, or of the module's, µs; 0 if unknown.
    mtime: i64,
    /// When it was loaded, µs since the epoch.
    loaded: i64,
    /// Those that requests have used.
    callables: Vec<Vec<u8>>,
}

impl Host {
    /// Whether a script has been loaded.
    pub(crate) fn is_loaded(&self, script: &PreloadScript) -> bool {
        self.loaded().iter().any(|known| known.script == *script)
    }

    fn loaded(&self) -> MutexGuard<'_, Vec<LoadedScript>> {
        // Held for moments; every change is complete before anything that may panic.
        self.scripts.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_loaded(&self, script: &[u8], group: &[u8], source: Option<Arc<[u8]>>, mtime: i64) {
        let now = (clock::now() * 1e6) as i64;
        let mut loaded = self.loaded();
        match loaded.iter_mut().find(|known| known.script.is(script, group)) {
            Some(known) => (known.source, known.mtime, known.loaded) = (source, mtime, now),
            None => {
                let script = PreloadScript { script: script.to_vec(), application_group: group.to_vec() };
                loaded.push(LoadedScript { script, source, mtime, loaded: now, callables: Vec::new() });
            }
        }
    }

    /// The import of a script has failed because of something that only one process can have.
    pub(crate) fn note_conflict(&self, script: &[u8], group: &[u8]) {
        let script = PreloadScript { script: script.to_vec(), application_group: group.to_vec() };
        self.scripts.conflicts().push(script);
    }

    /// Whether that of this one has.
    pub(crate) fn has_conflict(&self, script: &PreloadScript) -> bool {
        self.scripts.conflicts().contains(script)
    }

    /// A script took so long to load.
    pub(crate) fn note_load_time(&self, took: Duration) {
        self.scripts.load_time.fetch_add(took.as_millis() as u64, Relaxed);
    }

    /// How long loading scripts has taken.
    #[must_use]
    pub fn load_time(&self) -> Duration {
        Duration::from_millis(self.scripts.load_time.load(Relaxed))
    }

    /// A request uses a callable of a script for the first time.
    pub(crate) fn note_callable(&self, script: &[u8], group: &[u8], name: &[u8]) {
        let mut loaded = self.loaded();
        if let Some(known) = loaded.iter_mut().find(|known| known.script.is(script, group))
            && !known.callables.iter().any(|callable| callable == name)
        {
            known.callables.push(name.to_vec());
        }
    }

    /// Whether any script has been loaded by a request or a preload.
    #[must_use]
    pub fn has_loaded(&self) -> bool {
        !self.loaded().is_empty()
    }

    /// The scripts that are loaded, in the order in which they were: what a successor shall load first. `tried` tells of
    /// changes that have failed, by script and application group.
    #[must_use]
    pub fn heirs(&self, tried: &dyn Fn(&PreloadScript) -> Option<TriedVersions>) -> Vec<HeirScript> {
        let heir = |known: &LoadedScript| HeirScript {
            script: known.script.clone(),
            loaded: known.loaded,
            callables: known.callables.clone(),
            broken: tried(&known.script).map(|tried| {
                let source = known.source.as_ref().filter(|_| tried.mtime != known.mtime);
                BrokenChange { source: source.map(|source| source.to_vec()), tried }
            }),
        };
        self.loaded().iter().map(heir).collect()
    }

    /// Loads what the predecessor of this process had loaded, on the main thread; tells what cannot be, and what was said of
    /// that. With the code of before, where it is told, such a script is no failure.
    pub(crate) fn inherit(&'static self, heir: &HeirScript) -> Result<(), LoadFailure> {
        let path = self.inside_chroot(&heir.script.script).unwrap_or(&heir.script.script).to_vec();
        let seen = PreloadScript { script: path, application_group: heir.script.application_group.clone() };
        if self.scripts.failed().contains(&seen) {
            return Err(LoadFailure { script: seen, ..LoadFailure::default() });
        }
        let heir = HeirScript { script: seen.clone(), ..heir.clone() };
        let result = early::inherit(self, &heir).and_then(|()| asgi::start_heir(self, &heir));
        if result.is_err() {
            self.scripts.failed().push(seen);
        }
        result
    }

    /// Loads a script unless it is loaded; on the main thread. One that is named twice, by the configuration and by the
    /// predecessor, is tried once.
    ///
    /// # Errors
    /// [`NotLoaded`]; the reason has been logged and the first request will try again.
    pub fn load(&'static self, script: &PreloadScript) -> Result<(), NotLoaded> {
        // httpd names its aliases' scripts as it sees them; an import script is named as the process sees it.
        let path = self.inside_chroot(&script.script).unwrap_or(&script.script);
        let seen =
            PreloadScript { script: path.to_vec(), application_group: script.application_group.clone() };
        if self.scripts.failed().contains(&seen) {
            return Err(NotLoaded);
        }
        if early::preload(self, path, &script.application_group) {
            return Ok(());
        }
        self.scripts.failed().push(seen);
        Err(NotLoaded)
    }
}
