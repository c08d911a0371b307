//! Log records: what an application writes, where it ends up and in which form (spec/behaviour.md §3).

use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, Subject};

/// The lines of the log that hold `marker`.
fn lines(server: &Httpd, marker: &str) -> Vec<String> {
    server.error_log().lines().filter(|line| line.contains(marker)).map(str::to_owned).collect()
}

/// Their texts, from the marker on.
fn texts(server: &Httpd, marker: &str) -> Vec<String> {
    let from_marker = |line: String| line.find(marker).map(|start| line[start..].to_owned());
    lines(server, marker).into_iter().filter_map(from_marker).collect()
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
    let found = texts(&server, "R: ");
    assert_eq!(found[..6], rows);
    assert!(found[6].starts_with("R: no newline at the end "), "{}", found[6]);
    let script = format!("[script {}/app/app.wsgi] R: one", server.root().display());
    assert!(server.error_log().contains(&script), "records of a request name the script");
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
    server.logged("printed while loading", 1);
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

in_both_modes!(
    background_threads_log_too,
    client_that_leaves_is_one_line,
    each_virtual_host_has_its_own_log,
    import_time_output_is_logged,
    lines_become_records,
    log_handler,
    log_level_hides_streams,
    null_characters_are_escaped,
    records,
    records_without_a_request,
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
