//! WSGIAccessScript: each result and each failure, and what `allow_access` sees (spec/behaviour.md §7).

use crate::asking::load;
use integration::{Httpd, HttpdBuilder, Mode, Mpm, Response, Subject, eventually};

/// The application of all tests about host scripts.
pub const APP: &str =
    "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n";

/// Decides by the Python expression in `X-Value`.
const ACCESS: &str = "import sys
kept = {}
def fail(error): raise error
def allow_access(environ, host):
    return eval(environ['HTTP_X_VALUE'])
";

fn site(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(APP).file("access.py", ACCESS).file("empty.py", "x = 1\n").directives(
        "<Location /asked>\nWSGIAccessScript @ROOT@/app/access.py\n</Location>\n\
         <Location /empty>\nWSGIAccessScript @ROOT@/app/empty.py\n</Location>",
    )
}

fn ask(server: &Httpd, path: &str, value: &str) -> Response {
    server.request("GET", path).header("X-Value", value).send()
}

/// §7.2: only True and None let a request pass.
fn verdicts_of(builder: HttpdBuilder) {
    let server = builder
        .expect_log("WSGI0055")
        .expect_log("WSGI0056")
        .expect_log("WSGI0057: Client denied by server configuration: '")
        .expect_log("WSGI0174")
        .expect_log("WSGI0175")
        .expect_log("KeyError: 'ACCESS'")
        .allow_python_errors()
        .start();
    for (value, status) in [
        ("True", 200),
        ("None", 200),
        ("False", 403),
        ("1", 403),
        ("0", 403),
        ("'True'", 403),
        ("b''", 403),
        ("[]", 403),
        ("fail(KeyError('ACCESS'))", 403),
        ("fail(SystemExit(0))", 403),
        ("fail(KeyboardInterrupt())", 403),
    ] {
        assert_eq!(ask(&server, "/asked", value).status, status, "{value}");
    }
    assert_eq!(ask(&server, "/empty", "True").status, 403, "no function");
    assert_eq!(ask(&server, "/elsewhere", "False").status, 200, "not asked");
}

fn verdicts(mode: Mode) {
    verdicts_of(site(mode));
}

#[test]
fn verdicts_in_prefork() {
    verdicts_of(site(Mode::Daemon).mpm(Mpm::Prefork));
}

/// §6.4: a script that cannot be loaded denies; the next request tries again.
fn broken_scripts(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .app(APP)
        .file("access.py", "raise KeyError('LOAD')\n")
        .directives("<Location />\nWSGIAccessScript @ROOT@/app/access.py\n</Location>")
        .expect_log("WSGI0105")
        .expect_log("WSGI0107")
        .expect_log("WSGI0109")
        .expect_log("WSGI0057")
        .expect_log("KeyError: 'LOAD'")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").status, 403);
    for source in ["def allow_access(:\n", "raise SystemExit(1)\n"] {
        server.write("access.py", source);
        assert_eq!(server.get("/").status, 403, "{source}");
    }
    let allow = |verdict: &str| format!("def allow_access(environ, host):\n    return {verdict}\n");
    for (verdict, status) in [("True", 200), ("False", 403), ("None", 200)] {
        let path = server.write("access.py", &allow(verdict));
        // Times of files written one after the other may be equal.
        let file = std::fs::File::options().write(true).open(&path).expect("own file");
        let seconds = 10 + u64::from(status) + verdict.len() as u64;
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(seconds))
            .expect("own file");
        assert_eq!(server.get("/").status, status, "{verdict}");
    }
    std::fs::remove_file(server.root().join("app/access.py")).expect("own file");
    assert_eq!(server.get("/").status, 403, "the script is gone");
}

/// §7.1: what is in the environ, and what is not.
fn environ_is_reduced(mode: Mode) {
    let server = site(mode)
        .directives(
            "SetEnv FROM_SETENV 1\nSetEnvIf Host . FROM_SETENVIF=1\nWSGIMapHEADToGET On\nServerAdmin a@localhost\n\
             WSGIPassAuthorization On\n<Location />\nCGIPassAuth On\n</Location>",
        )
        .start();
    let port = server.port();
    let expressions = [
        "not {'FROM_SETENV', 'FROM_SETENVIF', 'REMOTE_USER', 'SCRIPT_FILENAME', 'HTTP_AUTHORIZATION', \
          'HTTP_PROXY_AUTHORIZATION', 'wsgi.input', 'wsgi.version', 'wsgi.url_scheme', 'mod_wsgi.callable_object', \
          'mod_wsgi.thread_id', 'REQUEST_SCHEME', 'PATH_TRANSLATED', 'apache.request_rec'} & set(environ)",
        "environ['REQUEST_METHOD'] == 'HEAD'",
        "environ['QUERY_STRING'] == 'a=%20b'",
        "environ['REQUEST_URI'] == '/asked//d%20e?a=%20b'",
        "environ['SCRIPT_NAME'] + environ['PATH_INFO'] in ('/asked//d e', '/asked/d e')",
        "environ['SERVER_NAME'] == 'localhost' and environ['SERVER_ADMIN'] == 'a@localhost'",
        &format!("environ['SERVER_PORT'] == '{port}' and environ['SERVER_ADDR'] == '127.0.0.1'"),
        "environ['SERVER_PROTOCOL'] == 'HTTP/1.1' and 'Apache' in environ['SERVER_SOFTWARE']",
        "environ['SERVER_SIGNATURE'] == '' and environ['DOCUMENT_ROOT'].endswith('/htdocs')",
        "environ['REMOTE_ADDR'] == host == '127.0.0.1' and int(environ['REMOTE_PORT']) > 0",
        "'REMOTE_HOST' not in environ",
        "environ['CONTENT_TYPE'] == 'text/x-odd' and environ['HTTP_X_LATIN'] == 'caf\\xe9'",
        "environ['mod_wsgi.process_group'] == environ['mod_wsgi.application_group'] == ''",
        "environ['apache.version'][:2] == (2, 4) and len(environ['mod_wsgi.version']) == 3",
        "environ['mod_ssl.is_https']() == 0 and environ['mod_ssl.var_lookup']('HTTPS') is None",
        "environ['mod_ssl.var_lookup'](b'HTTPS') is None",
        "type(environ['wsgi.errors']).__name__ == 'TextIOWrapper'",
        "type(environ['mod_ssl.is_https'].__self__).__name__ == 'Auth'",
        "type(host) is str and all(type(key) is str for key in environ)",
        "environ.update(MARK=1) is None or 'MARK' in environ",
    ];
    let mut agreed = Vec::new();
    for expression in expressions {
        let request = format!(
            "HEAD /asked//d%20e?a=%20b HTTP/1.1\r\nHost: localhost:{port}\r\nX-Value: bool({expression})\r\n\
             Authorization: Basic eDp5\r\nProxy-Authorization: Basic eDp5\r\nContent-Type: text/x-odd\r\n"
        );
        let mut request = request.into_bytes();
        request.extend_from_slice(b"X-Latin: caf\xe9\r\n\r\n");
        let mut wire = server.connect();
        wire.send(request);
        agreed.push((wire.response(true).status, expression));
    }
    let wrong: Vec<_> = agreed.iter().filter(|(status, _)| *status != 200).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Each call has an environ of its own.
    assert_eq!(ask(&server, "/asked", "'MARK' not in environ").status, 200);
}

/// §7.1: a header that programs take for the address of a proxy.
#[test]
fn proxy_header_is_dropped() {
    if Subject::skips("a Proxy header is passed as HTTP_PROXY") {
        return;
    }
    let server = site(Mode::Daemon).start();
    let request = server.request("GET", "/asked").header("Proxy", "evil:1");
    assert_eq!(request.header("X-Value", "'HTTP_PROXY' not in environ").send().status, 200);
}

/// §7.1: mod_ssl's callables and the log stream end with the function; arguments are checked.
fn callables_expire(mode: Mode) {
    let server = site(mode)
        .file(
            "access.py",
            "import json, mod_wsgi
kept = []
def attempt(f):
    try: return repr(f())
    except Exception as error: return type(error).__name__ + ': ' + str(error)
def allow_access(environ, host):
    lookup = environ['mod_ssl.var_lookup']
    if not kept:
        kept.extend([environ['mod_ssl.is_https'], lookup, environ['wsgi.errors']])
        return False
    is_https, old, errors = kept
    found = [attempt(f) for f in (lambda: is_https(), lambda: old('HTTPS'), lambda: errors.write('late\\n'),
             errors.flush, lambda: lookup(1), lambda: lookup('\\u2603'), lambda: lookup(), mod_wsgi.request_data)]
    print(json.dumps(found), file=environ['wsgi.errors'])
    return True
",
        )
        .expect_log("WSGI0057")
        .allow_python_errors()
        .start();
    eventually("a child is asked again", || (server.get("/asked").status == 200).then_some(()));
    let expected = [
        "RuntimeError: request object has expired",
        "RuntimeError: request object has expired",
        "RuntimeError: write() called on wsgi.errors after request completed",
        "None",
        "TypeError: byte string value expected, value of type int found",
        "TypeError: byte string value expected, value containing non 'latin-1' characters found",
        "TypeError: ssl_var_lookup() takes exactly 1 argument (0 given)",
        "RuntimeError: no active request for thread",
    ];
    let expected = serde_json::to_string(&expected).expect("strings").replace(",\"", ", \"");
    server.wait_for_log(&expected);
}

/// §7.2: `Satisfy Any` gives a denied client another way in, and nothing is logged about the denial.
fn satisfy_any(mode: Mode) {
    let server = site(mode)
        .directives(&load(&["access_compat", "authn_core", "authz_user", "authn_file", "auth_basic"]))
        .file("users", "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        .directives(
            "<Location /asked>\nSatisfy Any\nAuthType Basic\nAuthName x\nAuthUserFile @ROOT@/app/users\n\
             Require valid-user\n</Location>",
        )
        .start();
    assert_eq!(ask(&server, "/asked", "False").status, 401);
    assert_eq!(ask(&server, "/asked", "True").status, 200);
    let request = server.request("GET", "/asked").header("X-Value", "False");
    assert_eq!(request.header("Authorization", "Basic YWxpY2U6c2VjcmV0").send().status, 200);
    assert!(!server.error_log().contains("WSGI0057"));
}

/// §1.15: names of interpreters; `%{RESOURCE}` is a literal here.
fn application_groups(mode: Mode) {
    let groups = [("/named", "named"), ("/global", "%{GLOBAL}"), ("/literal", "%{RESOURCE}")];
    let mut builder = site(mode);
    for (path, group) in groups {
        builder = builder.directives(&format!(
            "<Location {path}>\nWSGIAccessScript @ROOT@/app/access.py application-group={group}\n</Location>"
        ));
    }
    let server = builder.start();
    for (path, group) in groups {
        let name = group.replace("%{GLOBAL}", "");
        let value = format!(
            "environ['mod_wsgi.application_group'] == {name:?} == __import__('mod_wsgi').application_group"
        );
        assert_eq!(ask(&server, path, &value).status, 200, "{group}");
    }
}

in_both_modes!(
    application_groups,
    broken_scripts,
    callables_expire,
    environ_is_reduced,
    satisfy_any,
    verdicts,
);

/// §3.6: a failure belongs into the log of the virtual host that was asked.
#[test]
fn failures_are_in_the_log_of_the_virtual_host() {
    let server = site(Mode::Daemon)
        .directives(
            "<VirtualHost 127.0.0.1:@PORT@>\nServerName main.example\n</VirtualHost>\n\
             <VirtualHost 127.0.0.1:@PORT@>\nServerName own.example\nErrorLog @ROOT@/logs/own.log\n</VirtualHost>",
        )
        .expect_log("KeyError: 'OWN'")
        .allow_python_errors()
        .start();
    let request = server.request("GET", "/asked").header("Host", "own.example");
    let value = "print('PRINTED', file=environ['wsgi.errors']) or fail(KeyError('OWN'))";
    assert_eq!(request.header("X-Value", value).send().status, 403);
    let (own, main) = (server.log_of("own.log"), server.log_of("error.log"));
    for text in ["PRINTED", "WSGI0174", "KeyError: 'OWN'", "WSGI0057"] {
        assert!(own.contains(text) && !main.contains(text), "{text}");
    }
}

/// §12 23: a `.htaccess` asks for Python where the children have none.
#[test]
fn without_python_is_closed() {
    if Subject::skips("the child crashes") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .directives("<Directory @ROOT@/htdocs>\nAllowOverride AuthConfig\n</Directory>")
        .document("closed/file.txt", "secret")
        .document("closed/.htaccess", "WSGIAccessScript /nowhere/access.py\n")
        .expect_log("WSGI0210")
        .expect_log("WSGI0057")
        .start();
    assert_eq!(server.get("/closed/file.txt").status, 403);
    assert_eq!(server.get("/closed/file.txt").status, 403);
}

/// It guards what other modules serve, too, before they are asked.
#[test]
fn static_files_are_guarded() {
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .file("access.py", ACCESS)
        .document("file.txt", "secret")
        .directives("<Directory @ROOT@/htdocs>\nWSGIAccessScript @ROOT@/app/access.py\n</Directory>")
        .expect_log("WSGI0057")
        .start();
    assert_eq!(ask(&server, "/file.txt", "False").status, 403);
    assert_eq!(ask(&server, "/file.txt", "True").ok().text(), "secret");
}
