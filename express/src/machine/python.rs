//! The Python that runs the application.

use super::identity::ApplicationIdentity;
use super::{is_program, package, program};
use crate::problem::ExpressError;
use crate::values::OptionValues;
use std::path::{Path, PathBuf};

/// A virtual environment or an installation.
#[derive(Clone, Debug)]
pub struct PythonHome {
    /// `sys.prefix`.
    pub home: String,
    /// As `3.12.1`.
    pub version: String,
    /// Whether it was built without a GIL.
    pub is_free_threaded: bool,
}

/// Asked of the interpreter, one answer a line.
const QUESTIONS: &str = "import sys, sysconfig
print(sys.prefix)
print('.'.join(map(str, sys.version_info[:3])))
print(int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))";

/// Set by the Python package when it starts this program.
pub const LAUNCHER: &str = "MOD_WSGI_EXPRESS_PYTHON";

impl PythonHome {
    /// `--python-home`, else the Python that started this, the active virtual environment, the one beside this
    /// program, and `python3`. The last one must be usable by the application's user, or /usr's is taken.
    ///
    /// # Errors
    /// When it cannot be run as the application's user.
    pub fn find(
        values: &OptionValues,
        identity: &ApplicationIdentity,
        notes: &mut Vec<String>,
    ) -> Result<PythonHome, ExpressError> {
        if let Some(home) = values.text("python-home") {
            let home = crate::paths::absolute(home);
            return ask(&home.join("bin/python3"), identity)
                .map_err(|why| ExpressError::Machine(format!("--python-home {}: {why}", home.display())));
        }
        let launcher = std::env::var_os(LAUNCHER).map(PathBuf::from);
        let active = std::env::var_os("VIRTUAL_ENV").map(|home| PathBuf::from(home).join("bin/python3"));
        let named = launcher.or(active).filter(|path| is_program(path)).or_else(beside);
        if let Some(path) = named {
            return ask(&path, identity).map_err(|why| {
                ExpressError::Machine(format!(
                    "{}: {why}; name another Python with --python-home",
                    path.display()
                ))
            });
        }
        let Some(path) = program("python3") else {
            return Err(ExpressError::Machine(format!(
                "there is no python3 ({})",
                package("python3", "python3")
            )));
        };
        let system = Path::new("/usr/bin/python3");
        match ask(&path, identity) {
            Err(why) if path != system && is_program(system) => {
                notes.push(format!("{}: {why}; /usr/bin/python3 is used instead", path.display()));
                ask(system, identity)
            }
            other => other,
        }
        .map_err(|why| {
            ExpressError::Machine(format!(
                "{}: {why}; name another Python with --python-home",
                path.display()
            ))
        })
    }
}

/// The interpreter of the environment that this program is installed in.
fn beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let prefix = program.parent()?.parent()?;
    let python = prefix.join("bin/python3");
    (prefix.join("pyvenv.cfg").exists() && is_program(&python)).then_some(python)
}

fn ask(path: &Path, identity: &ApplicationIdentity) -> Result<PythonHome, String> {
    let output = identity
        .command(path)
        .args(["-I", "-B", "-c", QUESTIONS])
        .current_dir("/")
        .env_remove("PYTHONHOME")
        .output();
    let output = output.map_err(|error| format!("user {} cannot run it: {error}", identity.user))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().map(str::to_owned);
    match (lines.next(), lines.next(), lines.next()) {
        (Some(home), Some(version), Some(gil)) if output.status.success() => {
            Ok(PythonHome { home, version, is_free_threaded: gil == "1" })
        }
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "user {} cannot run it: {}",
                identity.user,
                said.lines().last().unwrap_or("it says nothing")
            ))
        }
    }
}
