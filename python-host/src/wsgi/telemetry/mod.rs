//! WSGITelemetryService: a thread that sends what was recorded to a datagram socket, as the telemetry program of mod_wsgi reads
//! it (spec/observability.md §7). It never runs Python, and waits for nobody: what cannot be delivered is lost.

mod wire;

use super::clock;
use super::metrics::{self, RecordedMetrics};
use crate::host::Host;
use crate::scheduler::block_signals;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use wire::{FieldKind, TelemetryDatagram};
use wsgi_protocol::launch::{HostMode, TelemetryService};
use wsgi_system::options::set_send_buffer;

/// Room for what is not read yet.
const SEND_BUFFER: usize = 65536;

/// Python's own switch interval.
const SWITCH_INTERVAL: f64 = 0.005;

/// The reporter of this process.
static REPORTER: OnceLock<TelemetryReporter> = OnceLock::new();

struct TelemetryReporter {
    host: &'static Host,
    socket: UnixDatagram,
    sequence: AtomicU32,
    is_stopped: AtomicBool,
    reason: OnceLock<String>,
    /// Requests under way when the end was decided.
    active: AtomicU64,
    host_name: Vec<u8>,
    /// As `3.11.2`; asked for once, because the unit tests of what ends a process link no Python.
    python: &'static [u8],
}

/// Begins to record and to report, where the directive says so. Called before the first request.
pub fn start(host: &'static Host) {
    let Some(settings) = &host.launch().telemetry else { return };
    metrics::record(host.launch().threads);
    let Ok(socket) = open() else { return };
    let reporter = TelemetryReporter {
        host,
        socket,
        sequence: AtomicU32::new(0),
        is_stopped: AtomicBool::new(false),
        reason: OnceLock::new(),
        active: AtomicU64::new(0),
        host_name: host_name(),
        python: python_version(),
    };
    if REPORTER.set(reporter).is_err() {
        return;
    }
    let Some(reporter) = REPORTER.get() else { return };
    reporter.started(settings);
    let interval = Duration::from_millis(settings.interval);
    let body = move || {
        block_signals();
        loop {
            std::thread::sleep(interval);
            reporter.sample(settings);
        }
    };
    // Without it the process serves as well, and says nothing.
    let _ = std::thread::Builder::new().name("wsgi-telemetry".to_owned()).spawn(body);
}

/// It is decided that the process ends.
pub fn stopping(reason: &str) {
    let Some(reporter) = REPORTER.get() else { return };
    if reporter.reason.set(reason.to_owned()).is_err() {
        return;
    }
    let active = metrics::peek().map_or(0, |recorded| recorded.active());
    reporter.active.store(active, Relaxed);
    let mut datagram = reporter.begin(FieldKind::Stopping, clock::now());
    datagram.text(5, &reporter.host_name);
    reporter.name_group(&mut datagram);
    datagram.text(130, reason.as_bytes());
    datagram.integer(133, active);
    reporter.send(datagram, reporter.settings());
}

/// The process ends now; told once.
pub fn stopped() {
    let Some(reporter) = REPORTER.get() else { return };
    if reporter.is_stopped.swap(true, Relaxed) {
        return;
    }
    reporter.sample_of(reporter.settings());
    let recorded = metrics::peek();
    let left = recorded.as_ref().map_or(0, RecordedMetrics::active);
    let now = clock::now();
    let mut datagram = reporter.begin(FieldKind::Stopped, now);
    datagram.text(5, &reporter.host_name);
    reporter.name_group(&mut datagram);
    datagram.text(130, reporter.reason.get().map_or(&b""[..], |reason| reason.as_bytes()));
    datagram.float(131, now - reporter.host.started());
    datagram.integer(132, recorded.as_ref().map_or(0, |recorded| recorded.totals.iter().sum()));
    datagram.integer(133, reporter.active.load(Relaxed));
    datagram.integer(134, left);
    datagram.integer(135, u64::from(left == 0));
    reporter.send(datagram, reporter.settings());
}

fn open() -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    // A smaller one does as well.
    set_send_buffer(socket.as_fd(), SEND_BUFFER);
    Ok(socket)
}

fn host_name() -> Vec<u8> {
    wsgi_system::process::host_name()
}

impl TelemetryReporter {
    fn settings(&self) -> Option<&TelemetryService> {
        self.host.launch().telemetry.as_ref()
    }

    fn begin(&self, kind: FieldKind, stamp: f64) -> TelemetryDatagram {
        let sequence = self.sequence.fetch_add(1, Relaxed).wrapping_add(1);
        TelemetryDatagram::new(kind, std::process::id(), sequence, stamp)
    }

    fn send(&self, datagram: TelemetryDatagram, settings: Option<&TelemetryService>) {
        if let (Some(bytes), Some(settings)) = (datagram.finish(), settings) {
            // By name each time: the reader may come, go and come again.
            let _ = self.socket.send_to(&bytes, Path::new(OsStr::from_bytes(&settings.path)));
        }
    }

    /// Who it is.
    fn identify(&self, datagram: &mut TelemetryDatagram) {
        let launch = self.host.launch();
        let (major, minor, micro) = launch.version;
        datagram.text(1, format!("{major}.{minor}.{micro}").as_bytes());
        datagram.text(2, self.python);
        datagram.text(3, &launch.httpd.description);
        datagram.text(4, &launch.httpd.mpm_name);
        datagram.text(5, &self.host_name);
        self.name_group(datagram);
        datagram.integer(7, u64::from(std::os::unix::process::parent_id()));
    }

    /// Embedded mode has none, as with the original.
    fn name_group(&self, datagram: &mut TelemetryDatagram) {
        let group = &self.host.launch().group;
        if !group.is_empty() {
            datagram.text(6, group);
        }
    }

    fn switch_interval(&self) -> f64 {
        self.host.launch().switch_interval.unwrap_or(SWITCH_INTERVAL)
    }

    fn started(&self, settings: &TelemetryService) {
        let mut datagram = self.begin(FieldKind::Started, self.host.started());
        self.identify(&mut datagram);
        datagram.float(13, self.switch_interval());
        self.send(datagram, Some(settings));
    }

    /// What happened since the last time, unless the end has been told.
    fn sample(&self, settings: &TelemetryService) {
        if !self.is_stopped.load(Relaxed) {
            self.sample_of(Some(settings));
        }
    }

    fn sample_of(&self, settings: Option<&TelemetryService>) {
        let Some(settings) = settings else { return };
        let (now, cpu) = (clock::now(), clock::process_cpu());
        let Some(recorded) = metrics::take(now, cpu) else { return };
        let window = &recorded.window;
        let mut datagram = self.begin(FieldKind::Sample, now);
        self.identify(&mut datagram);
        let period = (now - window.start).max(1e-6);
        datagram.float(10, period);
        datagram.float(11, settings.interval as f64 / 1e3);
        datagram.float(12, self.host.launch().timers.slow_request as f64 / 1e3);
        datagram.float(13, self.switch_interval());
        datagram.integer(20, window.requests);
        datagram.float(21, window.requests as f64 / period);
        let busy: f64 = window.threads.iter().map(|thread| thread.busy).sum();
        datagram.float(22, busy / period / window.threads.len().max(1) as f64);
        let (user, system) = ((cpu.0 - window.cpu.0) / period, (cpu.1 - window.cpu.1) / period);
        for (id, rate) in [(30, user), (31, system), (32, user + system)] {
            datagram.float(id, rate);
        }
        datagram.integer(40, clock::memory());
        datagram.integer(41, clock::largest_memory());
        let (started, active) = recorded.threads();
        datagram.integer(50, window.threads.len() as u64);
        datagram.integer(51, started);
        datagram.integer(52, active);
        self.times(&mut datagram, &recorded);
        traffic(&mut datagram, &recorded);
        self.send(datagram, Some(settings));
    }

    fn times(&self, datagram: &mut TelemetryDatagram, recorded: &RecordedMetrics) {
        let window = &recorded.window;
        let in_daemon = self.host.launch().mode == HostMode::Daemon && window.requests > 0;
        for (number, phase) in (0..).zip(&window.phases) {
            // Queue and daemon.
            if matches!(number, 1 | 2) && !in_daemon {
                continue;
            }
            datagram.float(60 + number, phase.mean());
            if let Some((least, most)) = phase.extremes {
                datagram.float(70 + number, least);
                datagram.float(80 + number, most);
            }
            datagram.integers(90 + number, phase.buckets.iter().copied());
        }
    }
}

fn traffic(datagram: &mut TelemetryDatagram, recorded: &RecordedMetrics) {
    let window = &recorded.window;
    for (id, value) in (100..).zip([window.input.0, window.input.1, window.output.0, window.output.1]) {
        datagram.integer(id, value);
    }
    datagram.integers(110, window.threads.iter().map(|thread| thread.completed));
    datagram.floats(111, window.threads.iter().map(|thread| thread.busy));
    datagram.floats(112, window.threads.iter().map(|thread| thread.cpu));
    datagram.floats(113, recorded.elapsed.iter().copied());
    datagram.floats(114, window.threads.iter().map(|thread| thread.longest));
    for (id, count) in (120..).zip(window.classes) {
        datagram.integer(id, count);
    }
}

/// `3.11.2`.
fn python_version() -> &'static [u8] {
    crate::python::version_text().split(|byte| *byte == b' ').next().unwrap_or_default()
}
