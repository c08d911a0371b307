//! What is the same for all that one reading of the configuration starts.

use crate::subjects::CheckSubjects;
use crate::surroundings::HttpdUser;
use crate::survey::Survey;
use wsgi_directives::GlobalConfig;
use wsgi_protocol::launch::HttpdFacts;

/// Facts about the MPM.
#[derive(Debug, Clone, Copy)]
pub struct MpmFacts {
    /// Threads per child.
    pub threads: u32,
    /// Child processes.
    pub processes: u32,
}

/// What is the same for all groups of a generation.
#[derive(Debug)]
pub struct GenerationFacts<'a> {
    /// The configuration, and who looks at what.
    pub subjects: &'a CheckSubjects<'a>,
    /// What was seen.
    pub survey: &'a Survey<'a>,
    /// Facts for the `apache` module.
    pub facts: HttpdFacts,
    /// MPM limits.
    pub mpm: MpmFacts,
    /// Generation number.
    pub generation: u32,
    /// LogLevel of the wsgi module at the main server.
    pub log_level: u32,
    /// `CoreDumpDirectory` is set.
    pub core_dumps: bool,
}

impl GenerationFacts<'_> {
    /// The main server's record.
    pub(crate) fn global(&self) -> &GlobalConfig {
        self.subjects.global
    }

    pub(crate) fn httpd(&self) -> &HttpdUser {
        &self.subjects.surroundings.httpd
    }
}
