//! Per-request switches and trusted proxies (spec/directives.md §10, §11).

use crate::arity::Arity;
use crate::config::MapHead;
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use crate::options::value;
use crate::place::Notice;
use crate::proxies::{ProxyHeader, Subnet};
use std::sync::Arc;

/// What the directives of this file that are switches have in common.
const SWITCH: Directive = Directive {
    name: "",
    arity: Arity::Take1,
    contexts: DirectiveContexts::VDH,
    syntax: "On|Off",
    default: "Off",
    since: "3.0",
    doc: "",
    details: "",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
    action: RowAction::LayerFlag(|layer| &mut layer.settings.chunked_request),
};

pub(super) const CHUNKED_REQUEST: Directive = Directive {
    name: "WSGIChunkedRequest",
    arity: Arity::Take1,
    contexts: DirectiveContexts::VDH,
    syntax: "On|Off",
    default: "Off",
    since: "3.0",
    doc: "On: accept request bodies in chunked transfer coding, instead of answering 411.",
    details: "",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
    action: RowAction::LayerFlag(|layer| &mut layer.settings.chunked_request),
};

pub(super) const ENABLE_SENDFILE: Directive = Directive {
    name: "WSGIEnableSendfile",
    since: "3.4",
    doc: "On: files of wsgi.file_wrapper may be sent by the system's sendfile().",
    action: RowAction::LayerFlag(|layer| &mut layer.settings.enable_sendfile),
    ..SWITCH
};

pub(super) const ERROR_OVERRIDE: Directive = Directive {
    name: "WSGIErrorOverride",
    doc: "On: replace 4xx and 5xx responses of daemon processes by httpd's ErrorDocument.",
    action: RowAction::LayerFlag(|layer| &mut layer.settings.error_override),
    ..SWITCH
};

pub(super) const IGNORE_ACTIVITY: Directive = Directive {
    name: "WSGIIgnoreActivity",
    since: "4.5.8",
    doc: "On: these requests do not push back inactivity-timeout.",
    effect: RowEffect::Acts,
    action: RowAction::LayerFlag(|layer| &mut layer.settings.ignore_activity),
    ..SWITCH
};

pub(super) const MAP_HEAD_TO_GET: Directive = Directive {
    name: "WSGIMapHEADToGET",
    syntax: "Off|On|Auto",
    default: "Auto",
    since: "4.3.0",
    doc: "Whether applications see HEAD as GET; Auto: when an output filter needs the body.",
    good: "Auto",
    bad: Some("maybe"),
    action: RowAction::Custom(map_head_to_get),
    ..SWITCH
};

pub(super) const PASS_APACHE_REQUEST: Directive = Directive {
    name: "WSGIPassApacheRequest",
    contexts: DirectiveContexts::VD,
    doc: "On: environ['apache.request_rec'] is a capsule of httpd's request_rec, in embedded mode.",
    action: RowAction::LayerFlag(|layer| &mut layer.settings.pass_apache_request),
    ..SWITCH
};

pub(super) const PASS_AUTHORIZATION: Directive = Directive {
    name: "WSGIPassAuthorization",
    since: "1.0",
    doc: "On: the application sees the Authorization header.",
    action: RowAction::LayerFlag(|layer| &mut layer.settings.pass_authorization),
    ..SWITCH
};

pub(super) const REQUEST_BUFFERING: Directive = Directive {
    name: "WSGIRequestBuffering",
    contexts: DirectiveContexts::VD,
    syntax: "SIZE|Off",
    since: "new",
    doc: "Receive request bodies up to this size before the application is called, so that their length is known.",
    details: "httpd keeps up to 64 KiB of a body in memory, and a longer one in an unlinked file in its directory for temporary \
              files (TMPDIR, or /var/tmp), which a daemon then reads by itself. No thread of Python waits for a slow client; \
              bodies of unknown length (chunked, whatever WSGIChunkedRequest says; HTTP/2) and those that an input filter \
              has inflated have the right CONTENT_LENGTH. Of a longer body the first SIZE bytes are kept, and the rest \
              is read while the application runs, with the CONTENT_LENGTH that the client sent; an inflated one is refused \
              with 413, and so is a chunked one, unless WSGIChunkedRequest is On. Timeout, RequestReadTimeout and LimitRequestBody act as ever. Each \
              thread of httpd may need SIZE bytes there, which are memory where the directory is a tmpfs. Not in .htaccess, \
              whose authors do not own that space.",
    good: "10M",
    bad: Some("10MB"),
    action: RowAction::Custom(request_buffering),
    ..SWITCH
};

pub(super) const SCRIPT_RELOADING: Directive = Directive {
    name: "WSGIScriptReloading",
    default: "On",
    since: "1.0",
    doc: "Whether a changed script file is loaded anew (in daemon mode: by a new process).",
    good: "Off",
    bad: Some("no"),
    action: RowAction::LayerFlag(|layer| &mut layer.settings.script_reloading),
    ..SWITCH
};

pub(super) const TRUSTED_PROXIES: Directive = Directive {
    name: "WSGITrustedProxies",
    arity: Arity::List,
    contexts: DirectiveContexts::VDH,
    syntax: "[ADDRESS[/PREFIX]]...",
    default: "(any peer)",
    since: "4.4.10",
    doc: "Addresses and subnets whose WSGITrustedProxyHeaders are believed.",
    details: "IPv6 addresses in lower case. Repeating it adds to the list; a list in a more specific place \
              replaces the inherited one; an empty list trusts nobody.",
    effect: RowEffect::Acts,
    good: "127.0.0.1 10.0.0.0/8 ::1",
    bad: Some("proxy.example.com"),
    action: RowAction::Custom(trusted_proxies),
};

pub(super) const TRUSTED_PROXY_HEADERS: Directive = Directive {
    name: "WSGITrustedProxyHeaders",
    arity: Arity::List,
    contexts: DirectiveContexts::VDH,
    syntax: "[HEADER]...",
    default: "",
    since: "4.4.9",
    doc: "Headers of a proxy that set client address, host, port, scheme and mount point.",
    details: "Known are X-Forwarded-For, X-Client-IP, X-Real-IP; X-Forwarded-Host, X-Host; X-Forwarded-Server; \
              X-Forwarded-Port; X-Script-Name, X-Forwarded-Script-Name; X-Forwarded-Proto, X-Forwarded-Scheme, \
              X-Scheme; X-Forwarded-HTTPS, X-Forwarded-SSL, X-HTTPS. Without WSGITrustedProxies every client \
              is believed. Repeating it adds to the list.",
    effect: RowEffect::Acts,
    good: "X-Forwarded-For X-Forwarded-Proto",
    bad: Some("X_Forwarded_For"),
    action: RowAction::Custom(trusted_proxy_headers),
};

fn request_buffering(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let given = line.word();
    let off = given.eq_ignore_ascii_case("off").then_some(0);
    let size = off.or_else(|| value::bytes(&given)).ok_or_else(|| {
        let hint = format!("'{given}' is not; write for example WSGIRequestBuffering 10M.");
        ConfigError::value("WSGIRequestBuffering must be a size, or Off.", hint)
    })?;
    line.layer()?.settings.request_buffering = Some(size);
    Ok(())
}

fn map_head_to_get(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let given = line.word();
    let mode = match given.to_ascii_lowercase().as_str() {
        "off" => MapHead::Off,
        "on" => MapHead::On,
        "auto" => MapHead::Auto,
        _ => {
            let directive = line.name;
            return Err(ConfigError::ChooseWord { directive, choices: "Off | On | Auto", given });
        }
    };
    line.layer()?.settings.map_head_to_get = Some(mode);
    Ok(())
}

/// Appends within a scope (spec/directives.md §3.2).
fn trusted_proxies(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let parsed: Vec<Subnet> = line.words().map(|word| Subnet::parse(&word)).collect::<Result<_, _>>()?;
    let slot = &mut line.layer()?.settings.trusted_proxies;
    *slot = Some(extended(slot.as_ref(), parsed));
    Ok(())
}

/// Appends within a scope. An underscore is refused: the original takes such a name and then crashes on
/// every request (spec/directives.md §11).
fn trusted_proxy_headers(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let mut headers = Vec::new();
    for word in line.words() {
        if let Some(wrong) = word.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
            return Err(ConfigError::value(
                format!("Invalid trusted proxy header name \"{word}\"."),
                format!("'{wrong}' cannot stand in it; write it as sent, for example X-Forwarded-For."),
            ));
        }
        match ProxyHeader::named(&word) {
            Some(header) => headers.push(header),
            None if word.is_empty() => {}
            None => line.notices.push(Notice::warning(format!(
                "WSGITrustedProxyHeaders: '{word}' is none of the headers that have an effect and is ignored."
            ))),
        }
    }
    let slot = &mut line.layer()?.settings.trusted_proxy_headers;
    *slot = Some(extended(slot.as_ref(), headers));
    Ok(())
}

fn extended<T: Copy>(old: Option<&Arc<[T]>>, new: Vec<T>) -> Arc<[T]> {
    old.into_iter().flat_map(|list| list.iter().copied()).chain(new).collect()
}
