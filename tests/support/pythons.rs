//! The Pythons of this machine that www-data and other users can run, found and prepared by `scripts/pythons.sh`.

use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One Python home.
#[derive(Clone, Debug)]
pub struct PythonHome {
    /// As the interpreter gives it, e.g. `3.12.1`.
    pub version: String,
    /// The distribution's own, not one of a version manager.
    pub is_debian: bool,
    /// The installation.
    pub base: PathBuf,
    /// A virtual environment made from it.
    pub venv: PathBuf,
}

impl PythonHome {
    /// `(3, 12)` for 3.12.1.
    pub fn minor(&self) -> (u32, u32) {
        let mut parts = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// The folder name of its standard library, e.g. `python3.12`.
    pub fn library_name(&self) -> String {
        let (major, minor) = self.minor();
        format!("python{major}.{minor}")
    }
}

/// Has the virtual environment at `home`, one of /usr/bin/python3, wait in a `.pth` file that nobody writes to, as on a mount that
/// does not answer: Python does not get as far as us. What is returned has to be removed.
///
/// # Panics
/// Without a Python in /usr/bin, or where the folder is not the test's own.
pub fn hang_before_python_serves(home: &Path) -> PathBuf {
    let version = Command::new("/usr/bin/python3")
        .args(["-c", "import sys; print('python%d.%d' % sys.version_info[:2], end='')"])
        .output()
        .expect("a Python");
    let packages =
        home.join("lib").join(String::from_utf8_lossy(&version.stdout).as_ref()).join("site-packages");
    std::fs::create_dir_all(&packages).expect("own folder");
    let hanging = packages.join("hanging.pth");
    nix::unistd::mkfifo(&hanging, nix::sys::stat::Mode::from_bits_truncate(0o644)).expect("own folder");
    hanging
}

/// All found Pythons, Debian's first, then by version.
pub fn pythons() -> &'static [PythonHome] {
    static PYTHONS: OnceLock<Vec<PythonHome>> = OnceLock::new();
    PYTHONS.get_or_init(|| {
        let output = Command::new(workspace().join("scripts/pythons.sh")).output().expect("pythons.sh");
        assert!(output.status.success(), "pythons.sh: {}", String::from_utf8_lossy(&output.stderr));
        let mut found = parse(&String::from_utf8_lossy(&output.stdout));
        found.sort_by_key(|python| (!python.is_debian, python.minor()));
        found
    })
}

/// A user other than httpd's for a daemon to become; none when we are not root.
pub fn test_user(name: char) -> Option<String> {
    if !crate::is_root() {
        return None;
    }
    pythons(); // pythons.sh creates the users
    Some(format!("wsgi-test-{name}"))
}

fn parse(lines: &str) -> Vec<PythonHome> {
    let mut found: Vec<PythonHome> = Vec::new();
    for line in lines.lines() {
        let [version, home, kind] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("pythons.sh printed {line:?}");
        };
        match kind {
            "base" => found.push(PythonHome {
                version: version.trim_start_matches("debian-").to_owned(),
                is_debian: version.starts_with("debian-"),
                base: PathBuf::from(home),
                venv: PathBuf::new(),
            }),
            _ => found.last_mut().expect("a venv follows its base").venv = PathBuf::from(home),
        }
    }
    found
}
