//! `wsgi.errors`, the standard streams and `LogHandler` (spec/behaviour.md §3).

use crate::snippets::each;

#[test]
fn lines_of_a_request() {
    each("log-lines", |snippets| {
        let answer = snippets
            .run(
                "import sys, threading
def app(environ, start_response):
    log = environ['wsgi.errors']
    log.write('one\\ntwo\\n')
    log.write('part ')
    print('and', end=' ')
    print('parcel', end='', file=sys.stderr)
    log.write('\\n')
    log.writelines(['a\\n', 'b\\n'])
    log.buffer.write(b'bytes\\n')
    log.buffer.writelines([b'x', bytearray(b'y\\n')])
    thread = threading.Thread(target=print, args=('from another thread',))
    thread.start()
    thread.join()
    start_response('200 OK', [])
    log.write('the end \\u20ac \\ud800')
    return []",
            )
            .ok();
        let prefix = format!("[script {}] ", snippets.script.display());
        let lines: Vec<String> = answer
            .logs
            .iter()
            .filter(|(level, _)| *level == 3)
            .map(|(_, text)| text.strip_prefix(&prefix).unwrap_or_else(|| panic!("{text}")).to_owned())
            .collect();
        assert_eq!(lines, ["one", "two", "part and parcel", "a", "b", "bytes", "xy", "the end \u{20ac} ?"]);
        snippets.daemon.wait_for_log("<3>from another thread\n");
    });
}

#[test]
fn stream_objects() {
    each("log-objects", |snippets| {
        snippets.check("", &[
            ("type(environ['wsgi.errors']).__name__, environ['wsgi.errors'].name", "('TextIOWrapper', '<wsgi.errors>')"),
            ("type(environ['wsgi.errors'].buffer).__module__, type(environ['wsgi.errors'].buffer).__name__",
                "('mod_wsgi', 'Log')"),
            ("environ['wsgi.errors'].encoding, environ['wsgi.errors'].errors, environ['wsgi.errors'].line_buffering",
                "('utf-8', 'replace', True)"),
            ("type(__import__('sys').stdout.buffer) is type(environ['wsgi.errors'].buffer)", "True"),
            ("__import__('sys').stdout.name, __import__('sys').stderr.name", "('<stdout>', '<stderr>')"),
            ("environ['wsgi.errors'].buffer.isatty(), environ['wsgi.errors'].buffer.writable()", "(False, True)"),
            ("environ['wsgi.errors'].fileno()", "OSError: wsgi.errors log object has no file descriptor"),
            ("environ['wsgi.errors'].buffer.write(b'x\\n')", "None"),
            ("environ['wsgi.errors'].buffer.write(1)", "TypeError: a bytes-like object is required, not 'int'"),
            ("environ['wsgi.errors'].flush()", "None"),
            ("kept.__setitem__('errors', environ['wsgi.errors'])", "None"),
        ]);
        snippets.check(
            "",
            &[
                (
                    "kept['errors'].write('x')",
                    "RuntimeError: write() called on wsgi.errors after request completed",
                ),
                (
                    "kept['errors'].buffer.writelines([])",
                    "RuntimeError: writelines() called on wsgi.errors after request completed",
                ),
                ("kept['errors'].flush()", "None"),
                ("kept['errors'].closed", "False"),
                ("kept['errors'].close()", "None"),
                ("environ['wsgi.errors'].close()", "None"),
                ("print('x')", "RuntimeError: write() called on wsgi.errors after request completed"),
            ],
        );
        // A text layer that the application has changed or kept is not used again.
        snippets.check(
            "",
            &[
                ("hasattr(environ['wsgi.errors'], 'mark')", "False"),
                ("setattr(environ['wsgi.errors'], 'mark', 1)", "None"),
            ],
        );
        snippets.check(
            "",
            &[
                ("hasattr(environ['wsgi.errors'], 'mark')", "False"),
                ("environ['wsgi.errors'].reconfigure(errors='strict')", "None"),
            ],
        );
        snippets.check(
            "",
            &[("environ['wsgi.errors'].errors", "'replace'"), ("environ['wsgi.errors'].write('works')", "5")],
        );
        assert!(snippets.run("def app(e, s): return answer(s, '')").ok().logs.iter().all(|(l, _)| *l > 3));
    });
}

#[test]
fn log_handler() {
    each("log-handler", |snippets| {
        let answer = snippets
            .run(
                "import logging, mod_wsgi
def app(environ, start_response):
    logger = logging.Logger('x')
    logger.addHandler(type('Mine', (mod_wsgi.LogHandler,), {})())
    for level in (10, 20, 30, 40, 50): logger.log(level, 'level %s\\nsecond', level)
    return answer(start_response, '%s.%s' % (mod_wsgi.LogHandler.__module__, mod_wsgi.LogHandler.__name__))",
            )
            .ok();
        assert_eq!(answer.text(), "mod_wsgi.LogHandler");
        let levels: Vec<u8> =
            answer.logs.iter().filter(|(_, t)| t.contains("level")).map(|(l, _)| *l).collect();
        assert_eq!(levels, [7, 6, 4, 3, 2]);
        assert_eq!(answer.logs.iter().filter(|(_, text)| text.ends_with("] second")).count(), 5);
    });
}
