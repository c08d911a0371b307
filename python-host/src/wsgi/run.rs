//! One request from the first byte of its environ to the last of its response (spec/behaviour.md §4.3, §6.2).

use super::adapter::{callable, send_failed};
use super::clock;
use super::environ::{self, EnvironExtras};
use super::events::{self, RequestTimes};
use super::failures::{self, LogScope};
use super::iterate;
use super::kit::InterpreterKit;
use super::log_object::{TextLayer, close_request};
use super::metrics;
use super::request::{RequestState, RequestWindow, RunningRequest};
use super::response::ResponseStop;
use super::script::{LoadReason, ScriptLookup};
use super::script_table::Script;
use crate::asgi;
use crate::exchange::{Exchange, RequestOutcome};
use crate::interpreter::Interpreter;
use crate::log;
use crate::messages;
use crate::python::{
    Attached, Exception, GilWaits, Object, Owned, PanicCleanup, Result, TextValues, add_wait, measure_waits,
    take_entry_wait,
};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use wsgi_protocol::launch::HostMode;
use wsgi_protocol::request::{Request, RequestHead};

/// What ASGI applications are usually called.
pub const USUAL_ASGI: &[u8] = b"app";

/// Ends the request for its Python objects, whatever happens.
struct RequestEnding<'py, 's>(Attached<'py>, &'s RequestState);

impl Drop for RequestEnding<'_, '_> {
    fn drop(&mut self) {
        self.1.end(self.0);
    }
}

/// Runs a request in `interpreter`, to which the thread is attached.
pub fn run(
    py: Attached<'_>,
    interpreter: &'static Interpreter,
    (thread_id, window): (u32, &RequestWindow),
    request: &Request<'_>,
    exchange: &mut dyn Exchange,
) -> RequestOutcome {
    let mut request = request.clone();
    if !enter_chroot(interpreter, &mut request.head, exchange) {
        return RequestOutcome::Fail(502);
    }
    let head = &request.head;
    let switches = (head.log_level, head.flags);
    let named = if head.resource.is_empty() { head.script } else { head.resource };
    let state = Arc::new(RequestState::new(interpreter, thread_id, switches, named, exchange));
    let _running = RunningRequest::begin(&state);
    let _shown = window.show(py, &state);
    let _over = RequestEnding(py, &state);
    let job = WsgiCall { py, interpreter, kit: interpreter.kit(), state: &state, request: &request };
    if let Err(raised) = events::register(py, job.kit, &state, head.request_id) {
        return job.failed(raised.take(py));
    }
    let _registered = Registration(&job);
    let _clean = PanicCleanup(py);
    job.run()
}

/// The request is registered until this is dropped.
struct Registration<'j, 'py, 's, 'r>(&'j WsgiCall<'py, 's, 'r>);

impl Drop for Registration<'_, '_, '_, '_> {
    fn drop(&mut self) {
        events::unregister(self.0.py, self.0.kit, self.0.state);
    }
}

/// The callable that a request of the event loop asks for, loading its script if need be; or how the request ends without.
pub fn find_application<'py>(
    py: Attached<'py>,
    interpreter: &'static Interpreter,
    state: &Arc<RequestState>,
    request: &Request<'_>,
) -> std::result::Result<Owned<'py>, RequestOutcome> {
    WsgiCall { py, interpreter, kit: interpreter.kit(), state, request }
        .application()
        .map(|(_, application)| application)
}

/// Strips the chroot directory from the paths; false if the script is outside of it.
fn enter_chroot(interpreter: &Interpreter, head: &mut RequestHead<'_>, exchange: &mut dyn Exchange) -> bool {
    let host = interpreter.host;
    let Some(root) = &host.launch().chroot else { return true };
    let Some(script) = host.inside_chroot(head.script) else {
        exchange.log(log::ERROR, messages::outside_chroot(head.script, root).as_bytes());
        return false;
    };
    head.script = script;
    head.resource = host.inside_chroot(head.resource).unwrap_or(head.resource);
    true
}

/// What all steps need.
struct WsgiCall<'py, 's, 'r> {
    py: Attached<'py>,
    interpreter: &'static Interpreter,
    kit: &'static InterpreterKit,
    state: &'s Arc<RequestState>,
    request: &'s Request<'r>,
}

impl<'py> WsgiCall<'py, '_, '_> {
    fn head(&self) -> &RequestHead<'_> {
        &self.request.head
    }

    fn run(&self) -> RequestOutcome {
        let daemon_start = match self.interpreter.host.launch().mode {
            HostMode::Daemon => clock::now(),
            HostMode::Embedded => 0.0,
        };
        let application = match self.application() {
            Ok((script, application)) if script.is_wsgi(&application, self.head().flags) => application,
            Ok((script, application)) => match self.check_interface(script, application) {
                Ok(application) => application,
                Err(outcome) => return outcome,
            },
            Err(outcome) => return outcome,
        };
        let watched = events::has_subscribers(self.py, self.kit) || metrics::is_recording();
        let entry = take_entry_wait();
        measure_waits(watched);
        if watched {
            add_wait(entry);
        }
        let times = RequestTimes {
            daemon_start,
            application_start: clock::now(),
            cpu: watched.then(clock::thread_cpu).flatten(),
        };
        let recorded = metrics::is_recording();
        if recorded {
            metrics::begin(self.py, self.state, &times);
        }
        let (outcome, waits) = self.serve(application, &times);
        if recorded {
            let failed = match outcome {
                RequestOutcome::Fail(status) => Some(status),
                _ => None,
            };
            metrics::end(self.py, self.state, self.head(), (&times, waits), failed);
        }
        outcome
    }

    /// The callable, or how the request ends without it.
    fn application(&self) -> std::result::Result<(&'static Script, Owned<'py>), RequestOutcome> {
        let (py, head) = (self.py, self.head());
        let case_insensitive = self.interpreter.host.launch().case_insensitive;
        let script = self
            .interpreter
            .scripts
            .get(py, head.script, case_insensitive)
            .map_err(|raised| self.failed(raised.take(py)))?;
        let log_scope = LogScope::Request(self.state);
        let namespace = match script.obtain(py, self.interpreter, log_scope, LoadReason::Request(head)) {
            ScriptLookup::Namespace(namespace) => namespace,
            ScriptLookup::Refused => return Err(RequestOutcome::Refused),
            ScriptLookup::Failed => return Err(RequestOutcome::Fail(500)),
        };
        let name = script.callable(head.callable);
        match self.look_up(&namespace, name) {
            Ok(Some(application)) => {
                script.note_use(self.interpreter, name);
                Ok((script, application))
            }
            Ok(None) => {
                if let Some(application) = self.usual_asgi(&namespace, name) {
                    script.note_use(self.interpreter, USUAL_ASGI);
                    return Ok((script, application));
                }
                let other = self.other_callable(&namespace);
                log_scope.record(py, log::ERROR, &messages::no_callable(head.script, name, other));
                let embedded = self.interpreter.host.launch().mode == HostMode::Embedded;
                Err(RequestOutcome::Fail(if embedded { 404 } else { 500 }))
            }
            Err(raised) => Err(self.failed(raised.take(py))),
        }
    }

    /// An application that has not been seen before: an ASGI one is for the event loop, if there can be one here.
    fn check_interface(
        &self,
        script: &Script,
        application: Owned<'py>,
    ) -> std::result::Result<Owned<'py>, RequestOutcome> {
        let (head, host) = (self.head(), self.interpreter.host);
        if !asgi::is_asgi(self.py, self.interpreter, head.flags, &application) {
            script.note_wsgi(&application, head.flags);
            return Ok(application);
        }
        let log_scope = LogScope::Request(self.state);
        if host.launch().mode == HostMode::Embedded {
            log_scope.record(self.py, log::ERROR, &messages::asgi_embedded(head.script));
        } else if !self.interpreter.is_main {
            log_scope.record(
                self.py,
                log::ERROR,
                &messages::asgi_sub_interpreter(head.script, self.interpreter.name()),
            );
        } else {
            asgi::note(self.interpreter, head);
            return Err(RequestOutcome::ForLoop);
        }
        Err(RequestOutcome::Fail(500))
    }

    /// `app`, where there is no `application`: the usual name of an ASGI application.
    fn usual_asgi(&self, namespace: &Object, name: &[u8]) -> Option<Owned<'py>> {
        if name != b"application" {
            return None;
        }
        let found = self.look_up(namespace, USUAL_ASGI).map_err(|raised| raised.clear(self.py)).ok()??;
        asgi::is_asgi(self.py, self.interpreter, self.head().flags, &found).then_some(found)
    }

    /// A name that applications usually have, if the script has one.
    fn other_callable(&self, namespace: &Object) -> Option<&'static str> {
        let usual = ["application", "app", "wsgi_app", "wsgi", "api", "server", "main"];
        usual.into_iter().find(|name| match self.look_up(namespace, name.as_bytes()) {
            Ok(found) => found.is_some_and(|found| found.is_callable()),
            Err(raised) => {
                raised.clear(self.py);
                false
            }
        })
    }

    fn look_up(&self, namespace: &Object, name: &[u8]) -> Result<Option<Owned<'py>>> {
        if name == b"application" {
            return namespace.dict_get(self.py, self.kit.names.application.get(self.py));
        }
        namespace.dict_get(self.py, &*self.py.latin1(name)?)
    }

    /// Calls the application and sends what it returns.
    fn serve(&self, application: Owned<'py>, times: &RequestTimes) -> (RequestOutcome, GilWaits) {
        let py = self.py;
        let layer = match TextLayer::obtain(py, self.state) {
            Ok(layer) => layer,
            Err(raised) => return (self.failed(raised.take(py)), measure_waits(false)),
        };
        self.state.owns_streams.store(true, Relaxed);
        let outcome = match self.environ(&layer, times) {
            Ok(environ) => self.call(application, environ, times),
            Err(raised) => self.failed(raised.take(py)),
        };
        let waits = measure_waits(false);
        events::request_finished(py, self.state, self.head(), times, waits);
        close_request(py, self.state);
        self.state.end(py);
        layer.give_back(py, self.state);
        (outcome, waits)
    }

    fn environ(&self, layer: &TextLayer<'py>, times: &RequestTimes) -> Result<Owned<'py>> {
        let (py, host) = (self.py, self.interpreter.host);
        let input = super::input::object(py, self.state)?;
        let extras = EnvironExtras {
            input: &input,
            errors: &layer.text,
            thread_id: self.state.thread_id,
            daemon_start: times.daemon_start,
            application_start: times.application_start,
        };
        environ::build(py, self.kit, host, self.request, &extras)
    }

    fn call(&self, mut application: Owned<'py>, environ: Owned<'py>, times: &RequestTimes) -> RequestOutcome {
        let py = self.py;
        let start_response = match callable(py, self.state) {
            Ok(callable) => callable,
            Err(raised) => return self.failed(raised.take(py)),
        };
        if events::has_subscribers(py, self.kit) {
            let replaced =
                events::request_started(py, self.state, self.head(), times, &environ, &application);
            application = replaced.unwrap_or(application);
        }
        let result = match application.call_out(py, &[&environ, &start_response]) {
            Ok(result) => result,
            Err(raised) => return self.failed(raised.take(py)),
        };
        let sent = iterate::send_all(py, self.state, &result);
        let stopped = sent.err().map(|stop| self.stopped(stop));
        self.close(&result);
        match stopped {
            Some(outcome) => outcome,
            None => self.finish(),
        }
    }

    /// Calls `close()` of the result; what it raises is logged and does not touch the response.
    fn close(&self, result: &Object) {
        let py = self.py;
        if let Err((raised, in_lookup)) = iterate::close(py, self.state, result) {
            let exception = raised.take(py);
            if in_lookup {
                LogScope::Request(self.state).record(py, log::ERROR, &messages::no_close());
            } else if exception.is_a(self.kit.request_timeout.get(py)) {
                return;
            }
            events::request_exception(py, self.state, &exception);
            self.report(exception);
        }
    }

    /// The response is complete as far as the application is concerned.
    fn finish(&self) -> RequestOutcome {
        match self.state.finish(self.py) {
            Ok(true) => RequestOutcome::Complete,
            // Fewer bytes than announced, or nobody is there any more: the connection must not be used again.
            Ok(false) | Err(_) => RequestOutcome::Aborted,
        }
    }

    fn stopped(&self, stop: ResponseStop) -> RequestOutcome {
        match stop {
            ResponseStop::Raised(raised) => self.failed(raised.take(self.py)),
            ResponseStop::Broken(None) => RequestOutcome::Aborted,
            ResponseStop::Broken(Some(error)) => self.failed(send_failed(self.py, error).take(self.py)),
        }
    }

    /// An exception came out of the application.
    fn failed(&self, exception: Exception<'_>) -> RequestOutcome {
        let py = self.py;
        let begun = iterate::has_begun(py, self.state);
        if exception.is_a(self.kit.request_timeout.get(py)) {
            let text = if begun { messages::TIMEOUT_TRUNCATED } else { messages::TIMEOUT_RECOVERED };
            LogScope::Request(self.state).record(py, log::INFO, text);
            if begun {
                return RequestOutcome::Aborted;
            }
            self.state.answer_empty(py, 504, "504 Gateway Timeout");
            return self.finish();
        }
        events::request_exception(py, self.state, &exception);
        match failures::client_left(py, &exception) {
            // Nothing is wrong with the application.
            Some(text) => LogScope::Request(self.state).record(py, log::INFO, &messages::client_left(&text)),
            None => self.report(exception),
        }
        if begun { RequestOutcome::Aborted } else { RequestOutcome::Fail(500) }
    }

    fn report(&self, exception: Exception<'_>) {
        let (log_scope, script) = (LogScope::Request(self.state), self.head().script);
        failures::report(self.py, log_scope, self.interpreter, script, exception);
    }
}
