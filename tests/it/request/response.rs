//! The response iterable, blocks, ends and exceptions (spec/behaviour.md §4.3 to §4.8).

use crate::asking::{head, raw, rest};
use crate::snippets::{SendSnippets, base64, failing, server};
use integration::{Mode, Subject, eventually};

/// A connection that stays open does so for longer than any test waits.
const LONG_KEEP_ALIVE: &str = "KeepAliveTimeout 60";

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
    let own = "def app(environ, start_response):\n    start_response('500 Mine', [])\n    return [b'mine']";
    assert_eq!(raw(&server, "GET", own).text(), "mine");
}

in_both_modes!(
    blocks_are_flushed_one_by_one,
    client_that_goes_away_stops_the_iteration,
    close_comes_soon_after_the_client_has_gone,
    close_is_called,
    closing,
    errors_before_output,
    exceptions_are_500_and_logged,
    failure_after_output_is_visible,
    failure_after_write_is_visible,
    generator_may_start_late_and_empty_items_do_nothing,
    items_must_be_bytes,
    output_needs_start_response,
    pipelined_requests_are_answered_in_order,
    quick_blocks_leave_before_the_application_waits,
    slow_close_delays_the_end,
    too_little_data_closes_the_connection,
    write_to_nobody,
    writes_are_bounded,
);
