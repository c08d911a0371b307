//! What happens when a request notices that its script has changed (spec/daemon.md §3).
//!
//! The process asks the supervisor for a successor, once per change. The request that noticed is held back,
//! without holding a thread: its connection waits with the request in its buffer. All others are served by the old
//! code until the supervisor orders to drain (the held ones are refused here and run by the successor) or to
//! keep (the successor could not import the new code: they are run here, and this change is not asked about again).

use super::connection::Connection;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Without a modification time (the script's own hook wants the reload) one change cannot be told from the next: the
/// supervisor is asked again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// What a request that noticed a change shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Run with the code that is loaded.
    ServeOld,
    /// End with `Outcome::Refused` without running anything.
    Refuse,
}

/// What the main thread has to do about a noticed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Ask for a successor.
    Successor,
    /// End without waiting for one (`reload=immediate`).
    Drain,
}

#[derive(Debug, Default)]
struct State {
    /// Changes that have been asked about: script, its new modification time, and when.
    known: HashMap<Vec<u8>, (u64, Instant)>,
    /// A successor has been asked for and the supervisor has not decided yet.
    pending: bool,
    /// Set for the main thread.
    ask: Option<Ask>,
    /// The thread whose request noticed and is on its way out of the application.
    holder: Option<ThreadId>,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held(*mut Connection);

// SAFETY: a held connection is claimed and disarmed: whoever takes it out of the list is its only user.
unsafe impl Send for Held {}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct Reload {
    immediate: bool,
    state: Mutex<State>,
}

impl Reload {
    /// With `immediate` there is no readiness gate.
    pub(super) fn new(immediate: bool) -> Self {
        Self { immediate, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything that may panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling request noticed that `script` now has the modification time `mtime` (0: unknown). The second value says
    /// that the main thread has to be woken.
    pub(super) fn noticed(&self, script: &[u8], mtime: u64) -> (Decision, bool) {
        let mut state = self.lock();
        if self.immediate {
            let first = state.ask.replace(Ask::Drain).is_none();
            return (Decision::Refuse, first);
        }
        let known = state
            .known
            .get(script)
            .is_some_and(|(time, asked)| *time == mtime && (mtime != 0 || asked.elapsed() < ASK_AGAIN));
        if state.pending || known {
            return (Decision::ServeOld, false);
        }
        state.known.insert(script.to_vec(), (mtime, Instant::now()));
        state.pending = true;
        state.ask = Some(Ask::Successor);
        state.holder = Some(thread::current().id());
        (Decision::Refuse, true)
    }

    /// What the main thread has to do, if anything.
    pub(super) fn take_ask(&self) -> Option<Ask> {
        self.lock().ask.take()
    }

    /// Whether the request that the calling thread just left refused is to be held.
    pub(super) fn take_hold(&self) -> bool {
        let mut state = self.lock();
        let mine = state.holder == Some(thread::current().id());
        if mine {
            state.holder = None;
        }
        mine
    }

    /// Holds a claimed connection. Gives it back if the decision has come in the meantime.
    pub(super) fn hold(&self, connection: *mut Connection) -> Option<*mut Connection> {
        let mut state = self.lock();
        if !state.pending {
            return Some(connection);
        }
        state.held.push(Held(connection));
        None
    }

    /// Whether a connection is being held, and the main thread knows why.
    #[cfg(test)]
    pub(super) fn is_holding(&self) -> bool {
        let state = self.lock();
        !state.held.is_empty() && state.ask.is_none()
    }

    /// The supervisor has decided: returns the connections to be released.
    pub(super) fn decided(&self) -> Vec<*mut Connection> {
        let mut state = self.lock();
        state.pending = false;
        std::mem::take(&mut state.held).into_iter().map(|c| c.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_asked_about_once() {
        let reload = Reload::default();
        assert_eq!(reload.noticed(b"a", 1), (Decision::Refuse, true));
        assert_eq!(reload.noticed(b"a", 1), (Decision::ServeOld, false));
        assert_eq!(reload.noticed(b"b", 1), (Decision::ServeOld, false), "one at a time");
        assert_eq!(reload.take_ask(), Some(Ask::Successor));
        assert_eq!(reload.take_ask(), None);
        assert!(reload.take_hold());
        assert!(!reload.take_hold());
        let fake = std::ptr::dangling_mut();
        assert_eq!(reload.hold(fake), None);
        assert_eq!(reload.decided(), [fake]);
        assert_eq!(reload.hold(fake), Some(fake), "the decision was faster");
        assert_eq!(reload.noticed(b"a", 1), (Decision::ServeOld, false), "asked before");
        assert_eq!(reload.noticed(b"a", 2), (Decision::Refuse, true), "changed again");
    }

    #[test]
    fn immediate_refuses_everybody() {
        let reload = Reload::new(true);
        assert_eq!(reload.noticed(b"a", 1), (Decision::Refuse, true));
        assert_eq!(reload.noticed(b"a", 1), (Decision::Refuse, false));
        assert!(!reload.take_hold());
        assert_eq!(reload.take_ask(), Some(Ask::Drain));
    }
}
