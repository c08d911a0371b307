//! One row of the directive table: what httpd, the parser, the merge and the manual know of a directive.

use crate::arity::Arity;
use crate::config::{ConfigLayer, GlobalConfig, InterpreterSettings};
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::LineApplication;
use std::sync::Arc;

/// Set of places a directive may stand in (the codes of spec/directives.md §1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DirectiveContexts(u8);

impl DirectiveContexts {
    /// Nowhere.
    pub const NONE: DirectiveContexts = DirectiveContexts(0);
    /// G: main server only.
    pub const G: DirectiveContexts = DirectiveContexts(1);
    /// V: main server or virtual host, outside directory-type sections.
    pub const V: DirectiveContexts = DirectiveContexts(2);
    /// D: directory-type sections of the server configuration.
    pub const D: DirectiveContexts = DirectiveContexts(4);
    /// H:FI: `.htaccess` with `AllowOverride FileInfo`.
    pub const H_FILEINFO: DirectiveContexts = DirectiveContexts(8);
    /// H:AC: `.htaccess` with `AllowOverride AuthConfig`.
    pub const H_AUTHCFG: DirectiveContexts = DirectiveContexts(16);
    /// I: also meaningful inside `<WSGIInterpreterOptions>`.
    pub const I: DirectiveContexts = DirectiveContexts(32);
    /// V D
    pub const VD: DirectiveContexts = Self::V.and(Self::D);
    /// V D H:FI
    pub const VDH: DirectiveContexts = Self::VD.and(Self::H_FILEINFO);
    /// D H:AC
    pub const DH_AUTH: DirectiveContexts = Self::D.and(Self::H_AUTHCFG);
    /// G I
    pub const GI: DirectiveContexts = Self::G.and(Self::I);

    /// Union.
    pub const fn and(self, other: DirectiveContexts) -> DirectiveContexts {
        DirectiveContexts(self.0 | other.0)
    }

    /// Whether every place of `other` is in this set.
    pub const fn has(self, other: DirectiveContexts) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::fmt::Display for DirectiveContexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (Self::G, "main server"),
            (Self::V, "server, virtual host"),
            (Self::D, "directory"),
            (Self::H_FILEINFO, ".htaccess (FileInfo)"),
            (Self::H_AUTHCFG, ".htaccess (AuthConfig)"),
            (Self::I, "<WSGIInterpreterOptions>"),
        ];
        let mut separator = "";
        for (_, name) in names.iter().filter(|(place, _)| self.has(*place)) {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl std::fmt::Debug for DirectiveContexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contexts({self})")
    }
}

/// Which of httpd's `req_override` bits a row needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideClasses {
    /// `RSRC_CONF`
    pub rsrc_conf: bool,
    /// `ACCESS_CONF`
    pub access_conf: bool,
    /// `OR_FILEINFO`
    pub file_info: bool,
    /// `OR_AUTHCFG`
    pub auth_config: bool,
}

/// What a row does with its arguments.
#[derive(Debug)]
pub(crate) enum RowAction {
    /// On/Off into the layer of the enclosing server or directory.
    LayerFlag(fn(&mut ConfigLayer) -> &mut Option<bool>),
    /// One word into the layer of the enclosing server or directory.
    LayerText(fn(&mut ConfigLayer) -> &mut Option<Arc<str>>),
    /// On/Off for the whole server.
    GlobalFlag(fn(&mut GlobalConfig) -> &mut Option<bool>),
    /// One word for the whole server.
    GlobalText(fn(&mut GlobalConfig) -> &mut Option<String>),
    /// On/Off at top level or in a `<WSGIInterpreterOptions>` block.
    InterpreterFlag(fn(&mut InterpreterSettings) -> &mut Option<bool>),
    /// Anything else.
    Custom(fn(&mut LineApplication<'_, '_>) -> Result<(), ConfigError>),
}

/// One directive. Its index in [`crate::DIRECTIVES`] is the id handed to httpd as `cmd_data`.
#[derive(Debug)]
pub struct Directive {
    /// Name as registered with httpd; sections begin with `<`.
    pub name: &'static str,
    /// Arguments.
    pub arity: Arity,
    /// Places.
    pub contexts: DirectiveContexts,
    /// Arguments as shown in the manual.
    pub syntax: &'static str,
    /// Default: arguments that parse, or a description in parentheses; empty if there is none.
    pub default: &'static str,
    /// First release of mod_wsgi with it; `new` for directives of this implementation.
    pub since: &'static str,
    /// One line for httpd's usage text and the manual.
    pub doc: &'static str,
    /// More for the manual; may be empty.
    pub details: &'static str,
    /// Whether it acts.
    pub effect: RowEffect,
    /// Arguments that are accepted.
    pub good: &'static str,
    /// Arguments that are refused; `None` where no text is wrong.
    pub bad: Option<&'static str>,
    pub(crate) action: RowAction,
}

impl Directive {
    /// The httpd override classes of this row (spec/directives.md §2.6; `H` rows need no `ACCESS_CONF`, httpd grants
    /// `OR_*` in directory sections and `OR_FILEINFO` at server level too).
    pub const fn override_classes(&self) -> OverrideClasses {
        let file_info = self.contexts.has(DirectiveContexts::H_FILEINFO);
        let auth_config = self.contexts.has(DirectiveContexts::H_AUTHCFG);
        OverrideClasses {
            rsrc_conf: self.contexts.has(DirectiveContexts::G)
                || (self.contexts.has(DirectiveContexts::V) && !file_info),
            access_conf: self.contexts.has(DirectiveContexts::D) && !file_info && !auth_config,
            file_info,
            auth_config,
        }
    }

    /// Whether mod_wsgi itself has dropped it.
    pub fn is_removed(&self) -> bool {
        self.since.contains("removed")
    }

    /// Whether this row opens a section.
    pub const fn is_section(&self) -> bool {
        matches!(self.arity, Arity::Section)
    }
}
