//! A stop is bounded, whatever an application holds on to; and where there is nothing to wait for, it takes no time.

use integration::{Httpd, HttpdBuilder, Mode, Mpm, SeenProcess, Subject, eventually, signal, wait_until};
use nix::sys::signal::Signal;
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
    path = environ["PATH_INFO"]
    if path in ("/loop", "/gil"):
        print("here it sleeps", file=environ["wsgi.errors"], flush=True)
    globals().get(path[1:], lambda: None)()
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
fn server(options: &str) -> HttpdBuilder {
    with_app(APP)
        .mpm(Mpm::Prefork)
        .daemon_options(&format!("threads=2 shutdown-timeout=1 graceful-timeout=1 {options}"))
        .allow_log("has ended as told, but not in order: ")
        .allow_log("did not end in time and was killed")
}

fn with_app(source: &str) -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).app(source)
}

/// The process that answers.
fn daemon(server: &Httpd) -> SeenProcess {
    let response = server.request("GET", "/").header("Connection", "close").send().ok();
    let pid = response.header("X-Pid").expect("present").parse().expect("a number");
    SeenProcess::of(pid).expect("it has just answered")
}

/// Time for a busy machine; each timeout of [`idle`] is a minute.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A server whose processes have time to end, and need none.
fn idle(options: &str) -> HttpdBuilder {
    with_app(APP).daemon_options(&format!("threads=2 shutdown-timeout=60 graceful-timeout=60 {options}"))
}

/// Makes the application hold on to something; the connection of a request that does not end must live as long.
fn get_stuck(server: &Httpd, path: &str, ends: bool) -> Option<integration::WireConnection> {
    if ends {
        server.request("GET", path).header("Connection", "close").send().ok();
        return None;
    }
    let mut wire = server.connect();
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    server.wait_for_log("here it sleeps");
    Some(wire)
}

/// How long until all of them are gone.
fn time_of_end(begun: Instant, processes: impl IntoIterator<Item = SeenProcess>) -> Duration {
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
            let server = idle(options).mpm(mpm).start();
            daemon(&server);
            let all = server.processes();
            let begun = Instant::now();
            signal(server.pid(), Signal::SIGTERM);
            let took = time_of_end(begun, all);
            assert!(took < AT_ONCE, "{options}: {took:?}");
        }
    }
}

#[test]
fn idle_application_ends_at_once_after_sigterm() {
    let server = idle("").mpm(Mpm::Prefork).start();
    let before = daemon(&server);
    let begun = Instant::now();
    signal(before.pid, Signal::SIGTERM);
    let took = time_of_end(begun, [before.clone()]);
    assert!(took < AT_ONCE, "{took:?}");
    assert_ne!(daemon(&server).pid, before.pid);
}

/// Who waits for httpd's parent finds nothing left, and every daemon has ended in order: as process 1 of a container and
/// under systemd's KillMode=mixed whatever is left is killed then.
#[test]
fn parent_ends_last() {
    const LAST_WORDS: &str = r#"
import atexit, os, sys, time
def last_words():
    time.sleep(0.3)
    open(os.path.join(os.path.dirname(__file__), "last", str(os.getpid())), "w").close()
atexit.register(last_words)
def application(environ, start_response):
    start_response("200 OK", [("X-Pid", str(os.getpid())), ("Content-Length", "2")])
    return [b"ok"]
"#;
    for (mpm, sent) in [
        (Mpm::Event, Signal::SIGTERM),
        (Mpm::Event, Signal::SIGWINCH),
        (Mpm::Worker, Signal::SIGTERM),
        (Mpm::Prefork, Signal::SIGTERM),
    ] {
        let server = with_app(LAST_WORDS).writable("last").mpm(mpm).start();
        let daemon = daemon(&server);
        let all = server.processes();
        signal(server.pid(), sent);
        let parent = all.iter().find(|process| process.pid == server.pid()).expect("it runs");
        eventually("the parent ends", || (!parent.is_alive()).then_some(()));
        let left: Vec<_> = all.iter().filter(|process| process.is_alive()).collect();
        assert!(left.is_empty(), "{sent}: {left:?}");
        assert!(server.root().join(format!("app/last/{}", daemon.pid)).exists(), "{sent}: exit handlers ran");
    }
}

/// Who asks a second time does not want to wait.
#[test]
fn second_sigterm_ends_at_once() {
    if Subject::skips("it waits for its three seconds") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .mpm(Mpm::Prefork)
        .app(APP)
        .daemon_options("threads=2 shutdown-timeout=60")
        .allow_log("did not end in time and was killed")
        .start();
    get_stuck(&server, "/handler", true);
    let all = server.processes();
    let parent = all.iter().find(|process| process.pid == server.pid()).expect("it runs");
    signal(parent.pid, Signal::SIGTERM);
    server.wait_for_log("caught SIGTERM, shutting down");
    // It waits from here on; a signal that comes before it does is the first one.
    let stuck = wait_until(Duration::from_millis(500), || (!parent.is_alive()).then_some(()));
    assert!(stuck.is_none(), "it waits for the exit handler");
    let begun = Instant::now();
    signal(parent.pid, Signal::SIGTERM);
    let took = time_of_end(begun, all);
    assert!(took < AT_ONCE, "{took:?}");
}

/// httpd as process 1 of a container: with its end the kernel kills whatever is left.
#[test]
fn process_one_of_a_container_ends_last() {
    const LAST_WORDS: &str = "import atexit, os, time\n\
        def last_words():\n    time.sleep(0.3)\n    open(os.path.dirname(__file__) + '/last/words', 'w').close()\n\
        atexit.register(last_words)\n\
        def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n";
    let server = with_app(LAST_WORDS).mpm(Mpm::Event).writable("last").start();
    server.get("/").ok();
    let words = server.root().join("app/last/words");
    let all = server.processes();
    signal(server.pid(), Signal::SIGTERM);
    time_of_end(Instant::now(), all);
    std::fs::remove_file(&words).expect("exit handlers ran");
    let Some(mut container) = server.start_in_container() else {
        println!("not run: no namespaces of processes can be made here");
        return;
    };
    server.get("/").ok();
    assert!(container.end().success(), "it ends in order");
    assert!(words.exists(), "exit handlers ran");
}
