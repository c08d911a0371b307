//! The check_config hook, and what httpd knows that the checks of `wsgi-plan` depend on: servers, their records, and
//! directives of its own modules.

pub mod neighbours;

use super::delegate::ForkedDelegates;
use super::surroundings;
use crate::config::{self, ConfigState};
use crate::httpd::log::{self, LogLevel};
use crate::httpd::server;
use apr_sys as sys;
use std::ffi::c_int;
use wsgi_directives::ServerView;
use wsgi_plan::checks::{CheckFindings, examine};
use wsgi_plan::{CheckSubjects, CheckedServer};

const REFUSED: c_int = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;

/// `-D WSGI_STRICT`, or `Define WSGI_STRICT`: a test fails over what keeps a group from starting.
const STRICT: &std::ffi::CStr = c"WSGI_STRICT";

/// Whether this run only tests the configuration (`httpd -t`).
pub fn is_config_test() -> bool {
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
    let surroundings = surroundings(&state.global);
    let delegates = ForkedDelegates { own_uid: surroundings.own_uid };
    let subjects = CheckSubjects::new(&state.global, servers, &surroundings);
    let mut survey = subjects.survey(false, &delegates);
    let findings = examine(&subjects, &mut survey, true);
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

/// # Safety
/// Parent process, live main server; the records live as long as the configuration.
pub unsafe fn servers(state: &mut ConfigState, main: *mut sys::server_rec) -> Vec<CheckedServer<'static>> {
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
