//! What the configuration names on this machine is looked at, at each test and each start: what will not work is said
//! in one line that names the fix. A start goes on over it, and only the group it concerns stays down; so does a test,
//! unless it is told to be strict.

mod environment;
mod exposure;
mod groups;
mod inquiry;
mod scripts;

pub use inquiry::CheckFindings;

use crate::subjects::CheckSubjects;
use crate::survey::{Delegation, Survey};

impl CheckSubjects<'_> {
    /// Asks what a start depends on.
    pub fn survey<'d>(&self, is_restart: bool, delegation: &'d dyn Delegation) -> Survey<'d> {
        let mut survey = Survey::new(is_restart, delegation);
        groups::collect(self, &mut survey);
        scripts::collect(self, &mut survey);
        survey.run();
        survey
    }
}

/// Looks at everything that the configuration names on this machine, for a start or for a mere test.
pub fn examine(subjects: &CheckSubjects<'_>, survey: &mut Survey<'_>, is_test: bool) -> CheckFindings {
    let (mut findings, mut inquiries) = (CheckFindings::default(), Vec::new());
    groups::inquire(subjects, survey, &mut inquiries, &mut findings);
    scripts::inquire(subjects, survey, &mut inquiries, &mut findings);
    let exposed = exposure::collect(subjects, survey);
    inquiry::judge(&inquiries, subjects.surroundings.httpd.is_root, survey, &mut findings);
    exposure::judge(&exposed, survey, &mut findings);
    if !survey.is_restart && !is_test {
        environment::compare(subjects, survey, &mut findings);
    }
    findings
}
