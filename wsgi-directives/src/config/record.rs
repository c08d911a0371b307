//! The per-server and per-directory records and how they merge.

use super::layer::{ConfigLayer, layered};
use super::mount::{ScriptAlias, ScriptRef};
use std::sync::Arc;

/// Server-level record: main server or one virtual host, as written or merged.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Switches and names.
    pub layer: ConfigLayer,
    /// WSGIScriptAlias and WSGIScriptAliasMatch, one shared list in search order.
    pub aliases: Vec<Arc<ScriptAlias>>,
}

impl ServerConfig {
    /// Virtual host over main server: the host's aliases are searched first (spec/directives.md §3.2).
    pub fn merge(base: &ServerConfig, child: &ServerConfig) -> ServerConfig {
        ServerConfig {
            layer: ConfigLayer::merge(&base.layer, &child.layer),
            aliases: child.aliases.iter().chain(&base.aliases).cloned().collect(),
        }
    }
}

layered! {
    /// WSGIAccessScript and its relatives; directory level only.
    pub struct AccessSettings {
        /// WSGIAccessScript.
        access_script: Arc<ScriptRef>,
        /// WSGIAuthUserScript.
        auth_user_script: Arc<ScriptRef>,
        /// WSGIAuthGroupScript.
        auth_group_script: Arc<ScriptRef>,
        /// WSGIGroupAuthoritative; no effect on httpd 2.4.
        group_authoritative: bool,
    }
}

/// Directory-level record: a directory-type section, a `.htaccess`, or a merge of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DirConfig {
    /// Switches and names.
    pub layer: ConfigLayer,
    /// Access and authentication scripts.
    pub access: AccessSettings,
}

impl DirConfig {
    /// More specific directory over less specific (spec/directives.md §3.2).
    pub fn merge(base: &DirConfig, child: &DirConfig) -> DirConfig {
        DirConfig {
            layer: ConfigLayer::merge(&base.layer, &child.layer),
            access: AccessSettings::merge(&base.access, &child.access),
        }
    }
}
