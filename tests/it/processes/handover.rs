//! Handing over to a daemon, and the protocols in front of it (spec/behaviour.md §4.6, §4.12 and §9.2).

use crate::asking::{ENVIRON, EnvironAnswer, head, load, raw};
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, Response, Subject, eventually};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::scope;

const HELLO: &str = "def app(environ, start_response): return answer(start_response, 'hello')";

fn sleeping(seconds: f64) -> String {
    format!(
        "import time\ndef app(environ, s):\n    print('here it sleeps', file=environ['wsgi.errors'], flush=True)\n    \
         time.sleep({seconds})\n    return answer(s, 'woke')"
    )
}

/// §4.12 3: judged when a thread is free at last: 504, and one line.
#[test]
fn queue_timeout_is_504() {
    let server =
        server(Mode::Daemon).daemon_options("threads=1 queue-timeout=1").expect_log("WSGI0084").start();
    server.run(HELLO).ok();
    scope(|scope| {
        let first = scope.spawn(|| server.run(&sleeping(2.5)));
        server.wait_for_log("here it sleeps");
        assert_eq!(server.run(HELLO).status, 504);
        assert_eq!(first.join().expect("no panic").ok().text(), "woke");
    });
    assert_eq!(server.run(HELLO).ok().text(), "hello");
    server.logged("WSGI0084", 1);
}

/// It acts while a request waits, too, and not only when a thread is free at last.
#[test]
fn queue_timeout_acts_in_the_queue() {
    if Subject::skips("judged only when a thread is free") {
        return;
    }
    let server = server(Mode::Daemon)
        .daemon_options("threads=1 queue-timeout=1")
        .expect_log("WSGI0084")
        .allow_log("IT RUNS")
        .start();
    server.run(HELLO).ok();
    let waiting = "def app(environ, start_response):
    print('IT RUNS')
    return answer(start_response, released(environ, b'woke').decode())";
    scope(|scope| {
        let first = scope.spawn(|| server.run(waiting));
        server.wait_for_log("IT RUNS");
        assert_eq!(server.run(HELLO).status, 504);
        server.release();
        assert_eq!(first.join().expect("no panic").ok().text(), "woke");
    });
    assert_eq!(server.run(HELLO).ok().text(), "hello");
    server.logged("WSGI0084", 1);
}

/// §4.12 2: the listen queue stays full for connect-timeout: 503; those in the queue are served.
#[test]
fn connect_timeout_is_503() {
    let server = server(Mode::Daemon)
        .daemon_options("threads=1 listen-backlog=1 connect-timeout=1")
        .expect_log("WSGI0116")
        .start();
    server.run(HELLO).ok();
    let code = sleeping(1.5);
    let mut statuses: Vec<u16> = scope(|scope| {
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(|| server.run(&code).status)).collect();
        requests.into_iter().map(|request| request.join().expect("no panic")).collect()
    });
    statuses.sort_unstable();
    assert!(statuses.first() == Some(&200) && statuses.last() == Some(&503), "{statuses:?}");
    statuses.dedup();
    assert_eq!(statuses, [200, 503]);
    assert_eq!(server.run(HELLO).ok().text(), "hello");
}

/// §4.6: a client that does not read is given up after response-socket-timeout, and the application's thread is free.
#[test]
fn client_that_does_not_read_is_given_up() {
    let server = server(Mode::Daemon)
        .daemon_options("threads=1 response-socket-timeout=1")
        .allow_log("WSGI0118")
        .allow_log("WSGI0120")
        .start();
    let code = "def app(environ, start_response):
    start_response('200 OK', [])
    return (b'x' * 65536 for _ in range(2000))";
    let mut wire = server.connect();
    wire.send(head("GET", "", code));
    wire.head().expect("a head");
    assert_eq!(server.run(HELLO).ok().text(), "hello");
}

/// §4.6: with response-flush-delay=0 and by default, a block that is followed by a pause arrives before the pause ends.
#[test]
fn flush_delay() {
    for delay in ["response-flush-delay=0", "response-flush-delay=50", "response-buffer-size=65536"] {
        let server = server(Mode::Daemon).daemon_options(&format!("threads=2 {delay}")).start();
        let code = "def app(environ, start_response):
    start_response('200 OK', [('Content-Length', '6')])
    yield b'one'
    yield released(environ, b'two')";
        let mut wire = server.connect();
        wire.send(head("GET", "", code));
        wire.head().expect("a head");
        assert_eq!(wire.exactly(3).expect("the first block"), b"one");
        server.release();
        assert_eq!(wire.exactly(3).expect("the second block"), b"two");
    }
}

/// §9.3: a process told to end by SIGTERM finishes what it runs, and is replaced.
#[test]
fn signalled_process_finishes_and_is_replaced() {
    let server = server(Mode::Daemon).start();
    let code = "import os, signal, time
def app(environ, start_response):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.5)
    return answer(start_response, str(os.getpid()))";
    let pid = server.run(code).ok().text();
    eventually("another process", || {
        let now = server.evaluate("", &["__import__('os').getpid()"]).remove(0);
        (now != pid).then_some(())
    });
}

/// §4.12, on a second `Listen` that names a port only: its host is empty.
fn bare_listen(mode: Mode) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("loopback").port();
    let server = Httpd::builder().mode(mode).app(ENVIRON).directives(&format!("Listen {port}")).start();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("httpd listens");
    stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("httpd reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text");
    let (_, body) = text.split_once("\r\n\r\n").expect("a head");
    let response =
        Response { status: 200, reason: String::new(), headers: Vec::new(), body: body.as_bytes().to_vec() };
    let port = port.to_string();
    let rows = [("mod_wsgi.listener_host", Some("")), ("mod_wsgi.listener_port", Some(port.as_str()))];
    EnvironAnswer::of(&response).check(&rows);
    let own = server.port().to_string();
    EnvironAnswer::of(&server.get("/")).check(&[
        ("mod_wsgi.listener_host", Some("127.0.0.1")),
        ("mod_wsgi.listener_port", Some(own.as_str())),
    ]);
}

/// §2.3: trailers of a request over HTTP/2 are not part of the body, nor of the environ.
fn http2_trailers(mode: Mode) {
    if !Command::new("nghttp").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return;
    }
    let server = Httpd::builder()
        .mode(mode)
        .app(ENVIRON)
        .directives(&load(&["http2"]))
        .directives("Protocols h2c http/1.1\nWSGIChunkedRequest On")
        .file("upload.txt", "the body")
        .start();
    let output = Command::new("nghttp")
        .args(["--trailer", "x-trailer: late", "-d"])
        .arg(server.root().join("app/upload.txt"))
        .arg(format!("http://127.0.0.1:{}/", server.port()))
        .output()
        .expect("nghttp");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let response = Response { status: 200, reason: String::new(), headers: Vec::new(), body: output.stdout };
    let seen = EnvironAnswer::of(&response);
    assert_eq!(seen.body(), "the body", "{text}");
    seen.check(&[("HTTP_X_TRAILER", None), ("REQUEST_METHOD", Some("POST"))]);
}

/// mod_headers in front: what it sets, edits and removes on the way in and out.
fn header_rules(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .app(ENVIRON)
        .directives(
            "RequestHeader set X-Set by-httpd\nRequestHeader unset X-Gone\nRequestHeader append X-List two\n\
             RequestHeader edit X-Edit a+ b\nHeader set X-Out \"%{REQUEST_SCHEME}e\"\nHeader unset Content-Length\n\
             Header add X-Two 1\nHeader add X-Two 2",
        )
        .start();
    let request = server.request("GET", "/").header("X-Gone", "1").header("X-List", "one");
    let response = request.header("X-Edit", "aaa").header("X-Set", "by-client").send();
    EnvironAnswer::of(&response).check(&[
        ("HTTP_X_SET", Some("by-httpd")),
        ("HTTP_X_GONE", None),
        ("HTTP_X_LIST", Some("one, two")),
        ("HTTP_X_EDIT", Some("b")),
    ]);
    assert_eq!(response.all("X-Two"), ["1", "2"]);
}

/// §4.9: an application may raise RequestTimeout itself.
fn request_timeout(mode: Mode) {
    let server = server(mode).directives("ErrorDocument 504 /custom").start();
    let response = raw(&server, "GET", "import mod_wsgi\ndef app(e, s): raise mod_wsgi.RequestTimeout()");
    assert_eq!(
        (response.status, response.reason.as_str(), response.text().as_str()),
        (504, "Gateway Timeout", "")
    );
    server.wait_for_log("Request interrupted by RequestTimeout; thread recovered.");
    let code = "import mod_wsgi
def app(environ, start_response):
    start_response('200 OK', [])
    yield b'part'
    raise mod_wsgi.RequestTimeout()";
    let _ = server.snippet(code).try_send(); // truncated, visibly so only with ours
    server.wait_for_log("Request interrupted by RequestTimeout after headers sent; response truncated.");
    assert!(!server.error_log().contains("WSGI0174"));
    let bases = server.evaluate("", &["__import__('mod_wsgi').RequestTimeout.__bases__"]);
    assert_eq!(bases, ["(<class 'BaseException'>,)"]);
}

in_both_modes!(bare_listen, header_rules, http2_trailers, request_timeout,);

/// §9.1: a group that does not exist, one that is not in the list, and embedded mode where it is forbidden.
#[test]
fn groups_that_may_not_be_used() {
    let location = |path: &str, lines: &str| format!("<Location {path}>\n{lines}\n</Location>\n");
    let server = server(Mode::Daemon)
        .directives(&location("/unknown", "WSGIProcessGroup nowhere"))
        .directives(&location("/restricted", "WSGIRestrictProcess other"))
        .directives(&location("/embedded", "WSGIProcessGroup %{GLOBAL}"))
        .expect_log("WSGI0149")
        .expect_log("WSGI0143")
        .allow_log("no WSGIDaemonProcess nowhere is defined")
        .allow_log("WSGI015")
        .start();
    for path in ["/unknown", "/restricted", "/embedded"] {
        assert_eq!(server.get(path).status, 500, "{path}");
    }
}

/// §9.2: a header line over the limit of the group.
#[test]
fn header_line_over_the_limit() {
    let server = server(Mode::Daemon)
        .daemon_options("threads=2 header-buffer-size=8192")
        .expect_log("WSGI0144")
        .allow_log("[wsgi:error]")
        .start();
    let code = |length: u32| {
        format!("def app(e, s):\n    s('200 OK', [('X-Long', 'x' * {length})])\n    return [b'x']")
    };
    assert_eq!(server.run(&code(8000)).status, 200);
    assert_eq!(server.run(&code(9000)).status, 500);
    assert_eq!(server.run(&code(10)).status, 200);
}

/// §4.6, §9.2: nothing within socket-timeout is 504; the application keeps running.
#[test]
fn slow_application_is_504() {
    let server =
        server(Mode::Daemon).daemon_options("threads=2 socket-timeout=1").expect_log("WSGI0145").start();
    let code = "import time
def app(e, s):
    time.sleep(2)
    kept['finished'] = True
    return answer(s, 'late')";
    assert_eq!(server.run(code).status, 504);
    integration::eventually("the application finishes", || {
        (server.evaluate("", &["kept.get('finished')"]) == ["True"]).then_some(())
    });
}
