//! Request bodies on the wire: chunks, lengths, 100 Continue, and what is left unread (spec/behaviour.md §2).

use crate::asking::{EnvironAnswer, environ_server, head, load, rest};
use crate::snippets::{SendSnippets, base64, server};
use integration::{HttpdBuilder, Mode, Subject};

/// Chunked bodies are allowed.
fn chunked(mode: Mode) -> HttpdBuilder {
    server(mode).directives("WSGIChunkedRequest On")
}

pub const ECHO: &str = "def app(environ, start_response): return answer(start_response, repr(input.read()))";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// §2.3: dechunked, without a length, without trailers; the connection goes on.
fn chunked_bodies(mode: Mode) {
    let server = environ_server(mode).directives("WSGIChunkedRequest On").start();
    let mut wire = server.connect();
    for _ in 0..2 {
        wire.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Trailer\r\n\r\n");
        wire.send("3;ext=1\r\nabc\r\n").send("A\r\n0123456789\r\n").send("0\r\nX-Trailer: late\r\n\r\n");
        let seen = EnvironAnswer::of(&wire.response(false));
        assert_eq!(seen.body(), "abc0123456789");
        seen.check(&[
            ("CONTENT_LENGTH", None),
            ("HTTP_TRANSFER_ENCODING", Some("Chunked")),
            ("HTTP_TRAILER", Some("X-Trailer")),
            ("HTTP_X_TRAILER", None),
            ("wsgi.input_terminated", Some("True")),
        ]);
    }
}

/// §1.1 #8, §12 38: httpd drops the length, and closes the connection afterwards.
fn chunked_and_a_length(mode: Mode) {
    let server = environ_server(mode).directives("WSGIChunkedRequest On").start();
    let mut wire = server.connect();
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let response = wire.response(false);
    let seen = EnvironAnswer::of(&response);
    assert_eq!((seen.body(), response.header("Connection")), ("abc", Some("close")));
    seen.check(&[("CONTENT_LENGTH", None)]);
    assert!(wire.read_to_end().is_empty());
}

/// §2.3: httpd answers 400 by itself. The control lets a second answer follow on the same response.
fn malformed_chunk(mode: Mode) {
    let server = chunked(mode).allow_python_errors().start();
    let mut wire = server.connect();
    wire.send(head("POST", CHUNKED, ECHO)).send("3\r\nabc\r\nxyz\r\n");
    let (text, _) = rest(&mut wire);
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    if Subject::is_ours() {
        assert!(text.trim_end().ends_with("</html>"), "nothing follows httpd's page: {text}");
        assert_eq!(text.matches("<html>").count(), 1, "{text}");
    }
    assert_eq!(server.evaluate("x", &["input.read()"]), ["b'x'"]);
}

/// §2.3: a chunked body meets the limit only while it is read.
fn chunked_body_over_the_limit(mode: Mode) {
    let server =
        chunked(mode).directives("LimitRequestBody 100").allow_python_errors().allow_log("AH01588").start();
    let mut wire = server.connect();
    wire.send(head("POST", CHUNKED, ECHO)).send(format!("c8\r\n{}\r\n0\r\n\r\n", "x".repeat(200)));
    let (text, _) = rest(&mut wire);
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    if Subject::is_ours() {
        assert_eq!(text.matches("<html>").count(), 1, "{text}");
        assert!(text.trim_end().ends_with("</html>"), "{text}");
    }
}

/// §2.4: no interim response for an application that does not read. The control's daemon mode sends one anyway.
fn no_continue_when_nothing_is_read(mode: Mode) {
    let server = server(mode).start();
    let code = "def app(environ, start_response): return answer(start_response, 'no thanks')";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 3\r\nExpect: 100-continue\r\n", code));
    let mut first = wire.head().expect("a head");
    if first.status == 100 && mode == Mode::Daemon && !Subject::is_ours() {
        first = wire.send("abc").head().expect("the final head");
    }
    assert_eq!(first.status, 200);
}

/// §2.1, §2.4: `read(0)` counts as a read.
fn continue_for_an_empty_read(mode: Mode) {
    let server = server(mode).start();
    let code = "def app(environ, start_response): return answer(start_response, repr([input.read(0), input.read()]))";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 3\r\nExpect: 100-continue\r\n", code));
    assert_eq!(wire.head().expect("an interim head").status, 100);
    assert_eq!(wire.send("abc").response(false).text(), "[b'', b'abc']");
}

/// §2.4: a late first read puts no interim response into the body.
fn no_continue_once_output_began(mode: Mode) {
    let server = server(mode).start();
    let code = "def app(environ, start_response):
    start_response('200 OK', [])
    yield b'first '
    yield input.read()";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 3\r\nExpect: 100-continue\r\n", code));
    if mode == Mode::Daemon && !Subject::is_ours() {
        assert_eq!(wire.head().expect("the control's interim head").status, 100);
        assert_eq!(wire.send("abc").response(false).text(), "first abc");
        return;
    }
    let response = wire.head().expect("a head");
    assert_eq!(response.status, 200);
    // Chunked, or ended by the close: httpd does not reuse a connection whose client still waits for permission.
    let (first, last) = match response.header("Transfer-Encoding") {
        Some(_) => ("6\r\nfirst \r\n", "3\r\nabc\r\n0\r\n\r\n"),
        None => ("first ", "abc"),
    };
    assert_eq!(wire.exactly(first.len()).expect("the first block"), first.as_bytes());
    wire.send("abc"); // the client may send its body whenever it likes
    assert_eq!(wire.exactly(last.len()).expect("the rest"), last.as_bytes());
}

/// §2.5: the answer to a large upload that nobody reads reaches the client; the daemon's control waits for the upload.
fn early_answer_to_a_large_upload(mode: Mode) {
    let server = server(mode).start();
    let code = "def app(environ, start_response):
    start_response('401 Unauthorized', [('WWW-Authenticate', 'Basic'), ('Content-Length', '2')])
    return [b'no']";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 3000000\r\n", code)).send(vec![b'x'; 100_000]);
    if mode == Mode::Embedded || Subject::is_ours() {
        let response = wire.response(false);
        assert_eq!((response.status, response.text().as_str()), (401, "no"));
        let _ = wire.try_send(&vec![b'x'; 2_900_000]); // the server may have closed the connection by now
    } else {
        wire.send(vec![b'x'; 2_900_000]);
        assert_eq!(wire.response(false).status, 401);
    }
    assert_eq!(server.evaluate("x", &["input.read()"]), ["b'x'"]);
}

/// §12 16, §2.1: a request that follows an unread one on the same connection starts where it should.
fn partly_read_bodies_leave_nothing_behind(mode: Mode) {
    let server = server(mode).start();
    let code = "def app(environ, start_response): return answer(start_response, repr(input.readline()))";
    let mut wire = server.connect();
    for _ in 0..3 {
        wire.send(head("POST", "Content-Length: 70007\r\n", code)).send("a line\n").send(vec![b'\n'; 70_000]);
        assert_eq!(wire.response(false).text(), r"b'a line\n'");
    }
}

/// RequestReadTimeout's time for the body, long before Timeout: mod_reqtimeout only looks at it when it is asked for more.
fn silent_upload_ends_by_request_read_timeout(mode: Mode) {
    let server = server(mode)
        .directives(&load(&["reqtimeout"]))
        .directives("Timeout 300\nRequestReadTimeout body=1")
        .expect_log("OUTCOME")
        .allow_python_errors()
        .start();
    let code = "def app(environ, start_response):
    text = outcome(input.read)
    print('OUTCOME', text)
    return answer(start_response, text)";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 1000\r\n", code)).send("abc");
    // This client gives up after 20 s.
    let response = wire.response(false);
    assert_eq!(response.status, if mode == Mode::Daemon { 408 } else { 200 });
    server.wait_for_log("OUTCOME OSError: mod_wsgi request data read error: ");
}

fn chunked_body_needs_a_directive(mode: Mode) {
    let server = server(mode).expect_log("WSGI0139").start();
    let mut wire = server.connect();
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(wire.response(false).status, 411);
}

fn says_continue_when_read(mode: Mode) {
    let server = server(mode).start();
    let code = base64(b"def app(environ, start_response): return answer(start_response, repr(input.read()))");
    let mut wire = server.connect();
    wire.send(format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\nX-Code: {code}\r\n\r\n"
    ));
    assert_eq!(wire.head().expect("an interim response").status, 100);
    assert_eq!(wire.send("abc").response(false).text(), "b'abc'");
}

fn unread_body_is_dropped(mode: Mode) {
    let server = server(mode).start();
    let code = base64(b"def app(environ, start_response): return answer(start_response, 'early')");
    let mut wire = server.connect();
    for _ in 0..3 {
        wire.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\nX-Code: {code}\r\n\r\n"));
        wire.send(vec![b'x'; 300_000]);
        assert_eq!(wire.response(false).text(), "early");
    }
}

in_both_modes!(
    chunked_and_a_length,
    chunked_bodies,
    chunked_body_needs_a_directive,
    chunked_body_over_the_limit,
    continue_for_an_empty_read,
    early_answer_to_a_large_upload,
    malformed_chunk,
    no_continue_once_output_began,
    no_continue_when_nothing_is_read,
    partly_read_bodies_leave_nothing_behind,
    says_continue_when_read,
    silent_upload_ends_by_request_read_timeout,
    unread_body_is_dropped,
);
