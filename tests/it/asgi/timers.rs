//! Timers for requests of the event loop: WSGISlowRequests, and what becomes of a process whose loop does not come back.

use crate::asgi::applications::{REASON, server};
use crate::asgi::websocket::{FrameClient, TEXT};
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};

const STUCK: &str = "
import asyncio, ctypes, os, time

def block():
    print('here it is blocked', flush=True)
    time.sleep(60)

async def application(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    if scope['path'].endswith('/block'):
        block()
    if scope['path'].endswith('/keep'):
        print('here it is blocked', flush=True)
        while True:
            ctypes.PyDLL(None).sleep(60)
    if scope['path'].endswith('/later'):
        asyncio.get_running_loop().call_later(0.7, block)
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'%d' % os.getpid()})
";

const KEEPING: &str = "
import ctypes, os

def application(environ, start_response):
    if environ['QUERY_STRING'] == 'keep':
        print('here it has the GIL', flush=True)
        ctypes.PyDLL(None).sleep(4)
    start_response('200 OK', [])
    return [b'%d' % os.getpid()]
";

const OVERDUE: [&str; 3] = ["request-timeout: a request ran longer", "exit status 255", "Event loop:"];

/// Enough for the loop to read requests itself.
const MANY: usize = 40;

fn stuck(options: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .file("app.py", STUCK)
        .directives(
            "<VirtualHost *:@PORT@>\nServerName vhost.test\nErrorLog @ROOT@/logs/vhost.log\n\
             WSGIScriptAlias / @ROOT@/app/app.py\n</VirtualHost>",
        )
        .daemon_options(&format!("processes=1 threads=4 interface=asgi {options}"))
        .allow_log("WSGI0509")
        .allow_log("WSGI0313")
        .allow_log("aemon process")
        .allow_log("[wsgi:error]")
}

/// Lines of the virtual host's log that have all the parts.
fn lines(server: &Httpd, parts: &[&str]) -> usize {
    let log = server.log_of("vhost.log");
    log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

/// Blocks the loop: whoever waits for it is served by the next process, and the one that blocked it is told why.
fn is_given_up(server: &Httpd, path: &str, why: &[&str]) {
    let pid = server.get("/").ok().text();
    for _ in 0..MANY {
        server.get("/").ok();
    }
    let mut blocking = server.connect();
    blocking.send(format!("GET {path} HTTP/1.1\r\nHost: vhost.test\r\nConnection: close\r\n\r\n"));
    server.wait_for_log("here it is blocked");
    let mut waiting: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nHost: vhost.test\r\n\r\n");
    }
    for client in &mut waiting {
        assert_ne!(client.response(false).ok().text(), pid);
    }
    assert_eq!(blocking.response(false).status, 502);
    let why: Vec<&str> = why.iter().copied().chain(["in application", "[client 127.0.0.1"]).collect();
    eventually("the log says why", || (lines(server, &why) == 1).then_some(()));
}

#[test]
fn a_loop_that_is_over_its_time() {
    if Subject::skips(REASON) {
        return;
    }
    let server = stuck("request-timeout=2 graceful-timeout=1 shutdown-timeout=1").start();
    is_given_up(&server, "/block", &OVERDUE);
    assert_eq!(lines(&server, &["WSGI0313", "will be replaced", "in application"]), 1);
    assert_eq!(lines(&server, &["WSGI0509", "in application"]), 1);
}

#[test]
fn a_loop_that_never_comes_back() {
    if Subject::skips(REASON) {
        return;
    }
    let server = stuck("deadlock-timeout=2 shutdown-timeout=1").start();
    is_given_up(&server, "/block", &["deadlock-timeout", "exit status 255", "Event loop:"]);
}

/// The same if C code keeps the GIL meanwhile.
#[test]
fn a_loop_that_keeps_the_gil() {
    if Subject::skips(REASON) {
        return;
    }
    let server = stuck("request-timeout=2 graceful-timeout=1 shutdown-timeout=1").start();
    is_given_up(&server, "/keep", &OVERDUE);
}

/// A loop from which another thread keeps the GIL is not blamed for it.
#[test]
fn a_loop_that_waits_for_the_gil() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/wsgi", "other.py", KEEPING)
        .script("/", "app.py", include_str!("../../apps/asgi_socket.py"))
        // The one that has it may take four times as long.
        .daemon_options("processes=1 threads=30 request-timeout=2 graceful-timeout=1")
        .allow_log("here it has the GIL")
        .allow_log("closed by 1006")
        .start();
    let pid = server.get("/wsgi").ok().text();
    // A request of the loop that may take as long as it likes.
    let mut client = FrameClient::open(&server, "/echo");
    assert_eq!(server.get("/wsgi?keep").ok().text(), pid);
    client.send(TEXT, b"still here");
    client.expect(TEXT, b"still here");
    assert_eq!(server.get("/wsgi").ok().text(), pid);
}

/// A callback or a task of its own may block it: whoever comes then is served by the next process.
#[test]
fn a_loop_that_is_blocked_by_no_request() {
    if Subject::skips(REASON) {
        return;
    }
    for (options, is_looked_at) in [
        ("request-timeout=2 deadlock-timeout=0 graceful-timeout=1 shutdown-timeout=1", false),
        ("deadlock-timeout=3 shutdown-timeout=1", true),
    ] {
        let server = stuck(options).start();
        let pid = server.get("/").ok().text();
        assert_eq!(server.get("/later").ok().text(), pid);
        server.wait_for_log("here it is blocked");
        if is_looked_at {
            // Before anybody comes.
            server.wait_for_log("WSGI0509");
        }
        assert_ne!(server.get("/").ok().text(), pid, "{options}");
    }
}

const LONG_BODY: &str = "
import asyncio

LENGTH = 64 << 20

async def application(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    if scope['path'].endswith('/long'):
        # Later than it is slow.
        asyncio.get_running_loop().call_later(0.6, print, 'here it has been slow for long')
        await send({'type': 'http.response.start', 'status': 200})
        await send({'type': 'http.response.body', 'body': bytes(LENGTH)})
    else:
        await send({'type': 'http.response.start', 'status': 200})
        await send({'type': 'http.response.body', 'body': b'short'})
";

/// Also if nothing but the end of the response is left to be sent: the line comes before it, and the connection is used again.
#[test]
fn a_client_that_reads_late_makes_a_slow_request() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/", "app.py", LONG_BODY)
        .directives("WSGISlowRequests 0.3")
        .allow_log("[wsgi:error]")
        .expect_log("WSGI0312")
        .start();
    server.get("/").ok();
    // On a busy machine that was slow, too.
    let before = server.error_log().matches("WSGI0312").count();
    let mut late = server.connect();
    late.send("GET /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    server.wait_for_log("here it has been slow for long");
    assert_eq!(late.response(false).ok().body.len(), 64 << 20);
    let log = server.error_log();
    let reports: Vec<_> = log.lines().filter(|line| line.contains("WSGI0312")).skip(before).collect();
    assert!(reports.len() == 1 && reports[0].contains("[client 127.0.0.1"), "{reports:#?}");
    (0..20).for_each(|_| assert_eq!(server.get("/").ok().text(), "short"));
}

#[test]
fn slow_requests_are_reported_once() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().directives("WSGISlowRequests 0.3").expect_log("WSGI0312").start();
    let mut slow = server.connect();
    slow.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    server.wait_for_log("WSGI0312");
    std::thread::sleep(std::time::Duration::from_millis(500));
    server.write("released", "");
    assert_eq!(slow.response(false).text(), "firstlast");
    server.get("/count").ok();
    let log = server.error_log();
    let reports: Vec<_> = log.lines().filter(|line| line.contains("WSGI0312")).collect();
    assert_eq!(reports.len(), 1, "{reports:#?}");
    for part in ["longer than WSGISlowRequests", "in stream |", "in wait_for", "[client 127.0.0.1"] {
        assert!(reports[0].contains(part), "{part:?} is not in {}", reports[0]);
    }
}
