//! A stop is bounded, whatever an application holds on to; and where there is nothing to wait for, it takes no time.

use integration::{Builder, Httpd, Mode, Mpm, Process, Subject, eventually, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// The path says what it holds on to, for a minute or for ever.
const APP: &str = r#"
import atexit, ctypes, os, threading, time

def loop():
    while True:
        pass

def gil():
    # PyDLL keeps the GIL, and a mutex that is locked twice is never had.
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(mutex)

def thread():
    threading.Thread(target=time.sleep, args=(60,)).start()

def handler():
    atexit.register(time.sleep, 60)

def application(environ, start_response):
    globals().get(environ["PATH_INFO"][1:], lambda: None)()
    start_response("200 OK", [("X-Pid", str(os.getpid())), ("Content-Length", "2")])
    return [b"ok"]
"#;

/// Paths, and whether their request ends.
const STUCK: [(&str, bool); 4] = [("/loop", false), ("/gil", false), ("/thread", true), ("/handler", true)];

/// shutdown-timeout is one second here, and what an application holds on to takes a minute; the rest is for a busy
/// machine.
const BOUND: Duration = Duration::from_secs(20);

/// Prefork's children end at once with their requests. Those of event and worker wait for them, and httpd kills them
/// after ten seconds; only then does it come to the daemons.
fn server(options: &str) -> Builder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .mpm(Mpm::Prefork)
        .app(APP)
        .daemon_options(&format!("threads=2 shutdown-timeout=1 graceful-timeout=1 {options}"))
        .allow_log("has ended as told, but not in order: ")
        .allow_log("did not end in time and was killed")
}

/// The process that answers.
fn daemon(server: &Httpd) -> Process {
    let response = server.request("GET", "/").header("Connection", "close").send().ok();
    let pid = response.header("X-Pid").expect("present").parse().expect("a number");
    Process::of(pid).expect("it has just answered")
}

/// Makes the application hold on to something; the connection of a request that does not end must live as long.
fn get_stuck(server: &Httpd, path: &str, ends: bool) -> Option<integration::Wire> {
    if ends {
        server.request("GET", path).header("Connection", "close").send().ok();
        return None;
    }
    let mut wire = server.connect();
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    std::thread::sleep(Duration::from_millis(500)); // it is in the application then
    Some(wire)
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it runs");
}

/// How long until all of them are gone.
fn time_of_end(begun: Instant, processes: impl IntoIterator<Item = Process>) -> Duration {
    for process in processes {
        wait_until(Duration::from_secs(30), || (!process.is_alive()).then_some(()));
    }
    begun.elapsed()
}

#[test]
fn stuck_applications_do_not_hold_a_stop_up() {
    for (path, ends) in STUCK {
        let server = server("").start();
        let daemon = daemon(&server);
        let connection = get_stuck(&server, path, ends);
        let all = server.processes();
        assert!(all.contains(&daemon));
        let begun = Instant::now();
        signal(server.pid(), Signal::SIGTERM); // what `httpd -k stop` sends
        let took = time_of_end(begun, all);
        assert!(took < BOUND, "{path}: {took:?}");
        drop(connection);
    }
}

#[test]
fn stuck_applications_do_not_hold_a_restart_up() {
    for (path, ends) in STUCK {
        let server = server("").start();
        let before = daemon(&server);
        let connection = get_stuck(&server, path, ends);
        let begun = Instant::now();
        server.restart();
        eventually("another process serves", || {
            let answer = server.request("GET", "/").header("Connection", "close").send();
            let pid = answer.header("X-Pid").and_then(|pid| pid.parse().ok()).unwrap_or(before.pid);
            (pid != before.pid).then_some(())
        });
        assert!(begun.elapsed() < BOUND, "{path}: it serves after {:?}", begun.elapsed());
        let took = time_of_end(begun, [before]);
        assert!(took < BOUND + Duration::from_secs(1), "{path}: {took:?}"); // and graceful-timeout
        drop(connection);
    }
}

#[test]
fn stuck_application_ends_soon_after_sigterm() {
    for (path, ends) in STUCK {
        let mut server = server("");
        if !ends {
            server = server.expect_log("WSGI014");
        }
        let server = server.allow_log("has died: ").mpm(Mpm::Event).start();
        let before = daemon(&server);
        let connection = get_stuck(&server, path, ends);
        let begun = Instant::now();
        signal(before.pid, Signal::SIGTERM);
        let took = time_of_end(begun, [before.clone()]);
        assert!(took < BOUND, "{path}: {took:?}");
        if let Some(mut connection) = connection {
            assert_eq!(connection.response(false).status, 502, "{path}");
        }
        assert_ne!(daemon(&server).pid, before.pid, "{path}");
    }
}

/// Idle ones, those that hold nothing, and zygotes.
#[test]
fn idle_application_stops_at_once() {
    let all = ["processes=3", "processes=3 shutdown-timeout=0", "processes=3 preload=on"];
    let options = if Subject::is_ours() { &all[..] } else { &all[..1] };
    for options in options {
        for mpm in [Mpm::Event, Mpm::Prefork] {
            let server = server(options).mpm(mpm).start();
            daemon(&server);
            let all = server.processes();
            let begun = Instant::now();
            signal(server.pid(), Signal::SIGTERM);
            let took = time_of_end(begun, all);
            assert!(took < Duration::from_secs(1), "{options}: {took:?}");
        }
    }
}

#[test]
fn idle_application_ends_at_once_after_sigterm() {
    let server = server("").start();
    let before = daemon(&server);
    let begun = Instant::now();
    signal(before.pid, Signal::SIGTERM);
    let took = time_of_end(begun, [before.clone()]);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_ne!(daemon(&server).pid, before.pid);
}
