//! The response iterable, headers, lengths, HEAD/204/304, exceptions (spec/behaviour.md §4.3 to §4.8).

use crate::semantics::load;
use crate::snippets::{SendSnippets, base64, server};
use integration::{Httpd, HttpdBuilder, Mode, Response, Subject, eventually};

/// A server whose application fails: WSGI0174 and tracebacks are expected.
fn failing(mode: Mode) -> HttpdBuilder {
    server(mode).expect_log("WSGI0174").allow_python_errors()
}

/// A connection that stays open does so for longer than any test waits.
const LONG_KEEP_ALIVE: &str = "KeepAliveTimeout 60";

/// The response as it is on the wire.
fn raw(server: &Httpd, method: &str, code: &str) -> Response {
    let mut wire = server.connect();
    let code = base64(code.as_bytes());
    wire.send(format!("{method} / HTTP/1.1\r\nHost: x\r\nX-Code: {code}\r\n\r\n"));
    wire.response(method == "HEAD")
}

fn items_must_be_bytes(mode: Mode) {
    let server = failing(mode)
        .expect_log("TypeError: response iterable must yield bytes, not str")
        .expect_log("TypeError: response iterable must yield bytes, not int")
        .expect_log("TypeError: response iterable must yield bytes, not bytearray")
        .start();
    for result in ["['text']", "b'bare'", "[bytearray(b'x')]", "None", "[b'', None]"] {
        let code = format!(
            "def app(environ, start_response):\n    start_response('200 OK', [])\n    return {result}\n"
        );
        assert_eq!(server.run(&code).status, 500, "{result}");
    }
}

fn generator_may_start_late_and_empty_items_do_nothing(mode: Mode) {
    let server = server(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    yield b''
    start_response('404 Not Found', [])
    yield b''
    start_response('200 OK', [])
    yield b'a'
    yield b''
    yield b'b'",
    );
    assert_eq!(response.ok().text(), "ab");
}

fn output_needs_start_response(mode: Mode) {
    let server = failing(mode)
        .expect_log("RuntimeError: start_response() must be called before response content is produced")
        .start();
    assert_eq!(server.run("def app(environ, start_response): return [b'x']").status, 500);
    assert_eq!(server.run("def app(environ, start_response): return []").status, 500);
}

const CLOSABLE: &str = "
class Closable:
    def __init__(self, items, error=None): self.items, self.error = iter(items), error
    def __iter__(self): return self
    def __next__(self): return next(self.items)
    def close(self):
        kept['closed'] = kept.get('closed', 0) + 1
        if self.error: raise self.error
def failing():
    yield b'x'
    raise ValueError('in the middle')
";

fn close_is_called(mode: Mode) {
    let server = failing(mode).start();
    let closed = || server.evaluate("", &["kept.pop('closed', 0)"]).remove(0);
    let app = |result: &str| {
        format!(
            "{CLOSABLE}\ndef app(e, s):\n    s('200 OK', [('Content-Length', '2')])\n    return {result}\n"
        )
    };
    assert_eq!(server.run(&app("Closable([b'a', b'b'])")).ok().text(), "ab");
    assert_eq!(closed(), "1");
    assert_eq!(server.run(&app("Closable([b'ab'], KeyError('closing'))")).ok().text(), "ab");
    assert_eq!(closed(), "1", "an error in close() does not touch the response");
    assert_eq!(server.run(&app("Closable(['text'])")).status, 500);
    assert_eq!(closed(), "1", "after a bad item");
    let _ = server.snippet(&app("Closable(failing())")).try_send();
    assert_eq!(closed(), "1", "after an error in the middle");
}

fn headers_arrive(mode: Mode) {
    let server = server(mode).start();
    let response = raw(
        &server,
        "GET",
        "def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/x; a=B'), ('Set-Cookie', 'a=1'), ('X-Empty', ''),
        ('Set-Cookie', 'b=2'), ('WWW-Authenticate', 'Basic'), ('WWW-Authenticate', 'Digest'), ('X-High', '\\xfc'),
        ('Server', 'mine'), ('Date', 'never')])
    return [b'x']",
    );
    assert_eq!(response.header("Content-Type"), Some("text/x; a=B"));
    assert_eq!(response.all("Set-Cookie"), ["a=1", "b=2"]);
    assert_eq!(response.all("WWW-Authenticate"), ["Basic", "Digest"]);
    assert_eq!(response.header("X-Empty"), Some(""));
    assert_eq!(response.header("X-High"), Some("\u{fffd}"), "one byte of latin-1");
    assert!(response.header("Server").expect("present").starts_with("Apache"));
    assert_ne!(response.header("Date"), Some("never"));
    assert_eq!(response.header("Transfer-Encoding"), Some("chunked"));
}

fn content_length_bounds_the_body(mode: Mode) {
    let server = server(mode).start();
    let app = "def app(environ, start_response):
    start_response('200 OK', [('Content-Length', '4')])
    kept['produced'] = 0
    for _ in range(5):
        kept['produced'] += 1
        yield b'abc'";
    assert_eq!(server.run(app).ok().text(), "abca");
    assert_eq!(server.evaluate("", &["kept['produced']"]), ["5"]);
}

fn content_length_must_be_a_number(mode: Mode) {
    let server = failing(mode).expect_log("ValueError: invalid Content-Length header value: 'many'").start();
    let app = "def app(environ, start_response):\n    start_response('200 OK', [('Content-Length', 'many')])\n    return [b'x']";
    assert_eq!(server.run(app).status, 500);
}

fn empty_body_is_framed(mode: Mode) {
    let server = server(mode).start();
    let response = raw(&server, "GET", "def app(e, s):\n    s('200 OK', [])\n    return []");
    assert!(response.body.is_empty());
    if mode == Mode::Embedded || Subject::is_ours() {
        // The control sends an empty chunked body in daemon mode (spec/behaviour.md §4.5).
        assert_eq!(response.header("Content-Length"), Some("0"));
    }
}

fn bodyless_statuses(mode: Mode) {
    let server = server(mode).start();
    let mut wire = server.connect();
    for (method, status) in [("GET", "204 No Content"), ("GET", "304 Not Modified"), ("HEAD", "200 OK")] {
        let code = base64(
            format!(
                "def app(environ, start_response):\n    \
                 start_response('{status}', [('Content-Length', '4'), ('ETag', '\"e\"')])\n    return [b'body']\n"
            )
            .as_bytes(),
        );
        wire.send(format!("{method} / HTTP/1.1\r\nHost: x\r\nX-Code: {code}\r\n\r\n"));
        let response = wire.response(method == "HEAD");
        assert_eq!(format!("{} {}", response.status, response.reason), status);
        assert_eq!(response.header("ETag"), Some("\"e\""));
        let length = if method == "HEAD" { Some("4") } else { None };
        assert_eq!(response.header("Content-Length"), length, "{status}");
    }
    // Nothing of a body is left on the connection: the next response is read whole.
    let code = base64(b"def app(environ, start_response): return answer(start_response, 'next')");
    wire.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Code: {code}\r\n\r\n"));
    assert_eq!(wire.response(false).text(), "next");
}

fn blocks_are_flushed_one_by_one(mode: Mode) {
    let server = server(mode).start();
    let code = base64(
        b"def app(environ, start_response):\n    start_response('200 OK', [])\n    yield b'now'\n    \
          yield released(environ, b'later')\n",
    );
    let mut wire = server.connect();
    wire.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Code: {code}\r\n\r\n"));
    wire.head().expect("a head");
    assert_eq!(wire.exactly(8).expect("the first block"), b"3\r\nnow\r\n");
    server.release();
    assert_eq!(wire.exactly(15).expect("the rest"), b"5\r\nlater\r\n0\r\n\r\n");
}

/// Blocks that follow each other quickly may travel together, but none waits for the application.
fn quick_blocks_leave_before_the_application_waits(mode: Mode) {
    let server = server(mode).start();
    let code = base64(
        b"import os, time\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    \
          for n in range(10):\n        yield b'%d' % n\n    \
          deadline = time.time() + 20\n    go = os.path.join(os.path.dirname(environ['SCRIPT_FILENAME']), 'go')\n    \
          while not os.path.exists(go) and time.time() < deadline:\n        time.sleep(0.01)\n    \
          yield b'on' if time.time() < deadline else b'late'\n",
    );
    for round in 0..3 {
        let mut wire = server.connect();
        wire.send(format!("GET / HTTP/1.0\r\nHost: x\r\nX-Code: {code}\r\n\r\n"));
        wire.head().expect("a head");
        assert_eq!(wire.exactly(10).expect("the blocks before the pause"), b"0123456789", "round {round}");
        let go = server.write("go", "");
        assert_eq!(wire.read_to_end(), b"on", "round {round}");
        std::fs::remove_file(go).expect("nobody else removes it");
    }
}

fn exceptions_are_500_and_logged(mode: Mode) {
    let server = failing(mode)
        .expect_log("ValueError: boom")
        .expect_log("KeyError: 'before the first block'")
        .expect_log("WSGI0175")
        .start();
    let start = "    start_response('200 OK', [('X-Mine', '1')])\n";
    let bodies = [
        "    raise ValueError('boom')".to_owned(),
        format!("{start}    raise ValueError('boom')"),
        format!("{start}    yield b''\n    raise KeyError('before the first block')"),
        format!("{start}    import sys\n    sys.exit(3)"),
        format!("{start}    raise KeyboardInterrupt()"),
    ];
    for body in bodies {
        let response = server.run(&format!("def app(environ, start_response):\n{body}\n"));
        assert_eq!((response.status, response.header("X-Mine")), (500, None), "{body}");
        assert!(response.text().contains("Internal Server Error"));
    }
    assert_eq!(server.evaluate("", &["1 + 1"]), ["2"], "the process serves on");
    if Subject::is_ours() {
        // The control's records lack most of the stack (spec/behaviour.md §3.6).
        let log = server.error_log();
        assert!(
            log.contains("Traceback (most recent call last):") && log.contains("in application"),
            "{log}"
        );
    }
}

/// A body cut short must look cut short: no terminating chunk. The control ends it cleanly in daemon mode, and in embedded
/// mode leaves the connection open (spec/behaviour.md §4.8 [Q]).
fn failure_after_output_is_visible(mode: Mode) {
    if Subject::skips("truncated responses look complete or hang") {
        return;
    }
    let server = failing(mode).directives(LONG_KEEP_ALIVE).start();
    let app = "def app(environ, start_response):
    start_response('200 OK', [])
    yield b'part'
    raise ValueError('in the middle')";
    let mut wire = server.connect();
    wire.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Code: {}\r\n\r\n", base64(app.as_bytes())));
    let asked = std::time::Instant::now();
    let all = String::from_utf8_lossy(&wire.read_to_end()).into_owned();
    assert!(asked.elapsed().as_secs() < 15, "closed at once, not after KeepAliveTimeout");
    assert!(all.starts_with("HTTP/1.1 200") && all.contains("4\r\npart\r\n"), "{all}");
    assert!(!all.contains("0\r\n\r\n"), "{all}");
}

/// The control keeps the connection alive after fewer bytes than announced (spec/behaviour.md §4.5 [Q]).
fn too_little_data_closes_the_connection(mode: Mode) {
    if Subject::skips("a short body keeps the connection alive and corrupts the next response") {
        return;
    }
    let server = server(mode).directives(LONG_KEEP_ALIVE).start();
    let app = "def app(environ, start_response):
    start_response('200 OK', [('Content-Length', '10')])
    return [b'short']";
    let mut wire = server.connect();
    wire.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Code: {}\r\n\r\n", base64(app.as_bytes())));
    let asked = std::time::Instant::now();
    assert!(wire.read_to_end().ends_with(b"\r\n\r\nshort"));
    assert!(asked.elapsed().as_secs() < 15, "closed at once, not after KeepAliveTimeout");
}

fn pipelined_requests_are_answered_in_order(mode: Mode) {
    let server = server(mode).start();
    let request = |text: &str| {
        let code = format!("def app(environ, start_response): return answer(start_response, {text:?})");
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Code: {}\r\n\r\n", base64(code.as_bytes()))
    };
    let mut wire = server.connect();
    wire.send((0..10).map(|number| request(&format!("answer {number}"))).collect::<String>());
    for number in 0..10 {
        assert_eq!(wire.response(false).text(), format!("answer {number}"));
    }
}

fn client_that_goes_away_stops_the_iteration(mode: Mode) {
    let server = server(mode).start();
    let app = "def blocks():
    try:
        for number in range(100000):
            kept['blocks'] = number
            yield b'x' * 65536
    finally: kept['finished'] = True
def app(environ, start_response):
    start_response('200 OK', [])
    return blocks()";
    let mut wire = server.connect();
    wire.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Code: {}\r\n\r\n", base64(app.as_bytes())));
    wire.exactly(200_000).expect("the beginning");
    drop(wire);
    eventually("the generator is closed", || {
        (server.evaluate("", &["kept.get('finished')"]) == ["True"]).then_some(())
    });
    let blocks: u32 = server.evaluate("", &["kept['blocks']"])[0].parse().expect("a number");
    assert!(blocks < 2000, "{blocks} blocks were made for nobody");
}

/// HEAD through filters that change the body: what they say in headers is what they say for GET.
fn head_through_filters(mode: Mode) {
    for filter in ["DEFLATE", "BROTLI_COMPRESS", "SUBSTITUTE", "INCLUDES"] {
        let server = server(mode)
            .directives(&load(&["filter", "deflate", "brotli", "substitute", "include"]))
            .directives(&format!("SetOutputFilter {filter}\nSubstitute s/x/yz/n\nOptions +Includes"))
            .start();
        for size in [10, 5000] {
            let code = format!(
                "def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/html'), ('ETag', '\"e\"'), ('Content-Length', '{size}')])
    return [b'x' * {size}]"
            );
            let ask = |method: &str| {
                let mut wire = server.connect();
                let code = base64(code.as_bytes());
                wire.send(format!(
                    "{method} / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\nX-Code: {code}\r\n\r\n"
                ));
                let response = wire.response(method == "HEAD");
                ["Vary", "Content-Encoding", "ETag", "Content-Length", "Content-Type"]
                    .map(|name| response.header(name).map(str::to_owned))
            };
            assert_eq!(ask("HEAD"), ask("GET"), "{filter}, {size} bytes");
        }
    }
}

in_both_modes!(
    blocks_are_flushed_one_by_one,
    quick_blocks_leave_before_the_application_waits,
    bodyless_statuses,
    client_that_goes_away_stops_the_iteration,
    close_is_called,
    content_length_bounds_the_body,
    content_length_must_be_a_number,
    empty_body_is_framed,
    exceptions_are_500_and_logged,
    failure_after_output_is_visible,
    generator_may_start_late_and_empty_items_do_nothing,
    head_through_filters,
    headers_arrive,
    items_must_be_bytes,
    output_needs_start_response,
    pipelined_requests_are_answered_in_order,
    too_little_data_closes_the_connection,
);
