//! The end of a daemon, on its main thread (spec/daemon.md §2.7; decisions.md, "Py_FinalizeEx needs all threads
//! gone").
//!
//! Python is only finalized when no thread of ours can be inside it; otherwise its exit handlers run and the
//! process ends without unwinding anything. A watchdog bounds all of it.

use super::application::Application;
use super::main_thread::MainThread;
use super::{last_stack, os, signals};
use crate::wsgi::telemetry;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};
use wsgi_protocol::death::FORCED_STATUS;

/// How long helper threads that are not stuck need at most to notice the end.
const HELPER_THREADS: Duration = Duration::from_millis(200);

/// How long the watchdog's record may take.
const LAST_RECORD: Duration = Duration::from_millis(50);

/// Ends the process in order; returns the exit status if Python may be finalized, and does not return otherwise.
/// `shutdown` bounds the whole, zero is unbounded.
pub(super) fn end<A: Application>(mut main: MainThread<A>, shutdown: Duration) -> i32 {
    let (pool, reason) = (main.pool, main.life.reason());
    let begun = Instant::now();
    pool.log(6, &format!("Stopping process, reason '{reason}'."));
    if !shutdown.is_zero() {
        watch(pool, shutdown, main.culprit);
    }
    signals::ignore_messages();
    main.dismiss_helper_threads();
    main.refuse_ready();
    pool.application.publish_stopping(reason);
    pool.application.stop_loop((!shutdown.is_zero()).then_some(shutdown / 2));
    if let Some(thread) = main.culprit {
        pool.application.dump_stacks(thread);
    }
    // A quarter of the time is kept for exit handlers.
    let patience = (!shutdown.is_zero()).then_some(shutdown / 4 * 3);
    let idle = wait_until(patience, begun, || {
        main.refuse_ready();
        pool.live() == 0 && pool.application.has_no_loop()
    });
    if !idle {
        last_stack::leave(&pool.slots, main.culprit);
    }
    pool.application.refuse_waiting();
    main.refuse_partial();
    let helper_threads = main.helper_threads.clone();
    let finalize =
        idle && wait_until(Some(HELPER_THREADS), Instant::now(), || helper_threads.load(SeqCst) == 0);
    if idle {
        pool.join();
    }
    pool.application.end(finalize);
    pool.log(6, "Exiting process.");
    if !finalize {
        // Requests were cut off, and they are told why; a stuck thread of another kind costs nobody anything.
        os::exit_now(if idle { 0 } else { FORCED_STATUS });
    }
    0
}

fn watch<A: Application>(
    pool: &'static super::pool::WorkerPool<A>,
    shutdown: Duration,
    culprit: Option<u32>,
) {
    let watchdog = move || {
        thread::sleep(shutdown);
        // The log may be what the process is stuck in: it gets its chance, but is not waited for.
        let _ = thread::Builder::new()
            .spawn(move || pool.log(6, "Aborting process: it did not end within its shutdown timeout."));
        thread::sleep(LAST_RECORD);
        telemetry::stopped();
        last_stack::leave(&pool.slots, culprit);
        os::exit_now(FORCED_STATUS);
    };
    if let Err(error) = thread::Builder::new().name("wsgi-watchdog".into()).spawn(watchdog) {
        pool.log(3, &format!("Couldn't create the shutdown watchdog: {error}."));
    }
}

/// Waits for `done`, `patience` long since `begun`; `None` waits for ever. Says whether it came.
fn wait_until(patience: Option<Duration>, begun: Instant, mut done: impl FnMut() -> bool) -> bool {
    while !done() {
        if patience.is_some_and(|p| begun.elapsed() >= p) {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
