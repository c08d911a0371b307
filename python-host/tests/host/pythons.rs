//! The Pythons on this machine that the host is tried with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One installed Python.
#[derive(Debug, Clone)]
pub struct InstalledPython {
    /// The interpreter.
    pub path: PathBuf,
    /// Minor version.
    pub minor: u32,
}

impl InstalledPython {
    fn at(path: PathBuf) -> Option<Self> {
        let output =
            Command::new(&path).args(["-c", "import sys; print(sys.version_info[1])"]).output().ok()?;
        let minor = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
        (minor >= 9).then_some(Self { path, minor })
    }

    /// Its shared library, if it has one.
    pub fn library(&self) -> Option<PathBuf> {
        let name = format!("libpython3.{}.so.1.0", self.minor);
        let beside = self.path.parent()?.parent()?.join("lib").join(&name);
        let system = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)).join(&name);
        let system = if self.path.starts_with("/usr/bin") { Some(system) } else { None };
        std::iter::once(beside).chain(system).find(|path| path.exists())
    }
}

/// The system's Python and all that pyenv has installed, from 3.9 on.
pub fn all() -> Vec<InstalledPython> {
    let mut paths = vec![PathBuf::from("/usr/bin/python3")];
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    if let Ok(versions) = std::fs::read_dir(home.join(".pyenv/versions")) {
        paths.extend(versions.flatten().map(|version| version.path().join("bin/python3")));
    }
    paths.extend(std::env::var_os("WSGI_TEST_PYTHON").map(PathBuf::from));
    let mut pythons: Vec<InstalledPython> = paths.into_iter().filter_map(InstalledPython::at).collect();
    pythons.sort_by_key(|python| python.minor);
    assert!(!pythons.is_empty(), "no Python to test with");
    pythons
}
