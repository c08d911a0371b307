//! One line of configuration as the rows of the table see it: its words, and the records that it may write to.

use crate::config::{ConfigLayer, DirConfig, GlobalConfig, InterpreterSettings, ServerConfig};
use crate::effect::RowEffect;
use crate::error::{ConfigError, Misplaced};
use crate::place::{DirectivePlace, Notice, NoticeLevel, SystemFacts};
use crate::words::LineWords;

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

/// One line being applied: name, arguments, place, records.
pub(crate) struct LineApplication<'a, 's> {
    /// Its directive.
    pub name: &'static str,
    /// Arguments as shown in the manual.
    pub syntax: &'static str,
    /// One line for usage texts.
    pub doc: &'static str,
    /// The rest of the line, unsplit.
    pub args: &'a str,
    pub place: &'a DirectivePlace<'a>,
    pub scope: LineScope<'s>,
    pub system: &'a dyn SystemFacts,
    pub notices: Vec<Notice>,
}

impl<'a> LineApplication<'a, '_> {
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
            directive: self.name,
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
        ConfigError::PlaceDirective { directive: self.name, found: Misplaced::Elsewhere }
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
