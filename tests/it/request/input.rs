//! `wsgi.input` (spec/behaviour.md §2).

use crate::asking::{head, raw, rest};
use crate::snippets::{SendSnippets, base64, server};
use integration::{Httpd, Mode, Subject, eventually};
use std::thread::sleep;
use std::time::Duration;

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

/// §2: the type, and what it lacks.
fn type_of_input(mode: Mode) {
    let server = server(mode).start();
    server.check(
        "x",
        &[
            ("type(input).__module__ + '.' + type(input).__name__", "'mod_wsgi.Input'"),
            (
                "[n for n in ('tell', 'readable', 'closed', '__enter__', '__dict__') if hasattr(input, n)]",
                "[]",
            ),
            ("outcome(lambda: setattr(input, 'mine', 1))[:14]", "'AttributeError'"),
        ],
    );
    // A second object is dead or cannot be made; it is never a way to somebody else's body.
    let made = server.evaluate("secret", &["type(input)().read()"]).remove(0);
    assert!(made.starts_with("RuntimeError") || made.starts_with("TypeError"), "{made}");
}

/// §2.1: sizes are integers by the index protocol.
fn sizes(mode: Mode) {
    let server = server(mode).start();
    server.check(
        "abcdef",
        &[
            ("input.read(type('I', (), {'__index__': lambda s: 2})())", "b'ab'"),
            ("input.read(1.0)", "TypeError: 'float' object cannot be interpreted as an integer"),
            ("input.readline(None)", "TypeError: 'NoneType' object cannot be interpreted as an integer"),
            ("input.readlines('1')", "TypeError: 'str' object cannot be interpreted as an integer"),
            ("outcome(lambda: input.read(2**70))[:13]", "'OverflowError'"),
            ("outcome(lambda: input.readline(-2**70))[:13]", "'OverflowError'"),
            ("outcome(lambda: input.readlines(2**63))[:13]", "'OverflowError'"),
            ("input.read(2**63 - 1 if False else 4)", "b'cdef'"),
        ],
    );
}

/// §2.1: read(n) waits for n bytes; it is never short in mid-stream.
fn reads_wait_for_what_was_asked(mode: Mode) {
    let server = server(mode).start();
    let code = "def app(environ, start_response):
    return answer(start_response, repr([input.read(6), input.readline(), input.read(10), input.read(1)]))";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 14\r\n", code));
    for part in ["abc", "defgh", "\nij", "kl", "m"] {
        sleep(Duration::from_millis(40));
        wire.send(part);
    }
    assert_eq!(wire.response(false).text(), r"[b'abcdef', b'gh\n', b'ijklm', b'']");
}

/// §2.1: the end of the input is where httpd's filters say, not at `CONTENT_LENGTH`.
fn decompressed_by_a_filter(mode: Mode) {
    let server = server(mode).directives("<Location />\nSetInputFilter DEFLATE\n</Location>").start();
    // gzip of 1000 times `a`.
    let body = [
        0x1f, 0x8b, 0x8, 0x0, 0x0, 0x0, 0x0, 0x0, 0x2, 0x3, 0x4b, 0x4c, 0x1c, 0x5, 0xa3, 0x60, 0x14, 0xc,
        0x77, 0x0, 0x0, 0x3, 0xda, 0x38, 0x9a, 0xe8, 0x3, 0x0, 0x0,
    ];
    let code = "def app(environ, start_response):
    data = input.read()
    return answer(start_response, '%s %d %s' % (environ.get('CONTENT_LENGTH'), len(data), set(data)))";
    let request = server.snippet(code).header("Content-Encoding", "gzip").body(body);
    let response = request.send().ok();
    assert_eq!(response.text(), "29 1000 {97}");
}

/// §2.2: a failed read fails for good; the daemon's application learns of it as well.
fn error_state(mode: Mode) {
    let server = server(mode).expect_log("OUTCOMES").allow_python_errors().start();
    let code = "def app(environ, start_response):
    calls = [input.read, lambda: input.read(0), input.readline, input.readlines, lambda: next(input)]
    print('OUTCOMES ' + '|'.join(outcome(call) for call in calls))
    return answer(start_response, 'caught')";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 1000\r\n", code)).send("abc");
    sleep(Duration::from_millis(300)); // gone before its application runs, ours does not start it
    wire.finish();
    rest(&mut wire);
    let error = "OSError: mod_wsgi request data read error:";
    let again = format!("{error} input is already in error state");
    server.wait_for_log(&format!(
        "OUTCOMES {error} Partial results are valid but processing is incomplete|{again}|{again}|{again}|{again}"
    ));
}

/// §2.2: a client that stalls: 408 from a daemon, an error the application can catch in embedded mode.
fn stalled_client(mode: Mode) {
    let server = server(mode).directives("Timeout 1").expect_log("OUTCOME").allow_python_errors().start();
    let code = "def app(environ, start_response):
    text = outcome(input.read)
    print('OUTCOME', text)
    return answer(start_response, text)";
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 1000\r\n", code)).send("abc");
    let (text, seconds) = rest(&mut wire);
    assert!(seconds < 5.0, "{seconds}");
    let error = "OSError: mod_wsgi request data read error: ";
    match mode {
        Mode::Embedded => {
            assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("Connection: close"), "{text}");
            assert!(text.ends_with(&format!("{error}The timeout specified has expired")), "{text}");
        }
        Mode::Daemon => {
            assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
            server.wait_for_log(&format!("OUTCOME {error}")); // the control's daemon may time out by itself
        }
    }
}

/// §2.2 end: other threads may read while the request lasts.
fn other_threads_read(mode: Mode) {
    let server = server(mode).start();
    let code = "import threading
def app(environ, start_response):
    got = []
    thread = threading.Thread(target=lambda: got.append(input.read(5)))
    thread.start(); thread.join()
    return answer(start_response, repr(got + [input.read()]))";
    let response = server.snippet(code).body("hello world").send().ok();
    assert_eq!(response.text(), "[b'hello', b' world']");
}

/// §2.1: no body at all.
fn no_body(mode: Mode) {
    let server = server(mode).start();
    assert_eq!(raw(&server, "GET", super::framing::ECHO).text(), "b''");
    assert_eq!(raw(&server, "DELETE", super::framing::ECHO).text(), "b''");
}

in_both_modes!(
    client_gone_while_uploading,
    decompressed_by_a_filter,
    error_state,
    is_dead_after_the_request,
    no_body,
    other_threads_read,
    reads,
    reads_lines,
    reads_wait_for_what_was_asked,
    refuses_wrong_arguments,
    sizes,
    stalled_client,
    takes_a_large_body,
    type_of_input,
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
