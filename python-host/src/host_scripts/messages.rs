//! What is wrong with a host script. Numbers are those of the error map (`wsgi_protocol::events`).

use crate::messages::text;
use wsgi_protocol::call::ScriptQuestion;
use wsgi_protocol::events;

/// The function is not there.
pub fn no_function(question: ScriptQuestion, script: &[u8], name: &str) -> String {
    let (event, kind) = match question {
        ScriptQuestion::Access => (&events::NO_ACCESS_FUNCTION, "host access"),
        ScriptQuestion::Password => (&events::NO_PASSWORD_FUNCTION, "user authentication"),
        ScriptQuestion::RealmHash => (&events::NO_HASH_FUNCTION, "user authentication"),
        // A dispatch script need not define any function.
        ScriptQuestion::Groups | ScriptQuestion::Dispatch => {
            (&events::NO_GROUPS_FUNCTION, "group authorization")
        }
    };
    event.line(format!("Target WSGI {kind} script '{}' does not define '{name}'.", text(script)))
}

/// `allow_access` returned something else.
pub fn not_a_boolean(script: &[u8], kind: &str) -> String {
    let script = text(script);
    events::ACCESS_NOT_BOOLEAN
        .line(format!("'allow_access' in '{script}' must return True, False or None, not {kind}."))
}

/// `check_password` returned something else.
pub fn not_a_user(script: &[u8], kind: &str) -> String {
    let script = text(script);
    events::NOT_A_USER.line(format!(
        "'check_password' in '{script}' must return True, False, None or the name of a user as str, not {kind}."
    ))
}

/// `check_password` returned no name.
pub fn empty_user(script: &[u8]) -> String {
    events::EMPTY_USER
        .line(format!("'check_password' in '{}' returned an empty name of a user.", text(script)))
}

/// `get_realm_hash` returned something else.
pub fn not_a_hash(script: &[u8], kind: &str) -> String {
    let script = text(script);
    events::NOT_A_HASH
        .line(format!("'get_realm_hash' in '{script}' must return str, bytes or None, not {kind}."))
}

/// `get_realm_hash` returned no hash.
pub fn empty_hash(script: &[u8]) -> String {
    events::EMPTY_HASH.line(format!("'get_realm_hash' in '{}' returned an empty hash.", text(script)))
}

/// `groups_for_user` returned something else.
pub fn not_iterable(script: &[u8], kind: &str) -> String {
    let script = text(script);
    events::GROUPS_NOT_ITERABLE
        .line(format!("'groups_for_user' in '{script}' must return an iterable of str or bytes, not {kind}."))
}

/// An item of another type.
pub fn not_a_group(script: &[u8], kind: &str) -> String {
    let script = text(script);
    events::GROUP_NOT_TEXT
        .line(format!("'groups_for_user' in '{script}' returned {kind} as a group; groups are str or bytes."))
}

/// A group with characters that no group of a configuration can have.
pub fn group_not_latin1(script: &[u8]) -> String {
    events::GROUP_NOT_LATIN1
        .line(format!("'groups_for_user' in '{}' returned a group that is not latin-1.", text(script)))
}
