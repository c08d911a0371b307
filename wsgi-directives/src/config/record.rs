//! The per-server and per-directory records and how they merge.

use super::layer::{ConfigLayer, layered};
use super::mount::{ScriptAlias, ScriptRef};
use std::sync::Arc;

/// What comes of a base and what stands over it. Most virtual hosts and sections say nothing about us, and httpd merges
/// sections for each request: the record that says everything serves as it is.
#[derive(Debug, PartialEq, Eq)]
pub enum MergedRecord<T> {
    /// The child says nothing.
    Base,
    /// The base says nothing.
    Child,
    /// Both do.
    New(T),
}

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

    /// The same, without a new record where none is needed.
    pub fn merged(base: &ServerConfig, child: &ServerConfig) -> MergedRecord<ServerConfig> {
        if child.is_empty() {
            return MergedRecord::Base;
        }
        if base.is_empty() {
            return MergedRecord::Child;
        }
        MergedRecord::New(ServerConfig::merge(base, child))
    }

    fn is_empty(&self) -> bool {
        self.aliases.is_empty() && self.layer.is_empty()
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

    /// The same, without a new record where none is needed.
    pub fn merged(base: &DirConfig, child: &DirConfig) -> MergedRecord<DirConfig> {
        if child.is_empty() {
            return MergedRecord::Base;
        }
        if base.is_empty() {
            return MergedRecord::Child;
        }
        MergedRecord::New(DirConfig::merge(base, child))
    }

    fn is_empty(&self) -> bool {
        self.layer.is_empty() && self.access == AccessSettings::default()
    }
}
