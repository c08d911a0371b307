//! Deploys that are not what they should be: an application that holds something that two processes cannot have, and a
//! graceful restart with broken code.

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

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

fn locked(options: &str) -> HttpdBuilder {
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
fn lock_held_from_import_on_is_found_out_once_for_each_configuration() {
    let server = locked("").allow_log("[wsgi:error]");
    let server = if Subject::is_ours() { server.expect_log("WSGI0381") } else { server }.start();
    all_ways_to_replace(&server);
    // Two graceful restarts; the changed script in between is not tried beside the old one. Two lines of each traceback.
    server.logged("BlockingIOError", usize::from(Subject::is_ours()) * 4);
}

/// What was found out of one configuration is nothing that the next one may rely on: a process that cannot even be started
/// gets no room.
#[test]
fn learned_exclusion_makes_no_room_for_what_cannot_be_started() {
    if Subject::skips("it answers 500") {
        return;
    }
    let home = own_home("learned");
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(LOCKED)
        .writable("data")
        .python_home(Some(&home))
        .allow_log("[wsgi:")
        .expect_log("WSGI0381")
        .start();
    let (_, first) = ask(&server);
    server.graceful();
    let (_, second) = other(&server, &first);
    std::fs::remove_dir_all(&home).expect("own folder");
    server.graceful();
    server.wait_for_log("keeps serving");
    for _ in 0..5 {
        assert_eq!(ask(&server), ("one".to_owned(), second.clone()));
    }
}

/// A Python's home that a test may remove.
fn own_home(name: &str) -> PathBuf {
    let home = std::env::temp_dir().join(format!("wsgi-home-{name}-{}", std::process::id()));
    std::fs::create_dir_all(home.join("bin")).expect("a temporary folder");
    let real = std::fs::canonicalize("/usr/bin/python3").expect("a Python");
    std::os::unix::fs::symlink(real, home.join("bin/python3")).expect("a link");
    home
}

/// Somebody else takes what the application needs, between two processes of a group, and keeps it.
#[test]
fn what_stays_taken_is_not_waited_for_without_end() {
    if Subject::skips("reload= is not known") {
        return;
    }
    let server = locked("reload=exclusive")
        .allow_log("[wsgi:error]")
        .expect_log("WSGI0336")
        .allow_python_errors()
        .start();
    ask(&server);
    let lock = server.root().join("app/data/lock");
    // It sleeps as soon as the process that holds the lock ends: long before the next one has started Python.
    let mut thief = Command::new("flock")
        .arg("--no-fork")
        .arg(&lock)
        .args(["sleep", "1000"])
        .spawn()
        .expect("util-linux");
    eventually("it waits for the lock", || {
        let locks = std::fs::read_to_string("/proc/locks").expect("readable");
        locks.contains(&format!("-> FLOCK  ADVISORY  WRITE {} ", thief.id())).then_some(())
    });
    server.graceful();
    let status = eventually("requests are answered by the application again", || {
        Some(server.get("/").status).filter(|status| *status == 500)
    });
    assert_eq!(status, 500);
    thief.kill().expect("it runs");
    thief.wait().expect("it was started here");
    eventually("the import works", || (server.get("/").status == 200).then_some(()));
}

/// One script finds something taken, as has been known; the other one is broken: room for a successor would not help.
#[test]
fn broken_code_beside_a_conflict_gets_no_room() {
    if Subject::skips("it answers 500") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/other", "other.wsgi", PLAIN)
        .app(LOCKED)
        .writable("data")
        .daemon_options("threads=4")
        .allow_log("[wsgi:")
        .allow_python_errors()
        .start();
    let (_, first) = ask(&server);
    server.get("/other").ok();
    server.write("other.wsgi", "import nothing_of_the_kind\n");
    let has_tried = || server.error_log().contains("nothing_of_the_kind");
    eventually("it has been tried", || {
        assert_eq!(server.get("/other").ok().text().trim(), "one");
        has_tried().then_some(())
    });
    for _ in 0..5 {
        assert_eq!(ask(&server), ("one".to_owned(), first.clone()));
        assert_eq!(server.get("/other").ok().text().trim(), "one");
    }
    assert!(!server.error_log().contains("WSGI0381"), "{}", server.error_log());
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
    // The old process answers children of the new generation as long as the new one does not serve.
    let is_new = |(text, pid): &(String, String)| text == "two" && *pid != first;
    eventually("a process of the new configuration answers", || Some(ask(&server)).filter(is_new));
}
