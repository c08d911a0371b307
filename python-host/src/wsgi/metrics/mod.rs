//! `request_metrics()`, `process_metrics()` and `server_metrics()` of the `mod_wsgi` module (spec/behaviour.md §8.4 to
//! §8.6). Nothing is recorded before `start_recording_metrics()`.

mod recorder;
mod server;

pub use server::server_metrics;

use super::clock;
use super::events::RequestTimes;
use super::request::RequestState;
use crate::host::Host;
use crate::interpreter;
use crate::python::trampoline::{CallArguments, none};
use crate::python::{Attached, GilWaits, NumberValues, Object, Owned, Result, TextValues, lock};
use recorder::{MetricsRecorder, MetricsWindow, PHASES, PhaseTime, RequestSample};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use wsgi_protocol::launch::HostMode;
use wsgi_protocol::request::RequestHead;

static RECORDER: Mutex<Option<MetricsRecorder>> = Mutex::new(None);
static RECORDING: AtomicBool = AtomicBool::new(false);

/// Whether requests have to be recorded.
pub fn is_recording() -> bool {
    RECORDING.load(Relaxed)
}

/// What was recorded, for those who report it.
pub struct RecordedMetrics {
    /// The window that has ended.
    pub window: MetricsWindow,
    /// Seconds since the beginning of the request that each thread has, 0 for none; by thread number − 1.
    pub elapsed: Vec<f64>,
    /// Requests completed by each thread since recording began.
    pub totals: Vec<u64>,
}

impl RecordedMetrics {
    fn of(recorder: &MetricsRecorder, window: MetricsWindow, now: f64) -> Self {
        let elapsed = recorder.running.iter().map(|start| start.map_or(0.0, |start| now - start));
        Self { window, elapsed: elapsed.collect(), totals: recorder.totals.clone() }
    }

    /// Requests under way.
    pub fn active(&self) -> u64 {
        self.elapsed.iter().filter(|elapsed| **elapsed > 0.0).count() as u64
    }

    /// Threads that have ever had a request, and those that had one in the window.
    pub fn threads(&self) -> (u64, u64) {
        let ever = self.totals.iter().zip(&self.elapsed).filter(|(total, now)| **total > 0 || **now > 0.0);
        let threads = self.window.threads.iter().zip(&self.elapsed);
        let recent = threads.filter(|(thread, now)| thread.completed > 0 || **now > 0.0);
        (ever.count() as u64, recent.count() as u64)
    }
}

/// Begins to record, for WSGITelemetryService. Without the GIL, before there are requests.
pub fn record(threads: u32) {
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    *recorder = Some(MetricsRecorder::new(clock::now(), clock::process_cpu(), threads as usize));
    RECORDING.store(true, Relaxed);
}

/// Ends a window, without the GIL: whoever has the lock never waits for it.
pub fn take(now: f64, cpu: (f64, f64)) -> Option<RecordedMetrics> {
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = recorder.as_mut()?;
    let window = recorder.cut(now, cpu);
    Some(RecordedMetrics::of(recorder, window, now))
}

/// The same without ending it: the window is empty.
pub fn peek() -> Option<RecordedMetrics> {
    let recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    Some(RecordedMetrics::of(recorder.as_ref()?, MetricsWindow::default(), clock::now()))
}

/// Whether what is recorded is for WSGITelemetryService: then `request_metrics()` and `process_metrics()` have nothing.
fn is_taken(py: Attached<'_>) -> bool {
    host(py).is_some_and(|host| host.launch().telemetry.is_some())
}

/// The place of a request thread; thread 0 is the main thread, which runs requests on prefork only.
fn place(state: &RequestState) -> usize {
    state.thread_id.saturating_sub(1) as usize
}

/// A request begins.
pub fn begin(py: Attached<'_>, state: &RequestState, times: &RequestTimes) {
    if let Some(recorder) = lock(py, &RECORDER).as_mut() {
        recorder.begin(place(state), times.application_start);
    }
}

/// It has ended.
///
/// `failed` is the status that httpd answers with instead of the application.
pub fn end(
    py: Attached<'_>,
    state: &RequestState,
    head: &RequestHead<'_>,
    (times, waits): (&RequestTimes, GilWaits),
    failed: Option<u16>,
) {
    let mut sample = sample(py, state, head, times, waits);
    sample.status = failed.unwrap_or(sample.status);
    if let Some(recorder) = lock(py, &RECORDER).as_mut() {
        recorder.end(place(state), &sample);
    }
}

fn sample(
    py: Attached<'_>,
    state: &RequestState,
    head: &RequestHead<'_>,
    times: &RequestTimes,
    waits: GilWaits,
) -> RequestSample {
    let end = clock::now();
    let (request, queue) =
        (clock::from_micros(head.request_start_us), clock::from_micros(head.queue_start_us));
    let application = (end - times.application_start).max(0.0);
    let before = (times.application_start - request).max(0.0);
    let daemon = state.interpreter.host.launch().mode == HostMode::Daemon;
    let (input, read) = {
        let body = lock(py, &state.body);
        ((body.length, body.reads), body.seconds)
    };
    let response = lock(py, &state.response);
    let cpu = times.cpu.zip(clock::thread_cpu()).map_or(0.0, |(then, now)| now.0 - then.0 + now.1 - then.1);
    RequestSample {
        phases: [
            Some(if daemon { queue - request } else { before }),
            daemon.then_some(times.daemon_start - queue),
            daemon.then_some(times.application_start - times.daemon_start),
            Some(application),
            Some(before + application),
            Some(waits.seconds),
            Some(read),
            Some(response.seconds),
        ],
        gil_waits: waits.count,
        status: response.status,
        input,
        output: (response.produced, response.writes),
        cpu,
        end,
    }
}

/// `start_recording_metrics()`
pub fn start_recording<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    none(py, "start_recording_metrics", arguments)?;
    let threads = host(py).map_or(0, |host| host.launch().threads as usize);
    let mut recorder = lock(py, &RECORDER);
    if recorder.is_none() {
        *recorder = Some(MetricsRecorder::new(clock::now(), clock::process_cpu(), threads));
        RECORDING.store(true, Relaxed);
    }
    drop(recorder);
    Ok(py.none().own(py))
}

/// A process that was forked off begins with its own times, if recording was switched on before the fork.
pub fn begin_again(py: Attached<'_>, threads: u32) {
    if let Some(recorder) = lock(py, &RECORDER).as_mut() {
        *recorder = MetricsRecorder::new(clock::now(), clock::process_cpu(), threads as usize);
    }
}

fn host(py: Attached<'_>) -> Option<&'static Host> {
    interpreter::current(py).map(|interpreter| interpreter.host)
}

/// A dict under construction.
struct DictBuilder<'py>(Attached<'py>, Owned<'py>);

impl DictBuilder<'_> {
    fn put(&self, name: &str, value: &Object) -> Result<()> {
        self.1.dict_set_named(self.0, name, value)
    }

    fn float(&self, name: &str, value: f64) -> Result<()> {
        self.put(name, &*self.0.float(value)?)
    }

    fn int(&self, name: &str, value: u64) -> Result<()> {
        self.put(name, &*self.0.int(i64::try_from(value).unwrap_or(i64::MAX))?)
    }

    fn floats(&self, name: &str, values: impl Iterator<Item = f64>) -> Result<()> {
        let list = self.0.list(&[])?;
        values.into_iter().try_for_each(|value| list.list_append(&*self.0.float(value)?))?;
        self.put(name, &list)
    }

    fn ints(&self, name: &str, values: impl Iterator<Item = u64>) -> Result<()> {
        let list = self.0.list(&[])?;
        values.into_iter().try_for_each(|value| list.list_append(&*self.0.int(value as i64)?))?;
        self.put(name, &list)
    }

    fn memory(&self) -> Result<()> {
        self.int("memory_max_rss", clock::largest_memory())?;
        self.int("memory_rss", clock::memory())
    }
}

/// `request_metrics()`: what happened since the last call.
pub fn request_metrics<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    none(py, "request_metrics", arguments)?;
    if is_taken(py) {
        return Ok(py.none().own(py));
    }
    let (now, cpu) = (clock::now(), clock::process_cpu());
    let cut = lock(py, &RECORDER).as_mut().map(|recorder| {
        let window = recorder.cut(now, cpu);
        let elapsed = recorder.running.iter().map(|start| start.map_or(0.0, |start| now - start));
        (window, elapsed.collect::<Vec<_>>(), recorder.totals.clone())
    });
    let Some((window, elapsed, totals)) = cut else { return Ok(py.none().own(py)) };
    let table = DictBuilder(py, py.dict()?);
    let period = (now - window.start).max(f64::MIN_POSITIVE);
    table.int("pid", std::process::id().into())?;
    table.float("start_time", window.start)?;
    table.float("stop_time", now)?;
    table.float("sample_period", now - window.start)?;
    let (user, system) = ((cpu.0 - window.cpu.0) / period, (cpu.1 - window.cpu.1) / period);
    for (name, value) in [("user_", user), ("system_", system), ("", user + system)] {
        table.float(&format!("cpu_{name}utilization"), value)?;
        table.float(&format!("cpu_{name}time"), value)?;
    }
    table.memory()?;
    capacity(&table, &window, period, &elapsed, &totals)?;
    traffic(&table, &window)?;
    let daemon = host(py).is_some_and(|host| host.launch().mode == HostMode::Daemon);
    for (name, phase) in PHASES.iter().zip(&window.phases) {
        phase_metrics(&table, name, phase, daemon || !matches!(*name, "queue_time" | "daemon_time"))?;
    }
    Ok(table.1)
}

fn capacity(
    table: &DictBuilder<'_>,
    window: &MetricsWindow,
    period: f64,
    elapsed: &[f64],
    totals: &[u64],
) -> Result<()> {
    let threads = &window.threads;
    let started = totals.iter().zip(elapsed).filter(|(total, elapsed)| **total > 0 || **elapsed > 0.0);
    table.int("request_threads_maximum", threads.len() as u64)?;
    table.int("request_threads_started", started.count() as u64)?;
    let active =
        threads.iter().zip(elapsed).filter(|(thread, elapsed)| thread.completed > 0 || **elapsed > 0.0);
    table.int("request_threads_active", active.count() as u64)?;
    let busy: f64 = threads.iter().map(|thread| thread.busy).sum();
    table.float("capacity_utilization", busy / period / threads.len().max(1) as f64)?;
    table.int("request_count", window.requests)?;
    table.float("request_throughput", window.requests as f64 / period)?;
    for name in ["request_threads_completed", "request_threads_buckets"] {
        table.ints(name, threads.iter().map(|thread| thread.completed))?;
    }
    table.floats("request_threads_busy_time", threads.iter().map(|thread| thread.busy))?;
    table.floats("request_threads_cpu_time", threads.iter().map(|thread| thread.cpu))?;
    table.floats("request_threads_current_elapsed", elapsed.iter().copied())?;
    table.floats("request_threads_max_duration", threads.iter().map(|thread| thread.longest))
}

fn traffic(table: &DictBuilder<'_>, window: &MetricsWindow) -> Result<()> {
    for (class, count) in window.classes.iter().enumerate() {
        table.int(&format!("status_{}xx", class + 1), *count)?;
    }
    table.int("input_bytes", window.input.0)?;
    table.int("input_reads", window.input.1)?;
    table.int("output_bytes", window.output.0)?;
    table.int("output_writes", window.output.1)?;
    table.int("gil_wait_count", window.gil_waits)
}

fn phase_metrics(table: &DictBuilder<'_>, name: &str, phase: &PhaseTime, exists: bool) -> Result<()> {
    let none = table.0.none();
    if exists {
        table.float(name, phase.mean())?;
    } else {
        table.put(name, none)?;
    }
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    match phase.extremes {
        Some((least, most)) => {
            table.int(&format!("{name}_min_us"), micros(least))?;
            table.int(&format!("{name}_max_us"), micros(most))?;
        }
        None => {
            table.put(&format!("{name}_min_us"), none)?;
            table.put(&format!("{name}_max_us"), none)?;
        }
    }
    table.ints(&format!("{name}_buckets"), phase.buckets.iter().copied())
}

/// `process_metrics()`: totals since recording began, and the process itself.
pub fn process_metrics<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    none(py, "process_metrics", arguments)?;
    if is_taken(py) {
        return Ok(py.none().own(py));
    }
    let now = clock::now();
    let totals = lock(py, &RECORDER).as_ref().map(|recorder| {
        let running = recorder.running.iter().flatten();
        let under_way: f64 = running.clone().map(|start| now - start).sum();
        (recorder.totals.clone(), recorder.busy + under_way, running.count() as u64)
    });
    let Some((totals, busy, active)) = totals else { return Ok(py.none().own(py)) };
    let table = DictBuilder(py, py.dict()?);
    let started = host(py).map_or(now, Host::started);
    table.int("pid", std::process::id().into())?;
    table.float("request_busy_time", busy)?;
    table.int("request_count", totals.iter().sum())?;
    table.memory()?;
    let (user, system) = clock::process_cpu();
    table.float("cpu_user_time", user)?;
    table.float("cpu_system_time", system)?;
    table.float("cpu_time", user + system)?;
    table.float("restart_time", started)?;
    table.float("current_time", now)?;
    table.int("running_time", (now - started) as u64)?;
    table.int("request_threads", totals.len() as u64)?;
    table.int("active_requests", active)?;
    let threads = py.list(&[])?;
    for (place, count) in totals.iter().enumerate() {
        let thread = DictBuilder(py, py.dict()?);
        thread.int("thread_id", place as u64 + 1)?;
        thread.int("request_count", *count)?;
        threads.list_append(&thread.1)?;
    }
    table.put("threads", &threads)?;
    Ok(table.1)
}
