//! What the configuration names on this machine, looked at once for a start or a test: the questions are collected, then
//! asked together by who can look as somebody else.

use crate::access::{self, AccessNeed, AccessProblem};
use crate::env_file;
use crate::identity::ProcessIdentity;
use crate::python::{HomeError, PythonInterpreter};
use crate::surroundings::AccountDatabase;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Debug;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From here on group numbers are given to people.
const FIRST_PERSONAL_GROUP: u32 = 1000;

/// How long answers are waited for. While httpd reads its configuration anew, all clients wait as well.
#[derive(Debug, Clone, Copy)]
pub struct AnswerPatience {
    /// For one question.
    pub one: Duration,
    /// For all that are asked together.
    pub all: Duration,
}

/// What one identity is asked, in this order.
#[derive(Debug)]
pub struct DelegateTask<'t, Q> {
    /// Who looks.
    pub runner: &'t ProcessIdentity,
    /// About what.
    pub questions: Vec<&'t Q>,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelegateOutcome<A> {
    /// It was answered.
    Seen(A),
    /// Nothing came in time.
    Silent,
    /// It was left out.
    Unasked,
}

/// Who has questions answered.
pub trait Delegation: Debug {
    /// What each task's identity sees, in the order of its questions. Questions that are [near](SurveyQuestion::is_near)
    /// one without an answer need not be asked any more.
    fn ask(
        &self,
        tasks: &[DelegateTask<'_, SurveyQuestion>],
        patience: AnswerPatience,
    ) -> Vec<Vec<DelegateOutcome<SurveyAnswer>>>;
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SurveyQuestion {
    /// The interpreter of a home.
    Interpreter(PathBuf),
    /// The shared library of the interpreter of a home.
    Library(PathBuf),
    /// An `env-file=` for a user.
    Environment(PathBuf, u32),
    /// What stands in the way of using a path.
    Access(PathBuf, AccessNeed),
    /// Who else may change a file that httpd runs; for the user httpd was started as.
    Exposure(PathBuf, u32),
    /// Whether every user may write to a directory.
    Common(PathBuf),
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SurveyAnswer {
    /// The interpreter.
    Interpreter(Result<PythonInterpreter, HomeError>),
    /// Its shared library.
    Library(Result<PathBuf, HomeError>),
    /// Names and values, or one sentence.
    Environment(Result<Vec<(String, String)>, String>),
    /// What stands in the way.
    Access(Option<AccessProblem>),
    /// The part that others may change.
    Exposure(Option<PathBuf>),
    /// Whether every user may.
    Common(bool),
}

impl SurveyQuestion {
    /// Looks, as whoever this process is; `own` is whom httpd's parent runs as.
    pub fn look(&self, accounts: &dyn AccountDatabase, own: u32) -> SurveyAnswer {
        match self {
            Self::Interpreter(home) => SurveyAnswer::Interpreter(PythonInterpreter::find(Some(home))),
            Self::Library(home) => SurveyAnswer::Library(
                PythonInterpreter::find(Some(home)).and_then(|python| python.shared_library()),
            ),
            Self::Environment(path, uid) => SurveyAnswer::Environment(env_file::read(path, *uid, own)),
            Self::Access(path, need) => SurveyAnswer::Access(access::look(path, *need)),
            Self::Exposure(path, own) => {
                let is_shared = |gid| gid >= FIRST_PERSONAL_GROUP || accounts.has_members(gid);
                SurveyAnswer::Exposure(access::exposed(path, *own, &is_shared))
            }
            Self::Common(path) => SurveyAnswer::Common(
                path.metadata().is_ok_and(|facts| facts.is_dir() && facts.permissions().mode() & 0o002 != 0),
            ),
        }
    }

    /// Whether only a warning depends on the answer.
    fn is_advisory(&self) -> bool {
        matches!(self, Self::Access(..) | Self::Exposure(..) | Self::Common(_))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Interpreter(path)
            | Self::Library(path)
            | Self::Environment(path, _)
            | Self::Access(path, _)
            | Self::Exposure(path, _)
            | Self::Common(path) => path,
        }
    }

    /// Whether a path lies where another one did not answer: beside it or below it.
    pub fn is_near(silent: &Self, later: &Self) -> bool {
        let folder = silent.path().parent().filter(|folder| folder.components().count() > 2);
        later.path().starts_with(folder.unwrap_or(silent.path()))
    }
}

/// Questions, and what is known.
#[derive(Debug)]
pub struct Survey<'d> {
    delegation: &'d dyn Delegation,
    answers: HashMap<ProcessIdentity, HashMap<SurveyQuestion, DelegateOutcome<SurveyAnswer>>>,
    open: Vec<(ProcessIdentity, SurveyQuestion)>,
    silent: Vec<SurveyQuestion>,
    patience: AnswerPatience,
    /// Whether clients wait for the end of it.
    pub is_restart: bool,
}

impl<'d> Survey<'d> {
    /// Nothing is known yet. At a restart clients wait for the end of it, so that it must be short.
    pub fn new(is_restart: bool, delegation: &'d dyn Delegation) -> Self {
        let seconds =
            |one, all| AnswerPatience { one: Duration::from_secs(one), all: Duration::from_secs(all) };
        let patience = if is_restart { seconds(2, 3) } else { seconds(5, 10) };
        Self {
            delegation,
            answers: HashMap::new(),
            open: Vec::new(),
            silent: Vec::new(),
            patience,
            is_restart,
        }
    }

    /// How long an answer is waited for.
    pub fn seconds(&self) -> u64 {
        self.patience.one.as_secs()
    }

    /// Adds a question to what `run` asks, if it is new.
    pub fn add(&mut self, runner: &ProcessIdentity, question: SurveyQuestion) {
        let known = self.answers.entry(runner.clone()).or_default();
        if !known.contains_key(&question) {
            known.insert(question.clone(), DelegateOutcome::Unasked);
            self.open.push((runner.clone(), question));
        }
    }

    /// Asks what has been added. What a group needs for its start is asked for each home by itself, so that one that does
    /// not answer costs its own groups only; the rest is asked for each identity.
    pub fn run(&mut self) {
        let open = std::mem::take(&mut self.open);
        let mut tasks: Vec<DelegateTask<'_, SurveyQuestion>> = Vec::new();
        let mut shared: HashMap<&ProcessIdentity, usize> = HashMap::new();
        let is_hopeless = |later: &SurveyQuestion| {
            later.is_advisory() && self.silent.iter().any(|silent| SurveyQuestion::is_near(silent, later))
        };
        for (runner, question) in open.iter().filter(|(_, question)| !is_hopeless(question)) {
            if question.is_advisory() {
                let at = *shared.entry(runner).or_insert_with(|| {
                    tasks.push(DelegateTask { runner, questions: Vec::new() });
                    tasks.len() - 1
                });
                tasks[at].questions.push(question);
            } else {
                tasks.push(DelegateTask { runner, questions: vec![question] });
            }
        }
        tasks.sort_by_key(|task| task.questions.first().is_some_and(|question| question.is_advisory()));
        let answers = self.delegation.ask(&tasks, self.patience);
        for (task, row) in tasks.iter().zip(answers) {
            let known = self.answers.entry(task.runner.clone()).or_default();
            let silent =
                task.questions.iter().zip(&row).filter(|(_, outcome)| **outcome == DelegateOutcome::Silent);
            self.silent.extend(silent.map(|(question, _)| (*question).clone()));
            known.extend(task.questions.iter().map(|question| (*question).clone()).zip(row));
        }
    }

    fn outcome(&self, runner: &ProcessIdentity, question: &SurveyQuestion) -> &DelegateOutcome<SurveyAnswer> {
        self.answers.get(runner).and_then(|known| known.get(question)).unwrap_or(&DelegateOutcome::Unasked)
    }

    /// The interpreter of a home, or the default one.
    pub fn interpreter(
        &self,
        runner: &ProcessIdentity,
        home: Option<&str>,
    ) -> Result<PythonInterpreter, HomeError> {
        let Some(home) = home.map(PathBuf::from) else { return PythonInterpreter::find(None) };
        match self.outcome(runner, &SurveyQuestion::Interpreter(home.clone())) {
            DelegateOutcome::Seen(SurveyAnswer::Interpreter(found)) => found.clone(),
            _ => Err(HomeError::Silent(home, self.seconds())),
        }
    }

    /// The library of embedded mode.
    pub fn library(&self, runner: &ProcessIdentity, home: Option<&str>) -> Result<PathBuf, HomeError> {
        let Some(home) = home.map(PathBuf::from) else {
            return PythonInterpreter::find(None).and_then(|python| python.shared_library());
        };
        match self.outcome(runner, &SurveyQuestion::Library(home.clone())) {
            DelegateOutcome::Seen(SurveyAnswer::Library(found)) => found.clone(),
            _ => Err(HomeError::Silent(home, self.seconds())),
        }
    }

    /// The values of an `env-file=`.
    ///
    /// # Errors
    /// One sentence naming the file and the fix.
    pub fn environment(&self, path: &str, uid: u32) -> Result<Vec<(String, String)>, String> {
        match self.outcome(&ProcessIdentity::reader(), &SurveyQuestion::Environment(path.into(), uid)) {
            DelegateOutcome::Seen(SurveyAnswer::Environment(read)) => read.clone(),
            _ => Err(format!(
                "the file system of env-file '{path}' did not answer within {} s; look after it, or name another file",
                self.seconds()
            )),
        }
    }

    /// What stands in the way of using a path.
    pub fn problem(&self, runner: &ProcessIdentity, path: &Path, need: AccessNeed) -> Option<AccessProblem> {
        match self.outcome(runner, &SurveyQuestion::Access(path.to_owned(), need)) {
            DelegateOutcome::Seen(SurveyAnswer::Access(problem)) => problem.clone(),
            DelegateOutcome::Silent => Some(AccessProblem::Silent(self.seconds())),
            _ => None,
        }
    }

    /// The part of a path that somebody else may change.
    pub fn exposure(&self, path: &Path, own: u32) -> Option<PathBuf> {
        match self.outcome(&ProcessIdentity::reader(), &SurveyQuestion::Exposure(path.to_owned(), own)) {
            DelegateOutcome::Seen(SurveyAnswer::Exposure(part)) => part.clone(),
            _ => None,
        }
    }

    /// Whether every user may write to a directory.
    pub fn is_common(&self, path: &Path) -> bool {
        let question = SurveyQuestion::Common(path.to_owned());
        matches!(
            self.outcome(&ProcessIdentity::reader(), &question),
            DelegateOutcome::Seen(SurveyAnswer::Common(true))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake::FakeDelegates;

    #[test]
    fn questions_are_asked_once_and_answered() {
        let reader = ProcessIdentity::reader();
        let delegates = FakeDelegates::default();
        let mut survey = Survey::new(false, &delegates);
        survey.add(&reader, SurveyQuestion::Access("/etc/passwd".into(), AccessNeed::File));
        survey.add(&reader, SurveyQuestion::Access("/etc/passwd".into(), AccessNeed::File));
        survey.add(&reader, SurveyQuestion::Interpreter("/no/such/home".into()));
        assert_eq!(survey.open.len(), 2);
        survey.run();
        assert_eq!(survey.problem(&reader, Path::new("/etc/passwd"), AccessNeed::File), None);
        let missing = HomeError::NoDirectory("/no/such/home".into());
        assert_eq!(survey.interpreter(&reader, Some("/no/such/home")), Err(missing));
        assert_eq!(survey.interpreter(&reader, Some("/x")), Err(HomeError::Silent("/x".into(), 5)));
        assert!(survey.interpreter(&reader, None).is_ok());
    }

    #[test]
    fn what_lies_beside_the_silent_is_near() {
        let access = |path: &str| SurveyQuestion::Access(path.into(), AccessNeed::Either);
        let is_near = |silent, later| SurveyQuestion::is_near(&access(silent), &access(later));
        assert!(is_near("/home/a/venv", "/home/a/site/app.wsgi"));
        assert!(!is_near("/home/a/venv", "/home/b/site/app.wsgi"));
        assert!(!is_near("/srv/venv", "/srv/site") && is_near("/srv/venv", "/srv/venv/bin"));
    }
}
