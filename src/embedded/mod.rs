//! Embedded mode: libpython and the host library opened at run time, only in children that need them, and the
//! calls into the host (wsgi_protocol::abi).

mod exchange;
#[allow(unsafe_code)]
mod from_host;
#[allow(unsafe_code)]
mod loaded;

use crate::config::{self, ConfigState};
use crate::generation::runtime::ChildRuntime;
use crate::httpd::answer::{HANDLED, INTERNAL_ERROR};
use crate::httpd::request::Request;
use crate::httpd::server::{Server, query_mpm};
use crate::job::RequestJob;
use crate::{buffered, messages, metrics, respond};
use apr_sys as sys;
use exchange::RequestHandle;
use loaded::{LoadedHost, MainThread};
use std::ffi::c_int;
use std::path::Path;
use std::sync::OnceLock;
use wsgi_plan::EmbeddedSettings;
use wsgi_protocol::abi;
use wsgi_protocol::call::ScriptVerdict;
use wsgi_protocol::events;
use wsgi_protocol::launch;
use wsgi_protocol::metrics::{RequestOutcome, ThreadStage};

/// The host of this child, or why there is none.
static HOST: OnceLock<Result<LoadedHost, String>> = OnceLock::new();

/// Sets Python up on the calling thread, the child's main thread.
pub fn start_in_child(main: Server<'_>) {
    let Some(runtime) = config::runtime() else { return };
    if let Err(reason) = HOST.get_or_init(|| start_configured(runtime, MainThread::This)) {
        let line = wsgi_plan::messages::embedded_cannot_start(reason);
        main.log_event(&events::EMBEDDED_UNUSABLE, &line);
    }
}

fn start_configured(runtime: &ChildRuntime, thread: MainThread) -> Result<LoadedHost, String> {
    match &runtime.embedded {
        Some(embedded) => start(embedded, &runtime.host_library, thread),
        None => Err("WSGIRestrictEmbedded rules it out and nothing asks for it".to_owned()),
    }
}

/// The host of this child, started now if this is the first request that needs it. Python's main thread must not be a
/// request thread.
fn host_of(runtime: &'static ChildRuntime) -> Result<LoadedHost, String> {
    HOST.get_or_init(|| start_configured(runtime, MainThread::Apart)).clone()
}

fn start(embedded: &EmbeddedSettings, host_library: &Path, thread: MainThread) -> Result<LoadedHost, String> {
    let library = embedded.library.as_ref().map_err(Clone::clone)?;
    let host = LoadedHost::open(library, host_library)?;
    // What `mod_wsgi.maximum_processes` says is how many children there have been at most, when this one was made.
    let mut launch = embedded.launch.clone();
    launch.processes = query_mpm(sys::AP_MPMQ_MAX_DAEMON_USED).unwrap_or(1).max(1);
    let message = launch::encode(&launch).map_err(|e| e.to_string())?;
    match host.start(&message, thread) {
        true => Ok(host),
        false => Err("Python could not be initialised; the lines above this one say why".to_owned()),
    }
}

/// The child ends.
pub fn stop() {
    if let Some(Ok(host)) = HOST.get() {
        host.stop();
    }
}

/// Runs a request in this child.
pub fn run(
    job: &mut RequestJob<'_>,
    state: &'static ConfigState,
    application: &[u8],
    callable: &[u8],
) -> c_int {
    let group = state.runtime.as_ref().and_then(|runtime| runtime.embedded_metrics);
    let recording = metrics::RequestRecording::begin(job.r, group);
    let status = serve(job, state, application, callable);
    if let Some(recording) = recording {
        recording.end(status);
    }
    status
}

fn serve(
    job: &mut RequestJob<'_>,
    state: &'static ConfigState,
    application: &[u8],
    callable: &[u8],
) -> c_int {
    if state.global.restrict_embedded == Some(true) {
        metrics::note_outcome(RequestOutcome::Rejected);
        job.fail(messages::EMBEDDED_OFF.0, messages::EMBEDDED_OFF.1);
        return INTERNAL_ERROR;
    }
    let host = match host(state) {
        Ok(host) => host,
        Err(reason) => {
            let message = messages::no_python(&reason);
            metrics::note_outcome(RequestOutcome::Unavailable);
            job.fail(message.0, &message.1);
            return INTERNAL_ERROR;
        }
    };
    let body = match buffered::receive(job) {
        Ok(body) => body,
        Err(status) => return status,
    };
    let mut payload = Vec::with_capacity(4096);
    let address = crate::environ::decimal(job.r.raw().addr() as u64);
    job.encode(&mut payload, application, callable, address.as_bytes());
    let mut handle = RequestHandle::new(job.r, job.has_body(), body, job.config.enable_sendfile);
    let began = metrics::clock();
    metrics::note_stage(ThreadStage::Running);
    let outcome = host.request(&mut handle, &payload);
    metrics::note_embedded(began);
    if handle.answered {
        return HANDLED;
    }
    match outcome {
        abi::OK => {
            let is_read = handle.is_read();
            respond::finish(job.r, &mut handle.out, is_read);
            HANDLED
        }
        status if status > 0 && !handle.committed => status,
        _ if handle.committed => {
            respond::break_off(job.r, &mut handle.out);
            HANDLED
        }
        _ => INTERNAL_ERROR,
    }
}

/// The host of this child, started now if need be.
fn host(state: &'static ConfigState) -> Result<LoadedHost, String> {
    state.runtime.as_ref().ok_or_else(|| "the start of mod_wsgi failed".to_owned()).and_then(host_of)
}

/// What a host script said: its verdict, and its answers in order with the number of each.
pub type ScriptAnswer = (ScriptVerdict, Vec<(u32, Vec<u8>)>);

/// Asks a host script about a request; `payload` is a [`wsgi_protocol::call`] payload. What fails has been logged.
pub fn call(r: Request<'_>, state: &'static ConfigState, payload: &[u8]) -> ScriptAnswer {
    let host = match host(state) {
        Ok(host) => host,
        Err(reason) => {
            let message = messages::no_python(&reason);
            r.log_event(message.0, &messages::about(r.filename(), message.0, message.1));
            return (ScriptVerdict::Failed, Vec::new());
        }
    };
    let mut handle = RequestHandle::new(r, false, None, false);
    let verdict = host.call(&mut handle, payload);
    (ScriptVerdict::from_number(verdict), handle.take_answers())
}
