//! configtest, start, graceful, restart, stop; and what happens when a process of ours or of httpd's is killed.

use integration::{Httpd, HttpdBuilder, Mode, Mpm, SeenProcess, Subject, eventually, kill, wait_until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const APP: &str = include_str!("../../apps/process.py");

fn server(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(APP)
}

fn pid(server: &Httpd) -> i32 {
    server.get("/").json()["pid"].as_i64().expect("a number") as i32
}

#[test]
fn configtest_accepts_and_refuses() {
    assert!(server(Mode::Daemon).configtest().is_ok);
    for (line, word) in [
        ("WSGIDaemonProcess x threads=-1", "threads"),
        ("WSGIDaemonProcess x unheard-of=1", "unheard-of"),
        ("WSGIDaemonProcess x processes=0", "processes"),
        ("WSGIRestrictEmbedded Perhaps", "WSGIRestrictEmbedded"),
        ("WSGIScriptAlias /only", "WSGIScriptAlias"),
    ] {
        let verdict = Httpd::builder().directives(line).configtest();
        assert!(!verdict.is_ok, "{line}: {}", verdict.text);
        assert!(
            verdict.text.contains(word) || !Subject::is_ours(),
            "ours says what is wrong: {}",
            verdict.text
        );
    }
}

#[test]
fn ifmodule_knows_the_module_by_its_name() {
    let server =
        server(Mode::Daemon).directives("<IfModule mod_wsgi.c>\nSetEnv SETTING seen\n</IfModule>").start();
    assert_eq!(server.get("/").json()["setting"], "seen");
    assert!(server.configtest().is_ok, "while it runs");
}

fn start_graceful_restart_stop(mpm: Mpm, mode: Mode) {
    let server = server(mode).mpm(mpm).directives("Include @ROOT@/app/more.conf").file("more.conf", "");
    // Old workers of the control may find their socket gone: 503 (spec/daemon.md §1.3).
    let server = server.allow_log_of_control("nable to connect to WSGI daemon process").start();
    pid(&server);
    server.write("more.conf", "SetEnv SETTING graceful\n");
    server.graceful();
    eventually("the new configuration is served", || {
        let response = server.get("/");
        assert!(response.status == 200 || !Subject::is_ours(), "no request fails: {}", response.text());
        response.text().contains("\"setting\": \"graceful\"").then_some(())
    });
    server.write("more.conf", "SetEnv SETTING restart\n");
    server.restart();
    assert_eq!(server.get("/").json()["setting"], "restart");
    server.graceful();
    eventually("it serves", || (server.get("/").status == 200).then_some(()));
    server.stop();
}

macro_rules! lifecycle {
    ($($name:ident: $mpm:ident $mode:ident;)+) => {
        $(#[test] fn $name() { start_graceful_restart_stop(Mpm::$mpm, Mode::$mode); })+
    };
}

lifecycle! {
    event_daemon: Event Daemon;
    event_embedded: Event Embedded;
    prefork_daemon: Prefork Daemon;
    prefork_embedded: Prefork Embedded;
    worker_daemon: Worker Daemon;
    worker_embedded: Worker Embedded;
}

#[test]
fn module_can_be_added_and_removed_by_graceful() {
    let server = Httpd::builder()
        .without_module()
        .allow_log("AH00488")
        .log_level("warn")
        .directives("Include @ROOT@/app/more.conf")
        .file("more.conf", "");
    let server = server.start();
    assert_eq!(server.get("/app").status, 404);
    let lines = server.module_lines(Mode::Daemon);
    server.write("app.wsgi", APP);
    server.write(
        "more.conf",
        &format!("{lines}WSGIScriptAlias /app {}/app/app.wsgi\n", server.root().display()),
    );
    server.graceful();
    eventually("the application is served", || (server.get("/app").status == 200).then_some(()));
    server.write("more.conf", "");
    server.graceful();
    eventually("the application is gone", || (server.get("/app").status == 404).then_some(()));
    if Subject::is_ours() {
        eventually("its processes are gone", || {
            (!server.processes().iter().any(|process| {
                ["wsgi-supervisor", "python3 ", "(wsgi:"].iter().any(|name| process.command.contains(name))
            }))
            .then_some(())
        });
    }
}

/// The control cuts daemons off at a graceful restart (spec/daemon.md §1.3).
#[test]
fn graceful_restarts_under_load_lose_no_request() {
    if Subject::skips("requests fail when a graceful restart ends their daemon") {
        return;
    }
    let server = server(Mode::Daemon).daemon_options("processes=2 threads=4").start();
    pid(&server);
    let done = AtomicBool::new(false);
    let served = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !done.load(Ordering::Relaxed) {
                        // A connection of its own: httpd closes idle ones at a graceful restart, as it may.
                        let mut wire = server.connect();
                        wire.send("GET /?sleep=0.01 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                        assert_eq!(wire.response(false).status, 200);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(500));
            server.graceful();
        }
        std::thread::sleep(Duration::from_millis(500));
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("every request was served")).sum::<u32>()
    });
    assert!(served > 50, "{served} requests");
}

#[test]
fn long_request_survives_a_graceful_restart() {
    if Subject::skips("a daemon gets 3 seconds at a graceful restart") {
        return;
    }
    let server = server(Mode::Daemon).start();
    pid(&server);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| server.get("/?sleep=5"));
        server.wait_for_log("here it sleeps");
        server.graceful();
        pid(&server);
        long.join().expect("no panic").ok();
    });
}

/// Releases before 6 leaked at each reload, because each loaded libpython into the parent again (decisions.md, "No
/// libpython in the module").
#[test]
fn fifty_graceful_restarts_leave_the_parent_flat() {
    if Subject::is_too_old("each reload leaks in the parent") {
        return;
    }
    let server = server(Mode::Daemon).start();
    let size = || SeenProcess::of(server.pid()).expect("the parent lives").memory("Rss");
    for _ in 0..5 {
        server.graceful();
    }
    let before = size();
    for _ in 0..50 {
        server.graceful();
    }
    pid(&server);
    let growth = size().saturating_sub(before);
    assert!(growth < 512, "the parent grew by {growth} KiB in 50 graceful restarts");
}

/// The supervisor of ours.
fn supervisor(server: &Httpd) -> SeenProcess {
    let all = server.processes();
    all.into_iter().find(|process| process.command.contains("wsgi-supervisor")).expect("a supervisor runs")
}

#[test]
fn killed_supervisor_is_replaced() {
    if Subject::skips("there is no supervisor") {
        return;
    }
    let server =
        server(Mode::Daemon).allow_log("supervisor").allow_log("signal").allow_log("WSGI0065").start();
    let daemon = SeenProcess::of(pid(&server)).expect("alive");
    let before = supervisor(&server);
    kill(before.pid);
    eventually("the daemons of the old one end", || (!daemon.is_alive()).then_some(()));
    eventually("requests are served again", || (server.get("/").status == 200).then_some(()));
    assert_ne!(supervisor(&server).pid, before.pid);
}

#[test]
fn killed_parent_takes_the_daemons_along() {
    if Subject::skips("daemons of a killed httpd live on") {
        return;
    }
    let server = server(Mode::Daemon).start();
    let daemon = SeenProcess::of(pid(&server)).expect("alive");
    let others: Vec<SeenProcess> = server
        .processes()
        .into_iter()
        .filter(|process| process.command.contains("wsgi-supervisor"))
        .collect();
    let children = server.children();
    kill(server.pid());
    let is_over = || !daemon.is_alive() && !others.iter().any(SeenProcess::is_alive);
    eventually("supervisor and daemon end", || is_over().then_some(()));
    for child in children.iter().filter(|child| child.is_alive()) {
        kill(child.pid); // httpd's own orphans, which nobody else ends
    }
}

/// Killing children of httpd harms nothing but them.
#[test]
fn killed_child_of_httpd_is_replaced() {
    let server = server(Mode::Daemon).allow_log("signal").start();
    let daemon = pid(&server);
    for child in server.children() {
        if child.pid != daemon {
            kill(child.pid);
        }
    }
    let status = || server.request("GET", "/").try_send().map(|response| response.status);
    eventually("requests are served again", || status().is_ok_and(|status| status == 200).then_some(()));
}

/// A new supervisor knows of the children that were there before it: it keeps their sockets while they live.
#[test]
fn children_from_before_a_new_supervisor_are_served() {
    if Subject::skips("there is no supervisor") {
        return;
    }
    let server = server(Mode::Daemon)
        .directives("GracefulShutdownTimeout 20")
        .allow_log("supervisor")
        .allow_log("signal")
        .allow_log("WSGI0065")
        .start();
    pid(&server);
    // The supervisor's death must not reach this request: it is not at a daemon yet.
    let mut slow = server.connect();
    slow.send("POST /?sleep=0 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nX-Half: ");
    let before = supervisor(&server);
    kill(before.pid);
    eventually("requests are served again", || (server.get("/").status == 200).then_some(()));
    server.graceful();
    eventually("requests are served again", || (server.get("/").status == 200).then_some(()));
    let _ = slow.try_send(b"x\r\n\r\nbody");
    // httpd may have closed the connection at the graceful restart; what it still takes is served.
    if let Ok(response) = slow.try_response(false) {
        assert!(response.status == 200, "{}", response.status);
    }
}

/// Where more processes are due than can start at once, a request does not wait for those that nobody asks for.
#[test]
fn many_groups_start_where_requests_wait_first() {
    const GROUPS: usize = 20;
    if Subject::skips("all start at once") {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 4 {
        println!("not run: {cores} cores start as many at once");
        return;
    }
    let app = "import os, time\nwhile time.process_time() < 0.4: pass\n\
               with open(os.environ['FOLDER'] + '/order', 'a') as file: file.write(os.environ['NAME'] + '\\n')\n\
               def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n";
    let group = |number: usize| {
        format!(
            "WSGIDaemonProcess g{number:02} threads=1 env=FOLDER=@ROOT@/app/data env=NAME=g{number:02}\n\
             WSGIScriptAlias /g{number:02} @ROOT@/app/busy.wsgi process-group=g{number:02} application-group=%{{GLOBAL}}\n\
             WSGIImportScript @ROOT@/app/busy.wsgi process-group=g{number:02} application-group=%{{GLOBAL}}\n"
        )
    };
    let server = Httpd::builder()
        .file("busy.wsgi", app)
        .writable("data")
        .directives(&(0..GROUPS).map(group).collect::<String>())
        .start();
    assert_eq!(server.get(&format!("/g{:02}", GROUPS - 1)).ok().text(), "ok");
    let order = || std::fs::read_to_string(server.root().join("app/data/order")).unwrap_or_default();
    let last = format!("g{:02}", GROUPS - 1);
    let place = order().lines().position(|line| line == last).expect("it has answered");
    assert!(place < GROUPS * 3 / 4, "it was number {place}");
    let all = || (order().lines().count() == GROUPS).then_some(());
    wait_until(Duration::from_secs(60), all).expect("all start");
}
