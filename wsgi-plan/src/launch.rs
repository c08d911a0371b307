//! What daemons and the embedded host are told when they start.

use crate::VERSION;
use crate::access::AccessNeed;
use crate::generation::GenerationFacts;
use crate::python::path_bytes;
use std::path::Path;
use std::time::Duration;
use wsgi_directives::{DaemonGroup, GlobalConfig, HashSeed, ImportScript, MountTarget, blocks_of};
use wsgi_protocol::control::{DaemonIdentity, LogTarget};
use wsgi_protocol::launch::{
    ApplicationInterface, DaemonTimers, EventLoop, HostMode, InterpreterRule, Launch, MountedApplication,
    PreloadScript, PythonSettings, TelemetryService,
};

/// Milliseconds for the wire; "off" is 0.
fn millis(duration: Option<Duration>) -> u64 {
    duration.map_or(0, |d| d.as_millis().try_into().unwrap_or(u64::MAX))
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

/// What the processes of a group are told.
pub fn of_group(
    common: &GenerationFacts<'_>,
    group: &DaemonGroup,
    identity: &DaemonIdentity,
    log: LogTarget,
) -> Launch {
    let global = common.global();
    let mut launch = launch(common, global, &group.name);
    fill_daemon_launch(&mut launch, group, common, identity, log);
    launch.preloads = preloads(global, &group.name);
    launch.mounted = mounted(global, group);
    launch.names_global = global.names_main_of(&group.name);
    launch.names = names(global, &group.name);
    if group.options.preload {
        launch.candidates = candidates(common, group);
    }
    launch
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
    launch.peer_uids = vec![common.subjects.surroundings.httpd.uid];
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
    launch.websockets = options.asgi.websockets;
    launch.stack_size = options.stack_size.map_or(0, |n| n.get());
    launch.user = identity.passwd_home.clone().map(|home| (identity.user.clone(), home));
    launch.log_level = log.level;
    launch.timers = timers(group, common.global().slow_requests);
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
    let global = common.global();
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
    common.global().routes.targets_of(&group.name).into_iter().filter(exists).map(preload).collect()
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
