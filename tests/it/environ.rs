//! What the application finds in environ (spec/behaviour.md §1).

use integration::{Httpd, HttpdBuilder, Mode, Response, Subject};
use serde_json::Value;

const APP: &str = include_str!("../apps/environ.py");

fn server(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(APP)
}

/// The environ that the application saw: key → [type name, value or repr].
struct SeenEnviron(Value);

impl SeenEnviron {
    fn of(response: &Response) -> SeenEnviron {
        SeenEnviron(response.json()["environ"].clone())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|pair| pair[1].as_str().expect("text"))
    }

    fn kind(&self, key: &str) -> &str {
        self.0.get(key).map_or("(absent)", |pair| pair[0].as_str().expect("text"))
    }

    #[track_caller]
    fn check(&self, rows: &[(&str, &str, &str)]) {
        for (key, kind, value) in rows {
            assert_eq!((self.kind(key), self.get(key)), (*kind, Some(*value)), "{key}");
        }
    }

    #[track_caller]
    fn lacks(&self, keys: &[&str]) {
        for key in keys {
            assert_eq!(self.get(key), None, "{key}");
        }
    }
}

fn cgi_keys(mode: Mode) {
    if Subject::is_too_old("environ has more keys") {
        return;
    }
    let server = server(mode).start();
    let response = server.get("/a/b%20c/?x=1&y=%41");
    let port = server.port().to_string();
    let root = server.root().display().to_string();
    let environ = SeenEnviron::of(&response);
    environ.check(&[
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
    let server = server(mode).start();
    let response = server.get("/");
    let environ = SeenEnviron::of(&response);
    environ.check(&[
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

fn mod_wsgi_keys(mode: Mode) {
    if Subject::is_too_old("environ has other keys") {
        return;
    }
    let server = server(mode).start();
    let response = server.get("/path");
    let environ = SeenEnviron::of(&response);
    environ.check(&[
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
    assert_eq!(environ.kind("mod_wsgi.version"), "tuple");
    assert_eq!(environ.kind("apache.version"), "tuple");
    environ.lacks(&[
        "mod_wsgi.script_start",
        "mod_wsgi.mount_point",
        "apache.request_rec",
        "mod_ssl.is_https",
    ]);
    let child: i32 = environ.get("mod_wsgi.server_pid").expect("present").parse().expect("a pid");
    assert!(server.children().iter().any(|process| process.pid == child), "{child} is a child of httpd");
    assert_eq!(environ.kind("mod_wsgi.request_id"), "str");
    assert_eq!(environ.kind("mod_wsgi.thread_id"), "int");
    let time = |key: &str| -> f64 {
        assert_eq!(environ.kind(key), "float", "{key}");
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
    let server = server(mode).start();
    let mut wire = server.connect();
    wire.send(
        "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/x-odd\r\nContent-Length: 3\r\nX-Empty:\r\n\
         X-Two: 1\r\nx-two: 2\r\nUnder_Score: no\r\nDot.Ted: no\r\nProxy: http://evil\r\n\
         Authorization: Basic QQ==\r\nProxy-Authorization: Basic QQ==\r\nCookie: a=b\r\nX-Umlaut: \u{fc}\r\n\
         Connection: close\r\n\r\nabc",
    );
    let response = wire.response(false);
    let environ = SeenEnviron::of(&response);
    environ.check(&[
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
    let server = server(mode).directives(pass).start();
    let request = server.request("GET", "/").header("Authorization", "Basic QQ==");
    let environ = SeenEnviron::of(&request.header("Proxy-Authorization", "Basic Qg==").send());
    environ.check(&[
        ("HTTP_AUTHORIZATION", "str", "Basic QQ=="),
        ("HTTP_PROXY_AUTHORIZATION", "str", "Basic Qg=="),
    ]);
}

fn script_name_and_path_info(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .script("/deep/er", "deep.wsgi", APP)
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
        let environ = SeenEnviron::of(&server.get(path));
        environ.check(&[
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
    let server = server(mode)
        .directives(
            "SetEnv FOO bar\nSetEnv REQUEST_METHOD x\nSetEnv SERVER_NAME x\nSetEnv PATH /nowhere\nSetEnv HTTPS On\n\
             SetEnv mod_wsgi.version x\nSetEnv mod_wsgi.x-secret x\nSetEnv UMLAUT \u{fc}\n\
             SetEnvIf Authorization \"(.*)\" HTTP_AUTHORIZATION=$1",
        )
        .start();
    let response = server.request("GET", "/").header("Authorization", "Basic QQ==").send();
    let environ = SeenEnviron::of(&response);
    environ.check(&[
        ("FOO", "str", "bar"),
        ("REQUEST_METHOD", "str", "GET"),
        ("SERVER_NAME", "str", "localhost"),
        ("wsgi.url_scheme", "str", "https"),
        ("REQUEST_SCHEME", "str", "http"),
        ("HTTP_AUTHORIZATION", "str", "Basic QQ=="),
        ("UMLAUT", "str", "\u{c3}\u{bc}"),
    ]);
    environ.lacks(&["PATH", "HTTPS", "mod_wsgi.x-secret"]);
    assert_eq!(environ.kind("mod_wsgi.version"), "tuple");
}

fn every_method_arrives(mode: Mode) {
    let server = server(mode).start();
    for method in ["GET", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "BREW"] {
        let environ = SeenEnviron::of(&server.request(method, "/").send());
        environ.check(&[("REQUEST_METHOD", "str", method)]);
    }
    assert_eq!(server.request("TRACE", "/").send().header("Content-Type"), Some("message/http"));
}

fn module_identity(mode: Mode) {
    let server = server(mode).start();
    let about = server.get("/").json();
    let module = about["module"].as_str().expect("text");
    let digest = module.strip_prefix("_mod_wsgi_").expect("the prefix of script modules");
    assert!(digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    assert_eq!(about["file"], format!("{}/app/app.wsgi", server.root().display()));
    assert_eq!(about["sys_argv"], serde_json::json!(["mod_wsgi"]));
}

in_both_modes!(
    authorization_when_asked,
    cgi_keys,
    every_method_arrives,
    header_mapping,
    mod_wsgi_keys,
    module_identity,
    precedence_of_setenv,
    script_name_and_path_info,
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
        let server = server(Mode::Daemon).daemon_options(options).start();
        let environ = SeenEnviron::of(&server.get("/"));
        environ.check(&[
            ("wsgi.multithread", "bool", multithread),
            ("wsgi.multiprocess", "bool", multiprocess),
            ("wsgi.run_once", "bool", "False"),
        ]);
    }
}

#[test]
fn prefork_children_have_one_thread() {
    let server = server(Mode::Embedded).mpm(integration::Mpm::Prefork).start();
    let environ = SeenEnviron::of(&server.get("/"));
    environ.check(&[("wsgi.multithread", "bool", "False"), ("wsgi.multiprocess", "bool", "True")]);
}
