//! What a zygote imports: everything that will run in the main interpreter. Sub-interpreters do not survive a fork
//! (CPython deletes them in the child), so their scripts are left to the workers.

use crate::daemon::link::inherited_scripts;
use crate::fork;
use crate::host::Host;
use crate::interpreter;
use crate::messages;
use wsgi_protocol::launch::Preload;

/// httpd's log level "warn".
const WARN: u8 = 4;

/// Imports what there is. False: a script of the predecessor cannot be imported any more; that has been logged.
pub(super) fn import(host: &'static Host) -> bool {
    let launch = host.launch();
    let mut complete = true;
    let mut tried = 0;
    let mut threads = fork::other_threads();
    // httpd names candidates as it sees them, as it does in requests.
    let seen_here = |candidate: &Preload| {
        let script = host.inside_chroot(&candidate.script)?.to_vec();
        Some(Preload { script, application_group: candidate.application_group.clone() })
    };
    let candidates: Vec<Preload> = launch.candidates.iter().filter_map(seen_here).collect();
    let inherited = inherited_scripts();
    let configured = launch.preloads.iter().chain(&candidates).map(|script| (script, false));
    let all = configured.chain(inherited.iter().map(|script| (script, true)));
    for (script, is_inherited) in all {
        if !interpreter::is_for_main(host, &script.application_group) || host.is_loaded(script) {
            continue;
        }
        tried += 1;
        let loaded = host.load(script).is_ok();
        complete &= loaded || !is_inherited;
        let now = fork::other_threads();
        if now.count > threads.count {
            host.log(WARN, &messages::threads_are_lost(&script.script, &host.place(), &now.describe()));
        }
        threads = now;
    }
    if tried == 0 {
        host.log(WARN, &messages::nothing_to_share(&launch.group));
    }
    complete
}
