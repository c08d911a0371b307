//! Loading scripts again after a change (spec/behaviour.md §6).

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};
use std::time::{Duration, SystemTime};

pub fn with(mode: Mode, source: impl AsRef<[u8]>) -> HttpdBuilder {
    Httpd::builder().mode(mode).file("app.wsgi", source).directives("WSGIScriptAlias / @ROOT@/app/app.wsgi")
}

pub fn saying(text: &str) -> String {
    format!(
        "import os\nloaded = id(object())\ndef application(environ, start_response):\n    \
         start_response('200 OK', [('X-Pid', str(os.getpid()))])\n    return [b'{text}']\n"
    )
}

/// Writes the script with another modification time: older or newer both count.
pub fn change(server: &Httpd, source: &str, seconds: i64) {
    let path = server.write("app.wsgi", source);
    let now = SystemTime::now();
    let moved = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { now - moved } else { now + moved };
    let file = std::fs::File::options().write(true).open(path).expect("own file");
    file.set_modified(time).expect("own file");
}

pub const TAIL: &str = "\ndef application(environ, start_response):
    start_response('200 OK', [])
    return [repr(answer()).encode()]\n";

/// §6.3: the hook gets a path; what it raises is logged and means no.
fn reload_hook(mode: Mode) {
    let source = format!(
        "import os, sys
flag = os.path.join(os.path.dirname(__file__), 'data', 'flag')
made = os.path.exists(flag)
open(flag + '.count', 'a').write('x')
def reload_required(path):
    if path != __file__ or type(path) is not str: raise TypeError(path)
    if os.path.exists(flag + '.raise'): raise KeyError('HOOK')
    return os.path.exists(flag) != made
def answer(): return os.path.getsize(flag + '.count'){TAIL}"
    );
    let server =
        with(mode, source).writable("data").expect_log("KeyError: 'HOOK'").allow_python_errors().start();
    assert_eq!(server.get("/").ok().text(), "1");
    assert_eq!(server.get("/").ok().text(), "1");
    let flag = |name: &str| server.root().join("app/data").join(name);
    std::fs::write(flag("flag"), "").expect("own folder");
    assert_eq!(server.get("/").ok().text(), "2", "loaded again");
    assert_eq!(server.get("/").ok().text(), "2");
    std::fs::write(flag("flag.raise"), "").expect("own folder");
    assert_eq!(server.get("/").ok().text(), "2", "a hook that fails");
}

/// §6.3: no stat, no hook, no restart.
fn reloading_off(mode: Mode) {
    let source =
        |text: &str| format!("def reload_required(path): return True\ndef answer(): return {text:?}{TAIL}");
    let server = with(mode, source("first")).directives("WSGIScriptReloading Off").start();
    assert_eq!(server.get("/").ok().text(), "'first'");
    change(&server, &source("second"), 5);
    assert_eq!(server.get("/").ok().text(), "'first'");
}

/// §6.3, §12 7: a module without its time is loaded again.
fn missing_time_forces_a_reload(mode: Mode) {
    let source =
        format!("import os\ndef answer():\n    global __mtime__\n    del __mtime__\n    return 1{TAIL}");
    let server = with(mode, source).start();
    for _ in 0..3 {
        assert_eq!(server.get("/").ok().text(), "1", "`del` works each time: the module is new");
    }
}

/// §6.4: a missing callable is mended by a change of the file.
fn callable_appears(mode: Mode) {
    let server = with(mode, "other = 1\n").expect_log("WSGI0089").start();
    assert!(matches!(server.get("/").status, 404 | 500));
    change(&server, &format!("def answer(): return 'here'{TAIL}"), 5);
    assert_eq!(server.get("/").ok().text(), "'here'");
}

fn change_is_seen_by_the_next_request(mode: Mode) {
    let server = with(mode, saying("first")).start();
    assert_eq!(server.get("/").ok().text(), "first");
    for (text, seconds) in [("second", 5), ("third", -50), ("fourth", 10)] {
        change(&server, &saying(text), seconds);
        for _ in 0..5 {
            assert_eq!(server.get("/").ok().text(), text);
        }
    }
}

fn unchanged_script_stays_loaded(mode: Mode) {
    if Subject::is_too_old("it logs loading in other words") {
        return;
    }
    let server = with(mode, saying("same")).start();
    let pids: Vec<String> =
        (0..10).map(|_| server.get("/").ok().header("X-Pid").expect("present").to_owned()).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    server.logged("Loading WSGI script", 1);
}

/// A request body must survive the replacement of the process.
fn change_does_not_lose_an_upload(mode: Mode) {
    let echo = "def application(environ, start_response):\n    \
                start_response('200 OK', [])\n    return [environ['wsgi.input'].read()]\n";
    let server = with(mode, echo).start();
    let body = vec![b'u'; 700_000];
    for seconds in [5, 10, 15] {
        change(&server, echo, seconds);
        let response = server.request("POST", "/").body(&body).send().ok();
        assert!(response.body == body, "{} bytes came back", response.body.len());
    }
}

fn broken_script_is_500_until_mended(mode: Mode) {
    let server = with(mode, "def application(environ start_response): pass\n")
        .expect_log("WSGI0174")
        .expect_log("SyntaxError")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").status, 500);
    assert_eq!(server.get("/").status, 500);
    change(&server, &saying("mended"), 5);
    assert_eq!(server.get("/").ok().text(), "mended");
}

fn failing_import_is_retried(mode: Mode) {
    let source = format!(
        "import sys\nprint('attempt', file=sys.stderr)\nraise RuntimeError('not today')\n{}",
        saying("x")
    );
    let server = with(mode, &source)
        .expect_log("RuntimeError: not today")
        .expect_log("Unable to execute Python script file")
        .allow_python_errors()
        .start();
    for _ in 0..3 {
        assert_eq!(server.get("/").status, 500);
    }
    server.logged("] attempt", 3);
}

in_both_modes!(
    broken_script_is_500_until_mended,
    callable_appears,
    change_does_not_lose_an_upload,
    change_is_seen_by_the_next_request,
    failing_import_is_retried,
    missing_time_forces_a_reload,
    reload_hook,
    reloading_off,
    unchanged_script_stays_loaded,
);

/// §6.3 [E]: a request that still runs in the old module is not disturbed.
#[test]
fn old_module_lives_as_long_as_its_requests() {
    let source = |text: &str| {
        format!(
            "import time\ndef answer(): return {text:?}\ndef application(environ, start_response):
    if environ['QUERY_STRING']: print('here it sleeps', file=environ['wsgi.errors'], flush=True)
    time.sleep(float(environ['QUERY_STRING'] or 0))
    start_response('200 OK', [])
    return [repr(answer()).encode()]\n"
        )
    };
    let server = with(Mode::Embedded, source("old")).start();
    server.get("/").ok();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/?1"));
        server.wait_for_log("here it sleeps");
        change(&server, &source("new"), 5);
        assert_eq!(server.get("/").ok().text(), "'new'");
        assert_eq!(waiting.join().expect("no panic").ok().text(), "'old'");
    });
    server.wait_for_log("Reloading WSGI script");
}

/// A successor knows the script from more than one place: configuration, predecessor. It tries it once.
#[test]
fn broken_change_is_logged_once() {
    if Subject::skips("the process ends when the script has changed, and requests fail") {
        return;
    }
    let import = "WSGIImportScript @ROOT@/app/app.wsgi process-group=app application-group=%{GLOBAL}";
    for (options, directives) in [
        ("threads=4", ""),
        ("threads=4", import),
        ("threads=4 preload=on", ""),
        ("threads=4 preload=on", import),
    ] {
        let server = with(Mode::Daemon, saying("good")).daemon_options(options).directives(directives);
        let server = server.allow_python_errors().expect_log("keeps serving").start();
        assert_eq!(server.get("/").ok().text(), "good");
        for round in 1..=2 {
            change(&server, &format!("raise RuntimeError('broken {round}')\n"), 5 * round);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| assert_eq!(server.get("/").ok().text(), "good"));
                }
            });
            server.wait_for_log(&format!("RuntimeError: broken {round}"));
            for _ in 0..4 {
                assert_eq!(server.get("/").ok().text(), "good");
            }
        }
        eventually("both are told", || {
            (server.error_log().matches("keeps serving").count() == 2).then_some(())
        });
        let log = server.error_log();
        for round in 1..=2 {
            let count = log.matches(&format!("RuntimeError: broken {round}")).count();
            assert_eq!(count, 1, "{options} {directives}: {log}");
        }
    }
}

#[test]
fn change_replaces_the_daemon_process() {
    let server = with(Mode::Daemon, saying("first")).start();
    let before = server.get("/").ok().header("X-Pid").map(str::to_owned);
    change(&server, &saying("second"), 5);
    let after = server.get("/").ok().header("X-Pid").map(str::to_owned);
    assert_ne!(before, after);
}

#[test]
fn busy_daemon_finishes_its_requests_when_the_script_changes() {
    let slow = "import time\ndef application(environ, start_response):\n    \
                if environ['QUERY_STRING']: print('here it sleeps', file=environ['wsgi.errors'], flush=True)\n    \
                time.sleep(float(environ['QUERY_STRING'] or 0))\n    start_response('200 OK', [])\n    \
                return [b'done']\n";
    let server = with(Mode::Daemon, slow).start();
    server.get("/").ok();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/?2"));
        server.wait_for_log("here it sleeps");
        change(&server, &saying("new"), 5);
        assert_eq!(server.get("/").ok().text(), "new");
        assert_eq!(waiting.join().expect("no panic").ok().text(), "done");
    });
}
