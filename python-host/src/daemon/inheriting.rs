//! A process takes over the scripts of its predecessor, or says why it cannot.

use super::{link, names};
use crate::host::Host;
use crate::messages;
use crate::wsgi::early;
use std::io;
use wsgi_protocol::heirloom::{HeirScript, Heirloom, LoadFailure, TriedVersions, WRITTEN_MEANWHILE};
use wsgi_protocol::launch::{PreloadScript, ReadyByte};
use wsgi_system::process;

/// httpd's log level "error".
const ERROR: u8 = 3;
/// httpd's log level "warn".
const WARN: u8 = 4;

/// What came of it.
#[derive(Debug, Default)]
pub struct InheritedScripts {
    left: Heirloom,
    refused: bool,
    conflict: bool,
}

impl InheritedScripts {
    /// Whether the predecessor shall go on.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether nothing is in the way but what only one process can have.
    pub fn is_conflict(&self) -> bool {
        self.conflict
    }

    /// What the predecessor left.
    pub fn scripts(&self) -> &[HeirScript] {
        &self.left.scripts
    }
}

/// Loads all of them, or those that `wants` takes, so that everything that fails is known at once. On the main thread.
pub fn inherit(host: &'static Host, wants: &dyn Fn(&HeirScript) -> bool) -> InheritedScripts {
    let left = link::inherited();
    let launch = host.launch();
    let (mut failures, mut obstacle, mut conflict) = (Vec::new(), None, true);
    let is_bound = launch.has_predecessor && !launch.lenient;
    for heir in left.scripts.iter().filter(|heir| wants(heir)) {
        if is_bound && !host.is_loaded(&heir.script) {
            tell_progress(&left, &failures, heir);
        }
        if let Err(failure) = host.inherit(heir) {
            // What was known to be broken before holds nobody up. But then the code from before has to work.
            let is_new = heir.broken.is_none() || has_changed(heir, &failure);
            let is_wanted = !launch.lenient || names::is_wanted(host, &heir.script.script);
            if is_new && is_wanted {
                obstacle = obstacle.or(Some(&heir.script.script));
                conflict &= host.has_conflict(&failure.script);
            }
            failures.push(failure);
        }
    }
    // Whoever still holds what was found taken may be gone when the next process tries. That helps nobody if something
    // else is in the way as well.
    let conflict = conflict && obstacle.is_some();
    let refused = obstacle.is_some() && (launch.has_predecessor || conflict);
    if !(refused && left.quiet && launch.has_predecessor) {
        // Each has been said then.
        for line in failures.iter_mut().flat_map(|failure| std::mem::take(&mut failure.lines)) {
            host.log(ERROR, &line);
        }
    }
    match obstacle {
        Some(_) if refused && launch.has_predecessor => tell_predecessor(host, &left, failures),
        // There is nothing older that could serve: requests try the import again.
        Some(script) if !refused => host.log(ERROR, &messages::broken_alone(script, &host.place())),
        // Nothing stands in the way any more. Nobody but the predecessor would miss it.
        None if is_bound => drop(leave_to(&left, Vec::new())),
        _ => {}
    }
    InheritedScripts { left, refused, conflict }
}

/// Whether anything that stands in the way of a script has changed since the predecessor loaded it.
fn has_changed(heir: &HeirScript, failure: &LoadFailure) -> bool {
    failure.tried.files.iter().any(|(_, mtime)| *mtime > heir.loaded || *mtime == WRITTEN_MEANWHILE)
}

/// Leaves what the predecessor has to know; what cannot be left is at least logged.
fn tell_predecessor(host: &Host, left: &Heirloom, failures: Vec<LoadFailure>) {
    if let Err(error) = leave_to(left, failures.clone()) {
        host.log(WARN, &messages::cannot_leave(error));
        for line in failures.iter().flat_map(|failure| &failure.lines) {
            host.log(ERROR, line);
        }
    }
}

/// What it is just loading, in case that it does not come back.
fn tell_progress(left: &Heirloom, failures: &[LoadFailure], heir: &HeirScript) {
    let lines = vec![messages::does_not_come_back(&heir.script.script)];
    let tried = TriedVersions { mtime: early::mtime_of(&heir.script.script), files: Vec::new() };
    let stuck = LoadFailure { script: heir.script.clone(), tried, lines };
    // Without it nobody knows which script hangs, which is all.
    let _ = leave_to(left, failures.iter().cloned().chain([stuck]).collect());
}

/// Ends this process, which serves nothing yet and imports what has changed since: the next one has it as it is now.
pub fn give_way(script: &PreloadScript, file: &[u8]) {
    let left = link::inherited();
    let mut failures = left.failures.clone();
    if let Some(stuck) = failures.iter_mut().find(|failure| failure.script == *script) {
        // Whatever the predecessor finds there, it is another one than what was tried.
        stuck.tried.files.push((file.to_vec(), WRITTEN_MEANWHILE));
        // Without it the predecessor tries again later.
        let _ = leave_to(&left, failures);
    }
    link::say(ReadyByte::ImportFailed);
    process::exit_now(0);
}

/// Adds to what the predecessor left, unless it has left something else since.
fn leave_to(left: &Heirloom, failures: Vec<LoadFailure>) -> io::Result<()> {
    if link::inherited().number != left.number {
        return Ok(());
    }
    link::leave(&Heirloom { failures, ..left.clone() })
}
