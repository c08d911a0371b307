//! Renders the manual and the sample configuration from the tables.

mod manual;
mod sample;

use crate::directive::{Directive, DirectiveContexts};
use crate::effect::RowEffect;
use crate::options::{
    ALIAS_OPTIONS, DAEMON_OPTIONS, HANDLER_OPTIONS, IMPORT_OPTIONS, OptionInfo, OptionRow, SCRIPT_OPTIONS,
    SELECTORS,
};

/// `docs/directives.md`.
pub fn render_manual() -> String {
    manual::render()
}

/// `conf/wsgi.conf`.
pub fn render_sample() -> String {
    sample::render()
}

/// The options a directive takes, in table order; empty for directives without `name=value` words.
pub fn options_of(directive: &str) -> Vec<&'static OptionInfo> {
    fn infos<T>(rows: &'static [OptionRow<T>]) -> Vec<&'static OptionInfo> {
        rows.iter().map(|row| &row.info).collect()
    }
    match directive {
        "<WSGIInterpreterOptions" => SELECTORS.iter().collect(),
        "WSGIDaemonProcess" => infos(DAEMON_OPTIONS),
        "WSGIScriptAlias" | "WSGIScriptAliasMatch" => infos(ALIAS_OPTIONS),
        "WSGIHandlerScript" => infos(HANDLER_OPTIONS),
        "WSGIImportScript" => infos(IMPORT_OPTIONS),
        "WSGIAccessScript" | "WSGIAuthUserScript" | "WSGIAuthGroupScript" | "WSGIDispatchScript" => {
            infos(SCRIPT_OPTIONS)
        }
        _ => Vec::new(),
    }
}

/// The name as an operator writes it.
fn written_name(row: &Directive) -> String {
    if row.is_section() { format!("{}>", row.name) } else { row.name.to_owned() }
}

/// One word about whether a row acts; empty if it does.
fn state(effect: RowEffect) -> &'static str {
    match effect {
        RowEffect::Acts => "",
        RowEffect::Later(_) => "no effect yet",
        RowEffect::Never(_) => "no effect",
        RowEffect::Legacy(_) => "obsolete",
    }
}

/// Where a directive mainly belongs, for grouping.
fn is_directory_only(row: &Directive) -> bool {
    row.contexts.has(DirectiveContexts::D) && !row.contexts.has(DirectiveContexts::V)
}
