//! What the serve loop of a daemon and the embedded door ask of Python: a [`Host`] per process. Request threads are in
//! `crate::worker`. Unless said otherwise methods are called without the GIL.

mod ending;
mod events;
mod outcomes;
mod scripts;
mod texts;
mod threads;

use crate::log;
use crate::messages;
use crate::wsgi::clock;
use ending::ProcessEnd;
pub use outcomes::{LongRunning, NotLoaded, ReloadDecision, ReloadPolicy};
use scripts::KnownScripts;
use std::sync::OnceLock;
pub(crate) use texts::texts;
use wsgi_protocol::birth::BirthOrder;
use wsgi_protocol::launch::{HostMode, Launch, PreloadScript};

/// Ends a process that serves nothing yet: this script is being loaded, and this file of what it imports has changed.
pub(crate) type GiveWay = fn(&PreloadScript, &[u8]);

/// Python in this process; lives as long as the process.
pub struct Host {
    launch: Launch,
    /// When this was made, seconds since the epoch.
    pub(crate) started: f64,
    /// What became of it in a worker that a zygote forked.
    born: OnceLock<(Launch, f64)>,
    /// The times of requests are kept here.
    watches: bool,
    policy: OnceLock<&'static dyn ReloadPolicy>,
    give_way: OnceLock<GiveWay>,
    scripts: KnownScripts,
    end: ProcessEnd,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("launch", &self.launch).finish_non_exhaustive()
    }
}

impl Host {
    /// The host of this process; made once.
    #[must_use]
    pub(crate) fn new(launch: Launch) -> &'static Self {
        log::set_level(launch.log_level);
        let watches = launch.mode == HostMode::Embedded && launch.timers.slow_request > 0;
        Box::leak(Box::new(Self {
            launch,
            started: clock::now(),
            born: OnceLock::new(),
            watches,
            policy: OnceLock::new(),
            give_way: OnceLock::new(),
            scripts: KnownScripts::default(),
            end: ProcessEnd::default(),
        }))
    }

    /// What this process was started with. `crate::entry` has already loaded `launch.preloads` on the main thread
    /// when it calls `crate::daemon::serve(host)` (there without the GIL); scripts of the heirloom are left to
    /// the serve loop ([`Host::load`]).
    #[must_use]
    pub fn launch(&self) -> &Launch {
        self.born.get().map_or(&self.launch, |(launch, _)| launch)
    }

    /// When this process began, seconds since the epoch.
    pub(crate) fn started(&self) -> f64 {
        self.born.get().map_or(self.started, |(_, started)| *started)
    }

    /// A zygote's host becomes that of a worker; once, on the worker's only thread.
    pub(crate) fn be_born(&self, birth: BirthOrder) {
        let BirthOrder { slot, has_predecessor } = birth;
        let launch = Launch { slot, has_predecessor, zygote: false, ..self.launch.clone() };
        // What has been mended since its zygote tried it is worth another try.
        self.scripts.forgive();
        // A worker forks no workers.
        let _ = self.born.set((launch, clock::now()));
    }

    /// `of daemon process 'x'` or `in embedded mode`.
    pub(crate) fn place(&self) -> String {
        match self.launch().mode {
            HostMode::Daemon => format!("of daemon process '{}'", messages::text(&self.launch().group)),
            HostMode::Embedded => "in embedded mode".to_owned(),
        }
    }

    /// Whether this is a service daemon, which runs its scripts and no requests.
    pub(crate) fn is_service(&self) -> bool {
        self.launch().mode == HostMode::Daemon && self.launch.threads == 0
    }

    /// A path of httpd's as this process sees it; `None` outside of its chroot directory.
    pub(crate) fn inside_chroot<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let Some(root) = &self.launch.chroot else { return Some(path) };
        let root = root.strip_suffix(b"/").unwrap_or(root);
        match path.strip_prefix(root) {
            Some([]) => Some(b"/"),
            Some(rest) if rest[0] == b'/' => Some(rest),
            _ if path.starts_with(b"module:") => Some(path),
            _ => None,
        }
    }

    /// Sets who decides about changed scripts; before the first request. Without one they are loaded again in place.
    pub fn set_reload_policy(&self, policy: &'static dyn ReloadPolicy) {
        // A process has one policy; a second call changes nothing.
        let _ = self.policy.set(policy);
    }

    /// Sets what is done when a file has changed in which an import is, before the process serves.
    pub(crate) fn set_give_way(&self, how: GiveWay) {
        // Once, as above.
        let _ = self.give_way.set(how);
    }

    /// Whether this process serves nothing yet, and another one can take its place.
    pub(crate) fn may_give_way(&self) -> bool {
        self.give_way.get().is_some() && !self.is_serving()
    }

    /// Has another process take the place of this one, which is importing what is out of date, if it serves nothing yet.
    pub(crate) fn give_way(&self, script: &[u8], group: &[u8], file: &[u8]) {
        let Some(give_way) = self.give_way.get().filter(|_| !self.is_serving()) else { return };
        let script = PreloadScript { script: script.to_vec(), application_group: group.to_vec() };
        log::write(log::NOTICE, &messages::gives_way(&script.script, file));
        give_way(&script, file);
    }

    /// Whether requests are served, so that its signals are handled.
    pub(crate) fn is_serving(&self) -> bool {
        self.policy.get().is_some()
    }

    pub(crate) fn on_changed(&self, script: &[u8], group: &[u8], mtime: u64) -> Option<ReloadDecision> {
        self.policy.get().map(|policy| policy.on_changed(script, group, mtime))
    }

    /// Logs outside of any request; `level` is httpd's number (0 emerg … 7 debug).
    pub fn log(&self, level: u8, text: &str) {
        log::write(level, text);
    }
}
