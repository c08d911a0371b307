//! Python inside an httpd child, behind the C table of `wsgi_protocol::abi`.

mod apart;
mod children;
mod exchange;
mod slow;

use crate::boundary;
use crate::exchange::RequestOutcome;
use crate::fork;
use crate::forked;
use crate::host::Host;
use crate::httpd_table::{self, HttpdRequest};
use crate::interpreter::gates::GateRegistry;
use crate::interpreter::{self, start as python, threads};
use crate::log;
use crate::messages;
use crate::python::{is_attached, note_entry, symbols};
use crate::thread_end;
use crate::thread_record::ThreadRecord;
use crate::worker::RequestThread;
use crate::wsgi::telemetry;
pub use apart::start_apart;
use exchange::TableExchange;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;
use wsgi_protocol::abi::{self, HttpdTable};
use wsgi_protocol::call::ScriptVerdict;
use wsgi_protocol::launch::{self, Launch};
use wsgi_protocol::request::Request;

static HOST: OnceLock<&'static Host> = OnceLock::new();

/// Before the GILs that request threads share, if there are several of them.
static GATES: OnceLock<Option<GateRegistry>> = OnceLock::new();

/// Requests under way.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Keeps what the library writes going through httpd.
pub fn set_httpd(httpd: &'static HttpdTable) {
    httpd_table::set(httpd);
    thread_end::prepare();
    boundary::install_panic_hook();
}

/// Starts Python on the calling thread, the child's main thread. False: not to be used, which has been logged.
pub fn start(message: &[u8]) -> bool {
    let launch: Launch = match launch::decode(message) {
        Ok(launch) => launch,
        Err(error) => {
            log::write(log::CRIT, &messages::bad_launch(error));
            return false;
        }
    };
    if let Err(name) = symbols::find() {
        log::write(log::CRIT, &messages::cannot_start(format_args!("it has no {name}")));
        return false;
    }
    // What Python's own start runs (`.pth` files, sitecustomize) may fork already.
    fork::watch();
    let host = Host::new(launch);
    let Some(py) = python::initialize(host) else { return false };
    let main = interpreter::Interpreter::adopt_main(host, py);
    let ready = interpreter::populate_main_basics(main, py);
    python::forget_settings(py, main);
    threads::detach();
    children::listen();
    if !ready || interpreter::obtain(host, b"").is_none() {
        return false;
    }
    for script in &host.launch().preloads {
        // A failure has been logged; the first request tries again (spec/behaviour.md §6.6).
        let _ = host.load(script);
    }
    // Started once per child.
    let _ = GATES.set(GateRegistry::new(host));
    let _ = HOST.set(host);
    slow::watch(host);
    telemetry::start(host);
    true
}

thread_local! {
    /// Requests under way on this thread, one inside of the other.
    static BUSY_HERE: Cell<u32> = const { Cell::new(0) };
    /// The thread's workers that run nothing. Never dropped: see `thread_end`.
    static WORKERS: ManuallyDrop<RefCell<Vec<RequestThread>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// The number of the calling thread: request threads count from 1, the main thread is 0.
fn thread_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    if threads::is_main_thread() { 0 } else { NEXT.fetch_add(1, SeqCst) }
}

/// A thread that may be in Python; counted as long as this lives.
struct BusyThread;

impl BusyThread {
    fn begin() -> Self {
        BUSY_HERE.set(BUSY_HERE.get() + 1);
        BUSY.fetch_add(1, SeqCst);
        Self
    }
}

impl Drop for BusyThread {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, SeqCst);
        BUSY_HERE.set(BUSY_HERE.get() - 1);
    }
}

/// What a request leaves behind on its thread ends with it; its worker, which has the thread's Python states, stays for the
/// next one.
struct LeftBehind(Option<RequestThread>);

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Some(mut worker) = self.0.take() {
            worker.detach();
            children::over();
            WORKERS.with(|workers| workers.borrow_mut().push(worker));
        }
    }
}

/// Runs `f` with a worker of the calling thread, detached. A request that httpd starts inside of another one gets one of
/// its own.
fn with_worker<T>(host: &'static Host, f: impl FnOnce(&mut RequestThread) -> T) -> T {
    let idle = WORKERS.with(|workers| workers.borrow_mut().pop());
    let worker = idle.unwrap_or_else(|| {
        thread_end::arrange(|| WORKERS.with(|workers| drop(workers.take())));
        host.worker(ThreadRecord::new(thread_number()))
    });
    threads::aside(|| {
        // Also when `f` panics, which the door to httpd answers for, and before the thread is the outer request's again.
        let mut left = LeftBehind(None);
        f(left.0.insert(worker))
    })
}

/// Runs a request on the calling thread.
pub fn request(request: HttpdRequest, payload: &[u8]) -> abi::HostOutcome {
    let Some(host) = HOST.get() else { return 500 };
    let decoded = match Request::decode(payload) {
        Ok(decoded) => decoded,
        Err(error) => {
            log::write(log::ERROR, &messages::bad_request(error));
            return 500;
        }
    };
    let _busy = BusyThread::begin();
    let mut exchange = TableExchange::new(request);
    let mut outcome = RequestOutcome::Fail(500);
    let arrived = Instant::now();
    let mut run = || {
        note_entry(arrived);
        outcome = if threads::is_closed() {
            RequestOutcome::Refused
        } else {
            with_worker(host, |worker| worker.run(&decoded, &mut exchange))
        };
    };
    match GATES.get().and_then(Option::as_ref) {
        Some(gates) => gates.of(decoded.head.application_group).run(&mut run),
        None => run(),
    }
    match exchange.finish(outcome) {
        RequestOutcome::Complete => abi::OK,
        RequestOutcome::Fail(status) => status.into(),
        RequestOutcome::Aborted => abi::FAILED,
        // Embedded scripts are loaded again in place; nobody refuses.
        RequestOutcome::Refused | RequestOutcome::ForLoop => 503,
    }
}

/// Asks a host script about a request, on the calling thread.
pub fn call(request: HttpdRequest, payload: &[u8]) -> ScriptVerdict {
    let Some(host) = HOST.get() else { return ScriptVerdict::Failed };
    let _busy = BusyThread::begin();
    if threads::is_closed() {
        return ScriptVerdict::Failed;
    }
    let mut exchange = TableExchange::new(request);
    let answered = with_worker(host, |worker| worker.call(payload, &mut exchange));
    if !answered.answers.iter().all(|(number, text)| request.answer(*number, text)) {
        return ScriptVerdict::Failed;
    }
    answered.verdict
}

/// The child ends: publishes `process_stopping`, and ends Python if no request is running. Nothing of that if the process
/// ends in the midst of Python (C's `exit()`), or is a copy that the application forked off; nor if this thread has a
/// request: prefork's children end in a signal handler, wherever their thread is, with whatever it has locked.
pub fn stop() {
    if !forked::is_forked() && !is_attached() && BUSY_HERE.get() == 0 {
        apart::on_its_thread(end);
    }
}

/// Ends Python, on the thread that started it.
fn end() {
    let Some(host) = HOST.get() else { return };
    if threads::is_closed() {
        return;
    }
    if let Some(Some(gates)) = GATES.get() {
        gates.open();
    }
    host.stopping("");
    let quiet = threads::close();
    let idle = quiet && BUSY.load(SeqCst) == 0;
    host.end(idle);
    if host.may_finalize() {
        python::finalize();
    }
}
