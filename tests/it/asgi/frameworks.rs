//! The frameworks: forms, uploads, streams, events, background tasks, lifespans and WebSockets of each, over HTTP/1.1, TLS and
//! HTTP/2.

use crate::asgi::applications::REASON;
use crate::asgi::websocket_http2::echoes_and_broadcasts;
use crate::request::http2::{curl, tls_builder};
use integration::{Mode, Subject, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A framework and what its application says.
struct FrameworkRow {
    source: &'static str,
    /// What its lifespan logs at the end.
    farewell: Option<&'static str>,
    background: &'static str,
}

fn folder() -> PathBuf {
    workspace().join("tests/apps/frameworks")
}

/// The virtual environment of all of them.
pub fn frameworks_venv() -> PathBuf {
    let output = Command::new(workspace().join("scripts/venv.sh")).arg(folder()).output().expect("venv.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// A client of another make: the package websockets.
fn other_client(venv: &Path, url: &str) {
    let output = Command::new(venv.join("bin/python3"))
        .arg(folder().join("client.py"))
        .arg(url)
        .output()
        .expect("the venv has a Python");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("all is well"), "{url}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

fn serves(row: &FrameworkRow) {
    if Subject::skips(REASON) {
        return;
    }
    let venv = frameworks_venv();
    let source = std::fs::read_to_string(folder().join(row.source)).expect("an application");
    let (builder, port) = tls_builder(Mode::Daemon, &source, "");
    let mut builder = builder.python_home(Some(&venv)).daemon_options("threads=4 interface=asgi");
    builder = builder.expect_log(row.background);
    if let Some(farewell) = row.farewell {
        builder = builder.expect_log(farewell);
    }
    let server = builder.directives("WSGIChunkedRequest On\nH2WebSockets on").start();
    let content = server.root().join("run/content");
    std::fs::write(&content, vec![b'x'; 3_000_000]).expect("own folder");
    let file = format!("file=@{};filename=a b.txt", content.display());
    let lines: String = (0..100).map(|number| format!("{number}\n")).collect();
    let (plain, secure) = (server.url(""), format!("https://localhost:{port}"));
    let ways = [("1.1", &plain, "--http1.1"), ("1.1", &secure, "--http1.1"), ("2", &secure, "--http2")];
    for (version, base, option) in ways {
        let ask = |path: &str, arguments: &[&str]| {
            let answer =
                curl(&server, &format!("{base}{path}"), &[&[option, "--insecure"], arguments].concat());
            assert_eq!((answer.exit, answer.version.as_str()), (0, version), "{path}");
            assert_eq!(answer.response.status, 200, "{base}{path}");
            answer.response.text()
        };
        assert_eq!(ask("/form", &["-d", "name=J%C3%B6rg&age=7"]), "J\u{f6}rg is 7");
        assert_eq!(ask("/upload", &["-F", &file]), "a b.txt 3000000");
        // Django sees no body without a length.
        if row.source != "django_app.py" {
            assert_eq!(ask("/upload", &["-F", &file, "-H", "Transfer-Encoding: chunked"]), "a b.txt 3000000");
        }
        assert_eq!(ask("/stream", &[]), lines);
        // Litestar ends lines as the specification allows, too.
        assert_eq!(ask("/events", &[]).replace("\r\n", "\n"), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
        assert_eq!(ask("/later", &["-X", "POST"]), "accepted");
        assert_eq!(ask("/state", &[]), "at startup");
    }
    other_client(&venv, &format!("ws://localhost:{}/", server.port()));
    other_client(&venv, &format!("wss://localhost:{port}/"));
    echoes_and_broadcasts(&server);
}

macro_rules! frameworks {
    ($($name:ident: $source:literal, $farewell:expr, $background:literal;)*) => {$(
        #[test]
        fn $name() {
            serves(&FrameworkRow {
                source: $source,
                farewell: $farewell,
                background: $background,
            });
        }
    )*};
}

frameworks! {
    django_and_channels: "django_app.py", None, "django: in the background";
    fastapi: "fastapi_app.py", Some("fastapi has ended, a resource was given back"), "fastapi: in the background";
    litestar: "litestar_app.py", Some("litestar has ended"), "litestar: in the background";
    quart: "quart_app.py", Some("quart has ended"), "quart: in the background";
    starlette: "starlette_app.py", Some("starlette has ended"), "starlette: in the background";
}
