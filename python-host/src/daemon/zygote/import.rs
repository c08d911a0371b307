//! What a zygote imports: everything that will run in the main interpreter. Sub-interpreters do not survive a fork
//! (CPython deletes them in the child), so their scripts are left to the workers.

use crate::daemon::inheriting::inherit;
use crate::fork;
use crate::host::Host;
use crate::interpreter;
use crate::messages;
use wsgi_protocol::launch::PreloadScript;

/// httpd's log level "warn".
const WARN: u8 = 4;

/// Imports what there is. False: a script of the predecessor cannot be imported any more; that has been logged.
pub(super) fn import(host: &'static Host) -> bool {
    let launch = host.launch();
    let mut tried = 0;
    let mut threads = fork::other_threads();
    // httpd names candidates as it sees them, as it does in requests.
    let seen_here = |candidate: &PreloadScript| {
        let script = host.inside_chroot(&candidate.script)?.to_vec();
        Some(PreloadScript { script, application_group: candidate.application_group.clone() })
    };
    let candidates: Vec<PreloadScript> = launch.candidates.iter().filter_map(seen_here).collect();
    let is_ours = |script: &PreloadScript| interpreter::is_for_main(host, &script.application_group);
    // First: why these cannot be loaded concerns the predecessor.
    let inherited = inherit(host, &|heir| is_ours(&heir.script));
    if inherited.is_refused() {
        return false;
    }
    tried += inherited.scripts().iter().filter(|heir| is_ours(&heir.script)).count();
    let mut warn = |script: &PreloadScript| {
        let now = fork::other_threads();
        if now.count > threads.count {
            host.log(WARN, &messages::threads_are_lost(&script.script, &host.place(), &now.describe()));
        }
        threads = now;
    };
    if let Some(heir) = inherited.scripts().last() {
        warn(&heir.script);
    }
    for script in launch.preloads.iter().chain(&candidates) {
        if !is_ours(script) || host.is_loaded(script) {
            continue;
        }
        tried += 1;
        // A failure has been logged.
        let _ = host.load(script);
        warn(script);
    }
    if tried == 0 {
        host.log(WARN, &messages::nothing_to_share(&launch.group));
    }
    true
}
