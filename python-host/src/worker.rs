//! A request thread: where it is attached, how it runs a request in the right interpreter, and what others can see of it.

use crate::exchange::{Exchange, RequestOutcome};
use crate::forked;
use crate::host::Host;
use crate::host_scripts::{self, ScriptAnswer};
use crate::interpreter::{self, Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::{self, Attached};
use crate::scheduler::clock::now_ns;
use crate::wsgi;
use crate::wsgi::request::RequestWindow;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use wsgi_protocol::call::HostScriptCall;
use wsgi_protocol::request::Request;

/// One OS thread that runs requests; never leaves its thread. Dropping it (without the GIL) ends the thread's
/// Python states.
#[derive(Debug)]
pub struct RequestThread {
    host: &'static Host,
    thread_id: u32,
    record: Arc<ThreadRecord>,
    /// Where it ran its last request.
    last: Option<&'static Interpreter>,
    /// Neither `Send` nor `Sync`.
    stays: PhantomData<*const ()>,
}

impl RequestThread {
    /// For the calling thread; see [`Host::worker`].
    pub(crate) fn new(host: &'static Host, thread_id: u32) -> Self {
        Self { host, thread_id, record: THREADS.enter(thread_id), last: None, stays: PhantomData }
    }

    /// Takes the GIL (of the interpreter that this worker used last). Nothing happens if it has it.
    pub fn attach(&mut self) {
        if threads::attached_to().is_none() {
            threads::attach(self.last.unwrap_or_else(interpreter::main));
        }
    }

    /// Gives the GIL up. Nothing happens if it does not have it.
    pub fn detach(&mut self) {
        if threads::attached_to().is_some() {
            threads::detach();
        }
    }

    /// Runs one request (`wsgi_protocol::request`). Returns with the GIL of its interpreter held; without any when it is
    /// called, this is the only one that it takes. A panic goes through to whoever answers for the request, and may leave the
    /// thread without a GIL. [`RequestOutcome::Refused`] comes only from the [`ReloadPolicy`].
    pub fn run(&mut self, request: &Request<'_>, exchange: &mut dyn Exchange) -> RequestOutcome {
        let outcome = self.run_inner(request, exchange);
        // Before anything that another thread may have locked, which a forked process does not have.
        forked::end_if_forked();
        outcome
    }

    fn run_inner(&mut self, request: &Request<'_>, exchange: &mut dyn Exchange) -> RequestOutcome {
        let since = Instant::now();
        let entered = self.enter(request.head.application_group);
        python::note_entry(since);
        let Some(interpreter) = entered else {
            let text = messages::no_interpreter(request.head.application_group);
            exchange.log(log::ERROR, text.as_bytes());
            return RequestOutcome::Fail(500);
        };
        // `enter` attached the thread.
        let outcome = python::with_attached(|py| {
            if self.record.begin(py, interpreter, self.host.watches()) {
                // A RequestTimeout that came too late for the request it was meant for.
                python::raise_nothing(py);
            }
            let _over = RunningRecord(&self.record, py);
            #[cfg(feature = "fault-injection")]
            inject_fault(request);
            wsgi::run(py, interpreter, (self.thread_id, &self.record.window), request, exchange)
        });
        outcome.unwrap_or(RequestOutcome::Fail(500))
    }

    /// Asks a host script (`wsgi_protocol::call`). Terms as [`RequestThread::run`].
    pub(crate) fn call(&mut self, payload: &[u8], exchange: &mut dyn Exchange) -> ScriptAnswer {
        let answered = self.call_inner(payload, exchange);
        forked::end_if_forked();
        answered
    }

    fn call_inner(&mut self, payload: &[u8], exchange: &mut dyn Exchange) -> ScriptAnswer {
        let call = match HostScriptCall::decode(payload) {
            Ok(call) => call,
            Err(error) => {
                exchange.log(log::ERROR, messages::bad_request(error).as_bytes());
                return ScriptAnswer::default();
            }
        };
        let head = &call.request.head;
        let Some(interpreter) = self.enter(head.application_group) else {
            let text = messages::no_interpreter_for(call.question, head.application_group);
            exchange.log(log::ERROR, text.as_bytes());
            return ScriptAnswer::default();
        };
        // `enter` attached the thread.
        let ask = |py: Attached<'_>| host_scripts::ask(py, interpreter, self.thread_id, &call, exchange);
        python::with_attached(ask).unwrap_or_default()
    }

    /// Attaches to the interpreter of an application group.
    fn enter(&mut self, group: &[u8]) -> Option<&'static Interpreter> {
        let here = threads::attached_to();
        let found = interpreter::find(group);
        if let Some((here, found)) = here.zip(found)
            && ptr::eq(here, found)
        {
            self.last = Some(found);
            return Some(found);
        }
        self.detach();
        let interpreter = found.or_else(|| interpreter::obtain(self.host, group));
        self.last = interpreter.or(self.last);
        self.attach();
        interpreter
    }
}

/// Panics if the request's environ asks for it.
#[cfg(feature = "fault-injection")]
fn inject_fault(request: &Request<'_>) {
    let asks = request.pairs().flatten().any(|(name, _)| name.as_bytes() == b"INJECTED_FAULT");
    assert!(!asks, "injected fault");
}

/// The thread runs a request until this is dropped.
struct RunningRecord<'r, 'py>(&'r ThreadRecord, Attached<'py>);

impl Drop for RunningRecord<'_, '_> {
    fn drop(&mut self) {
        if self.0.end() {
            python::raise_nothing(self.1);
        }
    }
}

impl Drop for RequestThread {
    fn drop(&mut self) {
        self.detach();
        THREADS.leave(&self.record);
        threads::end_states();
    }
}

/// What a request thread runs, for those who want to interrupt it or to look at it. The thread writes its own record, without a lock.
#[derive(Debug)]
pub(crate) struct ThreadRecord {
    /// As [`Host::worker`] was told.
    number: u32,
    /// Python's name of the OS thread.
    ident: u64,
    /// Which request it runs, and where.
    window: RequestWindow,
    /// RequestTimeout was raised in the request that it runs.
    injected: AtomicBool,
    /// Requests begun; names one.
    begun: AtomicU64,
    /// When the one under way was, monotonic ns; 0 between two, and where a scheduler keeps it.
    since: AtomicU64,
}

impl ThreadRecord {
    /// Of the calling thread.
    fn of_caller(number: u32) -> Self {
        Self {
            number,
            ident: python::thread_ident(),
            window: RequestWindow::default(),
            injected: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }

    /// The thread begins a request; whether RequestTimeout was raised in the one before. `is_timed`: others want to know when it
    /// began.
    fn begin(&self, py: Attached<'_>, interpreter: &'static Interpreter, is_timed: bool) -> bool {
        self.note_begin(if is_timed { now_ns() } else { 0 });
        self.window.enter(py, interpreter);
        self.was_injected()
    }

    /// The thread has ended it; whether RequestTimeout was raised in it.
    pub(crate) fn end(&self) -> bool {
        self.since.store(0, Release);
        self.window.leave();
        self.was_injected()
    }

    fn note_begin(&self, since: u64) {
        // Only this thread writes them. Whoever sees the moment sees the number that it belongs to.
        self.begun.store(self.begun.load(Relaxed) + 1, Release);
        self.since.store(since, Release);
    }

    /// Nearly never: a load is cheaper than a swap.
    fn was_injected(&self) -> bool {
        self.injected.load(Acquire) && self.injected.swap(false, Acquire)
    }

    /// RequestTimeout was raised in its request.
    pub(crate) fn note_injected(&self) {
        self.injected.store(true, Release);
    }

    /// Python's name of the OS thread.
    pub(crate) fn ident(&self) -> u64 {
        self.ident
    }

    /// Which request it runs.
    pub(crate) fn window(&self) -> &RequestWindow {
        &self.window
    }

    /// Where it runs a request.
    pub(crate) fn interpreter(&self) -> Option<&'static Interpreter> {
        self.window.interpreter()
    }

    /// Number and beginning of the request that it runs, if that is kept and did not change meanwhile.
    fn running(&self) -> Option<(u64, u64)> {
        let number = self.begun.load(Acquire);
        let since = self.since.load(Acquire);
        (since != 0 && self.begun.load(Acquire) == number).then_some((number, since))
    }
}

/// All request threads of a process.
#[derive(Debug)]
pub(crate) struct RequestThreads(Mutex<Vec<Arc<ThreadRecord>>>);

/// Those of this process.
pub(crate) static THREADS: RequestThreads = RequestThreads(Mutex::new(Vec::new()));

impl RequestThreads {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<ThreadRecord>>> {
        // Each change is one push or one removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread is one from now on.
    pub(crate) fn enter(&self, number: u32) -> Arc<ThreadRecord> {
        let record = Arc::new(ThreadRecord::of_caller(number));
        self.list().push(record.clone());
        record
    }

    /// A thread ends: nobody looks at it any more.
    pub(crate) fn leave(&self, record: &Arc<ThreadRecord>) {
        self.list().retain(|known| !Arc::ptr_eq(known, record));
    }

    /// The record of a thread.
    pub(crate) fn find(&self, number: u32) -> Option<Arc<ThreadRecord>> {
        self.list().iter().find(|record| record.number == number).cloned()
    }

    /// Threads that run a request whose beginning is kept: number of the thread, of the request, and that moment, monotonic ns.
    pub(crate) fn running(&self) -> Vec<(u32, u64, u64)> {
        let running = |record: &Arc<ThreadRecord>| {
            record.running().map(|(number, since)| (record.number, number, since))
        };
        self.list().iter().filter_map(running).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Nobody may take one request's beginning for that of the next: it would be reported as slow.
    #[test]
    fn number_and_beginning_belong_together() {
        let record = ThreadRecord {
            number: 1,
            ident: 0,
            window: RequestWindow::default(),
            injected: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            since: AtomicU64::new(0),
        };
        assert_eq!(record.running(), None);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 1..=200_000 {
                    // Its number stands for its beginning.
                    record.note_begin(number);
                    assert!(!record.end());
                }
            });
            while !writer.is_finished() {
                if let Some((number, since)) = record.running() {
                    assert_eq!(number, since);
                }
            }
        });
        record.note_begin(7);
        assert_eq!(record.running(), Some((200_001, 7)));
        record.note_injected();
        assert_eq!((record.end(), record.end()), (true, false));
    }
}
