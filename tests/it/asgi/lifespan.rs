//! The life of ASGI applications: startup as a readiness gate, shutdown behind the last request, changed scripts, drains.

use crate::asgi::applications::{APP, REASON, server};
use integration::{Httpd, Mode, Subject, eventually};
use std::time::{Duration, SystemTime};

/// An application that answers `text`; `startup` is Python in the midst of its startup.
fn saying(text: &str, startup: &str) -> String {
    format!(
        "async def application(scope, receive, send):
    if scope['type'] == 'lifespan':
        await receive()
        {startup}
        await send({{'type': 'lifespan.startup.complete'}})
        await receive()
        await send({{'type': 'lifespan.shutdown.complete'}})
        return
    await send({{'type': 'http.response.start', 'status': 200}})
    await send({{'type': 'http.response.body', 'body': b'{text}'}})
"
    )
}

/// The same by the usual name of ASGI applications.
fn named_app(text: &str, startup: &str) -> String {
    saying(text, startup).replace("def application", "def app")
}

const FAILS: &str = "return await send({'type': 'lifespan.startup.failed', 'message': 'no database'})";

fn change(server: &Httpd, source: &str, seconds: u64) {
    let path = server.write("app.py", source);
    let file = std::fs::File::options().write(true).open(path).expect("own file");
    file.set_modified(SystemTime::now() + Duration::from_secs(seconds)).expect("own file");
}

fn becomes(server: &Httpd, text: &str) {
    eventually(&format!("it answers {text}"), || (server.get("/").ok().text() == text).then_some(()));
}

/// Written as ASGI it starts before the first request.
#[test]
fn starts_before_and_ends_after_the_requests() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("threads=2 interface=asgi").expect_log("shutdown").start();
    server.wait_for_log("startup");
    assert_eq!(server.get("/x").json()["state"]["made"], "at startup");
    server.logged("startup", 1);
    assert!(!server.error_log().contains("shutdown"));
    server.stop();
}

#[test]
fn failed_startup_keeps_the_old_process() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/", "app.py", &named_app("one", "pass"))
        .expect_log("cannot be started: no database")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "one");
    change(&server, &named_app("two", FAILS), 5);
    for _ in 0..3 {
        assert_eq!(server.get("/").ok().text(), "one");
    }
    server.wait_for_log("WSGI0504");
    server.graceful();
    server.wait_for_log("resuming normal operations");
    assert_eq!(server.get("/").ok().text(), "one");
    change(&server, &named_app("three", "pass"), 10);
    becomes(&server, "three");
}

/// Without a predecessor each request tries again.
#[test]
fn failed_startup_of_the_first_process() {
    if Subject::skips(REASON) {
        return;
    }
    let startup = format!(
        "import os\n        if not os.path.exists(os.path.join(os.path.dirname(__file__), 'database')):\n            {FAILS}"
    );
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .daemon_options("threads=2 interface=asgi")
        .script("/", "app.py", &saying("one", &startup))
        .expect_log("WSGI0504")
        .start();
    assert_eq!(server.get("/").status, 500);
    server.write("database", "");
    assert_eq!(server.get("/").ok().text(), "one");
}

#[test]
fn application_without_lifespan() {
    if Subject::skips(REASON) {
        return;
    }
    let source = saying("one", "pass")
        .replace("    if scope['type'] == 'lifespan':", "    assert scope['type'] == 'http'\n    if 0:");
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/", "app.py", &source)
        .expect_log("does without the lifespan protocol (AssertionError")
        .start();
    assert_eq!(server.get("/").ok().text(), "one");
}

/// A changed script is noticed, held until the successor is ready, and run there.
#[test]
fn changed_script() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/", "app.py", &saying("0", "pass"))
        .allow_log("[wsgi:error]")
        .start();
    for round in 1..4 {
        change(&server, &saying(&round.to_string(), "pass"), 5 * round);
        becomes(&server, &round.to_string());
    }
}

/// A stream goes on in the old process while new requests go to its successor.
#[test]
fn stream_outlives_a_graceful_restart() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    let mut client = server.connect();
    client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    client.head().expect("a head");
    assert_eq!(client.exactly(10).expect("a chunk"), b"5\r\nfirst\r\n");
    server.graceful();
    eventually("a successor has started the application", || {
        (server.error_log().matches("startup").count() == 2).then_some(())
    });
    server.get("/count").ok();
    server.write("released", "");
    assert_eq!(client.exactly(14).expect("the rest"), b"4\r\nlast\r\n0\r\n\r\n");
    eventually("the old process has ended", || server.error_log().contains("shutdown").then_some(()));
}

#[test]
fn preloaded_group() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .daemon_options("threads=2 processes=2 preload=on interface=asgi")
        .script("/", "app.py", APP)
        .allow_log("[wsgi:error]")
        .start();
    for _ in 0..6 {
        let request = server.request("GET", "/count").header("Connection", "close");
        assert_eq!(request.send().ok().text(), "0 one");
    }
}

#[test]
fn maximum_requests_counts_them() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("threads=2 maximum-requests=5").start();
    eventually("successors have started", || {
        assert_eq!(server.get("/count").ok().text(), "0 one");
        (server.error_log().matches("startup").count() >= 3).then_some(())
    });
}
