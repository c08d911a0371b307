//! Config test: what cannot work is refused there with a line that names the fix; at a real start the same
//! finding is logged and only the group it concerns stays down, because a running server must not end over it.

use super::python::{Interpreter, check_access};
use super::{accounts, httpd_user};
use crate::config::{self, State};
use crate::httpd::log::{self, Level};
use crate::httpd::server;
use crate::messages;
use apr_sys as sys;
use std::ffi::c_int;
use std::path::Path;
use wsgi_directives::{DaemonGroup, NoticeLevel, ServerView};

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
    unsafe { finish(state, main) };
    let mut errors = Vec::new();
    for group in &state.global.groups {
        if let Err(reason) = check_group(state, group) {
            errors.push(messages::group_cannot_start(&group.name, &reason, &group.place.to_string()));
        }
    }
    if state.embedded_is_eager() {
        let home = state.global.python_home.as_deref().map(Path::new);
        let library = Interpreter::find(home).and_then(|python| python.shared_library());
        if let Err(error) = library {
            errors.push(messages::embedded_cannot_start(&error.to_string()));
        }
    }
    for error in &errors {
        // SAFETY: live main server.
        unsafe { log::server(main, Level::Error as u8, 0, error.as_bytes()) };
    }
    if errors.is_empty() { sys::OK as c_int } else { REFUSED }
}

fn check_group(state: &State, group: &DaemonGroup) -> Result<(), String> {
    let home = group.options.python_home.as_deref().or(state.global.python_home.as_deref());
    let interpreter = Interpreter::find(home.map(Path::new)).map_err(|e| e.to_string())?;
    let httpd = httpd_user();
    if !httpd.is_root || group.options.chroot.is_some() {
        return Ok(());
    }
    let uid = group.options.user.as_ref().map_or(httpd.uid, |who| who.id);
    let gid = group.options.group.as_ref().map_or(httpd.gid, |who| who.id);
    let user = accounts::user(uid).map_or_else(|| format!("#{uid}"), |u| u.name);
    let groups = match &group.options.supplementary_groups {
        Some(list) => list.iter().map(|who| who.id).chain([gid]).collect(),
        None => accounts::memberships(&user, gid),
    };
    check_access(&interpreter.path, uid, gid, &groups)
        .map_err(|part| messages::not_executable(&interpreter.path, &user, &part))
}

/// Completes the records after the last line has been read, and logs what looks wrong as a whole.
///
/// # Safety
/// Parent process, live main server.
pub unsafe fn finish(state: &mut State, main: *mut sys::server_rec) {
    // SAFETY: live main server and its list.
    let servers: Vec<_> = unsafe { server::all(main) }.collect();
    let names: Vec<Option<String>> = servers
        .iter()
        // SAFETY: list members are live.
        .map(|s| unsafe { server::hostname(*s) }.map(|n| String::from_utf8_lossy(n).into_owned()))
        .collect();
    let views: Vec<ServerView<'_>> = servers
        .iter()
        .zip(&names)
        .map(|(s, name)| ServerView {
            // SAFETY: list members are live.
            host: unsafe { config::vhost_id(state, *s) },
            name: name.as_deref(),
            // SAFETY: as above; records live as long as their servers.
            config: unsafe { config::of_server(*s) },
        })
        .collect();
    state.has_mounts = views.iter().any(|view| !view.config.aliases.is_empty());
    for notice in state.global.finish(&views, &config::Httpd) {
        let level = match notice.level {
            NoticeLevel::Warning => Level::Warning,
            NoticeLevel::Notice => Level::Notice,
            NoticeLevel::Info => Level::Info,
        };
        // SAFETY: live main server.
        unsafe { log::server(main, level as u8, 0, notice.to_string().as_bytes()) };
    }
}
