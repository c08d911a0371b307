//! What the config test asks about files, and the lines it says about the answers: each names directive or
//! option, place, and fix.

use crate::access::{AccessNeed, AccessProblem};
use crate::identity::ProcessIdentity;
use crate::messages;
use crate::survey::{Survey, SurveyQuestion};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use wsgi_directives::SourceLocation;

/// What a config test found out.
#[derive(Debug, Default)]
pub struct CheckFindings {
    /// What cannot work; at a start others say so, too.
    pub errors: Vec<String>,
    /// What probably will not.
    pub warnings: Vec<String>,
    /// What is good to know.
    pub notices: Vec<String>,
}

/// One path of the configuration.
#[derive(Debug, Clone)]
pub struct PathInquiry {
    /// Who uses it.
    pub runner: Rc<ProcessIdentity>,
    /// The path.
    pub path: PathBuf,
    /// What has to be possible.
    pub need: AccessNeed,
    /// Directive or option, e.g. `WSGIScriptAlias /app`.
    pub subject: String,
    /// What the path is, e.g. `script`.
    pub what: &'static str,
    /// Another way out than to mend the path; may be empty.
    pub otherwise: &'static str,
    /// Where it was written.
    pub place: Option<SourceLocation>,
    /// Who suffers.
    pub weight: FindingWeight,
}

/// How bad it is when the answer is no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingWeight {
    /// Probably something will not work.
    Warning,
    /// A warning, and only if permission is lacking: another inquiry tells the rest.
    PermissionOnly,
    /// The daemon group of this name cannot start.
    Group(String),
    /// Embedded mode cannot work.
    Embedded,
}

impl FindingWeight {
    fn is_light(&self) -> bool {
        matches!(self, Self::Warning | Self::PermissionOnly)
    }
}

/// Asks all, and appends what is to be said.
pub fn judge(
    inquiries: &[PathInquiry],
    is_root: bool,
    survey: &mut Survey<'_>,
    findings: &mut CheckFindings,
) {
    for inquiry in inquiries {
        survey.add(&inquiry.runner, SurveyQuestion::Access(inquiry.path.clone(), inquiry.need));
    }
    survey.run();
    let mut said: HashMap<(&ProcessIdentity, &Path, &str), usize> = HashMap::new();
    let mut lines: Vec<(String, usize)> = Vec::new();
    for inquiry in inquiries {
        let problem = survey.problem(&inquiry.runner, &inquiry.path, inquiry.need);
        // Another user than root cannot know what httpd's user will be allowed.
        let problem = problem.filter(|problem| is_root || !matches!(problem, AccessProblem::Denied(..)));
        let Some(problem) = problem else { continue };
        match &inquiry.weight {
            FindingWeight::PermissionOnly if !matches!(problem, AccessProblem::Denied(..)) => (),
            FindingWeight::Warning
            | FindingWeight::PermissionOnly
            | FindingWeight::Group(_)
            | FindingWeight::Embedded
                if matches!(problem, AccessProblem::Silent(_)) || inquiry.weight.is_light() =>
            {
                let key = (&*inquiry.runner, inquiry.path.as_path(), inquiry.what);
                match said.get(&key) {
                    Some(&index) => lines[index].1 += 1,
                    None => {
                        said.insert(key, lines.len());
                        lines.push((inquiry.line(&problem), 0));
                    }
                }
            }
            FindingWeight::Group(name) => {
                let place = inquiry.place.as_ref().map(ToString::to_string).unwrap_or_default();
                findings.errors.push(messages::group_cannot_start(name, &inquiry.reason(&problem), &place));
            }
            _ => findings.errors.push(messages::embedded_cannot_start(&inquiry.reason(&problem))),
        }
    }
    // Thousands of virtual hosts that share a script need one line.
    findings.warnings.extend(lines.into_iter().map(|(line, more)| match more {
        0 => line,
        more => format!("{line} (The same at {more} more places.)"),
    }));
}

impl PathInquiry {
    fn line(&self, problem: &AccessProblem) -> String {
        let place = self.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        let otherwise =
            if self.otherwise.is_empty() { String::new() } else { format!(", {}", self.otherwise) };
        format!("{place}{}: {}{otherwise}.", self.subject, self.reason(problem))
    }

    /// What is wrong, and what to do; without a full stop.
    fn reason(&self, problem: &AccessProblem) -> String {
        let (what, path, user) = (self.what, self.path.display(), &self.runner.name);
        let verb = match self.need {
            AccessNeed::Reach | AccessNeed::ReachScript => "be reached",
            AccessNeed::File => "be read",
            AccessNeed::Directory => "be entered",
            AccessNeed::Either | AccessNeed::Script => "be used",
            AccessNeed::Program => "be executed",
        };
        match problem {
            AccessProblem::Missing(part) if *part == self.path => {
                format!("{what} '{path}' does not exist; create it or correct the path")
            }
            AccessProblem::Missing(part) => format!(
                "{what} '{path}' does not exist, there is no '{}'; create it or correct the path",
                part.display()
            ),
            AccessProblem::NotDirectory => format!("{what} '{path}' is no directory; name one"),
            AccessProblem::IsDirectory
                if matches!(self.need, AccessNeed::Script | AccessNeed::ReachScript) =>
            {
                format!(
                    "{what} '{path}' is a directory, and each file in it a script with its name in the URL; if one \
                 application is meant, name its file (wsgi.py, for example), else end URL and path with '/'"
                )
            }
            AccessProblem::IsDirectory => format!("{what} '{path}' is a directory; name a file"),
            AccessProblem::Silent(seconds) => format!(
                "{what} '{path}' could not be looked at within {seconds} s by user '{user}': its file system does not \
                 answer"
            ),
            AccessProblem::Denied(part, true) => format!(
                "{what} '{path}' cannot {verb} by user '{user}', who may not search '{0}'; allow it (chmod o+x \
                 '{0}') or move it to a place that user can reach",
                part.display()
            ),
            AccessProblem::Denied(part, false) => format!(
                "{what} '{path}' cannot {verb} by user '{user}'; allow it (chmod o+{} '{}')",
                if self.need == AccessNeed::Program { "rx" } else { "r" },
                part.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake::FakeDelegates;

    fn inquiry(path: &str, need: AccessNeed) -> PathInquiry {
        let runner = ProcessIdentity { uid: 33, gid: 33, groups: vec![33], name: "www-data".into() };
        PathInquiry {
            runner: Rc::new(runner),
            path: path.into(),
            need,
            subject: "WSGIScriptAlias /x".into(),
            what: "script",
            otherwise: "",
            place: Some(SourceLocation { file: "a.conf".into(), line: 7, virtual_host: None }),
            weight: FindingWeight::Warning,
        }
    }

    #[test]
    fn lines_name_directive_place_and_fix_and_come_once() {
        let mut findings = CheckFindings::default();
        let delegates = FakeDelegates::default();
        let mut survey = Survey::new(false, &delegates);
        judge(&vec![inquiry("/no/app.wsgi", AccessNeed::Either); 3], false, &mut survey, &mut findings);
        assert_eq!(
            findings.warnings,
            [
                "a.conf:7: WSGIScriptAlias /x: script '/no/app.wsgi' does not exist, there is no '/no'; create it or \
              correct the path. (The same at 2 more places.)"
            ]
        );
        assert!(findings.errors.is_empty());
    }

    #[test]
    fn a_lack_of_permission_names_user_and_part() {
        let line =
            inquiry("/srv/x/app.wsgi", AccessNeed::File).line(&AccessProblem::Denied("/srv/x".into(), true));
        assert!(line.contains("'www-data'") && line.contains("chmod o+x '/srv/x'"), "{line}");
        let line =
            inquiry("/srv/x", AccessNeed::Program).line(&AccessProblem::Denied("/srv/x".into(), false));
        assert!(line.contains("chmod o+rx '/srv/x'"), "{line}");
    }
}
