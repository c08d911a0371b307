//! What the config test looks at for applications: targets of aliases, preloads, handler and hook scripts, and the
//! files of embedded mode.

use super::inquiry::{CheckFindings, FindingWeight, PathInquiry};
use crate::access::AccessNeed;
use crate::identity::ProcessIdentity;
use crate::messages;
use crate::subjects::{CheckSubjects, CheckedServer};
use crate::survey::{Survey, SurveyQuestion};
use std::path::PathBuf;
use std::rc::Rc;
use wsgi_directives::{AliasForm, MountTarget, ScriptAlias, ScriptReader, SourceLocation, VhostId};

/// Asks about everything that is loaded.
pub fn inquire(
    subjects: &CheckSubjects<'_>,
    survey: &Survey<'_>,
    inquiries: &mut Vec<PathInquiry>,
    findings: &mut CheckFindings,
) {
    for server in &subjects.servers {
        let own = |alias: &&std::sync::Arc<ScriptAlias>| alias.place.virtual_host == server.host;
        for alias in server.config.aliases.iter().filter(own) {
            subjects.alias(alias, server, inquiries);
        }
    }
    let global = subjects.global;
    for import in global.imports.iter().filter(|import| import.explicit) {
        let (MountTarget::File(path), Some(reader)) =
            (&import.target, subjects.reader(&import.process_group))
        else {
            continue;
        };
        inquiries.extend(script("WSGIImportScript", path, &import.place, AccessNeed::File, reader));
    }
    for used in &global.scripts {
        let reader = match &used.reader {
            ScriptReader::Httpd => Some(Rc::clone(&subjects.embedded)),
            ScriptReader::Group(name) => subjects.reader_or_default(name.as_deref(), used.place.virtual_host),
        };
        let reader = reader.unwrap_or_else(|| subjects.nobody());
        inquiries.extend(script(used.directive, &used.path, &used.place, AccessNeed::File, reader));
    }
    embedded(subjects, survey, inquiries, findings);
}

/// Asks what embedded mode and `preload=on` depend on.
pub fn collect(subjects: &CheckSubjects<'_>, survey: &mut Survey<'_>) {
    let global = subjects.global;
    if let Some(home) = global.python_home.as_deref().filter(|_| global.needs_embedded_python()) {
        survey.add(&subjects.embedded, SurveyQuestion::Interpreter(home.into()));
        survey.add(&subjects.embedded, SurveyQuestion::Library(home.into()));
    }
    for group in global.groups.iter().filter(|group| group.options.preload) {
        for target in global.routes.targets_of(&group.name) {
            if let MountTarget::File(path) = target {
                survey.add(&subjects.looker(group), SurveyQuestion::Access(path.into(), AccessNeed::File));
            }
        }
    }
}

impl CheckSubjects<'_> {
    /// httpd itself looks for the target; the processes that run it read it.
    fn alias(&self, alias: &ScriptAlias, server: &CheckedServer<'_>, inquiries: &mut Vec<PathInquiry>) {
        let (AliasForm::Prefix(prefix), MountTarget::File(path)) = (&alias.form, &alias.target) else {
            return;
        };
        let subject = format!("WSGIScriptAlias {prefix}");
        // A directory is meant where the target ends like one.
        let need = if path.ends_with('/') { AccessNeed::Either } else { AccessNeed::Script };
        let httpd = || Rc::clone(&self.embedded);
        let reader = self.reader_or_default(alias.options.process_group.as_deref(), server.host);
        let reached = script(&subject, path, &alias.place, AccessNeed::Reach, httpd());
        match reader {
            Some(reader) if reader == self.embedded => {
                inquiries.extend(script(&subject, path, &alias.place, need, reader));
            }
            Some(reader) => {
                inquiries.extend(script(&subject, path, &alias.place, need, reader));
                inquiries.extend(reached.map(|i| PathInquiry { weight: FindingWeight::PermissionOnly, ..i }));
            }
            None if need == AccessNeed::Script => {
                inquiries.extend(reached.map(|i| PathInquiry { need: AccessNeed::ReachScript, ..i }));
            }
            None => inquiries.extend(reached),
        }
    }

    /// Who runs a process group that was named, or that the server has; `None` when only a request tells.
    fn reader_or_default(&self, named: Option<&str>, host: Option<VhostId>) -> Option<Rc<ProcessIdentity>> {
        if let Some(name) = named {
            return self.reader(name);
        }
        if self.global.routes_in_sections {
            return None;
        }
        let server = self.by_host.get(&host).and_then(|index| self.servers.get(*index));
        self.reader(server.and_then(|s| s.config.layer.settings.process_group.as_deref()).unwrap_or_default())
    }

    /// Who runs a process group of this name.
    fn reader(&self, name: &str) -> Option<Rc<ProcessIdentity>> {
        match name {
            "" | "%{GLOBAL}" => Some(Rc::clone(&self.embedded)),
            _ => {
                let group = self.global.groups.get(name)?;
                // A chroot changes who has to search what.
                Some(if group.options.chroot.is_some() { self.nobody() } else { self.runner_of(group) })
            }
        }
    }

    /// Stands for processes unknown: nothing is forbidden to root, so only existence counts.
    fn nobody(&self) -> Rc<ProcessIdentity> {
        Rc::new(ProcessIdentity::reader())
    }
}

/// An inquiry about a script; none for paths that are not fixed, or not absolute (which is warned about anyway).
fn script(
    subject: &str,
    path: &str,
    place: &SourceLocation,
    need: AccessNeed,
    runner: Rc<ProcessIdentity>,
) -> Option<PathInquiry> {
    (path.starts_with('/') && !path.contains('$')).then(|| PathInquiry {
        runner,
        path: PathBuf::from(path),
        need,
        subject: subject.to_owned(),
        what: "script",
        otherwise: "",
        place: Some(place.clone()),
        weight: FindingWeight::Warning,
    })
}

/// The library of embedded mode, if it is certainly used, and the directories of WSGIPythonPath.
fn embedded(
    subjects: &CheckSubjects<'_>,
    survey: &Survey<'_>,
    inquiries: &mut Vec<PathInquiry>,
    findings: &mut CheckFindings,
) {
    let global = subjects.global;
    let inquiry = |path: PathBuf, need, what, weight| PathInquiry {
        runner: Rc::clone(&subjects.embedded),
        path,
        need,
        subject: "WSGIPythonPath".into(),
        what,
        otherwise: "",
        place: global.places.get("WSGIPythonPath").cloned(),
        weight,
    };
    if subjects.global.embedded_is_eager() {
        match survey.library(&subjects.embedded, global.python_home.as_deref()) {
            Ok(path) => {
                inquiries.push(inquiry(path, AccessNeed::File, "the library", FindingWeight::Embedded))
            }
            Err(error) => findings.errors.push(messages::embedded_cannot_start(&error.to_string())),
        }
    }
    if global.needs_embedded_python() {
        let entries = global.interpreter.python_path.iter().flatten().filter(|entry| entry.starts_with('/'));
        inquiries.extend(
            entries.map(|e| inquiry(e.into(), AccessNeed::Either, "the entry", FindingWeight::Warning)),
        );
    }
}
