//! Responses: what spec/behaviour.md §4 says beyond the tests of `start_response.rs` and `response.rs`.

use crate::semantics::{head, raw, rest};
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, HttpdBuilder, Mode, Response, Subject};

fn failing(mode: Mode) -> HttpdBuilder {
    server(mode).expect_log("WSGI0174").allow_python_errors()
}

/// An application that answers with this status, these headers and this result.
fn app(status: &str, headers: &str, result: &str) -> String {
    format!(
        "def app(environ, start_response):\n    start_response({status:?}, {headers})\n    return {result}\n"
    )
}

fn ask(server: &Httpd, status: &str, headers: &str, result: &str) -> Response {
    raw(server, "GET", &app(status, headers, result))
}

/// §4.1: what is accepted.
fn lenient_statuses(mode: Mode) {
    let server = server(mode).start();
    let rows = [
        ("200 ", "[]", 200),
        ("999 Odd", "[]", 999),
        ("200 Error", "[]", 200),
        ("200 Timeout", "[]", 200),
        ("200 Rejected", "[]", 200),
        ("200 OK", "type('L', (list,), {})([type('T', (tuple,), {})(('A', 'b'))])", 200),
    ];
    for (status, headers, code) in rows {
        let response = ask(&server, status, headers, "[b'x']");
        // The control's daemon mode takes this text for a signal of its own (§4.12 [Q]).
        let expected =
            if status == "200 Error" && mode == Mode::Daemon && !Subject::is_ours() { 500 } else { code };
        assert_eq!(response.status, expected, "{status}");
    }
}

/// §4.1 4a: committed headers and exc_info: the given exception comes back with its traceback.
fn exception_is_raised_again(mode: Mode) {
    let server = server(mode).start();
    let response = server.run(
        "import sys
def app(environ, start_response):
    start_response('200 OK', [])
    yield b'x'
    try: raise KeyError('k')
    except KeyError: info = sys.exc_info()
    try: start_response('500 No', [], info)
    except KeyError as error: yield repr([error is info[1], error.__traceback__ is not None]).encode()",
    );
    assert_eq!(response.ok().text(), "x[True, True]");
}

/// §4.2: an empty write commits, and does not spoil a 500.
fn empty_write(mode: Mode) {
    let server = failing(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    start_response('200 OK', [('X-A', 'b')])(b'')
    raise ValueError()",
    );
    assert_eq!((response.status, response.header("X-A")), (500, None));
}

/// §4.4: names and values that HTTP does not allow are httpd's 500; so is a colon in a name.
fn unsendable_headers(mode: Mode) {
    let server = server(mode).allow_log("AH02429").allow_log("AH02430").allow_python_errors().start();
    let status = |headers: &str| {
        let mut wire = server.connect();
        wire.send(head("GET", "Connection: close\r\n", &app("200 OK", headers, "[b'x']")));
        rest(&mut wire).0.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for headers in ["[('X@(', '1')]", "[('X\\xe4', '1')]", "[('X-A', 'a\\x01b')]"] {
        assert_eq!(status(headers), "500", "{headers}");
    }
    // The control's daemon mode splits the name at its colon ([Q]).
    let expected = if mode == Mode::Daemon && !Subject::is_ours() { "200" } else { "500" };
    assert_eq!(status("[('X:A', '1')]"), expected);
}

/// §4.4: forms of Content-Type.
fn content_types(mode: Mode) {
    let server = server(mode).directives("AddType text/x-script .wsgi\nAddDefaultCharset utf-8").start();
    let lowered = if mode == Mode::Daemon { "text/plain; Charset=X" } else { "TEXT/Plain; Charset=X" };
    let rows = [
        ("[]", Some("text/x-script")),
        ("[('Content-Type', '')]", None),
        ("[('Content-Type', 'a/b'), ('content-type', 'c/d')]", Some("c/d")),
        ("[('Content-Type', 'TEXT/Plain; Charset=X')]", Some(lowered)),
        ("[('Content-Type', 'text/html')]", Some("text/html; charset=utf-8")),
    ];
    for (headers, value) in rows {
        assert_eq!(ask(&server, "200 OK", headers, "[b'x']").header("Content-Type"), value, "{headers}");
    }
}

/// §4.4: forms of Content-Length.
fn content_lengths(mode: Mode) {
    let server = failing(mode).expect_log("ValueError: invalid Content-Length header value: '1 '").start();
    for (value, body) in [("1", "x"), (" 1", "x"), ("+1", "x"), ("", ""), ("0", "")] {
        let response = ask(&server, "200 OK", &format!("[('Content-Length', '{value}')]"), "[b'xyz']");
        assert_eq!((response.status, response.text().as_str()), (200, body), "{value:?}");
        assert_eq!(response.header("Content-Length").map(str::len), Some(1), "{value:?}");
    }
    let last = ask(&server, "200 OK", "[('Content-Length', '1'), ('Content-Length', '2')]", "[b'xyz']");
    assert_eq!((last.all("Content-Length"), last.text().as_str()), (vec!["2"], "xy"));
    for value in ["1 ", "-1", "0x1", "1.0", "99999999999999999999", "1, 1"] {
        let response = ask(&server, "200 OK", &format!("[('Content-Length', '{value}')]"), "[b'xyz']");
        assert_eq!(response.status, 500, "{value:?}");
    }
}

/// §4.4: repeated headers, and those that httpd has an opinion about.
fn repeated_headers(mode: Mode) {
    let server = server(mode).start();
    let headers = "[('X-A', '1'), ('x-a', ' 2'), ('Vary', 'Cookie'), ('Vary', 'Cookie, Accept'), ('Location', '/a'), \
                   ('Location', '/b')]";
    let response = ask(&server, "302 Found", headers, "[b'x']");
    if mode == Mode::Daemon {
        assert_eq!((response.all("X-A"), response.all("Location")), (vec!["1, 2"], vec!["/b"]));
    } else {
        assert_eq!((response.all("X-A"), response.all("Location")), (vec!["1", "2"], vec!["/a", "/b"]));
    }
    let vary = response.all("Vary").join(", ");
    assert!(vary.contains("Cookie") && vary.contains("Accept"), "{vary}");
}

/// §4.4: a Status header overrides the status in the control's daemon mode only ([Q]): here it is a header.
fn status_header(mode: Mode) {
    let server = server(mode).start();
    let response = ask(&server, "200 OK", "[('Status', '404 Not Found')]", "[b'x']");
    if mode == Mode::Daemon && !Subject::is_ours() {
        assert_eq!(response.status, 404);
    } else {
        assert_eq!((response.status, response.header("Status")), (200, Some("404 Not Found")));
    }
}

/// §4.4: the control's daemon mode parses Last-Modified and writes it anew, 1970 when it cannot; here it stays.
fn last_modified(mode: Mode) {
    let server = server(mode).start();
    let date = "Sunday, 06-Nov-94 08:49:37 GMT";
    let response = ask(&server, "200 OK", &format!("[('Last-Modified', {date:?})]"), "[b'x']");
    let is_rewritten = mode == Mode::Daemon && !Subject::is_ours();
    let expected = if is_rewritten { "Sun, 06 Nov 1994 08:49:37 GMT" } else { date };
    assert_eq!(response.header("Last-Modified"), Some(expected));
}

/// §4.4: what the application says about the connection.
fn connection_headers(mode: Mode) {
    let server = server(mode).start();
    let mut wire = server.connect();
    wire.send(head("GET", "", &app("200 OK", "[('Connection', 'close')]", "[b'x']")));
    assert_eq!(wire.response(false).header("Connection"), Some("close"));
    assert!(wire.read_to_end().is_empty());
}

/// §4.4 [Q]: an application's Transfer-Encoding must not corrupt the framing.
fn transfer_encoding(mode: Mode) {
    if Subject::skips("`chunked` makes the body leave unframed") {
        return;
    }
    let server = server(mode).allow_python_errors().start();
    for coding in ["chunked", "gzip, chunked", "identity"] {
        let headers = format!("[('Transfer-Encoding', '{coding}'), ('Content-Length', '4')]");
        let response = ask(&server, "200 OK", &headers, "[b'body']");
        assert!(response.status == 500 || response.text() == "body", "{coding}: {response:?}");
    }
}

/// §4.4 end: conditional and range requests are the application's business.
fn conditions_are_not_evaluated(mode: Mode) {
    let server = server(mode).start();
    let code = app("200 OK", "[('ETag', '\"e\"'), ('Content-Length', '4')]", "[b'body']");
    for header in
        ["If-None-Match: \"e\"", "Range: bytes=0-1", "If-Modified-Since: Sun, 06 Nov 2033 08:49:37 GMT"]
    {
        let mut wire = server.connect();
        wire.send(head("GET", &format!("{header}\r\n"), &code));
        let response = wire.response(false);
        assert_eq!((response.status, response.text().as_str()), (200, "body"), "{header}");
    }
}

/// §4.5: HEAD keeps an announced length, with and without a body; 205 is not special.
fn lengths_without_bodies(mode: Mode) {
    let server = server(mode).start();
    for result in ["[]", "[b'x' * 7]"] {
        let response = raw(&server, "HEAD", &app("200 OK", "[('Content-Length', '7')]", result));
        assert_eq!(
            (response.header("Content-Length"), response.header("Transfer-Encoding")),
            (Some("7"), None)
        );
    }
    let zero = raw(&server, "HEAD", &app("200 OK", "[('Content-Length', '0')]", "[]"));
    assert_eq!(zero.header("Content-Length"), None);
    assert_eq!(ask(&server, "205 Reset Content", "[]", "[b'kept']").text(), "kept");
}

/// §4.5: no data at all.
fn announced_and_not_sent(mode: Mode) {
    let server = server(mode).start();
    for result in ["[]", "[b'']", "iter(())", "(b'' for _ in range(3))"] {
        let mut wire = server.connect();
        wire.send(head("GET", "", &app("200 OK", "[('Content-Length', '7')]", result)));
        let response = wire.head().expect("a head");
        if mode == Mode::Embedded {
            assert_eq!(response.header("Content-Length"), Some("0"), "{result}");
        } else if Subject::is_ours() && response.header("Content-Length") != Some("0") {
            assert!(wire.read_to_end().is_empty(), "{result}: closed, or the client would wait");
        }
    }
}

/// §4.5: `write()` is bounded as well, and data beyond the length goes nowhere.
fn writes_are_bounded(mode: Mode) {
    let server = server(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    write = start_response('200 OK', [('Content-Length', '5')])
    write(b'abc'); write(b'defg'); write(b'h')
    return [b'ijk']",
    );
    assert_eq!(response.ok().text(), "abcde");
}

/// §4.3 7: which object is closed, and how a failing lookup is treated.
fn closing(mode: Mode) {
    let server = server(mode).expect_log("WSGI0194").allow_python_errors().start();
    let class = |lookup: &str| {
        format!(
            "class Result:
    def __iter__(self): return iter([b'body'])
    def __getattr__(self, name):
        {lookup}
def app(environ, start_response):
    start_response('200 OK', [])
    return Result()"
        )
    };
    for lookup in ["raise AttributeError(name)", "raise ValueError(name)", "return None"] {
        assert_eq!(server.run(&class(lookup)).ok().text(), "body", "{lookup}");
    }
    let original = "class Result:
    def __iter__(self):
        yield b'body'
    def close(self): kept['closed'] = kept.get('closed', 0) + 1
def app(environ, start_response):
    start_response('200 OK', [])
    return Result()";
    assert_eq!(server.run(original).ok().text(), "body");
    assert_eq!(server.evaluate("", &["kept['closed']"]), ["1"]);
}

/// §4.3 7: `close()` comes before the end of the response.
fn slow_close_delays_the_end(mode: Mode) {
    let server = server(mode).start();
    let code = "import time
def blocks():
    try: yield b'body'
    finally: time.sleep(0.6)
def app(environ, start_response):
    start_response('200 OK', [])
    return blocks()";
    let mut wire = server.connect();
    wire.send(head("GET", "", code));
    wire.head().expect("a head");
    assert_eq!(wire.exactly(9).expect("the block"), b"4\r\nbody\r\n");
    let asked = std::time::Instant::now();
    assert_eq!(wire.exactly(5).expect("the end"), b"0\r\n\r\n");
    assert!(asked.elapsed().as_millis() > 300);
}

/// §4.7: `write()` to a client that has gone.
fn write_to_nobody(mode: Mode) {
    let server = server(mode).expect_log("W: ").allow_python_errors().start();
    let code = "def app(environ, start_response):
    write = start_response('200 OK', [])
    try:
        for _ in range(100000): write(b'x' * 65536)
    except OSError as error: print('W:', error)
    return []";
    let mut wire = server.connect();
    wire.send(head("GET", "", code));
    wire.exactly(100_000).expect("the beginning");
    drop(wire);
    server.wait_for_log("W: mod_wsgi ");
    let log = server.error_log();
    assert!(
        log.contains("W: mod_wsgi failed to write response data: ")
            || log.contains("W: mod_wsgi client connection closed"),
        "{log}"
    );
}

/// Who sends little to a client that has gone learns it by the second block that nobody takes: `close()` comes with the next.
fn close_comes_soon_after_the_client_has_gone(mode: Mode) {
    let server = server(mode).expect_log("closed after ").allow_python_errors().start();
    let gone = server.root().join("app/gone");
    let code = format!(
        "import os, time
def blocks():
    count = 1
    try:
        yield b'block'
        while not os.path.exists('{}'): time.sleep(0.02)
        while count < 50:
            count += 1
            yield b'block'
            time.sleep(0.5)
    finally: print('closed after', count, 'blocks')
def app(environ, start_response):
    start_response('200 OK', [])
    return blocks()",
        gone.display()
    );
    let mut wire = server.connect();
    wire.send(head("GET", "", &code));
    wire.head().expect("a head");
    assert_eq!(wire.exactly(10).expect("the block"), b"5\r\nblock\r\n");
    drop(wire);
    std::fs::write(&gone, "").expect("own folder");
    server.wait_for_log("closed after ");
    let log = server.error_log();
    let count = log.split("closed after ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    assert!(count.is_some_and(|count: u32| count <= 4), "{count:?}");
}

/// §4.8: the callable raises after `write()`: truncated and closed. The control appends httpd's page in embedded mode, and
/// in daemon mode ends cleanly.
fn failure_after_write_is_visible(mode: Mode) {
    if Subject::skips("truncated responses look complete, or get httpd's error page as their end") {
        return;
    }
    let server = failing(mode).start();
    for length in ["[]", "[('Content-Length', '5000')]"] {
        let code = format!(
            "def app(environ, start_response):\n    start_response('200 OK', {length})(b'part')\n    raise ValueError()"
        );
        let mut wire = server.connect();
        wire.send(head("GET", "", &code));
        let (text, seconds) = rest(&mut wire);
        assert!(seconds < 4.0 && text.contains("part") && !text.contains("<html>"), "{text}");
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    }
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

/// §4.8: no header of the application survives a failure, and an ErrorDocument applies.
fn errors_before_output(mode: Mode) {
    let server = failing(mode).directives("ErrorDocument 500 \"custom text\"").start();
    let code = "def app(environ, start_response):
    start_response('401 No', [('WWW-Authenticate', 'Basic'), ('Set-Cookie', 'a=b')])
    raise ValueError()";
    let response = raw(&server, "GET", code);
    assert_eq!((response.status, response.reason.as_str()), (500, "Internal Server Error"));
    assert_eq!((response.header("WWW-Authenticate"), response.header("Set-Cookie")), (None, None));
    assert_eq!(response.text(), "custom text");
    // A status of the application's own is not replaced (§9.3).
    assert_eq!(ask(&server, "500 Mine", "[]", "[b'mine']").text(), "mine");
}

in_both_modes!(
    announced_and_not_sent,
    close_comes_soon_after_the_client_has_gone,
    closing,
    conditions_are_not_evaluated,
    connection_headers,
    content_lengths,
    content_types,
    empty_write,
    errors_before_output,
    exception_is_raised_again,
    failure_after_write_is_visible,
    last_modified,
    lengths_without_bodies,
    lenient_statuses,
    repeated_headers,
    request_timeout,
    slow_close_delays_the_end,
    status_header,
    transfer_encoding,
    unsendable_headers,
    write_to_nobody,
    writes_are_bounded,
);
