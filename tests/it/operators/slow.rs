//! Slow requests show themselves: where they are stands in their own virtual host's log, and nothing happens to them.

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};

const APP: &str = include_str!("../../apps/slow.py");

/// What the original does.
const SILENT: &str = "slow requests are only reported to a telemetry service";

fn server(mode: Mode, directives: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(mode)
        .file("app.wsgi", APP)
        .directives(directives)
        .directives(
            "<VirtualHost *:@PORT@>\nServerName vhost.test\nErrorLog @ROOT@/logs/vhost.log\n\
             WSGIScriptAlias / @ROOT@/app/app.wsgi\n</VirtualHost>",
        )
        .allow_log("request has been running for")
        .allow_log("daemon process")
}

/// The lines of the virtual host's log about requests that take long.
fn reports(server: &Httpd) -> Vec<String> {
    let log = server.log_of("vhost.log");
    log.lines().filter(|line| line.contains("has been running for")).map(str::to_owned).collect()
}

#[track_caller]
fn check(line: &str, server: &Httpd, parts: &[&str]) {
    let script = format!("[script {}/app/app.wsgi] WSGI", server.root().display());
    for part in parts.iter().copied().chain([&*script, "[client 127.0.0.1", "Python stack: File"]) {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
}

in_both_modes!(slow_request_is_reported_once, slow_upload_is_reported, lock_that_is_kept_delays_the_report);

fn slow_request_is_reported_once(mode: Mode) {
    if Subject::skips(SILENT) {
        return;
    }
    let server = server(mode, "WSGISlowRequests 0.5").start();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| server.get("/rest/3").ok());
        let line = eventually("it is reported while it runs", || reports(&server).pop());
        assert!(!client.is_finished(), "{line}");
        check(&line, &server, &["WSGI0312", "longer than WSGISlowRequests", "in rest | File"]);
    });
    server.get("/rest/0").ok();
    assert_eq!(reports(&server).len(), 1, "once, and not the quick one");
}

/// While its thread receives, the report waits until that is over: it stands in the right log.
fn slow_upload_is_reported(mode: Mode) {
    if Subject::skips(SILENT) {
        return;
    }
    let server = server(mode, "WSGISlowRequests 0.3").start();
    server.get("/rest/0").ok();
    let mut wire = server.connect();
    wire.send("POST /read/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    std::thread::sleep(std::time::Duration::from_millis(900));
    wire.send("cd");
    assert_eq!(wire.response(false).status, 200);
    let line = eventually("it is reported", || reports(&server).pop());
    check(&line, &server, &["WSGI0312", "in read | File"]);
}

/// Whoever looks after slow requests waits as long as C code keeps Python's lock, and lives on.
fn lock_that_is_kept_delays_the_report(mode: Mode) {
    if Subject::skips(SILENT) {
        return;
    }
    let server = server(mode, "WSGISlowRequests 0.3").start();
    server.get("/lock/2").ok();
    server.get("/rest/1").ok();
    let line = eventually("it is reported", || reports(&server).pop());
    check(&line, &server, &["WSGI0312", "in rest | File"]);
}

#[test]
fn interrupted_request_says_where_it_was() {
    if Subject::is_too_old("it has no interrupt-timeout") {
        return;
    }
    let options = "threads=1 request-timeout=1 interrupt-timeout=20";
    let server = server(Mode::Daemon, "").daemon_options(options).start();
    for _ in 0..2 {
        assert_eq!(server.get("/loop/0").status, 504);
        assert_eq!(server.get("/rest/0").ok().text(), "ok");
    }
    if Subject::is_ours() {
        let lines = reports(&server);
        assert_eq!(lines.len(), 2);
        check(&lines[0], &server, &["WSGI0313", "request-timeout", "is interrupted", "in loop | File"]);
    }
}

/// The request that is over its time ends normally while its process waits for it.
#[test]
fn overdue_request_says_where_it_is() {
    if Subject::skips(SILENT) {
        return;
    }
    let options = "threads=1 request-timeout=1 shutdown-timeout=20";
    let server = server(Mode::Daemon, "").daemon_options(options).start();
    server.get("/rest/3").ok();
    let line = reports(&server).pop().expect("reported while it ran");
    check(&line, &server, &["WSGI0313", "request-timeout", "will be replaced", "in rest | File"]);
}
