//! From reading the configuration to serving: config test, generations, the supervisor, and each child's start.

pub mod accounts;
pub mod checks;
mod delegate;
mod earlier;
mod end;
mod log_progress;
pub mod log_writer;
mod logs;
mod revival;
pub mod supervisor;
mod version;

use crate::config::{self, ConfigState};
use crate::generation::board;
use crate::generation::metrics::{self, MetricsMemory};
use crate::generation::runtime::{ChildRuntime, GroupView};
use crate::generation::status::StatusMemory;
use crate::httpd::log::{self, LogLevel};
use crate::httpd::origin::LogServers;
use crate::httpd::pool::Pool;
use crate::httpd::{bytes, server};
use crate::{callbacks, child, messages};
use apr_sys as sys;
use delegate::ForkedDelegates;
use earlier::EarlierGenerations;
use log_writer::LogWriters;
use logs::ErrorLogs;
use std::ffi::{CStr, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use supervisor::PersistentState;
use wsgi_directives::GlobalConfig;
use wsgi_plan::{CheckSubjects, GenerationFacts, HttpdUser, MpmFacts, Surroundings, Survey};
use wsgi_protocol::control::{Configuration, LogTarget};
use wsgi_protocol::launch::HttpdFacts;

pub use checks::check_config;
use wsgi_system::memory::{LastingMapping, trim_heap};
use wsgi_system::{limits, process};

const DONE_WELL: c_int = sys::OK as c_int;

/// Makes the generation: resolves groups, starts or informs the supervisor, prepares what children inherit.
///
/// # Safety
/// Called by httpd's parent with the live configuration pool and the main server.
pub unsafe fn post_config(pconf: *mut sys::apr_pool_t, main: *mut sys::server_rec) -> c_int {
    if !config::is_final_pass() {
        return DONE_WELL;
    }
    child::set_main_server(main);
    crate::metrics::find_wanted();
    // SAFETY: httpd's parent is single-threaded here.
    let Some(state) = (unsafe { config::state_mut() }) else { return DONE_WELL };
    // SAFETY: main server and pool are live.
    unsafe {
        checks::finish(state, main);
        state.log_servers = LogServers::new(unsafe_pool(pconf), main);
        let servers = checks::servers(state, main);
        let surroundings = surroundings(&state.global);
        let delegates = ForkedDelegates { own_uid: surroundings.own_uid };
        let subjects = CheckSubjects::new(&state.global, servers, &surroundings);
        let is_restart = PersistentState::of(main).is_alive() || httpd_generation() > 0;
        let mut survey = subjects.survey(is_restart, &delegates);
        let runtime = make_runtime(state, main, &subjects, &survey);
        let findings = wsgi_plan::checks::examine(&subjects, &mut survey, checks::is_config_test());
        state.runtime = runtime.map_err(|e| log_main(main, LogLevel::Crit, &e)).ok();
        version::add(state, unsafe_pool(pconf));
        checks::tell(main, &findings);
        start_daemons(state, main, pconf);
    }
    // What reading and checking the configuration has used goes back to the system: each child would inherit it.
    trim_heap();
    DONE_WELL
}

fn unsafe_pool<'p>(pconf: *mut sys::apr_pool_t) -> Pool<'p> {
    // SAFETY: only called with httpd's live configuration pool.
    unsafe { Pool::from_raw(pconf) }
}

fn httpd_generation() -> u32 {
    server::query_mpm(sys::AP_MPMQ_GENERATION).unwrap_or(0)
}

fn log_main(main: *mut sys::server_rec, level: LogLevel, text: &str) {
    // SAFETY: the main server of the current configuration.
    unsafe { log::server(main, level as u8, 0, text.as_bytes()) }
}

/// httpd's User and Group.
pub fn httpd_user() -> HttpdUser {
    // SAFETY: httpd's static record; read on the parent's only thread after the configuration was read.
    unsafe {
        let unixd = &raw const sys::ap_unixd_config;
        let name = bytes((*unixd).user_name).map(|n| String::from_utf8_lossy(n).into_owned());
        let (own_uid, own_gid) = (process::effective_uid(), process::effective_gid());
        let is_root = own_uid == 0;
        let (uid, gid) = if is_root { ((*unixd).user_id, (*unixd).group_id) } else { (own_uid, own_gid) };
        HttpdUser { uid, gid, name: name.unwrap_or_default(), is_root }
    }
}

fn facts() -> HttpdFacts {
    let text = |p| {
        // SAFETY: httpd's functions give static strings.
        unsafe { bytes(p) }.unwrap_or_default().to_vec()
    };
    // SAFETY: plain queries of httpd.
    unsafe {
        HttpdFacts {
            version: (
                sys::AP_SERVER_MAJORVERSION_NUMBER,
                sys::AP_SERVER_MINORVERSION_NUMBER,
                sys::AP_SERVER_PATCHLEVEL_NUMBER,
            ),
            description: text(sys::ap_get_server_description()),
            mpm_name: text(sys::ap_show_mpm()),
            build_date: text(sys::ap_get_server_built()),
            maximum_processes: server::query_mpm(sys::AP_MPMQ_MAX_DAEMONS).unwrap_or(1).max(1),
            threads_per_process: server::query_mpm(sys::AP_MPMQ_MAX_THREADS).unwrap_or(1).max(1),
        }
    }
}

/// The machine and httpd as they are now.
fn surroundings(global: &GlobalConfig) -> Surroundings {
    Surroundings {
        accounts: &accounts::SystemAccounts,
        httpd: httpd_user(),
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
    use wsgi_directives::SystemFacts;
    let default = || config::HttpdMachine.server_root_relative(&format!("{}/wsgi", default_runtime_dir()));
    global.socket_prefix.clone().or_else(default).unwrap_or_else(|| "/run/wsgi".to_owned())
}

fn default_runtime_dir() -> String {
    // The compiled-in directory, as `httpd -V` shows it; bindgen keeps the macro as bytes.
    let dir = CStr::from_bytes_until_nul(sys::DEFAULT_REL_RUNTIMEDIR).map(CStr::to_string_lossy);
    dir.map_or_else(|_| "logs".to_owned(), |d| d.into_owned())
}

/// # Safety
/// Parent process, live main server.
unsafe fn make_runtime(
    state: &ConfigState,
    main: *mut sys::server_rec,
    subjects: &CheckSubjects<'_>,
    survey: &Survey<'_>,
) -> Result<ChildRuntime, String> {
    let facts = facts();
    let generation = httpd_generation();
    let mpm = MpmFacts { threads: facts.threads_per_process, processes: facts.maximum_processes };
    let common = GenerationFacts {
        subjects,
        survey,
        facts,
        mpm,
        generation,
        // SAFETY: live main server.
        log_level: unsafe { server::log_level(main) },
        // SAFETY: httpd's own flag.
        core_dumps: unsafe { sys::ap_coredumpdir_configured } != 0,
    };
    let support = support_directory(&state.global)?;
    // SAFETY: live main server.
    let mut logs = unsafe { ErrorLogs::new(main) };
    let slots = state.global.groups.iter().map(|g| wsgi_plan::places(g) as usize).sum();
    let children = server::query_mpm(sys::AP_MPMQ_HARD_LIMIT_DAEMONS).unwrap_or(1).max(1) as usize;
    // SAFETY: parent process.
    let persistent = unsafe { PersistentState::of(main) };
    let status = persistent.make_status(slots, children).map_err(|e| messages::status_memory(&e))?;
    // SAFETY: as above.
    let metrics = unsafe { MetricsMemory::of(main) };
    let metrics = metrics.map_err(|e| log_main(main, LogLevel::Error, &messages::metrics_memory(&e))).ok();
    let mut runtime = ChildRuntime {
        groups: Vec::new(),
        status,
        metrics,
        embedded_metrics: metrics.and_then(|memory| memory.view().register(b"")),
        // SAFETY: as above.
        board: unsafe { board_for_daemons(state, main, mpm) },
        status_sections: crate::status::find_sections(),
        embedded_python: wsgi_plan::embedded_version(&common),
        embedded: wsgi_plan::embedded(&common),
        host_library: support.join("python-host.abi3.so"),
        supervisor: support.join("wsgi-supervisor"),
        // SAFETY: live main server.
        configuration: configuration(&common, &support, unsafe { logs.target(main, &state.log_servers) }),
        logs: Vec::new(),
        log_writer: None,
        // SAFETY: live main server, constant listener list.
        ports: unsafe { known_ports(main) },
    };
    add_groups(&mut runtime, state, &common, main, logs);
    Ok(runtime)
}

/// The scoreboard for daemons, if some group wants it.
///
/// # Safety
/// Parent process, live main server.
unsafe fn board_for_daemons(
    state: &ConfigState,
    main: *mut sys::server_rec,
    mpm: MpmFacts,
) -> Option<board::StatusBoard> {
    if !state.global.groups.iter().any(|group| group.options.server_metrics) {
        return None;
    }
    let limit = |what: u32, least: u32| server::query_mpm(what).unwrap_or(1).max(least) as usize;
    let processes = limit(sys::AP_MPMQ_HARD_LIMIT_DAEMONS, mpm.processes);
    let workers = processes * limit(sys::AP_MPMQ_HARD_LIMIT_THREADS, mpm.threads);
    // SAFETY: by the contract.
    let board = unsafe { board::StatusBoard::of(main, workers) };
    board.map_err(|e| log_main(main, LogLevel::Error, &messages::metrics_memory(&e))).ok()
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
///
/// # Safety
/// Parent process, live main server.
unsafe fn known_ports(main: *mut sys::server_rec) -> Vec<u16> {
    // SAFETY: by the contract; the lists end with null pointers.
    unsafe {
        let mut ports: Vec<u16> = server::all(main).map(|s| (*s).port).collect();
        let mut record = sys::ap_listeners;
        while let Some(one) = record.as_ref() {
            ports.extend(one.bind_addr.as_ref().map(|address| address.port));
            record = one.next;
        }
        ports.extend([80, 443]);
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

fn add_groups(
    runtime: &mut ChildRuntime,
    state: &ConfigState,
    common: &GenerationFacts<'_>,
    main: *mut sys::server_rec,
    mut logs: ErrorLogs,
) {
    let mut first_slot = 0;
    for (ordinal, group) in state.global.groups.iter().enumerate() {
        let host = group.place.virtual_host.and_then(|id| config::server_of(state, id)).unwrap_or(main);
        // SAFETY: server records are live.
        let target = unsafe { logs.target(host, &state.log_servers) };
        let mut plan = wsgi_plan::plan_group(common, group, ordinal, first_slot, target);
        let metrics = runtime.metrics.and_then(|memory| memory.view().register(group.name.as_bytes()));
        if let Ok(spec) = &mut plan.spec {
            spec.metrics = metrics.map(|number| number as u32);
            spec.launch.server_metrics &= runtime.board.is_some();
        }
        if let Some(text) = &plan.complaint {
            // SAFETY: as above.
            unsafe { log::server(host, LogLevel::Error as u8, 0, text.as_bytes()) };
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
fn support_directory(global: &GlobalConfig) -> Result<PathBuf, String> {
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
///
/// # Safety
/// Parent process.
unsafe fn start_daemons(state: &mut ConfigState, main: *mut sys::server_rec, pconf: *mut sys::apr_pool_t) {
    let Some(runtime) = state.runtime.as_mut() else { return };
    // SAFETY: parent process.
    let persistent = unsafe { PersistentState::of(main) };
    let alive = persistent.is_alive();
    if runtime.configuration.groups.is_empty() && !alive {
        return;
    }
    // SAFETY: the process pool; the module is still loaded when its cleanups run, or `generation_ends` has taken this back.
    unsafe {
        let pool = (*(*main).process).pool;
        sys::apr_pool_pre_cleanup_register(pool, std::ptr::null(), Some(callbacks::handed().httpd_ends));
    }
    // SAFETY: parent process in post_config.
    unsafe { log_writer::begin(runtime, main, pconf, &state.log_servers) };
    // If it cannot be had, the attempt below fails and says so.
    let _ = persistent.open_lifeline();
    let failed = match persistent.bring_up(main, runtime) {
        Ok(failed) => failed,
        Err(error) => return persistent.note_failure(main, runtime, &error),
    };
    for (name, reason) in failed {
        if let Some(group) = runtime.groups.iter_mut().find(|g| g.name.as_bytes() == name) {
            group.failed = Some(reason);
        }
    }
    persistent.register(pconf);
}

/// The other-child callback: the supervisor died, or httpd clears its configuration.
pub fn supervisor_changed(reason: c_int, status: c_int) {
    if reason != sys::APR_OC_REASON_DEATH as c_int {
        return;
    }
    let main = child::main_server();
    // SAFETY: runs on the parent's only thread while the configuration is alive.
    let Some(state) = (unsafe { config::state_mut() }) else { return };
    let Some(runtime) = state.runtime.as_ref().filter(|_| !main.is_null()) else { return };
    // SAFETY: parent process.
    let persistent = unsafe { PersistentState::of(main) };
    persistent.unregister();
    if persistent.pid <= 0 {
        persistent.pause_is_over();
        return persistent.try_again(main, runtime);
    }
    log_main(main, LogLevel::Error, &messages::supervisor_died(status));
    persistent.replace(main, runtime);
}

/// httpd's own watch, every ten seconds.
pub fn watch() {
    let main = child::main_server();
    let runtime = config::state().and_then(|state| state.runtime.as_ref());
    if let Some(runtime) = runtime.filter(|_| !main.is_null()) {
        // SAFETY: parent process.
        unsafe { PersistentState::of(main) }.watch(main, runtime);
    }
}

/// httpd's parent is about to end.
pub fn httpd_ends() {
    let main = child::main_server();
    if !main.is_null() && config::is_owner() {
        let runtime = config::state().and_then(|state| state.runtime.as_ref());
        // SAFETY: parent process; its pools have not been touched yet.
        unsafe {
            PersistentState::of(main).end(runtime);
            LogWriters::of(main).end();
        }
    }
}

/// In the parent: a child has ended, perhaps with requests under way.
pub fn child_ended(pid: i32) {
    if let Some(runtime) = config::state().and_then(|state| state.runtime.as_ref()) {
        runtime.status.ledger().settle(pid.cast_unsigned(), |index| runtime.status.slot(index));
        if let Some(memory) = runtime.metrics {
            memory.view().fold(pid.cast_unsigned());
        }
    }
}

/// A child's start: gives up what only the parent may hold, prepares connections, sets Python up if configured.
///
/// # Safety
/// Called by httpd in each child with the child's pool and the main server.
pub unsafe fn child_init(pchild: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    child::note_child();
    if !config::is_owner() {
        // SAFETY: the record was inherited by fork; the child closes its copies.
        unsafe {
            PersistentState::of(main).give_up_in_child();
            EarlierGenerations::of(main).close();
            LogWriters::of(main).close();
        }
    }
    let Some(runtime) = config::state().and_then(|state| state.runtime.as_ref()) else { return };
    runtime.status.ledger().join(std::process::id());
    crate::daemon::pool::prepare(runtime);
    if !runtime.groups.is_empty() {
        crate::daemon::descriptors::make_room(
            server::query_mpm(sys::AP_MPMQ_MAX_THREADS).unwrap_or(1) as usize
        );
    }
    if let Some(memory) = runtime.metrics {
        let groups = runtime.groups.iter().filter_map(|group| group.metrics).chain(runtime.embedded_metrics);
        let threads = server::query_mpm(sys::AP_MPMQ_MAX_THREADS).unwrap_or(1).max(1) as usize;
        metrics::prepare(memory, groups.max().map_or(0, |highest| highest + 1), threads);
    }
    if runtime.embedded.as_ref().is_some_and(|embedded| embedded.eager) {
        crate::embedded::start_in_child(main);
    }
    // SAFETY: the child's pool is cleared when the child ends, while this module is mapped.
    unsafe { Pool::from_raw(pchild).on_clear(ptr::null_mut(), callbacks::handed().child_exit) };
}

impl PersistentState {
    /// Replaces the status memory.
    fn make_status(&mut self, slots: usize, children: usize) -> std::io::Result<StatusMemory> {
        let (memory, fd) = StatusMemory::create(slots, children)?;
        let (address, len) = std::mem::replace(&mut self.status, memory.mapping().parts());
        // SAFETY: the last generation's mapping; in the parent nothing uses it any more.
        unsafe {
            if let Some(last) = LastingMapping::from_parts(address, len) {
                last.unmap();
            }
        }
        self.keep_status_fd(fd);
        Ok(memory)
    }
}

/// httpd clears its configuration: the parent's end of the lifeline goes. If no module of ours comes back with the
/// next configuration, the supervisor sees the end of the last child, and ends.
pub fn generation_ends() {
    let main = child::set_main_server(ptr::null_mut());
    if !main.is_null() {
        // SAFETY: parent process; the main server is freed after the cleanups of its pool have run.
        unsafe {
            EarlierGenerations::of(main).keep(PersistentState::of(main));
            let pool = (*(*main).process).pool;
            sys::apr_pool_cleanup_kill(pool, ptr::null(), Some(callbacks::handed().httpd_ends));
            LogWriters::of(main).close();
        }
    }
}
