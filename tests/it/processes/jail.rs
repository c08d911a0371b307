//! `chroot=`: an application that runs inside a directory with nothing but a Python and itself.

use integration::{Httpd, HttpdBuilder, Mode, Subject, copy_program, is_root, pythons};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says what its file system looks like.
const APP: &str = "import os, json, sys
def application(environ, start_response):
    start_response('200 OK', [])
    seen = dict(root=sorted(os.listdir('/')), cwd=os.getcwd(), script=environ['SCRIPT_FILENAME'], file=__file__,
                uid=os.getuid(), outside=os.path.exists(environ['OUTSIDE']), stdlib=json.__file__)
    return [json.dumps(seen).encode()]
";

/// The system's interpreter; a jail has the same at the same place.
const PYTHON: &str = "/usr/bin/python3";

/// Runs a program; its output.
fn run(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let output = Command::new(program).args(arguments).output().expect("it is installed");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("paths in UTF-8")
}

/// A directory that is a system for one program. Hard links and copies only: a test that fails leaves no mount.
struct Jail(PathBuf);

impl Jail {
    /// With the system's Python.
    fn make(path: PathBuf) -> Jail {
        for name in ["usr/bin", "usr/lib", "tmp"] {
            fs::create_dir_all(path.join(name)).expect("own folder");
        }
        let jail = Jail(path);
        jail.add_program(Path::new(PYTHON));
        // glibc opens it at the end of a thread.
        let libraries = run("/sbin/ldconfig", ["-p"]);
        let is_it = |word: &&str| word.starts_with('/') && word.ends_with("/libgcc_s.so.1");
        libraries.split_whitespace().filter(is_it).take(1).for_each(|file| jail.add(Path::new(file)));
        let code = "import sysconfig; print(sysconfig.get_path('stdlib'))";
        let library = run(PYTHON, ["-S", "-c", code]);
        let library = Path::new(library.trim());
        let parent = jail.inside(library.parent().expect("not the root"));
        fs::create_dir_all(&parent).expect("own folder");
        let copied = Command::new("cp").arg("-al").args([library, &parent]).status();
        if !copied.is_ok_and(|status| status.success()) {
            run("cp", [OsStr::new("-a"), library.as_os_str(), parent.as_os_str()]); // another file system
        }
        jail
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").expect("absolute"))
    }

    /// A copy of a file under its own name.
    fn add(&self, file: &Path) {
        let target = self.inside(file);
        fs::create_dir_all(target.parent().expect("it is below the jail")).expect("own folder");
        copy_program(file, &target);
    }

    /// A program or library, and what it is linked with.
    fn add_program(&self, file: &Path) {
        self.add(file);
        let libraries = run("ldd", [file]);
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            self.add(Path::new(library));
        }
    }
}

/// Whether this can be tested here.
fn is_possible() -> bool {
    if !is_root() {
        println!("skipped: only root can change the root");
        return false;
    }
    let major_minor = run(PYTHON, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    // The host needs Python 3.9, the control the Python that it was built with.
    pythons().iter().any(|python| python.version.starts_with(major_minor.trim()))
}

/// An httpd whose application is in a directory that is no jail yet.
fn server() -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .python_home(None)
        .daemon_options("threads=2 chroot=@ROOT@/app/jail home=/")
        .script("/", "jail/app.wsgi", APP)
        .directives("SetEnv OUTSIDE @ROOT@/httpd.conf")
}

#[test]
fn application_is_served_from_inside() {
    if !is_possible() {
        return;
    }
    // Processes that start before their Python is there say so; those of the control in many words.
    let server = server().allow_log("WSGI0314").allow_log_of_control("").start();
    let jail = Jail::make(server.root().join("app/jail"));
    if Subject::is_ours() {
        jail.add_program(&server.root().join("modules/mod_wsgi/python-host.abi3.so"));
    }
    server.graceful();
    let response = server.get("/").ok().json();
    let names: Vec<&str> =
        response["root"].as_array().expect("a list").iter().filter_map(|name| name.as_str()).collect();
    assert!(names.contains(&"app.wsgi") && names.contains(&"usr") && !names.contains(&"proc"), "{names:?}");
    assert_eq!((&response["cwd"], &response["script"]), (&"/".into(), &"/app.wsgi".into()));
    assert_eq!(response["file"], "/app.wsgi");
    assert_eq!(response["outside"], false, "the ServerRoot is not there");
    assert_ne!(response["uid"], 0);
    assert!(response["stdlib"].as_str().expect("text").starts_with("/usr/lib/python3"), "{response}");
}

#[test]
fn jail_without_the_host_library_is_one_clear_line() {
    if !is_possible() || Subject::skips("there is no host library") {
        return;
    }
    let server = server().expect_log("WSGI0314").allow_log("WSGI0117").start();
    let library = server.root().join("modules/mod_wsgi/python-host.abi3.so");
    let jail = server.root().join("app/jail");
    server.wait_for_log(&format!(
        "WSGI0314: daemon process group 'app' (user 'www-data'): cannot read the host library '{0}' inside of \
         chroot={1}: No such file or directory (error 2); provide it as '{1}{0}', which this user can read",
        library.display(),
        jail.display()
    ));
    assert_eq!(server.get("/").status, 503);
    let log = server.error_log();
    let loud = log.lines().filter(|line| line.contains("WSGI0314") && line.contains("[wsgi:alert]"));
    assert_eq!(loud.count(), 1, "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}
