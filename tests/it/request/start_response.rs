//! `start_response` and `write`: what they accept, and the exact texts of what they refuse (spec/behaviour.md §4.1, §4.2).

use crate::snippets::{SendSnippets, failing, server};
use integration::{Mode, Subject};

fn refuses_bad_calls(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    server.check(
        "",
        &[
            ("start_response()", "TypeError: start_response() takes at least 2 arguments (0 given)"),
            ("start_response('200 OK')", "TypeError: start_response() takes at least 2 arguments (1 given)"),
            ("start_response(1, [], None, 4)", "TypeError: start_response() takes at most 3 arguments (4 given)"),
            ("start_response('200 OK', ())", "TypeError: start_response() argument 2 must be list, not tuple"),
            ("start_response('200 OK', None)", "TypeError: start_response() argument 2 must be list, not None"),
            ("start_response('200 OK', [], 1)",
                "RuntimeError: start_response() argument 'exc_info' must be a 3-tuple or None"),
            ("outcome(lambda: start_response(status='200 OK', headers=[])).endswith('takes no keyword arguments')",
                "True"),
        ],
    );
}

fn refuses_bad_statuses(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    let digits = "ValueError: status code must be a 3 digit integer: ";
    server.check(
        "",
        &[
            ("start_response(200, [])", "TypeError: must be str, not int"),
            ("start_response(b'200 OK', [])", "TypeError: must be str, not bytes"),
            ("outcome(lambda: start_response('200 \\u20ac', []))[:18]", "'UnicodeEncodeError'"),
            ("start_response('', [])", &format!("{digits}b''")),
            ("start_response('OK', [])", &format!("{digits}b'OK'")),
            ("start_response('20', [])", &format!("{digits}b'20'")),
            ("start_response('2000 OK', [])", &format!("{digits}b'2000 OK'")),
            ("start_response('404Nope', [])", "ValueError: no space following status code: b'404Nope'"),
            (
                "start_response('200 O\\tK', [])",
                r"ValueError: control character in status reason phrase: b'200 O\tK'",
            ),
            (
                "start_response('200 O\\x7fK', [])",
                r"ValueError: control character in status reason phrase: b'200 O\x7fK'",
            ),
        ],
    );
}

fn refuses_bad_headers(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    let headers = |headers: &str| format!("start_response('200 OK', {headers})");
    let line_feed = "ValueError: carriage return/line feed character in header value: ";
    let rows = [
        ("[['A', 'b']]", "TypeError: each header must be a 2-tuple, not list".to_owned()),
        ("[('A',)]", "ValueError: each header must be a 2-tuple, got length 1".to_owned()),
        ("[('A', 'b', 'c')]", "ValueError: each header must be a 2-tuple, got length 3".to_owned()),
        ("[(b'A', 'b')]", "TypeError: must be str, not bytes".to_owned()),
        ("[('A', 1)]", "TypeError: must be str, not int".to_owned()),
        ("[('', 'b')]", "ValueError: header name is empty".to_owned()),
        ("[('A\\n', 'b')]", r"ValueError: control character in header name: b'A\n'".to_owned()),
        ("[('A B', 'b')]", "ValueError: space character in header name: b'A B'".to_owned()),
        ("[('A', 'b\\r\\nC: d')]", format!(r"{line_feed}b'b\r\nC: d'")),
        ("[('A', 'b'), ('B', 'x\\ny')]", format!(r"{line_feed}b'x\ny'")),
    ];
    let rows: Vec<(String, String)> = rows.into_iter().map(|(text, error)| (headers(text), error)).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(call, error)| (call.as_str(), error.as_str())).collect();
    server.check("", &rows);
}

fn may_be_called_again_before_output(mode: Mode) {
    let server = server(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    start_response('404 Not Found', [('X-First', '1')])
    try: start_response('bad', [])
    except ValueError: pass
    headers = [('X-Second', '2')]
    start_response('299 Whatever', headers)
    headers.append(('X-Late', '3'))
    return [b'body']",
    );
    assert_eq!((response.status, response.header("X-Second")), (299, Some("2")));
    assert_eq!((response.header("X-First"), response.header("X-Late")), (None, None));
}

fn is_final_once_output_began(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    write = start_response('200 OK', [])
    write(b'')
    yield outcome(lambda: start_response('200 OK', [])).encode() + b'|'
    try: raise KeyError('original')
    except KeyError:
        import sys
        info = sys.exc_info()
    yield outcome(lambda: start_response('500 No', [], info)).encode() + b'|'
    yield outcome(lambda: start_response('500 No', [], (1, 2))).encode()",
    );
    assert_eq!(
        response.ok().text(),
        "RuntimeError: start_response() called more than once without exc_info|KeyError: 'original'|\
         TypeError: function takes exactly 3 arguments (2 given)"
    );
}

fn exc_info_replaces_before_output(mode: Mode) {
    let server = server(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    start_response('200 OK', [('X-First', '1')])
    start_response('503 Later', [('X-Second', '2')], ('anything', 'at', 'all'))
    return [b'sorry']",
    );
    assert_eq!((response.status, response.text().as_str()), (503, "sorry"));
    assert_eq!((response.header("X-First"), response.header("X-Second")), (None, Some("2")));
}

fn write_takes_bytes(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    write = start_response('200 OK', [])
    results = [outcome(lambda: write('text')), outcome(lambda: write(None)), outcome(lambda: write()),
        outcome(lambda: write(bytearray(b'x'))), outcome(lambda: write(b'first '))]
    return [b'then ', '|'.join(results).encode()]",
    );
    let error = "TypeError: write() argument must be bytes, not";
    assert_eq!(
        response.ok().text(),
        format!(
            "first then {error} str|{error} NoneType|TypeError: write() takes exactly 1 argument (0 given)|\
             {error} bytearray|None"
        )
    );
}

fn are_dead_after_the_request(mode: Mode) {
    if Subject::is_too_old("its exceptions have other texts") {
        return;
    }
    let server = server(mode).start();
    server.run(
        "def app(environ, start_response):
    kept['start_response'] = start_response
    kept['write'] = start_response('200 OK', [])
    return [b'x']",
    );
    server.check(
        "",
        &[
            (
                "kept['start_response']('200 OK', [])",
                "RuntimeError: start_response() called after request completed",
            ),
            ("kept['write'](b'x')", "RuntimeError: write() called after request completed"),
        ],
    );
}

fn status_line_is_as_given(mode: Mode) {
    if Subject::is_too_old("it wants a reason phrase") {
        return;
    }
    let server = server(mode).start();
    let rows =
        [("299 Whatever", 299, "Whatever"), ("200", 200, "OK"), ("404 Gone  Fishing", 404, "Gone  Fishing")];
    for (status, code, reason) in rows {
        let mut wire = server.connect();
        let app = format!(
            "def app(environ, start_response):\n    start_response('{status}', [])\n    return [b'x']\n"
        );
        let header = crate::snippets::base64(app.as_bytes());
        wire.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Code: {header}\r\n\r\n"));
        let response = wire.response(false);
        assert_eq!((response.status, response.reason.as_str()), (code, reason));
    }
}

/// What follows a NUL must not reach the client as a header: refused, or cut as by the control (spec/behaviour.md §12, 37).
fn nul_injects_nothing(mode: Mode) {
    let server = server(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    try: start_response('200 OK', [('X-A', 'b\\x00\\r\\nX-Evil: 1')])
    except Exception: start_response('200 OK', [])
    return [b'x']",
    );
    assert_eq!((response.status, response.header("X-Evil")), (200, None));
}

/// §4.1 4a: committed headers and exc_info: the given exception comes back with its traceback.
fn exception_is_raised_again(mode: Mode) {
    let server = server(mode).start();
    let response = server.run(
        "import sys
def app(environ, start_response):
    start_response('200 OK', [])
    yield b'x'
    try: raise KeyError('k')
    except KeyError: info = sys.exc_info()
    try: start_response('500 No', [], info)
    except KeyError as error: yield repr([error is info[1], error.__traceback__ is not None]).encode()",
    );
    assert_eq!(response.ok().text(), "x[True, True]");
}

/// §4.2: an empty write commits, and does not spoil a 500.
fn empty_write(mode: Mode) {
    let server = failing(mode).start();
    let response = server.run(
        "def app(environ, start_response):
    start_response('200 OK', [('X-A', 'b')])(b'')
    raise ValueError()",
    );
    assert_eq!((response.status, response.header("X-A")), (500, None));
}

in_both_modes!(
    are_dead_after_the_request,
    empty_write,
    exc_info_replaces_before_output,
    exception_is_raised_again,
    is_final_once_output_began,
    may_be_called_again_before_output,
    nul_injects_nothing,
    refuses_bad_calls,
    refuses_bad_headers,
    refuses_bad_statuses,
    status_line_is_as_given,
    write_takes_bytes,
);
