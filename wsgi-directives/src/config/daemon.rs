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

/// Default of `header-buffer-size=`, bytes.
pub(crate) const HEADER_BUFFER: NonZeroU64 = NonZeroU64::new(32_768).expect("not zero");
/// Default of `response-buffer-size=`, bytes.
pub(crate) const RESPONSE_BUFFER: NonZeroU64 = NonZeroU64::new(8_388_608).expect("not zero");

/// Default of `log-rate=`, lines per second.
pub(crate) const LOG_RATE: u32 = 1000;

/// Declares a record with the default of each field beside it.
macro_rules! with_defaults {
    ($(#[$outer:meta])* pub struct $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$outer])*
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Default for $name {
            /// The defaults of spec/directives.md §7, the same the option table prints (a test compares them).
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

with_defaults! {
    /// Every WSGIDaemonProcess option, parsed (spec/directives.md §7). Times of `None` mean "off".
    #[derive(Clone, Debug, PartialEq)]
    pub struct DaemonOptions {
        /// `processes=`; `None` when not given, which counts as 1 but keeps `wsgi.multiprocess` False.
        processes: Option<NonZeroU32> = None,
        /// `threads=`; 0 is service mode.
        threads: u16 = 15,
        /// `display-name=`, unexpanded.
        display_name: Option<String> = None,
        /// `user=`; `None` is httpd's User.
        user: Option<NamedAccount> = None,
        /// `group=`; `None` is httpd's Group.
        group: Option<NamedAccount> = None,
        /// `supplementary-groups=`; `None` means the memberships of the user.
        supplementary_groups: Option<Vec<NamedAccount>> = None,
        /// `umask=`; `None` inherits.
        umask: Option<Umask> = None,
        /// `home=`, absolute.
        home: Option<String> = None,
        /// `chroot=`, absolute.
        chroot: Option<String> = None,
        /// `lang=`
        lang: Option<String> = None,
        /// `locale=`
        locale: Option<String> = None,
        /// `python-home=`; `None` is WSGIPythonHome.
        python_home: Option<String> = None,
        /// `python-path=`, split at `:`.
        python_path: Option<Vec<String>> = None,
        /// `python-eggs=`
        python_eggs: Option<String> = None,
        /// `switch-interval=`
        switch_interval: Option<Duration> = None,
        /// `stack-size=`, bytes; `None` is the system's.
        stack_size: Option<NonZeroU64> = None,
        /// `cpu-priority=`; 0 leaves it alone.
        cpu_priority: i32 = 0,
        /// `cpu-time-limit=`
        cpu_time_limit: Option<Duration> = None,
        /// `memory-limit=`, bytes.
        memory_limit: Option<NonZeroU64> = None,
        /// `virtual-memory-limit=`, bytes.
        virtual_memory_limit: Option<NonZeroU64> = None,
        /// `maximum-rss=`, bytes.
        maximum_rss: Option<NonZeroU64> = None,
        /// `server-metrics=`
        server_metrics: bool = false,
        /// `env=KEY=VALUE`, in order.
        env: Vec<(String, String)> = Vec::new(),
        /// `pass-env=`, and `env=NAME` without a value.
        pass_env: PassEnv = PassEnv::default(),
        /// `env-file=`, in order.
        env_files: Vec<String> = Vec::new(),
        /// `end-session=`
        end_session: bool = true,
        /// `log-rate=`, lines per second; 0 is unlimited.
        log_rate: u32 = LOG_RATE,
        /// `tasks-max=`
        tasks_max: Option<NonZeroU32> = None,
        /// `no-new-privileges=`
        no_new_privileges: bool = true,
        /// `preload=`
        preload: bool = false,
        /// `reload=`
        reload: ReloadMode = ReloadMode::Overlap,
        /// What concerns ASGI applications.
        asgi: AsgiOptions = AsgiOptions::default(),
        /// `maximum-requests=`; `None` is unlimited.
        maximum_requests: Option<NonZeroU32> = None,
        /// `restart-interval=`
        restart_interval: Option<Duration> = None,
        /// `inactivity-timeout=`
        inactivity_timeout: Option<Duration> = None,
        /// `request-timeout=`
        request_timeout: Option<Duration> = None,
        /// `interrupt-timeout=`
        interrupt_timeout: Option<Duration> = None,
        /// `startup-timeout=`
        startup_timeout: Option<Duration> = None,
        /// `deadlock-timeout=`
        deadlock_timeout: Option<Duration> = Some(Duration::from_secs(300)),
        /// `graceful-timeout=`; zero is a value of its own (spec/directives.md §7.2).
        graceful_timeout: Duration = Duration::from_secs(15),
        /// `drain-timeout=`
        drain_timeout: Duration = Duration::from_secs(600),
        /// `eviction-timeout=`; `None` means graceful-timeout.
        eviction_timeout: Option<Duration> = None,
        /// `shutdown-timeout=`; `None` never forces.
        shutdown_timeout: Option<Duration> = Some(Duration::from_secs(5)),
        /// `connect-timeout=`
        connect_timeout: Duration = Duration::from_secs(15),
        /// `socket-timeout=`; `None` is httpd's Timeout.
        socket_timeout: Option<Duration> = None,
        /// `queue-timeout=`
        queue_timeout: Option<Duration> = None,
        /// `listen-backlog=`
        listen_backlog: u32 = 100,
        /// `socket-user=`; `None` is httpd's User.
        socket_user: Option<NamedAccount> = None,
        /// `send-buffer-size=`, bytes; `None` is the system's.
        send_buffer_size: Option<NonZeroU64> = None,
        /// `receive-buffer-size=`, bytes; `None` is the system's.
        receive_buffer_size: Option<NonZeroU64> = None,
        /// `header-buffer-size=`, bytes.
        header_buffer_size: NonZeroU64 = HEADER_BUFFER,
        /// `response-buffer-size=`, bytes.
        response_buffer_size: NonZeroU64 = RESPONSE_BUFFER,
        /// `response-socket-timeout=`; `None` means socket-timeout.
        response_socket_timeout: Option<Duration> = None,
        /// `response-flush-delay=`
        response_flush_delay: Duration = Duration::from_millis(5),
        /// `script-user=`
        script_user: Option<NamedAccount> = None,
        /// `script-group=`
        script_group: Option<NamedAccount> = None,
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
