//! WSGIAccessScript, WSGIAuthUserScript, WSGIAuthGroupScript: what httpd asks, and what the verdicts mean to it. Only
//! [`ScriptVerdict::Granted`] opens anything.

use super::{HostScriptRequest, ScriptSwitches, environ};
use crate::config;
use crate::embedded::ScriptAnswer;
use crate::httpd::record::OwnText;
use crate::httpd::request::Request;
use crate::job::records;
use crate::messages;
use apr_sys as sys;
use std::ffi::c_int;
use wsgi_directives::{ScriptRef, effective, is_member};
use wsgi_protocol::call::{ScriptQuestion, ScriptVerdict};
use wsgi_protocol::events::{self, LogEvent};

/// Asks a script; without our state nothing is granted.
fn ask(r: Request<'_>, script: &ScriptRef, question: ScriptQuestion, arguments: [&[u8]; 2]) -> ScriptAnswer {
    let Some(state) = config::state() else { return (ScriptVerdict::Failed, Vec::new()) };
    #[cfg(feature = "fault-injection")]
    crate::job::inject_fault(r, "script");
    let (server, dir) = records(r);
    let config = effective(server, dir, None);
    let switches = ScriptSwitches { reloading: config.script_reloading, record: config.pass_apache_request };
    let asked = HostScriptRequest { r, state, script, switches };
    asked.ask(question, arguments, |writer, group| environ::for_access(r, group, writer))
}

fn complain(r: Request<'_>, (event, text): (&LogEvent, impl std::fmt::Display)) {
    r.log_event(event, &messages::about(r.filename(), event, text));
}

/// The access hook.
pub fn check_access(r: Request<'_>) -> c_int {
    let (_, dir) = records(r);
    let Some(script) = &dir.access.access_script else { return sys::DECLINED };
    let host = r.client_name().unwrap_or_else(|| r.client_address());
    match ask(r, script, ScriptQuestion::Access, [host, b""]).0 {
        ScriptVerdict::Granted => sys::OK as c_int,
        ScriptVerdict::None => sys::DECLINED,
        ScriptVerdict::Refused | ScriptVerdict::Failed => {
            if !r.may_authenticate_instead() {
                complain(r, messages::access_denied(r.filename()));
            }
            sys::HTTP_FORBIDDEN as c_int
        }
    }
}

/// The provider `wsgi` of mod_auth_basic.
pub fn check_password(r: Request<'_>, user: &[u8], password: &[u8]) -> sys::authn_status {
    let (_, dir) = records(r);
    let Some(script) = &dir.access.auth_user_script else {
        complain(r, messages::no_user_script(&events::NO_USER_SCRIPT));
        return sys::AUTH_GENERAL_ERROR;
    };
    let (verdict, answers) = ask(r, script, ScriptQuestion::Password, [user, password]);
    match verdict {
        ScriptVerdict::Granted => {
            if let Some((_, name)) = answers.first() {
                r.set_user(name);
            }
            sys::AUTH_GRANTED
        }
        ScriptVerdict::Refused => sys::AUTH_DENIED,
        ScriptVerdict::None => sys::AUTH_USER_NOT_FOUND,
        ScriptVerdict::Failed => sys::AUTH_GENERAL_ERROR,
    }
}

/// The provider `wsgi` of mod_auth_digest.
pub fn realm_hash<'r>(r: Request<'r>, user: &[u8], realm: &[u8]) -> (sys::authn_status, Option<OwnText<'r>>) {
    let (_, dir) = records(r);
    let Some(script) = &dir.access.auth_user_script else {
        complain(r, messages::no_user_script(&events::NO_HASH_SCRIPT));
        return (sys::AUTH_GENERAL_ERROR, None);
    };
    let (verdict, answers) = ask(r, script, ScriptQuestion::RealmHash, [user, realm]);
    match (verdict, answers.first()) {
        (ScriptVerdict::Granted, Some((_, hash))) => (sys::AUTH_USER_FOUND, Some(r.pool().dup(hash))),
        (ScriptVerdict::None, _) => (sys::AUTH_USER_NOT_FOUND, None),
        _ => (sys::AUTH_GENERAL_ERROR, None),
    }
}

/// Whether a directive around a requirement, or of it, turns the answer around: `Require not` and `<RequireNone>`.
pub fn negates(directive: &[u8], arguments: &[u8]) -> bool {
    let first = arguments.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
    directive.eq_ignore_ascii_case(b"<RequireNone")
        || directive.eq_ignore_ascii_case(b"Require")
            && first.is_some_and(|word| word.eq_ignore_ascii_case(b"not"))
}

/// `Require wsgi-group`, of whose groups the user must be in one. If no answer can be had, that denies; where httpd turns
/// the answer around it stops the request.
pub fn check_groups(r: Request<'_>, required: &[u8], is_negated: bool) -> sys::authz_status {
    let unknown = if is_negated { sys::AUTHZ_GENERAL_ERROR } else { sys::AUTHZ_DENIED };
    let Some(user) = r.user() else { return sys::AUTHZ_DENIED_NO_USER };
    let (_, dir) = records(r);
    let Some(script) = &dir.access.auth_group_script else {
        complain(r, messages::NO_GROUP_SCRIPT);
        return unknown;
    };
    let (verdict, groups) = ask(r, script, ScriptQuestion::Groups, [user, b""]);
    if verdict != ScriptVerdict::Granted {
        return unknown;
    }
    if groups.is_empty() {
        complain(r, messages::no_groups(user, r.uri()));
        return sys::AUTHZ_DENIED;
    }
    if is_member(required, groups.iter().map(|(_, group)| group.as_slice())) {
        return sys::AUTHZ_GRANTED;
    }
    complain(r, messages::other_groups(user, r.uri()));
    sys::AUTHZ_DENIED
}
