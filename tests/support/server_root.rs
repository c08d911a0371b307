//! A ServerRoot of its own for each httpd, in a folder that every user may enter.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// `/var/tmp` and not `/tmp`: some systems give each service a private `/tmp`.
const PARENT: &str = "/var/tmp";
pub(crate) const PREFIX: &str = "mod-wsgi-it-";

/// Writes a file that everybody can read: whoever watches it sees the old content or the new one, nothing between.
///
/// # Panics
/// It cannot be written.
pub fn write_at_once(path: &Path, contents: &[u8]) {
    let is_replaced = path.symlink_metadata().is_ok_and(|file| file.is_file());
    let first = if is_replaced { path.with_extension("being-written") } else { path.to_path_buf() };
    fs::write(&first, contents).unwrap_or_else(|error| panic!("{}: {error}", first.display()));
    fs::set_permissions(&first, Permissions::from_mode(0o644)).expect("own file");
    if is_replaced {
        fs::rename(&first, path).expect("the same folder");
    }
}

/// Copies a program. By another process: what this one has open to write, a child that another thread starts just then
/// has open as well, and nobody can execute it so long (ETXTBSY, execve(2)).
///
/// # Panics
/// It cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("--").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "{} as {}", from.display(), to.display());
    fs::set_permissions(to, Permissions::from_mode(0o755)).expect("own file");
}

/// The folder; removed when dropped, unless `KEEP_SERVER_ROOT` is set.
#[derive(Debug)]
pub(crate) struct ServerRoot {
    path: PathBuf,
}

impl ServerRoot {
    /// A new one with folders `app`, `htdocs`, `logs` and `run`.
    pub fn create() -> ServerRoot {
        static SWEEP: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        SWEEP.call_once(sweep);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Processes are told apart by the path in their command lines: no path may be the beginning of another one.
        let name = format!("{PREFIX}{}-{number:04}", std::process::id());
        let root = ServerRoot { path: Path::new(PARENT).join(name) };
        for folder in ["", "app", "htdocs", "logs", "run"] {
            make_folder(&root.path.join(folder));
        }
        root
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that everybody can read; `name` may hold folders.
    pub fn write(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.path.join(name);
        make_folder(path.parent().expect("a name below the root"));
        write_at_once(&path, contents);
        path
    }

    /// Makes a folder that every user may write to.
    pub fn make_writable(&self, name: &str) {
        let path = self.path.join(name);
        make_folder(&path);
        fs::set_permissions(&path, Permissions::from_mode(0o1777)).expect("own folder");
    }

    /// Copies `mod_wsgi.so` and the folder `mod_wsgi` beside it: the checkout may be closed to httpd's user.
    pub fn copy_module(&self, so: &Path) -> PathBuf {
        let source = so.with_file_name("mod_wsgi");
        for entry in fs::read_dir(&source).unwrap_or_else(|e| panic!("{}: {e}", source.display())).flatten() {
            let name = entry.file_name();
            self.copy(&entry.path(), &format!("modules/mod_wsgi/{}", name.to_string_lossy()));
        }
        self.copy(so, "modules/mod_wsgi.so")
    }

    /// The text of all error logs: every `*.log` file whose name does not begin with `access`.
    pub fn error_logs(&self) -> String {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(self.path.join("logs")).into_iter().flatten().flatten().map(|e| e.path()).collect();
        paths.sort();
        paths.retain(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".log") && !name.starts_with("access")
        });
        paths
            .iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned())
            .collect()
    }

    fn copy(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.path.join(name);
        make_folder(to.parent().expect("a name below the root"));
        copy_program(from, &to);
        to
    }
}

impl Drop for ServerRoot {
    fn drop(&mut self) {
        if std::env::var_os("KEEP_SERVER_ROOT").is_some() {
            println!("kept: {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            println!("cannot remove {}: {error}", self.path.display());
        }
    }
}

fn make_folder(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("own folder");
}

/// Ends servers of test runs that were killed before they could, and removes their folders.
fn sweep() {
    for entry in fs::read_dir(PARENT).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let Some(owner) = owner.filter(|pid| !Path::new("/proc").join(pid).exists()) else { continue };
        println!("removing what test process {owner} left: {}", entry.path().display());
        if let Ok(pid) = fs::read_to_string(entry.path().join("run/httpd.pid")) {
            let pid = pid.trim();
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if command.contains(&name) {
                let pid = pid.parse().map(nix::unistd::Pid::from_raw);
                let _ = pid.map(|pid| nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM)); // gone is as good
                std::thread::sleep(std::time::Duration::from_secs(4));
            }
        }
        let _ = fs::remove_dir_all(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_is_the_beginning_of_another_one() {
        let roots: Vec<ServerRoot> = (0..12).map(|_| ServerRoot::create()).collect();
        let text = |root: &ServerRoot| root.path().display().to_string();
        let begins =
            |root: &ServerRoot| roots.iter().filter(|other| text(other).starts_with(&text(root))).count();
        assert!(roots.iter().all(|root| begins(root) == 1));
    }
}
