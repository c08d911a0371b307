//! The mistakes that newcomers make most often, made here: each has its status, and a line that stands in
//! `docs/errors.md` with what to do.

use crate::config::modules;
use integration::{Httpd, Mode, Subject, workspace};
use std::os::unix::fs::PermissionsExt;

/// The log lines of the document, cut at `…`.
fn documented() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(workspace().join("docs/errors.md")).expect("it exists");
    let blocks = text.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines);
    lines.map(|line| line.split('…').map(|part| part.trim().to_owned()).collect()).collect()
}

/// Whether a line is one of the document's, which holds `marker`.
fn is_documented(line: &str, marker: &str) -> bool {
    let is_it = |parts: &Vec<String>| {
        parts.iter().try_fold(line, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..])).is_some()
    };
    documented().iter().filter(|parts| parts.iter().any(|part| part.contains(marker))).any(is_it)
}

/// A line of the log with `marker` stands in the document.
#[track_caller]
pub fn told(server: &Httpd, marker: &str) {
    server.wait_for_log(marker);
    let log = server.error_log();
    let found: Vec<&str> = log.lines().filter(|line| line.contains(marker)).collect();
    assert!(found.iter().any(|line| is_documented(line, marker)), "not in docs/errors.md: {found:#?}");
}

/// Script, status, what the line in the log says.
const APPLICATIONS: [(&str, &str, u16, &str); 17] = [
    ("module", "import flask_of_another_home", 500, "there is no module"),
    ("callable", "def app(environ, start_response): pass", 500, "It has 'app'"),
    ("asgi", "def application(scope, receive, send): return None", 500, "this is an ASGI application"),
    ("empty", "async def application(scope, receive, send): pass", 500, "returned without a response"),
    (
        "async",
        "async def application(environ, start_response): pass",
        500,
        "the application is an async function",
    ),
    (
        "none",
        "def application(environ, start_response): start_response('200 OK', [])",
        500,
        "the application returned None",
    ),
    ("text", "def application(e, s):\n    s('200 OK', [])\n    return ['x']", 500, "encode the text"),
    (
        "bare",
        "def application(e, s):\n    s('200 OK', [])\n    return b'x'",
        500,
        "the application returned bytes",
    ),
    ("syntax", "def application(environ, start_response) return []", 500, "SyntaxError:"),
    ("exit", "import sys; sys.exit(0)", 500, "SystemExit exception raised when doing exec"),
    ("exception", "def application(e, s): return 1 / 0", 500, "WSGI0174"),
    ("silent", "def application(e, s): return [b'x']", 500, "start_response() must be called"),
    ("permission", "def application(e, s): open('/etc/shadow')", 500, "may not use"),
    ("memory", "def application(e, s): bytearray(1 << 62)", 500, "there is no memory left"),
    (
        "database",
        "import sqlite3\ndef application(e, s): sqlite3.connect('/nowhere/to/be/found.db')",
        500,
        "SQLite writes beside the database",
    ),
    ("variable", "import os\nos.environ['DATABASE_URL']", 500, "KeyError: 'DATABASE_URL'"),
    ("crash", "import os\ndef application(e, s): os._exit(3)", 502, "WSGI0146"),
];

#[test]
fn applications() {
    if Subject::skips("it says what has happened, and not what to write") {
        return;
    }
    let mut builder =
        Httpd::builder().mode(Mode::Daemon).allow_log("[wsgi:error]").expect_log("there is no module");
    for (name, source, ..) in APPLICATIONS {
        builder = builder.script(&format!("/{name}"), &format!("{name}.wsgi"), &format!("{source}\n"));
    }
    let server = builder.env("DATABASE_URL", "x").start();
    told(&server, "which processes of daemon groups do not see");
    for (name, _, status, marker) in APPLICATIONS {
        assert_eq!(server.get(&format!("/{name}")).status, status, "{name}");
        told(&server, marker);
    }
}

const HELLO: &str =
    "def application(e, s):\n    e['wsgi.input'].read()\n    s('401 Unauthorized', [])\n    return [b'x']\n";

/// What is wrong in the configuration, or between the client and httpd.
#[test]
fn configurations() {
    if Subject::skips("it says what has happened, and not what to write") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .daemon_options("threads=4 locale=xx_XX.UTF-8")
        .log_level("info")
        .file("closed/app.wsgi", HELLO)
        .script("/hello", "hello.wsgi", HELLO)
        .script("/unreadable", "unreadable.wsgi", HELLO)
        .directives(
            "Timeout 1
WSGIDaemonProcess service threads=0
<Directory @ROOT@/app/closed>\nRequire all denied\n</Directory>
<Location /small>\nLimitRequestBody 10\n</Location>
WSGIScriptAlias /denied @ROOT@/app/closed/app.wsgi
WSGIScriptAlias /missing @ROOT@/app/nothing.wsgi
WSGIScriptAlias /directory @ROOT@/app
WSGIScriptAlias /small @ROOT@/app/hello.wsgi
WSGIScriptAlias /nowhere @ROOT@/app/hello.wsgi process-group=nowhere
WSGIScriptAlias /service @ROOT@/app/hello.wsgi process-group=service
WSGIScriptAlias /embedded @ROOT@/app/hello.wsgi process-group=%{GLOBAL}",
        )
        .allow_log("[wsgi:")
        .allow_log("AH01630")
        .expect_log("WSGI0079")
        .start();
    let unreadable = server.root().join("app/unreadable.wsgi");
    std::fs::set_permissions(unreadable, std::fs::Permissions::from_mode(0o600)).expect("own file");
    for (path, status, marker) in [
        ("/denied", 403, "AH01630"),
        ("/missing", 404, "WSGI0135"),
        ("/directory/", 403, "WSGI0136"),
        ("/nowhere", 500, "No WSGI daemon process called"),
        ("/service", 503, "threads=0"),
        ("/embedded", 500, "WSGIRestrictEmbedded On"),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
        told(&server, marker);
    }
    if integration::is_root() {
        assert_eq!(server.get("/unreadable").status, 500);
        told(&server, "Could not read or compile");
    }
    let response = server.request("POST", "/small").body("more than ten bytes").send();
    assert_eq!(response.status, 413);
    told(&server, "LimitRequestBody");
    let authorization = server.request("GET", "/hello").header("Authorization", "Basic YTpi");
    assert_eq!(authorization.send().status, 401);
    told(&server, "WSGIPassAuthorization On");
    assert_eq!(server.request("GET", "/hello").header("Authorization", "Basic YTpi").send().status, 401);
    server.logged("WSGIPassAuthorization On", 1); // once a minute
    let mut client = server.connect();
    client.send(b"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf");
    told(&server, "The timeout specified has expired");
    told(&server, "WSGI0079");
}

/// Uploads in chunks.
#[test]
fn bodies_without_a_length() {
    if Subject::skips("it says what has happened, and not what to write") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/hello", "hello.wsgi", HELLO)
        .script("/buffered", "buffered.wsgi", HELLO)
        .directives("<Location /buffered>\nWSGIRequestBuffering 10\n</Location>")
        .expect_log("WSGI0139")
        .expect_log("WSGI0371")
        .start();
    for (path, status, marker) in [("/hello", 411, "WSGI0139"), ("/buffered", 413, "WSGI0371")] {
        let mut client = server.connect();
        client.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
        client.send("c\r\nmore than 10\r\n0\r\n\r\n");
        assert_eq!(client.response(false).status, status, "{path}");
        told(&server, marker);
    }
}

/// Lines of configurations, as pages on the web have them or as they are copied, and what the test says of them.
const TOLD_BY_THE_TEST: [&str; 11] = [
    "nothing names this group",
    "WSGIProcessGroup nowhere",
    "this one is called 'threads=5'",
    "WSGI0303",
    "does not exist",
    "is a directory, and each file in it",
    "is never reached",
    "${MW_UNSET} is set nowhere",
    "WSGIAuthGroupScript: nothing asks",
    "the provider wsgi has no script",
    "WSGIReloadMechanism",
];

#[test]
fn starts() {
    if Subject::skips("it says nothing of most of them") {
        return;
    }
    let site = |lines: &str| {
        Httpd::builder()
            .directives(&modules(&["authn_core", "auth_basic"]))
            .file("app.wsgi", HELLO)
            .directives(lines)
            .configtest()
    };
    let verdict = site(
        "WSGIDaemonProcess html
WSGIDaemonProcess threads=5
WSGIDaemonProcess gone python-home=/no/such/venv env=KEY=${MW_UNSET}
WSGIScriptAlias / @ROOT@/app/app.wsgi
WSGIScriptAlias /later @ROOT@/app/later.wsgi
WSGIReloadMechanism Process
<VirtualHost 127.0.0.1:1>
WSGIScriptAlias / @ROOT@/app
</VirtualHost>
<Location /x>
WSGIProcessGroup nowhere
WSGIAuthGroupScript @ROOT@/app/app.wsgi
AuthBasicProvider wsgi
</Location>
<Location /gone>
WSGIProcessGroup gone
</Location>",
    );
    assert!(verdict.is_ok, "{}", verdict.text);
    for marker in TOLD_BY_THE_TEST {
        let found: Vec<&str> = verdict.text.lines().filter(|line| line.contains(marker)).collect();
        assert!(
            found.iter().any(|line| is_documented(line, marker)),
            "{marker}: {found:#?}\n{}",
            verdict.text
        );
    }
    let host = |name: &str| {
        format!(
            "<VirtualHost 127.0.0.1:1>\nServerName {name}.example\nWSGIDaemonProcess site\n</VirtualHost>\n"
        )
    };
    let verdict = site(&(host("a") + &host("b")));
    let marker = "Name duplicates";
    let line = verdict.text.lines().find(|line| line.contains(marker)).unwrap_or_default();
    assert!(!verdict.is_ok && is_documented(line, marker), "{}", verdict.text);
}
