//! Interpreters with GILs of their own (Python 3.12, WSGIPerInterpreterGIL): what one application does keeps no other
//! one waiting, and requests crowd before each GIL for itself.

use integration::{Httpd, Mode, PythonHome, Subject, eventually, pythons};
use std::thread::scope;
use std::time::{Duration, Instant};

/// `stuck` keeps the GIL within one call of C code for some seconds; anything else computes for 2 ms.
const APP: &str = "
import os, re, time
import mod_wsgi
def threads(name):
    tasks = [open('/proc/self/task/%s/comm' % task).read().strip() for task in os.listdir('/proc/self/task')]
    return tasks.count(name)
def application(environ, start_response):
    query = environ['QUERY_STRING']
    if query == 'stuck':
        print('stuck from here', file=environ['wsgi.errors'])
        re.match('(a+)+$', 'a' * 25 + 'b')
    end = time.monotonic() + .002
    while query == '' and time.monotonic() < end: pass
    text = str(eval(query)) if query not in ('', 'stuck') else mod_wsgi.application_group
    start_response('200 OK', [])
    return [text.encode()]
";

/// Pythons that can have several GILs, and be used in that mode.
fn parallel(mode: Mode) -> Vec<&'static PythonHome> {
    let fits = |python: &&PythonHome| {
        let (major, minor) = python.minor();
        let is_shared = python.base.join(format!("lib/libpython{major}.{minor}.so.1.0")).exists();
        (major, minor) >= (3, 12) && (mode == Mode::Daemon || is_shared)
    };
    pythons().iter().filter(fits).collect()
}

/// The applications `/a` and `/b`, each in its own interpreter of one process.
fn two_applications(mode: Mode, python: &PythonHome) -> Httpd {
    let groups = "WSGIPerInterpreterGIL On\n<Location /a>\nWSGIApplicationGroup a\n</Location>\n<Location /b>\n\
                  WSGIApplicationGroup b\n</Location>\n<Location /c>\nWSGIApplicationGroup %{GLOBAL}\n</Location>";
    let server = Httpd::builder().mode(mode).app(APP).directives(groups).allow_log("stuck from here");
    match mode {
        Mode::Daemon => server.daemon_options(&format!("threads=16 python-home={}", python.venv.display())),
        Mode::Embedded => server.python_home(Some(&python.venv)),
    }
    .start()
}

fn a_stuck_gil_keeps_only_its_own_requests_waiting(mode: Mode) {
    if Subject::skips("it is built for a Python without own GILs") {
        return;
    }
    for python in parallel(mode) {
        let server = two_applications(mode, python);
        let get = |path: &str| server.get(path).ok().text();
        assert_eq!([get("/a"), get("/b")], ["a", "b"]);
        scope(|scope| {
            let stuck = scope.spawn(|| get("/a?stuck"));
            eventually("it is stuck", || server.error_log().contains("stuck from here").then_some(()));
            for _ in 0..20 {
                assert_eq!(get("/b"), "b");
            }
            assert!(!stuck.is_finished(), "{}: nothing was stuck", python.version);
            assert_eq!(stuck.join().expect("a response"), "a");
        });
    }
}

fn each_gil_has_its_gate(mode: Mode) {
    if Subject::skips("it has no gates") {
        return;
    }
    for python in parallel(mode) {
        let server = two_applications(mode, python);
        let begun = Instant::now();
        scope(|scope| {
            for (path, group) in [("/a", "a"), ("/b", "b"), ("/c", "")] {
                for _ in 0..4 {
                    let server = &server;
                    scope.spawn(move || {
                        while begun.elapsed() < Duration::from_secs(2) {
                            let request = server.request("GET", path).header("Connection", "close");
                            assert_eq!(request.send().ok().text(), group, "{path}");
                        }
                    });
                }
            }
        });
        // httpd may have started a second child for the crowd.
        eventually("three gates in one process", || {
            let request = server.request("GET", "/a?threads('wsgi-gate')").header("Connection", "close");
            (request.send().ok().text() == "3").then_some(())
        });
    }
}

in_both_modes!(a_stuck_gil_keeps_only_its_own_requests_waiting, each_gil_has_its_gate);
