//! How a process with Python in it ends, in order or not, and what programs that an application starts inherit.

use integration::{Httpd, HttpdBuilder, Mode, Mpm, SeenProcess, Subject, eventually, pythons, signal};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::Path;

/// Leaves by C's `exit()`, with the GIL held.
const EXITING: &str = r#"
import ctypes, os
def application(environ, start_response):
    if environ["PATH_INFO"] == "/exit":
        ctypes.PyDLL(None).exit(7)
    start_response("200 OK", [("X-Pid", str(os.getpid()))])
    return [b"ok"]
"#;

/// The request is lost, another process takes over, and nothing hangs.
#[test]
fn exit_of_c_with_the_gil_held_in_a_daemon() {
    for group in ["%{GLOBAL}", "sub"] {
        let server = Httpd::builder()
            .mode(Mode::Daemon)
            .file("app.wsgi", EXITING)
            .directives(&format!(
                "WSGIScriptAlias / @ROOT@/app/app.wsgi process-group=app application-group={group}"
            ))
            .allow_log("wsgi:error")
            .allow_log("has died: ")
            .start();
        let before = server.get("/").ok().header("X-Pid").map(str::to_owned);
        assert_eq!(server.get("/exit").status, 502, "{group}");
        let after = server.get("/").ok().header("X-Pid").map(str::to_owned);
        assert_ne!(before, after, "{group}");
    }
}

/// The child of httpd goes, and with it the request.
#[test]
fn exit_of_c_with_the_gil_held_in_embedded_mode() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let server = Httpd::builder()
            .mode(Mode::Embedded)
            .mpm(mpm)
            .app(EXITING)
            .allow_log("exit signal")
            .allow_log("AH00")
            .start();
        server.get("/").ok();
        let mut wire = server.connect();
        wire.send("GET /exit HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(wire.read_to_end(), b"", "{mpm:?}: no answer");
        eventually("a child serves", || {
            let answer = server.request("GET", "/").header("Connection", "close").try_send().ok()?;
            (answer.status == 200).then_some(())
        });
    }
}

/// prefork's children end in a signal handler, on the thread whose request waits for its client: Python is left alone there.
#[test]
fn child_of_prefork_ends_while_it_answers() {
    // More than sockets hold.
    const LARGE: &str = "def application(environ, start_response):
    start_response('200 OK', [])
    return [b'x' * (64 << 20)]
";
    let server = Httpd::builder().mode(Mode::Embedded).mpm(Mpm::Prefork).app(LARGE).start();
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wire.exactly(1000).expect("the beginning");
    server.stop(); // which finds children that have crashed
}

/// Its import allocates memory without end, but that of the first child.
const STARTING_SLOWLY: &str = r#"
import os
folder = os.path.dirname(__file__)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
if os.path.exists(folder + "/slow"):
    open(folder + "/data/" + str(os.getpid()), "w").close()
    while os.path.exists(folder + "/slow"):
        kept = [bytes(size) for size in range(600, 60000, 700)]
"#;

/// httpd keeps SIGTERM back, or lets it destroy what the import uses: with us the child is gone at once.
fn children_end_while_they_import(mpm: Mpm) {
    if Subject::skips("a child ends when its import is over, or after ten seconds by SIGKILL") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Embedded)
        .mpm(mpm)
        .file("app.wsgi", STARTING_SLOWLY)
        .writable("data")
        .directives(
            "WSGIScriptAlias / @ROOT@/app/app.wsgi application-group=%{GLOBAL}\n\
             WSGIImportScript @ROOT@/app/app.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}",
        )
        .start();
    server.get("/").ok();
    let data = server.root().join("app/data");
    let slow = server.write("slow", "");
    let mut ended = BTreeSet::new();
    server.graceful();
    for _ in 0..2 {
        let child = eventually("a child starts", || {
            let names =
                std::fs::read_dir(&data).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            names.filter_map(|name| name.parse::<i32>().ok()).find(|pid| !ended.contains(pid))
        });
        ended.insert(child);
        signal(child, Signal::SIGTERM);
        eventually("it has ended", || SeenProcess::of(child).is_none().then_some(()));
    }
    std::fs::remove_file(slow).expect("made above");
    eventually("another serves", || server.request("GET", "/").try_send().is_ok().then_some(()));
    // No line such as `exit signal Aborted (6)`: the harness looks.
}

#[test]
fn children_of_event_end_while_they_import() {
    children_end_while_they_import(Mpm::Event);
}

#[test]
fn children_of_prefork_end_while_they_import() {
    children_end_while_they_import(Mpm::Prefork);
}

/// Notes that its exit handler and shutdown callback ran.
const NOTING: &str = r#"
import atexit, os, sys, mod_wsgi
folder = os.path.dirname(__file__) + "/data/"
def note(name, *_, **__):
    open(folder + name, "w").close()
atexit.register(note, "atexit")
mod_wsgi.subscribe_shutdown(lambda *_, **__: note("shutdown"))
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"#;

/// A child that runs Python because a request needed it ends Python in order, beside daemons too.
fn ends_in_order(mpm: Mpm, home: Option<&Path>) {
    let server = Httpd::builder()
        .mpm(mpm)
        .python_home(home)
        .app(NOTING)
        .writable("data")
        .directives("WSGIDaemonProcess other\nWSGIApplicationGroup %{GLOBAL}")
        .allow_log("nothing names this group")
        .start();
    server.get("/").ok();
    server.restart();
    for name in ["shutdown", "atexit"] {
        eventually(name, || server.root().join("app/data").join(name).exists().then_some(()));
    }
    // No line such as `exit signal Segmentation fault (11)`: the harness looks.
}

#[test]
fn embedded_children_beside_daemons_end_python_in_order() {
    if Subject::skips("a child with Python may crash when a restart ends it") {
        return;
    }
    let mut minors = Vec::new();
    for python in pythons() {
        let (major, minor) = python.minor();
        let shared = python.base.join(format!("lib/libpython{major}.{minor}.so.1.0"));
        if (shared.exists() || python.is_debian) && !minors.contains(&minor) {
            minors.push(minor);
            ends_in_order(if minor == 13 { Mpm::Prefork } else { Mpm::Event }, Some(&python.venv));
            if minor == 13 {
                ends_in_order(Mpm::Event, Some(&python.venv));
            }
        }
    }
}

/// A successor imports the scripts of its sub-interpreters on its main thread, and has nothing to complain of at its end.
#[test]
fn successors_end_their_sub_interpreters_quietly() {
    if Subject::skips("a process ends with its scripts, and has no successor that loads them") {
        return;
    }
    let app = "import os, threading\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
               return [b'%d' % os.getpid()]\n";
    let of = |minor| pythons().iter().find(|python| python.minor().1 == minor);
    for python in [of(12), of(13), pythons().first()].into_iter().flatten() {
        let server = Httpd::builder()
            .mode(Mode::Daemon)
            .python_home(Some(&python.venv))
            .file("app.wsgi", app)
            .directives(
                "WSGIScriptAlias /a @ROOT@/app/app.wsgi process-group=app application-group=a\n\
                 WSGIScriptAlias /b @ROOT@/app/app.wsgi process-group=app application-group=b",
            )
            .start();
        let pid = || ["/a", "/b"].map(|path| server.get(path).ok().text())[0].clone();
        let first = pid();
        server.graceful();
        eventually("the successor serves", || (pid() != first).then_some(()));
        // The harness looks for `Exception ignored` after the end.
    }
}

/// Starts programs in several ways; the answer is how `sleep` ended, and what a program sees of its surroundings.
const STARTING: &str = r#"
import os, subprocess, sys
def masks():
    return [line for line in open("/proc/self/status") if line.startswith("SigBlk")][0]
def application(environ, start_response):
    blocked = masks()
    sleeper = subprocess.Popen(["sleep", "20"])
    sleeper.terminate()
    ended = sleeper.wait()
    spawned = os.posix_spawn("/bin/sleep", ["sleep", "20"], os.environ)
    os.kill(spawned, 15)
    status = os.waitpid(spawned, 0)[1]
    charset = subprocess.run(["locale", "charmap"], stdout=subprocess.PIPE).stdout.decode().strip()
    start_response("200 OK", [("X-Blocked", blocked.split()[1])])
    return [("%d %d %s" % (ended, status, charset)).encode()]
"#;

fn starting(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(STARTING)
}

fn programs_receive_signals_and_speak_utf8(mode: Mode) {
    let server = starting(mode).env("LC_ALL", "").env("LC_CTYPE", "C").env("LANG", "").start();
    let mut masks = Vec::new();
    for _ in 0..2 {
        let answer = server.get("/").ok();
        masks.push(answer.header("X-Blocked").map(str::to_owned));
        let text = answer.text();
        if Subject::is_ours() || mode == Mode::Daemon {
            assert_eq!(text, "-15 15 UTF-8");
        } else {
            assert!(text.ends_with("UTF-8"), "{text}");
        }
    }
    assert_eq!(masks[0], masks[1], "a thread of httpd's is left as it was");
}

in_both_modes!(programs_receive_signals_and_speak_utf8);
