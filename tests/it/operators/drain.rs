//! `mod_wsgi-ctl drain` and `undrain`: balancers are told, requests go on being served, connections end with their request.

use crate::operators::control::{done, refused};
use integration::{Httpd, HttpdBuilder, Mode, Response, Subject, eventually};
use serde_json::Value;
use std::fs::File;

/// A request with `?wait` is held until the test lets go of the file `gate`.
const APP: &str = r#"
import fcntl, os
def application(environ, start_response):
    if environ['QUERY_STRING'] == 'wait':
        with open(os.path.join(os.path.dirname(__file__), 'gate')) as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
"#;

const PAGES: &str = "<Location /wsgi-status>\nSetHandler wsgi-status\n</Location>\n\
    <Location /wsgi-health>\nSetHandler wsgi-health\n</Location>";

const NO_CTL: &str = "there is no mod_wsgi-ctl";

fn server() -> HttpdBuilder {
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).file("gate", "");
    server.daemon_options("processes=2 threads=2").directives(PAGES)
}

fn health(server: &Httpd) -> (u16, Value) {
    let answer = server.get("/wsgi-health");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn ready(server: &Httpd) {
    eventually("it is ready", || (health(server).0 == 200).then_some(()));
}

/// Sends a request on a connection that would be kept open.
fn kept(server: &Httpd, path: &str) -> Response {
    let mut wire = server.connect();
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    wire.response(false)
}

#[test]
fn drained_servers_say_so_and_serve_on() {
    if Subject::skips(NO_CTL) {
        return;
    }
    let server = server().start();
    ready(&server);
    assert_eq!(kept(&server, "/").ok().header("Connection"), None);
    assert!(refused(&server, &["undrain"]).contains("not drained"));
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wire.response(false).ok();
    done(&server, &["drain"]);
    let (status, said) = health(&server);
    assert_eq!(
        (status, &said["live"], &said["ready"], &said["draining"], &said["groups"][0]["ready"]),
        (503, &true.into(), &false.into(), &true.into(), &true.into())
    );
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = wire.response(false).ok();
    assert_eq!(answer.header("Connection"), Some("close"), "a connection kept from before is let go");
    assert_eq!(kept(&server, "/").ok().header("Connection"), Some("close"));
    assert!(refused(&server, &["drain"]).contains("already"));
    assert!(done(&server, &["status"]).contains("undrain"));
    let status = server.get("/wsgi-status?format=json").json();
    assert_eq!(status["server"]["draining"], true);
    assert!(server.get("/wsgi-status").text().contains("draining</strong>"));
    server.graceful();
    assert_eq!(health(&server).1["draining"], true, "a new configuration does not end it");
    assert_eq!(kept(&server, "/").ok().header("Connection"), Some("close"));
    done(&server, &["undrain"]);
    ready(&server);
    assert_eq!(kept(&server, "/").ok().header("Connection"), None);
}

/// Runs `work` while a request is under way, which ends when the file that `work` is given is dropped.
fn during_a_request(server: &Httpd, work: impl FnOnce(File)) {
    let gate = File::open(server.root().join("app/gate")).expect("it is there");
    gate.lock().expect("nobody else has it");
    std::thread::scope(|scope| {
        let long = scope.spawn(|| server.get("/?wait"));
        let requests = || server.get("/wsgi-status?format=json").json()["groups"][0]["requests"].clone();
        eventually("it is under way", || requests()[0].is_object().then_some(()));
        work(gate);
        long.join().expect("no panic").ok();
    });
}

#[test]
fn a_drain_waits_for_requests_and_then_stops() {
    if Subject::skips(NO_CTL) {
        return;
    }
    let server = server().start();
    ready(&server);
    let drained = || eventually("it drains", || health(&server).1["draining"].as_bool().filter(|on| *on));
    during_a_request(&server, |gate| {
        std::thread::scope(|scope| {
            let drain = scope.spawn(|| done(&server, &["drain", "--time", "0"]));
            drained();
            assert!(!drain.is_finished(), "a request is under way");
            drop(gate);
            drain.join().expect("no panic");
        });
    });
    during_a_request(&server, |gate| {
        std::thread::scope(|scope| {
            // A server that is drained already can be stopped.
            let stop = scope.spawn(|| done(&server, &["drain", "--time", "0", "--stop"]));
            server.wait_for_log("shutting down gracefully");
            drop(gate);
            stop.join().expect("no panic");
        });
    });
}
