//! What root or httpd itself executes or opens as code: whoever else can change that has their rights.

use super::inquiry::CheckFindings;
use crate::identity::ProcessIdentity;
use crate::subjects::CheckSubjects;
use crate::survey::{Survey, SurveyQuestion};
use std::path::PathBuf;

/// A file or folder that nobody else should be able to change.
pub struct CodePath {
    /// What it is.
    what: &'static str,
    path: PathBuf,
    own: u32,
}

/// Asks about module, supervisor, host library and embedded Python.
pub fn collect(subjects: &CheckSubjects<'_>, survey: &mut Survey<'_>) -> Vec<CodePath> {
    let mut list: Vec<CodePath> = Vec::new();
    let own = subjects.surroundings.own_uid;
    let mut add = |what, path| list.push(CodePath { what, path, own });
    if let Some(module) = &subjects.surroundings.module {
        add("the module", module.clone());
    }
    if let Some(folder) = &subjects.surroundings.support {
        let files = [
            ("the supervisor", "wsgi-supervisor"),
            ("the host library", "python-host.abi3.so"),
            ("mod_wsgi-ctl", "mod_wsgi-ctl"),
        ];
        files.into_iter().for_each(|(what, name)| add(what, folder.join(name)));
    }
    let global = subjects.global;
    let home = global.python_home.as_deref().filter(|_| subjects.global.embedded_is_eager());
    if let Ok(library) = survey.library(&subjects.embedded, home)
        && global.needs_embedded_python()
    {
        add("the library of embedded Python", library);
        add("the home of embedded Python", home.map(PathBuf::from).unwrap_or_else(|| "/usr".into()));
    }
    for code in &list {
        survey.add(&ProcessIdentity::reader(), SurveyQuestion::Exposure(code.path.clone(), own));
    }
    list
}

/// Says what is in reach of others.
pub fn judge(list: &[CodePath], survey: &Survey<'_>, findings: &mut CheckFindings) {
    let mut told: Vec<PathBuf> = Vec::new();
    for code in list {
        let Some(part) = survey.exposure(&code.path, code.own) else { continue };
        if told.contains(&part) {
            continue;
        }
        findings.warnings.push(format!(
            "other users may change '{0}', and so replace {1} '{2}', which httpd runs with its own rights; let it belong \
             to root and be writable by nobody else (chown root '{0}'; chmod go-w '{0}').",
            part.display(),
            code.what,
            code.path.display()
        ));
        told.push(part);
    }
}
