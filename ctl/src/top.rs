//! What `top` shows: two looks at the server become lines of text. Pure.

use crate::memory;
use crate::report::{age, text, word};
use std::collections::BTreeMap;
use wsgi_protocol::metrics::{Distribution, GroupTotals, RequestPhase, ThreadStage};
use wsgi_protocol::operator::{GroupMetrics, GroupStatus, ServerStatus};

/// One look at a server.
#[derive(Debug, Clone, Default)]
pub struct ServerSample {
    /// When, in seconds from any moment.
    pub at: f64,
    /// Groups and processes.
    pub status: ServerStatus,
    /// Counters.
    pub metrics: Vec<GroupMetrics>,
    /// Resident memory by process id, bytes.
    pub memory: BTreeMap<i32, u64>,
}

/// What groups are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// Share of what can run at once that does.
    #[default]
    Load,
    /// Requests per second.
    Rate,
    /// 95th percentile of the latency.
    Latency,
    /// Name.
    Name,
}

impl SortOrder {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Load => Self::Rate,
            Self::Rate => Self::Latency,
            Self::Latency => Self::Name,
            Self::Name => Self::Load,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Rate => "rate",
            Self::Latency => "latency",
            Self::Name => "name",
        }
    }
}

/// Figures of a group.
struct GroupFigures<'a> {
    group: &'a GroupStatus,
    busy: u32,
    limit: u32,
    queue: u32,
    websockets: u32,
    rate: f64,
    errors: f64,
    request: Distribution,
    queued: Distribution,
}

impl<'a> GroupFigures<'a> {
    fn new(group: &'a GroupStatus, now: &ServerSample, before: &ServerSample) -> Self {
        let none = GroupTotals::default();
        let metrics = now.metrics.iter().find(|metrics| metrics.name == group.name);
        let (now_totals, old) = (totals(now, &group.name, &none), totals(before, &group.name, &none));
        let seconds = (now.at - before.at).max(0.001);
        let per_second = |now: u64, old: u64| now.saturating_sub(old) as f64 / seconds;
        let phase = |phase: RequestPhase| {
            let recent = now_totals.phase(phase).since(old.phase(phase));
            if recent.count() == 0 { *now_totals.phase(phase) } else { recent }
        };
        let load = group.processes.iter().map(|process| {
            let busy = process.in_flight.min(group.at_once);
            (busy, process.in_flight - busy)
        });
        let (busy, queue) = load.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Self {
            group,
            busy,
            limit: group.at_once.saturating_mul(group.wanted),
            queue,
            websockets: metrics.map_or(0, |metrics| metrics.websockets),
            rate: per_second(now_totals.requests(), old.requests()),
            errors: per_second(now_totals.classes[4], old.classes[4]),
            request: phase(RequestPhase::Request),
            queued: phase(RequestPhase::Queue),
        }
    }

    fn load(&self) -> f64 {
        f64::from(self.busy + self.queue) / f64::from(self.limit.max(1))
    }

    fn cells(&self) -> Vec<String> {
        vec![
            text(&self.group.name),
            format!("{}/{}", self.busy, self.limit),
            self.queue.to_string(),
            self.websockets.to_string(),
            format!("{:.1}", self.rate),
            format!("{:.1}", self.errors),
            latency(self.request.percentile(0.5)),
            latency(self.request.percentile(0.95)),
            latency(self.request.percentile(0.99)),
            latency(self.queued.percentile(0.95)),
        ]
    }
}

fn totals<'a>(look: &'a ServerSample, group: &[u8], none: &'a GroupTotals) -> &'a GroupTotals {
    look.metrics.iter().find(|metrics| metrics.name == group).map_or(none, |metrics| &metrics.totals)
}

fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(s) if s < 1.0 => format!("{:.1}ms", s * 1e3),
        Some(s) => format!("{s:.2}s"),
    }
}

/// One screen, not yet cut to the size of a terminal.
#[must_use]
pub fn screen(now: &ServerSample, before: &ServerSample, sort: SortOrder, is_paused: bool) -> Vec<String> {
    let status = &now.status;
    let draining = if status.drained_us == 0 { "" } else { ", DRAINING" };
    let paused = if is_paused { "  PAUSED" } else { "" };
    let mut lines = vec![
        format!(
            "mod_wsgi: httpd {}, generation {}{draining}; sorted by {} [s]  [p]ause  [q]uit{paused}",
            status.httpd,
            status.generation,
            sort.word()
        ),
        String::new(),
    ];
    let mut rows: Vec<GroupFigures<'_>> =
        status.groups.iter().map(|group| GroupFigures::new(group, now, before)).collect();
    let descending = |a: f64, b: f64| b.total_cmp(&a);
    rows.sort_by(|a, b| {
        let p95 = |row: &GroupFigures<'_>| row.request.percentile(0.95).unwrap_or(0.0);
        let order = match sort {
            SortOrder::Load => descending(a.load(), b.load()),
            SortOrder::Rate => descending(a.rate, b.rate),
            SortOrder::Latency => descending(p95(a), p95(b)),
            SortOrder::Name => std::cmp::Ordering::Equal,
        };
        order.then_with(|| a.group.name.cmp(&b.group.name))
    });
    let heads = ["GROUP", "BUSY", "QUEUE", "WS", "REQ/S", "5XX/S", "P50", "P95", "P99", "WAIT P95"];
    lines.extend(aligned(&heads, rows.iter().map(GroupFigures::cells).collect()));
    lines.push(String::new());
    let heads = ["GROUP", "PLACE", "PID", "STATE", "AGE", "IN FLIGHT", "REQUESTS", "MEMORY"];
    let processes = rows.iter().flat_map(|row| processes(row.group, now)).collect();
    lines.extend(aligned(&heads, processes));
    let requests: Vec<Vec<String>> = requests(now);
    if !requests.is_empty() {
        lines.push(String::new());
        lines.extend(aligned(&["RUNNING", "STAGE", "GROUP", "PID", "REQUEST"], requests));
    }
    lines
}

fn processes<'a>(group: &'a GroupStatus, now: &'a ServerSample) -> impl Iterator<Item = Vec<String>> + 'a {
    group.processes.iter().map(|process| {
        vec![
            text(&group.name),
            process.place.to_string(),
            process.pid.to_string(),
            word(process.state).to_owned(),
            age(process.age),
            process.in_flight.to_string(),
            process.requests.to_string(),
            memory::text(now.memory.get(&process.pid)),
        ]
    })
}

/// All requests under way, oldest first, WebSockets last.
fn requests(now: &ServerSample) -> Vec<Vec<String>> {
    let running =
        now.metrics.iter().flat_map(|group| group.running.iter().map(move |running| (group, running)));
    let mut running: Vec<_> = running.collect();
    running.sort_by_key(|(_, (age, _, running))| {
        (running.stage == ThreadStage::WebSocket, std::cmp::Reverse(*age))
    });
    let row = |(group, (millis, pid, running)): &(
        &GroupMetrics,
        &(u64, i32, wsgi_protocol::metrics::RunningRequest),
    )| {
        vec![
            age(*millis),
            running.stage.text().to_owned(),
            text(&group.name),
            if *pid == 0 { "-".to_owned() } else { pid.to_string() },
            text(&running.text),
        ]
    };
    running.iter().map(row).collect()
}

fn aligned(heads: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_protocol::metrics::RunningRequest;
    use wsgi_protocol::operator::{ProcessState, ProcessStatus};

    fn look(at: f64, requests: u64) -> ServerSample {
        let mut totals = GroupTotals { classes: [0, requests, 0, 0, 2], ..GroupTotals::default() };
        totals.phases[0].buckets[4] = requests;
        let running = RunningRequest {
            child: 1,
            since: 1,
            slot: None,
            stage: ThreadStage::Running,
            text: b"GET /\x1b[2J".to_vec(),
        };
        let metrics = |name: &[u8]| GroupMetrics {
            name: name.to_vec(),
            totals: totals.clone(),
            websockets: 7,
            running: vec![],
        };
        let process = ProcessStatus {
            place: 1,
            pid: 77,
            state: ProcessState::Serving,
            in_flight: 5,
            ..ProcessStatus::default()
        };
        let group = |name: &[u8]| GroupStatus {
            name: name.to_vec(),
            wanted: 1,
            threads: 3,
            at_once: 3,
            ..GroupStatus::default()
        };
        let busy = GroupStatus { processes: vec![process], ..group(b"busy") };
        let mut all = vec![metrics(b"a"), metrics(b"busy")];
        let websocket = RunningRequest { stage: ThreadStage::WebSocket, ..running.clone() };
        all[1].running.push((900_000, 77, websocket));
        all[1].running.push((61_000, 77, running));
        let status = ServerStatus {
            httpd: 5,
            generation: 2,
            groups: vec![group(b"a"), busy],
            ..ServerStatus::default()
        };
        ServerSample { at, status, metrics: all, memory: BTreeMap::from([(77, 5 << 20)]) }
    }

    #[test]
    fn rates_are_between_two_looks_and_nothing_reaches_the_terminal() {
        let text = screen(&look(12.0, 150), &look(10.0, 50), SortOrder::Load, false).join("\n");
        assert!(text.contains("busy   3/3   2      7   50.0"), "{text}");
        assert!(text.contains("busy   1      77   serving  0.0s  5          0         5.0M"), "{text}");
        assert!(text.contains("1m01s    running    busy   77   GET /\\u001b[2J"), "{text}");
        assert!(text.ends_with("15m00s   websocket  busy   77   GET /\\u001b[2J"), "they are last: {text}");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn groups_are_sorted() {
        let first = |sort| screen(&look(2.0, 1), &look(1.0, 1), sort, true)[3].clone();
        assert!(first(SortOrder::Load).starts_with("busy") && first(SortOrder::Name).starts_with("a "));
        assert_eq!(SortOrder::Load.next().next().next().next(), SortOrder::Load);
    }
}
