//! Scripts that are loaded before the first request: those that the configuration names, and those that the predecessor of
//! this process had loaded.

use super::failures::{KeptFailure, LogScope};
use super::script::{self, LoadReason, ScriptLookup, entry, module_file};
use crate::host::Host;
use crate::interpreter::{self, Interpreter, threads};
use crate::messages;
use crate::python::{Attached, Owned, TextValues};
use wsgi_protocol::heirloom::{HeirScript, LoadFailure, TriedVersions, WRITTEN_MEANWHILE};
use wsgi_protocol::launch::PreloadScript;

/// Loads a script outside of any request; on the main thread, detached.
pub fn preload(host: &'static Host, path: &[u8], application_group: &[u8]) -> bool {
    let Some(interpreter) = interpreter::obtain(host, application_group) else {
        return false;
    };
    threads::within(interpreter, |py| {
        let case_insensitive = host.launch().case_insensitive;
        let found = interpreter.scripts.get(py, path, case_insensitive);
        match found {
            Ok(found) => {
                matches!(
                    found.obtain(py, interpreter, LogScope::Server, LoadReason::Preload),
                    ScriptLookup::Namespace(_)
                )
            }
            Err(raised) => {
                raised.clear(py);
                false
            }
        }
    })
}

/// Loads a script that the predecessor of this process had loaded, and looks whether its callables are there; on the main
/// thread, detached. A change that is known to be broken is not tried again: the code of before serves on, if it can.
pub fn inherit(host: &'static Host, heir: &HeirScript) -> std::result::Result<(), LoadFailure> {
    let PreloadScript { script: path, application_group: group } = &heir.script;
    let kept = KeptFailure::default();
    let old_code = heir.broken.as_ref().and_then(|broken| broken.source.as_deref());
    let (tried_at, begun) = (mtime_of(path), wall_clock_us());
    let loaded = match interpreter::obtain(host, group) {
        // That has been logged.
        None => false,
        Some(interpreter) => threads::within(interpreter, |py| {
            let reason = old_code.map_or(LoadReason::Preload, LoadReason::OldCode);
            inherit_attached(py, interpreter, heir, &kept, reason)
        }),
    };
    if loaded {
        return Ok(());
    }
    let (lines, mut files) = (kept.lines.take(), kept.files.take());
    files.retain(|file| file != path);
    let files = files.into_iter().map(|file| (tried_version(mtime_of(&file), begun, wall_clock_us()), file));
    let files = files.map(|(mtime, file)| (file, mtime)).collect();
    let tried = TriedVersions { mtime: tried_at, files };
    Err(LoadFailure { script: heir.script.clone(), tried, lines })
}

/// The version of a file that a load has tried which began at `begun`; all µs since the epoch. One that was written since is
/// another one, perhaps: its time is not that of what was tried.
fn tried_version(mtime: i64, begun: i64, now: i64) -> i64 {
    // The kernel's time of a file is up to a tick behind; times in the future are nobody's clock.
    const TICK: i64 = 10_000;
    if (begun - TICK..=now).contains(&mtime) { WRITTEN_MEANWHILE } else { mtime }
}

fn wall_clock_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Modification time of a script, µs since the epoch; 0 if it is no file, or missing.
pub fn mtime_of(script: &[u8]) -> i64 {
    script::mtime_of(script).unwrap_or(0)
}

fn inherit_attached(
    py: Attached<'_>,
    interpreter: &'static Interpreter,
    heir: &HeirScript,
    kept: &KeptFailure,
    reason: LoadReason<'_, '_>,
) -> bool {
    let path = &heir.script.script;
    let script = match interpreter.scripts.get(py, path, interpreter.host.launch().case_insensitive) {
        Ok(script) => script,
        Err(raised) => {
            raised.clear(py);
            return false;
        }
    };
    let ScriptLookup::Namespace(namespace) = script.obtain(py, interpreter, LogScope::Kept(kept), reason)
    else {
        return false;
    };
    let is_there = |name: &[u8]| {
        let key = py.latin1(name).map_err(|raised| raised.clear(py)).ok()?;
        entry(py, &namespace, &key)?
    };
    let is_callable = |object: &Owned<'_>| object.is_callable();
    let missing = heir.callables.iter().find(|name| !is_there(name).as_ref().is_some_and(is_callable));
    if let Some(name) = missing {
        kept.lines.borrow_mut().push(messages::no_callable(path, name, None));
        kept.files.borrow_mut().extend(module_file(py, &namespace));
        return false;
    }
    for name in &heir.callables {
        script.note_use(interpreter, name);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_during_the_load_has_not_been_tried() {
        let (begun, now) = (1_000_000_000, 1_005_000_000);
        for (mtime, expected) in [
            (begun - 1_000_000, begun - 1_000_000),
            (begun - 4_000, WRITTEN_MEANWHILE),
            (begun + 4_000, WRITTEN_MEANWHILE),
            (now, WRITTEN_MEANWHILE),
            (now + 5_000_000, now + 5_000_000),
        ] {
            assert_eq!(tried_version(mtime, begun, now), expected, "{mtime}");
        }
    }
}
