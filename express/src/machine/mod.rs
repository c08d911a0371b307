//! What this machine has: an httpd, a Python, this module, users, locales.

pub mod httpd;
pub mod identity;
pub mod locale;
pub mod module;
pub mod python;

use std::path::{Path, PathBuf};

/// A program of this name on `PATH`, or in the folders for administrators.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain([
        "/usr/local/sbin",
        "/usr/sbin",
        "/sbin",
        "/usr/local/bin",
        "/usr/bin",
        "/bin",
    ]);
    folders
        .filter(|folder| !folder.is_empty())
        .map(|folder| Path::new(folder).join(name))
        .find(|path| is_program(path))
}

/// A file that this process may execute.
pub fn is_program(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// How this system's packages are called: those of Debian, or of Fedora.
pub fn package(debian: &str, fedora: &str) -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let ids: Vec<&str> = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|ids| ids.trim_matches('"').split(' '))
        .collect();
    let is = |names: &[&str]| ids.iter().any(|id| names.contains(id));
    if is(&["debian", "ubuntu"]) {
        format!("apt-get install {debian}")
    } else if is(&["fedora", "rhel", "centos"]) {
        format!("dnf install {fedora}")
    } else {
        format!("the package is called {debian} on Debian and Ubuntu, {fedora} on Fedora")
    }
}
