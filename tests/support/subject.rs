//! Which mod_wsgi the suite runs against: ours, or one of two controls (`MODULE_UNDER_TEST`).

use crate::workspace;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The module under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Built from this workspace.
    Ours,
    /// mod_wsgi 6.1.1 as its users install it from PyPI.
    Original,
    /// The distribution's package, of the 4.9 series.
    Original49,
}

/// Where the module under test is, and what it needs.
#[derive(Debug)]
pub(crate) struct ModuleFiles {
    /// The shared object that `LoadModule` names.
    pub so: PathBuf,
    /// The Python home it was built for; none when it takes any.
    pub python_home: Option<PathBuf>,
}

impl Subject {
    /// The subject that `MODULE_UNDER_TEST` names: `ours` (default), `original` or `original-4.9`.
    ///
    /// # Panics
    /// When it names something else.
    pub fn under_test() -> Subject {
        match std::env::var("MODULE_UNDER_TEST").as_deref() {
            Err(_) | Ok("" | "ours") => Subject::Ours,
            Ok("original") => Subject::Original,
            Ok("original-4.9") => Subject::Original49,
            Ok(other) => panic!("MODULE_UNDER_TEST={other}: say ours, original or original-4.9"),
        }
    }

    /// True for the module of this workspace.
    pub fn is_ours() -> bool {
        Subject::under_test() == Subject::Ours
    }

    /// The module's file.
    pub fn module_path() -> &'static std::path::Path {
        &Subject::under_test().module().so
    }

    /// True for the control; prints why the test ends here. `reason` says what only ours does.
    pub fn skips(reason: &str) -> bool {
        if !Subject::is_ours() {
            println!("skipped for {:?}: {reason}", Subject::under_test());
        }
        !Subject::is_ours()
    }

    /// True for the 4.9 control, which lacks what 5 and 6 brought; prints why the test ends here.
    pub fn is_too_old(reason: &str) -> bool {
        let old = Subject::under_test() == Subject::Original49;
        if old {
            println!("skipped for the 4.9 series: {reason}");
        }
        old
    }

    pub(crate) fn module(self) -> &'static ModuleFiles {
        static MODULE: OnceLock<ModuleFiles> = OnceLock::new();
        MODULE.get_or_init(|| match self {
            Subject::Ours => ours(),
            Subject::Original => control("original"),
            Subject::Original49 => control("original-4.9"),
        })
    }
}

fn ours() -> ModuleFiles {
    let so = std::env::var_os("MOD_WSGI_SO")
        .map_or_else(|| workspace().join("build/lib/mod_wsgi.so"), PathBuf::from);
    assert!(so.exists(), "{} does not exist: run `make build`", so.display());
    ModuleFiles { so, python_home: None }
}

fn control(name: &str) -> ModuleFiles {
    let output =
        Command::new(workspace().join("scripts/controls.sh")).arg(name).output().expect("controls.sh");
    assert!(output.status.success(), "controls.sh {name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    let so = PathBuf::from(lines.next().expect("first line: path of the module"));
    let python_home = lines.next().filter(|home| *home != "-").map(PathBuf::from);
    ModuleFiles { so, python_home }
}
