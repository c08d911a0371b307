//! What the operator wrote: directive and option tables, from which parsing, merging, checks and the manual
//! derive, and the request-time rules that need neither httpd nor Python (spec/directives.md).

#![forbid(unsafe_code)]

pub mod apply;
pub mod arity;
pub mod checks;
pub mod config;
pub mod directive;
pub mod docs;
pub mod effect;
pub mod error;
#[cfg(test)]
mod fake;
pub mod interpreter;
pub mod line;
pub mod options;
pub mod place;
pub mod proxies;
pub mod request;
pub mod table;
pub mod words;

pub use apply::{apply, find};
pub use arity::Arity;
pub use checks::ServerView;
pub use config::*;
pub use directive::{Directive, DirectiveContexts, OverrideClasses};
pub use effect::RowEffect;
pub use error::{ConfigError, GroupReference, Misplaced};
pub use interpreter::blocks_of;
pub use line::LineScope;
pub use options::{
    ALIAS_OPTIONS, DAEMON_OPTIONS, HANDLER_OPTIONS, IMPORT_OPTIONS, OptionInfo, OptionRow, SCRIPT_OPTIONS,
    SELECTORS,
};
pub use place::{
    BlockId, DirectivePlace, NeighbourDirectives, Notice, NoticeLevel, RegexMatch, SourceLocation,
    SystemFacts, UriRegex, VhostId,
};
pub use proxies::{EnvTable, ProxyHeader, Subnet, TrustedProxies, url_scheme};
pub use request::*;
pub use table::DIRECTIVES;
