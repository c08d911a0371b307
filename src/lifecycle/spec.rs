//! From what the operator wrote to what supervisor, daemons and children are told: defaults filled in, users
//! resolved, paths made.

use super::access::AccessNeed;
use super::accounts;
use super::checks::CheckSubjects;
use super::environment;
use super::python::{HomeError, PythonInterpreter, path_bytes};
use super::runtime::{GroupView, MpmFacts};
use super::survey::Survey;
use crate::config::ConfigState;
use crate::daemon::log_rate::LogRate;
use std::path::Path;
use std::time::Duration;
use wsgi_directives::{
    DaemonGroup, GlobalConfig, HashSeed, ImportScript, MountTarget, NamedAccount, blocks_of,
};
use wsgi_protocol::control::{DaemonIdentity, GroupSockets, GroupSpec, LogTarget, ResourceLimits};
use wsgi_protocol::launch::{
    ApplicationInterface, DaemonTimers, EventLoop, HostMode, HttpdFacts, InterpreterRule, Launch,
    MountedApplication, PreloadScript, PythonSettings, TelemetryService,
};
use wsgi_protocol::operator::{SCALE_LIMIT, SOCKET_SUFFIX};
use wsgi_protocol::status::ProcessConcurrency;

/// mod_wsgi release whose behaviour is offered; the package version.
pub const VERSION: (u32, u32, u32) = (6, 1, 1);

/// httpd's own identity.
#[derive(Debug, Clone)]
pub struct HttpdUser {
    /// `User`
    pub uid: u32,
    /// `GroupView`
    pub gid: u32,
    /// Name of `User`.
    pub name: String,
    /// Whether the parent is root and can change identities.
    pub is_root: bool,
}

/// What is the same for all groups of a generation.
pub struct GenerationFacts<'a> {
    /// The configuration.
    pub state: &'a ConfigState,
    /// Who looks at what.
    pub subjects: &'a CheckSubjects<'a>,
    /// What was seen.
    pub survey: &'a Survey,
    /// httpd's identity.
    pub httpd_user: HttpdUser,
    /// Facts for the `apache` module.
    pub facts: HttpdFacts,
    /// MPM limits.
    pub mpm: MpmFacts,
    /// Generation number.
    pub generation: u32,
    /// Prefix of socket paths, absolute.
    pub socket_prefix: String,
    /// LogLevel of the wsgi module at the main server.
    pub log_level: u32,
    /// `CoreDumpDirectory` is set.
    pub core_dumps: bool,
    /// Names of httpd's environment that daemons keep.
    pub environment: Vec<(String, String)>,
}

/// Milliseconds for the wire; "off" is 0.
fn millis(duration: Option<Duration>) -> u64 {
    duration.map_or(0, |d| d.as_millis().try_into().unwrap_or(u64::MAX))
}

/// Builds the specification of one group.
///
/// # Errors
/// One sentence that says why the group cannot be started and what to do.
pub fn group_spec(
    common: &GenerationFacts<'_>,
    group: &DaemonGroup,
    ordinal: usize,
    first_slot: usize,
    log: LogTarget,
) -> Result<GroupSpec, String> {
    let global = &common.state.global;
    let interpreter = interpreter(common, group)?;
    let identity = identity(common, group)?;
    let python = python_settings(global);
    let mut launch = launch(common, global, &group.name);
    fill_daemon_launch(&mut launch, group, common, &identity, log);
    launch.preloads = preloads(global, &group.name);
    launch.mounted = mounted(global, group);
    launch.names_global = global.names_main_of(&group.name);
    launch.names = names(global, &group.name);
    if group.options.preload {
        launch.candidates = candidates(common, group);
    }
    Ok(GroupSpec {
        name: group.name.clone().into_bytes(),
        first_slot: first_slot as u32,
        processes: group.options.process_count(),
        interpreter: path_bytes(interpreter.program()),
        argument_zero: interpreter
            .stand_in
            .as_ref()
            .map(|_| path_bytes(&interpreter.path))
            .unwrap_or_default(),
        flags: flags(&python),
        environment: environment::of_group(common, group, &identity, &python)?,
        limits: ResourceLimits {
            cpu_seconds: group.options.cpu_time_limit.map_or(0, |d| d.as_secs()),
            data: group.options.memory_limit.map_or(0, |n| n.get()),
            address_space: group.options.virtual_memory_limit.map_or(0, |n| n.get()),
            tasks: group.options.tasks_max.map_or(0, |n| n.get().into()),
            core_dumps: common.core_dumps,
        },
        sockets: sockets(common, group, ordinal, identity.uid),
        identity,
        log,
        ends_session: group.options.end_session,
        log_rate: group.options.log_rate,
        preload: group.options.preload,
        // Nobody makes room for a process that cannot be started.
        exclusive: group.options.reload != wsgi_directives::ReloadMode::Overlap
            && missing_home(common, group).is_none(),
        metrics: None,
        launch,
    })
}

/// Why the interpreter of a group cannot be started as things are, if it may be there later.
pub fn missing_home(common: &GenerationFacts<'_>, group: &DaemonGroup) -> Option<String> {
    let home = group.options.python_home.as_deref().or(common.state.global.python_home.as_deref());
    let found = common.survey.interpreter(&common.subjects.looker(group), home);
    let error = found.err()?;
    matches!(error, HomeError::NoDirectory(_) | HomeError::NoInterpreter(_)).then(|| error.to_string())
}

/// Who runs the group. One whose file system does not answer now may do so when it is executed, and one that is not there
/// is tried for as long as httpd runs, while older processes serve; the supervisor says so.
pub fn interpreter(common: &GenerationFacts<'_>, group: &DaemonGroup) -> Result<PythonInterpreter, String> {
    let home = group.options.python_home.as_deref().or(common.state.global.python_home.as_deref());
    match common.survey.interpreter(&common.subjects.looker(group), home) {
        Err(HomeError::Silent(home, _) | HomeError::NoDirectory(home) | HomeError::NoInterpreter(home)) => {
            Ok(PythonInterpreter::unseen(&home))
        }
        found => found.map_err(|error| error.to_string()),
    }
}

fn identity(common: &GenerationFacts<'_>, group: &DaemonGroup) -> Result<DaemonIdentity, String> {
    let options = &group.options;
    let uid = options.user.as_ref().map_or(common.httpd_user.uid, |who| who.id);
    let gid = options.group.as_ref().map_or(common.httpd_user.gid, |who| who.id);
    let entry = accounts::user(uid);
    let name = match (&options.user, &entry) {
        (_, Some(entry)) => entry.name.clone(),
        (Some(who), None) => who.name.clone(),
        (None, None) => common.httpd_user.name.clone(),
    };
    if common.httpd_user.is_root && uid == 0 {
        return Err(format!(
            "WSGI process blocked from running as root: group '{}' would run as '{name}'; set user= or httpd's User",
            group.name
        ));
    }
    let ids = |list: &Vec<NamedAccount>| list.iter().map(|who| who.id).collect();
    Ok(DaemonIdentity {
        uid,
        gid,
        user: name.into_bytes(),
        passwd_home: entry.map(|e| e.home),
        supplementary: options.supplementary_groups.as_ref().map(ids),
        umask: options.umask.map(|mask| u32::from(mask.bits())),
        chroot: options.chroot.clone().map(String::into_bytes),
        home: options.home.clone().map(String::into_bytes),
        differs_from_httpd: uid != common.httpd_user.uid,
        cpu_priority: options.cpu_priority,
        may_gain_privileges: !options.no_new_privileges,
    })
}

/// How many processes a group can be scaled to while httpd runs.
pub fn places(group: &DaemonGroup) -> u32 {
    group.options.process_count().max(SCALE_LIMIT)
}

/// Path of the socket for `mod_wsgi-ctl`.
pub fn operator_socket(common: &GenerationFacts<'_>) -> Vec<u8> {
    format!("{}.{}{SOCKET_SUFFIX}", common.socket_prefix, std::process::id()).into_bytes()
}

/// Socket paths of spec/directives.md §8; the first process has the original's name.
fn sockets(common: &GenerationFacts<'_>, group: &DaemonGroup, ordinal: usize, uid: u32) -> GroupSockets {
    let rotation = common.state.global.socket_rotation.unwrap_or(true);
    let generation = if rotation { common.generation.to_string() } else { format!("u{uid}") };
    let pid = std::process::id();
    let base = format!("{}.{pid}.{generation}.{}", common.socket_prefix, ordinal + 1);
    let name = |slot: u32| if slot == 0 { format!("{base}.sock") } else { format!("{base}.{slot}.sock") };
    let options = &group.options;
    let size = |n: Option<std::num::NonZeroU64>| n.map_or(0, |n| n.get().min(i32::MAX as u64) as u32);
    GroupSockets {
        paths: (0..places(group)).map(|slot| name(slot).into_bytes()).collect(),
        owner: options.socket_user.as_ref().map_or(common.httpd_user.uid, |who| who.id),
        backlog: options.listen_backlog,
        send_buffer: size(options.send_buffer_size),
        receive_buffer: size(options.receive_buffer_size),
    }
}

/// Interpreter flags for the directives of spec/directives.md §12.
fn flags(python: &PythonSettings) -> Vec<Vec<u8>> {
    let mut flags = vec![b"-X".to_vec(), b"faulthandler".to_vec()];
    if python.dont_write_bytecode {
        flags.push(b"-B".to_vec());
    }
    // CPython knows levels 1 and 2; higher ones mean 2.
    for _ in 0..python.optimize.min(2) {
        flags.push(b"-O".to_vec());
    }
    for filter in &python.warnings {
        flags.push(b"-W".to_vec());
        flags.push(filter.clone());
    }
    flags
}

/// WSGIPythonOptimize and its siblings.
pub fn python_settings(global: &GlobalConfig) -> PythonSettings {
    PythonSettings {
        optimize: global.python_optimize.unwrap_or(0),
        dont_write_bytecode: global.dont_write_bytecode.unwrap_or(false),
        warnings: global.python_warnings.iter().map(|w| w.clone().into_bytes()).collect(),
        hash_seed: match global.hash_seed {
            Some(HashSeed::Fixed(seed)) => Some(seed),
            Some(HashSeed::Random) | None => None,
        },
    }
}

/// What daemons and the embedded host are told alike; `group` is empty for embedded mode.
fn launch(common: &GenerationFacts<'_>, global: &GlobalConfig, group: &str) -> Launch {
    Launch {
        group: group.as_bytes().to_vec(),
        generation: common.generation,
        rules: rules(global, group),
        case_insensitive: !global.case_sensitive(),
        destroy_interpreter: global.destroy_interpreter.unwrap_or(true),
        httpd: common.facts.clone(),
        version: VERSION,
        python: python_settings(global),
        telemetry: global.telemetry_service.as_ref().map(|service| TelemetryService {
            path: service.path.clone().into_bytes(),
            interval: millis(Some(service.interval)),
        }),
        ..Launch::default()
    }
}

fn fill_daemon_launch(
    launch: &mut Launch,
    group: &DaemonGroup,
    common: &GenerationFacts<'_>,
    identity: &DaemonIdentity,
    log: LogTarget,
) {
    let options = &group.options;
    launch.mode = HostMode::Daemon;
    launch.place = group.place.to_string();
    launch.processes = options.process_count();
    launch.threads = u32::from(options.threads);
    launch.multiprocess = options.multiprocess();
    launch.multithread = options.multithread();
    launch.run_once = options.run_once();
    launch.maximum_requests = options.maximum_requests.map_or(0, |n| u64::from(n.get()));
    launch.maximum_rss = options.maximum_rss.map_or(0, |n| n.get());
    launch.peer_uids = vec![common.httpd_user.uid];
    launch.title = Some(group.display_name().into_bytes());
    launch.server_metrics = options.server_metrics;
    launch.locale = options.locale.clone().map(String::into_bytes);
    launch.home = options.home.clone().map(String::into_bytes);
    launch.chroot = options.chroot.clone().map(String::into_bytes);
    launch.python_path = options.python_path.as_ref().map(|path| path.join(":").into_bytes());
    launch.python_eggs = options.python_eggs.clone().map(String::into_bytes);
    launch.switch_interval = options.switch_interval.map(|d| d.as_secs_f64());
    launch.reload_immediate = options.reload == wsgi_directives::ReloadMode::Immediate;
    launch.interface = interface(options.asgi.interface);
    launch.event_loop = match options.asgi.event_loop {
        wsgi_directives::EventLoop::Auto => EventLoop::Auto,
        wsgi_directives::EventLoop::Asyncio => EventLoop::Asyncio,
        wsgi_directives::EventLoop::Uvloop => EventLoop::Uvloop,
    };
    launch.requests_in_flight = options.asgi.requests_in_flight.get();
    launch.stack_size = options.stack_size.map_or(0, |n| n.get());
    launch.user = identity.passwd_home.clone().map(|home| (identity.user.clone(), home));
    launch.log_level = log.level;
    launch.timers = timers(group, common.state.global.slow_requests);
}

fn timers(group: &DaemonGroup, slow: Option<Duration>) -> DaemonTimers {
    let options = &group.options;
    DaemonTimers {
        startup: millis(options.startup_timeout),
        restart_interval: millis(options.restart_interval),
        deadlock: millis(options.deadlock_timeout),
        inactivity: millis(options.inactivity_timeout),
        request: millis(options.request_timeout),
        interrupt: millis(options.interrupt_timeout),
        graceful: millis(Some(options.graceful_timeout)),
        drain: millis(Some(options.drain_timeout)),
        eviction: millis(options.eviction_timeout),
        shutdown: millis(options.shutdown_timeout),
        queue: millis(options.queue_timeout),
        socket: millis(options.socket_timeout),
        slow_request: millis(slow),
    }
}

/// The embedded host's launch.
pub fn embedded_launch(common: &GenerationFacts<'_>, program: &Path) -> Launch {
    let global = &common.state.global;
    let mut launch = launch(common, global, "");
    launch.mode = HostMode::Embedded;
    launch.timers.slow_request = millis(global.slow_requests);
    launch.processes = common.mpm.processes.max(1);
    launch.threads = common.mpm.threads.max(1);
    launch.multiprocess = common.mpm.processes != 1;
    launch.multithread = common.mpm.threads != 1;
    launch.names_global = true;
    launch.program_name = Some(path_bytes(program));
    launch.python_path = global.interpreter.python_path.as_ref().map(|path| path.join(":").into_bytes());
    launch.python_eggs = global.python_eggs.clone().map(String::into_bytes);
    launch.preloads = preloads(global, "");
    launch.log_level = common.log_level;
    launch
}

/// Interpreter rules for a process group, least specific first (spec/directives.md §13).
fn rules(global: &GlobalConfig, group: &str) -> Vec<InterpreterRule> {
    let top = &global.interpreter;
    let mut rules = vec![InterpreterRule {
        application_group: None,
        // The base layer travels as `Launch::python_path`: it differs between embedded mode and daemons.
        python_path: None,
        own_gil: top.per_interpreter_gil,
        switch_interval: top.switch_interval.map(|d| d.as_secs_f64()).filter(|_| group.is_empty()),
        restrict_stdin: top.restrict_stdin,
        restrict_stdout: top.restrict_stdout,
        restrict_signal: top.restrict_signal,
    }];
    rules.extend(blocks_of(global, group).into_iter().map(|block| InterpreterRule {
        application_group: block.application_group.clone().map(String::into_bytes),
        python_path: block.settings.python_path.as_ref().map(|path| path.join(":").into_bytes()),
        own_gil: block.settings.per_interpreter_gil,
        switch_interval: block.settings.switch_interval.map(|d| d.as_secs_f64()),
        restrict_stdin: block.settings.restrict_stdin,
        restrict_stdout: block.settings.restrict_stdout,
        restrict_signal: block.settings.restrict_signal,
    }));
    rules
}

fn preloads(global: &GlobalConfig, group: &str) -> Vec<PreloadScript> {
    let preload = |import: &ImportScript| PreloadScript {
        script: import.target.text().into_bytes(),
        application_group: import.application_group.clone().into_bytes(),
    };
    global.imports_of(group).map(preload).collect()
}

/// Scripts that are no preloads but will run in the main interpreter of the group as far as the configuration shows.
fn candidates(common: &GenerationFacts<'_>, group: &DaemonGroup) -> Vec<PreloadScript> {
    let runner = common.subjects.looker(group);
    let exists = |target: &&MountTarget| match target {
        MountTarget::File(path) => {
            common.survey.problem(&runner, Path::new(path), AccessNeed::File).is_none()
        }
        MountTarget::Module { .. } => true,
    };
    let preload = |target: &MountTarget| PreloadScript {
        script: target.text().into_bytes(),
        application_group: Vec::new(),
    };
    common.state.global.routes.targets_of(&group.name).into_iter().filter(exists).map(preload).collect()
}

/// What may have to be started before requests are served ([`Launch::mounted`]).
fn mounted(global: &GlobalConfig, group: &DaemonGroup) -> Vec<MountedApplication> {
    let rows = global.routes.mounted_in(&group.name, group.options.asgi.interface).into_iter();
    rows.map(|(target, callable, how)| MountedApplication {
        script: target.text().into_bytes(),
        callable: callable.as_bytes().to_vec(),
        interface: interface(how),
    })
    .collect()
}

fn interface(written: wsgi_directives::ApplicationInterface) -> ApplicationInterface {
    match written {
        wsgi_directives::ApplicationInterface::Auto => ApplicationInterface::Auto,
        wsgi_directives::ApplicationInterface::Wsgi => ApplicationInterface::Wsgi,
        wsgi_directives::ApplicationInterface::Asgi => ApplicationInterface::Asgi,
    }
}

/// What the configuration names as scripts ([`Launch::names`]).
fn names(global: &GlobalConfig, group: &str) -> Vec<Vec<u8>> {
    let mut names = global.routes.patterns();
    if !names.is_empty() {
        names.extend(global.imports_of(group).map(|import| import.target.text()));
    }
    names.into_iter().map(String::into_bytes).collect()
}

/// What children need to know of a group.
pub fn child_group(group: &DaemonGroup, spec: Result<&GroupSpec, String>, first_slot: usize) -> GroupView {
    let options = &group.options;
    let sockets = spec.as_ref().map(|spec| spec.sockets.paths.iter().filter_map(|p| address(p)).collect());
    GroupView {
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
        metrics: None,
        backlog: options.listen_backlog,
        python: None,
    }
}

/// A socket address; `None` when the path is too long for the system.
pub fn address(path: &[u8]) -> Option<libc::sockaddr_un> {
    // SAFETY: all-zero is a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    if path.len() >= address.sun_path.len() {
        return None;
    }
    for (to, from) in address.sun_path.iter_mut().zip(path) {
        *to = *from as libc::c_char;
    }
    Some(address)
}
