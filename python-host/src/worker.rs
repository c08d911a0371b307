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
use crate::thread_record::{THREADS, ThreadRecord};
use crate::wsgi;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
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
    pub(crate) fn new(host: &'static Host, record: Arc<ThreadRecord>) -> Self {
        THREADS.enter(record.clone());
        Self { host, thread_id: record.number(), record, last: None, stays: PhantomData }
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
            // Elsewhere nobody wants to know, or the scheduler keeps it.
            let is_timed = self.host.watches();
            if is_timed {
                self.record.begin(now_ns());
            }
            if self.record.enter_interpreter(py, interpreter) {
                // A RequestTimeout that came too late for the request it was meant for.
                python::raise_nothing(py);
            }
            let _over = RunningRecord { record: &self.record, is_timed, py };
            #[cfg(feature = "fault-injection")]
            inject_fault(request);
            wsgi::run(py, interpreter, (self.thread_id, self.record.window()), request, exchange)
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
struct RunningRecord<'r, 'py> {
    record: &'r ThreadRecord,
    /// Its beginning is kept.
    is_timed: bool,
    py: Attached<'py>,
}

impl Drop for RunningRecord<'_, '_> {
    fn drop(&mut self) {
        if self.is_timed {
            self.record.end();
        }
        if self.record.leave_interpreter() {
            python::raise_nothing(self.py);
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
