//! What httpd's children need of the current generation, made in post_config and inherited by fork.

use super::board::StatusBoard;
use super::metrics::MetricsMemory;
use super::status::StatusMemory;
use crate::daemon::log_rate::LogRate;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;
use wsgi_directives::DaemonGroup;
use wsgi_plan::EmbeddedSettings;
use wsgi_protocol::control::{Configuration, GroupSpec};
use wsgi_protocol::status::ProcessConcurrency;
use wsgi_system::sockets::SocketAddress;

/// A daemon group as a child sees it.
#[derive(Debug)]
pub struct GroupView {
    /// Name.
    pub name: String,
    /// First slot in the status memory.
    pub first_slot: usize,
    /// Socket address per process.
    pub sockets: Vec<SocketAddress>,
    /// Why requests for it cannot be served at all, as one sentence.
    pub failed: Option<String>,
    /// How long to retry a refused connection.
    pub connect_timeout: Duration,
    /// How long a request may wait for a thread of the group; `None` is for ever.
    pub queue_timeout: Option<Duration>,
    /// One read or write on the connection; `None` is the virtual host's Timeout.
    pub socket_timeout: Option<Duration>,
    /// Wait for more output before flushing to the client.
    pub flush_delay: Duration,
    /// Flush at the latest after so many bytes.
    pub flush_bytes: usize,
    /// What its requests may log.
    pub log_rate: LogRate,
    /// Longest response header (`header-buffer-size`).
    pub header_limit: usize,
    /// Write timeout towards the client while relaying.
    pub response_timeout: Option<Duration>,
    /// What its processes can run at once; no threads: a service daemon.
    pub concurrency: ProcessConcurrency,
    /// `max-websockets=`
    pub max_websockets: u32,
    /// Its number in the metrics memory.
    pub metrics: Option<usize>,
    /// `listen-backlog=`
    pub backlog: u32,
    /// Version of its Python, as far as it shows before it runs: `3.13`.
    pub python: Option<String>,
}

impl GroupView {
    /// What children need to know of a group.
    pub fn new(group: &DaemonGroup, spec: Result<&GroupSpec, String>, first_slot: usize) -> Self {
        let options = &group.options;
        let sockets = spec
            .as_ref()
            .map(|spec| spec.sockets.paths.iter().filter_map(|p| SocketAddress::of(p)).collect());
        Self {
            name: group.name.clone(),
            first_slot,
            sockets: sockets.unwrap_or_default(),
            failed: spec.err(),
            connect_timeout: options.connect_timeout,
            queue_timeout: options.queue_timeout.filter(|limit| !limit.is_zero()),
            socket_timeout: options.socket_timeout,
            flush_delay: options.response_flush_delay,
            flush_bytes: options.response_buffer_size.get().try_into().unwrap_or(usize::MAX),
            log_rate: LogRate::new(options.log_rate),
            header_limit: options.header_buffer_size.get().try_into().unwrap_or(usize::MAX),
            response_timeout: options.response_socket_timeout.or(options.socket_timeout),
            concurrency: ProcessConcurrency {
                threads: u32::from(options.threads),
                on_loop: options.asgi.requests_in_flight.get(),
                is_asgi: options.asgi.interface == wsgi_directives::ApplicationInterface::Asgi,
            },
            max_websockets: options.asgi.websockets,
            metrics: None,
            backlog: options.listen_backlog,
            python: None,
        }
    }
}

/// Everything children need.
#[derive(Debug)]
pub struct ChildRuntime {
    /// Groups in configuration order.
    pub groups: Vec<GroupView>,
    /// Load and state of every daemon process.
    pub status: StatusMemory,
    /// Counters; `None` when there is no memory for them.
    pub metrics: Option<MetricsMemory>,
    /// The scoreboard for daemons, if some group has `server-metrics=On`.
    pub board: Option<StatusBoard>,
    /// Sections that hold `SetHandler wsgi-status` or `wsgi-health`.
    pub status_sections: Vec<wsgi_status::access::StatusSection>,
    /// Version of embedded Python.
    pub embedded_python: Option<String>,
    /// Number of embedded mode there.
    pub embedded_metrics: Option<usize>,
    /// Embedded mode; `None` when WSGIRestrictEmbedded rules it out.
    pub embedded: Option<EmbeddedSettings>,
    /// Path of the host library.
    pub host_library: PathBuf,
    /// Path of the supervisor.
    pub supervisor: PathBuf,
    /// What the supervisor was told, to tell a new one.
    pub configuration: Configuration,
    /// Descriptors of the error logs in the order of [`wsgi_protocol::control::LogTarget::index`].
    pub logs: Vec<BorrowedFd<'static>>,
    /// Ports that `Listen` or a ServerName names.
    pub ports: Vec<u16>,
}

impl ChildRuntime {
    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&GroupView> {
        self.groups.iter().find(|group| group.name == name)
    }
}
