//! A daemon's serve loop: connections from httpd, the scheduler of request threads, timers, and the process's end.
//!
//! How a request goes: all connections and the listening socket sit in one epoll set, each connection armed for
//! one event. An active worker takes an event, takes the GIL, reads the REQUEST, runs it, writes the response in
//! one piece, arms the connection again and, if another one is ready, goes on without giving the GIL up. There is
//! no I/O thread: what waits, waits in its socket, and if this process dies httpd knows by the reset that it was not
//! started. `gate`, `pace` and `controller` decide how many workers are active. Requests of ASGI applications run on the
//! event loop: workers read and queue them (`conversation`), or sleep while the loop reads them itself (`in_loop`,
//! `loop_source`). The main thread (`main_thread`, `lifecycle`, `timers`) never takes the GIL before the end (`ending`).

mod application;
mod blocked_loop;
pub mod board;
mod body;
mod body_file;
mod body_memory;
mod changes;
mod complaints;
mod connection;
mod controller;
#[allow(unsafe_code)]
mod conversation;
mod ending;
mod gate;
mod helper_thread;
mod host_application;
mod in_loop;
mod inheriting;
mod last_stack;
mod lifecycle;
mod link;
mod loop_source;
mod main_thread;
mod memory_store;
mod names;
mod os;
mod pool;
#[allow(unsafe_code)]
mod registry;
mod reload;
mod response_memory;
mod sending;
mod service;
#[allow(unsafe_code)]
mod signals;
mod socket_exchange;
#[allow(unsafe_code)]
mod stream;
mod timers;
mod tunnel;
mod warm_up;
mod worker;
mod zygote;

pub use blocked_loop::{BlockedLoop, note_blocked_loop};
pub use inheriting::{InheritedScripts, give_way, inherit};
pub use last_stack::{leave_sockets, prepare as watch_faults};
pub use link::prepare_descriptors;
use os::DaemonDescriptor;
pub use os::default_stack;
pub use service::attend_service;
pub use zygote::raise_workers;

use crate::host::Host;
use crate::messages;
use crate::wsgi::telemetry;
use application::Application;
use main_thread::MainThread;
use pool::WorkerPool;
use std::io;
use std::time::Duration;
use worker::WorkerThread;
use wsgi_protocol::death::FORCED_STATUS;
use wsgi_protocol::launch::{Launch, ReadyByte};

/// Says one thing to the supervisor before serving, e.g. [`ReadyByte::ImportFailed`]. False: nobody listens.
pub fn announce(ready: ReadyByte) -> bool {
    link::say(ready)
}

/// Serves requests with the inherited descriptors until the process has to end; returns its exit status if Python
/// may be finalized. Called on Python's main thread without the GIL, after the preloads and what was inherited;
/// `threads=0` returns at once (see [`attend_service`]).
#[must_use]
pub fn serve(host: &'static Host, inherited: &InheritedScripts) -> i32 {
    let launch = host.launch();
    if let Some(title) = &launch.title {
        wsgi_system::process::set_title(title);
    }
    if launch.threads == 0 {
        return 0;
    }
    if inherited.is_refused() {
        announce(if inherited.is_conflict() { ReadyByte::ImportConflict } else { ReadyByte::ImportFailed });
        return 0;
    }
    match prepare(host, &spread(launch)) {
        Ok(mut main) => {
            main.pool.reload.inherit(inherited.scripts());
            host.set_reload_policy(main.pool);
            telemetry::start(host);
            if let Err(error) = main.pool.start() {
                host.log(2, &messages::cannot_serve(error));
                return FORCED_STATUS;
            }
            outlive_supervisor(launch);
            announce(ReadyByte::Serving);
            main.run(launch.timers.deadlock);
            ending::end(main, Duration::from_millis(launch.timers.shutdown))
        }
        Err(error) => {
            host.log(2, &messages::cannot_serve(error));
            FORCED_STATUS
        }
    }
}

/// A process that serves ends its requests when the supervisor dies, which the end of the pipe for orders tells it; the
/// kernel need not kill it any more, and has it go on if it is stopped. Without a bound for its end it does kill.
fn outlive_supervisor(launch: &Launch) {
    if launch.timers.shutdown > 0 {
        wsgi_system::process::die_with_parent(false);
    }
}

/// Spreads the recycling of a group's processes: those that were started together shall not end together. The
/// first one keeps the configured values, the last one has up to a tenth more.
fn spread(launch: &Launch) -> Launch {
    let mut launch = launch.clone();
    let (slot, processes) = (u64::from(launch.slot), u64::from(launch.processes.max(1)));
    let more = |value: u64| value + value.saturating_mul(slot) / (10 * processes);
    launch.maximum_requests = more(launch.maximum_requests);
    launch.timers.restart_interval = more(launch.timers.restart_interval);
    launch
}

/// The pool and the main thread's state for a process that does not serve yet.
fn prepare<A: Application>(application: &'static A, launch: &Launch) -> io::Result<MainThread<A>> {
    link::prepare_descriptors();
    // Workers, the handlers and late events refer to the pool until the process is gone.
    let pool: &'static WorkerPool<A> = Box::leak(Box::new(WorkerPool::new(
        application,
        launch,
        DaemonDescriptor::Listener.borrow(),
        WorkerThread::run,
    )?));
    signals::install(&pool.main_wake, leave_to_parent)?;
    Ok(MainThread::new(pool, launch, Some(DaemonDescriptor::Order.borrow())))
}

/// What a process that the application forks off leaves to this one; async-signal-safe.
fn leave_to_parent() {
    last_stack::leave_to_parent();
    registry::close_in_child();
}

#[cfg(test)]
mod tests;
