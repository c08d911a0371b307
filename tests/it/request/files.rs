//! `wsgi.file_wrapper` (spec/behaviour.md §5).

use crate::asking::head;
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, HttpdBuilder, Mode, Response, Subject};

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

fn with_file(mode: Mode) -> HttpdBuilder {
    server(mode).file("letters.txt", LETTERS)
}

/// An application that opens the file, runs `prepare` and returns `result`.
fn app(prepare: &str, result: &str) -> String {
    format!(
        "import os, io\ndef app(environ, start_response):
    wrapper = environ['wsgi.file_wrapper']
    file = open(os.path.join(os.path.dirname(environ['SCRIPT_FILENAME']), 'letters.txt'), 'rb')
    headers = []
    {prepare}
    start_response('200 OK', headers)
    return {result}\n"
    )
}

fn sends_files(mode: Mode) {
    let server = with_file(mode).start();
    let rows = [
        ("pass", "wrapper(file)", LETTERS, Some("26")),
        ("pass", "wrapper(file, 3)", LETTERS, Some("26")),
        ("file.read(3)", "wrapper(file)", &LETTERS[3..], Some("23")),
        ("headers.append(('Content-Length', '5'))", "wrapper(file)", &LETTERS[..5], Some("5")),
        ("file.seek(20); headers.append(('Content-Length', '2'))", "wrapper(file)", "uv", Some("2")),
        ("pass", "wrapper(io.BytesIO(b'memory'))", "memory", None),
        ("pass", "iter(wrapper(file))", LETTERS, Some("26")),
        ("pass", "(block for block in wrapper(file, 5))", LETTERS, None),
        ("pass", "type('Mine', (wrapper,), {})(file)", LETTERS, Some("26")),
        ("file.seek(0, 2)", "wrapper(file)", "", Some("0")),
    ];
    for (prepare, result, body, length) in rows {
        let response = server.run(&app(prepare, result)).ok();
        assert_eq!(
            (response.text().as_str(), response.header("Content-Length")),
            (body, length),
            "{prepare}; {result}"
        );
    }
    let written = app("write = start_response('200 OK', [])\n    write(b'0')", "wrapper(file)");
    let written = written.replace("start_response('200 OK', headers)\n", "pass\n");
    assert_eq!(server.run(&written).ok().text(), format!("0{LETTERS}"));
}

fn closes_the_file(mode: Mode) {
    let server = with_file(mode).start();
    server.run(&app("kept['file'] = file", "wrapper(file)")).ok();
    assert_eq!(server.evaluate("", &["kept['file'].closed"]), ["True"]);
}

fn is_a_class(mode: Mode) {
    if Subject::is_too_old("it is another type") {
        return;
    }
    let server = with_file(mode).start();
    let make = "environ['wsgi.file_wrapper'](__import__('io').BytesIO(b'abcd'), blksize=3)";
    server.check(
        "",
        &[
            (
                "environ['wsgi.file_wrapper'].__module__ + '.' + environ['wsgi.file_wrapper'].__name__",
                "'mod_wsgi.FileWrapper'",
            ),
            (&format!("list({make})"), "[b'abc', b'd']"),
            (&format!("{make}.blksize"), "3"),
            (&format!("iter({make}) is None"), "False"),
            (&format!("outcome(lambda: setattr({make}, 'blksize', 1)).startswith('AttributeError')"), "True"),
            ("environ['wsgi.file_wrapper'](None, -1)", "ValueError: blksize must not be negative"),
            (&format!("kept.__setitem__('w', {make}) or kept['w'].close() or kept['w'].close()"), "None"),
            ("kept['w'].filelike", "ValueError: I/O operation on closed file"),
            ("next(kept['w'])", "ValueError: I/O operation on closed file"),
            (
                "list(environ['wsgi.file_wrapper'](__import__('io').StringIO('x')))",
                "TypeError: file wrapper read() must return bytes, not str",
            ),
        ],
    );
}

/// Larger than what httpd maps at once, by each of its ways, from a place that is not the start of a page.
fn sends_a_large_file(mode: Mode) {
    for directives in ["", "EnableMMAP Off", "EnableSendfile On\nWSGIEnableSendfile On"] {
        let server = server(mode).directives(directives).start();
        let response = server.run(
            "import tempfile\ndef app(environ, start_response):
    file = tempfile.TemporaryFile()
    for number in range(320): file.write(bytes([number % 256]) * 65536)
    file.seek(100)
    start_response('200 OK', [])
    return environ['wsgi.file_wrapper'](file)",
        );
        assert_eq!(response.header("Content-Length"), Some("20971420"), "{directives}");
        let wrong =
            response.body.iter().enumerate().find(|(at, byte)| **byte != ((at + 100) / 65536 % 256) as u8);
        assert_eq!((wrong, response.body.len()), (None, 20_971_420), "{directives}");
    }
}

/// More announced than the file holds: the control sends nothing at all (spec/behaviour.md §5.2 [Q]).
fn short_file_is_sent_and_the_connection_closed(mode: Mode) {
    if Subject::skips("a file shorter than announced gives no response or 502") {
        return;
    }
    let server = with_file(mode).allow_python_errors().start();
    let code = app("headers.append(('Content-Length', '100'))", "wrapper(file)");
    let mut wire = server.connect();
    wire.send(format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Code: {}\r\n\r\n",
        crate::snippets::base64(code.as_bytes())
    ));
    let all = String::from_utf8_lossy(&wire.read_to_end()).into_owned();
    assert!(all.starts_with("HTTP/1.1 200") && all.ends_with(LETTERS), "{all}");
}

/// §5.1: the constructor's and the object's texts.
fn class_details(mode: Mode) {
    let server = with_file(mode).start();
    let wrapper = "environ['wsgi.file_wrapper']";
    let bytes = format!("{wrapper}(__import__('io').BytesIO(b'abcd'))");
    server.check(
        "",
        &[
            (
                &format!("{wrapper}()"),
                "TypeError: FileWrapper() missing required argument 'filelike' (pos 1)",
            ),
            (&format!("{wrapper}(1, 2, 3)"), "TypeError: FileWrapper() takes at most 2 arguments (3 given)"),
            (&format!("{bytes}.blksize"), "8192"),
            (&format!("list({wrapper}(__import__('io').BytesIO(b'abcd'), 0))"), "[]"),
            (
                &format!("next({wrapper}(filelike=object()))"),
                "AttributeError: 'object' object has no attribute 'read'",
            ),
            (&format!("outcome(lambda: setattr({bytes}, 'filelike', 1))[:14]"), "'AttributeError'"),
            (&format!("kept.__setitem__('w', {bytes}) or kept['w'].close()"), "None"),
            ("iter(kept['w']) is kept['w'], kept['w'].blksize", "(True, 8192)"),
            (&format!("outcome(lambda: {wrapper}(1, 'x'))[:9]"), "'TypeError'"),
        ],
    );
    if Subject::is_ours() {
        server.check("", &[(&format!("{wrapper}(object()).close()"), "None")]); // the control: SystemError
    }
}

/// §5.2: objects that are no plain file are iterated.
fn what_is_not_a_plain_file(mode: Mode) {
    // The control complains about a wrapped object without `close` ([Q] of §5.1).
    let server = with_file(mode).allow_log_of_control("[wsgi:error]").start();
    let rows = [
        ("class F:\n        def read(self, n, f=file): return f.read(n)", "wrapper(F(), 5)"),
        ("class F:\n        read = file.read\n        fileno = file.fileno", "wrapper(F(), 5)"),
        (
            "class F:\n        read = file.read\n        fileno = file.fileno\n        def tell(self): raise OSError()",
            "wrapper(F(), 5)",
        ),
        ("r, w = os.pipe(); os.write(w, file.read()); os.close(w)", "wrapper(os.fdopen(r, 'rb'))"),
    ];
    for (prepare, result) in rows {
        let response = server.run(&app(prepare, result)).ok();
        assert_eq!(
            (response.text().as_str(), response.header("Content-Length")),
            (LETTERS, None),
            "{prepare}"
        );
    }
}

/// §5.2: `read()` is never called, and the descriptor's position is what it was.
fn descriptor_is_left_alone(mode: Mode) {
    let server = with_file(mode).start();
    let prepare = "file.read(4); os.lseek(file.fileno(), 9, 0)
    class F:
        fileno = file.fileno
        def tell(self): return 2
        def read(self, n): raise ValueError('read')
        def close(self): kept['position'] = os.lseek(file.fileno(), 0, 1)";
    let response = server.run(&app(prepare, "wrapper(F())")).ok();
    assert_eq!((response.text().as_str(), response.header("Content-Length")), (&LETTERS[2..], Some("24")));
    assert_eq!(server.evaluate("", &["kept['position']"]), ["9"]);
}

/// §5.2: the same for a file that httpd has to read, because a filter changes it, and for one that it reads in pieces.
fn descriptor_is_left_alone_by_filters(mode: Mode) {
    let text = "0123456789".repeat(50_000);
    let filter = "<Location />\nSetOutputFilter DEFLATE\n</Location>";
    let server = with_file(mode).file("large.txt", &text).directives(filter).start();
    let prepare = "file = open(os.path.join(os.path.dirname(environ['SCRIPT_FILENAME']), 'large.txt'), 'rb'); file.seek(10)
    class F:
        fileno, tell = file.fileno, file.tell
        def read(self, n): raise ValueError('read')
        def close(self): kept['position'] = os.lseek(file.fileno(), 0, 1)";
    for coding in ["gzip", "identity"] {
        let request = server.snippet(&app(prepare, "wrapper(F())")).header("Accept-Encoding", coding);
        let response = request.send().ok();
        assert_eq!(response.header("Content-Encoding").is_some(), coding == "gzip");
        assert!(coding == "gzip" || response.text() == text[10..], "{}", response.body.len());
        assert_eq!(server.evaluate("", &["kept['position']"]), ["10"], "{coding}");
    }
}

/// §5.2: an empty write does not spoil the fast path; a length longer than the range is cut, HEAD has no body.
fn lengths(mode: Mode) {
    let server = with_file(mode).directives("WSGIEnableSendfile On\nEnableSendfile On").start();
    let written = app("pass", "wrapper(file)")
        .replace("start_response('200 OK', headers)", "start_response('200 OK', headers)(b'')");
    let response = server.run(&written).ok();
    assert_eq!(response.text(), LETTERS);
    let mut wire = server.connect();
    wire.send(head("HEAD", "", &app("pass", "wrapper(file)")));
    assert_eq!(wire.response(true).header("Content-Length"), Some("26"));
}

/// §5.2: httpd's range filter works for files in embedded mode.
fn ranges(mode: Mode) {
    let server = with_file(mode).allow_python_errors().start();
    let file = app("pass", "wrapper(file)");
    let response = ranged(&server, "Range: bytes=2-4\r\n", &file);
    let whole = ranged(&server, "Range: bytes=2-4\r\n", &app("pass", "(b for b in wrapper(file))"));
    assert_eq!((whole.status, whole.text().as_str()), (200, LETTERS));
    if mode == Mode::Daemon && !Subject::is_ours() {
        assert_eq!((response.status, response.text().as_str()), (200, LETTERS));
        return;
    }
    if mode == Mode::Embedded {
        assert_eq!((response.status, response.text().as_str()), (206, "cde"));
        assert_eq!(response.header("Content-Range"), Some("bytes 2-4/26"));
        assert_eq!(ranged(&server, "Range: bytes=-3\r\n", &file).text(), "xyz");
        assert_eq!(ranged(&server, "Range: bytes=100-\r\n", &file).status, 416);
        let log = server.error_log();
        assert!(!Subject::is_ours() || !log.contains("OSError"), "httpd's answer is no failure: {log}");
    } else {
        assert!(
            matches!((response.status, response.text().as_str()), (200, LETTERS) | (206, "cde")),
            "{response:?}"
        );
    }
    let own = file.replace("'200 OK'", "'206 Partial Content'");
    assert_eq!(ranged(&server, "Range: bytes=2-4\r\n", &own).text(), LETTERS);
}

/// §5.2 [Q]: an offset beyond the end is an empty body. The control fails.
fn offset_beyond_the_end(mode: Mode) {
    if Subject::skips("no response at all, or 502") {
        return;
    }
    let server = with_file(mode).start();
    let response = server.run(&app("file.seek(1000)", "wrapper(file)")).ok();
    assert_eq!((response.text().as_str(), response.header("Content-Length")), ("", Some("0")));
}

fn ranged(server: &Httpd, range: &str, code: &str) -> Response {
    let mut wire = server.connect();
    wire.send(head("GET", range, code));
    wire.response(false)
}

in_both_modes!(
    class_details,
    closes_the_file,
    descriptor_is_left_alone,
    descriptor_is_left_alone_by_filters,
    is_a_class,
    lengths,
    offset_beyond_the_end,
    ranges,
    sends_a_large_file,
    sends_files,
    short_file_is_sent_and_the_connection_closed,
    what_is_not_a_plain_file,
);
