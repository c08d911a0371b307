//! Collects what there is to see: the metrics memory, the status memory, and what /proc says of the processes.

use crate::config::ConfigState;
use crate::generation::metrics::now;
use crate::generation::runtime::{self, ChildRuntime};
use crate::httpd::server::{HttpdNames, is_stopping, now_us, query_mpm};
use apr_sys as sys;
use std::sync::atomic::Ordering::Relaxed;
use wsgi_plan::VERSION;
use wsgi_protocol::metrics::{GroupTotals, MetricsView};
use wsgi_protocol::status::SlotState;
use wsgi_status::{GroupReport, ProcessReport, RequestReport, ServerReport, StatusReport};
use wsgi_system::clock::since_boot;
use wsgi_system::limits;
use wsgi_system::stat::ProcessStat;

/// A report of this moment.
pub fn report(state: &ConfigState, runtime: &ChildRuntime) -> StatusReport {
    let began = now();
    let view = runtime.metrics.map(|memory| memory.view());
    let mut groups = Vec::new();
    if state.global.restrict_embedded != Some(true) {
        groups.extend(embedded(runtime, view.as_ref(), began));
    }
    let numbers: Vec<usize> =
        runtime.groups.iter().map(|group| group.metrics.unwrap_or(usize::MAX)).collect();
    let totals = view.as_ref().map_or_else(Vec::new, |view| view.all_totals(&numbers));
    let mut totals = totals.into_iter();
    groups.extend(
        runtime.groups.iter().map(|group| daemon(runtime, group, view.as_ref(), totals.next(), began)),
    );
    let mut server = server(runtime, view.as_ref());
    server.took_us = now().saturating_sub(began) / 1000;
    StatusReport { server, groups }
}

fn server(runtime: &ChildRuntime, view: Option<&MetricsView<'_>>) -> ServerReport {
    let (major, minor, micro) = VERSION;
    let header = view.map(|view| view.header);
    let names = HttpdNames::get();
    ServerReport {
        version: format!("{major}.{minor}.{micro}"),
        httpd: names.description.lossy().split(' ').next().unwrap_or_default().to_owned(),
        mpm: names.mpm.lossy(),
        pid: std::os::unix::process::parent_id(),
        generation: runtime.configuration.generation,
        reloads: header.map_or(0, |header| header.reloads.load(Relaxed)),
        started_us: header.map_or(0, |header| header.started_us.load(Relaxed)),
        configured_us: header.map_or(0, |header| header.configured_us.load(Relaxed)),
        workers: workers(),
        now_us: now_us(),
        took_us: 0,
        drained_us: header.map_or(0, |header| header.drained_us.load(Relaxed)),
        is_stopping: is_stopping(),
    }
}

/// Requests that httpd handles at once (MaxRequestWorkers).
fn workers() -> u32 {
    let query = |what: u32| query_mpm(what).unwrap_or(0);
    query(sys::AP_MPMQ_MAX_DAEMONS).saturating_mul(query(sys::AP_MPMQ_MAX_THREADS))
}

/// Embedded mode, once it has had a request or if nothing else is configured.
fn embedded(runtime: &ChildRuntime, view: Option<&MetricsView<'_>>, now: u64) -> Option<GroupReport> {
    let embedded = runtime.embedded.as_ref()?;
    let number = runtime.embedded_metrics;
    let totals = view.zip(number).map(|(view, number)| view.totals(number)).unwrap_or_default();
    if totals.requests() == 0 && !embedded.eager && !runtime.groups.is_empty() {
        return None;
    }
    Some(GroupReport {
        is_embedded: true,
        failed: embedded.library.as_ref().err().cloned(),
        python: runtime.embedded_python.clone(),
        threads: embedded.launch.threads,
        wanted: embedded.launch.processes,
        totals,
        requests: requests(runtime, view, number, now),
        ..GroupReport::default()
    })
}

fn daemon(
    runtime: &ChildRuntime,
    group: &runtime::GroupView,
    view: Option<&MetricsView<'_>>,
    totals: Option<GroupTotals>,
    now: u64,
) -> GroupReport {
    let count = crate::daemon::pool::count(runtime, group);
    let processes: Vec<ProcessReport> =
        (0..count).filter_map(|place| process(runtime, group, place)).collect();
    let living =
        processes.iter().fold((0, 0), |sum, process| (sum.0 + process.cpu_us.0, sum.1 + process.cpu_us.1));
    let record = view.zip(group.metrics).and_then(|(view, number)| view.groups.get(number));
    GroupReport {
        name: group.name.clone(),
        python: group.python.clone(),
        failed: group.failed.clone(),
        is_service: group.concurrency.threads == 0,
        is_stopped: count == 0 && group.failed.is_none(),
        threads: group.concurrency.threads,
        requests_on_loop: is_asgi(runtime, group).then_some(group.concurrency.on_loop),
        max_websockets: group.max_websockets,
        wanted: count as u32,
        backlog: group.backlog,
        processes,
        totals: totals.unwrap_or_default(),
        lifecycle: view.zip(group.metrics).map(|(view, number)| view.lifecycle(number)).unwrap_or_default(),
        cpu_us: record.map_or(living, |record| record.cpu_with(living)),
        requests: requests(runtime, view, group.metrics, now),
        ..GroupReport::default()
    }
}

/// Whether event loops run the requests of the group.
fn is_asgi(runtime: &ChildRuntime, group: &runtime::GroupView) -> bool {
    let mut slots =
        (0..group.sockets.len()).filter_map(|place| runtime.status.slot(group.first_slot + place));
    slots.any(|slot| slot.is_asgi(group.concurrency))
}

fn process(runtime: &ChildRuntime, group: &runtime::GroupView, place: usize) -> Option<ProcessReport> {
    let slot = runtime.status.slot(group.first_slot + place)?;
    let state = match SlotState::from_number(slot.state.load(Relaxed)) {
        SlotState::Serving => "serving",
        SlotState::Starting => "starting",
        SlotState::Failed => "failed",
        SlotState::Service => "service",
        SlotState::Unsupervised => "unsupervised",
        SlotState::Empty | SlotState::Retired => "empty",
    };
    let pid = slot.pid.load(Relaxed);
    let facts = ProcessFacts::of(pid).unwrap_or_default();
    Some(ProcessReport {
        place: place as u32 + 1,
        pid,
        state,
        in_flight: slot.in_flight.load(Relaxed),
        sockets: slot.sockets.load(Relaxed),
        requests: slot.requests.load(Relaxed),
        age: facts.age,
        rss: facts.rss,
        cpu_us: facts.cpu_us,
    })
}

fn requests(
    runtime: &ChildRuntime,
    view: Option<&MetricsView<'_>>,
    number: Option<usize>,
    now: u64,
) -> Vec<RequestReport> {
    let Some((view, number)) = view.zip(number) else { return Vec::new() };
    let pid =
        |slot: usize| runtime.status.slot(slot).map(|slot| slot.pid.load(Relaxed)).filter(|pid| *pid > 0);
    let request = |running: wsgi_protocol::metrics::RunningRequest| RequestReport {
        child: running.child,
        pid: running.slot.and_then(pid),
        age: now.saturating_sub(running.since) as f64 / 1e9,
        stage: running.stage,
        text: running.text,
    };
    view.running(number).into_iter().map(request).collect()
}

/// What /proc says of a process; nothing where it is hidden.
#[derive(Default)]
struct ProcessFacts {
    rss: u64,
    cpu_us: (u64, u64),
    age: Option<f64>,
}

impl ProcessFacts {
    fn of(pid: u32) -> Option<Self> {
        if pid == 0 {
            return None;
        }
        let stat = ProcessStat::of(pid)?;
        let field = |number| stat.field(number);
        let (ticks, page) = (limits::clock_ticks(), limits::page_size());
        let us = |n: u64| n * 1_000_000 / ticks;
        let started = field(22)? as f64 / ticks as f64;
        Some(Self {
            rss: field(24)? * page,
            cpu_us: (us(field(14)?), us(field(15)?)),
            age: since_boot().map(|now| (now - started).max(0.0)),
        })
    }
}
