//! `wsgi.input` (spec/behaviour.md §2).

use crate::snippets::{SendSnippets, base64, server};
use integration::{Httpd, Mode, Subject, eventually};

const LINES: &str = "one\ntwo\nrest";

fn reads(mode: Mode) {
    let server = server(mode).start();
    server.check(
        LINES,
        &[("input.read()", r"b'one\ntwo\nrest'"), ("input.read()", "b''"), ("input.read(5)", "b''")],
    );
    server.check(
        LINES,
        &[("input.read(5)", r"b'one\nt'"), ("input.read(-1)", r"b'wo\nrest'"), ("input.readline()", "b''")],
    );
    server.check(LINES, &[("input.read(0)", "b''"), ("input.read(100)", r"b'one\ntwo\nrest'")]);
    server
        .check(LINES, &[("input.read(True)", "b'o'"), ("input.close()", "None"), ("input.read(2)", "b'ne'")]);
    server.check("", &[("input.read()", "b''"), ("input.readlines()", "[]"), ("list(input)", "[]")]);
}

fn reads_lines(mode: Mode) {
    let server = server(mode).start();
    server.check(
        LINES,
        &[
            ("input.readline()", r"b'one\n'"),
            ("input.readline(2)", "b'tw'"),
            ("input.readline(0)", "b''"),
            ("input.readline(100)", r"b'o\n'"),
            ("input.readline(-1)", "b'rest'"),
            ("input.readline()", "b''"),
        ],
    );
    server.check(
        LINES,
        &[("input.readlines()", r"[b'one\n', b'two\n', b'rest']"), ("input.readlines()", "[]")],
    );
    server.check(
        LINES,
        &[("input.readlines(4)", r"[b'one\n']"), ("input.readlines(5)", r"[b'two\n', b'rest']")],
    );
    server.check(LINES, &[("input.readlines(0)", r"[b'one\n', b'two\n', b'rest']")]);
    server.check(
        LINES,
        &[
            ("iter(input) is input", "True"),
            ("next(input)", r"b'one\n'"),
            ("input.read(4)", r"b'two\n'"),
            ("list(input)", "[b'rest']"),
            ("next(input)", "StopIteration: "),
        ],
    );
}

fn refuses_wrong_arguments(mode: Mode) {
    let server = server(mode).start();
    server.check(
        LINES,
        &[
            ("input.read(None)", "TypeError: 'NoneType' object cannot be interpreted as an integer"),
            ("input.read('3')", "TypeError: 'str' object cannot be interpreted as an integer"),
            ("input.read(1, 2)", "TypeError: read() takes at most 1 argument (2 given)"),
            ("input.readline(1, 2)", "TypeError: readline() takes at most 1 argument (2 given)"),
            ("outcome(lambda: input.read(size=1)).endswith('read() takes no keyword arguments')", "True"),
            ("hasattr(input, 'seek') or hasattr(input, 'fileno') or hasattr(input, 'readinto')", "False"),
            ("input.read()", r"b'one\ntwo\nrest'"),
        ],
    );
}

fn is_dead_after_the_request(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    server.evaluate(LINES, &["kept.__setitem__('input', input)"]);
    let text =
        |method: &str| format!("RuntimeError: {method}() called on wsgi.input after request completed");
    let iteration = "RuntimeError: iteration of wsgi.input attempted after request completed";
    server.check(
        LINES,
        &[
            ("kept['input'].read()", &text("read")),
            ("kept['input'].readline()", &text("readline")),
            ("kept['input'].readlines()", &text("readlines")),
            ("kept['input'].close()", &text("close")),
            ("iter(kept['input'])", iteration),
            ("next(kept['input'])", iteration),
        ],
    );
}

fn takes_a_large_body(mode: Mode) {
    let server = server(mode).start();
    let body: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let code = "import zlib\n\
                def app(environ, start_response):\n    crc, length = 0, 0\n    while True:\n        \
                data = environ['wsgi.input'].read(10007)\n        if not data: break\n        \
                assert len(data) == 10007 or len(data) == 5000000 % 10007\n        \
                crc, length = zlib.crc32(data, crc), length + len(data)\n    \
                return answer(start_response, '%d %d' % (crc, length))\n";
    let request = server.request("POST", "/").header("X-Code", &base64(code.as_bytes())).body(&body);
    assert_eq!(request.send().ok().text(), format!("{} 5000000", crc32(&body)));
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

/// The client goes away in the middle of its upload: the application's read fails, and the server lives on.
fn client_gone_while_uploading(mode: Mode) {
    let server = server(mode).expect_log("mod_wsgi request data read error: ").allow_python_errors().start();
    let code = base64(b"def app(environ, start_response):\n    input.read()\n    return []\n");
    for _ in 0..4 {
        let mut wire = server.connect();
        wire.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-Code: {code}\r\n\r\nabc"));
        wire.finish();
        wire.read_to_end();
    }
    eventually("the failed read is logged", || {
        server.error_log().contains("Partial results are valid but processing is incomplete").then_some(())
    });
    assert_eq!(server.evaluate("x", &["input.read()"]), ["b'x'"]);
}

in_both_modes!(
    chunked_body_needs_a_directive,
    client_gone_while_uploading,
    is_dead_after_the_request,
    reads,
    reads_lines,
    refuses_wrong_arguments,
    says_continue_when_read,
    takes_a_large_body,
    unread_body_is_dropped,
);

/// The control uploads the whole body before it looks at the response (spec/behaviour.md §2.5).
#[test]
fn response_and_upload_overlap_in_a_daemon() {
    if Subject::skips("a daemon's response waits for the end of the upload") {
        return;
    }
    response_and_upload_overlap(Mode::Daemon);
}

#[test]
fn response_and_upload_overlap_in_embedded_mode() {
    response_and_upload_overlap(Mode::Embedded);
}

fn response_and_upload_overlap(mode: Mode) {
    let server: Httpd = server(mode).start();
    let code = base64(
        b"def app(environ, start_response):\n    start_response('200 OK', [])\n    \
          while True:\n        data = input.read(4)\n        if not data: break\n        yield data.upper()\n",
    );
    let mut wire = server.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nX-Code: {code}\r\n\r\nabcd"));
    assert_eq!(wire.head().expect("a head before the end of the upload").status, 200);
    assert_eq!(wire.exactly(9).expect("the first chunk"), b"4\r\nABCD\r\n");
    wire.send("efgh");
    assert_eq!(wire.exactly(9).expect("the second chunk"), b"4\r\nEFGH\r\n");
    wire.send("ijkl");
    assert_eq!(wire.exactly(14).expect("the rest"), b"4\r\nIJKL\r\n0\r\n\r\n");
}

/// As `zlib.crc32`.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let table: Vec<u32> = (0..256).map(|byte| (0..8).fold(byte, |crc, _| step(crc))).collect();
    !bytes.iter().fold(!0, |crc, byte| table[(crc as u8 ^ byte) as usize] ^ crc >> 8)
}
