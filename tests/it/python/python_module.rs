//! The `mod_wsgi` module: what it counts, tells and refuses.

use integration::{Httpd, Mode, Subject, eventually};
use serde_json::json;

const APP: &str = r#"
import io, json, logging, mod_wsgi, sys, threading, time
mod_wsgi.start_recording_metrics()
events = []
mod_wsgi.subscribe_events(lambda name, **_: events.append(name) and None)
class Closing(list):
    def __iter__(self):
        return iter([b"ok"])
    def close(self):
        raise RuntimeError("in close")
def error(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
def fileno(stream):
    try:
        stream.fileno()
    except io.UnsupportedOperation:
        return "UnsupportedOperation"
    except OSError:
        return "OSError"
def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("as asked")
    if path == "/silent":
        return [b"no head"]
    if path == "/spin":
        spin(0.3)
    start_response("200 OK", [("Content-Type", "application/json")])
    if path == "/close":
        return Closing()
    if path == "/metrics":
        metrics = mod_wsgi.request_metrics()
        return [json.dumps({k: v for k, v in metrics.items() if isinstance(v, (int, float))}).encode()]
    if path == "/events":
        return [json.dumps(events).encode()]
    functions = ["request_data", "start_recording_metrics", "request_metrics", "process_metrics", "server_metrics"]
    return [json.dumps({
        "errors": [error(lambda: getattr(mod_wsgi, name)(1)) for name in functions],
        "keywords": [error(lambda: getattr(mod_wsgi, name)(x=1)) for name in functions],
        "handler": ["LogHandler" in dir(mod_wsgi), issubclass(mod_wsgi.LogHandler, logging.Handler)],
        "fileno": [fileno(sys.stdout), fileno(sys.stderr)],
    }).encode()]
"#;

fn server(mode: Mode) -> Httpd {
    Httpd::builder().mode(mode).app(APP).allow_python_errors().start()
}

fn failed_requests_are_counted(mode: Mode) {
    if Subject::skips("they count as no status at all") {
        return;
    }
    let server = server(mode);
    for (path, status) in [("/raise", 500), ("/silent", 500), ("/", 200), ("/events", 200)] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    let metrics = server.get("/metrics").json();
    assert_eq!((&metrics["status_5xx"], &metrics["status_2xx"]), (&json!(2), &json!(2)), "{metrics}");
}

fn exceptions_of_close_are_events(mode: Mode) {
    let server = server(mode);
    assert_eq!(server.get("/close").ok().text(), "ok");
    let events = server.get("/events").json();
    let events: Vec<&str> =
        events.as_array().expect("a list").iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(events.iter().filter(|name| **name == "request_exception").count(), 1, "{events:?}");
}

fn wrong_arguments_are_type_errors(mode: Mode) {
    let server = server(mode);
    let answer = server.get("/").json();
    assert_eq!(answer["errors"], json!(vec!["TypeError"; 5]));
    assert_eq!(answer["keywords"], json!(vec!["TypeError"; 5]));
}

fn log_handler_is_an_attribute(mode: Mode) {
    assert_eq!(server(mode).get("/").json()["handler"], json!(vec![true; 2]));
}

fn streams_have_no_descriptor(mode: Mode) {
    if Subject::skips("a plain OSError, which callers do not expect") {
        return;
    }
    assert_eq!(server(mode).get("/").json()["fileno"], json!(vec!["UnsupportedOperation"; 2]));
}

/// What nobody has asked for costs no memory: `inspect` and `logging` with all that they import are three megabytes.
fn little_is_imported_before_the_application_asks(mode: Mode) {
    if Subject::skips("it imports logging for LogHandler") {
        return;
    }
    const BARE: &str = r#"
def application(environ, start_response):
    import sys
    unwanted = [name for name in ("ast", "inspect", "logging", "traceback") if name in sys.modules]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [",".join(unwanted).encode()]
"#;
    assert_eq!(Httpd::builder().mode(mode).app(BARE).start().get("/").ok().text(), "");
}

/// Requests that compute wait for each other.
fn waits_before_the_gil_are_told(mode: Mode) {
    let server = server(mode);
    server.get("/metrics").ok();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| server.get("/spin").ok());
        }
    });
    let metrics = server.get("/metrics").json();
    assert!(metrics["gil_wait_time"].as_f64() > Some(0.0), "{metrics}");
    assert!(metrics["gil_wait_time_max_us"].as_u64() > Some(1000), "{metrics}");
    assert!(metrics["gil_wait_count"].as_u64() > Some(0), "{metrics}");
}

in_both_modes!(
    exceptions_of_close_are_events,
    failed_requests_are_counted,
    little_is_imported_before_the_application_asks,
    log_handler_is_an_attribute,
    streams_have_no_descriptor,
    waits_before_the_gil_are_told,
    wrong_arguments_are_type_errors,
    every_name_and_key_is_there,
);

#[test]
fn services_have_no_request_threads() {
    let script = "import mod_wsgi, os\nwith open(os.path.dirname(__file__) + '/data/threads', 'w') as file:\n    \
                  file.write('%d\\n' % mod_wsgi.threads_per_process)\n";
    let server = Httpd::builder()
        .writable("data")
        .file("service.py", script)
        .directives(
            "WSGIDaemonProcess service threads=0\n\
             WSGIImportScript @ROOT@/app/service.py process-group=service application-group=%{GLOBAL}",
        )
        .start();
    let file = server.root().join("app/data/threads");
    eventually("the service has run", || {
        std::fs::read_to_string(&file).ok().filter(|text| text == "0\n").map(drop)
    });
}

/// As many children as there have been when this one was made.
#[test]
fn processes_of_embedded_mode() {
    let app = "import mod_wsgi
def application(environ, start_response):
    start_response('200 OK', [('X-Several', str(environ['wsgi.multiprocess']))])
    return [str(mod_wsgi.maximum_processes).encode()]
";
    let server = Httpd::builder()
        .mode(Mode::Embedded)
        .app(app)
        .directives(
            "StartServers 1\nMinSpareThreads 1\nServerLimit 4\nThreadsPerChild 5\nMaxRequestWorkers 20",
        )
        .start();
    let response = server.get("/").ok();
    assert_eq!((response.text().as_str(), response.header("X-Several")), ("1", Some("True")));
}

/// Main and sub-interpreter hold the modules against the specification themselves (tests/apps/module.py).
fn every_name_and_key_is_there(mode: Mode) {
    const CHECKS: &str = include_str!("../../apps/module.py");
    let sub = "<Location /sub>\nWSGIApplicationGroup sub\n</Location>";
    let server = Httpd::builder()
        .mode(mode)
        .daemon_options("processes=1 threads=3")
        .script("/main", "main.py", CHECKS)
        .script("/sub", "sub.py", CHECKS)
        .directives(sub)
        .allow_python_errors()
        .start();
    for group in ["/main", "/sub"] {
        // Processes and children take turns: each checks itself once it has seen enough.
        eventually(&format!("{group} has nothing to complain about"), || {
            for _ in 0..8 {
                server.request("POST", group).body("x").send().ok();
                assert_eq!(server.get(&format!("{group}/raise")).status, 500);
            }
            let said = server.get(&format!("{group}/check")).ok().text();
            println!("{group}: {said}");
            // The original tells the end of the period as its start, too.
            let expected = if Subject::is_ours() { "[]" } else { r#"["request_metrics: period"]"# };
            (said == expected).then_some(())
        });
    }
}
