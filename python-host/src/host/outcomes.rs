//! What the serve loop and the host tell each other of scripts and requests.

/// What a request that found its script changed shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadDecision {
    /// Run with the code that is loaded.
    ServeOld,
    /// The same, after these lines have been logged.
    Tell(Vec<String>),
    /// End with [`Outcome::Refused`] without running anything.
    Refuse,
}

/// Decides about changed scripts in a daemon. Called with the GIL held, from request threads.
pub trait ReloadPolicy: Sync {
    /// A request of application group `group` found that `script` is not what is loaded. `mtime_us` is its
    /// modification time now, µs since the epoch; 0 if the file cannot be examined, or a hook asked for the reload.
    fn on_changed(&self, script: &[u8], group: &[u8], mtime_us: u64) -> ReloadDecision;
}

/// Why it is logged where a request is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LongRunning {
    /// WSGISlowRequests.
    Slow,
    /// request-timeout, and it is interrupted.
    Interrupted,
    /// request-timeout, and the process will be replaced.
    Overdue,
}

/// Why a script could not be loaded; the details have been logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLoaded;
