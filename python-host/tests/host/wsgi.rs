//! WSGI as the specification has it (spec/behaviour.md §1 to §5), in daemons of every Python.

use crate::snippets::{SnippetDaemon, each};
use crate::wire::End;
use wsgi_protocol::request::RequestFlags;

#[test]
fn environ() {
    each("environ", |snippets| {
        snippets.check(
            "",
            &[
                ("type(environ) is dict", "True"),
                ("environ['wsgi.version'], environ['wsgi.url_scheme']", "((1, 0), 'http')"),
                ("environ['wsgi.multithread'], environ['wsgi.multiprocess']", "(True, False)"),
                ("environ['wsgi.run_once'], environ['wsgi.input_terminated']", "(False, True)"),
                ("environ['mod_wsgi.version'], environ['apache.version']", "((6, 1, 1), (2, 4, 71))"),
                (
                    "environ['mod_wsgi.request_start'], environ['mod_wsgi.queue_start']",
                    "(1700000000.0, 1700000000.5)",
                ),
                ("environ['mod_wsgi.daemon_start'] <= environ['mod_wsgi.application_start']", "True"),
                ("environ['mod_wsgi.thread_id'] in (1, 2)", "True"),
                (
                    "environ['PATH_INFO'], 'REMOTE_ADDR' in environ, 'CONTENT_TYPE' in environ",
                    "('/', False, False)",
                ),
                ("sorted(k for k, v in environ.items() if v is None)", "[]"),
                (
                    "type(environ['wsgi.input']).__module__, type(environ['wsgi.input']).__name__",
                    "('mod_wsgi', 'Input')",
                ),
            ],
        );
        let get = snippets.request("def app(environ, start_response):
    return answer(start_response, ascii([environ['HTTP_X_ODD'], environ['SCRIPT_FILENAME'], environ['wsgi.url_scheme']]))");
        let get = get
            .pair("HTTP_X_ODD", "\u{e9}\u{ff}")
            .pair("SCRIPT_FILENAME", "/\u{c3}\u{a9}")
            .flag(RequestFlags::HTTPS);
        let script = snippets.script.clone();
        let mut connection = snippets.daemon.connect();
        let answer = connection.run(&get).text();
        assert!(script.exists());
        assert_eq!(answer, r"['\xe9\xff', '/\xe9', 'https']");
    });
}

const LINES: &str = "one\ntwo\nrest";

#[test]
fn input() {
    each("input", |snippets| {
        snippets.check(
            LINES,
            &[
                ("input.read(0)", "b''"),
                ("input.read(5)", r"b'one\nt'"),
                ("input.readline(1)", "b'w'"),
                ("input.readline()", r"b'o\n'"),
                ("input.close()", "None"),
                ("input.read(-1)", "b'rest'"),
                ("input.readline()", "b''"),
                ("input.read(None)", "TypeError: 'NoneType' object cannot be interpreted as an integer"),
                ("input.read('3')", "TypeError: 'str' object cannot be interpreted as an integer"),
                ("input.read(1, 2)", "TypeError: read() takes at most 1 argument (2 given)"),
                ("outcome(lambda: input.read(size=1)).endswith('read() takes no keyword arguments')", "True"),
                ("hasattr(input, 'seek') or hasattr(input, 'fileno') or hasattr(input, '__dict__')", "False"),
                ("type(input)()", "TypeError: cannot create 'mod_wsgi.Input' instances"),
            ],
        );
        snippets
            .check(LINES, &[("input.readlines(5)", r"[b'one\n', b'two\n']"), ("list(input)", "[b'rest']")]);
        snippets.check(LINES, &[("iter(input) is input", "True"), ("next(input)", r"b'one\n'")]);
        snippets.check("", &[("input.read()", "b''"), ("next(input)", "StopIteration: ")]);
        snippets.check("", &[("kept.__setitem__('input', input)", "None")]);
        let over =
            |method: &str| format!("RuntimeError: {method}() called on wsgi.input after request completed");
        let iteration = "RuntimeError: iteration of wsgi.input attempted after request completed";
        snippets.check(
            "",
            &[
                ("kept['input'].read()", &over("read")),
                ("kept['input'].readline()", &over("readline")),
                ("kept['input'].readlines()", &over("readlines")),
                ("kept['input'].close()", &over("close")),
                ("iter(kept['input'])", iteration),
                ("next(kept['input'])", iteration),
            ],
        );
    });
}

#[test]
fn start_response_refuses() {
    each("start-response", |snippets| {
        let digits = "ValueError: status code must be a 3 digit integer: ";
        let line = "ValueError: carriage return/line feed character in header value: ";
        snippets.check(
            "",
            &[
                ("start_response('200 OK')", "TypeError: start_response() takes at least 2 arguments (1 given)"),
                ("start_response(1, [], None, 4)", "TypeError: start_response() takes at most 3 arguments (4 given)"),
                ("start_response('200 OK', ())", "TypeError: start_response() argument 2 must be list, not tuple"),
                ("start_response('200 OK', None)", "TypeError: start_response() argument 2 must be list, not None"),
                ("start_response('200 OK', [], 1)",
                    "RuntimeError: start_response() argument 'exc_info' must be a 3-tuple or None"),
                ("outcome(lambda: start_response(status='200', headers=[])).endswith('takes no keyword arguments')",
                    "True"),
                ("start_response(b'200', [])", "TypeError: must be str, not bytes"),
                ("start_response('200 \\u20ac', [])",
                    "UnicodeEncodeError: 'latin-1' codec can't encode character '\\u20ac' in position 4: ordinal not in range(256)"),
                ("start_response('200 \\ud800', [])[:18]",
                    "UnicodeEncodeError: 'latin-1' codec can't encode character '\\ud800' in position 4: ordinal not in range(256)"),
                ("start_response('2000 OK', [])", &format!("{digits}b'2000 OK'")),
                ("start_response('404Nope', [])", "ValueError: no space following status code: b'404Nope'"),
                ("start_response('200 O\\tK', [])",
                    r"ValueError: control character in status reason phrase: b'200 O\tK'"),
                ("start_response('200', [['A', 'b']])", "TypeError: each header must be a 2-tuple, not list"),
                ("start_response('200', [('A',)])", "ValueError: each header must be a 2-tuple, got length 1"),
                ("start_response('200', [('A', 1)])", "TypeError: must be str, not int"),
                ("start_response('200', [('', 'b')])", "ValueError: header name is empty"),
                ("start_response('200', [('A B', 'b')])", "ValueError: space character in header name: b'A B'"),
                ("start_response('200', [('A', 'b\\r\\nC: d')])", &format!(r"{line}b'b\r\nC: d'")),
                ("start_response.__self__.__class__.__name__", "'Adapter'"),
                ("start_response('200 \\xe9', [('A', '\\xff')])('x')", "TypeError: write() argument must be bytes, not str"),
                ("start_response('200', [])()", "TypeError: write() takes exactly 1 argument (0 given)"),
                ("start_response('200', [])(None)", "TypeError: write() argument must be bytes, not NoneType"),
            ],
        );
    });
}

#[test]
fn responses() {
    each("responses", |snippets| {
        let answer = snippets.run(
            "def app(environ, start_response):
    start_response('404 Not Found', [('X-First', '1')])
    try: start_response('bad', [])
    except ValueError: pass
    headers = [('X-\\xe9', '\\xff'), ('A', ''), ('A', '2')]
    start_response('299 Whatever', headers)
    headers.append(('X-Late', '3'))
    return (b'bo', b'', b'dy')",
        );
        assert_eq!((answer.status.as_str(), answer.text().as_str()), ("299 Whatever", "body"));
        let headers: Vec<_> = answer.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(headers, [("X-\u{e9}", "\u{ff}"), ("A", ""), ("A", "2")]);
        let answer = snippets.run(
            "def app(environ, start_response):
    write = start_response('200 OK', [])
    write(b'')
    yield outcome(lambda: start_response('200 OK', [])).encode() + b'|'
    try: raise KeyError('original')
    except KeyError:
        import sys
        info = sys.exc_info()
    yield outcome(lambda: start_response('500 No', [], info)).encode() + b'|'
    yield outcome(lambda: start_response('500 No', [], ('no', 'such', 'thing'))).encode() + b'|'
    yield outcome(lambda: start_response('500 No', [], (1, 2))).encode()",
        );
        assert_eq!(
            answer.ok().text(),
            "RuntimeError: start_response() called more than once without exc_info|\
            KeyError: 'original'|TypeError: exceptions must derive from BaseException|\
            TypeError: function takes exactly 3 arguments (2 given)"
        );
        let answer = snippets.run(
            "def app(environ, start_response):
    yield b''
    start_response('404 Not Found', [])
    yield b''
    start_response('200 OK', [('Content-Length', '4')])
    for _ in range(3): yield b'abc'",
        );
        assert_eq!(answer.ok().text(), "abca");
        let answer =
            snippets.run("def app(e, s):\n    s('200 OK', [('Content-Length', '7')])\n    return []");
        assert_eq!(answer.headers, [("Content-Length".to_owned(), "0".to_owned())]);
        assert_eq!(answer.end, End::Complete);
        let answer =
            snippets.run("def app(e, s):\n    s('200 OK', [('Content-Length', '7')])\n    return [b'x']");
        assert_eq!((answer.end, answer.body.len()), (End::Aborted, 1));
        let head =
            snippets.request("def app(e, s):\n    s('200 OK', [('Content-Length', '7')])\n    return [b'x']");
        let answer = snippets.daemon.connect().run(&head.flag(RequestFlags::HEAD_ONLY));
        assert_eq!((answer.end, answer.body.len()), (End::Complete, 0));
        assert_eq!(answer.headers.len(), 1);
    });
}

#[track_caller]
fn fails(snippets: &mut SnippetDaemon, code: &str, end: End, texts: &[&str]) {
    let answer = snippets.run(code);
    assert_eq!(answer.end, end, "{code}: {answer:?}");
    for text in texts {
        assert!(answer.log().contains(text), "{text} not in {}", answer.log());
    }
}

#[test]
fn failures() {
    each("failures", |snippets| {
        let start = "def app(environ, start_response):\n    start_response('200 OK', [])\n";
        for (rest, end, text) in [
            ("    raise ValueError('boom')", End::Fail(500), "ValueError: boom"),
            ("    return ['text']", End::Fail(500), "TypeError: response iterable must yield bytes, not str"),
            ("    return b'bare'", End::Fail(500), "TypeError: response iterable must yield bytes, not int"),
            ("    return None", End::Fail(500), "TypeError: 'NoneType' object is not iterable"),
            ("    import sys; sys.exit(3)", End::Fail(500), "WSGI0175: [script "),
            ("    yield b'x'; raise KeyError('late')", End::Aborted, "KeyError: 'late'"),
            ("    yield b''; raise KeyboardInterrupt", End::Fail(500), "KeyboardInterrupt"),
            (
                "    start_response('200 OK', [('Content-Length', 'many')]); return [b'x']",
                End::Fail(500),
                "ValueError: invalid Content-Length header value: 'many'",
            ),
        ] {
            fails(snippets, &format!("{start}{rest}"), end, &[text]);
        }
        fails(
            snippets,
            "def app(e, s): return []",
            End::Fail(500),
            &["RuntimeError: start_response() must be called before response content is produced"],
        );
        let place = "exception raised processing WSGI script '";
        fails(
            snippets,
            "def f(): raise ValueError('one')\ndef app(e, s):
    try: f()
    except ValueError as error: raise TypeError('two') from error",
            End::Fail(500),
            &[
                "<3>WSGI0174: [script ",
                "] TypeError ",
                place,
                "main interpreter of daemon process 'test'.",
                "<3>Traceback (most recent call last):\n",
                "in application\n",
                "<3>ValueError: one\n",
                "<3>The above exception was the direct cause",
                "<3>TypeError: two\n",
            ],
        );
        let closing = "class Closing:
    def __init__(self, error): self.error = error; self.items = iter([b'ab'])
    def __iter__(self): return self
    def __next__(self): return next(self.items)
    def close(self):
        kept['closed'] = kept.get('closed', 0) + 1
        if self.error: raise self.error\n";
        let app = |error: &str| {
            format!("{closing}def app(e, s):\n    s('200 OK', [])\n    return Closing({error})")
        };
        snippets.run(&app("None")).ok();
        let answer = snippets.run(&app("KeyError('closing')")).ok();
        assert!(answer.log().contains("KeyError: 'closing'"));
        snippets.check("", &[("kept['closed']", "2")]);
    });
}

#[test]
fn request_timeout() {
    each("timeout", |snippets| {
        let raise = "import mod_wsgi\ndef app(e, s):\n    s('200 OK', [])\n    ";
        let answer = snippets.run(&format!("{raise}raise mod_wsgi.RequestTimeout"));
        assert_eq!((answer.end.clone(), answer.status.as_str()), (End::Complete, "504 Gateway Timeout"));
        assert!(
            answer.log().contains("Request interrupted by RequestTimeout; thread recovered."),
            "{answer:?}"
        );
        let answer = snippets.run(&format!("{raise}yield b'x'; raise mod_wsgi.RequestTimeout"));
        assert_eq!(answer.end, End::Aborted);
        assert!(answer.log().contains("after headers sent; response truncated."), "{answer:?}");
        snippets.check(
            "",
            &[
                ("__import__('mod_wsgi').RequestTimeout.__mro__[1] is BaseException", "True"),
                ("__import__('mod_wsgi').RequestTimeout.__module__", "'mod_wsgi'"),
            ],
        );
    });
}

#[test]
fn file_wrapper() {
    each("file-wrapper", |snippets| {
        let letters = snippets.folder.write("letters.txt", "abcdefghijklmnopqrstuvwxyz");
        let app = |prepare: &str, result: &str| {
            format!(
                "import io
def app(environ, start_response):
    wrapper = environ['wsgi.file_wrapper']
    kept['file'] = file = open({letters:?}, 'rb')
    headers = []
    {prepare}
    write = start_response('200 OK', headers)
    return {result}"
            )
        };
        for (prepare, result, file, length) in [
            ("pass", "wrapper(file)", Some((0, 26)), Some("26")),
            ("file.read(3)", "wrapper(file, 3)", Some((3, 23)), Some("23")),
            ("headers.append(('Content-Length', '5'))", "wrapper(file)", Some((0, 5)), Some("5")),
            ("pass", "iter(type('Mine', (wrapper,), {})(file))", Some((0, 26)), Some("26")),
            ("file.seek(30)", "wrapper(file)", None, Some("0")),
            ("pass", "wrapper(io.BytesIO(b'abc'))", None, None),
            ("pass", "(b for b in wrapper(file, 5))", None, None),
        ] {
            let answer = snippets.run(&app(prepare, result)).ok();
            assert_eq!(answer.files.first().copied(), file, "{prepare} {result}");
            let header = answer.headers.first().map(|(_, value)| value.as_str());
            assert_eq!(header, length, "{prepare} {result}");
        }
        let answer = snippets.run(&app("headers.append(('Content-Length', '100'))", "wrapper(file)"));
        assert_eq!((answer.end, answer.files), (End::Aborted, vec![(0, 26)]));
        let answer = snippets.run(&app("pass", "write(b'0') or wrapper(file, 7)")).ok();
        assert_eq!(answer.text(), "0abcdefghijklmnopqrstuvwxyz");
        snippets.check("", &[("kept['file'].closed", "True")]);
    });
}

#[test]
fn file_wrapper_class() {
    each("file-wrapper-class", |snippets| {
        let make = "environ['wsgi.file_wrapper'](__import__('io').BytesIO(b'abcd'), blksize=3)";
        snippets.check(
            "",
            &[
                (
                    "environ['wsgi.file_wrapper'].__module__ + environ['wsgi.file_wrapper'].__name__",
                    "'mod_wsgiFileWrapper'",
                ),
                (&format!("list({make})"), "[b'abc', b'd']"),
                (&format!("{make}.blksize"), "3"),
                (
                    &format!("outcome(lambda: setattr({make}, 'blksize', 1)).startswith('AttributeError')"),
                    "True",
                ),
                ("environ['wsgi.file_wrapper'](None, -1)", "ValueError: blksize must not be negative"),
                (
                    "outcome(lambda: environ['wsgi.file_wrapper']())[:58]",
                    "\"TypeError: FileWrapper() missing required argument 'fileli\"",
                ),
                (
                    "environ['wsgi.file_wrapper'](1, 2, 3)",
                    "TypeError: FileWrapper() takes at most 2 arguments (3 given)",
                ),
                (&format!("kept.__setitem__('w', {make}) or kept['w'].close() or kept['w'].close()"), "None"),
                ("kept['w'].filelike", "ValueError: I/O operation on closed file"),
                ("next(kept['w'])", "ValueError: I/O operation on closed file"),
                ("environ['wsgi.file_wrapper'].__new__(environ['wsgi.file_wrapper']).blksize", "0"),
                (
                    "list(environ['wsgi.file_wrapper'](__import__('io').StringIO('x')))",
                    "TypeError: file wrapper read() must return bytes, not str",
                ),
                (
                    "list(environ['wsgi.file_wrapper'](1))",
                    "AttributeError: 'int' object has no attribute 'read'",
                ),
            ],
        );
    });
}
