//! From reading the configuration to serving: config test, generations, the supervisor, and each child's start.

pub mod accounts;
pub mod checks;
mod delegate;
#[allow(unsafe_code)]
mod earlier;
mod end;
#[allow(unsafe_code)]
mod kept;
mod log_progress;
#[allow(unsafe_code)]
pub mod log_writer;
mod logs;
mod revival;
#[allow(unsafe_code)]
pub mod supervisor;
mod version;

use crate::config::{self, ConfigState};
use crate::generation::board::{KeptBoard, StatusBoard};
use crate::generation::metrics::{self, MetricsMemory};
use crate::generation::runtime::{ChildRuntime, GroupView};
use crate::httpd::origin::LogServers;
use crate::httpd::parent::ParentThread;
use crate::httpd::pool::{Pool, server_root_relative};
use crate::httpd::server::{HttpdNames, Server, is_config_test, listening_ports, query_mpm};
use crate::{child, messages};
use apr_sys as sys;
use delegate::ForkedDelegates;
use log_writer::WriterTask;
use logs::ErrorLogs;
use revival::RevivalTask;
use std::ffi::{CStr, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use supervisor::PersistentState;
use wsgi_directives::GlobalConfig;
use wsgi_plan::{CheckSubjects, GenerationFacts, HttpdUser, MpmFacts, Surroundings, Survey};
use wsgi_protocol::control::{Configuration, LogTarget};
use wsgi_protocol::events::{self, EventLine};
use wsgi_protocol::launch::HttpdFacts;

pub use checks::check_config;
pub use kept::{HttpdParent, KeptMemories, KeptRecords};
use wsgi_system::memory::trim_heap;
use wsgi_system::{limits, process};

const DONE_WELL: c_int = sys::OK as c_int;

/// Makes the generation: resolves groups, starts or informs the supervisor, prepares what children inherit.
pub fn post_config(parent: HttpdParent) -> c_int {
    if !config::is_final_pass() {
        return DONE_WELL;
    }
    let HttpdParent { thread, state, mut kept, memories } = parent;
    let main = thread.main();
    state.main = Some(main);
    crate::metrics::find_wanted(thread.tree());
    let servers = checks::finish(state, thread);
    state.log_servers = LogServers::new(thread.configuration_pool(), main);
    let surroundings = surroundings(thread, &state.global);
    let delegates = ForkedDelegates { thread: thread.thread(), own_uid: surroundings.own_uid };
    let subjects = CheckSubjects::new(&state.global, servers, &surroundings);
    let is_restart = kept.supervisor.is_alive() || httpd_generation() > 0;
    let mut survey = subjects.survey(is_restart, &delegates);
    let runtime = make_runtime(state, thread, (&mut kept, memories), &subjects, &survey);
    let findings = wsgi_plan::checks::examine(&subjects, &mut survey, is_config_test());
    state.runtime = runtime.map_err(|e| main.say(&e)).ok();
    version::add(state, thread);
    checks::tell(main, &findings);
    start_daemons(thread, state, kept);
    // What reading and checking the configuration has used goes back to the system: each child would inherit it.
    trim_heap();
    DONE_WELL
}

fn httpd_generation() -> u32 {
    query_mpm(sys::AP_MPMQ_GENERATION).unwrap_or(0)
}

/// httpd's User and Group.
fn httpd_user(parent: ParentThread) -> HttpdUser {
    let (name, user, group) = parent.user();
    let (own_uid, own_gid) = (process::effective_uid(), process::effective_gid());
    let is_root = own_uid == 0;
    let (uid, gid) = if is_root { (user, group) } else { (own_uid, own_gid) };
    HttpdUser { uid, gid, name: name.lossy(), is_root }
}

fn facts() -> HttpdFacts {
    let names = HttpdNames::get();
    let [description, mpm_name, build_date] =
        [names.description, names.mpm, names.built].map(|text| text.bytes().unwrap_or_default().to_vec());
    HttpdFacts {
        version: (
            sys::AP_SERVER_MAJORVERSION_NUMBER,
            sys::AP_SERVER_MINORVERSION_NUMBER,
            sys::AP_SERVER_PATCHLEVEL_NUMBER,
        ),
        description,
        mpm_name,
        build_date,
        maximum_processes: query_mpm(sys::AP_MPMQ_MAX_DAEMONS).unwrap_or(1).max(1),
        threads_per_process: query_mpm(sys::AP_MPMQ_MAX_THREADS).unwrap_or(1).max(1),
    }
}

/// The machine and httpd as they are now.
fn surroundings(parent: ParentThread, global: &GlobalConfig) -> Surroundings {
    Surroundings {
        accounts: &accounts::SystemAccounts,
        httpd: httpd_user(parent),
        own_uid: process::effective_uid(),
        pid: std::process::id(),
        environment: std::env::vars_os().collect(),
        open_files: limits::open_files(),
        socket_prefix: socket_prefix(global),
        module: module_file(),
        support: support_directory(global).ok(),
    }
}

/// Default of WSGISocketPrefix: httpd's runtime directory (spec/directives.md §8).
fn socket_prefix(global: &GlobalConfig) -> String {
    let default = || server_root_relative(&format!("{}/wsgi", default_runtime_dir()));
    global.socket_prefix.clone().or_else(default).unwrap_or_else(|| "/run/wsgi".to_owned())
}

fn default_runtime_dir() -> String {
    // The compiled-in directory, as `httpd -V` shows it; bindgen keeps the macro as bytes.
    let dir = CStr::from_bytes_until_nul(sys::DEFAULT_REL_RUNTIMEDIR).map(CStr::to_string_lossy);
    dir.map_or_else(|_| "logs".to_owned(), |d| d.into_owned())
}

fn make_runtime(
    state: &ConfigState,
    parent: ParentThread,
    (kept, memories): (&mut KeptRecords, KeptMemories),
    subjects: &CheckSubjects<'_>,
    survey: &Survey<'_>,
) -> Result<ChildRuntime, EventLine> {
    let (main, facts) = (parent.main(), facts());
    let mpm = MpmFacts { threads: facts.threads_per_process, processes: facts.maximum_processes };
    let common = GenerationFacts {
        subjects,
        survey,
        facts,
        mpm,
        generation: httpd_generation(),
        log_level: main.log_level(),
        core_dumps: parent.wants_core_dumps(),
    };
    let support = support_directory(&state.global)?;
    let mut logs = ErrorLogs::new(main);
    let slots = state.global.groups.iter().map(|g| wsgi_plan::places(g) as usize).sum();
    let children = query_mpm(sys::AP_MPMQ_HARD_LIMIT_DAEMONS).unwrap_or(1).max(1) as usize;
    let status = kept.make_status(slots, children).map_err(|e| messages::status_memory(&e))?;
    let metrics = MetricsMemory::of(memories.metrics);
    let metrics = metrics.map_err(|e| main.say(&messages::metrics_memory(&e))).ok();
    let mut runtime = ChildRuntime {
        groups: Vec::new(),
        status,
        metrics,
        embedded_metrics: metrics.and_then(|memory| memory.view().register(b"")),
        board: board_for_daemons(state, main, memories.board, mpm),
        status_sections: crate::status::find_sections(parent.tree()),
        embedded_python: wsgi_plan::embedded_version(&common),
        embedded: wsgi_plan::embedded(&common),
        host_library: support.join("python-host.abi3.so"),
        supervisor: support.join("wsgi-supervisor"),
        configuration: configuration(&common, &support, logs.target(main, &state.log_servers)),
        logs: Vec::new(),
        ports: known_ports(main),
    };
    add_groups(&mut runtime, state, &common, main, logs);
    Ok(runtime)
}

/// The scoreboard for daemons, if some group wants it.
fn board_for_daemons(
    state: &ConfigState,
    main: Server<'_>,
    kept: &'static mut KeptBoard,
    mpm: MpmFacts,
) -> Option<StatusBoard> {
    if !state.global.groups.iter().any(|group| group.options.server_metrics) {
        return None;
    }
    let limit = |what: u32, least: u32| query_mpm(what).unwrap_or(1).max(least) as usize;
    let processes = limit(sys::AP_MPMQ_HARD_LIMIT_DAEMONS, mpm.processes);
    let workers = processes * limit(sys::AP_MPMQ_HARD_LIMIT_THREADS, mpm.threads);
    let board = StatusBoard::of(kept, workers);
    board.map_err(|e| main.say(&messages::metrics_memory(&e))).ok()
}

/// What the supervisor is told, without the groups.
fn configuration(common: &GenerationFacts<'_>, support: &Path, log: LogTarget) -> Configuration {
    Configuration {
        generation: common.generation,
        host_library: support.join("python-host.abi3.so").as_os_str().as_bytes().to_vec(),
        groups: Vec::new(),
        log,
        operator_socket: wsgi_plan::operator_socket(common),
        log_writer: false,
    }
}

/// Ports of the configuration: others in a `Host` header never become part of a group name.
fn known_ports(main: Server<'_>) -> Vec<u16> {
    let mut ports: Vec<u16> = main.and_next().map(Server::port).chain(listening_ports()).collect();
    ports.extend([80, 443]);
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn add_groups(
    runtime: &mut ChildRuntime,
    state: &ConfigState,
    common: &GenerationFacts<'_>,
    main: Server<'static>,
    mut logs: ErrorLogs,
) {
    let mut first_slot = 0;
    for (ordinal, group) in state.global.groups.iter().enumerate() {
        let host = group.place.virtual_host.and_then(|id| state.hosts.server(id)).unwrap_or(main);
        let target = logs.target(host, &state.log_servers);
        let mut plan = wsgi_plan::plan_group(common, group, ordinal, first_slot, target);
        let metrics = runtime.metrics.and_then(|memory| memory.view().register(group.name.as_bytes()));
        if let Ok(spec) = &mut plan.spec {
            spec.metrics = metrics.map(|number| number as u32);
            spec.launch.server_metrics &= runtime.board.is_some();
        }
        if let Some(text) = &plan.complaint {
            host.log_event(&events::GROUP_LEFT_OUT, text);
        }
        let mut child = GroupView::new(group, plan.spec.as_ref().map_err(Clone::clone), first_slot);
        child.metrics = metrics;
        child.python = plan.python;
        first_slot += wsgi_plan::places(group) as usize;
        runtime.groups.push(child);
        runtime.configuration.groups.extend(plan.spec.ok());
    }
    runtime.configuration.log_writer = logs.need_writer;
    runtime.logs = logs.fds;
}

/// Where supervisor and host library are: beside this module, or where WSGISupportDirectory says.
fn support_directory(global: &GlobalConfig) -> Result<PathBuf, EventLine> {
    if let Some(written) = &global.support_directory {
        return Ok(PathBuf::from(written));
    }
    let file = module_file().ok_or_else(messages::own_file_unknown)?;
    let file = file.canonicalize().unwrap_or(file);
    Ok(file.parent().unwrap_or(Path::new("/")).join("mod_wsgi"))
}

/// The file of this module.
fn module_file() -> Option<PathBuf> {
    process::file_of(crate::module_record().cast_const().cast())
}

/// Starts the supervisor if there is none, and gives it the generation. Failure leaves httpd running; requests
/// for daemons are answered 503.
fn start_daemons(thread: ParentThread, state: &mut ConfigState, kept: KeptRecords) {
    let Some(runtime) = state.runtime.as_mut() else { return };
    let KeptRecords { supervisor, earlier, writers } = kept;
    let alive = supervisor.is_alive();
    if runtime.configuration.groups.is_empty() && !alive {
        return;
    }
    thread.tell_end();
    if runtime.configuration.log_writer {
        let mut task = WriterTask { parent: thread, servers: &state.log_servers, supervisor, earlier };
        if let Err(error) = writers.begin(&mut task) {
            thread.main().say(&messages::no_log_writer(&error));
        }
    } else {
        writers.close();
    }
    runtime.configuration.log_writer = writers.socket().is_some();
    writers.register(thread);
    // If it cannot be had, the attempt below fails and says so.
    let _ = supervisor.open_lifeline();
    let mut task = RevivalTask { parent: thread, runtime, earlier, log_writer: writers.socket() };
    let failed = match supervisor.bring_up(&mut task) {
        Ok(failed) => failed,
        Err(error) => return supervisor.note_failure(&task, &error),
    };
    for (name, reason) in failed {
        if let Some(group) = runtime.groups.iter_mut().find(|g| g.name.as_bytes() == name) {
            group.failed = Some(reason);
        }
    }
    supervisor.register(thread);
}

/// Has the supervisor looked after.
fn look_after(parent: HttpdParent, act: impl FnOnce(&mut PersistentState, &mut RevivalTask<'_>)) {
    let HttpdParent { thread, state, kept, .. } = parent;
    let KeptRecords { supervisor, earlier, writers } = kept;
    if let Some(runtime) = &state.runtime {
        let log_writer = writers.socket();
        act(supervisor, &mut RevivalTask { parent: thread, runtime, earlier, log_writer });
    }
}

/// The other-child callback: the supervisor died, or a pause before the next attempt is over.
pub fn supervisor_changed(parent: HttpdParent, status: c_int) {
    look_after(parent, |supervisor, task| {
        if supervisor.pid <= 0 {
            supervisor.pause_is_over();
            return supervisor.try_again(task);
        }
        task.say(&messages::supervisor_died(&supervisor::said_by(status)));
        supervisor.replace(task, supervisor::not_executed(status).is_none());
    });
}

/// httpd's own watch, every ten seconds.
pub fn watch(parent: HttpdParent) {
    look_after(parent, PersistentState::watch);
}

/// The other-child callback of log writers, with the address of apr's record of the process.
pub fn log_writer_changed(parent: HttpdParent, process: usize, status: c_int) {
    let HttpdParent { thread, state, kept, .. } = parent;
    let KeptRecords { supervisor, earlier, writers } = kept;
    let mut task = WriterTask { parent: thread, servers: &state.log_servers, supervisor, earlier };
    let main = thread.main();
    match writers.ended((process, status), &mut task) {
        None => {}
        Some(Ok(discarded)) => {
            main.say(&messages::log_writer_died(status));
            if let Some((pid, length)) = discarded {
                main.say(&messages::log_line_discarded(pid, length));
            }
        }
        Some(Err(error)) => main.say(&messages::no_log_writer(&error)),
    }
    if let Some(runtime) = &mut state.runtime {
        runtime.configuration.log_writer = writers.socket().is_some();
    }
}

/// httpd's parent is about to end; its pools have not been touched yet.
pub fn httpd_ends(parent: HttpdParent) {
    parent.kept.supervisor.end(parent.state.runtime.as_ref());
    parent.kept.writers.end();
}

/// In the parent: a child has ended, perhaps with requests under way.
pub fn child_ended(pid: i32) {
    if let Some(runtime) = config::runtime() {
        runtime.status.ledger().settle(pid.cast_unsigned(), |index| runtime.status.slot(index));
        if let Some(memory) = runtime.metrics {
            memory.view().fold(pid.cast_unsigned());
        }
    }
}

/// A child's start, with its pool: prepares connections, sets Python up if configured. What only the parent may hold has been
/// given up.
pub fn child_init(pool: Pool<'_>, main: Server<'_>) {
    child::note_child();
    let Some(runtime) = config::runtime() else { return };
    runtime.status.ledger().join(std::process::id());
    crate::daemon::pool::prepare(runtime);
    if !runtime.groups.is_empty() {
        crate::daemon::descriptors::make_room(query_mpm(sys::AP_MPMQ_MAX_THREADS).unwrap_or(1) as usize);
    }
    if let Some(memory) = runtime.metrics {
        let groups = runtime.groups.iter().filter_map(|group| group.metrics).chain(runtime.embedded_metrics);
        let threads = query_mpm(sys::AP_MPMQ_MAX_THREADS).unwrap_or(1).max(1) as usize;
        metrics::prepare(memory, groups.max().map_or(0, |highest| highest + 1), threads);
    }
    if runtime.embedded.as_ref().is_some_and(|embedded| embedded.eager) {
        crate::embedded::start_in_child(main);
    }
    // The child's pool is cleared when the child ends, while this module is mapped.
    pool.call_when_cleared(crate::embedded::stop);
}

/// httpd clears its configuration: the parent's end of the lifeline goes. If no module of ours comes back with the
/// next configuration, the supervisor sees the end of the last child, and ends.
pub fn generation_ends(parent: ParentThread, kept: KeptRecords) {
    kept.earlier.keep(kept.supervisor);
    parent.tell_no_end();
    kept.writers.close();
}
