//! What the serve loop asks of whatever runs requests; Python in production, a fake in unit tests.

use super::blocked_loop::BlockedLoop;
use super::socket_exchange::{GilRelease, UnsentRecord};
use crate::conversation::{Conversation, RequestSource};
use crate::exchange::{Exchange, RequestOutcome};
use crate::host::LongRunning;
use crate::thread_record::ThreadRecord;
use std::sync::Arc;
use std::time::Duration;
use wsgi_protocol::heirloom::{HeirScript, TriedVersions};
use wsgi_protocol::launch::PreloadScript;
use wsgi_protocol::request::{Request, RequestHead};

/// The process-wide side of the application. Unless said otherwise methods are called without the GIL.
pub(super) trait Application: Sync + 'static {
    /// Per-thread side.
    type Runner: RequestRunner;

    /// Gives the GIL up around a call; called with the GIL held.
    const RELEASED: GilRelease;

    /// Takes the log records that httpd does not take.
    const UNSENT: UnsentRecord;

    /// Makes the calling thread, whose record this is, ready to run requests.
    fn runner(&'static self, record: Arc<ThreadRecord>) -> Self::Runner;

    /// Whether all threads share one lock, so that admitting more of them than can run is waste.
    fn shares_lock(&self) -> bool;

    /// Raises RequestTimeout in a request thread that has been running for `seconds`, if `is_current` (asked with the
    /// GIL held) still says so. May wait for the GIL for ever.
    fn interrupt(&self, thread_id: u32, seconds: f64, is_current: &dyn Fn() -> bool);

    /// Logs where such a thread is, under the same terms.
    fn report(&self, thread_id: u32, why: LongRunning, seconds: f64, is_current: &dyn Fn() -> bool);

    /// Takes the main interpreter's GIL and gives it back. May wait for ever.
    fn probe(&self);

    /// Whether any script has been loaded since the process started.
    fn has_loaded(&self) -> bool;

    /// The scripts that are loaded now, for a successor; `failed` tells of changes that have failed.
    fn heirs(&self, failed: &dyn Fn(&PreloadScript) -> Option<TriedVersions>) -> Vec<HeirScript>;

    /// How long loading them has taken.
    fn load_time(&self) -> Duration;

    /// What stands behind the reasons why a changed script could not be loaded.
    fn about_kept(&self, script: &PreloadScript) -> String;

    /// Delivers `process_signal` to the subscribers. May run for ever.
    fn publish_signal(&self, signal: i32);

    /// Delivers `process_stopping` in every interpreter; on the main thread. May run for ever.
    fn publish_stopping(&self, reason: &'static str);

    /// Logs the Python stacks of all threads of the interpreter in which `thread_id` was stuck.
    fn dump_stacks(&self, thread_id: u32);

    /// Logs the Python stacks of the interpreters besides the main one. May wait for ever.
    fn dump_other_stacks(&self);

    /// Ends Python: with `finalize` all request threads have gone and the interpreters may be ended; otherwise
    /// only exit handlers may run. On the main thread. May run for ever.
    fn end(&self, finalize: bool);

    /// Whether a request is known to be for the event loop.
    fn is_for_loop(&self, _: &RequestHead<'_>) -> bool {
        false
    }

    /// Has the event loop run a request, which it starts if need be.
    fn converse(&'static self, conversation: Box<dyn Conversation>) {
        drop(conversation);
    }

    /// From now on the event loop reads its requests itself, for as long as `source` says so.
    fn read_in_loop(&'static self, source: &'static dyn RequestSource) {
        source.end();
    }

    /// Has the event loop look again whether it is to read requests.
    fn ring_loop(&self) {}

    /// How the event loop is blocked, as far as that is known.
    fn blocked_loop(&self) -> Option<BlockedLoop> {
        None
    }

    /// Logs where it is. May wait for the GIL for ever.
    fn report_loop(&self, _blocked: Duration) {}

    /// Refuses what the event loop has not begun, which may be for good.
    fn refuse_waiting(&self) {}

    /// New requests go to a successor.
    fn drain_loop(&self) {}

    /// Ends the event loop, after its requests and what they may take in all; `None` is unbounded.
    fn stop_loop(&self, _: Option<Duration>) {}

    /// Whether there is no event loop (any more).
    fn has_no_loop(&self) -> bool {
        true
    }

    /// Logs outside of any request. `level` is httpd's number.
    fn log(&self, level: u8, text: &str);
}

/// What a worker thread uses to run requests; never leaves its thread.
pub(super) trait RequestRunner {
    /// Takes the GIL, if all requests need the same one.
    fn attach(&mut self);

    /// Gives the GIL up.
    fn detach(&mut self);

    /// Whether the calling thread, which is this one, has the GIL.
    fn is_attached(&self) -> bool;

    /// Runs one request; may return without the GIL.
    fn run(&mut self, request: &Request<'_>, exchange: &mut dyn Exchange) -> RequestOutcome;
}
