//! Applies one line of configuration to the records: finds the row, checks place and arguments, stores.

use crate::arity::Arity;
use crate::config::routes::RouteKind;
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::is_default;
use crate::error::{ConfigError, Misplaced};
use crate::line::{LineApplication, LineScope};
use crate::place::{DirectivePlace, Notice, SystemFacts};
use crate::table::DIRECTIVES;
use crate::words::LineWords;
use std::sync::Arc;

/// Index in [`DIRECTIVES`] of a name, compared as httpd does (ASCII case-insensitively).
pub fn find(name: &str) -> Option<usize> {
    DIRECTIVES.iter().position(|row| row.name.eq_ignore_ascii_case(name))
}

/// Applies one directive. `id` is its index in [`DIRECTIVES`], `args` the raw rest of the line as httpd
/// gives it to RAW_ARGS directives (of a section: up to and with the `>`; the block it opened is then
/// [`GlobalConfig::newest_block`]).
///
/// # Errors
/// The text httpd shall print; nothing has been stored then.
pub fn apply(
    id: usize,
    args: &str,
    place: &DirectivePlace<'_>,
    scope: LineScope<'_>,
    system: &dyn SystemFacts,
) -> Result<Vec<Notice>, ConfigError> {
    let row: &'static Directive = DIRECTIVES.get(id).ok_or(ConfigError::FindDirective { id })?;
    let Directive { name, syntax, doc, .. } = *row;
    let line = LineApplication { name, syntax, doc, args, place, scope, system, notices: Vec::new() };
    let mut applied = AppliedRow { row, line };
    applied.check_place()?;
    applied.count_arguments()?;
    applied.check_vhost()?;
    applied.act()?;
    applied.note_place();
    if !is_default(row.default, args.split_ascii_whitespace()) {
        applied.line.tell_effect(row.name, row.effect);
    }
    Ok(applied.line.notices)
}

/// A line, and the row that it is applied by.
struct AppliedRow<'a, 's> {
    row: &'static Directive,
    line: LineApplication<'a, 's>,
}

impl AppliedRow<'_, '_> {
    /// Refuses places httpd's override bits cannot tell apart (spec/directives.md §2.6).
    fn check_place(&self) -> Result<(), ConfigError> {
        let contexts = self.row.contexts;
        let wrong = |found| Err(ConfigError::PlaceDirective { directive: self.row.name, found });
        if self.line.place.htaccess {
            return if contexts.has(DirectiveContexts::D) { Ok(()) } else { wrong(Misplaced::Elsewhere) };
        }
        if self.line.place.directory.is_some() {
            return if contexts.has(DirectiveContexts::D) { Ok(()) } else { wrong(Misplaced::Directory) };
        }
        Ok(())
    }

    /// The rule that httpd leaves to modules; the original tests it after counting the arguments.
    fn check_vhost(&self) -> Result<(), ConfigError> {
        if self.row.contexts.has(DirectiveContexts::G) && self.line.place.virtual_host.is_some() {
            let found = Misplaced::VirtualHost;
            return Err(ConfigError::PlaceDirective { directive: self.row.name, found });
        }
        Ok(())
    }

    /// httpd's own argument count (spec/directives.md §2.5): an empty word counts as missing.
    fn count_arguments(&self) -> Result<(), ConfigError> {
        let words: Vec<_> = LineWords::new(self.line.args).take(3).collect();
        let empty = words.first().is_none_or(|word| word.is_empty());
        let fits = match self.row.arity {
            Arity::Take1 => words.len() == 1 && !empty,
            Arity::Take12 => words.len() <= 2 && !empty,
            Arity::RawArgs | Arity::List | Arity::Section => true,
        };
        if fits {
            return Ok(());
        }
        let Directive { name, arity, doc, .. } = self.row;
        Err(ConfigError::CountArguments { directive: name, expected: *arity, doc })
    }

    fn act(&mut self) -> Result<(), ConfigError> {
        match &self.row.action {
            RowAction::LayerFlag(field) => {
                let value = self.line.on_off()?;
                *field(self.line.layer()?) = Some(value);
            }
            RowAction::LayerText(field) => {
                let word = self.line.word();
                *field(self.line.layer()?) = Some(Arc::from(word));
            }
            RowAction::GlobalFlag(field) => {
                let value = self.line.on_off()?;
                *field(self.line.global()?) = Some(value);
            }
            RowAction::GlobalText(field) => {
                let word = self.line.word();
                *field(self.line.global()?) = Some(word);
            }
            RowAction::InterpreterFlag(field) => {
                let value = self.line.on_off()?;
                *field(self.line.interpreter()?) = Some(value);
            }
            RowAction::Custom(run) => run(&mut self.line)?,
        }
        Ok(())
    }

    /// Notes what config test wants to know later.
    fn note_place(&mut self) {
        let Directive { name, contexts, .. } = self.row;
        let place = self.line.place;
        let Some(global) = self.line.scope.global.as_deref_mut() else { return };
        if contexts.has(DirectiveContexts::G) && place.in_interpreter_options.is_none() {
            global.places.insert(name, place.origin());
        }
        global.routing.note(place.virtual_host.map(|id| id.0), name, self.line.args);
        global.routes_in_sections |=
            *name == "WSGIDispatchScript" || (*name == "WSGIProcessGroup" && place.directory.is_some());
        let kind = match *name {
            "WSGIProcessGroup" => RouteKind::Process,
            "WSGIApplicationGroup" => RouteKind::Application,
            _ => return,
        };
        global.routes.note(
            kind,
            place,
            LineWords::new(self.line.args).next().unwrap_or_default().into_owned(),
        );
    }
}

#[cfg(test)]
mod tests;
