//! Deaths explain themselves: a request whose daemon dies has one line in its own virtual host's log, with cause,
//! process, script, request id and Python stack.

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};
use std::time::{Duration, Instant};

const APP: &str = include_str!("../../apps/dying.py");

/// A server whose requests log to a virtual host's own log, apart from that of the group.
fn server(options: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .daemon_options(options)
        .file("app.wsgi", APP)
        .directives(
            "<VirtualHost *:@PORT@>\nServerName vhost.test\nErrorLog @ROOT@/logs/vhost.log\n\
             WSGIScriptAlias / @ROOT@/app/app.wsgi\n</VirtualHost>",
        )
        .allow_log("daemon process")
        .allow_log("Daemon process")
        .allow_log("request has been running for")
}

/// What the original does.
const SILENT: &str = "a request cut off by a death says nothing of its cause";

/// The errors in the virtual host's log.
fn errors(server: &Httpd) -> Vec<String> {
    let log = server.log_of("vhost.log");
    log.lines().filter(|line| line.contains("[wsgi:error]")).map(str::to_owned).collect()
}

/// One line of the virtual host's log, with all these parts.
#[track_caller]
fn check(server: &Httpd, parts: &[&str]) {
    eventually("the line is there", || (!errors(server).is_empty()).then_some(()));
    let errors = errors(server);
    assert_eq!(errors.len(), 1, "one failure, one line: {errors:#?}");
    let script = format!("[script {}/app/app.wsgi]", server.root().display());
    for part in parts.iter().copied().chain([&*script, "group 'app'", "; request "]) {
        assert!(errors[0].contains(part), "{part:?} is not in {}", errors[0]);
    }
    assert!(errors[0].contains("[client 127.0.0.1"), "in the request's context: {}", errors[0]);
}

/// Path, cause, and what of the stack there is.
const ENDS: [(&str, &str, &str); 4] = [
    ("/segv", "signal 11 (SIGSEGV)", "Fatal Python error: Segmentation fault | Stack"),
    ("/abort", "signal 6 (SIGABRT)", "in abort | File"),
    ("/leave", "exit status 3", "exit status 3"),
    ("/kill", "signal 9 (SIGKILL)", "from outside"),
];

/// Crashes are what these tests are about.
fn expecting(builder: HttpdBuilder, cause: &str) -> HttpdBuilder {
    if cause.contains("SIGSEGV") || cause.contains("SIGABRT") {
        return builder.expect_log("Fatal Python error");
    }
    builder
}

#[test]
fn death_before_the_answer_is_explained() {
    if Subject::skips(SILENT) {
        return;
    }
    for (path, cause, stack) in ENDS {
        let server = expecting(server("threads=2"), cause).start();
        let begun = Instant::now();
        assert_eq!(server.get(path).status, 502, "{path}");
        assert!(begun.elapsed() < Duration::from_secs(20), "at once, {:?}", begun.elapsed());
        check(&server, &["WSGI0146", "before it had answered", cause, stack]);
        server.wait_for_log("of group 'app' has died");
        let log = server.log_of("error.log");
        let line = log.lines().find(|line| line.contains("of group 'app' has died")).expect("found above");
        assert!(line.contains(cause) && line.contains(stack), "{line}");
        assert_eq!(server.get("/").ok().text(), "ok");
    }
}

#[test]
fn death_within_the_response_is_explained() {
    if Subject::skips(SILENT) {
        return;
    }
    for (path, cause, stack) in ENDS {
        let server = expecting(server("threads=2"), cause).start();
        assert!(server.request("GET", &format!("{path}?begun")).try_send().is_err(), "truncated");
        check(&server, &["WSGI0119", "in the middle of its response", cause, stack]);
        assert_eq!(server.get("/").ok().text(), "ok");
    }
}

#[test]
fn each_request_of_the_process_has_its_line() {
    if Subject::skips(SILENT) {
        return;
    }
    let server = server("threads=5").writable("hanging").expect_log("Fatal Python error").start();
    let hanging = || std::fs::read_dir(server.root().join("app/hanging")).expect("own folder").count();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| server.get("/hang").status)).collect();
        eventually("all three are in the application", || (hanging() == 3).then_some(()));
        assert_eq!(server.get("/segv").status, 502);
        for client in clients {
            assert_eq!(client.join().expect("no panic"), 502);
        }
    });
    let errors = eventually("all lines", || Some(errors(&server)).filter(|lines| lines.len() >= 4));
    assert_eq!(errors.len(), 4, "{errors:#?}");
    assert!(errors.iter().all(|line| line.contains("SIGSEGV") && line.contains("in segv")), "{errors:#?}");
}

#[test]
fn request_timeout_is_named_with_the_stack() {
    if Subject::skips(SILENT) {
        return;
    }
    let options = "threads=1 request-timeout=1 graceful-timeout=0 shutdown-timeout=1";
    let server = server(options).start();
    assert_eq!(server.get("/hang").status, 502);
    check(&server, &["request-timeout", "exit status 255", "Request thread 1:", "in hang | File"]);
}

/// C code that keeps the GIL: nothing of Python runs any more.
#[test]
fn deadlock_is_named_with_the_stack() {
    if Subject::skips(SILENT) {
        return;
    }
    let server = server("threads=2 deadlock-timeout=1 shutdown-timeout=1").start();
    assert_eq!(server.get("/lock").status, 502);
    check(&server, &["deadlock-timeout", "exit status 255", "in lock | File"]);
}

/// Up to Python 3.11 `faulthandler` knows nothing of what a sub-interpreter runs.
#[test]
fn stack_of_a_sub_interpreter_is_found() {
    if Subject::skips(SILENT) {
        return;
    }
    let builder = server("threads=2 deadlock-timeout=1 shutdown-timeout=1");
    let server = expecting(builder, "SIGSEGV").directives("WSGIApplicationGroup other").start();
    assert_eq!(server.get("/segv").status, 502);
    check(&server, &["SIGSEGV", "in segv | File", "in application |"]);
    assert_eq!(server.get("/lock").status, 502);
    let errors = eventually("the second", || Some(errors(&server)).filter(|lines| lines.len() > 1));
    assert!(errors[1].contains("deadlock-timeout") && errors[1].contains("in lock | File"), "{}", errors[1]);
}

#[test]
fn cpu_time_limit_is_named_with_the_stack() {
    if Subject::skips(SILENT) {
        return;
    }
    let server = server("threads=2 cpu-time-limit=1 shutdown-timeout=1").start();
    assert_eq!(server.get("/loop").status, 502);
    check(&server, &["cpu-time-limit", "in loop | File"]);
}

/// A process that the application forked off and that crashes is not the daemon.
#[test]
fn crash_of_a_forked_child_is_not_the_daemons() {
    if Subject::skips(SILENT) {
        return;
    }
    let server = server("threads=2").allow_python_errors().expect_log("Fatal Python error").start();
    server.get("/fork").ok();
    server.wait_for_log("Fatal Python error: Segmentation fault");
    server.wait_for_log("in segv");
    assert_eq!(errors(&server), Vec::<String>::new());
    assert_eq!(server.get("/leave").status, 502);
    check(&server, &["exit status 3"]);
    assert!(!errors(&server)[0].contains("Python stack"), "{:?}", errors(&server));
}

/// A stop takes no longer than shutdown-timeout, whatever the application holds on to; without that it takes no time.
#[test]
fn stop_is_bounded() {
    for path in ["/", "/linger"] {
        let server = server("threads=2 shutdown-timeout=2").start();
        server.get(path).ok();
        stop_within_40_s(server, path);
    }
}

/// A minute is what the stuck ones would take.
fn stop_within_40_s(server: Httpd, path: &str) {
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(40), "{path}: {:?}", begun.elapsed());
}

/// A connection that breaks while its process lives on: nobody can explain it, so nobody is waited for.
#[test]
fn broken_connection_of_a_living_process_is_told_at_once() {
    let server = server("threads=2").expect_log("WSGI014").start();
    let before = server.get("/pid").ok().text();
    // A wait for an explanation would take a second each time; the quickest of ten is one that the machine let pass.
    let quickest = (0..10).map(|_| {
        let begun = Instant::now();
        assert_eq!(server.get("/cut").status, 502);
        begun.elapsed()
    });
    let quickest = quickest.min().expect("ten");
    assert!(quickest < Duration::from_millis(900), "{quickest:?}");
    assert_eq!(server.get("/pid").ok().text(), before, "it serves on");
}
