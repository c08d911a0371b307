//! From a configuration and a file system to what will be started, and what will not work: no httpd, no fork, no privilege.
//! Files are looked at by whoever implements [`Delegation`], in the identity of those who will use them.

#![forbid(unsafe_code)]

pub mod access;
pub mod checks;
pub mod embedded;
mod env_file;
mod environment;
pub mod generation;
pub mod identity;
mod launch;
pub mod messages;
pub mod plain_file;
pub mod python;
pub mod spec;
pub mod subjects;
pub mod surroundings;
pub mod survey;
#[cfg(test)]
mod tests;

pub use embedded::{EmbeddedSettings, embedded, embedded_version};
pub use generation::{GenerationFacts, MpmFacts};
pub use identity::ProcessIdentity;
pub use spec::{GroupPlan, operator_socket, places, plan_group};
pub use subjects::{CheckSubjects, CheckedServer};
pub use surroundings::{AccountDatabase, HttpdUser, Surroundings, UserEntry};
pub use survey::{
    AnswerPatience, DelegateOutcome, DelegateTask, Delegation, Survey, SurveyAnswer, SurveyQuestion,
};

/// mod_wsgi release whose behaviour is offered; the package version.
pub const VERSION: (u32, u32, u32) = (6, 1, 1);
