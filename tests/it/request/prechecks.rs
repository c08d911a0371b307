//! What is looked at before an application is called, and the paths that lead to it (spec/behaviour.md §1).

use crate::asking::{ENVIRON, EnvironAnswer, environ_server, load};
use integration::{Httpd, HttpdBuilder, Mode};

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

in_both_modes!(
    absolute_target,
    aliases,
    announced_length_over_the_limit,
    directory_as_target,
    handler_scripts,
    included_subrequest,
    path_info_may_be_refused,
    unknown_transfer_codings,
);
