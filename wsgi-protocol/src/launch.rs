//! What a host needs to know to start: written by the supervisor for a daemon (in a memory file), and by the
//! httpd child for the embedded host. Never contains secrets. Durations are milliseconds, 0 means off.

use crate::wire_enum::wire_enum;
use crate::{PROTOCOL_VERSION, ProtocolError};
use serde::{Deserialize, Serialize};

/// Descriptor of the listening socket in a daemon (decisions.md, "Listening sockets are inherited").
pub const LISTEN_FD: i32 = 3;
/// Descriptor of the one-way pipe on which a daemon writes one [`ReadyByte`] byte.
pub const READY_FD: i32 = 4;
/// Descriptor of the memory file that holds the encoded [`Launch`].
pub const LAUNCH_FD: i32 = 5;

/// Descriptor of the one-way pipe from the supervisor: one [`DaemonOrder`] byte each; end of file means that the
/// supervisor is gone and the daemon must end at once.
pub const ORDER_FD: i32 = 6;
/// Descriptor of the slot's heirloom: a memory file (at most [`HEIRLOOM_MAX`] bytes) that every process of a slot
/// inherits. A process that wants a successor leaves an encoded [`crate::heirloom::Heirloom`] there; the successor
/// loads its scripts before it says [`ReadyByte::Serving`], or adds why it cannot. The supervisor hands it on and never
/// reads it.
pub const HEIRLOOM_FD: i32 = 7;
/// Most bytes of an heirloom; the file is sealed against growing beyond it.
pub const HEIRLOOM_MAX: usize = 64 * 1024;
/// Descriptor of a memory file of [`STACK_FILE`] bytes, for the Python stack with which a process ends: `faulthandler`
/// writes to it, and the supervisor reads it once the process is dead, as text for logs. Behind that, at [`SOCKETS_AT`], stands
/// how many WebSockets the process has on their own sockets, a `u32`, which the supervisor passes on at a [`SOCKETS_SIGN`].
pub const STACK_FD: i32 = 8;
/// Bytes of that file.
pub const STACK_FILE: usize = SOCKETS_AT + 4;
/// See [`STACK_FD`].
pub const SOCKETS_AT: usize = crate::death::MAX_STACK;
/// Besides those of [`ReadyByte`]: the number at [`SOCKETS_AT`] is another one. Not more often than four times a second.
pub const SOCKETS_SIGN: u8 = b'W';

/// Descriptor of the memory file with httpd's scoreboard ([`crate::scoreboard::FILE_HEADER`]), if
/// [`Launch::server_metrics`] is set; it can only be read.
pub const BOARD_FD: i32 = 9;

/// What a daemon's interpreter runs: `<python> <flags> -c BOOTSTRAP <host library>`. The working directory leaves
/// `sys.path` before anything is imported; `-I` would do that too, but also forget `env=` settings for Python and
/// the user's site-packages. SIGURG, which does nothing by default, dumps the stacks of all threads without the GIL.
pub const BOOTSTRAP: &str = "import sys
if sys.path and sys.path[0] == '': del sys.path[0]
import faulthandler, _signal
faulthandler.register(_signal.SIGURG, 2)
from importlib.machinery import ExtensionFileLoader, ModuleSpec
loader = ExtensionFileLoader('wsgi_python_host', sys.argv[1])
module = loader.create_module(ModuleSpec('wsgi_python_host', loader, origin=sys.argv[1]))
loader.exec_module(module)
sys.exit(module.serve())
";

wire_enum! {
    /// The bytes the supervisor writes to [`ORDER_FD`].
    pub enum DaemonOrder: u8 {
        /// A successor serves: stop accepting, end the requests under way, exit (bounded by the drain timer as long as somebody
        /// waits for one of them, else by the graceful timer).
        Drain = b'D',
        /// A successor cannot start before: the same, bounded by the graceful timer.
        MakeRoom = b'E',
        /// The successor could not import the new code: go on serving with the old one.
        Keep = b'K',
        /// Shut down now, as SIGTERM would.
        Stop = b'X',
        /// Ask for a successor ([`ReadyByte::Recycle`]): the group is being replaced process by process.
        Renew = b'R',
        /// Log the Python stacks of all threads.
        Stacks = b'S',
    }
}

wire_enum! {
    /// The bytes a daemon writes to [`READY_FD`]; the supervisor reads single bytes and nothing else. A byte of
    /// [`crate::death::EndReason`] may follow: why the process is about to stop.
    pub enum ReadyByte: u8 {
        /// Python runs, preloads and heirloom are loaded, requests are being served.
        Serving = b'R',
        /// The script changed: the process asks for a successor, holds the request that noticed, and serves all
        /// others with the old code until it gets [`DaemonOrder::Drain`] or [`DaemonOrder::Keep`]. Said again before either: it
        /// has changed once more, and a successor that is loading what is out of date is given up for another one.
        Replace = b'T',
        /// The process wants to end (recycling timers, maximum-requests): start a successor, then order `Drain`.
        Recycle = b'D',
        /// A script of the heirloom could not be imported: the predecessor shall be kept. If the process has no
        /// predecessor it says `Serving` instead and answers 500 until the script is mended.
        ImportFailed = b'F',
        /// The same, and the error says that something is taken (a port, a lock) that the predecessor may hold. Also said by a
        /// process without a predecessor, which then ends: whoever still holds it may be gone when the next one starts.
        ImportConflict = b'C',
    }
}

/// How applications are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum ApplicationInterface {
    /// As they look.
    #[default]
    Auto,
    /// By PEP 3333.
    Wsgi,
    /// By ASGI 3.
    Asgi,
}

/// Which event loop runs ASGI applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum EventLoop {
    /// uvloop where it is installed.
    #[default]
    Auto,
    /// The standard library's.
    Asyncio,
    /// uvloop.
    Uvloop,
}

/// An application that requests will ask for in the main interpreter, as far as the configuration shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct MountedApplication {
    /// Path of the script, or `module:…`.
    pub script: Vec<u8>,
    /// Name of the callable.
    pub callable: Vec<u8>,
    /// How it is called.
    pub interface: ApplicationInterface,
}

/// Where the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum HostMode {
    /// In a process of its own, exec'ed from the application's interpreter.
    #[default]
    Daemon,
    /// Inside an httpd child.
    Embedded,
}

/// A script to load before requests are served (WSGIImportScript, or a fully static alias; spec/directives.md §9.1,
/// §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct PreloadScript {
    /// Path of the script, or `module:…`.
    pub script: Vec<u8>,
    /// Application group; empty is the main interpreter.
    pub application_group: Vec<u8>,
}

impl PreloadScript {
    /// Whether it is this script in this application group.
    #[must_use]
    pub fn is(&self, script: &[u8], application_group: &[u8]) -> bool {
        self.script == script && self.application_group == application_group
    }
}

/// One `<WSGIInterpreterOptions>` block that matches this process (spec/directives.md §13), already filtered
/// by process group and sorted from least to most specific.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct InterpreterRule {
    /// Application group the rule is for; `None` matches all.
    pub application_group: Option<Vec<u8>>,
    /// `sys.path` layer, `:`-separated.
    pub python_path: Option<Vec<u8>>,
    /// Own GIL for sub-interpreters (CPython ≥ 3.12).
    pub own_gil: Option<bool>,
    /// `sys.setswitchinterval`, seconds.
    pub switch_interval: Option<f64>,
    /// Block `sys.stdin`.
    pub restrict_stdin: Option<bool>,
    /// Block `sys.stdout`.
    pub restrict_stdout: Option<bool>,
    /// Neutralise `signal.signal`.
    pub restrict_signal: Option<bool>,
}

/// The timers of a daemon (spec/daemon.md §2.5). Milliseconds, 0 = off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DaemonTimers {
    /// From the first request to the first successful script load.
    pub startup: u64,
    /// Age of the process.
    pub restart_interval: u64,
    /// Main GIL not obtainable.
    pub deadlock: u64,
    /// No activity and no active request.
    pub inactivity: u64,
    /// Per request, scaled by 1 + ln(threads).
    pub request: u64,
    /// Grace after RequestTimeout was injected.
    pub interrupt: u64,
    /// Drain window.
    pub graceful: u64,
    /// The same for a process that has been replaced and whose requests somebody waits for.
    pub drain: u64,
    /// Drain window for SIGUSR1; 0 = graceful.
    pub eviction: u64,
    /// From the begin of the shutdown to the forced exit; 0 = unlimited.
    pub shutdown: u64,
    /// Age of a request at pick-up.
    pub queue: u64,
    /// One read or write on the socket to httpd.
    pub socket: u64,
    /// WSGISlowRequests.
    pub slow_request: u64,
}

/// Facts about httpd for the `apache` module and the environ (spec/behaviour.md §1.10, §8.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct HttpdFacts {
    /// Major, minor, patch.
    pub version: (u32, u32, u32),
    /// Server banner.
    pub description: Vec<u8>,
    /// `event`, `worker`, `prefork`.
    pub mpm_name: Vec<u8>,
    /// Build date text.
    pub build_date: Vec<u8>,
    /// MPM's most child processes.
    pub maximum_processes: u32,
    /// MPM's threads per child.
    pub threads_per_process: u32,
}

/// WSGITelemetryService.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct TelemetryService {
    /// Path of the datagram socket.
    pub path: Vec<u8>,
    /// Milliseconds between two reports.
    pub interval: u64,
}

/// Everything a host is told at its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Launch {
    /// Daemon or embedded.
    pub mode: HostMode,
    /// Daemon group name; empty in embedded mode.
    pub group: Vec<u8>,
    /// `file:line` of the group's WSGIDaemonProcess, for advice.
    pub place: String,
    /// Position of this process in its group, from 0.
    pub slot: u32,
    /// httpd's configuration generation.
    pub generation: u32,
    /// The process serves nothing: it imports the scripts and forks workers (`preload=on`, [`crate::birth`]).
    pub zygote: bool,
    /// A predecessor serves this slot: a failed import of the heirloom ends in [`ReadyByte::ImportFailed`].
    pub has_predecessor: bool,
    /// The predecessor is of an older configuration, of which a script may be gone: the failed import of one that the
    /// configuration does not name any more (`names`), or whose file is gone, is no obstacle.
    pub lenient: bool,
    /// What the configuration names as scripts: paths and `module:…`, or the beginning of paths followed by `*`. Empty: it
    /// names none, and httpd's handlers run whatever there is.
    pub names: Vec<Vec<u8>>,
    /// `processes=` of the group, or the MPM's limit.
    pub processes: u32,
    /// `threads=` of the group (0 = service daemon), or the MPM's threads per child.
    pub threads: u32,
    /// `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// `wsgi.multithread`.
    pub multithread: bool,
    /// `wsgi.run_once`.
    pub run_once: bool,
    /// Recycle after so many requests; 0 = never.
    pub maximum_requests: u64,
    /// Recycle above this resident size in bytes; 0 = never.
    pub maximum_rss: u64,
    /// User ids allowed to connect (httpd's children).
    pub peer_uids: Vec<u32>,
    /// Process title for `ps`; `None` leaves the interpreter's own.
    pub title: Option<Vec<u8>>,
    /// `home=`: first entry of `sys.path`.
    pub home: Option<Vec<u8>>,
    /// `chroot=` prefix to strip from paths sent by httpd.
    pub chroot: Option<Vec<u8>>,
    /// Base `sys.path` layer: WSGIPythonPath or `python-path=`.
    pub python_path: Option<Vec<u8>>,
    /// `PYTHON_EGG_CACHE`.
    pub python_eggs: Option<Vec<u8>>,
    /// Rules per interpreter, least specific first; the first one carries the top-level directives.
    pub rules: Vec<InterpreterRule>,
    /// `switch-interval=` of the group, seconds.
    pub switch_interval: Option<f64>,
    /// Scripts to load before serving.
    pub preloads: Vec<PreloadScript>,
    /// Scripts of the main interpreter that requests will need as far as the configuration shows: a zygote loads
    /// them too.
    pub candidates: Vec<PreloadScript>,
    /// `interface=` of the group.
    pub interface: ApplicationInterface,
    /// `loop=` of the group.
    pub event_loop: EventLoop,
    /// `max-requests-in-flight=` of the group: requests of ASGI applications that a process runs at once.
    pub requests_in_flight: u32,
    /// `max-websockets=` of the group: WebSockets that a process has open at once.
    pub websockets: u32,
    /// What is started before requests are served, if it is an ASGI application. Those of [`ApplicationInterface::Asgi`] are loaded
    /// for that.
    pub mounted: Vec<MountedApplication>,
    /// `reload=immediate`: no readiness gate, the original's behaviour.
    pub reload_immediate: bool,
    /// The configuration names `%{GLOBAL}` for this process, so the main interpreter is taken (decisions.md, "The
    /// first application group may have the main interpreter").
    pub names_global: bool,
    /// WSGICaseSensitivity Off: module keys from lower-cased paths.
    pub case_insensitive: bool,
    /// WSGIDestroyInterpreter.
    pub destroy_interpreter: bool,
    /// `stack-size=` in bytes; 0 = system default.
    pub stack_size: u64,
    /// Timers.
    pub timers: DaemonTimers,
    /// Facts about httpd.
    pub httpd: HttpdFacts,
    /// mod_wsgi-compatible version.
    pub version: (u32, u32, u32),
    /// Login name of the user the process runs as, and its home directory (spec/daemon.md §5.8 step 9).
    pub user: Option<(Vec<u8>, Vec<u8>)>,
    /// LogLevel of the wsgi module of the group's server, for records outside requests.
    pub log_level: u32,
    /// `server-metrics=On`: httpd's scoreboard may be read from [`BOARD_FD`].
    pub server_metrics: bool,
    /// Where to report what is recorded.
    pub telemetry: Option<TelemetryService>,
    /// `locale=` of a daemon.
    pub locale: Option<Vec<u8>>,
    /// Embedded only: the interpreter whose environment is used (`<home>/bin/python3`).
    pub program_name: Option<Vec<u8>>,
    /// Embedded only: PyConfig-like settings that a daemon gets as command-line flags.
    pub python: PythonSettings,
}

/// Interpreter-wide settings (spec/directives.md §12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct PythonSettings {
    /// WSGIPythonOptimize.
    pub optimize: u32,
    /// WSGIDontWriteBytecode.
    pub dont_write_bytecode: bool,
    /// WSGIPythonWarnings in order.
    pub warnings: Vec<Vec<u8>>,
    /// WSGIPythonHashSeed; `None` is Python's own choice (random).
    pub hash_seed: Option<u32>,
}

/// Encodes any control or launch message behind the protocol version.
///
/// # Errors
/// [`ProtocolError::Message`] when the serializer refuses it (it does not for these types).
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, ProtocolError> {
    let mut out = PROTOCOL_VERSION.to_le_bytes().to_vec();
    let body = postcard::to_allocvec(message).map_err(|_| ProtocolError::Message("encode"))?;
    out.extend_from_slice(&body);
    Ok(out)
}

/// Decodes a message written by [`encode`]; nothing may be left over.
///
/// # Errors
/// Another protocol version, bytes that do not decode, or bytes left over.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ProtocolError> {
    let (version, body) = bytes.split_first_chunk::<4>().ok_or(ProtocolError::Missing("version"))?;
    let version = u32::from_le_bytes(*version);
    if version != PROTOCOL_VERSION {
        return Err(ProtocolError::Version(version));
    }
    let (message, rest) = postcard::take_from_bytes(body).map_err(|_| ProtocolError::Message("decode"))?;
    if rest.is_empty() { Ok(message) } else { Err(ProtocolError::Trailing("message")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launch_round_trips_and_refuses_others() {
        let launch = Launch { group: b"app".to_vec(), threads: 15, ..Launch::default() };
        let mut bytes = encode(&launch).unwrap();
        assert_eq!(decode::<Launch>(&bytes).unwrap(), launch);
        bytes.push(0);
        assert_eq!(decode::<Launch>(&bytes), Err(ProtocolError::Trailing("message")));
        bytes[0] = 99;
        assert_eq!(decode::<Launch>(&bytes), Err(ProtocolError::Version(99)));
        assert!(decode::<Launch>(&[1]).is_err());
    }

    #[test]
    fn ready_bytes() {
        for byte in 0..=255 {
            if let Some(ready) = ReadyByte::from_number(byte) {
                assert_eq!(ready as u8, byte);
            }
        }
    }
}
