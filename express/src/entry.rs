//! What the entry point of the command line is.

use crate::paths;
use crate::problem::ExpressError;
use crate::values::OptionValues;
use std::path::Path;

/// How the application is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A Python file.
    Script,
    /// A dotted name.
    Module,
    /// A configuration of PasteDeploy.
    Paste,
    /// A folder of files, and no application.
    Static,
    /// None was given: a page that says so.
    Welcome,
}

impl EntryKind {
    /// As in `--application-type`.
    pub fn name(self) -> &'static str {
        match self {
            EntryKind::Script => "script",
            EntryKind::Module => "module",
            EntryKind::Paste => "paste",
            EntryKind::Static => "static",
            EntryKind::Welcome => "welcome",
        }
    }
}

/// The application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationEntry {
    /// How it is loaded.
    pub kind: EntryKind,
    /// An absolute path, or a dotted name.
    pub target: String,
    /// The name of the callable.
    pub callable: String,
}

impl ApplicationEntry {
    /// From the options and the arguments without a name.
    ///
    /// # Errors
    /// A callable that is named twice.
    pub fn find(values: &OptionValues, notes: &mut Vec<String>) -> Result<ApplicationEntry, ExpressError> {
        let arguments = values.entry_points();
        let named = values.text("entry-point");
        let given = named.or_else(|| arguments.first().copied());
        let ignored = if named.is_some() { 0 } else { 1 };
        if let Some(extra) = arguments.get(ignored) {
            notes.push(format!("only one entry point is served; '{extra}' is ignored"));
        }
        let said = values.text("application-type");
        let Some(given) = given else {
            let kind = if said == Some("static") { EntryKind::Static } else { EntryKind::Welcome };
            let callable = values.text("callable-object").unwrap_or_default().to_owned();
            return Ok(ApplicationEntry { kind, target: paths::absolute_text("."), callable });
        };
        let (target, callable) = split_callable(given);
        let kind = said.map_or_else(|| recognise(target), by_name);
        let (target, callable) = if kind == EntryKind::Static { (given, None) } else { (target, callable) };
        let option = values.is_given("callable-object").then(|| values.text("callable-object")).flatten();
        let callable = match (callable, option) {
            (Some(a), Some(b)) if a != b => {
                return Err(ExpressError::Usage(format!(
                    "'{given}' names the callable '{a}', --callable-object names '{b}'"
                )));
            }
            (Some(name), _) => name,
            (None, _) => values.text("callable-object").unwrap_or_default(),
        };
        let target = if kind == EntryKind::Module { target.to_owned() } else { paths::absolute_text(target) };
        Ok(ApplicationEntry { kind, target, callable: callable.to_owned() })
    }

    /// Whether Python runs it.
    pub fn is_application(&self) -> bool {
        self.kind != EntryKind::Static
    }

    /// What is wrong with it as far as it can be seen without Python.
    pub fn problem(&self) -> Option<String> {
        let path = Path::new(&self.target);
        match self.kind {
            EntryKind::Script | EntryKind::Paste if !path.exists() => {
                Some(format!("{}: there is no such file", self.target))
            }
            EntryKind::Script | EntryKind::Paste if path.is_dir() => {
                Some(format!("{} is a folder", self.target))
            }
            EntryKind::Static if !path.is_dir() => Some(format!("{}: there is no such folder", self.target)),
            EntryKind::Module if !is_dotted_name(&self.target) => {
                Some(format!("'{}' is neither a file nor the name of a module", self.target))
            }
            _ => None,
        }
    }
}

/// `NAME:CALLABLE`, unless a file is called so.
fn split_callable(given: &str) -> (&str, Option<&str>) {
    match given.rsplit_once(':') {
        Some((target, callable)) if !Path::new(given).exists() && is_dotted_name(callable) => {
            (target, Some(callable))
        }
        _ => (given, None),
    }
}

fn recognise(target: &str) -> EntryKind {
    let path = Path::new(target);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension {
        _ if path.is_dir() => EntryKind::Static,
        "ini" => EntryKind::Paste,
        // Django's `project.wsgi` is a module, unless there is a file of this name.
        "py" | "wsgi" if path.exists() || !has_module(target) => EntryKind::Script,
        _ if path.is_file() || target.contains('/') => EntryKind::Script,
        _ => EntryKind::Module,
    }
}

/// Whether a file of the current folder makes this dotted name a module.
fn has_module(target: &str) -> bool {
    is_dotted_name(target) && Path::new(&target.replace('.', "/")).with_extension("py").is_file()
}

fn by_name(name: &str) -> EntryKind {
    let all = [EntryKind::Module, EntryKind::Paste, EntryKind::Static];
    all.into_iter().find(|kind| kind.name() == name).unwrap_or(EntryKind::Script)
}

fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.chars().all(|c| c.is_alphanumeric() || c == '_')
            && part.starts_with(|c: char| c.is_alphabetic() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(words: &[&str], options: &[(&'static str, &str)]) -> Result<ApplicationEntry, ExpressError> {
        let mut values = OptionValues::default();
        values.put(OptionValues::ENTRY_POINT, words.iter().map(|word| vec![(*word).to_owned()]).collect());
        for (name, value) in options {
            values.put(name, vec![vec![(*value).to_owned()]]);
        }
        ApplicationEntry::find(&values, &mut Vec::new())
    }

    fn found(words: &[&str], options: &[(&'static str, &str)]) -> (EntryKind, String, String) {
        let entry = entry(words, options).expect("right");
        (entry.kind, entry.target, entry.callable)
    }

    #[test]
    fn entry_points_are_recognised() {
        let of = |kind, target: &str, callable: &str| (kind, target.to_owned(), callable.to_owned());
        assert_eq!(found(&["/x/wsgi.py"], &[]), of(EntryKind::Script, "/x/wsgi.py", "application"));
        assert_eq!(found(&["/x/wsgi.py:app"], &[]), of(EntryKind::Script, "/x/wsgi.py", "app"));
        assert_eq!(
            found(&["site.wsgi"], &[("application-type", "module")]),
            of(EntryKind::Module, "site.wsgi", "application")
        );
        assert_eq!(found(&["a.b:app"], &[]), of(EntryKind::Module, "a.b", "app"));
        assert_eq!(found(&["/x/y.ini"], &[]), of(EntryKind::Paste, "/x/y.ini", "application"));
        assert_eq!(found(&["/usr"], &[]), of(EntryKind::Static, "/usr", "application"));
        assert_eq!(
            found(&["ignored"], &[("entry-point", "a.b")]),
            of(EntryKind::Module, "a.b", "application")
        );
        assert_eq!(found(&["a"], &[("callable-object", "app")]), of(EntryKind::Module, "a", "app"));
        assert_eq!(found(&[], &[]).0, EntryKind::Welcome);
        assert!(entry(&["a:b"], &[("callable-object", "c")]).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let problem = |word: &str| entry(&[word], &[]).expect("right").problem();
        assert!(problem("/x/nowhere.py").expect("missing").contains("/x/nowhere.py"));
        assert_eq!(problem("a.b:app"), None);
        assert!(problem("not-a-name").is_some());
    }
}
