//! Applies one line of configuration to the records: finds the row, checks place and arguments, stores.

use crate::arity::Arity;
use crate::config::routes::RouteKind;
use crate::config::{ConfigLayer, DirConfig, GlobalConfig, InterpreterSettings, ServerConfig};
use crate::directive::{Directive, DirectiveContexts, RowEffect};
use crate::error::{ConfigError, Misplaced};
use crate::place::{DirectivePlace, Notice, NoticeLevel, SystemFacts};
use crate::table::DIRECTIVES;
use crate::words::LineWords;
use std::sync::Arc;

/// The records a line may write to.
pub struct LineScope<'a> {
    /// Main-server record; `None` in `.htaccess`, which is read while requests run.
    pub global: Option<&'a mut GlobalConfig>,
    /// Record of the enclosing server; `None` in `.htaccess`.
    pub server: Option<&'a mut ServerConfig>,
    /// The directory record httpd passes along; give it whenever there is one. Whether a `V D` directive
    /// writes there or to `server` is decided by [`DirectivePlace::directory`].
    pub dir: Option<&'a mut DirConfig>,
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

/// One line being applied: row, arguments, place, records.
pub(crate) struct LineApplication<'a, 's> {
    pub row: &'static Directive,
    /// The rest of the line, unsplit.
    pub args: &'a str,
    pub place: &'a DirectivePlace<'a>,
    pub scope: LineScope<'s>,
    pub system: &'a dyn SystemFacts,
    pub notices: Vec<Notice>,
}

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
    let mut line = LineApplication { row, args, place, scope, system, notices: Vec::new() };
    line.check_place()?;
    line.count_arguments()?;
    line.check_vhost()?;
    line.act()?;
    line.note_place();
    if !is_default(row.default, args.split_ascii_whitespace()) {
        line.tell_effect(row.name, row.effect);
    }
    Ok(line.notices)
}

impl<'a, 's> LineApplication<'a, 's> {
    /// Refuses places httpd's override bits cannot tell apart (spec/directives.md §2.6).
    fn check_place(&self) -> Result<(), ConfigError> {
        let contexts = self.row.contexts;
        let wrong = |found| Err(ConfigError::PlaceDirective { directive: self.row.name, found });
        if self.place.htaccess {
            return if contexts.has(DirectiveContexts::D) { Ok(()) } else { wrong(Misplaced::Elsewhere) };
        }
        if self.place.directory.is_some() {
            return if contexts.has(DirectiveContexts::D) { Ok(()) } else { wrong(Misplaced::Directory) };
        }
        Ok(())
    }

    /// The rule that httpd leaves to modules; the original tests it after counting the arguments.
    fn check_vhost(&self) -> Result<(), ConfigError> {
        if self.row.contexts.has(DirectiveContexts::G) && self.place.virtual_host.is_some() {
            let found = Misplaced::VirtualHost;
            return Err(ConfigError::PlaceDirective { directive: self.row.name, found });
        }
        Ok(())
    }

    /// httpd's own argument count (spec/directives.md §2.5): an empty word counts as missing.
    fn count_arguments(&self) -> Result<(), ConfigError> {
        let words: Vec<_> = LineWords::new(self.args).take(3).collect();
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
                let value = self.on_off()?;
                *field(self.layer()?) = Some(value);
            }
            RowAction::LayerText(field) => {
                let word = self.word();
                *field(self.layer()?) = Some(Arc::from(word));
            }
            RowAction::GlobalFlag(field) => {
                let value = self.on_off()?;
                *field(self.global()?) = Some(value);
            }
            RowAction::GlobalText(field) => {
                let word = self.word();
                *field(self.global()?) = Some(word);
            }
            RowAction::InterpreterFlag(field) => {
                let value = self.on_off()?;
                *field(self.interpreter()?) = Some(value);
            }
            RowAction::Custom(run) => run(self)?,
        }
        Ok(())
    }

    /// Notes what config test wants to know later.
    fn note_place(&mut self) {
        let Directive { name, contexts, .. } = self.row;
        let place = self.place;
        let Some(global) = self.scope.global.as_deref_mut() else { return };
        if contexts.has(DirectiveContexts::G) && place.in_interpreter_options.is_none() {
            global.places.insert(name, place.origin());
        }
        global.routing.note(place.virtual_host.map(|id| id.0), name, self.args);
        global.routes_in_sections |=
            *name == "WSGIDispatchScript" || (*name == "WSGIProcessGroup" && place.directory.is_some());
        let kind = match *name {
            "WSGIProcessGroup" => RouteKind::Process,
            "WSGIApplicationGroup" => RouteKind::Application,
            _ => return,
        };
        global.routes.note(kind, place, LineWords::new(self.args).next().unwrap_or_default().into_owned());
    }

    /// The words of the line.
    pub fn words(&self) -> LineWords<'a> {
        LineWords::new(self.args)
    }

    /// The first word, empty if there is none.
    pub fn word(&self) -> String {
        self.words().next().unwrap_or_default().into_owned()
    }

    /// The single word as On or Off (spec/directives.md §2.3).
    pub fn on_off(&self) -> Result<bool, ConfigError> {
        let given = self.word();
        parse_on_off(&given).ok_or(ConfigError::ChooseWord {
            directive: self.row.name,
            choices: "Off | On",
            given,
        })
    }

    /// The record a `V D` directive writes to (spec/directives.md §3.1).
    pub fn layer(&mut self) -> Result<&mut ConfigLayer, ConfigError> {
        if self.place.directory.is_some() || self.place.htaccess {
            return self.dir().map(|dir| &mut dir.layer);
        }
        let missing = self.misplaced();
        self.scope.server.as_deref_mut().map(|server| &mut server.layer).ok_or(missing)
    }

    /// The directory record, for access and auth directives.
    pub fn dir(&mut self) -> Result<&mut DirConfig, ConfigError> {
        let missing = self.misplaced();
        self.scope.dir.as_deref_mut().ok_or(missing)
    }

    /// The record of the enclosing server.
    pub fn server(&mut self) -> Result<&mut ServerConfig, ConfigError> {
        let missing = self.misplaced();
        self.scope.server.as_deref_mut().ok_or(missing)
    }

    /// The main-server record.
    pub fn global(&mut self) -> Result<&mut GlobalConfig, ConfigError> {
        let missing = self.misplaced();
        self.scope.global.as_deref_mut().ok_or(missing)
    }

    /// The settings an `I` directive writes to: those of its block, or the top-level ones.
    pub fn interpreter(&mut self) -> Result<&mut InterpreterSettings, ConfigError> {
        let block = self.place.in_interpreter_options;
        let global = self.global()?;
        Ok(match block.and_then(|id| global.blocks.get_mut(id.0)) {
            Some(block) => &mut block.settings,
            None => &mut global.interpreter,
        })
    }

    fn misplaced(&self) -> ConfigError {
        ConfigError::PlaceDirective { directive: self.row.name, found: Misplaced::Elsewhere }
    }

    /// Adds the notice for a name that does not act, once per configuration.
    pub fn tell_effect(&mut self, name: &'static str, effect: RowEffect) {
        let (level, text) = match effect {
            RowEffect::Acts => return,
            RowEffect::Later(part) => {
                (NoticeLevel::Notice, format!("{name} is accepted and has no effect yet: {part}."))
            }
            RowEffect::Never(why) => {
                (NoticeLevel::Info, format!("{name} is accepted and has no effect: {why}."))
            }
            RowEffect::Legacy(advice) => {
                (NoticeLevel::Warning, format!("{name} is no longer supported: {advice}."))
            }
        };
        if self.scope.global.as_deref_mut().is_none_or(|global| global.told.insert(name)) {
            self.notices.push(Notice::at(level, text));
        }
    }
}

/// Whether these words say what holds anyway: then it does not matter that they have no effect.
pub(crate) fn is_default<'a>(default: &str, words: impl Iterator<Item = &'a str>) -> bool {
    !default.is_empty()
        && default
            .split_ascii_whitespace()
            .map(str::to_ascii_lowercase)
            .eq(words.map(str::to_ascii_lowercase))
}

/// `On` or `Off`, in any case; nothing else (spec/directives.md §2.3).
pub(crate) fn parse_on_off(word: &str) -> Option<bool> {
    if word.eq_ignore_ascii_case("on") {
        Some(true)
    } else if word.eq_ignore_ascii_case("off") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
