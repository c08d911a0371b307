//! When the supervisor is killed each of its processes ends, wherever it is in its life: the kernel kills those that do not
//! serve, and the others see the end of their pipe.

use integration::{
    Httpd, HttpdBuilder, Mode, SeenProcess, Subject, eventually, hang_before_python_serves, signal,
    wait_until,
};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

const NO_SUPERVISOR: &str = "there is no supervisor";

const SERVING: &str = "import os, threading, time\nprint('imported')\n\
                       def application(environ, start_response):\n    code = environ['QUERY_STRING']\n    \
                       exec(code.replace('%20', ' '), globals())\n    start_response('200 OK', [])\n    \
                       return [str(os.getpid()).encode()]\n";

fn server(app: &str, options: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .daemon_options(&format!("threads=2 shutdown-timeout=2 {options}"))
        .app(app)
        .expect_log("WSGI0305")
        .allow_log("[wsgi:")
        .allow_python_errors()
}

fn supervisor(server: &Httpd) -> Option<SeenProcess> {
    let is_one = |process: &SeenProcess| process.command.contains("wsgi-supervisor") && !process.is_zombie;
    server.processes().into_iter().find(is_one)
}

/// The processes of a supervisor.
fn children(server: &Httpd, supervisor: &SeenProcess) -> BTreeSet<SeenProcess> {
    let is_child = |process: &SeenProcess| process.parent == supervisor.pid && !process.is_zombie;
    server.processes().into_iter().filter(is_child).collect()
}

/// So many processes of the supervisor.
fn settled(server: &Httpd, count: usize) -> BTreeSet<SeenProcess> {
    eventually("all processes are there", || {
        let found = children(server, &supervisor(server)?);
        (found.len() == count).then_some(found)
    })
}

/// Kills the supervisor; these processes of it end.
fn all_end(server: &Httpd, stage: &str, processes: &BTreeSet<SeenProcess>) {
    signal(supervisor(server).expect("it runs").pid, Signal::SIGKILL);
    eventually(&format!("all have ended: {stage}"), || {
        (!processes.iter().any(SeenProcess::is_alive)).then_some(())
    });
    server.wait_for_log("WSGI0305");
}

#[test]
fn those_that_serve() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let waiting = "import%20atexit;atexit.register(time.sleep,600)";
    let closing = "os.closerange(3,4096)";
    let busy = "threading.Thread(target=time.sleep,args=(600,)).start()";
    for (stage, request) in
        [("idle", ""), ("waits at exit", waiting), ("has closed all", closing), ("its own thread", busy)]
    {
        let server = server(SERVING, "processes=2").start();
        // What it has closed may include the connection.
        let status = server.get(&format!("/?{request}")).status;
        assert!(status == 200 || request == closing, "{stage}: {status}");
        if request != closing {
            settled(&server, 2);
        }
        let all = children(&server, &supervisor(&server).expect("it runs"));
        all_end(&server, stage, &all);
    }
}

/// A stopped process sees no end of a pipe.
#[test]
fn those_that_are_stopped() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    for (options, count) in [("processes=2", 2), ("processes=2 preload=on", 3)] {
        let server = server(SERVING, options).start();
        server.get("/").ok();
        let all = settled(&server, count);
        all.iter().for_each(|process| signal(process.pid, Signal::SIGSTOP));
        all_end(&server, options, &all);
    }
}

#[test]
fn those_that_import() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let hanging = "import time\nprint('it hangs')\ntime.sleep(600)\n";
    for options in ["", "preload=on"] {
        for stops in [false, true] {
            let server = server(hanging, options)
                .directives(
                    "WSGIImportScript @ROOT@/app/app.wsgi process-group=app application-group=%{GLOBAL}",
                )
                .start();
            server.wait_for_log("it hangs");
            let all = settled(&server, 1);
            all.iter().filter(|_| stops).for_each(|process| signal(process.pid, Signal::SIGSTOP));
            all_end(&server, options, &all);
        }
    }
}

#[test]
fn those_that_are_a_service() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = server(SERVING, "")
        .file("service.py", "import time\nprint('it hangs')\ntime.sleep(600)\n")
        .directives(
            "WSGIDaemonProcess service threads=0\n\
             WSGIImportScript @ROOT@/app/service.py process-group=service application-group=%{GLOBAL}",
        )
        .start();
    server.wait_for_log("it hangs");
    let all = settled(&server, 2);
    all_end(&server, "service", &all);
}

/// A `.pth` file that does not answer: Python has not come to us.
#[test]
fn those_that_are_not_python_yet() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = server(SERVING, "python-home=@ROOT@/app/home")
        .python_home(None)
        .file("home/pyvenv.cfg", "home = /usr/bin\n")
        .file("home/bin/here", "")
        .start();
    let home = server.root().join("app/home");
    let hanging = hang_before_python_serves(&home);
    std::os::unix::fs::symlink("/usr/bin/python3", home.join("bin/python3")).expect("a link");
    let first = settled(&server, 1);
    first.iter().for_each(|process| signal(process.pid, Signal::SIGKILL));
    let all = eventually("another process starts", || {
        let all = children(&server, &supervisor(&server)?);
        (all.len() == 1 && all != first).then_some(all)
    });
    // It says nothing where it hangs. What the kernel calls that place may be hidden.
    let waits = || {
        let place = fs::read_to_string(format!("/proc/{}/wchan", all.first()?.pid)).ok()?;
        place.contains("wait_for_partner").then_some(())
    };
    wait_until(Duration::from_secs(3), waits); // or it has been long enough
    all_end(&server, "Python starts", &all);
    fs::remove_file(&hanging).expect("own file");
}
