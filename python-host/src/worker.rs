//! A request thread: where it is attached, and how it runs a request in the right interpreter.

use crate::boundary;
use crate::exchange::{Exchange, RequestOutcome};
use crate::fork;
use crate::host::{Host, ThreadRecord};
use crate::host_scripts::{self, ScriptAnswer};
use crate::interpreter::{self, Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::{self, Attached};
use crate::wsgi;
use pyo3::ffi;
use std::marker::PhantomData;
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
    pub(crate) fn new(host: &'static Host, thread_id: u32) -> Self {
        Self { host, thread_id, record: host.enter_thread(thread_id), last: None, stays: PhantomData }
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
    /// called, this is the only one that it takes. Never panics. [`RequestOutcome::Refused`] comes only from the [`ReloadPolicy`].
    pub fn run(&mut self, request: &Request<'_>, exchange: &mut dyn Exchange) -> RequestOutcome {
        let run = boundary::caught(|| self.run_inner(request, exchange));
        // Before anything that another thread may have locked, which a forked process does not have.
        fork::end_if_forked();
        // A panic in between may have left the thread without the lock that the caller expects.
        self.attach();
        run.unwrap_or(RequestOutcome::Fail(500))
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
        // SAFETY: `enter` attached the thread, and nothing below detaches it but to come back.
        let py = unsafe { Attached::assume() };
        if self.record.begin(interpreter, self.host.watches()) {
            clear_injection(py);
        }
        let outcome = wsgi::run(py, interpreter, self.thread_id, request, exchange);
        if self.record.end() {
            clear_injection(py);
        }
        outcome
    }

    /// Asks a host script (`wsgi_protocol::call`). Terms as [`RequestThread::run`].
    pub(crate) fn call(&mut self, payload: &[u8], exchange: &mut dyn Exchange) -> ScriptAnswer {
        let answered = boundary::caught(|| self.call_inner(payload, exchange));
        fork::end_if_forked();
        self.attach();
        answered.unwrap_or_default()
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
        // SAFETY: as in `run_inner`.
        let py = unsafe { Attached::assume() };
        host_scripts::ask(py, interpreter, self.thread_id, &call, exchange)
    }

    /// Attaches to the interpreter of an application group.
    fn enter(&mut self, group: &[u8]) -> Option<&'static Interpreter> {
        let here = threads::attached_to();
        let found = interpreter::find(group);
        if let Some((here, found)) = here.zip(found)
            && std::ptr::eq(here, found)
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

/// Drops a RequestTimeout that came too late for the request it was meant for.
fn clear_injection(_: Attached<'_>) {
    // SAFETY: attached; null clears what is pending for this thread.
    unsafe {
        ffi::PyThreadState_SetAsyncExc(ffi::PyThread_get_thread_ident() as _, std::ptr::null_mut());
    }
}

impl Drop for RequestThread {
    fn drop(&mut self) {
        self.detach();
        self.host.leave_thread(&self.record);
        threads::end_states();
    }
}
