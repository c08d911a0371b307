//! environ and the checks before it: what spec/behaviour.md §1 says beyond the tests of `environ.rs`.

use crate::semantics::{ENVIRON, EnvironAnswer, environ_server, get_with, load};
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, HttpdBuilder, Mode, Mpm};

fn builder(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode)
}

/// §1.1 #3: a directory is no script; mod_dir redirects to it first.
fn directory_as_target(mode: Mode) {
    let server = builder(mode)
        .file("folder/x", "")
        .directives("WSGIScriptAlias /dir @ROOT@/app/folder")
        .allow_log("is a directory, and each file in it a script")
        .expect_log("WSGI0136")
        .start();
    assert_eq!(server.get("/dir").status, 301);
    assert_eq!(server.get("/dir/").status, 403);
}

/// §1.1 #5.
fn path_info_may_be_refused(mode: Mode) {
    let refuse = "<Location />\nAcceptPathInfo Off\n</Location>";
    let server =
        builder(mode).script("/app", "app.wsgi", ENVIRON).directives(refuse).expect_log("WSGI0137").start();
    EnvironAnswer::of(&server.get("/app")).check(&[("PATH_INFO", Some(""))]);
    assert_eq!(server.get("/app/more").status, 404);
}

/// §1.1 #6: httpd itself refuses a last coding that is not chunked.
fn unknown_transfer_codings(mode: Mode) {
    let server = environ_server(mode).directives("WSGIChunkedRequest On").expect_log("WSGI0138").start();
    for (coding, status) in [("gzip", 400), ("gzip, chunked", 501)] {
        let mut wire = server.connect();
        wire.send(format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"));
        assert_eq!(wire.response(false).status, status, "{coding}");
    }
}

/// §1.1 #9: the application is not called.
fn announced_length_over_the_limit(mode: Mode) {
    let server = environ_server(mode).directives("LimitRequestBody 10").allow_log("LimitRequestBody").start();
    let mut wire = server.connect();
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world");
    let response = wire.response(false);
    assert_eq!((response.status, response.header("Connection")), (413, Some("close")));
    assert!(!server.error_log().contains("Loading WSGI script"), "{}", server.error_log());
    assert_eq!(
        EnvironAnswer::of(&server.request("POST", "/").body("0123456789").send()).body(),
        "0123456789"
    );
}

/// §1.1 note on 2 and 3, §6.8: the resource of a handler script need not exist.
fn handler_scripts(mode: Mode) {
    let handler = ENVIRON.replace("def application", "def handle_request");
    let server = builder(mode)
        .file("handler.py", handler)
        .document("real.txt", "text")
        .directives(
            "WSGIHandlerScript odd-handler @ROOT@/app/handler.py\n<Location />\nSetHandler odd-handler\n</Location>",
        )
        .start();
    let root = server.root().display().to_string();
    for path in ["/real.txt", "/none.txt"] {
        let seen = EnvironAnswer::of(&server.get(path));
        seen.check(&[
            ("mod_wsgi.handler_script", Some(&format!("{root}/app/handler.py"))),
            ("mod_wsgi.callable_object", Some("handle_request")),
            ("mod_wsgi.request_handler", Some("odd-handler")),
            ("SCRIPT_FILENAME", Some(&format!("{root}/htdocs{path}"))),
            ("SCRIPT_NAME", Some(path)),
            ("PATH_INFO", Some("")),
        ]);
    }
}

/// §1.2: a regular expression searches; what follows its match is path info. A virtual host's aliases come first.
fn aliases(mode: Mode) {
    let server = builder(mode)
        .directives(
            "WSGIScriptAlias /same @ROOT@/app/main.wsgi\n\
             <VirtualHost *:@PORT@>\nServerName localhost\nWSGIScriptAlias /same @ROOT@/app/host.wsgi\n\
             WSGIScriptAliasMatch ^/re/([a-z]+) @ROOT@/app/$1.wsgi\nWSGIScriptAlias /slash/ @ROOT@/app/\n</VirtualHost>",
        )
        .file("host.wsgi", ENVIRON)
        .file("main.wsgi", ENVIRON)
        .start();
    let rows = [
        ("/same/x", "host.wsgi", "/same", "/x"),
        ("/re/main/more?a", "main.wsgi", "/re/main", "/more"),
        ("/slash/main.wsgi/tail", "main.wsgi", "/slash/main.wsgi", "/tail"),
    ];
    for (path, file, script_name, path_info) in rows {
        let filename = format!("{}/app/{file}", server.root().display());
        EnvironAnswer::of(&server.get(path)).check(&[
            ("SCRIPT_FILENAME", Some(&filename)),
            ("SCRIPT_NAME", Some(script_name)),
            ("PATH_INFO", Some(path_info)),
        ]);
    }
}

/// §1.3: an absolute target stays as it is; its host is the request's.
fn absolute_target(mode: Mode) {
    let server = environ_server(mode).start();
    let mut wire = server.connect();
    wire.send("GET http://other.test:1234//p%20q?x HTTP/1.1\r\nHost: ignored\r\n\r\n");
    EnvironAnswer::of(&wire.response(false)).check(&[
        ("REQUEST_URI", Some("http://other.test:1234//p%20q?x")),
        ("HTTP_HOST", Some("other.test:1234")),
        ("PATH_INFO", Some("/p q")),
        ("QUERY_STRING", Some("x")),
    ]);
}

/// §1.3 step 3: a subrequest of a server-side include.
fn included_subrequest(mode: Mode) {
    let server = builder(mode)
        .script("/part", "part.wsgi", ENVIRON)
        .document("page.shtml", "<!--#include virtual=\"/part/tail?q=1\" -->")
        .directives(&load(&["include"]))
        .directives(
            "<Directory @ROOT@/htdocs>\nOptions +Includes\nAddOutputFilter INCLUDES .shtml\n</Directory>",
        )
        .start();
    EnvironAnswer::of(&server.get("/page.shtml")).check(&[
        ("SERVER_PROTOCOL", Some("INCLUDED")),
        ("SCRIPT_NAME", Some("/part/tail")),
        ("PATH_INFO", Some("/tail")),
        ("QUERY_STRING", Some("q=1")),
        ("REQUEST_URI", Some("/page.shtml")),
    ]);
}

/// §1.4: who may see credentials.
fn authorization_options(mode: Mode) {
    let group = if mode == Mode::Daemon { "process-group=app" } else { "process-group=%{GLOBAL}" };
    let server = builder(mode)
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
    let server = builder(mode)
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

/// §1.11: every peer is trusted for the listed headers when no proxy is named.
fn trusted_headers_without_a_list_of_proxies(mode: Mode) {
    let server = environ_server(mode)
        .directives(
            "WSGITrustedProxyHeaders X-Forwarded-For X-Host X-Forwarded-Host X-Forwarded-Server X-Forwarded-Port\n\
             WSGITrustedProxyHeaders X-Script-Name X-Forwarded-Proto X-Forwarded-HTTPS",
        )
        .allow_log("WSGITrustedProxyHeaders")
        .start();
    let seen = EnvironAnswer::of(&get_with(
        &server,
        "/x",
        &[
            ("X-Forwarded-For", " , 1.2.3.4, 5.6.7.8"),
            ("X-Real-IP", "9.9.9.9"),
            ("X-Host", "first.test"),
            ("X-Forwarded-Host", "second.test:81"),
            ("X-Forwarded-Server", "server.test"),
            ("X-Forwarded-Port", "444"),
            ("X-Script-Name", "/mount//point"),
            ("X-Forwarded-Proto", "HTTPS"),
            ("X-Scheme", "http"),
        ],
    ));
    seen.check(&[
        ("REMOTE_ADDR", Some("1.2.3.4")),
        ("HTTP_X_FORWARDED_FOR", Some(", 1.2.3.4, 5.6.7.8")),
        ("HTTP_X_REAL_IP", None),
        ("HTTP_HOST", Some("second.test:81")),
        ("HTTP_X_HOST", None),
        ("HTTP_X_FORWARDED_HOST", Some("second.test:81")),
        ("SERVER_NAME", Some("server.test")),
        ("SERVER_PORT", Some("444")),
        ("SCRIPT_NAME", Some("/mount//point")),
        ("mod_wsgi.mount_point", Some("/mount//point")),
        ("mod_wsgi.script_name", Some("")),
        ("wsgi.url_scheme", Some("https")),
        ("REQUEST_SCHEME", Some("http")),
        ("HTTP_X_SCHEME", None),
    ]);
    let off = [("X-Forwarded-Proto", "https"), ("X-Forwarded-HTTPS", "Off"), ("X-Forwarded-Server", "s")];
    let seen = EnvironAnswer::of(&get_with(&server, "/", &off));
    seen.check(&[("wsgi.url_scheme", Some("http")), ("HTTP_X_FORWARDED_PROTO", None)]);
}

/// §1.11, the algorithm with a list of proxies.
fn forwarded_for_with_trusted_proxies(mode: Mode) {
    let server = environ_server(mode)
        .directives("WSGITrustedProxies 127.0.0.1 10.0.0.0/8\nWSGITrustedProxyHeaders X-Forwarded-For")
        .start();
    let rows = [
        ("1.2.3.4, 10.0.0.1", "1.2.3.4", "1.2.3.4, 10.0.0.1"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.1, 10.0.0.2", "1.2.3.4", "1.2.3.4, 10.0.0.1, 10.0.0.2"),
        ("10.0.0.3, 10.0.0.1", "10.0.0.3", "10.0.0.3, 10.0.0.1"),
        ("10.0.0.1, 1.2.3.4", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1, unknown", "unknown", "unknown"),
        (" , ", "127.0.0.1", ","),
    ];
    for (header, address, left) in rows {
        EnvironAnswer::of(&get_with(
            &server,
            "/",
            &[("X-Forwarded-For", header), ("X-Forwarded-Host", "kept")],
        ))
        .check(&[
            ("REMOTE_ADDR", Some(address)),
            ("HTTP_X_FORWARDED_FOR", Some(left)),
            ("HTTP_X_FORWARDED_HOST", Some("kept")),
        ]);
    }
}

/// §1.11: an untrusted peer's headers vanish, for the listed categories only; a more specific context replaces the list.
fn untrusted_peer(mode: Mode) {
    let server = environ_server(mode)
        .directives(
            "WSGITrustedProxies 10.0.0.0/8\nWSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto\n\
             <Location /trusted>\nWSGITrustedProxies 127.0.0.0/8\n</Location>",
        )
        .start();
    let headers = [
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Client-IP", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Host", "kept"),
    ];
    EnvironAnswer::of(&get_with(&server, "/", &headers)).check(&[
        ("REMOTE_ADDR", Some("127.0.0.1")),
        ("HTTP_X_FORWARDED_FOR", None),
        ("HTTP_X_CLIENT_IP", None),
        ("HTTP_X_FORWARDED_PROTO", None),
        ("wsgi.url_scheme", Some("http")),
        ("HTTP_X_HOST", Some("kept")),
    ]);
    EnvironAnswer::of(&get_with(&server, "/trusted", &headers))
        .check(&[("REMOTE_ADDR", Some("1.2.3.4")), ("wsgi.url_scheme", Some("https"))]);
}

/// §1.12 step 4: which values of HTTPS count.
fn https_entry(mode: Mode) {
    let server = environ_server(mode).directives("SetEnvIf X-Set \"(.*)\" HTTPS=$1").start();
    for (value, scheme) in [("1", "https"), ("oN", "https"), ("yes", "http"), ("0", "http")] {
        EnvironAnswer::of(&get_with(&server, "/", &[("X-Set", value)]))
            .check(&[("wsgi.url_scheme", Some(scheme)), ("HTTPS", None)]);
    }
}

/// §1.13: paths in the filesystem's encoding, everything else in latin-1.
fn encodings(mode: Mode) {
    let server = builder(mode).script("/s", "sch\u{f6}n.wsgi", ENVIRON).start();
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
    let server = builder(mode)
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
    absolute_target,
    aliases,
    announced_length_over_the_limit,
    authorization_options,
    configured_keys,
    directory_as_target,
    encodings,
    forwarded_for_with_trusted_proxies,
    handler_scripts,
    head_may_look_like_get,
    https_entry,
    ids_are_those_of_the_log,
    included_subrequest,
    length_from_setenv,
    names_are_expanded,
    objects,
    path_info_may_be_refused,
    request_record_when_asked,
    trusted_headers_without_a_list_of_proxies,
    unknown_transfer_codings,
    untrusted_peer,
    variable_that_is_set_twice,
);

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
