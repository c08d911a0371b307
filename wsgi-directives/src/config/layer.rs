//! Settings that may stand at server level and in directories; every field optional, the child wins.

use super::mount::{HandlerScript, ScriptRef};
use crate::proxies::{ProxyHeader, Subnet};
use std::sync::Arc;

/// Declares a record whose fields are all `Option` and derives its merge from the same list, so that a new
/// field cannot be forgotten in the merge.
macro_rules! layered {
    ($(#[$outer:meta])* pub struct $name:ident { $($(#[$doc:meta])* $field:ident : $type:ty,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: Option<$type>,)*
        }

        impl $name {
            /// `child` where it says something, else `base`, field by field.
            pub fn merge(base: &Self, child: &Self) -> Self {
                $name { $($field: child.$field.clone().or_else(|| base.$field.clone()),)* }
            }
        }
    };
}
pub(crate) use layered;

layered! {
    /// The switches and names of one scope as written (spec/directives.md §3.2). Cheap to clone: httpd
    /// merges directory records for each request.
    pub struct Settings {
        /// WSGIProcessGroup, unexpanded.
        process_group: Arc<str>,
        /// WSGIApplicationGroup, unexpanded.
        application_group: Arc<str>,
        /// WSGICallableObject, unexpanded.
        callable_object: Arc<str>,
        /// WSGIRestrictProcess.
        restrict_process: ProcessSet,
        /// WSGIDispatchScript.
        dispatch_script: Arc<ScriptRef>,
        /// WSGIPassApacheRequest.
        pass_apache_request: bool,
        /// WSGIPassAuthorization.
        pass_authorization: bool,
        /// WSGIScriptReloading.
        script_reloading: bool,
        /// WSGIErrorOverride.
        error_override: bool,
        /// WSGIChunkedRequest.
        chunked_request: bool,
        /// WSGIRequestBuffering, bytes; 0 is off.
        request_buffering: u64,
        /// WSGIMapHEADToGET.
        map_head_to_get: MapHead,
        /// WSGIIgnoreActivity.
        ignore_activity: bool,
        /// WSGIEnableSendfile.
        enable_sendfile: bool,
        /// WSGITrustedProxyHeaders, in configuration order.
        trusted_proxy_headers: Arc<[ProxyHeader]>,
        /// WSGITrustedProxies.
        trusted_proxies: Arc<[Subnet]>,
    }
}

/// One server's or directory's [`Settings`] plus its handler scripts, which merge by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigLayer {
    /// Scalars and lists that the child replaces.
    pub settings: Settings,
    /// WSGIHandlerScript: union of parent and child, the child wins per name.
    pub handler_scripts: Arc<[Arc<HandlerScript>]>,
}

impl ConfigLayer {
    /// Child over base (spec/directives.md §3.2).
    pub fn merge(base: &ConfigLayer, child: &ConfigLayer) -> ConfigLayer {
        ConfigLayer {
            settings: Settings::merge(&base.settings, &child.settings),
            handler_scripts: merge_handlers(&base.handler_scripts, &child.handler_scripts),
        }
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.handler_scripts.is_empty() && self.settings == Settings::default()
    }

    /// The script bound to an httpd handler name; exact match.
    pub fn handler_script(&self, handler: &[u8]) -> Option<&Arc<HandlerScript>> {
        self.handler_scripts.iter().find(|script| script.handler.as_bytes() == handler)
    }

    /// Binds a handler name, replacing an earlier binding of the same scope.
    pub(crate) fn bind_handler(&mut self, script: HandlerScript) {
        self.handler_scripts = merge_handlers(&self.handler_scripts, &[Arc::new(script)]);
    }
}

fn merge_handlers(
    base: &Arc<[Arc<HandlerScript>]>,
    child: &[Arc<HandlerScript>],
) -> Arc<[Arc<HandlerScript>]> {
    if child.is_empty() {
        return Arc::clone(base);
    }
    let kept = base.iter().filter(|old| !child.iter().any(|new| new.handler == old.handler));
    kept.chain(child).cloned().collect()
}

/// WSGIMapHEADToGET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapHead {
    /// Never.
    Off,
    /// Always.
    On,
    /// When a content filter is active.
    #[default]
    Auto,
}

/// WSGIRestrictProcess: the groups requests of a scope may use. "" stands for embedded mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSet(Arc<[Box<str>]>);

impl ProcessSet {
    /// From the words of the line; `%{GLOBAL}` means embedded mode.
    pub fn new<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Self {
        let names = words.into_iter().map(|word| match word.as_ref() {
            "%{GLOBAL}" => Box::from(""),
            name => Box::from(name),
        });
        ProcessSet(names.collect())
    }

    /// Whether a group is a member; case-insensitive like the httpd table the original used (spec/directives.md §6).
    pub fn contains(&self, group: &[u8]) -> bool {
        self.0.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(group))
    }
}
