//! The report for Prometheus: OpenMetrics 1.0, or the older text format 0.0.4. Names and labels: docs/observability.md.

use crate::{GroupReport, ReportQuery, StatusReport};
use std::fmt::Write;
use wsgi_protocol::metrics::{BOUNDS_US, Distribution, OUTCOMES, RequestPhase, STOPS, stop_name};

/// The two text formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

/// What a family is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MetricKind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// Label of the group in all families.
const GROUP: &str = "wsgi_process_group";

/// Writes families one after the other.
struct FamilyWriter {
    out: String,
    exposition: ExpositionFormat,
    suffix: &'static str,
    name: &'static str,
}

type MetricLabels<'a> = &'a [(&'a str, &'a str)];

impl FamilyWriter {
    /// Begins a family; `name` is without `_total` and `_info`.
    fn family(&mut self, name: &'static str, kind: MetricKind, help: &str) {
        self.name = name;
        self.suffix = match kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            MetricKind::Gauge | MetricKind::Histogram => "",
        };
        let is_open = self.exposition == ExpositionFormat::OpenMetrics;
        let declared = if is_open { "" } else { self.suffix };
        let word = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Info if is_open => "info",
            MetricKind::Info => "gauge",
        };
        self.line(format_args!("# TYPE {name}{declared} {word}"));
        let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit));
        if let Some(unit) = unit.filter(|_| is_open) {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name}{declared} {help}"));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.out, "{text}"); // writing to a String cannot fail
    }

    fn sample(&mut self, labels: MetricLabels<'_>, value: f64) {
        let suffix = self.suffix;
        self.write(suffix, labels, value);
    }

    fn write(&mut self, suffix: &str, labels: MetricLabels<'_>, value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let name = self.name;
        self.line(format_args!("{name}{suffix}{labels} {value}"));
    }

    fn histogram(&mut self, labels: MetricLabels<'_>, of: &Distribution) {
        let mut cumulative = 0u64;
        for (index, count) in of.buckets.iter().enumerate() {
            cumulative = cumulative.wrapping_add(*count);
            let bound = BOUNDS_US.get(index).map_or("+Inf".to_owned(), |us| bound(*us));
            let all: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.write("_bucket", &all, cumulative as f64);
        }
        self.write("_sum", labels, of.sum_ns as f64 / 1e9);
        self.write("_count", labels, cumulative as f64);
    }
}

/// A bound in seconds: always with a point, as OpenMetrics wants it.
fn bound(us: u64) -> String {
    let text = (us as f64 / 1e6).to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The report as text.
#[must_use]
pub fn expose(report: &StatusReport, query: &ReportQuery, exposition: ExpositionFormat) -> String {
    let mut w = FamilyWriter { out: String::with_capacity(16 * 1024), exposition, suffix: "", name: "" };
    let groups =
        report.groups.iter().filter(|group| query.group.as_ref().is_none_or(|name| *name == group.name));
    let groups: Vec<&GroupReport> = groups.collect();
    requests(&mut w, &groups);
    waiting(&mut w, &groups);
    capacity(&mut w, &groups);
    resources(&mut w, &groups, query.per_process);
    lifecycle(&mut w, &groups);
    server(&mut w, report, &groups);
    if exposition == ExpositionFormat::OpenMetrics {
        w.out.push_str("# EOF\n");
    }
    w.out
}

fn requests(w: &mut FamilyWriter, groups: &[&GroupReport]) {
    w.family(
        "http_server_request_duration_seconds",
        MetricKind::Histogram,
        "Time of requests in the handler, until the response has been passed on.",
    );
    for group in groups {
        w.histogram(&[(GROUP, &group.name)], group.totals.phase(RequestPhase::Request));
    }
    w.family(
        "wsgi_requests",
        MetricKind::Counter,
        "Requests by class of the status; a response that breaks off counts as 5xx.",
    );
    for group in groups {
        for (class, count) in (1..).zip(group.totals.classes) {
            w.sample(&[(GROUP, &group.name), ("status_class", &format!("{class}xx"))], count as f64);
        }
    }
    w.family(
        "wsgi_io_bytes",
        MetricKind::Counter,
        "Bytes of request bodies read and response bodies written.",
    );
    for group in groups {
        let (read, write) = group.totals.bytes;
        w.sample(&[(GROUP, &group.name), ("direction", "read")], read as f64);
        w.sample(&[(GROUP, &group.name), ("direction", "write")], write as f64);
    }
}

fn waiting(w: &mut FamilyWriter, groups: &[&GroupReport]) {
    w.family(
        "wsgi_request_phase_duration_seconds",
        MetricKind::Histogram,
        "Parts of requests: waiting for a thread, and in the application.",
    );
    for group in groups {
        for phase in [RequestPhase::Queue, RequestPhase::Application] {
            w.histogram(&[(GROUP, &group.name), ("phase", phase.name())], group.totals.phase(phase));
        }
    }
    w.family(
        "wsgi_request_gil_wait_seconds",
        MetricKind::Histogram,
        "Waiting for the GIL per request, before and during it; a lower bound.",
    );
    for group in groups.iter().filter(|group| !group.is_embedded) {
        w.histogram(&[(GROUP, &group.name)], group.totals.phase(RequestPhase::Gil));
    }
    w.family("wsgi_dispatch_requests", MetricKind::Counter, "Requests by what became of them.");
    for group in groups {
        for (outcome, name) in OUTCOMES {
            w.sample(
                &[(GROUP, &group.name), ("outcome", name)],
                group.totals.outcomes[outcome as usize] as f64,
            );
        }
    }
}

fn gauge(
    w: &mut FamilyWriter,
    groups: &[&GroupReport],
    (name, help): (&'static str, &str),
    value: impl Fn(&GroupReport) -> f64,
) {
    w.family(name, MetricKind::Gauge, help);
    for group in groups {
        w.sample(&[(GROUP, &group.name)], value(group));
    }
}

fn capacity(w: &mut FamilyWriter, groups: &[&GroupReport]) {
    let g = |w: &mut FamilyWriter, name, value: fn(&GroupReport) -> f64| gauge(w, groups, name, value);
    g(w, ("wsgi_dispatch_inflight", "Requests under way."), |group| f64::from(group.busy() + group.queue()));
    g(w, ("wsgi_queue_depth", "Requests under way beyond those that can run at once."), |group| {
        f64::from(group.queue())
    });
    g(
        w,
        (
            "wsgi_threads_limit",
            "Threads of all processes; ASGI: requests that their event loops run at once.",
        ),
        |group| f64::from(group.limit()),
    );
    g(w, ("wsgi_threads_busy", "Threads with a request; ASGI: requests on event loops."), |group| {
        f64::from(group.busy())
    });
    g(w, ("wsgi_processes_limit", "Processes that the group shall have."), |group| f64::from(group.wanted));
    g(
        w,
        ("wsgi_oldest_request_age_seconds", "Age of the oldest request under way that is no WebSocket."),
        GroupReport::oldest,
    );
    g(w, ("wsgi_websockets", "Open WebSockets."), |group| f64::from(group.websockets()));
    let limit = ("wsgi_websockets_limit", "Most WebSockets that can be open (max-websockets=).");
    g(w, limit, |group| f64::from(group.websockets_limit()));
    let relayed = ("wsgi_websockets_relayed", "Those that httpd relays, with a thread for each.");
    g(w, relayed, |group| f64::from(group.websockets_relayed()));
    w.family(
        "wsgi_thread_busy_seconds",
        MetricKind::Counter,
        "Time that threads, or event loops, have had requests that have ended.",
    );
    for group in groups {
        w.sample(&[(GROUP, &group.name)], group.totals.phase(RequestPhase::Application).sum_ns as f64 / 1e9);
    }
    w.family("wsgi_processes", MetricKind::Gauge, "Processes by state.");
    for group in groups.iter().filter(|group| !group.is_embedded) {
        for state in ["serving", "starting", "failed", "service"] {
            let count = group.processes.iter().filter(|process| process.state == state).count();
            w.sample(&[(GROUP, &group.name), ("state", state)], count as f64);
        }
    }
}

fn resources(w: &mut FamilyWriter, groups: &[&GroupReport], per_process: bool) {
    let daemons: Vec<&GroupReport> = groups.iter().copied().filter(|group| !group.is_embedded).collect();
    w.family(
        "wsgi_process_cpu_seconds",
        MetricKind::Counter,
        "CPU of the processes, also of those that have ended.",
    );
    for group in &daemons {
        w.sample(&[(GROUP, &group.name), ("cpu_mode", "user")], group.cpu_us.0 as f64 / 1e6);
        w.sample(&[(GROUP, &group.name), ("cpu_mode", "system")], group.cpu_us.1 as f64 / 1e6);
    }
    w.family("wsgi_process_resident_memory_bytes", MetricKind::Gauge, "Resident memory.");
    for group in &daemons {
        if !per_process {
            w.sample(&[(GROUP, &group.name)], group.rss() as f64);
        }
        for process in group.processes.iter().filter(|_| per_process) {
            w.sample(
                &[(GROUP, &group.name), ("wsgi_process", &process.place.to_string())],
                process.rss as f64,
            );
        }
    }
    if !per_process {
        return;
    }
    w.family("wsgi_process_inflight", MetricKind::Gauge, "Requests under way at a process.");
    for group in &daemons {
        for process in &group.processes {
            let labels = [(GROUP, group.name.as_str()), ("wsgi_process", &process.place.to_string())];
            w.sample(&labels, f64::from(process.in_flight));
        }
    }
}

fn lifecycle(w: &mut FamilyWriter, groups: &[&GroupReport]) {
    let daemons: Vec<&GroupReport> = groups.iter().copied().filter(|group| !group.is_embedded).collect();
    let mut counter = |name, help, value: fn(&GroupReport) -> u64| {
        w.family(name, MetricKind::Counter, help);
        for group in &daemons {
            w.sample(&[(GROUP, &group.name)], value(group) as f64);
        }
    };
    counter("wsgi_process_starts", "Processes started.", |group| group.lifecycle.starts);
    counter("wsgi_application_reloads", "Reloads of changed code that serves now.", |group| {
        group.lifecycle.reloads.0.into()
    });
    counter(
        "wsgi_application_load_failures",
        "Reloads of changed code that failed; the old code serves on.",
        |group| group.lifecycle.reloads.1.into(),
    );
    w.family(
        "wsgi_process_stops",
        MetricKind::Counter,
        "Processes that have ended, by reason, and whether in order.",
    );
    for group in &daemons {
        for (graceful, row) in ["0", "1"].iter().zip(&group.lifecycle.stops) {
            // All rows from the beginning, so that an increase from nothing is seen.
            for (reason, count) in row.iter().enumerate().take(STOPS) {
                let labels =
                    [(GROUP, group.name.as_str()), ("reason", stop_name(reason)), ("graceful", graceful)];
                w.sample(&labels, *count as f64);
            }
        }
    }
}

fn server(w: &mut FamilyWriter, report: &StatusReport, groups: &[&GroupReport]) {
    let server = &report.server;
    w.family("wsgi_build", MetricKind::Info, "Versions.");
    let labels =
        [("version", server.version.as_str()), ("apache_version", &server.httpd), ("mpm", &server.mpm)];
    w.sample(&labels, 1.0);
    w.family("wsgi_process_group", MetricKind::Info, "Groups.");
    for group in groups {
        let mode = if group.is_embedded { "embedded" } else { "daemon" };
        let python = group.python.as_deref().unwrap_or_default();
        w.sample(&[(GROUP, &group.name), ("mode", mode), ("python_version", python)], 1.0);
    }
    let mut plain = |name, help, value: f64| {
        w.family(name, MetricKind::Gauge, help);
        w.sample(&[], value);
    };
    plain("wsgi_server_start_time_seconds", "Start of httpd.", server.started_us as f64 / 1e6);
    plain(
        "wsgi_config_last_reload_success_timestamp_seconds",
        "Start of the current configuration.",
        server.configured_us as f64 / 1e6,
    );
    plain(
        "wsgi_server_draining",
        "1 while an operator drains the server, or it stops.",
        f64::from(u8::from(server.is_draining())),
    );
    plain("wsgi_server_generation", "Number of the configuration.", f64::from(server.generation));
    plain(
        "wsgi_scrape_duration_seconds",
        "Time that it took to collect all this.",
        server.took_us as f64 / 1e6,
    );
    plain("wsgi_metrics_layout_version", "Version of names and labels.", 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn text(exposition: ExpositionFormat) -> String {
        expose(&sample(), &ReportQuery::read(b"", b""), exposition)
    }

    #[test]
    fn openmetrics_has_types_units_and_an_end() {
        let text = text(ExpositionFormat::OpenMetrics);
        for line in [
            "# TYPE wsgi_requests counter",
            "# UNIT http_server_request_duration_seconds seconds",
            "wsgi_requests_total{wsgi_process_group=\"a\\\\\\\"<g>\\n\",status_class=\"5xx\"} 3",
            "wsgi_requests_total{wsgi_process_group=\"\",status_class=\"2xx\"} 0",
            "http_server_request_duration_seconds_bucket{wsgi_process_group=\"a\\\\\\\"<g>\\n\",le=\"1.0\"} 100",
            "http_server_request_duration_seconds_sum{wsgi_process_group=\"a\\\\\\\"<g>\\n\"} 0.0625",
            "wsgi_process_cpu_seconds_total{wsgi_process_group=\"a\\\\\\\"<g>\\n\",cpu_mode=\"user\"} 1.5",
            "wsgi_threads_limit{wsgi_process_group=\"asgi\"} 2000",
            "wsgi_queue_depth{wsgi_process_group=\"asgi\"} 0",
            "wsgi_websockets{wsgi_process_group=\"asgi\"} 7",
            "wsgi_websockets_limit{wsgi_process_group=\"asgi\"} 20000",
            "wsgi_oldest_request_age_seconds{wsgi_process_group=\"asgi\"} 2.5",
            "wsgi_build_info{version=\"6.1.1\",apache_version=\"Apache/2.4\",mpm=\"event\"} 1",
        ] {
            assert!(text.lines().any(|has| has == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n") && !text.contains("\n\n"));
    }

    #[test]
    fn the_older_format_names_counters_in_full() {
        let text = text(ExpositionFormat::Text);
        assert!(text.contains("# TYPE wsgi_requests_total counter\n"), "{text}");
        assert!(text.contains("# TYPE wsgi_build_info gauge\n"));
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
    }

    #[test]
    fn families_are_named_once() {
        let text = text(ExpositionFormat::OpenMetrics);
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
