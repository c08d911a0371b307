//! Embedded Python as configured: the library that httpd's children open, and what the host in it is told.

use crate::generation::GenerationFacts;
use crate::launch;
use crate::python::PythonInterpreter;
use std::path::PathBuf;
use wsgi_protocol::launch::Launch;

/// Embedded Python as configured.
#[derive(Debug)]
pub struct EmbeddedSettings {
    /// Shared libpython, or why there is none.
    pub library: Result<PathBuf, String>,
    /// What the host is told.
    pub launch: Launch,
    /// Whether children set Python up when they start, or at the first request that needs it.
    pub eager: bool,
}

/// The version that httpd's children run, where they run one.
pub fn embedded_version(common: &GenerationFacts<'_>) -> Option<String> {
    let global = common.global();
    let home = global.python_home.as_deref().filter(|_| global.needs_embedded_python());
    let found = common.survey.interpreter(&common.subjects.embedded, home);
    found.ok().as_ref().and_then(PythonInterpreter::version)
}

/// Embedded mode of this generation: `None` when children never need Python (spec/directives.md §6).
pub fn embedded(common: &GenerationFacts<'_>) -> Option<EmbeddedSettings> {
    let global = common.global();
    if !global.needs_embedded_python() {
        return None;
    }
    let (home, runner) = (global.python_home.as_deref(), &common.subjects.embedded);
    let found = common.survey.interpreter(runner, home);
    let library = common.survey.library(runner, home).map_err(|error| error.to_string());
    let program = found.map(|python| python.path).unwrap_or_default();
    Some(EmbeddedSettings {
        library,
        launch: launch::embedded_launch(common, &program),
        eager: global.embedded_is_eager(),
    })
}
