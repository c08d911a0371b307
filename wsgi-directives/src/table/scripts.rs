//! Scripts that are no mounted application: preloads, dispatch, handler, access and auth (spec/directives.md §9).

use super::routing::{check_group, parse_target};
use crate::arity::Arity;
use crate::config::{AliasOptions, HandlerScript, ImportScript, ScriptReader, ScriptRef, ScriptUse};
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use crate::options::{HANDLER_OPTIONS, IMPORT_OPTIONS, SCRIPT_OPTIONS, read_options};
use std::sync::Arc;

pub(super) const ACCESS_SCRIPT: Directive = Directive {
    name: "WSGIAccessScript",
    arity: Arity::RawArgs,
    contexts: DirectiveContexts::DH_AUTH,
    syntax: "PATH [application-group=NAME]",
    default: "",
    since: "2.0",
    doc: "Script whose allow_access(environ, host) decides about a request.",
    details: "True allows, None has no opinion, anything else is 403. The script runs in the httpd child, wherever the \
              application runs.",
    effect: RowEffect::Acts,
    good: "/srv/hooks/access.wsgi",
    bad: Some(""),
    action: RowAction::Custom(access_script),
};

pub(super) const AUTH_GROUP_SCRIPT: Directive = Directive {
    name: "WSGIAuthGroupScript",
    doc: "Script whose groups_for_user(environ, user) serves Require wsgi-group.",
    details: "It returns the user's groups as str or bytes; one of those required must be among them, in any case.",
    good: "/srv/hooks/groups.wsgi",
    action: RowAction::Custom(auth_group_script),
    ..ACCESS_SCRIPT
};

pub(super) const AUTH_USER_SCRIPT: Directive = Directive {
    name: "WSGIAuthUserScript",
    doc: "Script whose check_password() or get_realm_hash() serves the provider wsgi of Basic and Digest.",
    details: "check_password(environ, user, password) returns True, False, None for an unknown user, or the name the user \
              shall have. get_realm_hash(environ, user, realm) returns the hexadecimal MD5 of user:realm:password, or \
              None. Anything else is 500.",
    good: "/srv/hooks/users.wsgi",
    action: RowAction::Custom(auth_user_script),
    ..ACCESS_SCRIPT
};

pub(super) const DISPATCH_SCRIPT: Directive = Directive {
    name: "WSGIDispatchScript",
    contexts: DirectiveContexts::VD,
    doc: "Script whose process_group(), application_group() and callable_object() route each request.",
    details: "Each function gets an environ and returns a name, or None to keep what is configured. The script runs in the \
              httpd child, in the main interpreter unless application-group says otherwise.",
    good: "/srv/hooks/dispatch.wsgi application-group=%{GLOBAL}",
    action: RowAction::Custom(dispatch_script),
    ..ACCESS_SCRIPT
};

pub(super) const GROUP_AUTHORITATIVE: Directive = Directive {
    name: "WSGIGroupAuthoritative",
    arity: Arity::Take1,
    contexts: DirectiveContexts::DH_AUTH,
    syntax: "On|Off",
    default: "On",
    since: "2.0",
    doc: "Accepted without effect, as always with httpd 2.4.",
    details: "",
    effect: RowEffect::Never("httpd 2.4 asks every authorization provider itself"),
    good: "Off",
    bad: Some("no"),
    action: RowAction::Custom(group_authoritative),
};

pub(super) const HANDLER_SCRIPT: Directive = Directive {
    name: "WSGIHandlerScript",
    contexts: DirectiveContexts::VD,
    syntax: "HANDLER-NAME PATH [OPTION=VALUE...]",
    since: "3.0",
    doc: "Script whose handle_request(environ, start_response) serves an httpd handler name.",
    details: "httpd lower-cases handler names: write the name in lower case.",
    effect: RowEffect::Acts,
    good: "py-template /srv/hooks/template.wsgi process-group=site",
    bad: Some("py-template"),
    action: RowAction::Custom(handler_script),
    ..ACCESS_SCRIPT
};

pub(super) const IMPORT_SCRIPT: Directive = Directive {
    name: "WSGIImportScript",
    contexts: DirectiveContexts::V,
    syntax: "PATH process-group=NAME application-group=NAME",
    doc: "Load a script when a process starts; both options are required.",
    details: "The group must be defined earlier in the configuration. %{GLOBAL} is httpd's own children, or the \
              main interpreter.",
    effect: RowEffect::Acts,
    good: "/srv/site/site.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}",
    bad: Some("/srv/site/site.wsgi process-group=site"),
    action: RowAction::Custom(import_script),
    ..ACCESS_SCRIPT
};

fn access_script(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let script = read_script(line, "access script")?;
    line.dir()?.access.access_script = Some(script);
    Ok(())
}

fn auth_user_script(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let script = read_script(line, "auth user script")?;
    line.dir()?.access.auth_user_script = Some(script);
    Ok(())
}

fn auth_group_script(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let script = read_script(line, "auth group script")?;
    line.dir()?.access.auth_group_script = Some(script);
    Ok(())
}

fn dispatch_script(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let script = read_script(line, "dispatch script")?;
    line.layer()?.settings.dispatch_script = Some(script);
    Ok(())
}

fn group_authoritative(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let value = line.on_off()?;
    line.dir()?.access.group_authoritative = Some(value);
    Ok(())
}

/// `PATH [application-group=NAME]`. Such a script runs in httpd children, so they need Python; a
/// `.htaccess` comes too late for that.
fn read_script(
    line: &mut LineApplication<'_, '_>,
    kind: &'static str,
) -> Result<Arc<ScriptRef>, ConfigError> {
    let definition = match kind {
        "access script" => "WSGI access script",
        "auth user script" => "WSGI auth user script",
        "auth group script" => "WSGI auth group script",
        _ => "WSGI dispatch script",
    };
    let mut words = line.words();
    let path = words.next().unwrap_or_default().into_owned();
    if path.is_empty() {
        return Err(missing(line, format!("Location of {kind} not supplied.")));
    }
    let mut options = AliasOptions::default();
    read_options(SCRIPT_OPTIONS, definition, &mut words, &mut options, line)?;
    if let Some(global) = line.scope.global.as_deref_mut() {
        global.embedded_python.require();
    }
    note_script(line, &path, ScriptReader::Httpd);
    Ok(Arc::new(ScriptRef { path, application_group: options.application_group }))
}

fn handler_script(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let mut words = line.words();
    let handler = words.next().unwrap_or_default().into_owned();
    if handler.is_empty() {
        return Err(missing(line, "Name for handler script not supplied."));
    }
    let path = words.next().unwrap_or_default().into_owned();
    if path.is_empty() {
        return Err(missing(line, "Location of handler script not supplied."));
    }
    let mut options = AliasOptions::default();
    read_options(HANDLER_OPTIONS, "WSGI handler script", &mut words, &mut options, line)?;
    if handler.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let text =
            format!("WSGIHandlerScript {handler} will never be used: httpd lower-cases handler names.");
        line.notices.push(crate::place::Notice::warning(text));
    }
    note_script(line, &path, ScriptReader::Group(options.process_group.clone()));
    line.layer()?.bind_handler(HandlerScript { handler, path, options });
    Ok(())
}

/// Keeps a script for the config test; in `.htaccess` there is none.
fn note_script(line: &mut LineApplication<'_, '_>, path: &str, reader: ScriptReader) {
    let (directive, place) = (line.name, line.place.origin());
    if let Some(global) = line.scope.global.as_deref_mut() {
        global.scripts.push(ScriptUse { directive, path: path.to_owned(), reader, place });
    }
}

fn import_script(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let mut words = line.words();
    let path = words.next().unwrap_or_default().into_owned();
    if path.is_empty() {
        return Err(missing(line, "Location of import script not supplied."));
    }
    let target = parse_target(&path)?;
    let mut options = AliasOptions::default();
    read_options(IMPORT_OPTIONS, "WSGI import script", &mut words, &mut options, line)?;
    let required = |group: Option<String>, kind| {
        group.ok_or_else(|| missing(line, format!("Name of WSGI {kind} group required.")))
    };
    let application_group = required(options.application_group, "application")?;
    let process_group = required(options.process_group, "process")?;
    check_group(line, &process_group)?;
    let place = line.place.origin();
    let global = line.global()?;
    if process_group.is_empty() {
        global.embedded_python.require();
    }
    global.imports.push(ImportScript { target, process_group, application_group, explicit: true, place });
    Ok(())
}

fn missing(line: &LineApplication<'_, '_>, text: impl Into<std::borrow::Cow<'static, str>>) -> ConfigError {
    ConfigError::value(text, format!("Write {} {}.", line.name, line.syntax))
}
