//! Status and headers of a response, and the lengths that follow from them (spec/behaviour.md §4).

use crate::asking::{head, load, raw, rest};
use crate::snippets::{SendSnippets, base64, failing, server};
use integration::{Httpd, Mode, Response, Subject};

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
    announced_and_not_sent,
    bodyless_statuses,
    conditions_are_not_evaluated,
    connection_headers,
    content_length_bounds_the_body,
    content_length_must_be_a_number,
    content_lengths,
    content_types,
    empty_body_is_framed,
    head_through_filters,
    headers_arrive,
    last_modified,
    lengths_without_bodies,
    lenient_statuses,
    repeated_headers,
    status_header,
    transfer_encoding,
    unsendable_headers,
);
