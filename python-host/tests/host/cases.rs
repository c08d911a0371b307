//! Daemons of every Python.

use crate::process::{RunningDaemon, ScriptFolder, launch};
use crate::pythons;
use crate::wire::GetRequest;

const HELLO: &str = "
def application(environ, start_response):
    body = b'Hello, world!\\n'
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
";

#[test]
fn says_hello() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("hello-{}", python.minor));
        let script = folder.write("hello.wsgi", HELLO);
        let daemon = RunningDaemon::serving(&python, &launch());
        let mut connection = daemon.connect();
        let answer = connection.run(&GetRequest::new(&script)).ok();
        assert_eq!(answer.text(), "Hello, world!\n");
        let answer = connection.run(&GetRequest::new(&script)).ok();
        assert_eq!(answer.reads, 1, "head, body and end leave in one write");
        drop(connection);
        let (status, log) = daemon.stop();
        assert_eq!(status, 0, "{python:?}: {log}");
    }
}

/// Resident memory of a process, KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

const BUSY: &str = "
import sys
kept = []
def application(environ, start_response):
    environ['wsgi.errors'].flush()
    data = environ['wsgi.input'].read()
    for line in environ['wsgi.input']: pass
    if environ['QUERY_STRING'] == 'raise': raise ValueError(environ)
    write = start_response('200 OK', [('X-A', 'b')])
    kept[:] = [environ, write]
    if environ['QUERY_STRING'] == 'generator': return (data for _ in range(2))
    return [data, b'more']
";

/// Thousands of requests of every sort leave nothing behind.
#[test]
fn memory_does_not_grow() {
    let rounds: u32 = std::env::var("WSGI_TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1500);
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("memory-{}", python.minor));
        let (hello, busy) = (folder.write("hello.wsgi", HELLO), folder.write("busy.wsgi", BUSY));
        let mut launch = launch();
        launch.log_level = 2;
        let daemon = RunningDaemon::serving(&python, &launch);
        let mut connection = daemon.connect();
        let mut round = |times: u32| {
            for _ in 0..times {
                connection.run(&GetRequest::new(&hello)).ok();
                connection.run(&GetRequest::new(&busy).body(b"some\nlines\n")).ok();
                connection
                    .run(&GetRequest::new(&busy).body(b"more").group("sub").pair("QUERY_STRING", "generator"))
                    .ok();
                let mut get = GetRequest::new(&busy).pair("QUERY_STRING", "raise");
                get.head.log_level = 2;
                connection.run(&get);
            }
        };
        round(rounds);
        let before = resident(daemon.pid());
        round(rounds);
        let after = resident(daemon.pid());
        assert!(after < before + 256, "{python:?}: {before} KiB, then {after} KiB");
        drop(connection);
        assert_eq!(daemon.stop().0, 0);
    }
}

const CROWDED: &str = "
import threading, time
count = 0
lock = threading.Lock()
def application(environ, start_response):
    global count
    with lock: count += 1
    data = environ['wsgi.input'].read()
    print('said by', environ['mod_wsgi.request_id'], end='')
    if count % 5 == 0: time.sleep(0.001)
    threading.Thread(target=environ['wsgi.errors'].flush).start()
    start_response('200 OK', [])
    yield data
    yield environ['mod_wsgi.request_id'].encode()
";

/// Many threads, several interpreters, threads of the application that use a request from outside.
#[test]
fn a_crowd_is_served() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("crowd-{}", python.minor));
        let script = folder.write("app.wsgi", CROWDED);
        let mut launch = launch();
        launch.threads = 4;
        let daemon = RunningDaemon::serving(&python, &launch);
        std::thread::scope(|scope| {
            for client in 0..8 {
                let (daemon, script) = (&daemon, &script);
                scope.spawn(move || {
                    let mut connection = daemon.connect();
                    for number in 0..100 {
                        let id = format!("{client}-{number}");
                        let mut get = GetRequest::new(script).body(b"data ").pair("mod_wsgi.request_id", &id);
                        get.head.request_id = id.as_bytes();
                        get.head.application_group = [&b""[..], b"one", b"two"][(client + number) % 3];
                        let answer = connection.run(&get).ok();
                        assert_eq!(answer.text(), format!("data {id}"));
                        let said = answer.logs.iter().filter(|(level, _)| *level == 3);
                        let said: Vec<_> = said.map(|(_, text)| text.rsplit("said by ").next()).collect();
                        assert_eq!(said, [Some(id.as_str())]);
                    }
                });
            }
        });
        let (status, log) = daemon.stop();
        assert_eq!(status, 0, "{python:?}: {log}");
    }
}
