//! Timers and counters that replace a process: with a real Python and short times, and always the successor first.

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually, signal};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

const APP: &str = include_str!("../../apps/process.py");

fn server(options: &str) -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options(options)
}

fn pid(server: &Httpd) -> i64 {
    server.get("/").ok().json()["pid"].as_i64().expect("a number")
}

/// Keeps asking until another process than `first` answers; every request is answered 200.
fn replaced_while_asked(server: &Httpd, first: i64) {
    eventually("another process answers", || (pid(server) != first).then_some(()));
}

#[test]
fn restart_interval_replaces_without_a_failed_request() {
    let server = server("threads=2 restart-interval=2").start();
    let start = Instant::now();
    let first = pid(&server);
    replaced_while_asked(&server, first);
    assert!(start.elapsed() >= Duration::from_millis(900), "not before its time");
}

/// `wsgi.run_once` is true then, and has to be.
#[test]
fn one_request_in_the_life_of_a_process() {
    let server = server("threads=1 maximum-requests=1").start();
    let pids: Vec<i64> = (0..5).map(|_| pid(&server)).collect();
    let distinct: std::collections::BTreeSet<_> = pids.iter().collect();
    assert_eq!(distinct.len(), pids.len(), "{pids:?}");
}

#[test]
fn inactivity_replaces_an_idle_process() {
    let server = server("threads=2 inactivity-timeout=1").start();
    let first = pid(&server);
    let is_gone = || !std::path::Path::new(&format!("/proc/{first}")).exists();
    eventually("the idle process ends", || is_gone().then_some(()));
    assert_ne!(pid(&server), first);
}

#[test]
fn eviction_lets_a_request_end_within_its_window() {
    let server = server("threads=2 eviction-timeout=10 graceful-timeout=1").start();
    let first = pid(&server);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| server.get("/?sleep=3"));
        server.wait_for_log("here it sleeps");
        signal(first as i32, Signal::SIGUSR1);
        let response = long.join().expect("no panic");
        assert_eq!(response.json()["pid"], first, "graceful-timeout would have cut it");
    });
    assert_ne!(pid(&server), first);
}

#[test]
fn maximum_rss_replaces_a_process_that_has_grown() {
    if Subject::skips("there is no such option") {
        return;
    }
    let app = "import os\nkept = []\ndef application(environ, start_response):\n    \
               if environ['QUERY_STRING']: kept.append(os.urandom(1 << 20) * 150)\n    \
               start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n";
    let server =
        Httpd::builder().mode(Mode::Daemon).app(app).daemon_options("threads=2 maximum-rss=100M").start();
    let ask = |path: &str| server.get(path).ok().text();
    let first = ask("/");
    for _ in 0..20 {
        assert_eq!(ask("/"), first, "small enough");
    }
    assert_eq!(ask("/?grow"), first);
    eventually("it is replaced", || (ask("/") != first).then_some(()));
    server.wait_for_log("maximum_rss");
}
