//! Users and delegates for unit tests: three users, and delegates that look at once or say what they were told to.

use crate::identity::ProcessIdentity;
use crate::surroundings::{AccountDatabase, UserEntry};
use crate::survey::{
    AnswerPatience, DelegateOutcome, DelegateTask, Delegation, SurveyAnswer, SurveyQuestion,
};
use std::cell::RefCell;

/// Users root (0), www-data (33), joe (1000, home `/home/joe`); groups of the same names, and staff (50) with members.
#[derive(Debug)]
pub(crate) struct FakeAccounts;

pub(super) const PEOPLE: [(&str, u32); 3] = [("root", 0), ("www-data", 33), ("joe", 1000)];

pub(super) fn name_of(id: u32) -> Option<String> {
    PEOPLE.iter().find(|(_, known)| *known == id).map(|(name, _)| (*name).to_owned())
}

impl AccountDatabase for FakeAccounts {
    fn user(&self, uid: u32) -> Option<UserEntry> {
        name_of(uid).map(|name| UserEntry { home: format!("/home/{name}").into_bytes(), name, uid })
    }

    fn memberships(&self, name: &str, primary: u32) -> Vec<u32> {
        if name == "joe" { vec![primary, 50] } else { vec![primary] }
    }

    fn has_members(&self, gid: u32) -> bool {
        gid == 50
    }
}

/// Looks itself, but for what it was told to answer.
#[derive(Debug, Default)]
pub(crate) struct FakeDelegates {
    /// Answers by what the question is about.
    pub told: Vec<(SurveyQuestion, DelegateOutcome<SurveyAnswer>)>,
    /// Who was asked what.
    pub asked: RefCell<Vec<(ProcessIdentity, SurveyQuestion)>>,
    /// Whom httpd's parent runs as.
    pub own: u32,
}

impl Delegation for FakeDelegates {
    fn ask(
        &self,
        tasks: &[DelegateTask<'_, SurveyQuestion>],
        _: AnswerPatience,
    ) -> Vec<Vec<DelegateOutcome<SurveyAnswer>>> {
        let answer = |runner: &ProcessIdentity, question: &SurveyQuestion| {
            self.asked.borrow_mut().push((runner.clone(), question.clone()));
            let told =
                self.told.iter().find(|(about, _)| about == question).map(|(_, answer)| answer.clone());
            told.unwrap_or_else(|| DelegateOutcome::Seen(question.look(&FakeAccounts, self.own)))
        };
        let row = |task: &DelegateTask<'_, SurveyQuestion>| {
            task.questions.iter().map(|question| answer(task.runner, question)).collect()
        };
        tasks.iter().map(row).collect()
    }
}
