//! The check_config hook, and what httpd knows that the checks of `wsgi-plan` depend on: servers, their records, and
//! directives of its own modules.

pub mod neighbours;

use super::delegate::ForkedDelegates;
use super::kept::HttpdParent;
use super::surroundings;
use crate::config::{self, ConfigState, HttpdMachine};
use crate::httpd::parent::ParentThread;
use crate::httpd::server::{Server, is_config_test, is_defined};
use apr_sys as sys;
use std::ffi::c_int;
use wsgi_directives::ServerView;
use wsgi_plan::checks::{CheckFindings, examine};
use wsgi_plan::{CheckSubjects, CheckedServer};
use wsgi_protocol::events;

const REFUSED: c_int = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;

/// `-D WSGI_STRICT`, or `Define WSGI_STRICT`: a test fails over what keeps a group from starting.
const STRICT: &std::ffi::CStr = c"WSGI_STRICT";

/// The check_config hook.
pub fn check_config(parent: HttpdParent) -> c_int {
    let HttpdParent { thread, state, .. } = parent;
    let main = thread.main();
    let machine = HttpdMachine { hosts: Some(&state.hosts), tree: Some(thread.tree()) };
    if let Some(error) = state.global.shared_group(&machine) {
        main.log_event(&events::CONFIGURATION_REFUSED, &error.to_string());
        return REFUSED;
    }
    if !is_config_test() {
        return sys::OK as c_int;
    }
    let servers = finish(state, thread);
    let surroundings = surroundings(thread, &state.global);
    let delegates = ForkedDelegates { thread: thread.thread(), own_uid: surroundings.own_uid };
    let subjects = CheckSubjects::new(&state.global, servers, &surroundings);
    let mut survey = subjects.survey(false, &delegates);
    let findings = examine(&subjects, &mut survey, true);
    let is_strict = is_defined(STRICT);
    let event = if is_strict { &events::GROUP_TEST_FAILED } else { &events::GROUP_TEST_WARNED };
    tell(main, &findings);
    findings.errors.iter().for_each(|line| main.log_event(event, line));
    if is_strict && !findings.errors.is_empty() { REFUSED } else { sys::OK as c_int }
}

/// Logs what does not keep anything from starting. The rest is said at a start by those whom it stops.
pub fn tell(main: Server<'_>, findings: &CheckFindings) {
    findings.notices.iter().for_each(|line| main.log_event(&events::CONFIGURATION_NOTED, line));
    findings.warnings.iter().for_each(|line| main.log_event(&events::CONFIGURATION_DOUBTED, line));
}

/// Completes the records after the last line has been read, and logs what looks wrong as a whole. All servers.
pub fn finish(state: &mut ConfigState, parent: ParentThread) -> Vec<CheckedServer<'static>> {
    let servers: Vec<CheckedServer<'static>> = parent
        .main()
        .and_next()
        .map(|s| CheckedServer {
            host: state.hosts.number(s),
            name: s.name().bytes().map(|name| String::from_utf8_lossy(name).into_owned()),
            config: s.own(),
        })
        .collect();
    config::tell_notices(state);
    let views: Vec<ServerView<'_>> = servers.iter().map(CheckedServer::view).collect();
    let machine = HttpdMachine { hosts: Some(&state.hosts), tree: Some(parent.tree()) };
    for notice in state.global.finish(&views, &machine) {
        parent.main().log_event(config::event_of(&notice), &notice.to_string());
    }
    servers
}
