//! `wsgi.file_wrapper` (spec/behaviour.md §5).

use crate::snippets::{SendSnippets, server};
use integration::{HttpdBuilder, Mode, Subject};

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

in_both_modes!(
    closes_the_file,
    is_a_class,
    sends_a_large_file,
    sends_files,
    short_file_is_sent_and_the_connection_closed,
);
