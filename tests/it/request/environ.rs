//! What the application finds in environ (spec/behaviour.md §1).

use crate::asking::{ENVIRON, EnvironAnswer, environ_server, get_with, load};
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, Mpm, Subject};
use wsgi_protocol::keys::{HOST_KEYS, KNOWN_KEYS, USUAL_KEYS};

fn cgi_keys(mode: Mode) {
    if Subject::is_too_old("environ has more keys") {
        return;
    }
    let server = environ_server(mode).start();
    let response = server.get("/a/b%20c/?x=1&y=%41");
    let port = server.port().to_string();
    let root = server.root().display().to_string();
    let environ = EnvironAnswer::of(&response);
    environ.check_kinds(&[
        ("REQUEST_METHOD", "str", "GET"),
        ("SCRIPT_NAME", "str", ""),
        ("PATH_INFO", "str", "/a/b c/"),
        ("QUERY_STRING", "str", "x=1&y=%41"),
        ("REQUEST_URI", "str", "/a/b%20c/?x=1&y=%41"),
        ("SERVER_PROTOCOL", "str", "HTTP/1.1"),
        ("SERVER_NAME", "str", "localhost"),
        ("SERVER_PORT", "str", &port),
        ("SERVER_ADDR", "str", "127.0.0.1"),
        ("REMOTE_ADDR", "str", "127.0.0.1"),
        ("REQUEST_SCHEME", "str", "http"),
        ("CONTEXT_PREFIX", "str", ""),
        ("DOCUMENT_ROOT", "str", &format!("{root}/htdocs")),
        ("CONTEXT_DOCUMENT_ROOT", "str", &format!("{root}/htdocs")),
        ("SCRIPT_FILENAME", "str", &format!("{root}/app/app.wsgi")),
        ("HTTP_HOST", "str", &format!("localhost:{port}")),
    ]);
    assert!(environ.get("SERVER_SOFTWARE").expect("present").starts_with("Apache/2.4"));
    environ.get("REMOTE_PORT").expect("present").parse::<u16>().expect("a port");
    environ.lacks(&[
        "GATEWAY_INTERFACE",
        "PATH_TRANSLATED",
        "SERVER_SIGNATURE",
        "REMOTE_HOST",
        "PATH",
        "HTTPS",
    ]);
    environ.lacks(&["CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_USER", "AUTH_TYPE"]);
    assert_eq!(response.json()["exact_dict"], true);
}

fn wsgi_keys(mode: Mode) {
    let server = environ_server(mode).start();
    let response = server.get("/");
    let environ = EnvironAnswer::of(&response);
    environ.check_kinds(&[
        ("wsgi.version", "tuple", "(1, 0)"),
        ("wsgi.url_scheme", "str", "http"),
        ("wsgi.input_terminated", "bool", "True"),
        ("wsgi.multithread", "bool", "True"),
        ("wsgi.multiprocess", "bool", if mode == Mode::Daemon { "False" } else { "True" }),
        ("wsgi.run_once", "bool", "False"),
    ]);
    let about = response.json();
    assert_eq!(about["input_type"], "mod_wsgi.Input");
    assert_eq!(about["errors_is_text"], true);
    assert_eq!(about["errors_name"], "<wsgi.errors>");
    assert_eq!(about["wrapper_is_class"], true);
}

/// The host has a place for them, in the environ that it copies.
fn usual_keys_are_there(mode: Mode) {
    let response = environ_server(mode).start().get("/");
    let environ = EnvironAnswer::of(&response);
    let usual = (0..).zip(KNOWN_KEYS).filter(|(index, _)| USUAL_KEYS & (1 << index) != 0);
    for key in usual.map(|(_, key)| key).chain(&HOST_KEYS).filter(|_| Subject::is_ours()) {
        assert!(environ.get(key).is_some(), "nobody sets {key}");
    }
}

fn mod_wsgi_keys(mode: Mode) {
    if Subject::is_too_old("environ has other keys") {
        return;
    }
    let server = environ_server(mode).start();
    let response = server.get("/path");
    let environ = EnvironAnswer::of(&response);
    environ.check_kinds(&[
        ("mod_wsgi.process_group", "str", if mode == Mode::Daemon { "app" } else { "" }),
        ("mod_wsgi.application_group", "str", ""),
        ("mod_wsgi.callable_object", "str", "application"),
        ("mod_wsgi.request_handler", "str", "wsgi-script"),
        ("mod_wsgi.handler_script", "str", ""),
        ("mod_wsgi.script_name", "str", ""),
        ("mod_wsgi.path_info", "str", "/path"),
        ("mod_wsgi.listener_host", "str", "127.0.0.1"),
        ("mod_wsgi.listener_port", "str", &server.port().to_string()),
    ]);
    assert_eq!(environ.kind("mod_wsgi.version"), Some("tuple"));
    assert_eq!(environ.kind("apache.version"), Some("tuple"));
    environ.lacks(&[
        "mod_wsgi.script_start",
        "mod_wsgi.mount_point",
        "apache.request_rec",
        "mod_ssl.is_https",
    ]);
    let child: i32 = environ.get("mod_wsgi.server_pid").expect("present").parse().expect("a pid");
    assert!(server.children().iter().any(|process| process.pid == child), "{child} is a child of httpd");
    assert_eq!(environ.kind("mod_wsgi.request_id"), Some("str"));
    assert_eq!(environ.kind("mod_wsgi.thread_id"), Some("int"));
    let time = |key: &str| -> f64 {
        assert_eq!(environ.kind(key), Some("float"), "{key}");
        environ.get(key).expect("present").parse().expect("a number")
    };
    let (queue, daemon) = (time("mod_wsgi.queue_start"), time("mod_wsgi.daemon_start"));
    assert!(time("mod_wsgi.request_start") <= time("mod_wsgi.application_start"));
    match mode {
        Mode::Daemon => assert!(time("mod_wsgi.request_start") <= queue && queue <= daemon),
        Mode::Embedded => assert_eq!((queue, daemon), (0.0, 0.0)),
    }
}

fn header_mapping(mode: Mode) {
    let server = environ_server(mode).start();
    let mut wire = server.connect();
    wire.send(
        "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/x-odd\r\nContent-Length: 3\r\nX-Empty:\r\n\
         X-Two: 1\r\nx-two: 2\r\nUnder_Score: no\r\nDot.Ted: no\r\nProxy: http://evil\r\n\
         Authorization: Basic QQ==\r\nProxy-Authorization: Basic QQ==\r\nCookie: a=b\r\nX-Umlaut: \u{fc}\r\n\
         Connection: close\r\n\r\nabc",
    );
    let response = wire.response(false);
    let environ = EnvironAnswer::of(&response);
    environ.check_kinds(&[
        ("CONTENT_TYPE", "str", "text/x-odd"),
        ("CONTENT_LENGTH", "str", "3"),
        ("HTTP_X_EMPTY", "str", ""),
        ("HTTP_X_TWO", "str", "1, 2"),
        ("HTTP_COOKIE", "str", "a=b"),
        ("HTTP_CONNECTION", "str", "close"),
        ("HTTP_X_UMLAUT", "str", "\u{c3}\u{bc}"),
        ("SERVER_PORT", "str", "80"),
    ]);
    environ.lacks(&["HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_PROXY", "HTTP_AUTHORIZATION"]);
    environ.lacks(&["HTTP_PROXY_AUTHORIZATION", "HTTP_UNDER_SCORE", "HTTP_DOT_TED", "HTTP_DOT.TED"]);
    assert_eq!(response.json()["body"], "abc");
}

fn authorization_when_asked(mode: Mode) {
    let pass = "<Directory @ROOT@/app>\nCGIPassAuth On\n</Directory>";
    let server = environ_server(mode).directives(pass).start();
    let request = server.request("GET", "/").header("Authorization", "Basic QQ==");
    let environ = EnvironAnswer::of(&request.header("Proxy-Authorization", "Basic Qg==").send());
    environ.check_kinds(&[
        ("HTTP_AUTHORIZATION", "str", "Basic QQ=="),
        ("HTTP_PROXY_AUTHORIZATION", "str", "Basic Qg=="),
    ]);
}

fn script_name_and_path_info(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .script("/deep/er", "deep.wsgi", ENVIRON)
        .directives("MergeSlashes Off")
        .start();
    let rows = [
        ("/deep/er", "/deep/er", ""),
        ("/deep/er/", "/deep/er", "/"),
        ("/deep/er/a//b", "/deep/er", "/a/b"),
        ("/deep//er/x", "/deep/er", "/x"),
        ("/deep/er/a%2e%2eb", "/deep/er", "/a..b"),
    ];
    for (path, script_name, path_info) in rows {
        let environ = EnvironAnswer::of(&server.get(path));
        environ.check_kinds(&[
            ("SCRIPT_NAME", "str", script_name),
            ("PATH_INFO", "str", path_info),
            ("mod_wsgi.script_name", "str", script_name),
            ("mod_wsgi.path_info", "str", path_info),
        ]);
    }
    assert_eq!(server.get("/deep/err").status, 404);
}

fn precedence_of_setenv(mode: Mode) {
    if Subject::is_too_old("mod_wsgi.x- names are not hidden") {
        return;
    }
    let server = environ_server(mode)
        .directives(
            "SetEnv FOO bar\nSetEnv REQUEST_METHOD x\nSetEnv SERVER_NAME x\nSetEnv PATH /nowhere\nSetEnv HTTPS On\n\
             SetEnv mod_wsgi.version x\nSetEnv mod_wsgi.x-secret x\nSetEnv UMLAUT \u{fc}\n\
             SetEnvIf Authorization \"(.*)\" HTTP_AUTHORIZATION=$1",
        )
        .start();
    let response = server.request("GET", "/").header("Authorization", "Basic QQ==").send();
    let environ = EnvironAnswer::of(&response);
    environ.check_kinds(&[
        ("FOO", "str", "bar"),
        ("REQUEST_METHOD", "str", "GET"),
        ("SERVER_NAME", "str", "localhost"),
        ("wsgi.url_scheme", "str", "https"),
        ("REQUEST_SCHEME", "str", "http"),
        ("HTTP_AUTHORIZATION", "str", "Basic QQ=="),
        ("UMLAUT", "str", "\u{c3}\u{bc}"),
    ]);
    environ.lacks(&["PATH", "HTTPS", "mod_wsgi.x-secret"]);
    assert_eq!(environ.kind("mod_wsgi.version"), Some("tuple"));
}

fn every_method_arrives(mode: Mode) {
    let server = environ_server(mode).start();
    for method in ["GET", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "BREW"] {
        let environ = EnvironAnswer::of(&server.request(method, "/").send());
        environ.check_kinds(&[("REQUEST_METHOD", "str", method)]);
    }
    assert_eq!(server.request("TRACE", "/").send().header("Content-Type"), Some("message/http"));
}

fn module_identity(mode: Mode) {
    let server = environ_server(mode).start();
    let about = server.get("/").json();
    let module = about["module"].as_str().expect("text");
    let digest = module.strip_prefix("_mod_wsgi_").expect("the prefix of script modules");
    assert!(digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    assert_eq!(about["file"], format!("{}/app/app.wsgi", server.root().display()));
    assert_eq!(about["sys_argv"], serde_json::json!(["mod_wsgi"]));
}

/// §1.4: who may see credentials.
fn authorization_options(mode: Mode) {
    let group = if mode == Mode::Daemon { "process-group=app" } else { "process-group=%{GLOBAL}" };
    let server = Httpd::builder().mode(mode)
        .directives(&format!(
            "WSGIPassAuthorization On\nWSGIScriptAlias /off @ROOT@/app/app.wsgi {group} application-group=%{{GLOBAL}} \
             pass-authorization=Off"
        ))
        .app(ENVIRON)
        .start();
    let headers = [("Authorization", "Basic QQ=="), ("Proxy-Authorization", "Basic Qg==")];
    for (path, expected) in [("/", Some("Basic QQ==")), ("/off", None)] {
        EnvironAnswer::of(&get_with(&server, path, &headers))
            .check(&[("HTTP_AUTHORIZATION", expected), ("HTTP_PROXY_AUTHORIZATION", None)]);
    }
}

/// §1.5: keys that depend on the configuration.
fn configured_keys(mode: Mode) {
    let server = environ_server(mode)
        .file("users", "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        .directives(&load(&["unique_id", "authn_core", "authz_user", "authn_file", "auth_basic", "remoteip"]))
        .directives(
            "ServerAdmin someone@localhost\nUseCanonicalName On\n<Location /private>\nAuthType Basic\nAuthName x\n\
             AuthUserFile @ROOT@/app/users\nRequire valid-user\n</Location>\n\
             <Location /current>\nCGIVar REQUEST_URI current-uri\n</Location>\n\
             RemoteIPHeader X-Real-Client\nRewriteEngine On\nRewriteRule ^/rewritten - [E=MARK:yes]",
        )
        .start();
    let seen = EnvironAnswer::of(&get_with(
        &server,
        "/private",
        &[("Authorization", "Basic YWxpY2U6c2VjcmV0"), ("X-Real-Client", "192.0.2.7"), ("Host", "other:1")],
    ));
    seen.check(&[
        ("REMOTE_USER", Some("alice")),
        ("AUTH_TYPE", Some("Basic")),
        ("REMOTE_ADDR", Some("192.0.2.7")),
        ("SERVER_ADMIN", Some("someone@localhost")),
        ("SERVER_NAME", Some("localhost")),
        ("SERVER_PORT", Some("80")), // the ServerName has no port
        ("HTTP_AUTHORIZATION", None),
        ("MARK", None),
    ]);
    assert!(seen.get("UNIQUE_ID").is_some_and(|id| id.len() > 20));
    EnvironAnswer::of(&server.get("/current/a%20b?q")).check(&[("REQUEST_URI", Some("/current/a b"))]);
    EnvironAnswer::of(&server.get("/rewritten")).check(&[("MARK", Some("yes"))]);
}

/// §1.6: the client's length beats SetEnv, which counts when there is none.
fn length_from_setenv(mode: Mode) {
    let server = environ_server(mode).directives("SetEnv CONTENT_LENGTH 5\nSetEnv content_type odd").start();
    EnvironAnswer::of(&server.get("/")).check(&[("CONTENT_LENGTH", Some("5"))]);
    let request = server.request("POST", "/").header("Content-Type", "text/x").body("abc");
    EnvironAnswer::of(&request.send()).check(&[("CONTENT_LENGTH", Some("3"))]);
}

/// §1.7, all settings.
fn head_may_look_like_get(mode: Mode) {
    let app = "def application(environ, start_response):
    start_response('200 OK', [('X-Method', environ['REQUEST_METHOD']), ('Content-Type', 'text/plain')])
    return [b'body']\n";
    let server = Httpd::builder()
        .mode(mode)
        .app(app)
        .directives(
            "<Location /off>\nWSGIMapHEADToGET Off\nSetOutputFilter DEFLATE\n</Location>\n\
             <Location /on>\nWSGIMapHEADToGET On\n</Location>\n\
             <Location /filtered>\nSetOutputFilter DEFLATE\n</Location>",
        )
        .start();
    for (path, method) in [("/", "HEAD"), ("/off", "HEAD"), ("/on", "GET"), ("/filtered", "GET")] {
        let response = server.request("HEAD", path).header("Accept-Encoding", "gzip").send();
        assert_eq!((response.header("X-Method"), response.text().as_str()), (Some(method), ""), "{path}");
    }
}

/// §1.9: the ids are those of httpd's own logs.
fn ids_are_those_of_the_log(mode: Mode) {
    let server = environ_server(mode)
        .directives("LogFormat \"%L %{c}L\" ids\nCustomLog @ROOT@/logs/access-ids ids")
        .start();
    let seen = EnvironAnswer::of(&server.get("/"));
    server.get("/"); // the line of a request may be written after its response
    let log = server.log_of("access-ids");
    let ids: Vec<&str> = log.lines().next().expect("a line").split(' ').collect();
    assert_eq!(seen.get("mod_wsgi.request_id"), Some(ids[0]));
    if let Some(id) = seen.get("mod_wsgi.connection_id") {
        assert_eq!(id, ids[1]);
    }
    let thread: u32 = seen.get("mod_wsgi.thread_id").expect("present").parse().expect("a number");
    assert!(thread >= 1, "request threads count from 1");
}

/// §1.10.
fn request_record_when_asked(mode: Mode) {
    let server = environ_server(mode).directives("WSGIPassApacheRequest On").start();
    let kind = if mode == Mode::Embedded { Some("PyCapsule") } else { None };
    assert_eq!(EnvironAnswer::of(&server.get("/")).kind("apache.request_rec"), kind);
}

/// §1.13: paths in the filesystem's encoding, everything else in latin-1.
fn encodings(mode: Mode) {
    let server = Httpd::builder().mode(mode).script("/s", "sch\u{f6}n.wsgi", ENVIRON).start();
    let mut wire = server.connect();
    wire.send(b"GET /s/%C3%B6?\xfc HTTP/1.1\r\nHost: x\r\nX-Byte: \xff\xe9\r\n\r\n");
    let seen = EnvironAnswer::of(&wire.response(false));
    seen.check(&[
        ("PATH_INFO", Some("/\u{c3}\u{b6}")),
        ("QUERY_STRING", Some("\u{fc}")),
        ("HTTP_X_BYTE", Some("\u{ff}\u{e9}")),
    ]);
    assert!(seen.get("SCRIPT_FILENAME").is_some_and(|name| name.ends_with("/app/sch\u{f6}n.wsgi")));
}

/// §1.15: names of application groups and callables.
fn names_are_expanded(mode: Mode) {
    let location = |path: &str, lines: &str| format!("<Location {path}>\n{lines}\n</Location>\n");
    let two = format!("{ENVIRON}\nother = application\n");
    let server = Httpd::builder()
        .mode(mode)
        .directives(&format!(
            "{}{}{}{}{}{}{}",
            location("/resource", "WSGIApplicationGroup %{RESOURCE}"),
            location("/server", "WSGIApplicationGroup %{SERVER}"),
            location("/host", "WSGIApplicationGroup %{HOST}"),
            location("/env", "SetEnv GRP named\nWSGIApplicationGroup %{ENV:GRP}"),
            location("/twice", "SetEnv GRP %{GLOBAL}\nWSGIApplicationGroup %{ENV:GRP}"),
            location("/plain", "WSGIApplicationGroup plain"),
            location("/callable", "SetEnv NAME other\nWSGICallableObject %{ENV:NAME}"),
        ))
        .app(&two)
        .start();
    let port = server.port();
    let rows = [
        ("/resource", format!("localhost:{port}|"), "application"),
        ("/server", format!("localhost:{port}"), "application"),
        ("/host", "elsewhere.test".to_owned(), "application"),
        ("/env", "named".to_owned(), "application"),
        ("/twice", String::new(), "application"),
        ("/plain", "plain".to_owned(), "application"),
        ("/callable", String::new(), "other"),
    ];
    for (path, group, callable) in rows {
        let host = if path == "/host" { "elsewhere.test".to_owned() } else { format!("localhost:{port}") };
        EnvironAnswer::of(&get_with(&server, path, &[("Host", &host)])).check(&[
            ("mod_wsgi.application_group", Some(&group)),
            ("mod_wsgi.callable_object", Some(callable)),
        ]);
    }
}

/// §1.15: of a variable that SetEnvIf and SetEnv set, a name takes the first, as httpd does, and the application the last.
fn variable_that_is_set_twice(mode: Mode) {
    let server = environ_server(mode)
        .directives("SetEnvIf X-Group \"(.*)\" GRP=$1\nSetEnv GRP second\nWSGIApplicationGroup %{ENV:GRP}")
        .directives("SetEnv HTTP_X_ONE config\nRequestHeader add X-Two second")
        .start();
    let headers = [("X-Group", "first"), ("X-One", "header"), ("X-Two", "first")];
    EnvironAnswer::of(&get_with(&server, "/", &headers)).check(&[
        ("GRP", Some("second")),
        ("HTTP_X_ONE", Some("header")),
        ("HTTP_X_TWO", Some("second")),
        ("mod_wsgi.application_group", Some("first")),
    ]);
}

/// §1.8: the object behind each key, and a new dict for each request.
fn objects(mode: Mode) {
    let server = server(mode).start();
    server.check(
        "x",
        &[
            ("environ['wsgi.file_wrapper'].__module__", "'mod_wsgi'"),
            ("environ.__setitem__('mine', 1) or kept.__setitem__('environ', environ)", "None"),
            ("type(environ['wsgi.errors']).__name__", "'TextIOWrapper'"),
            ("[key for key in environ if type(key) is not str]", "[]"),
        ],
    );
    server.check("x", &[("'mine' in environ, environ is kept['environ']", "(False, False)")]);
}

in_both_modes!(
    authorization_options,
    authorization_when_asked,
    cgi_keys,
    configured_keys,
    encodings,
    every_method_arrives,
    head_may_look_like_get,
    header_mapping,
    ids_are_those_of_the_log,
    length_from_setenv,
    mod_wsgi_keys,
    module_identity,
    names_are_expanded,
    objects,
    precedence_of_setenv,
    request_record_when_asked,
    script_name_and_path_info,
    usual_keys_are_there,
    variable_that_is_set_twice,
    wsgi_keys,
);

#[test]
fn flags_follow_the_daemon_options() {
    let rows = [
        ("processes=1 threads=1", "False", "True"),
        ("processes=2 threads=2", "True", "True"),
        ("threads=1", "False", "False"),
    ];
    for (options, multithread, multiprocess) in rows {
        let server = environ_server(Mode::Daemon).daemon_options(options).start();
        let environ = EnvironAnswer::of(&server.get("/"));
        environ.check_kinds(&[
            ("wsgi.multithread", "bool", multithread),
            ("wsgi.multiprocess", "bool", multiprocess),
            ("wsgi.run_once", "bool", "False"),
        ]);
    }
}

#[test]
fn prefork_children_have_one_thread() {
    let server = environ_server(Mode::Embedded).mpm(Mpm::Prefork).start();
    let environ = EnvironAnswer::of(&server.get("/"));
    environ.check_kinds(&[("wsgi.multithread", "bool", "False"), ("wsgi.multiprocess", "bool", "True")]);
}

/// §1.8: one request for each process.
#[test]
fn run_once() {
    let server = environ_server(Mode::Daemon).daemon_options("threads=1 maximum-requests=1").start();
    EnvironAnswer::of(&server.get("/"))
        .check(&[("wsgi.run_once", Some("True")), ("wsgi.multithread", Some("False"))]);
}

/// §1.9: a prefork child serves on Python's main thread.
#[test]
fn prefork_thread_id() {
    let server = environ_server(Mode::Embedded).mpm(Mpm::Prefork).start();
    EnvironAnswer::of(&server.get("/")).check(&[("mod_wsgi.thread_id", Some("0"))]);
}
