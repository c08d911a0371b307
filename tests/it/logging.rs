//! `wsgi.errors`, `print` and where they end up (spec/behaviour.md §3).

use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, Subject};

/// The texts of log lines that hold `marker`, from the marker on.
fn records(server: &Httpd, marker: &str) -> Vec<String> {
    let log = server.error_log();
    log.lines().filter_map(|line| line.find(marker).map(|start| line[start..].to_owned())).collect()
}

fn lines_become_records(mode: Mode) {
    if Subject::is_too_old("records do not name the script") {
        return;
    }
    let server = server(mode).expect_log("R: ").start();
    server
        .run(
            "def app(environ, start_response):
    log = environ['wsgi.errors']
    log.write('R: one\\nR: two\\n')
    log.write('R: part ')
    import sys
    print('and', end=' ')
    print('parcel', end='', file=sys.stderr)
    log.write('\\n')
    log.writelines(['R: a\\n', 'R: b\\n'])
    log.buffer.write(b'R: bytes\\n')
    log.write('R: no newline at the end')
    log.write(' \\u20ac')
    return answer(start_response, 'done')",
        )
        .ok();
    server.wait_for_log("R: no newline"); // written at the end of the request, when the client may have its response
    let rows = ["R: one", "R: two", "R: part and parcel", "R: a", "R: b", "R: bytes"];
    let found = records(&server, "R: ");
    assert_eq!(found[..6], rows);
    assert!(found[6].starts_with("R: no newline at the end "), "{}", found[6]);
    let script = format!("[script {}/app/app.wsgi] R: one", server.root().display());
    assert!(server.error_log().contains(&script), "records of a request name the script");
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

fn each_virtual_host_has_its_own_log(mode: Mode) {
    let hosts: String = ["one", "two"]
        .iter()
        .map(|name| {
            format!(
                "<VirtualHost *:@PORT@>\nServerName {name}.test\nErrorLog @ROOT@/logs/{name}.log\n\
                 WSGIScriptAlias / @ROOT@/app/app.wsgi\n</VirtualHost>\n"
            )
        })
        .collect();
    let app = "import sys\ndef application(environ, start_response):\n    \
               print('print for', environ['HTTP_HOST'])\n    \
               print('stderr for', environ['HTTP_HOST'], file=sys.stderr)\n    \
               environ['wsgi.errors'].write('errors for ' + environ['HTTP_HOST'] + '\\n')\n    \
               start_response('200 OK', [])\n    return [b'x']\n";
    let server = Httpd::builder()
        .mode(mode)
        .file("app.wsgi", app)
        .directives(&hosts)
        .expect_log("for one.test")
        .expect_log("for two.test")
        .start();
    for name in ["one", "two", "one"] {
        server.request("GET", "/").header("Host", &format!("{name}.test")).send().ok();
    }
    server.wait_for_log("errors for two.test");
    for (name, times) in [("one", 2), ("two", 1)] {
        let log = server.log_of(&format!("{name}.log"));
        for text in ["print for", "stderr for", "errors for"] {
            assert_eq!(log.matches(&format!("{text} {name}.test")).count(), times, "{text} {name}: {log}");
        }
        assert!(!log.contains(if name == "one" { "for two" } else { "for one" }), "{log}");
    }
}

fn import_time_output_is_logged(mode: Mode) {
    let app = "print('printed while loading')\ndef application(environ, start_response):\n    \
               start_response('200 OK', [])\n    return [b'x']\n";
    let server = Httpd::builder().mode(mode).app(app).expect_log("printed while loading").start();
    server.get("/").ok();
    server.get("/").ok();
    server.wait_for_log("printed while loading");
    assert_eq!(server.error_log().matches("printed while loading").count(), 1);
}

fn background_threads_log_too(mode: Mode) {
    let server = server(mode).expect_log("from the background").start();
    server.run(
        "def app(environ, start_response):
    import threading
    thread = threading.Thread(target=print, args=('from the background',))
    thread.start()
    thread.join()
    return answer(start_response, 'done')",
    );
    server.wait_for_log("from the background");
}

/// A client that goes away in the middle of its upload is one line of level info, whatever becomes of the application.
fn client_that_leaves_is_one_line(mode: Mode) {
    if Subject::skips("a traceback at level error") {
        return;
    }
    let server = server(mode).start();
    let code =
        crate::snippets::base64(b"def app(environ, start_response):\n    input.read()\n    return []\n");
    let mut wire = server.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-Code: {code}\r\n\r\nabc"));
    wire.finish();
    wire.read_to_end();
    server.wait_for_log("The client went away");
    let log = server.error_log();
    assert!(log.matches("The client went away").count() == 1 && !log.contains("Traceback"), "{log}");
    assert!(log.lines().all(|line| !line.contains("[wsgi:error]")), "{log}");
}

in_both_modes!(
    background_threads_log_too,
    client_that_leaves_is_one_line,
    each_virtual_host_has_its_own_log,
    import_time_output_is_logged,
    lines_become_records,
    stream_objects,
);
