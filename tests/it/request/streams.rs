//! `wsgi.errors` and standard streams as objects (spec/behaviour.md §3).

use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, Subject};

/// The lines of the log that hold `marker`.
fn lines(server: &Httpd, marker: &str) -> Vec<String> {
    server.error_log().lines().filter(|line| line.contains(marker)).map(str::to_owned).collect()
}

/// §3.1: reading any attribute of a restricted stream fails.
fn restricted_streams(mode: Mode) {
    let server = server(mode)
        .directives("WSGIRestrictStdin On\nWSGIRestrictStdout On")
        .allow_log_of_control("Exception ignored in: <mod_wsgi.Restricted") // it flushes sys.stdout at its end
        .allow_log_of_control("OSError: sys.stdout access restricted by mod_wsgi")
        .start();
    let denied = |name: &str| format!("OSError: sys.{name} access restricted by mod_wsgi");
    server.check(
        "",
        &[
            ("__import__('sys').stdin.read()", &denied("stdin")),
            ("__import__('sys').stdout.write('x')", &denied("stdout")),
            ("print('x')", &denied("stdout")),
            (
                "type(__import__('sys').stdin).__module__, type(__import__('sys').stdin).__name__",
                "('mod_wsgi', 'Restricted')",
            ),
            ("outcome(lambda: setattr(__import__('sys').stdin, 'x', 1))[:14]", "'AttributeError'"),
            ("isinstance(repr(__import__('sys').stdout), str)", "True"),
            ("__import__('sys').stderr.name", "'<stderr>'"),
            ("__import__('sys').__stdin__ is __import__('sys').stdin", "False"),
        ],
    );
}

/// §3.1: the text layer; the original streams stay where they were.
fn text_layer(mode: Mode) {
    let server = server(mode).start();
    let sys = "__import__('sys')";
    server.check(
        "",
        &[
            (
                &format!("type({sys}.stdout).__name__, type({sys}.stderr).__name__"),
                "('TextIOWrapper', 'TextIOWrapper')",
            ),
            (&format!("{sys}.stdout.line_buffering, {sys}.stdout.write_through"), "(True, True)"),
            (&format!("{sys}.stderr.encoding, {sys}.stderr.errors"), "('utf-8', 'replace')"),
            (&format!("{sys}.__stderr__ is {sys}.stderr"), "False"),
            ("environ['wsgi.errors'].line_buffering, environ['wsgi.errors'].name", "(True, '<wsgi.errors>')"),
        ],
    );
}

/// §3.2: the binary layer.
fn binary_layer(mode: Mode) {
    let server = server(mode).expect_log("B: ").allow_python_errors().start();
    let log = "environ['wsgi.errors'].buffer";
    server.check(
        "",
        &[
            (&format!("{log}.write(b'B: bytes\\n')"), "None"),
            (&format!("{log}.write(bytearray(b'B: array\\n'))"), "None"),
            (&format!("{log}.write(memoryview(b'B: view\\n'))"), "None"),
            (&format!("{log}.writelines([b'B: one\\n', b'B: two\\n'])"), "None"),
            (&format!("outcome(lambda: {log}.write(3))[:9]"), "'TypeError'"),
            (&format!("outcome(lambda: {log}.writelines(3))[:9]"), "'TypeError'"),
            (
                &format!("{log}.readable(), {log}.seekable(), {log}.isatty(), {log}.writable()"),
                "(False, False, False, True)",
            ),
            (
                &format!("{log}.name, {log}.encoding, {log}.errors, {log}.closed"),
                "('<wsgi.errors>', 'utf-8', 'replace', False)",
            ),
        ],
    );
    let found = lines(&server, "B: ");
    for text in ["B: bytes", "B: array", "B: view", "B: one", "B: two"] {
        assert_eq!(found.iter().filter(|line| line.ends_with(text)).count(), 1, "{found:?}");
    }
}

/// §3.5: an application that closes the stream itself.
fn closed_by_the_application(mode: Mode) {
    let server = server(mode).expect_log("C: before").allow_python_errors().start();
    let dead = "RuntimeError: write() called on wsgi.errors after request completed";
    server.check(
        "",
        &[
            ("environ['wsgi.errors'].write('C: before')", "9"),
            ("environ['wsgi.errors'].buffer.close()", "None"),
            ("environ['wsgi.errors'].write('C: after')", dead),
            ("print('C: printed')", dead),
            ("environ['wsgi.errors'].buffer.closed", "False"),
        ],
    );
    server.check("", &[("print('C: next')", "None")]);
    server.wait_for_log("C: next");
    assert!(!server.error_log().contains("C: after") && !server.error_log().contains("C: printed"));
}

fn stream_objects(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    server.check(
        "",
        &[
            ("type(environ['wsgi.errors'].buffer).__module__ + '.' + type(environ['wsgi.errors'].buffer).__name__",
                "'mod_wsgi.Log'"),
            ("environ['wsgi.errors'].encoding, environ['wsgi.errors'].errors", "('utf-8', 'replace')"),
            ("environ['wsgi.errors'].closed", "False"),
            ("__import__('sys').stdout.name, __import__('sys').stderr.name", "('<stdout>', '<stderr>')"),
            ("environ['wsgi.errors'].buffer.isatty(), environ['wsgi.errors'].buffer.writable()", "(False, True)"),
            ("environ['wsgi.errors'].fileno()", "OSError: wsgi.errors log object has no file descriptor"),
            ("environ['wsgi.errors'].flush()", "None"),
            ("kept.__setitem__('errors', environ['wsgi.errors'])", "None"),
        ],
    );
    server.check(
        "",
        &[
            (
                "kept['errors'].write('x')",
                "RuntimeError: write() called on wsgi.errors after request completed",
            ),
            ("kept['errors'].flush()", "None"),
            ("kept['errors'].closed", "False"),
        ],
    );
}

in_both_modes!(binary_layer, closed_by_the_application, restricted_streams, stream_objects, text_layer,);
