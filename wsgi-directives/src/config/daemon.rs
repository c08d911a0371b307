//! One WSGIDaemonProcess: a typed field per option, and the list of all groups.

use super::environment::PassEnv;
use crate::error::ConfigError;
use crate::place::{SourceLocation, SystemFacts, VhostId};
use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

/// A named group of daemon processes.
#[derive(Clone, Debug, PartialEq)]
pub struct DaemonGroup {
    /// Unique name.
    pub name: String,
    /// Its options.
    pub options: DaemonOptions,
    /// The options as written (name, value), in order.
    pub written: Vec<(&'static str, String)>,
    /// Where it was defined first.
    pub place: SourceLocation,
    /// Identical later definitions (certbot clones virtual hosts).
    pub also: Vec<SourceLocation>,
    /// ServerName of the virtual hosts it is defined in, filled by [`crate::GlobalConfig::finish`].
    pub server_names: Vec<String>,
}

impl DaemonGroup {
    /// The virtual hosts it is defined in; `None` stands for the main server.
    pub fn homes(&self) -> impl Iterator<Item = Option<VhostId>> + '_ {
        std::iter::once(&self.place).chain(&self.also).map(|origin| origin.virtual_host)
    }

    /// Whether one of the virtual hosts it is defined in has exactly this ServerName.
    pub fn has_server_name(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.server_names.iter().any(|own| own == name))
    }

    /// Why another definition of the same name is refused: its server is certainly another site, as far as ServerNames
    /// are known. Clones of a virtual host (certbot's for port 443) share the name.
    pub(crate) fn stranger(&self, again: &SourceLocation, system: &dyn SystemFacts) -> Option<ConfigError> {
        let (one, other) = (self.place.virtual_host, again.virtual_host);
        let name = |host: Option<VhostId>| host.and_then(|host| system.server_name_of(host));
        let are_strangers = match (name(one), name(other)) {
            (Some(one), Some(other)) => !one.eq_ignore_ascii_case(&other),
            // Of virtual hosts the names may follow; the main server shares its groups anyway.
            _ => one != other && (one.is_none() || other.is_none()),
        };
        let server = |host: Option<VhostId>| match (host, name(host)) {
            (_, Some(name)) => format!("ServerName {name}"),
            (Some(_), None) => "a virtual host without ServerName".to_owned(),
            (None, None) => "main server".to_owned(),
        };
        are_strangers.then(|| ConfigError::ShareGroup {
            name: self.name.clone(),
            first: format!("{} ({})", self.place, server(one)),
            again: format!("{again} ({})", server(other)),
        })
    }

    /// `display-name=` with `%{GROUP}` replaced, which is the default: otherwise `ps` would show what the interpreter was
    /// started with.
    pub fn display_name(&self) -> String {
        match self.options.display_name.as_deref() {
            None | Some("" | "%{GROUP}") => format!("(wsgi:{})", self.name),
            Some(other) => other.to_owned(),
        }
    }
}

/// Every WSGIDaemonProcess option, parsed (spec/directives.md §7). Times of `None` mean "off".
#[derive(Clone, Debug, PartialEq)]
pub struct DaemonOptions {
    /// `processes=`; `None` when not given, which counts as 1 but keeps `wsgi.multiprocess` False.
    pub processes: Option<NonZeroU32>,
    /// `threads=`; 0 is service mode.
    pub threads: u16,
    /// `display-name=`, unexpanded.
    pub display_name: Option<String>,
    /// `user=`; `None` is httpd's User.
    pub user: Option<NamedAccount>,
    /// `group=`; `None` is httpd's Group.
    pub group: Option<NamedAccount>,
    /// `supplementary-groups=`; `None` means the memberships of the user.
    pub supplementary_groups: Option<Vec<NamedAccount>>,
    /// `umask=`; `None` inherits.
    pub umask: Option<Umask>,
    /// `home=`, absolute.
    pub home: Option<String>,
    /// `chroot=`, absolute.
    pub chroot: Option<String>,
    /// `lang=`
    pub lang: Option<String>,
    /// `locale=`
    pub locale: Option<String>,
    /// `python-home=`; `None` is WSGIPythonHome.
    pub python_home: Option<String>,
    /// `python-path=`, split at `:`.
    pub python_path: Option<Vec<String>>,
    /// `python-eggs=`
    pub python_eggs: Option<String>,
    /// `switch-interval=`
    pub switch_interval: Option<Duration>,
    /// `stack-size=`, bytes; `None` is the system's.
    pub stack_size: Option<NonZeroU64>,
    /// `cpu-priority=`; 0 leaves it alone.
    pub cpu_priority: i32,
    /// `cpu-time-limit=`
    pub cpu_time_limit: Option<Duration>,
    /// `memory-limit=`, bytes.
    pub memory_limit: Option<NonZeroU64>,
    /// `virtual-memory-limit=`, bytes.
    pub virtual_memory_limit: Option<NonZeroU64>,
    /// `maximum-rss=`, bytes.
    pub maximum_rss: Option<NonZeroU64>,
    /// `server-metrics=`
    pub server_metrics: bool,
    /// `env=KEY=VALUE`, in order.
    pub env: Vec<(String, String)>,
    /// `pass-env=`, and `env=NAME` without a value.
    pub pass_env: PassEnv,
    /// `env-file=`, in order.
    pub env_files: Vec<String>,
    /// `end-session=`
    pub end_session: bool,
    /// `log-rate=`, lines per second; 0 is unlimited.
    pub log_rate: u32,
    /// `tasks-max=`
    pub tasks_max: Option<NonZeroU32>,
    /// `no-new-privileges=`
    pub no_new_privileges: bool,
    /// `preload=`
    pub preload: bool,
    /// `reload=`
    pub reload: ReloadMode,
    /// What concerns ASGI applications.
    pub asgi: AsgiOptions,
    /// `maximum-requests=`; `None` is unlimited.
    pub maximum_requests: Option<NonZeroU32>,
    /// `restart-interval=`
    pub restart_interval: Option<Duration>,
    /// `inactivity-timeout=`
    pub inactivity_timeout: Option<Duration>,
    /// `request-timeout=`
    pub request_timeout: Option<Duration>,
    /// `interrupt-timeout=`
    pub interrupt_timeout: Option<Duration>,
    /// `startup-timeout=`
    pub startup_timeout: Option<Duration>,
    /// `deadlock-timeout=`
    pub deadlock_timeout: Option<Duration>,
    /// `graceful-timeout=`; zero is a value of its own (spec/directives.md §7.2).
    pub graceful_timeout: Duration,
    /// `drain-timeout=`
    pub drain_timeout: Duration,
    /// `eviction-timeout=`; `None` means graceful-timeout.
    pub eviction_timeout: Option<Duration>,
    /// `shutdown-timeout=`; `None` never forces.
    pub shutdown_timeout: Option<Duration>,
    /// `connect-timeout=`
    pub connect_timeout: Duration,
    /// `socket-timeout=`; `None` is httpd's Timeout.
    pub socket_timeout: Option<Duration>,
    /// `queue-timeout=`
    pub queue_timeout: Option<Duration>,
    /// `listen-backlog=`
    pub listen_backlog: u32,
    /// `socket-user=`; `None` is httpd's User.
    pub socket_user: Option<NamedAccount>,
    /// `send-buffer-size=`, bytes; `None` is the system's.
    pub send_buffer_size: Option<NonZeroU64>,
    /// `receive-buffer-size=`, bytes; `None` is the system's.
    pub receive_buffer_size: Option<NonZeroU64>,
    /// `header-buffer-size=`, bytes.
    pub header_buffer_size: NonZeroU64,
    /// `response-buffer-size=`, bytes.
    pub response_buffer_size: NonZeroU64,
    /// `response-socket-timeout=`; `None` means socket-timeout.
    pub response_socket_timeout: Option<Duration>,
    /// `response-flush-delay=`
    pub response_flush_delay: Duration,
    /// `script-user=`
    pub script_user: Option<NamedAccount>,
    /// `script-group=`
    pub script_group: Option<NamedAccount>,
}

/// Default of `header-buffer-size=`, bytes.
pub(crate) const HEADER_BUFFER: NonZeroU64 = NonZeroU64::new(32_768).expect("not zero");
/// Default of `response-buffer-size=`, bytes.
pub(crate) const RESPONSE_BUFFER: NonZeroU64 = NonZeroU64::new(8_388_608).expect("not zero");

/// Default of `log-rate=`, lines per second.
pub(crate) const LOG_RATE: u32 = 1000;

impl Default for DaemonOptions {
    /// The defaults of spec/directives.md §7, the same the option table prints (a test compares them).
    fn default() -> Self {
        DaemonOptions {
            processes: None,
            threads: 15,
            display_name: None,
            user: None,
            group: None,
            supplementary_groups: None,
            umask: None,
            home: None,
            chroot: None,
            lang: None,
            locale: None,
            python_home: None,
            python_path: None,
            python_eggs: None,
            switch_interval: None,
            stack_size: None,
            cpu_priority: 0,
            cpu_time_limit: None,
            memory_limit: None,
            virtual_memory_limit: None,
            maximum_rss: None,
            server_metrics: false,
            env: Vec::new(),
            pass_env: PassEnv::default(),
            env_files: Vec::new(),
            end_session: true,
            log_rate: LOG_RATE,
            tasks_max: None,
            no_new_privileges: true,
            preload: false,
            reload: ReloadMode::Overlap,
            asgi: AsgiOptions::default(),
            maximum_requests: None,
            restart_interval: None,
            inactivity_timeout: None,
            request_timeout: None,
            interrupt_timeout: None,
            startup_timeout: None,
            deadlock_timeout: Some(Duration::from_secs(300)),
            graceful_timeout: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(600),
            eviction_timeout: None,
            shutdown_timeout: Some(Duration::from_secs(5)),
            connect_timeout: Duration::from_secs(15),
            socket_timeout: None,
            queue_timeout: None,
            listen_backlog: 100,
            socket_user: None,
            send_buffer_size: None,
            receive_buffer_size: None,
            header_buffer_size: HEADER_BUFFER,
            response_buffer_size: RESPONSE_BUFFER,
            response_socket_timeout: None,
            response_flush_delay: Duration::from_millis(5),
            script_user: None,
            script_group: None,
        }
    }
}

impl DaemonOptions {
    /// Number of processes.
    pub fn process_count(&self) -> u32 {
        self.processes.map_or(1, NonZeroU32::get)
    }

    /// `wsgi.multiprocess`: True iff `processes=` was written, even as 1 (spec/directives.md §7.1).
    pub fn multiprocess(&self) -> bool {
        self.processes.is_some()
    }

    /// `wsgi.multithread`
    pub fn multithread(&self) -> bool {
        self.threads != 1
    }

    /// `wsgi.run_once`
    pub fn run_once(&self) -> bool {
        self.threads == 1 && self.maximum_requests == NonZeroU32::new(1)
    }

    /// `threads=0`: no requests, only preloads (spec/directives.md §7.7).
    pub fn is_service(&self) -> bool {
        self.threads == 0
    }
}

/// A user or group by name and number; the name is `#123` where only the number was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAccount {
    /// Name from the database, or `#id`.
    pub name: String,
    /// uid or gid.
    pub id: u32,
}

/// File mode creation mask, at most 0o777.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Umask(u16);

impl Umask {
    /// Keeps the permission bits of `bits`, as the kernel does.
    pub fn new(bits: u16) -> Self {
        Umask(bits & 0o777)
    }

    /// The mask.
    pub fn bits(self) -> u16 {
        self.0
    }
}

/// `reload=`: how a process is replaced, because its script has changed, at a graceful restart, or to be recycled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadMode {
    /// A successor is tried first; the old process serves until it is ready.
    Overlap,
    /// The old process ends its requests and itself before its successor starts: for applications that hold something that
    /// two processes cannot have.
    Exclusive,
    /// The original's behaviour: the same, and a process ends without asking when its script has changed.
    Immediate,
}

/// The options of ASGI applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsgiOptions {
    /// `interface=`
    pub interface: ApplicationInterface,
    /// `loop=`
    pub event_loop: EventLoop,
    /// `max-requests-in-flight=`
    pub requests_in_flight: NonZeroU32,
    /// `max-websockets=`
    pub websockets: u32,
}

impl Default for AsgiOptions {
    fn default() -> Self {
        /// A number that is not zero.
        const REQUESTS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");
        Self {
            interface: ApplicationInterface::Auto,
            event_loop: EventLoop::Auto,
            requests_in_flight: REQUESTS,
            websockets: 10_000,
        }
    }
}

/// `interface=`: how applications are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplicationInterface {
    /// As they look: a coroutine function, or an object whose `__call__` is one, is an ASGI application.
    #[default]
    Auto,
    /// By PEP 3333.
    Wsgi,
    /// By ASGI 3.
    Asgi,
}

/// `loop=`: which event loop runs ASGI applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventLoop {
    /// uvloop where it is installed.
    #[default]
    Auto,
    /// The standard library's.
    Asyncio,
    /// uvloop.
    Uvloop,
}

/// All groups of the server, by definition order and by name.
#[derive(Clone, Debug, Default)]
pub struct GroupTable {
    list: Vec<DaemonGroup>,
    by_name: HashMap<String, usize>,
}

impl GroupTable {
    /// The group of exactly this name.
    pub fn get(&self, name: &str) -> Option<&DaemonGroup> {
        self.by_name.get(name).map(|&index| &self.list[index])
    }

    /// Position in definition order (0-based).
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// In definition order.
    pub fn iter(&self) -> std::slice::Iter<'_, DaemonGroup> {
        self.list.iter()
    }

    /// In definition order, for changes.
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, DaemonGroup> {
        self.list.iter_mut()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The group of this name, for changes.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut DaemonGroup> {
        self.by_name.get(name).map(|&index| &mut self.list[index])
    }

    /// Appends a group whose name is not in the list.
    pub(crate) fn push(&mut self, group: DaemonGroup) {
        self.by_name.insert(group.name.clone(), self.list.len());
        self.list.push(group);
    }
}

impl<'a> IntoIterator for &'a GroupTable {
    type Item = &'a DaemonGroup;
    type IntoIter = std::slice::Iter<'a, DaemonGroup>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
