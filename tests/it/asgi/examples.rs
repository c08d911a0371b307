//! The examples with ASGI applications, served as their READMEs say.

use crate::asgi::applications::REASON;
use crate::asgi::frameworks::frameworks_venv;
use crate::asgi::websocket::{FrameClient, TEXT};
use crate::product::examples::{example, venv};
use integration::{Subject, workspace};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn fastapi() {
    if Subject::skips(REASON) {
        return;
    }
    let server = example("fastapi", "httpd.conf", &[("@VENV@", &venv("fastapi"))])
        .expect_log("The event loop of uvloop runs")
        .expect_log("ValueError: this endpoint always fails")
        .expect_log("added coffee")
        .allow_python_errors()
        .start();
    server.wait_for_log("The event loop of uvloop runs"); // before any request
    assert_eq!(server.get("/api/items/1").ok().text(), r#"{"number":1,"name":"tea"}"#);
    assert_eq!(server.get("/api/items/x").status, 422);
    let json = ("Content-Type", "application/json");
    let added = server.request("POST", "/api/items").header(json.0, json.1);
    assert_eq!(added.body(r#"{"number": 2, "name": "coffee"}"#).send().status, 201);
    assert_eq!(server.get("/api/items/2").json()["name"], "coffee");
    let content = "x".repeat(3_000_000);
    let form = format!(
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{content}\r\n--B--\r\n"
    );
    let upload =
        server.request("POST", "/api/upload").header("Content-Type", "multipart/form-data; boundary=B");
    let answer = upload.body(form).send().json();
    assert_eq!((&answer["length"], &answer["sum"]), (&3_000_000.into(), &360_000_000.into()));
    let events = server.get("/api/events").ok();
    assert_eq!(events.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    assert_eq!(server.get("/api/fail").status, 500);
    let schema = server.get("/api/openapi.json").json();
    assert_eq!(schema["servers"][0]["url"], "/api", "it knows where it is mounted");
    let mut client = FrameClient::open(&server, "/api/echo");
    client.send(TEXT, "w\u{f6}rld".as_bytes());
    client.expect(TEXT, "w\u{f6}rld".as_bytes());
    drop(client);
    server.wait_for_log("left with 1006");
}

#[test]
fn mixed() {
    if Subject::skips(REASON) {
        return;
    }
    let (django, fastapi) = (venv("django"), venv("fastapi"));
    let server = example("mixed", "httpd.conf", &[("@DJANGO@", &django), ("@FASTAPI@", &fastapi)]).start();
    for _ in 0..3 {
        assert!(server.get("/").ok().text().starts_with("<h1>Django</h1>"));
        assert_eq!(server.get("/api/now").ok().text(), r#"{"served by":"FastAPI"}"#);
    }
    let mut client = FrameClient::open(&server, "/api/echo");
    client.send(TEXT, b"both");
    client.expect(TEXT, b"both");
    client.closed(1000, "");
}

#[test]
fn channels() {
    if Subject::skips(REASON) {
        return;
    }
    let server = example("channels", "httpd.conf", &[("@VENV@", &venv("channels"))]).start();
    assert!(server.get("/").ok().text().contains("new WebSocket(address)"));
    let mut clients = [FrameClient::open(&server, "/room"), FrameClient::open(&server, "/room")];
    // Each hears what itself says once it is in the room.
    clients[1].send(TEXT, b"first");
    clients[1].expect(TEXT, b"first");
    clients[0].send(TEXT, b"second");
    clients[1].expect(TEXT, b"second");
    drop(clients);
    server.graceful();
    // Before that the old process opens it, and closes it with 1012.
    server.wait_for_log("Draining process");
    let mut client = FrameClient::open(&server, "/room");
    client.send(TEXT, b"again");
    client.expect(TEXT, b"again");
}

/// Two tabs of a real browser see each other's messages, also behind a graceful restart.
#[test]
fn chat_in_a_browser() {
    if Subject::skips(REASON) {
        return;
    }
    let Some(chromium) =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| Path::new(path).exists())
    else {
        println!("skipped: chromium is not installed");
        return;
    };
    let server = example("channels", "httpd.conf", &[("@VENV@", &venv("channels"))]).start();
    let mut browser = Command::new(frameworks_venv().join("bin/python3"))
        .arg(workspace().join("tests/apps/frameworks/browser.py"))
        .args([&server.url("/"), chromium])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the venv has a Python");
    let mut said = BufReader::new(browser.stdout.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    assert_eq!(line, "restart\n", "both tabs have seen both messages");
    server.graceful();
    drop(browser.stdin.take().map(|mut stdin| stdin.write_all(b"\n")));
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert!(browser.wait().expect("a child").success() && rest == "all is well\n", "{rest}");
}
