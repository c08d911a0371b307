//! Config test: what cannot work is refused there with a line that names the fix; at a real start the same
//! finding is logged and only the group it concerns stays down, because a running server must not end over it.

mod access;
mod groups;
mod inquiry;
mod scripts;

use super::httpd_user;
use super::spec::HttpdUser;
use crate::config::{self, State};
use crate::httpd::log::{self, Level};
use crate::httpd::server;
use access::Runner;
use apr_sys as sys;
use inquiry::Findings;
use std::collections::HashMap;
use std::ffi::c_int;
use std::rc::Rc;
use wsgi_directives::{DaemonGroup, ServerConfig, ServerView, VhostId};

const REFUSED: c_int = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;

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
    if !is_config_test() {
        return sys::OK as c_int;
    }
    // SAFETY: httpd's parent is single-threaded here.
    let Some(state) = (unsafe { config::state_mut() }) else { return sys::OK as c_int };
    // SAFETY: live main server.
    let servers = unsafe {
        finish(state, main);
        servers(state, main)
    };
    let findings = examine(&Subjects::new(state, servers, httpd_user()));
    let warnings = findings.warnings.iter().map(|line| (Level::Warning, line));
    for (level, line) in warnings.chain(findings.errors.iter().map(|line| (Level::Error, line))) {
        // SAFETY: live main server.
        unsafe { log::server(main, level as u8, 0, line.as_bytes()) };
    }
    if findings.errors.is_empty() { sys::OK as c_int } else { REFUSED }
}

/// Looks at everything that the configuration names on this machine.
fn examine(subjects: &Subjects<'_>) -> Findings {
    let (mut findings, mut inquiries) = (Findings::default(), Vec::new());
    groups::inquire(subjects, &mut inquiries, &mut findings);
    scripts::inquire(subjects, &mut inquiries, &mut findings);
    inquiry::judge(&inquiries, subjects.httpd.is_root, &mut findings);
    findings
}

/// What is examined.
struct Subjects<'s> {
    state: &'s State,
    servers: Vec<Server>,
    /// Positions in `servers`.
    by_host: HashMap<Option<VhostId>, usize>,
    httpd: HttpdUser,
    /// httpd's children.
    embedded: Rc<Runner>,
    /// The processes of each group.
    runners: HashMap<&'s str, Rc<Runner>>,
}

impl<'s> Subjects<'s> {
    fn new(state: &'s State, servers: Vec<Server>, httpd: HttpdUser) -> Self {
        let by_host = servers.iter().enumerate().map(|(index, server)| (server.host, index)).collect();
        let embedded = Rc::new(Runner::httpd(&httpd));
        let runner = |group: &'s DaemonGroup| (group.name.as_str(), Rc::new(Runner::of_group(group, &httpd)));
        let runners = state.global.groups.iter().map(runner).collect();
        Self { state, servers, by_host, httpd, embedded, runners }
    }

    fn runner_of(&self, group: &DaemonGroup) -> Rc<Runner> {
        // Every group of the configuration has an entry.
        Rc::clone(self.runners.get(group.name.as_str()).unwrap_or(&self.embedded))
    }
}

/// A server and its merged record.
struct Server {
    host: Option<VhostId>,
    name: Option<String>,
    config: &'static ServerConfig,
}

impl Server {
    fn view(&self) -> ServerView<'_> {
        ServerView { host: self.host, name: self.name.as_deref(), config: self.config }
    }
}

/// # Safety
/// Parent process, live main server; the records live as long as the configuration.
unsafe fn servers(state: &mut State, main: *mut sys::server_rec) -> Vec<Server> {
    // SAFETY: live main server; list members and their records live as long as it.
    unsafe {
        server::all(main)
            .map(|s| Server {
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
pub unsafe fn finish(state: &mut State, main: *mut sys::server_rec) {
    // SAFETY: by the contract.
    let servers = unsafe { servers(state, main) };
    let views: Vec<ServerView<'_>> = servers.iter().map(Server::view).collect();
    config::tell_notices(state);
    state.has_mounts = views.iter().any(|view| !view.config.aliases.is_empty());
    for notice in state.global.finish(&views, &config::Httpd) {
        let level = config::level_of(notice.level);
        // SAFETY: live main server.
        unsafe { log::server(main, level as u8, 0, notice.to_string().as_bytes()) };
    }
}
