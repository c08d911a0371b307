//! WSGIDispatchScript: what it may choose, what it sees, and each failure (spec/behaviour.md §6.9).

use integration::{Httpd, HttpdBuilder, Mode, Mpm, Response, Subject};

/// Shows where it runs.
const APP: &str = "import mod_wsgi
def make(name):
    def app(environ, start_response):
        start_response('200 OK', [])
        keys = ('process_group', 'application_group', 'callable_object')
        shown = [environ['mod_wsgi.' + key] for key in keys]
        actual = [mod_wsgi.process_group, mod_wsgi.application_group]
        return ['|'.join([name] + shown + [str(shown[:2] == actual), str('MARK' in environ)]).encode()]
    return app
application, other, handle_request = make('application'), make('other'), make('handle_request')
";

/// Each function answers with the Python expression in its own header; without one it has no opinion.
const DISPATCH: &str = "
def fail(error): raise error
def answer(environ, name):
    environ['MARK'] = 1
    value = environ.get('HTTP_X_' + name)
    return eval(value) if value else None
def process_group(environ): return answer(environ, 'PROCESS')
def application_group(environ): return answer(environ, 'APPLICATION')
def callable_object(environ): return answer(environ, 'CALLABLE')
";

fn site(mode: Mode) -> HttpdBuilder {
    Httpd::builder()
        .mode(mode)
        .app(APP)
        .file("dispatch.py", DISPATCH)
        .directives("WSGIDispatchScript @ROOT@/app/dispatch.py")
}

fn ask(server: &Httpd, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = server.request("GET", path);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

/// §6.9: names in both types, expanded; None keeps.
fn answers_of(builder: HttpdBuilder, own: &str) {
    let server = builder.directives("SetEnvIf X-Group (.+) GROUP=$1").start();
    for (headers, expected) in [
        (&[][..], format!("application|{own}||application")),
        (&[("X-Callable", "'other'")], format!("other|{own}||other")),
        (&[("X-Callable", "b'other'")], format!("other|{own}||other")),
        (&[("X-Application", "'caf\\xe9'")], format!("application|{own}|caf\u{e9}|application")),
        (&[("X-Application", "b'bytes'")], format!("application|{own}|bytes|application")),
        (&[("X-Application", "''")], format!("application|{own}||application")),
        (&[("X-Application", "'%{GLOBAL}'")], format!("application|{own}||application")),
        (
            &[("X-Application", "'%{ENV:GROUP}'"), ("X-Group", "named")],
            format!("application|{own}|named|application"),
        ),
        (&[("X-Process", "'%{GLOBAL}'")], "application|||application".to_owned()),
        (&[("X-Process", "''"), ("X-Callable", "'other'")], "other|||other".to_owned()),
        (&[("X-Process", "'two'")], "application|two||application".to_owned()),
        (
            &[("X-Process", "b'two'"), ("X-Application", "'x'"), ("X-Callable", "'other'")],
            "other|two|x|other".to_owned(),
        ),
    ] {
        let response = ask(&server, "/", headers).ok();
        let shown: String = response.body.iter().map(|byte| char::from(*byte)).collect();
        let shown = shown.replace("caf\u{c3}\u{a9}", "caf\u{e9}");
        assert_eq!(shown, format!("{expected}|True|False"), "{headers:?}");
    }
}

/// A site where requests may go to the children, to the group `app`, or to the group `two`.
fn open_site() -> HttpdBuilder {
    Httpd::builder()
        .app(APP)
        .file("dispatch.py", DISPATCH)
        .directives("WSGIDispatchScript @ROOT@/app/dispatch.py\nWSGIApplicationGroup %{GLOBAL}")
        .directives("WSGIDaemonProcess app threads=2\nWSGIDaemonProcess two threads=2")
}

#[test]
fn answers_over_a_daemon_group() {
    answers_of(open_site().directives("WSGIProcessGroup app"), "app");
}

#[test]
fn answers_over_embedded_mode() {
    answers_of(open_site(), "");
}

#[test]
fn answers_in_prefork() {
    answers_of(open_site().directives("WSGIProcessGroup app").mpm(Mpm::Prefork), "app");
}

/// §6.9: what is no name, and what raises, is 500; the functions after it are not called.
fn failures(mode: Mode) {
    let server = site(mode)
        .expect_log("WSGI0174")
        .expect_log("WSGI0175")
        .expect_log("KeyError: 'DISPATCH'")
        .expect_log("TypeError")
        .allow_python_errors()
        .start();
    for value in [
        "1",
        "True",
        "['x']",
        "'\\u2603'",
        "fail(KeyError('DISPATCH'))",
        "fail(SystemExit(0))",
        "bytearray(b'x')",
    ] {
        for name in ["X-Process", "X-Application", "X-Callable"] {
            assert_eq!(ask(&server, "/", &[(name, value)]).status, 500, "{name}: {value}");
        }
    }
    let headers = [("X-Process", "fail(KeyError())"), ("X-Callable", "print('NEVER')")];
    assert_eq!(ask(&server, "/", &headers).status, 500);
    assert!(!server.error_log().contains("NEVER\n"));
    server.get("/").ok();
}

/// §6.9: a script that cannot be loaded, or has none of the functions, is ignored; each request tries again.
fn unloadable_scripts(mode: Mode) {
    let location =
        |name: &str| format!("<Location /{name}>\nWSGIDispatchScript @ROOT@/app/{name}.py\n</Location>\n");
    let server = site(mode)
        .file("empty.py", "x = 1\n")
        .file("broken.py", "raise KeyError('LOAD')\n")
        .directives(&["empty", "broken", "missing"].map(location).concat())
        .expect_log("WSGI0105")
        .expect_log("WSGI0109")
        .expect_log("KeyError: 'LOAD'")
        .allow_python_errors()
        .allow_log("[wsgi:warn]")
        .start();
    let own = if mode == Mode::Daemon { "app" } else { "" };
    for path in ["/empty", "/broken", "/broken", "/missing"] {
        let expected = format!("application|{own}||application|True|False");
        assert_eq!(server.get(path).ok().text(), expected, "{path}");
    }
    server.write("broken.py", "def callable_object(environ): return 'other'\n");
    assert!(server.get("/broken").ok().text().starts_with("other|"), "it has been mended");
}

/// §6.9: the environ is that of the application without what belongs to running it.
fn environ(mode: Mode) {
    let server = site(mode)
        .directives(
            "SetEnv FROM_SETENV 1\nSetEnvIf Host . HTTPS=on FROM_SETENVIF=1\nWSGIPassAuthorization On",
        )
        .start();
    let port = server.port();
    for expression in [
        "environ['FROM_SETENV'] == environ['FROM_SETENVIF'] == '1'",
        "environ['HTTP_AUTHORIZATION'] == 'Basic eDp5'",
        "environ['mod_wsgi.process_group'] == environ['mod_wsgi.application_group'] == ''",
        "environ['mod_wsgi.script_name'] == '' and environ['mod_wsgi.path_info'] == '/a b'",
        "environ['SCRIPT_NAME'] == '' and environ['PATH_INFO'] == '/a b' and environ['QUERY_STRING'] == 'q'",
        "environ['SCRIPT_FILENAME'].endswith('/app/app.wsgi') and environ['mod_wsgi.handler_script'] == ''",
        "environ['mod_wsgi.request_handler'] == 'wsgi-script'",
        &format!("environ['mod_wsgi.listener_port'] == environ['SERVER_PORT'] == '{port}'"),
        "[key for key in environ if key.startswith('wsgi.')] == ['wsgi.errors']",
        "not {'mod_wsgi.callable_object', 'mod_wsgi.version', 'mod_wsgi.thread_id', 'mod_wsgi.request_start', \
          'mod_wsgi.application_start', 'apache.version', 'apache.request_rec', 'mod_ssl.is_https'} & set(environ)",
        "environ['HTTPS'] in ('1', 'on')",
        "'REMOTE_HOST' not in environ and environ['REMOTE_ADDR'] == '127.0.0.1'",
    ] {
        let value = format!("'other' if ({expression}) else 'missing'");
        let request = server.request("GET", "/a%20b?q").header("Authorization", "Basic eDp5");
        let response = request.header("X-Callable", &value).send();
        assert!(response.text().starts_with("other|"), "{expression}: {}", response.text());
    }
}

/// §6.5: it overrides the options of an alias, and the fixed entry point of a handler script.
fn overrides(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .file("app.wsgi", APP)
        .file("dispatch.py", DISPATCH)
        .document("page.tmpl", "x")
        .directives(
            "WSGIDispatchScript @ROOT@/app/dispatch.py\nWSGIScriptAlias /alias @ROOT@/app/app.wsgi application-group=own callable-object=other\n\
             WSGIHandlerScript py-template @ROOT@/app/app.wsgi\nAlias /pages @ROOT@/htdocs\n\
             <Directory @ROOT@/htdocs>\nAddHandler py-template .tmpl\n</Directory>",
        )
        .start();
    let run = |path: &str, headers: &[(&str, &str)]| {
        let text = ask(&server, path, headers).ok().text();
        let parts: Vec<&str> = text.split('|').collect();
        (parts[0].to_owned(), parts[2].to_owned())
    };
    let pair = |callable: &str, group: &str| (callable.to_owned(), group.to_owned());
    assert_eq!(run("/alias", &[]), pair("other", "own"));
    let headers = [("X-Callable", "'application'"), ("X-Application", "'chosen'")];
    assert_eq!(run("/alias", &headers), pair("application", "chosen"));
    assert_eq!(run("/pages/page.tmpl", &[]), pair("handle_request", ""));
    assert_eq!(run("/pages/page.tmpl", &[("X-Callable", "'other'")]), pair("other", ""));
    let handler = "'other' if environ['mod_wsgi.handler_script'].endswith('/app.wsgi') else None";
    assert_eq!(run("/pages/page.tmpl", &[("X-Callable", handler)]), pair("other", ""));
}

in_both_modes!(environ, failures, overrides, unloadable_scripts,);

/// §6.9: what it chooses still has to be allowed.
#[test]
fn chosen_group_is_checked() {
    let server = open_site()
        .directives(
            "WSGIProcessGroup app\n<Location /restricted>\nWSGIRestrictProcess app\n</Location>\n\
             <VirtualHost 127.0.0.1:@PORT@>\nServerName main.example\n</VirtualHost>\n\
             <VirtualHost 127.0.0.1:@PORT@>\nServerName own.example\nWSGIDaemonProcess own threads=1\n</VirtualHost>",
        )
        .expect_log("WSGI0149")
        .expect_log("WSGI0151")
        .expect_log("WSGI0152")
        .start();
    let status = |path: &str, group: &str, host: &str| {
        ask(&server, path, &[("X-Process", &format!("{group:?}")), ("Host", host)]).status
    };
    assert_eq!(status("/", "two", "main.example"), 200);
    assert_eq!(status("/restricted", "two", "main.example"), 500);
    assert_eq!(status("/restricted", "app", "main.example"), 200);
    assert_eq!(status("/", "nowhere", "main.example"), 500);
    assert_eq!(status("/", "own", "main.example"), 500);
    assert_eq!(status("/", "own", "own.example"), 200);
}

/// §9.1: it may not lead into embedded mode where that is off.
#[test]
fn embedded_mode_stays_off() {
    let server = site(Mode::Daemon).expect_log("WSGI0143").start();
    assert_eq!(ask(&server, "/", &[("X-Process", "''")]).status, 500);
    assert_eq!(ask(&server, "/", &[("X-Application", "'other'")]).status, 200);
}

/// The script's own interpreter: the main one unless the option says otherwise.
#[test]
fn interpreter_of_the_script() {
    let server = site(Mode::Daemon)
        .directives("<Location /named>\nWSGIDispatchScript @ROOT@/app/dispatch.py application-group=named\n</Location>")
        .start();
    for (path, group) in [("/", ""), ("/named", "named")] {
        let value = format!(
            "'other' if environ['mod_wsgi.application_group'] == {group:?} == __import__('mod_wsgi').application_group \
             else None"
        );
        let text = ask(&server, path, &[("X-Callable", &value)]).ok().text();
        assert!(text.starts_with("other|app||"), "{path}: {text}");
    }
}

/// A name that httpd would cut is no name.
#[test]
fn name_with_a_null_character() {
    if Subject::skips("the name is cut at the null character") {
        return;
    }
    let server = site(Mode::Daemon).expect_log("WSGI0174").allow_python_errors().start();
    assert_eq!(ask(&server, "/", &[("X-Process", "'app' + chr(0)")]).status, 500);
}

/// §6.9: a dispatch script chooses group and callable; what it raises is a 500, and one that cannot be loaded is ignored.
#[test]
fn dispatch_script() {
    let script = "def application_group(environ):
    if environ['PATH_INFO'] == '/raise': raise KeyError('DISPATCH')
    if environ['PATH_INFO'] == '/type': return 3
    return environ.get('GROUP') or None
def callable_object(environ):
    return 'other' if environ['PATH_INFO'] == '/other' else None\n";
    let app = "def make(name):
    def app(environ, start_response):
        start_response('200 OK', [])
        return [repr((name, environ['mod_wsgi.application_group'], environ['mod_wsgi.callable_object'])).encode()]
    return app
application, other = make('application'), make('other')\n";
    let server = Httpd::builder()
        .mode(Mode::Embedded)
        .app(app)
        .file("dispatch.py", script)
        .file("broken.py", "raise KeyError('BROKEN')\n")
        .directives(
            "WSGIDispatchScript @ROOT@/app/dispatch.py\nSetEnvIf X-Group (.+) GROUP=$1\n\
             <Location /broken>\nWSGIDispatchScript @ROOT@/app/broken.py\n</Location>",
        )
        .expect_log("KeyError: 'DISPATCH'")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "('application', '', 'application')");
    assert_eq!(server.get("/other").ok().text(), "('other', '', 'other')");
    let named = server.request("GET", "/").header("X-Group", "named").send().ok();
    assert_eq!(named.text(), "('application', 'named', 'application')");
    assert_eq!((server.get("/raise").status, server.get("/type").status), (500, 500));
    assert_eq!(server.get("/broken").ok().text(), "('application', '', 'application')");
}
