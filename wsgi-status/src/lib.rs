//! What an operator sees of a running httpd: a [`StatusReport`] as HTML page, JSON, or metrics for Prometheus, and whether the
//! server is fit to get requests. Pure: the report is collected elsewhere; knows no httpd and no Python.

#![forbid(unsafe_code)]

pub mod access;
pub mod brief;
pub mod health;
mod html;
mod json;
mod metrics;
mod query;

pub use html::page;
pub use json::json;
pub use metrics::{ExpositionFormat, expose};
pub use query::{EarlierCounters, ReportFormat, ReportQuery};

use wsgi_protocol::metrics::{GroupTotals, ProcessLifecycle, ThreadStage};

/// Everything there is to see.
#[derive(Debug, Clone, Default)]
pub struct StatusReport {
    /// About httpd and this module.
    pub server: ServerReport,
    /// Embedded mode first, if it is used, then daemon groups in the order of the configuration.
    pub groups: Vec<GroupReport>,
}

/// httpd and this module.
#[derive(Debug, Clone, Default)]
pub struct ServerReport {
    /// Version of mod_wsgi.
    pub version: String,
    /// `Apache/2.4.66 …` as httpd tells clients.
    pub httpd: String,
    /// `event`, `worker`, `prefork`.
    pub mpm: String,
    /// Requests that httpd handles at once (MaxRequestWorkers).
    pub workers: u32,
    /// Process id of httpd's parent.
    pub pid: u32,
    /// Number of the configuration, counted from the start.
    pub generation: u32,
    /// Graceful restarts since the start.
    pub reloads: u32,
    /// When the parent started, and when it last read its configuration, µs since the epoch.
    pub started_us: u64,
    /// See `started_us`.
    pub configured_us: u64,
    /// When the report was made, µs since the epoch.
    pub now_us: u64,
    /// How long that took, µs.
    pub took_us: u64,
    /// httpd is stopping.
    pub is_stopping: bool,
    /// Since when an operator drains the server, µs since the epoch; 0: nobody does.
    pub drained_us: u64,
}

/// One group, or embedded mode.
#[derive(Debug, Clone, Default)]
pub struct GroupReport {
    /// Name; empty for embedded mode.
    pub name: String,
    /// Version of its Python: `3.13`.
    pub python: Option<String>,
    /// Why it cannot serve at all.
    pub failed: Option<String>,
    /// Runs in httpd's children.
    pub is_embedded: bool,
    /// `threads=0`: takes no requests.
    pub is_service: bool,
    /// An operator has stopped it.
    pub is_stopped: bool,
    /// Threads per process.
    pub threads: u32,
    /// Requests that the event loop of a process runs at once (ASGI); `None`: threads run them.
    pub requests_on_loop: Option<u32>,
    /// WebSockets that a process has open at most.
    pub max_websockets: u32,
    /// Processes it shall have.
    pub wanted: u32,
    /// Requests that may wait for one process.
    pub backlog: u32,
    /// Its processes.
    pub processes: Vec<ProcessReport>,
    /// Counters.
    pub totals: GroupTotals,
    /// Starts and ends.
    pub lifecycle: ProcessLifecycle,
    /// CPU of all its processes, also of those that have ended, µs: user, system.
    pub cpu_us: (u64, u64),
    /// Requests under way, oldest first.
    pub requests: Vec<RequestReport>,
}

/// One process.
#[derive(Debug, Clone, Default)]
pub struct ProcessReport {
    /// Place in the group, from 1.
    pub place: u32,
    /// Process id, 0 for none.
    pub pid: u32,
    /// `serving`, `starting`, `failed`, `service`, `empty`.
    pub state: &'static str,
    /// Requests under way there.
    pub in_flight: u32,
    /// WebSockets that it has on their own sockets.
    pub sockets: u32,
    /// Requests it has completed in this generation of httpd's children.
    pub requests: u32,
    /// Seconds since its start, if the system says.
    pub age: Option<f64>,
    /// Resident memory, bytes.
    pub rss: u64,
    /// CPU, µs: user, system.
    pub cpu_us: (u64, u64),
}

/// A request under way.
#[derive(Debug, Clone)]
pub struct RequestReport {
    /// Process id of httpd's child.
    pub child: u32,
    /// Process id of the daemon that has it, if any.
    pub pid: Option<u32>,
    /// Seconds since it began.
    pub age: f64,
    /// What is done with it.
    pub stage: ThreadStage,
    /// Method and path without the query; bytes of the client, perhaps cut.
    pub text: Vec<u8>,
}

impl ServerReport {
    /// Balancers shall send their requests elsewhere.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_stopping || self.drained_us != 0
    }
}

impl GroupReport {
    /// What people call it.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.is_embedded { "embedded" } else { &self.name }
    }

    /// Requests that a process can run at once: a thread for each, or on its event loop.
    #[must_use]
    pub fn at_once(&self) -> u32 {
        self.requests_on_loop.unwrap_or(self.threads)
    }

    /// Requests that run, and those that wait, at the process.
    fn load(&self, process: &ProcessReport) -> (u32, u32) {
        let busy = process.in_flight.min(self.at_once());
        (busy, process.in_flight - busy)
    }

    /// Requests that run: threads that are busy, or requests on event loops.
    #[must_use]
    pub fn busy(&self) -> u32 {
        if self.is_embedded {
            return u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        }
        self.processes.iter().map(|process| self.load(process).0).sum()
    }

    /// Requests that wait until they can run.
    #[must_use]
    pub fn queue(&self) -> u32 {
        if self.is_embedded { 0 } else { self.processes.iter().map(|process| self.load(process).1).sum() }
    }

    /// Requests that all its processes can run at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.at_once().saturating_mul(self.wanted)
    }

    /// WebSockets that are open.
    #[must_use]
    pub fn websockets(&self) -> u32 {
        let own = self.processes.iter().map(|process| process.sockets).fold(0, u32::saturating_add);
        self.websockets_relayed().saturating_add(own)
    }

    /// Those that httpd relays, each with a thread.
    #[must_use]
    pub fn websockets_relayed(&self) -> u32 {
        let open = self.requests.iter().filter(|request| request.stage == ThreadStage::WebSocket).count();
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    /// How many WebSockets it can have at most; those that are relayed need a thread of httpd's each, besides.
    #[must_use]
    pub fn websockets_limit(&self) -> u32 {
        if self.requests_on_loop.is_some() { self.max_websockets.saturating_mul(self.wanted) } else { 0 }
    }

    /// Processes that serve.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.processes.iter().filter(|process| process.state == "serving").count()
    }

    /// Requests answered 5xx.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.totals.classes[4]
    }

    /// Memory of all its processes.
    #[must_use]
    pub fn rss(&self) -> u64 {
        self.processes.iter().map(|process| process.rss).sum()
    }

    /// Age of the oldest request, seconds. WebSockets are not meant to end.
    #[must_use]
    pub fn oldest(&self) -> f64 {
        let oldest = self.requests.iter().find(|request| request.stage != ThreadStage::WebSocket);
        oldest.map_or(0.0, |request| request.age)
    }
}

/// A report for the tests of all renderers.
#[cfg(test)]
fn sample() -> StatusReport {
    use wsgi_protocol::metrics::RequestPhase;
    let mut totals = GroupTotals { classes: [0, 90, 0, 7, 3], bytes: (10, 4096), ..GroupTotals::default() };
    totals.outcomes[0] = 97;
    totals.outcomes[5] = 3;
    totals.phases[RequestPhase::Request as usize].buckets[3] = 100;
    totals.phases[RequestPhase::Request as usize].sum_ns = 62_500_000;
    let process = ProcessReport {
        place: 1,
        pid: 77,
        state: "serving",
        in_flight: 6,
        rss: 5 << 20,
        age: Some(9.5),
        ..ProcessReport::default()
    };
    let request = RequestReport {
        child: 5,
        pid: Some(77),
        age: 2.5,
        stage: ThreadStage::Running,
        text: b"GET /<b>\"\xff\n".to_vec(),
    };
    let mut lifecycle =
        ProcessLifecycle { starts: 2, last_reload: Some((1, false)), ..ProcessLifecycle::default() };
    lifecycle.stops[0][wsgi_protocol::metrics::STOPS - 2] = 1;
    let group = GroupReport {
        name: "a\\\"<g>\n".to_owned(),
        python: Some("3.13".to_owned()),
        threads: 4,
        wanted: 1,
        backlog: 100,
        processes: vec![process.clone()],
        totals,
        lifecycle,
        cpu_us: (1_500_000, 250_000),
        requests: vec![request.clone()],
        ..GroupReport::default()
    };
    let websocket = |age| RequestReport {
        age,
        stage: ThreadStage::WebSocket,
        text: b"GET /ws".to_vec(),
        ..request.clone()
    };
    let asgi = GroupReport {
        name: "asgi".to_owned(),
        threads: 4,
        requests_on_loop: Some(1000),
        max_websockets: 10_000,
        wanted: 2,
        backlog: 100,
        processes: vec![ProcessReport { in_flight: 300, sockets: 5, ..process.clone() }],
        requests: vec![websocket(900.0), websocket(800.0), request.clone()],
        ..GroupReport::default()
    };
    let embedded = GroupReport { is_embedded: true, threads: 25, wanted: 1, ..GroupReport::default() };
    let server = ServerReport {
        version: "6.1.1".into(),
        httpd: "Apache/2.4".into(),
        mpm: "event".into(),
        workers: 400,
        pid: 1,
        now_us: 50_000_000,
        started_us: 10_000_000,
        configured_us: 20_000_000,
        ..ServerReport::default()
    };
    StatusReport { server, groups: vec![embedded, group, asgi] }
}
