//! What WSGI scripts are bound to: aliases, handler names, hook scripts; and what they point at.

use super::daemon::ApplicationInterface;
use crate::place::{SourceLocation, UriRegex};
use std::sync::Arc;

/// What is loaded: a script file, or (beyond the original) an importable module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountTarget {
    /// Path exactly as written.
    File(String),
    /// `module:package.name[:callable]`
    Module {
        /// Dotted module name.
        module: String,
        /// Attribute of it, if written.
        callable: Option<String>,
    },
}

impl MountTarget {
    /// As it travels: the path, or `module:name[:callable]`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::File(path) => path.clone(),
            Self::Module { module, callable: None } => format!("module:{module}"),
            Self::Module { module, callable: Some(callable) } => format!("module:{module}:{callable}"),
        }
    }
}

/// One WSGIScriptAlias or WSGIScriptAliasMatch.
#[derive(Debug)]
pub struct ScriptAlias {
    /// What is matched.
    pub form: AliasForm,
    /// What it is mapped to.
    pub target: MountTarget,
    /// Options after the target.
    pub options: AliasOptions,
    /// Where it was written.
    pub place: SourceLocation,
}

/// What an alias is compared with.
#[derive(Debug)]
pub enum AliasForm {
    /// A URL prefix as written.
    Prefix(String),
    /// A regular expression.
    Regex {
        /// As written.
        pattern: String,
        /// Compiled by the glue.
        regex: Arc<dyn UriRegex>,
    },
}

impl AliasForm {
    /// The prefix or pattern as written.
    pub fn text(&self) -> &str {
        match self {
            AliasForm::Prefix(text) | AliasForm::Regex { pattern: text, .. } => text,
        }
    }
}

/// Options of an alias or a handler script; each overrides the request's setting (spec/directives.md §3.3 step 4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasOptions {
    /// `process-group=`; "" is embedded mode.
    pub process_group: Option<String>,
    /// `application-group=`; "" is the main interpreter.
    pub application_group: Option<String>,
    /// `callable-object=`, used verbatim.
    pub callable_object: Option<String>,
    /// `pass-authorization=`
    pub pass_authorization: Option<bool>,
    /// `interface=`; `None` is that of the daemon group.
    pub interface: Option<ApplicationInterface>,
}

/// One WSGIHandlerScript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerScript {
    /// httpd handler name.
    pub handler: String,
    /// Script path as written.
    pub path: String,
    /// Options after the path.
    pub options: AliasOptions,
}

/// A script that is no alias target, noted where it was written so that config test can look at the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptUse {
    /// Name of the directive.
    pub directive: &'static str,
    /// Path as written.
    pub path: String,
    /// Who reads it.
    pub reader: ScriptReader,
    /// Where it was written.
    pub place: SourceLocation,
}

/// The process that reads a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptReader {
    /// An httpd child: hook scripts.
    Httpd,
    /// The group of `process-group=`, unexpanded; `None` is the WSGIProcessGroup of the request.
    Group(Option<String>),
}

/// A dispatch, access or auth script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptRef {
    /// Script path as written.
    pub path: String,
    /// `application-group=`, unexpanded (spec/directives.md §4 column 4).
    pub application_group: Option<String>,
}
