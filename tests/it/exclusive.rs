//! Deploys that are not what they should be: an application that holds something that two processes cannot have, and a
//! graceful restart with broken code.

use integration::{Builder, Httpd, Mode, Subject, eventually};
use std::collections::BTreeSet;

/// Holds a lock from its import on, as Zope holds its database.
const LOCKED: &str = r#"
import fcntl, os
VERSION = "one"
lock = open(os.path.join(os.path.dirname(__file__), "data", "lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

def application(environ, start_response):
    start_response("200 OK", [("X-Pid", str(os.getpid()))])
    return [VERSION.encode()]
"#;

const PLAIN: &str = "import os\nVERSION = 'one'\ndef application(environ, start_response):\n    \
                     start_response('200 OK', [('X-Pid', str(os.getpid()))])\n    return [VERSION.encode()]\n";

fn locked(options: &str) -> Builder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .app(LOCKED)
        .writable("data")
        .daemon_options(&format!("threads=4 {options}"))
}

/// Text and process of the answer; each answer is a good one.
fn ask(server: &Httpd) -> (String, String) {
    let response = server.get("/").ok();
    (response.text().trim().to_owned(), response.header("X-Pid").expect("present").to_owned())
}

/// Asks until another process answers than `before`.
fn other(server: &Httpd, before: &str) -> (String, String) {
    eventually("another process serves", || Some(ask(server)).filter(|(_, pid)| pid != before))
}

/// Graceful restart, changed script, operator and recycling: nothing is refused, and the new process serves.
fn all_ways_to_replace(server: &Httpd) {
    let (_, first) = ask(server);
    server.graceful();
    let (_, second) = other(server, &first);
    server.write("app.wsgi", &LOCKED.replace("one", "two"));
    let (text, third) = other(server, &second);
    assert_eq!(text, "two");
    server.graceful();
    let (text, _) = other(server, &third);
    assert_eq!(text, "two");
}

#[test]
fn lock_held_from_import_on_is_found_out_and_remembered() {
    let server = locked("").allow_log("[wsgi:error]");
    let server = if Subject::is_ours() { server.expect_log("WSGI0381") } else { server }.start();
    all_ways_to_replace(&server);
    assert_eq!(server.error_log().matches("BlockingIOError").count(), usize::from(Subject::is_ours()) * 2);
}

#[test]
fn exclusive_reload_does_not_try() {
    if Subject::skips("reload= is not known") {
        return;
    }
    for options in ["reload=exclusive", "reload=immediate", "processes=1 reload=exclusive"] {
        all_ways_to_replace(&locked(options).start());
    }
}

#[test]
fn recycled_process_lets_go_first() {
    let server = locked("maximum-requests=5").allow_log("[wsgi:error]").allow_log("WSGI0381").start();
    let pids: BTreeSet<String> = (0..60)
        .map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            ask(&server).1
        })
        .collect();
    assert!(pids.len() >= 4, "{pids:?}");
}

/// A graceful restart is no deploy: what does not load now and did before goes on running.
#[test]
fn graceful_restart_with_broken_code_keeps_the_old() {
    if Subject::skips("it answers 500") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(PLAIN)
        .expect_log("does not come up with the new configuration")
        .allow_python_errors();
    let server = server.start();
    let (_, first) = ask(&server);
    server.write("app.wsgi", "import nothing_of_the_kind\n");
    server.graceful();
    server.wait_for_log("does not come up with the new configuration");
    for _ in 0..5 {
        assert_eq!(ask(&server), ("one".to_owned(), first.clone()));
    }
    server.write("app.wsgi", &PLAIN.replace("one", "two"));
    let (text, _) = other(&server, &first);
    assert_eq!(text, "two");
}

/// The script is broken, and the configuration has another one in its place.
#[test]
fn script_that_is_not_named_any_more_is_no_obstacle() {
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .file("a.wsgi", PLAIN)
        .file("b.wsgi", PLAIN.replace("one", "two"))
        .file("alias.conf", "WSGIScriptAlias / ${MOD_WSGI_TEST_ROOT}/app/a.wsgi\n")
        .directives("Include @ROOT@/app/alias.conf")
        .allow_python_errors()
        .start();
    let (text, first) = ask(&server);
    assert_eq!(text, "one");
    server.write("a.wsgi", "import nothing_of_the_kind\n");
    server.write("alias.conf", "WSGIScriptAlias / ${MOD_WSGI_TEST_ROOT}/app/b.wsgi\n");
    server.graceful();
    let text =
        eventually("the new configuration runs", || Some(ask(&server)).filter(|(text, _)| text == "two"));
    assert_ne!(text.1, first);
}
