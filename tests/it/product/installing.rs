//! `make install` and `make uninstall`, below a DESTDIR: what they put there, for whom, and what they leave.

use integration::{Httpd, Subject, workspace};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that goes with the test.
struct TestFolder(PathBuf);

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // nobody needs it any more
    }
}

/// Runs `make TARGET` as root would with sudo and a careful umask: without cargo.
fn make(target: &str, folder: &Path) -> String {
    let output = Command::new("bash")
        .args(["-c", "umask 077; exec make --no-print-directory \"$0\" DESTDIR=\"$1\" 2>&1", target])
        .arg(folder)
        .env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("SUDO_USER", "somebody")
        .env_remove("MAKEFLAGS")
        .current_dir(workspace())
        .output()
        .expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{target}: {text}");
    text
}

/// Names below a folder, without directories.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it exists").flatten() {
        match entry.file_type().expect("a kind").is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

#[test]
fn installed_files_serve_and_go_without_a_trace() {
    if Subject::skips("it has no Makefile of this kind") {
        return;
    }
    let folder = TestFolder(std::env::temp_dir().join(format!("mod-wsgi-install-{}", std::process::id())));
    let modules = Command::new("apxs").args(["-q", "LIBEXECDIR"]).output().expect("apxs runs");
    let modules = format!("{}{}", folder.0.display(), String::from_utf8_lossy(&modules.stdout).trim());
    fs::create_dir_all(&modules).expect("a new folder");
    fs::set_permissions(&folder.0, PermissionsExt::from_mode(0o755)).expect("own folder");
    let theirs = Path::new(&modules).join("mod_wsgi.so");
    fs::write(&theirs, "of the distribution").expect("own file");

    let said = make("install", &folder.0);
    assert!(said.contains(&format!("replaced: {}", theirs.display())), "{said}");
    let said = make("install", &folder.0);
    assert!(!said.contains("replaced"), "its own files: {said}");
    let installed = files(&folder.0);
    for file in &installed {
        let facts = file.metadata();
        let Ok(facts) = facts else { continue }; // a link to where it will be
        let mode = facts.permissions().mode() & 0o777;
        assert!(
            mode == 0o644 || mode == 0o755 || file.starts_with(Path::new(&modules).join("mod_wsgi/replaced")),
            "{file:?}"
        );
        for above in file.ancestors().skip(1).take_while(|above| above.starts_with(&folder.0)) {
            assert_eq!(above.metadata().expect("a folder").permissions().mode() & 0o777, 0o755, "{above:?}");
        }
    }
    for name in ["mod_wsgi/wsgi-supervisor", "doc/mod_wsgi-rs/docs/errors.md", "doc/mod_wsgi-rs/README.md"] {
        assert!(installed.iter().any(|file| file.ends_with(name)), "{name}: {installed:?}");
    }

    let server = Httpd::builder()
        .without_module()
        .directives(&format!("LoadModule wsgi_module {}", theirs.display()))
        .directives("WSGISocketPrefix @ROOT@/run/wsgi\nWSGIDaemonProcess app\nWSGIProcessGroup app")
        .app("def application(e, s):\n    s('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n")
        .allow_log("other users may change")
        .start();
    assert_eq!(server.get("/").ok().text(), "ok");
    drop(server);

    let said = make("uninstall", &folder.0);
    assert!(said.contains("put back: "), "{said}");
    assert_eq!(files(&folder.0), std::slice::from_ref(&theirs));
    assert_eq!(fs::read_to_string(theirs).expect("it is back"), "of the distribution");
}
