//! What the configuration names on this machine is looked at, at each test and each start: what will not work is said
//! in one line that names the fix. A start goes on over it, and only the group it concerns stays down; so does a test,
//! unless it is told to be strict.

mod environment;
mod exposure;
mod groups;
mod inquiry;
pub mod neighbours;
mod scripts;

use super::runner::ProcessIdentity;
use super::spec::HttpdUser;
use super::survey::Survey;
use super::{httpd_user, support_directory};
use crate::config::{self, ConfigState};
use crate::httpd::log::{self, LogLevel};
use crate::httpd::server;
use apr_sys as sys;
use inquiry::CheckFindings;
use std::collections::HashMap;
use std::ffi::c_int;
use std::path::PathBuf;
use std::rc::Rc;
use wsgi_directives::{DaemonGroup, ServerConfig, ServerView, VhostId};

const REFUSED: c_int = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;

/// `-D WSGI_STRICT`, or `Define WSGI_STRICT`: a test fails over what keeps a group from starting.
const STRICT: &std::ffi::CStr = c"WSGI_STRICT";

/// Whether this run only tests the configuration (`httpd -t`).
fn is_config_test() -> bool {
    // SAFETY: plain query.
    unsafe { sys::ap_state_query(sys::AP_SQ_RUN_MODE as c_int) == sys::AP_SQ_RM_CONFIG_TEST as c_int }
}

/// The check_config hook.
///
/// # Safety
/// Called by httpd's parent with the live configuration pool and the main server.
pub unsafe fn check_config(_pconf: *mut sys::apr_pool_t, main: *mut sys::server_rec) -> c_int {
    // SAFETY: httpd's parent is single-threaded here.
    let Some(state) = (unsafe { config::state_mut() }) else { return sys::OK as c_int };
    if let Some(error) = state.global.shared_group(&config::HttpdMachine) {
        // SAFETY: live main server.
        unsafe { log::server(main, LogLevel::Error as u8, 0, error.to_string().as_bytes()) };
        return REFUSED;
    }
    if !is_config_test() {
        return sys::OK as c_int;
    }
    // SAFETY: live main server.
    let servers = unsafe {
        finish(state, main);
        servers(state, main)
    };
    let subjects = CheckSubjects::new(state, servers, httpd_user());
    let mut survey = subjects.survey(false);
    let findings = examine(&subjects, &mut survey);
    // SAFETY: httpd's own query with a constant name.
    let is_strict = unsafe { sys::ap_exists_config_define(STRICT.as_ptr()) } != 0;
    let level = if is_strict { LogLevel::Error } else { LogLevel::Warning };
    tell(main, &findings);
    for line in &findings.errors {
        // SAFETY: live main server.
        unsafe { log::server(main, level as u8, 0, line.as_bytes()) };
    }
    if is_strict && !findings.errors.is_empty() { REFUSED } else { sys::OK as c_int }
}

/// Logs what does not keep anything from starting. The rest is said at a start by those whom it stops.
pub fn tell(main: *mut sys::server_rec, findings: &CheckFindings) {
    let notices = findings.notices.iter().map(|line| (LogLevel::Notice, line));
    for (level, line) in notices.chain(findings.warnings.iter().map(|line| (LogLevel::Warning, line))) {
        // SAFETY: the main server of the current configuration.
        unsafe { log::server(main, level as u8, 0, line.as_bytes()) };
    }
}

/// Looks at everything that the configuration names on this machine.
pub fn examine(subjects: &CheckSubjects<'_>, survey: &mut Survey) -> CheckFindings {
    let (mut findings, mut inquiries) = (CheckFindings::default(), Vec::new());
    groups::inquire(subjects, survey, &mut inquiries, &mut findings);
    scripts::inquire(subjects, survey, &mut inquiries, &mut findings);
    let exposed = exposure::collect(subjects, survey);
    inquiry::judge(&inquiries, subjects.httpd.is_root, survey, &mut findings);
    exposure::judge(&exposed, survey, &mut findings);
    if !survey.is_restart && !is_config_test() {
        environment::compare(subjects, survey, &mut findings);
    }
    findings
}

/// What is examined.
pub struct CheckSubjects<'s> {
    state: &'s ConfigState,
    servers: Vec<CheckedServer>,
    /// Positions in `servers`.
    by_host: HashMap<Option<VhostId>, usize>,
    httpd: HttpdUser,
    /// Where supervisor and host library are, if that is known.
    support: Option<PathBuf>,
    /// httpd's children.
    pub embedded: Rc<ProcessIdentity>,
    /// The processes of each group.
    runners: HashMap<&'s str, Rc<ProcessIdentity>>,
}

impl<'s> CheckSubjects<'s> {
    /// Everything, with its identities.
    pub fn new(state: &'s ConfigState, servers: Vec<CheckedServer>, httpd: HttpdUser) -> Self {
        let by_host = servers.iter().enumerate().map(|(index, server)| (server.host, index)).collect();
        let embedded = Rc::new(ProcessIdentity::httpd(&httpd));
        let runner =
            |group: &'s DaemonGroup| (group.name.as_str(), Rc::new(ProcessIdentity::of_group(group, &httpd)));
        let runners = state.global.groups.iter().map(runner).collect();
        let support = support_directory(state).ok();
        Self { state, servers, by_host, httpd, support, embedded, runners }
    }

    /// Asks what a start depends on.
    pub fn survey(&self, is_restart: bool) -> Survey {
        let mut survey = Survey::new(is_restart);
        groups::collect(self, &mut survey);
        scripts::collect(self, &mut survey);
        survey.run(self.httpd.is_root);
        survey
    }

    /// The home of a group's Python; `None` for the system's.
    pub fn home_of(&self, group: &'s DaemonGroup) -> Option<&'s str> {
        group.options.python_home.as_deref().or(self.state.global.python_home.as_deref())
    }

    /// Who looks at the files of a group before it runs: its user, but for a chroot, which is prepared from outside.
    pub fn looker(&self, group: &DaemonGroup) -> Rc<ProcessIdentity> {
        if group.options.chroot.is_some() {
            Rc::new(ProcessIdentity::reader())
        } else {
            self.runner_of(group)
        }
    }

    fn runner_of(&self, group: &DaemonGroup) -> Rc<ProcessIdentity> {
        // Every group of the configuration has an entry.
        Rc::clone(self.runners.get(group.name.as_str()).unwrap_or(&self.embedded))
    }
}

/// A server and its merged record.
pub struct CheckedServer {
    host: Option<VhostId>,
    name: Option<String>,
    config: &'static ServerConfig,
}

impl CheckedServer {
    fn view(&self) -> ServerView<'_> {
        ServerView { host: self.host, name: self.name.as_deref(), config: self.config }
    }
}

/// # Safety
/// Parent process, live main server; the records live as long as the configuration.
pub unsafe fn servers(state: &mut ConfigState, main: *mut sys::server_rec) -> Vec<CheckedServer> {
    // SAFETY: live main server; list members and their records live as long as it.
    unsafe {
        server::all(main)
            .map(|s| CheckedServer {
                host: config::vhost_id(state, s),
                name: server::hostname(s).map(|name| String::from_utf8_lossy(name).into_owned()),
                config: config::of_server(s),
            })
            .collect()
    }
}

/// Completes the records after the last line has been read, and logs what looks wrong as a whole.
///
/// # Safety
/// Parent process, live main server.
pub unsafe fn finish(state: &mut ConfigState, main: *mut sys::server_rec) {
    // SAFETY: by the contract.
    let servers = unsafe { servers(state, main) };
    let views: Vec<ServerView<'_>> = servers.iter().map(CheckedServer::view).collect();
    config::tell_notices(state);
    for notice in state.global.finish(&views, &config::HttpdMachine) {
        let level = config::level_of(notice.level);
        // SAFETY: live main server.
        unsafe { log::server(main, level as u8, 0, notice.to_string().as_bytes()) };
    }
}
