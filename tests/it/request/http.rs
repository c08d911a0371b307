//! HTTP/1.x clients of every kind, and httpd's own modules between them and the application (spec/behaviour.md).

use crate::asking::{ENVIRON, EnvironAnswer, environ_server, get_with, head, rest};
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, Subject, eventually};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

const HELLO: &str = "def app(environ, start_response): return answer(start_response, 'hello')";
const UNSIZED: &str = "def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return iter([b'one ', b'two'])";

/// §4.5: HTTP/1.0: ended by the close, or kept alive when there is a length.
fn http_1_0(mode: Mode) {
    let server = server(mode).start();
    let old = |code: &str, headers: &str| head("GET", headers, code).replace("HTTP/1.1", "HTTP/1.0");
    let mut wire = server.connect();
    wire.send(old(UNSIZED, "Connection: keep-alive\r\n"));
    let (text, _) = rest(&mut wire);
    assert!(text.ends_with("\r\n\r\none two") && !text.contains("Transfer-Encoding"), "{text}");
    let mut wire = server.connect();
    for _ in 0..3 {
        wire.send(old(HELLO, "Connection: keep-alive\r\n"));
        assert_eq!(wire.response(false).text(), "hello");
    }
}

/// §4.5: one connection, all framings in turn, and uploads between them.
fn keep_alive_with_every_framing(mode: Mode) {
    let server = server(mode).directives("WSGIChunkedRequest On").start();
    let echo = "def app(environ, start_response): return answer(start_response, input.read().decode())";
    let empty = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []";
    let mut wire = server.connect();
    for round in 0..5 {
        wire.send(head("GET", "", UNSIZED));
        assert_eq!(wire.response(false).text(), "one two");
        wire.send(head("POST", "Content-Length: 5\r\n", echo)).send(format!("body{round}"));
        assert_eq!(wire.response(false).text(), format!("body{round}"));
        wire.send(head("HEAD", "", HELLO));
        assert_eq!(wire.response(true).header("Content-Length"), Some("5"));
        wire.send(head("PUT", "Transfer-Encoding: chunked\r\n", echo))
            .send("4\r\nchun\r\n3\r\nked\r\n0\r\n\r\n");
        assert_eq!(wire.response(false).text(), "chunked");
        wire.send(head("GET", "", empty));
        assert_eq!(wire.response(false).text(), "");
    }
}

/// Pipelined uploads: each application gets its own body.
fn pipelined_uploads(mode: Mode) {
    let server = environ_server(mode).start();
    let request = |number: u32| {
        let body = format!("{number}").repeat(1000);
        format!("POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut wire = server.connect();
    wire.send((0..8).map(request).collect::<String>());
    for number in 0..8 {
        let seen = EnvironAnswer::of(&wire.response(false));
        seen.check(&[("PATH_INFO", Some(&format!("/{number}")))]);
        assert_eq!(seen.body(), format!("{number}").repeat(1000));
    }
}

/// The bytes of a request arrive one by one.
fn slow_writer(mode: Mode) {
    let server = environ_server(mode).start();
    let mut wire = server.connect();
    for byte in b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789" {
        wire.send([*byte]);
        sleep(Duration::from_millis(2));
    }
    assert_eq!(EnvironAnswer::of(&wire.response(false)).body(), "0123456789");
}

/// A client that reads slowly gets everything, and holds up nobody else.
fn slow_reader(mode: Mode) {
    let server = server(mode).start();
    let code = "def app(environ, start_response):
    start_response('200 OK', [('Content-Length', str(200 * 65536))])
    return (bytes([n]) * 65536 for n in range(200))";
    let mut wire = server.connect();
    wire.send(head("GET", "", code));
    wire.head().expect("a head");
    for number in 0..200_u32 {
        let block = wire.exactly(65536).expect("a block");
        assert!(block.iter().all(|byte| u32::from(*byte) == number), "block {number}");
        if number % 20 == 0 {
            let asked = Instant::now();
            assert_eq!(server.run(HELLO).ok().text(), "hello");
            assert!(asked.elapsed() < Duration::from_secs(20), "somebody else waited");
        }
    }
}

/// Full duplex with more in both directions than any buffer holds.
fn full_duplex(mode: Mode) {
    if mode == Mode::Daemon
        && Subject::skips("a daemon's response waits for the end of the upload, and both stall")
    {
        return;
    }
    let server = server(mode).start();
    let code = "def app(environ, start_response):
    start_response('200 OK', [('Content-Length', environ['CONTENT_LENGTH'])])
    while data := input.read(30000): yield data";
    let total = 8 * 1024 * 1024;
    let body: Vec<u8> = (0..total).map(|n: usize| (n % 253) as u8).collect();
    let mut wire = server.connect();
    wire.send(head("POST", &format!("Content-Length: {total}\r\n"), code));
    let mut sender = wire.sender();
    scope(|scope| {
        scope.spawn(|| sender.send(&body));
        wire.head().expect("a head");
        assert!(wire.exactly(total).expect("all of it") == body, "another body came back");
    });
}

/// Clients that leave in the middle of an upload or a download, many at once: neighbours notice nothing.
fn aborting_clients(mode: Mode) {
    let server = server(mode).allow_python_errors().start();
    let upload = "def app(environ, start_response): return answer(start_response, str(len(input.read())))";
    let download = "def app(environ, start_response):
    start_response('200 OK', [])
    return (b'x' * 65536 for _ in range(10000))";
    for round in 0..10 {
        let mut up = server.connect();
        up.send(head("POST", "Content-Length: 1000000\r\n", upload)).send(vec![b'x'; 30_000]);
        let mut down = server.connect();
        down.send(head("GET", "", download));
        down.exactly(70_000 * (round % 3 + 1)).expect("the beginning");
        drop((up, down));
        assert_eq!(server.run(HELLO).ok().text(), "hello");
    }
    eventually("all threads are free again", || {
        let asked = Instant::now();
        server.run(HELLO).ok();
        (asked.elapsed() < Duration::from_millis(500)).then_some(())
    });
}

/// mod_deflate: compressed, flushed block by block, and without the length of the uncompressed body.
fn deflate(mode: Mode) {
    let server = server(mode).directives("<Location />\nSetOutputFilter DEFLATE\n</Location>").start();
    let code = "def app(environ, start_response):
    data = b'abc' * 10000
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(data)))])
    return [data]";
    let response = server.snippet(code).header("Accept-Encoding", "gzip").send().ok();
    assert_eq!(response.header("Content-Encoding"), Some("gzip"));
    assert!(
        response.body.starts_with(&[0x1f, 0x8b]) && response.body.len() < 1000,
        "{}",
        response.body.len()
    );
    assert_eq!(server.run(code).ok().body.len(), 30000);
    let slow = "def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield b'now'
    yield released(environ, b'later')";
    let mut wire = server.connect();
    wire.send(head("GET", "Accept-Encoding: gzip\r\nConnection: close\r\n", slow));
    wire.head().expect("a head");
    // As much is only there when the first block has left the filter, and the second cannot have come.
    wire.exactly(15).expect("the gzip head and the first block");
    assert!(!server.root().join("app/released").exists());
    server.release();
    // A child of event's that is told to stop frees its pools while a thread may still send.
    wire.read_to_end();
}

/// mod_rewrite ([E], [PT], [H]) and mod_headers, in both directions.
fn rewriting(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .directives(
            "RewriteEngine On\nRewriteRule ^/old/(.*) /app/new/$1 [PT,E=WAS:$1]\n\
             RewriteRule ^/handled/(.*) @ROOT@/app/app.wsgi [H=wsgi-script,L]\n\
             <Directory @ROOT@/app>\nOptions ExecCGI\n</Directory>\n\
             RequestHeader set X-Added by-httpd early\nHeader always set X-Out yes\nHeader edit Content-Type json odd",
        )
        .script("/app", "app.wsgi", ENVIRON)
        .start();
    let response = server.get("/old/a?q=1");
    assert_eq!(
        (response.header("X-Out"), response.header("Content-Type")),
        (Some("yes"), Some("application/odd"))
    );
    EnvironAnswer::of(&response).check(&[
        ("WAS", Some("a")),
        ("SCRIPT_NAME", Some("/app")),
        ("PATH_INFO", Some("/new/a")),
        ("QUERY_STRING", Some("q=1")),
        ("REQUEST_URI", Some("/old/a?q=1")),
        ("HTTP_X_ADDED", Some("by-httpd")),
    ]);
    EnvironAnswer::of(&server.get("/handled/x")).check(&[
        ("mod_wsgi.request_handler", Some("wsgi-script")),
        ("SCRIPT_FILENAME", Some(&format!("{}/app/app.wsgi", server.root().display()))),
    ]);
}

/// §4.14: the application as ErrorDocument: GET, with httpd's REDIRECT_ variables, and its own status counts.
fn error_document(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .directives("ErrorDocument 404 /app/missing?x=1")
        .script("/app", "app.wsgi", ENVIRON)
        .start();
    EnvironAnswer::of(&server.request("POST", "/nowhere?y").body("abc").send()).check(&[
        ("REQUEST_METHOD", Some("GET")),
        ("PATH_INFO", Some("/missing")),
        ("QUERY_STRING", Some("x=1")),
        ("REQUEST_URI", Some("/nowhere?y")),
        ("REDIRECT_STATUS", Some("404")),
        ("REDIRECT_URL", Some("/nowhere")),
        ("REDIRECT_QUERY_STRING", Some("y")),
        ("CONTENT_LENGTH", Some("3")),
    ]);
    assert_eq!(server.request("HEAD", "/nowhere").send().text(), "");
}

/// §4.10: only a daemon's statuses are replaced; what a 401 needs survives.
fn error_override(mode: Mode) {
    let server = server(mode).directives("WSGIErrorOverride On\nErrorDocument 404 \"ours\"").start();
    let answer = |status: &str| {
        let code = format!(
            "def app(environ, start_response):\n    start_response('{status}', [('WWW-Authenticate', 'Basic'), \
             ('X-Mine', '1'), ('Content-Length', '4')])\n    return [b'mine']"
        );
        let response = crate::asking::raw(&server, "GET", &code);
        (response.status, response.reason.clone(), response.header("X-Mine").is_some(), response)
    };
    let (status, reason, mine, response) = answer("404 Odd");
    if mode == Mode::Daemon {
        assert_eq!(
            (status, reason.as_str(), mine, response.text().as_str()),
            (404, "Not Found", false, "ours")
        );
        assert_eq!(response.header("WWW-Authenticate"), Some("Basic"));
        assert!(answer("503 Odd").3.text().contains("Service Unavailable"));
    } else {
        assert_eq!((status, reason.as_str(), mine, response.text().as_str()), (404, "Odd", true, "mine"));
    }
    assert_eq!(answer("399 Odd").3.text(), "mine");
}

/// §4.11: 200 with a local Location is answered by what stands there, from a daemon only.
fn local_redirect(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .directives("LimitInternalRecursion 5")
        .script("/target", "target.wsgi", ENVIRON)
        .app(include_str!("../../apps/snippet.py"))
        .allow_log("AH00124")
        .start();
    let to = |location: &str, status: &str| {
        let code = format!(
            "def app(environ, start_response):\n    start_response('{status}', [('Location', '{location}')])\n    \
             return [b'body']"
        );
        server.snippet(&code).body("abc").send()
    };
    let response = to("/target/x?y=1", "200 OK");
    if mode == Mode::Embedded {
        assert_eq!((response.text().as_str(), response.header("Location")), ("body", Some("/target/x?y=1")));
        return;
    }
    EnvironAnswer::of(&response).check(&[
        ("REQUEST_METHOD", Some("GET")),
        ("PATH_INFO", Some("/x")),
        ("QUERY_STRING", Some("y=1")),
        ("REQUEST_URI", Some("/")),
        ("CONTENT_LENGTH", None),
    ]);
    assert_eq!(to("/", "200 OK").status, 500, "a redirect to itself ends");
    for (location, status) in [("/target", "201 Created"), ("http://localhost/target", "200 OK")] {
        assert_eq!(to(location, status).text(), "body", "{location}");
    }
    if Subject::is_ours() {
        assert_eq!(to("//elsewhere/target", "200 OK").text(), "body", "another host is no local path");
    }
}

/// Requests of several connections at once; fewer than httpd has threads, or it closes idle connections early.
fn many_connections(mode: Mode) {
    let server = environ_server(mode).start();
    scope(|scope| {
        for client in 0..5 {
            let server = &server;
            scope.spawn(move || {
                let mut wire = server.connect();
                for number in 0..25 {
                    let path = format!("/{client}/{number}");
                    wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
                    EnvironAnswer::of(&wire.response(false)).check(&[("PATH_INFO", Some(&path))]);
                }
            });
        }
    });
}

/// §1.5: REDIRECT_URL after an internal redirect of mod_dir's.
fn internal_redirect(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .document("folder/plain.txt", "x")
        .directives("DirectoryIndex /app/index")
        .script("/app", "app.wsgi", ENVIRON)
        .start();
    EnvironAnswer::of(&get_with(&server, "/folder/?q", &[]))
        .check(&[("PATH_INFO", Some("/index")), ("REQUEST_URI", Some("/folder/?q"))]);
}

in_both_modes!(
    aborting_clients,
    deflate,
    error_document,
    error_override,
    full_duplex,
    http_1_0,
    internal_redirect,
    keep_alive_with_every_framing,
    local_redirect,
    many_connections,
    pipelined_uploads,
    rewriting,
    slow_reader,
    slow_writer,
);

/// §9.2: a daemon that dies in the middle of a response: the client sees that something is missing. With the control a
/// socket that just closes looks like the end.
#[test]
fn daemon_dies_in_the_middle() {
    if Subject::skips("a response may end as if it were whole") {
        return;
    }
    let server = server(Mode::Daemon).expect_log("WSGI0119").allow_log("[wsgi:").start();
    for headers in ["[]", "[('Content-Length', '100')]"] {
        let code = format!(
            "import os, time
def app(environ, start_response):
    start_response('200 OK', {headers})
    yield b'part'
    time.sleep(0.1)
    os._exit(3)"
        );
        let mut wire = server.connect();
        wire.send(head("GET", "", &code));
        let (text, seconds) = rest(&mut wire);
        assert!(text.contains("part") && !text.ends_with("0\r\n\r\n") && seconds < 5.0, "{text}");
        assert_eq!(server.run(HELLO).ok().text(), "hello");
    }
}
