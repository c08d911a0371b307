//! The settings in effect for a request: defaults, server, directory, alias (spec/directives.md §3.3).

use crate::config::{
    AliasOptions, ApplicationInterface, ConfigLayer, DirConfig, HandlerScript, MapHead, ProcessSet,
    ScriptRef, ServerConfig,
};
use crate::proxies::TrustedProxies;
use std::borrow::Cow;
use std::sync::Arc;

/// Everything a request needs to know of the configuration; borrows from the merged records.
#[derive(Clone, Debug)]
pub struct RequestConfig<'a> {
    /// Unexpanded process group; `None` where unset.
    pub process_group: Option<&'a str>,
    /// Unexpanded application group; `None` where unset.
    pub application_group: Option<&'a str>,
    /// The entry point.
    pub callable: CallableName<'a>,
    /// WSGIRestrictProcess.
    pub restrict_process: Option<&'a ProcessSet>,
    /// WSGIDispatchScript.
    pub dispatch_script: Option<&'a Arc<ScriptRef>>,
    /// WSGIPassApacheRequest.
    pub pass_apache_request: bool,
    /// WSGIPassAuthorization or the alias's option.
    pub pass_authorization: bool,
    /// WSGIScriptReloading.
    pub script_reloading: bool,
    /// WSGIErrorOverride.
    pub error_override: bool,
    /// WSGIChunkedRequest.
    pub chunked_request: bool,
    /// WSGIRequestBuffering, bytes; 0 is off.
    pub request_buffering: u64,
    /// WSGIMapHEADToGET.
    pub map_head_to_get: MapHead,
    /// WSGIIgnoreActivity.
    pub ignore_activity: bool,
    /// WSGIEnableSendfile.
    pub enable_sendfile: bool,
    /// `interface=` of the alias; `None` is that of the daemon group.
    pub interface: Option<ApplicationInterface>,
    /// WSGITrustedProxyHeaders and WSGITrustedProxies.
    pub trusted_proxies: TrustedProxies<'a>,
}

/// Where the name of the entry point comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallableName<'a> {
    /// WSGICallableObject, to be expanded; `None` where unset.
    Expand(Option<&'a str>),
    /// `callable-object=` of the alias, used as it is.
    Verbatim(&'a str),
}

impl<'a> CallableName<'a> {
    /// The name for a request.
    pub fn resolve(self, names: &'a dyn super::RequestNames) -> Cow<'a, [u8]> {
        match self {
            CallableName::Verbatim(name) => Cow::Borrowed(name.as_bytes()),
            CallableName::Expand(text) => super::callable_object(text.map(str::as_bytes), names),
        }
    }
}

/// Resolves one request. `mount` are the options of the alias that mapped it, or of the handler script that
/// serves it. A directory's value beats every server's value (spec/directives.md §3.3).
pub fn effective<'a>(
    server: &'a ServerConfig,
    dir: &'a DirConfig,
    mount: Option<&'a AliasOptions>,
) -> RequestConfig<'a> {
    let (base, over) = (&server.layer.settings, &dir.layer.settings);
    macro_rules! reference {
        ($field:ident) => {
            over.$field.as_ref().or(base.$field.as_ref())
        };
    }
    macro_rules! switch {
        ($field:ident) => {
            over.$field.or(base.$field)
        };
    }
    let group = |option: Option<&'a String>, layer: Option<&'a Arc<str>>| {
        option.map(String::as_str).or(layer.map(|text| &**text))
    };
    let callable = match mount.and_then(|options| options.callable_object.as_deref()) {
        Some(name) => CallableName::Verbatim(name),
        None => CallableName::Expand(reference!(callable_object).map(|text| &**text)),
    };
    let pass_authorization = mount.and_then(|options| options.pass_authorization);
    RequestConfig {
        process_group: group(mount.and_then(|o| o.process_group.as_ref()), reference!(process_group)),
        application_group: group(
            mount.and_then(|o| o.application_group.as_ref()),
            reference!(application_group),
        ),
        callable,
        restrict_process: reference!(restrict_process),
        dispatch_script: reference!(dispatch_script),
        pass_apache_request: switch!(pass_apache_request).unwrap_or(false),
        pass_authorization: pass_authorization.or(switch!(pass_authorization)).unwrap_or(false),
        script_reloading: switch!(script_reloading).unwrap_or(true),
        error_override: switch!(error_override).unwrap_or(false),
        chunked_request: switch!(chunked_request).unwrap_or(false),
        request_buffering: switch!(request_buffering).unwrap_or(0),
        map_head_to_get: switch!(map_head_to_get).unwrap_or_default(),
        ignore_activity: switch!(ignore_activity).unwrap_or(false),
        enable_sendfile: switch!(enable_sendfile).unwrap_or(false),
        interface: mount.and_then(|options| options.interface),
        trusted_proxies: TrustedProxies {
            headers: reference!(trusted_proxy_headers).map_or(&[], |list| &**list),
            peers: reference!(trusted_proxies).map(|list| &**list),
        },
    }
}

/// The handler script of an httpd handler name: the directory's before the server's.
pub fn handler_script<'a>(
    server: &'a ServerConfig,
    dir: &'a DirConfig,
    handler: &[u8],
) -> Option<&'a Arc<HandlerScript>> {
    let find = |layer: &'a ConfigLayer| layer.handler_script(handler);
    find(&dir.layer).or_else(|| find(&server.layer))
}

#[cfg(test)]
mod tests;
