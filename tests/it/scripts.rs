//! Loading scripts, failing to, and loading them again after a change (spec/behaviour.md §6).

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually, is_root};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

fn saying(text: &str) -> String {
    format!(
        "import os\nloaded = id(object())\ndef application(environ, start_response):\n    \
         start_response('200 OK', [('X-Pid', str(os.getpid()))])\n    return [b'{text}']\n"
    )
}

fn with(mode: Mode, source: &str) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(source)
}

/// Writes the script with another modification time: older or newer both count.
fn change(server: &Httpd, source: &str, seconds: i64) {
    let path = server.write("app.wsgi", source);
    let now = SystemTime::now();
    let moved = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { now - moved } else { now + moved };
    let file = std::fs::File::options().write(true).open(path).expect("own file");
    file.set_modified(time).expect("own file");
}

fn change_is_seen_by_the_next_request(mode: Mode) {
    let server = with(mode, &saying("first")).start();
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
    let server = with(mode, &saying("same")).start();
    let pids: Vec<String> =
        (0..10).map(|_| server.get("/").ok().header("X-Pid").expect("present").to_owned()).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    assert_eq!(server.error_log().matches("Loading WSGI script").count(), 1);
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
    let attempts = server.error_log().lines().filter(|line| line.ends_with("attempt")).count();
    assert_eq!(attempts, 3, "{}", server.error_log());
}

/// Those who waited for another one's attempt take its outcome.
fn one_failure_is_logged_once(mode: Mode) {
    if Subject::skips("each request that waited imports the script again") {
        return;
    }
    let source = "import time\ntime.sleep(1)\nraise RuntimeError('not today')\n";
    let server = with(mode, source).expect_log("has just been tried").allow_python_errors().start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(server.get("/").status, 500));
        }
    });
    let log = server.error_log();
    assert_eq!(log.matches("RuntimeError: not today").count(), 1, "{log}");
    assert_eq!(log.matches("Unable to execute Python script file").count(), 4, "a line for each: {log}");
}

/// What failed is not what they have come for.
fn who_comes_after_a_repair_is_served(mode: Mode) {
    let source = "import time\ntime.sleep(1.5)\nraise RuntimeError('not today')\n";
    let server = with(mode, source).allow_python_errors().start();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.get("/").status);
        std::thread::sleep(Duration::from_millis(500));
        change(&server, &saying("repaired"), 5);
        assert_eq!(server.get("/").ok().text(), "repaired");
        assert_eq!(first.join().expect("no panic"), 500);
    });
}

/// RequestTimeout is about one request, not about the script.
#[test]
fn who_waited_for_an_interrupted_import_tries_again() {
    if Subject::is_too_old("it has no interrupt-timeout") {
        return;
    }
    let first_time = "import sys, time\nif not hasattr(sys, 'tried'):\n    sys.tried = True\n    \
                      for _ in range(600):\n        time.sleep(0.05)\n";
    let server = with(Mode::Daemon, &(first_time.to_owned() + &saying("served")))
        .daemon_options("threads=2 request-timeout=2 interrupt-timeout=20")
        .allow_log("WSGI0313")
        .allow_python_errors()
        .start();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.get("/").status);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(server.get("/").ok().text(), "served");
        assert_eq!(first.join().expect("no panic"), 500);
    });
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
        let server = with(Mode::Daemon, &saying("good")).daemon_options(options).directives(directives);
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

fn exit_while_loading_is_500(mode: Mode) {
    let server =
        with(mode, "import sys\nsys.exit(15)\n").expect_log("WSGI0175").allow_python_errors().start();
    assert_eq!(server.get("/").status, 500);
    assert_eq!(server.get("/").status, 500);
}

fn missing_callable(mode: Mode) {
    let server = with(mode, "app = None\n").expect_log("WSGI0089").start();
    let status = if mode == Mode::Embedded { 404 } else { 500 };
    assert_eq!(server.get("/").status, status);
    assert_eq!(server.get("/").status, status);
}

fn object_that_is_not_callable(mode: Mode) {
    let server = with(mode, "application = 3\n").expect_log("WSGI0174").allow_python_errors().start();
    assert_eq!(server.get("/").status, 500);
}

fn callable_object_is_named(mode: Mode) {
    let source = saying("named").replace("application", "other");
    let server = with(mode, &source).directives("WSGICallableObject other").start();
    assert_eq!(server.get("/").ok().text(), "named");
}

fn missing_script(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .directives("WSGIScriptAlias / @ROOT@/app/nowhere.wsgi")
        .allow_log("nowhere.wsgi' does not exist")
        .expect_log("WSGI0135")
        .start();
    assert_eq!(server.get("/").status, 404);
}

fn unreadable_script(mode: Mode) {
    if !is_root() {
        println!("skipped: httpd runs as the same user as the test and can read everything");
        return;
    }
    let server = with(mode, &saying("x")).expect_log("WSGI0105").allow_python_errors().start();
    let path = server.root().join("app/app.wsgi");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("own file");
    assert_eq!(server.get("/").status, 500);
}

fn script_without_alias_needs_execcgi(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .file("site/yes/app.wsgi", saying("handled"))
        .file("site/no/app.wsgi", saying("handled"))
        .directives(
            "Alias /site @ROOT@/app/site\n<Directory @ROOT@/app/site>\nAddHandler wsgi-script .wsgi\n</Directory>\n\
             <Directory @ROOT@/app/site/yes>\nOptions ExecCGI\n</Directory>\n\
             <Directory @ROOT@/app/site/no>\nOptions None\n</Directory>",
        )
        .expect_log("WSGI0134")
        .start();
    assert_eq!(server.get("/site/yes/app.wsgi/more").ok().text(), "handled");
    assert_eq!(server.get("/site/no/app.wsgi").status, 403);
}

fn one_script_mounted_twice_is_loaded_once(mode: Mode) {
    if Subject::is_too_old("it logs loading in other words") {
        return;
    }
    let server = with(mode, &saying("x"))
        .script("/again", "again.wsgi", &saying("y"))
        .allow_log("is never reached")
        .start();
    // WSGIScriptAlias / came first and wins: first match, not longest.
    assert_eq!(server.get("/again").ok().text(), "x");
    assert_eq!(server.get("/").ok().text(), "x");
    assert_eq!(server.error_log().matches("Loading WSGI script").count(), 1);
}

in_both_modes!(
    broken_script_is_500_until_mended,
    callable_object_is_named,
    change_does_not_lose_an_upload,
    change_is_seen_by_the_next_request,
    exit_while_loading_is_500,
    failing_import_is_retried,
    one_failure_is_logged_once,
    who_comes_after_a_repair_is_served,
    missing_callable,
    missing_script,
    object_that_is_not_callable,
    one_script_mounted_twice_is_loaded_once,
    script_without_alias_needs_execcgi,
    unchanged_script_stays_loaded,
    unreadable_script,
);

#[test]
fn change_replaces_the_daemon_process() {
    let server = with(Mode::Daemon, &saying("first")).start();
    let before = server.get("/").ok().header("X-Pid").map(str::to_owned);
    change(&server, &saying("second"), 5);
    let after = server.get("/").ok().header("X-Pid").map(str::to_owned);
    assert_ne!(before, after);
}

#[test]
fn busy_daemon_finishes_its_requests_when_the_script_changes() {
    let slow = "import time\ndef application(environ, start_response):\n    \
                time.sleep(float(environ['QUERY_STRING'] or 0))\n    start_response('200 OK', [])\n    \
                return [b'done']\n";
    let server = with(Mode::Daemon, slow).start();
    server.get("/").ok();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/?2"));
        std::thread::sleep(Duration::from_millis(300));
        change(&server, &saying("new"), 5);
        assert_eq!(server.get("/").ok().text(), "new");
        assert_eq!(waiting.join().expect("no panic").ok().text(), "done");
    });
}
