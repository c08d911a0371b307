//! `wsgi.errors`, standard streams and log records: what spec/behaviour.md §3 says beyond the tests of `logging.rs`.

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

/// §3.3: one record a line; a text write with a newline flushes what follows it; the level is error.
fn records(mode: Mode) {
    let server = server(mode).expect_log("R: ").allow_python_errors().start();
    server
        .run(
            "def app(environ, start_response):
    errors = environ['wsgi.errors']
    errors.write('R: a\\nR: b')
    errors.write('R: c\\n\\nR: d\\n')
    errors.write('R: ' + 'x' * 20000 + '\\nR: after\\n')
    errors.write('R: nul\\0hidden\\n')
    errors.write('R: f\\xfcr \\u20ac \\ud800\\n')
    return answer(start_response, '')",
        )
        .ok();
    server.wait_for_log("R: f");
    let found = lines(&server, "R: ");
    let ends: Vec<String> =
        found.iter().map(|line| line[line.find("R: ").expect("there")..].chars().take(8).collect()).collect();
    assert_eq!(ends[..4], ["R: a", "R: b", "R: c", "R: d"]);
    assert!(
        found[4].len() >= 7000 && found[4].len() < 33000,
        "a long line is one record: {}",
        found[4].len()
    );
    assert!(ends[5] == "R: after" && ends[6].starts_with("R: nul"), "{ends:?}");
    assert!(found.iter().all(|line| line.contains("[wsgi:error]") && line.contains("[script ")), "{found:?}");
}

/// §3.3: nothing milder than crit suppresses what an application writes.
fn log_level_hides_streams(mode: Mode) {
    let server = server(mode).log_level("warn wsgi:crit").start();
    server.run("def app(e, s):\n    print('HIDDEN')\n    raise ValueError('HIDDEN')");
    assert!(!server.error_log().contains("HIDDEN"), "{}", server.error_log());
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

/// §3.4: what no request wrote has no prefix.
fn records_without_a_request(mode: Mode) {
    let app = "import threading
print('P: loading')
def application(environ, start_response):
    thread = threading.Thread(target=print, args=('P: thread',))
    thread.start(); thread.join()
    print('P: request')
    start_response('200 OK', [])
    return [b'x']\n";
    let server = Httpd::builder().mode(mode).app(app).expect_log("P: ").start();
    server.get("/").ok();
    for text in ["P: loading", "P: thread", "P: request"] {
        server.wait_for_log(text);
    }
    for (text, prefixed) in [("P: loading", false), ("P: thread", false), ("P: request", true)] {
        let found = lines(&server, text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].contains("[script "), prefixed, "{}", found[0]);
    }
}

/// §3.6: header record, location and traceback with causes; each line its own record.
fn tracebacks(mode: Mode) {
    let server = server(mode).expect_log("WSGI0174").allow_python_errors().start();
    server.run(
        "def app(environ, start_response):
    try: raise KeyError('the cause')
    except KeyError as error: raise ValueError('the effect') from error",
    );
    server.wait_for_log("ValueError: the effect");
    let place = if mode == Mode::Daemon { "of daemon process 'app'" } else { "in embedded mode" };
    let path = server.root().join("app/app.wsgi").display().to_string();
    let header = lines(&server, "WSGI0174").remove(0);
    let text =
        format!("ValueError exception raised processing WSGI script '{path}' for main interpreter {place}.");
    assert!(header.contains(&text), "{header}");
    assert!(header.find("WSGI0174").expect("there") < header.find("[script ").expect("a prefix"), "{header}");
    assert_eq!(lines(&server, "KeyError: 'the cause'").len(), 1);
    assert_eq!(lines(&server, "The above exception was the direct cause").len(), 1);
    assert!(!lines(&server, "ValueError: the effect")[0].contains("[script "));
}

/// §3.7: levels, lines, and what LogLevel leaves out.
fn log_handler(mode: Mode) {
    let server = server(mode).expect_log("H: ").allow_log("H: ").start();
    server
        .run(
            "import logging, mod_wsgi
def app(environ, start_response):
    logger = logging.Logger('mine')
    handler = mod_wsgi.LogHandler()
    handler.setFormatter(logging.Formatter('H: %(levelname)s %(message)s'))
    logger.addHandler(handler)
    for level in (10, 20, 30, 40, 50): logger.log(level, 'text')
    logger.warning('two\\nH: lines')
    return answer(start_response, '')",
        )
        .ok();
    server.wait_for_log("H: lines");
    let rows = [("INFO", "info"), ("WARNING", "warn"), ("ERROR", "error"), ("CRITICAL", "crit")];
    for (name, level) in rows {
        let found = lines(&server, &format!("H: {name} text"));
        assert_eq!(found.len(), 1, "{name}");
        assert!(
            found[0].contains(&format!("[wsgi:{level}]")) && found[0].contains("[script "),
            "{}",
            found[0]
        );
    }
    assert!(lines(&server, "H: DEBUG").is_empty());
    assert_eq!(lines(&server, "H: lines").len(), 1);
}

/// A null character does not end a record.
fn null_characters_are_escaped(mode: Mode) {
    if Subject::skips("it cuts the record there") {
        return;
    }
    let server = server(mode).expect_log("N: ").start();
    server
        .run(
            "def app(environ, start_response):
    import sys, threading
    environ['wsgi.errors'].write('N: request \\0 \\x1b end\\n')
    thread = threading.Thread(target=print, args=('N: thread \\0 \\x1b end',))
    thread.start(); thread.join()
    return answer(start_response, '')",
        )
        .ok();
    server.wait_for_log("N: thread");
    for name in ["request", "thread"] {
        let line = lines(&server, &format!("N: {name}")).remove(0);
        assert!(line.contains("x00 \\x1b end"), "{line}");
    }
}

/// With an ErrorLogFormat a traceback is one record, line feeds escaped.
fn traceback_is_one_record_with_a_format(mode: Mode) {
    if Subject::skips("each line is a record") {
        return;
    }
    let server = server(mode)
        .directives("ErrorLogFormat \"{%l|%P|%M}\"")
        .expect_log("WSGI0174")
        .allow_log("{")
        .start();
    server.run("def app(environ, start_response):\n    raise ValueError('the effect')");
    server.wait_for_log("WSGI0174");
    let found = lines(&server, "ValueError: the effect");
    assert_eq!(found.len(), 1, "{found:?}");
    for text in ["{error|", "WSGI0174: ", "\\nTraceback (most recent call last):\\n", "in app\\n", "effect}"]
    {
        assert!(found[0].contains(text), "{text}: {}", found[0]);
    }
}

in_both_modes!(
    binary_layer,
    closed_by_the_application,
    log_handler,
    log_level_hides_streams,
    null_characters_are_escaped,
    records,
    records_without_a_request,
    restricted_streams,
    text_layer,
    traceback_is_one_record_with_a_format,
    tracebacks,
);

/// §3.4: a daemon's output outside requests goes to the log of the virtual host that defines the group.
#[test]
fn output_of_a_group_goes_to_the_log_of_its_host() {
    let app = "print('LOADED')\ndef application(environ, start_response):\n    print('SERVED')\n    \
               start_response('200 OK', [])\n    return [b'x']\n";
    let server = Httpd::builder()
        .file("app.wsgi", app)
        .directives(
            "<VirtualHost *:@PORT@>\nServerName one.test\nErrorLog @ROOT@/logs/one.log\nWSGIDaemonProcess inside\n\
             WSGIProcessGroup inside\nWSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias / @ROOT@/app/app.wsgi\n\
             </VirtualHost>",
        )
        .expect_log("LOADED")
        .expect_log("SERVED")
        .start();
    server.request("GET", "/").header("Host", "one.test").send().ok();
    // What no request wrote takes another way, and may come later.
    server.wait_for_log("SERVED");
    server.wait_for_log("LOADED");
    let log = server.log_of("one.log");
    assert!(log.contains("LOADED") && log.contains("SERVED"), "{log}");
}

/// §3.4: the address of the client in records; two spellings in the control's daemon mode.
#[test]
fn records_name_the_client() {
    for mode in Mode::ALL {
        let server = server(mode).expect_log("A: ").start();
        server.run("def app(e, s):\n    print('A: text')\n    return answer(s, '')").ok();
        server.wait_for_log("A: text");
        let line = lines(&server, "A: text").remove(0);
        let word =
            if mode == Mode::Daemon && !Subject::is_ours() { "[remote 127.0.0.1:" } else { "127.0.0.1:" };
        assert!(line.contains(word), "{line}");
    }
}

/// Lines of a request name the process and the thread that wrote them, not the child of httpd that has the request.
#[test]
fn records_name_the_daemon() {
    if Subject::skips("its threads are numbered by the thread library") {
        return;
    }
    let server = server(Mode::Daemon).expect_log("W: ").start();
    let said = server
        .run(
            "def app(environ, start_response):
    import os, threading
    environ['wsgi.errors'].write('W: here\\n')
    return answer(start_response, f'[pid {os.getpid()}:tid {threading.get_native_id()}]')",
        )
        .ok()
        .text();
    server.wait_for_log("W: here");
    let line = lines(&server, "W: here").remove(0);
    assert!(line.contains(&said) && line.contains("] [client 127.0.0.1:"), "{said}: {line}");
    // The form is httpd's own, as that of a line about the child itself.
    let own = lines(&server, "AH00489").remove(0);
    assert_eq!(
        own.find("] [pid "),
        line.replace("wsgi:error", "mpm_event:notice").find("] [pid "),
        "{own}\n{line}"
    );
}

/// Nothing comes between the lines of a traceback, however many are written at once.
#[test]
fn tracebacks_stay_together() {
    if Subject::skips("others come between") {
        return;
    }
    let app = "def deep(n): return deep(n - 1) if n else 1 / 0
def application(environ, start_response):
    for i in range(20): print('Z: noise')
    deep(3)\n";
    let server =
        Httpd::builder().mode(Mode::Daemon).app(app).expect_log("WSGI0174").allow_python_errors().start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(server.get("/").status, 500);
                }
            });
        }
    });
    let log = server.error_log();
    let mut inside = false;
    for line in log.lines() {
        assert!(!inside || !line.contains("Z: noise"), "{line}");
        let begins = line.contains("WSGI0174");
        assert!(!inside || !begins, "a traceback in another one: {line}");
        inside = begins || inside && !line.ends_with("ZeroDivisionError: division by zero");
    }
    assert_eq!(log.matches("ZeroDivisionError: division by zero").count(), 80);
}
