//! What happens when a request notices that its script has changed.
//!
//! The process asks the supervisor for a successor, once per change. The request that noticed is held back,
//! without holding a thread: its connection waits with the request in its buffer, once, and not for longer than the old
//! code took to load (with some allowance). All others are served by the old code until the supervisor orders to drain
//! (the held ones are refused here and run by the successor) or to keep (the successor could not load the new code:
//! they are run here).
//!
//! A change on top of one that has been asked about is asked about at once. One that failed is tried again when a file that
//! stood in its traceback changes, and now and then while requests come. A successor tells which scripts failed: those keep
//! their old code, and hold no other script's change up.

use super::changes::{ChangeLook, FileSight, ScriptChanges};
use super::registry::ClaimedConnection;
use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use wsgi_protocol::heirloom::{HeirScript, LoadFailure, TriedVersions};
use wsgi_protocol::launch::PreloadScript;

/// What a request that noticed a change shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChangeDecision {
    /// Run with the code that is loaded.
    ServeOld,
    /// The same, and these lines belong into its log.
    Tell(Vec<String>),
    /// End with `Outcome::Refused` without running anything.
    Refuse,
}

/// What the main thread has to do about a noticed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReloadRequest {
    /// Ask for a successor.
    Successor,
    /// End without waiting for one (`reload=immediate`).
    Drain,
}

#[derive(Debug, Default)]
struct ReloadState {
    changes: ScriptChanges,
    /// A successor has been asked for and the supervisor has not decided yet.
    pending: bool,
    /// Set for the main thread.
    ask: Option<ReloadRequest>,
    /// The threads whose requests noticed and are on their way out of the application.
    holders: Vec<ThreadId>,
    held: Vec<HeldRequests>,
}

#[derive(Debug)]
struct HeldRequests {
    connection: ClaimedConnection,
    until: Instant,
}

/// See the module's comment.
#[derive(Debug)]
pub(super) struct ScriptReload {
    immediate: bool,
    /// How long a request is held at most.
    patience: Mutex<Duration>,
    state: Mutex<ReloadState>,
}

thread_local! {
    /// The request that the thread runs has been held before.
    static WAS_HELD: Cell<bool> = const { Cell::new(false) };
}

/// Notes whether the request that the calling thread is going to run has been held before.
pub(super) fn begin_request(was_held: bool) {
    WAS_HELD.set(was_held);
}

impl ScriptReload {
    /// With `immediate` there is no readiness gate.
    pub(super) fn new(immediate: bool) -> Self {
        Self { immediate, patience: Mutex::new(Duration::from_secs(10)), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ReloadState> {
        // Every change of the state is complete before anything that may panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long this process took to load its scripts: its successor may take as long, and more, while a request waits.
    pub(super) fn set_patience(&self, took: Duration) {
        const ALLOWANCE: Duration = Duration::from_secs(5);
        const MOST: Duration = Duration::from_secs(45);
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = (ALLOWANCE + 3 * took).min(MOST);
    }

    /// What the predecessor knew of changes that failed.
    pub(super) fn inherit(&self, heirs: &[HeirScript]) {
        let mut state = self.lock();
        for heir in heirs {
            if let Some(broken) = &heir.broken {
                state.changes.note_failure(&heir.script, &broken.tried, Vec::new(), Instant::now());
            }
        }
    }

    /// The calling request noticed that `script` of `group` now has the modification time `mtime` (0: unknown). The second
    /// value says that the main thread has to be woken. `released` runs what may wait for a file system without the GIL.
    pub(super) fn noticed(
        &self,
        script: &[u8],
        group: &[u8],
        mtime: u64,
        released: fn(&mut dyn FnMut()),
    ) -> (ChangeDecision, bool) {
        if self.immediate {
            let first = self.lock().ask.replace(ReloadRequest::Drain).is_none();
            return (ChangeDecision::Refuse, first);
        }
        let now = Instant::now();
        let mut sights = self.lock().changes.sights(now);
        if !sights.is_empty() {
            released(&mut || sights.iter_mut().for_each(FileSight::look));
        }
        let mut state = self.lock();
        sights.into_iter().for_each(|sight| state.changes.note_sight(sight));
        let pending = state.pending;
        match state.changes.look(script, group, mtime, now) {
            ChangeLook::Tell(lines) => return (ChangeDecision::Tell(lines), false),
            ChangeLook::Known => return (ChangeDecision::ServeOld, false),
            // What is being tried may be what has been mended.
            ChangeLook::Mended | ChangeLook::Again if pending => return (ChangeDecision::ServeOld, false),
            ChangeLook::Again => {
                state.begin(now);
                return (ChangeDecision::ServeOld, true);
            }
            ChangeLook::New | ChangeLook::Mended => {}
        }
        state.begin(now);
        if WAS_HELD.get() {
            return (ChangeDecision::ServeOld, true);
        }
        state.holders.push(thread::current().id());
        (ChangeDecision::Refuse, true)
    }

    /// What the main thread has to do, if anything.
    pub(super) fn take_ask(&self) -> Option<ReloadRequest> {
        self.lock().ask.take()
    }

    /// Changes that have failed, for the heirloom.
    pub(super) fn failed(&self, script: &PreloadScript) -> Option<TriedVersions> {
        self.lock().changes.failed(script)
    }

    /// Whether the request that the calling thread just left refused is to be held.
    pub(super) fn take_hold(&self) -> bool {
        let mut state = self.lock();
        let own = thread::current().id();
        let place = state.holders.iter().position(|holder| *holder == own);
        place.map(|place| state.holders.swap_remove(place)).is_some()
    }

    /// Holds a claimed connection. Gives it back if the decision has come in the meantime.
    pub(super) fn hold(&self, connection: ClaimedConnection) -> Option<ClaimedConnection> {
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        if !state.pending {
            return Some(connection);
        }
        state.held.push(HeldRequests { connection, until: Instant::now() + patience });
        None
    }

    /// Whether a connection is being held, and the main thread knows why.
    #[cfg(test)]
    pub(super) fn is_holding(&self) -> bool {
        let state = self.lock();
        !state.held.is_empty() && state.ask.is_none()
    }

    /// When the next held request has waited long enough, if one is held.
    pub(super) fn next_overdue(&self) -> Option<Instant> {
        self.lock().held.iter().map(|held| held.until).min()
    }

    /// Requests that have waited long enough: they run with the old code.
    pub(super) fn overdue(&self) -> Vec<ClaimedConnection> {
        let now = Instant::now();
        let mut state = self.lock();
        let (over, held) = std::mem::take(&mut state.held).into_iter().partition(|held| held.until <= now);
        state.held = held;
        over.into_iter().map(|held: HeldRequests| held.connection).collect()
    }

    /// The supervisor has decided: returns the connections to be released.
    pub(super) fn decided(&self) -> Vec<ClaimedConnection> {
        let mut state = self.lock();
        state.pending = false;
        std::mem::take(&mut state.held).into_iter().map(|held| held.connection).collect()
    }

    /// The successor could not load everything; `failures` is what it said of that. True: without what failed, another one is
    /// worth a try and is asked for, because of another change, or because a successor was `wanted` in any case; who is
    /// held, stays so.
    pub(super) fn failed_with(
        &self,
        failures: Vec<LoadFailure>,
        wanted: bool,
        about: impl Fn(&PreloadScript) -> String,
    ) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let mut is_news = false;
        for mut failure in failures {
            if !failure.lines.is_empty() {
                failure.lines.push(about(&failure.script));
            }
            is_news |= state.changes.note_failure(&failure.script, &failure.tried, failure.lines, now);
        }
        let again = is_news && (wanted || state.changes.are_untried(now));
        if again {
            state.begin(now);
        }
        again
    }

    /// When [`ScriptReload::untold`] has something to say.
    pub(super) fn next_untold(&self) -> Option<Instant> {
        self.lock().changes.next_untold()
    }

    /// Lines about failures that no request has come for.
    pub(super) fn untold(&self) -> Vec<String> {
        self.lock().changes.untold(Instant::now())
    }
}

impl ReloadState {
    fn begin(&mut self, now: Instant) {
        self.pending = true;
        self.ask = Some(ReloadRequest::Successor);
        self.changes.begin(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::connection::HttpdConnection;
    use crate::daemon::registry::ConnectionRegistry;
    use std::os::unix::net::UnixStream;

    const A: &[u8] = b"a";
    const B: &[u8] = b"b";

    fn failure(script: &[u8], mtime: i64) -> LoadFailure {
        let script = PreloadScript { script: script.to_vec(), application_group: Vec::new() };
        LoadFailure {
            script,
            tried: TriedVersions { mtime, files: Vec::new() },
            lines: vec!["why".to_owned()],
        }
    }

    fn noticed(reload: &ScriptReload, script: &[u8], mtime: u64) -> (ChangeDecision, bool) {
        reload.noticed(script, b"", mtime, |f| f())
    }

    fn reload() -> ScriptReload {
        begin_request(false);
        ScriptReload::new(false)
    }

    #[test]
    fn a_change_is_asked_about_once() {
        let reload = reload();
        assert_eq!(noticed(&reload, A, 1), (ChangeDecision::Refuse, true));
        assert_eq!(noticed(&reload, A, 1), (ChangeDecision::ServeOld, false));
        assert_eq!(reload.take_ask(), Some(ReloadRequest::Successor));
        assert_eq!(reload.take_ask(), None);
        assert!(reload.take_hold());
        assert!(!reload.take_hold());
        let registry = ConnectionRegistry::new().unwrap();
        let connection = HttpdConnection::new(UnixStream::pair().unwrap().0.into());
        assert_eq!(reload.hold(registry.insert(connection).claim()), None);
        let held = reload.decided().pop().unwrap();
        assert!(reload.hold(held).is_some(), "the decision was faster");
        assert_eq!(noticed(&reload, A, 1), (ChangeDecision::ServeOld, false), "asked before");
        assert_eq!(noticed(&reload, A, 2), (ChangeDecision::Refuse, true), "changed again");
    }

    #[test]
    fn a_newer_change_is_asked_about_at_once_and_nobody_is_held_twice() {
        let reload = reload();
        assert_eq!(noticed(&reload, A, 1), (ChangeDecision::Refuse, true));
        reload.take_ask();
        begin_request(true);
        assert_eq!(noticed(&reload, A, 2), (ChangeDecision::ServeOld, true));
        assert_eq!(reload.take_ask(), Some(ReloadRequest::Successor));
        begin_request(false);
    }

    #[test]
    fn a_broken_script_holds_no_other_up() {
        let reload = reload();
        assert_eq!(noticed(&reload, A, 1), (ChangeDecision::Refuse, true));
        reload.take_ask();
        assert!(
            reload.failed_with(vec![failure(B, 5)], false, |_| "about".to_owned()),
            "a is worth a try of its own"
        );
        assert_eq!(reload.take_ask(), Some(ReloadRequest::Successor));
        assert!(!reload.failed_with(vec![failure(B, 5)], false, |_| "about".to_owned()), "nothing new");
        reload.decided();
        let told = ChangeDecision::Tell(vec!["why".to_owned(), "about".to_owned()]);
        assert_eq!(noticed(&reload, B, 5), (told, false));
        assert_eq!(noticed(&reload, B, 5), (ChangeDecision::ServeOld, false), "told once");
        assert_eq!(noticed(&reload, B, 6), (ChangeDecision::Refuse, true));
    }

    #[test]
    fn who_is_recycled_goes_without_what_is_broken() {
        let reload = reload();
        assert!(reload.failed_with(vec![failure(B, 5)], true, |_| String::new()));
        assert!(!reload.failed_with(vec![failure(B, 5)], true, |_| String::new()), "nothing new");
    }

    #[test]
    fn what_fails_itself_is_not_tried_again() {
        let reload = reload();
        noticed(&reload, A, 1);
        assert!(!reload.failed_with(vec![failure(A, 1)], false, |_| String::new()));
    }

    #[test]
    fn immediate_refuses_everybody() {
        let reload = ScriptReload::new(true);
        assert_eq!(noticed(&reload, A, 1), (ChangeDecision::Refuse, true));
        assert_eq!(noticed(&reload, A, 1), (ChangeDecision::Refuse, false));
        assert!(!reload.take_hold());
        assert_eq!(reload.take_ask(), Some(ReloadRequest::Drain));
    }
}
