//! An application's code that forks and comes back in the child: wherever that happens, the child ends there, and says nothing
//! to clients, supervisor or httpd.

use crate::asking::load;
use integration::{Httpd, HttpdBuilder, Mode, PythonHome, Subject, eventually, pythons};
use std::collections::BTreeSet;

/// Forks; the child gets True at once. The parent notes how the child ended, or that it did not, and gets False.
const FORK: &str = r#"
import os, time
def fork(where):
    if globals().get(where):
        return False
    globals()[where] = True
    pid = os.fork()
    if pid == 0:
        return True
    status = "went on"
    for _ in range(500):
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = str(code >> 8)
            break
        time.sleep(0.01)
    else:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    with open(os.path.dirname(__file__) + "/../data/forks", "a") as notes:
        notes.write(where + " " + status + "\n")
    return False
"#;

/// Whoever asks first in a process makes it fork.
const HOST: &str = r#"
import sys
sys.path.insert(0, __file__.rpartition("/")[0] + "/lib")
from forking import fork
fork("import of a host script")
def allow_access(environ, host):
    return fork("allow_access")
def check_password(environ, user, password):
    return fork("check_password") or True
def groups_for_user(environ, user):
    fork("groups_for_user")
    return ["all"]
def process_group(environ):
    fork("process_group")
def reload_required(path):
    return fork("reload_required of a host script")
"#;

const APP: &str = r#"
import atexit, sys
sys.path.insert(0, __file__.rpartition("/")[0] + "/lib")
import mod_wsgi
from forking import fork
fork("import")
mod_wsgi.subscribe_events(lambda name, **_: fork("event " + name) and None)
mod_wsgi.subscribe_shutdown(lambda *_, **__: fork("shutdown") and None)
atexit.register(fork, "atexit")
def reload_required(path):
    return fork("reload_required")
class Body(list):
    def close(self):
        fork("close")
def application(environ, start_response):
    fork("request")
    start_response("200 OK", [("Content-Length", "2")])
    return Body([b"ok"])
"#;

const REASON: &str = "the child goes on as another httpd or daemon, and answers";

fn site(mode: Mode) -> HttpdBuilder {
    Httpd::builder()
        .mode(mode)
        .app(APP)
        .file("lib/forking.py", FORK)
        .file("host.py", HOST)
        .writable("data")
        .allow_log("WSGI0")
}

/// What was noted, with how each child ended.
fn notes(server: &Httpd) -> BTreeSet<String> {
    let text = std::fs::read_to_string(server.root().join("app/data/forks")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn all_ended(server: &Httpd, places: &[&str]) {
    let wanted = places.iter().map(|place| format!("{place} 255"));
    eventually("each child ended where it came back", || {
        let notes = notes(server);
        let missing: Vec<_> = wanted.clone().filter(|line| !notes.contains(line)).collect();
        assert!(!notes.iter().any(|line| line.ends_with("went on")), "{notes:?}");
        missing.is_empty().then_some(())
    });
}

/// One answer, and then the end of the connection.
#[track_caller]
fn one_answer(server: &Httpd, path: &str, status: &str) {
    let mut wire = server.connect();
    wire.send(format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpw\r\nConnection: close\r\n\r\n"
    ));
    let answer = String::from_utf8_lossy(&wire.read_to_end()).into_owned();
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{path}: {answer}");
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
}

#[test]
fn host_scripts_have_one_answer() {
    if Subject::skips(REASON) {
        return;
    }
    let server = site(Mode::Daemon)
        .directives(&load(&["authn_core", "authz_core", "auth_basic", "authz_user"]))
        .directives(
            "<Location /access>\nWSGIAccessScript @ROOT@/app/host.py\n</Location>\n\
             <Location /auth>\nAuthType Basic\nAuthName x\nAuthBasicProvider wsgi\n\
             WSGIAuthUserScript @ROOT@/app/host.py\nWSGIAuthGroupScript @ROOT@/app/host.py\n\
             Require wsgi-group all\n</Location>\n\
             <Location /dispatch>\nWSGIDispatchScript @ROOT@/app/host.py\n</Location>",
        )
        .start();
    one_answer(&server, "/access", "403");
    one_answer(&server, "/auth", "200");
    one_answer(&server, "/dispatch", "200");
    all_ended(
        &server,
        &["import of a host script", "allow_access", "check_password", "groups_for_user", "process_group"],
    );
}

fn applications_have_one_answer(mode: Mode) {
    if Subject::skips(REASON) {
        return;
    }
    let server = site(mode).start();
    for _ in 0..4 {
        one_answer(&server, "/", "200");
    }
    all_ended(
        &server,
        &["import", "reload_required", "request", "close", "event request_started", "event request_finished"],
    );
    let notes_file = server.root().join("app/data/forks");
    let kept = std::fs::read_to_string(&notes_file).expect("just read");
    assert!(!kept.contains("went on"), "{kept}");
    if mode == Mode::Daemon {
        server.restart();
        all_ended(&server, &["shutdown"]);
    }
}

fn preloads_have_one_process(mode: Mode) {
    if Subject::skips(REASON) {
        return;
    }
    let group = if mode == Mode::Daemon { "process-group=app" } else { "process-group=%{GLOBAL}" };
    let server = site(mode)
        .directives(&format!("WSGIImportScript @ROOT@/app/app.wsgi {group} application-group=%{{GLOBAL}}"))
        .start();
    all_ended(&server, &["import"]);
    one_answer(&server, "/", "200");
}

in_both_modes!(applications_have_one_answer, preloads_have_one_process);

/// A zygote's own forks are no application's.
#[test]
fn zygotes_fork_workers_only() {
    if Subject::skips("there is no preload=") {
        return;
    }
    let server = site(Mode::Daemon).daemon_options("threads=1 processes=2 preload=on").start();
    all_ended(&server, &["import"]);
    one_answer(&server, "/", "200");
    all_ended(&server, &["request"]);
}

/// CPython ends the child of a fork in a sub-interpreter by C's `exit()`, before any code of the application runs in it.
fn forks_in_sub_interpreters(mode: Mode) {
    let app = r#"
import os, time
def application(environ, start_response):
    status = "forked"
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    for _ in range(500):
        if os.waitpid(pid, os.WNOHANG)[0]:
            break
        time.sleep(0.01)
    else:
        status = "the child hangs"
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    start_response("200 OK", [])
    return [status.encode()]
"#;
    let group = if mode == Mode::Daemon { "process-group=app " } else { "" };
    for python in one_of_each() {
        let mut server = Httpd::builder().mode(mode);
        if Subject::is_ours() {
            server = server.python_home(Some(&python.venv));
        }
        let server = server
            .file("app.wsgi", app)
            .directives(&format!("WSGIScriptAlias / @ROOT@/app/app.wsgi {group}application-group=sub"))
            // 3.9 says more than that, and not always in order.
            .expect_log("Fatal Python error: ")
            .allow_log("Stack (most recent call first)")
            .allow_log("Python runtime state: initialized")
            .allow_log("hread 0x0")
            .allow_log("no Python frame")
            .allow_log("  File ")
            .allow_log("Extension modules: ")
            .start();
        for _ in 0..2 {
            assert_eq!(server.get("/").ok().text(), "forked", "{}", python.version);
        }
    }
}

/// A Python of each minor version that embedded mode can take; for the original any one.
fn one_of_each() -> Vec<&'static PythonHome> {
    let mut found: Vec<&PythonHome> = Vec::new();
    for python in pythons() {
        let (major, minor) = python.minor();
        let shared = python.base.join(format!("lib/libpython{major}.{minor}.so.1.0"));
        if (shared.exists() || python.is_debian) && found.iter().all(|known| known.minor() != python.minor())
        {
            found.push(python);
        }
    }
    found.truncate(if Subject::is_ours() { found.len() } else { 1 });
    found
}

mod sub_interpreters {
    in_both_modes!(forks_in_sub_interpreters);
    use super::forks_in_sub_interpreters;
}
