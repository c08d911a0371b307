//! Main-server settings and everything that is collected over the whole configuration.

use super::daemon::GroupTable;
use super::environment::PassEnv;
use super::layer::layered;
use super::main_interpreter::RoutingLines;
use super::mount::{MountTarget, ScriptUse};
use super::routes::RouteLines;
use crate::place::{BlockId, SourceLocation};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

layered! {
    /// Settings of interpreters: top level or one `<WSGIInterpreterOptions>` block.
    pub struct InterpreterSettings {
        /// WSGIPythonPath, split at `:`; at top level for embedded interpreters only.
        python_path: Vec<String>,
        /// WSGISwitchInterval.
        switch_interval: Duration,
        /// WSGIPerInterpreterGIL.
        per_interpreter_gil: bool,
        /// WSGIRestrictStdin.
        restrict_stdin: bool,
        /// WSGIRestrictStdout.
        restrict_stdout: bool,
        /// WSGIRestrictSignal.
        restrict_signal: bool,
    }
}

/// One `<WSGIInterpreterOptions>` block.
#[derive(Clone, Debug, PartialEq)]
pub struct InterpreterBlock {
    /// `process-group=` selector; "" is embedded mode, `None` any.
    pub process_group: Option<String>,
    /// `application-group=` selector; "" is the main interpreter, `None` any.
    pub application_group: Option<String>,
    /// What it says.
    pub settings: InterpreterSettings,
    /// Where it was written.
    pub place: SourceLocation,
}

/// Everything main-server-only, and the lists collected from all servers.
#[derive(Debug, Default)]
pub struct GlobalConfig {
    /// WSGIDaemonProcess, in definition order.
    pub groups: GroupTable,
    /// Preloads in configuration order: WSGIImportScript and aliases with both groups fixed.
    pub imports: Vec<ImportScript>,
    /// `<WSGIInterpreterOptions>` blocks in file order.
    pub blocks: Vec<InterpreterBlock>,
    /// Top-level interpreter settings.
    pub interpreter: InterpreterSettings,
    /// WSGIPassEnv.
    pub pass_env: PassEnv,
    /// WSGIPythonHome.
    pub python_home: Option<String>,
    /// WSGIPythonEggs.
    pub python_eggs: Option<String>,
    /// WSGIPythonOptimize.
    pub python_optimize: Option<u32>,
    /// WSGIPythonWarnings, in order.
    pub python_warnings: Vec<String>,
    /// WSGIPythonHashSeed.
    pub hash_seed: Option<HashSeed>,
    /// WSGIDontWriteBytecode.
    pub dont_write_bytecode: Option<bool>,
    /// WSGIDestroyInterpreter.
    pub destroy_interpreter: Option<bool>,
    /// WSGICaseSensitivity.
    pub case_sensitivity: Option<bool>,
    /// WSGIRestrictEmbedded.
    pub restrict_embedded: Option<bool>,
    /// Whether httpd children need Python.
    pub embedded_python: EmbeddedPython,
    /// WSGISocketPrefix, absolute.
    pub socket_prefix: Option<String>,
    /// WSGISocketRotation.
    pub socket_rotation: Option<bool>,
    /// WSGIAcceptMutex.
    pub accept_mutex: Option<AcceptMutex>,
    /// WSGISupportDirectory, absolute.
    pub support_directory: Option<String>,
    /// WSGIServerMetrics.
    pub server_metrics: Option<bool>,
    /// WSGITelemetryService.
    pub telemetry_service: Option<TelemetryService>,
    /// WSGITelemetryOptions.
    pub telemetry_options: TelemetryFlags,
    /// WSGISlowRequests; `None` is disabled.
    pub slow_requests: Option<Duration>,
    /// WSGIVerboseDebugging; no effect.
    pub verbose_debugging: Option<bool>,
    /// Handler and hook scripts of the configuration files (not of `.htaccess`), in order.
    pub scripts: Vec<ScriptUse>,
    /// Where each main-server directive was written last, outside `<WSGIInterpreterOptions>`.
    pub places: HashMap<&'static str, SourceLocation>,
    /// A directory-type section chooses process groups, or a dispatch script may: what runs an alias cannot be
    /// told from the server's settings alone.
    pub routes_in_sections: bool,
    /// What chooses groups, and for which aliases.
    pub routes: RouteLines,
    /// What decides where requests run, line by line.
    pub(crate) routing: RoutingLines,
    /// Some server has an alias; known once the configuration has been read.
    pub(crate) has_aliases: bool,
    /// WSGIGroupAuthoritative and others whose lack of effect has been told.
    pub(crate) told: HashSet<&'static str>,
}

impl GlobalConfig {
    /// The block opened by the last `<WSGIInterpreterOptions>` tag.
    pub(crate) fn newest_block(&self) -> Option<BlockId> {
        self.blocks.len().checked_sub(1).map(BlockId)
    }

    /// Whether children set Python up when they start: something needs it there for certain, or the
    /// configuration has mounts and no daemon group at all. Otherwise the first embedded request does.
    pub fn embedded_is_eager(&self) -> bool {
        match self.embedded_python {
            EmbeddedPython::Needed => true,
            EmbeddedPython::NotNeeded => false,
            EmbeddedPython::Undecided => self.has_aliases && self.groups.is_empty(),
        }
    }

    /// WSGICaseSensitivity with its default for this platform: whether file names keep their case.
    pub fn case_sensitive(&self) -> bool {
        self.case_sensitivity.unwrap_or(!cfg!(any(target_os = "macos", target_os = "windows")))
    }

    /// Whether httpd children have to set Python up (spec/directives.md §6, sticky flag).
    pub fn needs_embedded_python(&self) -> bool {
        self.embedded_python != EmbeddedPython::NotNeeded
    }

    /// Whether any part of the configuration can send requests for the main interpreter to this group: then the
    /// first application group must not take it (decisions.md, "The first application group may have the main
    /// interpreter"). Unknown (`%{ENV:…}`) counts as yes.
    pub fn names_main_of(&self, group: &str) -> bool {
        let preloaded = self.imports_of(group).any(|import| import.application_group.is_empty());
        let rule = self.blocks.iter().any(|block| block.application_group.as_deref() == Some(""));
        preloaded || rule || self.routing.may_name_main_of(group)
    }

    /// Preloads of one process group, in order; "" is embedded mode.
    pub fn imports_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a ImportScript> {
        self.imports.iter().filter(move |import| import.process_group == group)
    }
}

/// The sticky "httpd children need Python" flag (spec/directives.md §6 WSGIRestrictEmbedded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmbeddedPython {
    /// Nothing said: counts as needed.
    #[default]
    Undecided,
    /// Something runs there.
    Needed,
    /// WSGIRestrictEmbedded On and nothing else asks for it.
    NotNeeded,
}

impl EmbeddedPython {
    /// A hook script or an embedded preload was configured, or WSGIRestrictEmbedded Off.
    pub(crate) fn require(&mut self) {
        *self = EmbeddedPython::Needed;
    }

    /// WSGIRestrictEmbedded On.
    pub(crate) fn renounce(&mut self) {
        if *self == EmbeddedPython::Undecided {
            *self = EmbeddedPython::NotNeeded;
        }
    }
}

/// A script loaded at process start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportScript {
    /// What is loaded.
    pub target: MountTarget,
    /// Where; "" is embedded mode.
    pub process_group: String,
    /// In which interpreter; "" is the main one.
    pub application_group: String,
    /// WSGIImportScript (true) or implied by an alias (false).
    pub explicit: bool,
    /// Where it was written.
    pub place: SourceLocation,
}

/// WSGIPythonHashSeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashSeed {
    /// Python's own randomisation.
    Random,
    /// A fixed seed; 0 disables randomisation.
    Fixed(u32),
}

/// WSGIAcceptMutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptMutex {
    /// `default`
    Default,
    /// `flock`
    Flock,
    /// `fcntl`
    Fcntl,
    /// `sysvsem`
    SysVSem,
    /// `posixsem`
    PosixSem,
    /// `pthread`
    Pthread,
}

/// WSGITelemetryService.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryService {
    /// Path of the datagram socket.
    pub path: String,
    /// Time between two reports.
    pub interval: Duration,
}

/// WSGITelemetryOptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TelemetryFlags {
    /// CaptureUserAgent
    pub capture_user_agent: bool,
}
