//! Events for subscribers (spec/behaviour.md §8.2, §8.3). Nothing is computed when nobody has subscribed.

use super::clock;
use super::failures;
use super::kit::InterpreterKit;
use super::request::{RegisteredRequest, RequestState};
use crate::interpreter::Interpreter;
use crate::python::{
    Attached, Exception, GilWaits, NumberValues, Object, Owned, Result, Stored, TextValues, lock,
};
use wsgi_protocol::request::RequestHead;

/// Clocks of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestTimes {
    /// When a daemon took it up, seconds since the epoch; 0 in embedded mode.
    pub daemon_start: f64,
    /// When the application was called.
    pub application_start: f64,
    /// CPU time of the thread at that time.
    pub cpu: Option<(f64, f64)>,
}

/// Enters a request into `active_requests`.
pub fn register(py: Attached<'_>, kit: &InterpreterKit, state: &RequestState, id: &[u8]) -> Result<()> {
    let data = py.dict()?;
    let id = if id.is_empty() { None } else { Some(py.latin1(id)?) };
    if let Some(id) = &id {
        kit.active_requests.get(py).dict_set(id, &data)?;
    }
    let registered = RegisteredRequest { id: id.map(Owned::store), data: data.store() };
    *lock(py, &state.registered) = Some(registered);
    Ok(())
}

/// Takes it out again.
pub fn unregister(py: Attached<'_>, kit: &InterpreterKit, state: &RequestState) {
    let registered = lock(py, &state.registered).take();
    if let Some(RegisteredRequest { id, data }) = registered {
        if let Some(id) = id {
            let id = id.into_owned(py);
            kit.active_requests.get(py).dict_remove(py, &id);
        }
        data.release(py);
    }
}

/// Whether anybody wants to hear of requests.
pub fn has_subscribers(py: Attached<'_>, kit: &InterpreterKit) -> bool {
    kit.event_callbacks.get(py).list_len() > 0
}

/// Calls all callbacks of the lists, over a copy of each. What one returns is merged into the payload.
pub fn publish(py: Attached<'_>, interpreter: &Interpreter, lists: &[&Stored], name: &str, payload: &Object) {
    for list in lists {
        let list = list.get(py);
        let called = list.list_copy(py).and_then(|copy| call_each(py, interpreter, &copy, name, payload));
        if let Err(raised) = called {
            failures::report_callback(py, interpreter, name, raised.take(py));
        }
    }
}

fn call_each(
    py: Attached<'_>,
    interpreter: &Interpreter,
    callbacks: &Object,
    name: &str,
    payload: &Object,
) -> Result<()> {
    let arguments = py.tuple(&[&*py.text(name)?])?;
    for callback in (0..callbacks.list_len()).filter_map(|place| callbacks.list_item(py, place)) {
        let merged = callback
            .call_with(py, &arguments, payload)
            .and_then(|answer| if answer.is_dict() { payload.dict_update(&answer) } else { Ok(()) });
        if let Err(raised) = merged {
            failures::report_callback(py, interpreter, name, raised.take(py));
        }
    }
    Ok(())
}

/// An event of a request; `fill` adds what it alone has.
fn request_event(
    py: Attached<'_>,
    state: &RequestState,
    name: &str,
    fill: impl FnOnce(&EventPayload<'_>) -> Result<()>,
) {
    let kit = state.interpreter.kit();
    let built = EventPayload::new(py, state).and_then(|payload| fill(&payload).map(|()| payload));
    match built {
        Ok(payload) => publish(py, state.interpreter, &[&kit.event_callbacks], name, &payload.dict),
        Err(raised) => failures::report_callback(py, state.interpreter, name, raised.take(py)),
    }
}

/// Keywords of an event.
pub struct EventPayload<'py> {
    py: Attached<'py>,
    dict: Owned<'py>,
}

impl<'py> EventPayload<'py> {
    fn new(py: Attached<'py>, state: &RequestState) -> Result<Self> {
        let payload = Self { py, dict: py.dict()? };
        let (id, data) = match &*lock(py, &state.registered) {
            Some(registered) => {
                (registered.id.as_ref().map(|id| id.get(py).own(py)), Some(registered.data.get(py).own(py)))
            }
            None => (None, None),
        };
        if let Some(id) = id {
            payload.put("request_id", &id)?;
        }
        payload.put("request_data", data.as_deref().unwrap_or(py.none()))?;
        Ok(payload)
    }

    fn put(&self, name: &str, value: &Object) -> Result<()> {
        self.dict.dict_set_named(self.py, name, value)
    }

    fn float(&self, name: &str, value: f64) -> Result<()> {
        self.put(name, &*self.py.float(value)?)
    }

    fn int(&self, name: &str, value: u64) -> Result<()> {
        self.put(name, &*self.py.int(i64::try_from(value).unwrap_or(i64::MAX))?)
    }

    fn head(&self, state: &RequestState, head: &RequestHead<'_>, times: &RequestTimes) -> Result<()> {
        self.int("thread_id", state.thread_id.into())?;
        let pid = std::str::from_utf8(head.server_pid).ok().and_then(|pid| pid.parse().ok());
        self.int("server_pid", pid.unwrap_or(0))?;
        self.float("request_start", clock::from_micros(head.request_start_us))?;
        self.float("queue_start", clock::from_micros(head.queue_start_us))?;
        self.float("daemon_start", times.daemon_start)
    }
}

/// `request_started`; returns what a subscriber put in the application's place.
pub fn request_started<'py>(
    py: Attached<'py>,
    state: &RequestState,
    head: &RequestHead<'_>,
    times: &RequestTimes,
    environ: &Object,
    application: &Object,
) -> Option<Owned<'py>> {
    let kit = state.interpreter.kit();
    let fill = || {
        let payload = EventPayload::new(py, state)?;
        payload.head(state, head, times)?;
        payload.int("daemon_connects", head.connects.into())?;
        payload.int("daemon_restarts", head.restarts.into())?;
        payload.float("application_start", times.application_start)?;
        payload.put("application_object", application)?;
        payload.put("callable_object", &*py.latin1(head.callable)?)?;
        payload.put("request_environ", environ)?;
        publish(py, state.interpreter, &[&kit.event_callbacks], "request_started", &payload.dict);
        payload.dict.dict_get(py, &*py.text("application_object")?)
    };
    fill().unwrap_or_else(|raised| {
        failures::report_callback(py, state.interpreter, "request_started", raised.take(py));
        None
    })
}

/// `response_started`: a call of `start_response` that got past its first checks.
pub fn response_started(
    py: Attached<'_>,
    state: &RequestState,
    status: &Object,
    headers: &Object,
    exc_info: Option<&Object>,
) {
    if !has_subscribers(py, state.interpreter.kit()) {
        return;
    }
    request_event(py, state, "response_started", |payload| {
        payload.put("response_status", status)?;
        payload.put("response_headers", headers)?;
        payload.put("exception_info", exc_info.unwrap_or(py.none()))
    });
}

/// `request_exception`.
pub fn request_exception(py: Attached<'_>, state: &RequestState, exception: &Exception<'_>) {
    if !has_subscribers(py, state.interpreter.kit()) {
        return;
    }
    request_event(py, state, "request_exception", |payload| {
        let trace = exception.trace.as_deref().unwrap_or(py.none());
        payload.put("exception_info", &*py.tuple(&[&exception.kind, &exception.value, trace])?)
    });
}

/// `request_finished`.
pub fn request_finished(
    py: Attached<'_>,
    state: &RequestState,
    head: &RequestHead<'_>,
    times: &RequestTimes,
    waits: GilWaits,
) {
    if !has_subscribers(py, state.interpreter.kit()) {
        return;
    }
    request_event(py, state, "request_finished", |payload| {
        let finish = clock::now();
        payload.head(state, head, times)?;
        payload.float("application_finish", finish)?;
        payload.float("application_time", (finish - times.application_start).max(0.0))?;
        payload.float("gil_wait_time", waits.seconds)?;
        payload.int("gil_wait_count", waits.count)?;
        let (reads, length, seconds) = {
            let body = lock(py, &state.body);
            (body.reads, body.length, body.seconds)
        };
        payload.int("input_reads", reads)?;
        payload.int("input_length", length)?;
        payload.float("input_time", seconds)?;
        let (status, produced, writes, seconds) = {
            let response = lock(py, &state.response);
            (response.status, response.produced, response.writes, response.seconds)
        };
        payload.int("output_length", produced)?;
        payload.int("output_writes", writes)?;
        payload.float("output_time", seconds)?;
        payload.int("status", if status == 0 { 500 } else { status.into() })?;
        if let (Some((user, system)), Some(now)) = (times.cpu, clock::thread_cpu()) {
            payload.float("cpu_user_time", now.0 - user)?;
            payload.float("cpu_system_time", now.1 - system)?;
            payload.float("cpu_time", now.0 - user + now.1 - system)?;
        }
        Ok(())
    });
}

/// An event of the process, for the general subscribers and those of `list`.
pub fn process_event(
    py: Attached<'_>,
    interpreter: &Interpreter,
    list: &Stored,
    name: &str,
    keywords: &[(&str, Owned<'_>)],
) {
    let kit = interpreter.kit();
    let payload = py.dict().and_then(|payload| {
        for (key, value) in keywords {
            payload.dict_set_named(py, key, value)?;
        }
        Ok(payload)
    });
    match payload {
        Ok(payload) => publish(py, interpreter, &[&kit.event_callbacks, list], name, &payload),
        Err(raised) => raised.clear(py),
    }
}
