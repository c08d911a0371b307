//! `SetHandler wsgi-status` and `wsgi-health`: the numbers are those of the load that was sent, survive restarts and
//! deaths, and are told while everything is stuck.

use crate::operators::control::done;
use integration::{Apache, Httpd, HttpdBuilder, Mode, Subject, eventually, kill, workspace};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

const APP: &str = r#"
import ctypes, fcntl, os
def application(environ, start_response):
    body = environ['wsgi.input'].read()
    action, _, argument = environ['QUERY_STRING'].partition('=')
    if action == 'hold':
        ctypes.PyDLL(None).usleep(int(argument))
    elif action == 'stick':
        # Not fcntl.flock(), which would let go of the GIL.
        with open(os.path.join(os.path.dirname(__file__), 'gate')) as gate:
            ctypes.PyDLL(None).flock(gate.fileno(), fcntl.LOCK_EX)
    elif action == 'die':
        os._exit(3)
    elif action == 'half':
        start_response('200 OK', [('Content-Length', '100')])
        return [b'x']
    elif action == 'raise':
        raise RuntimeError('as told')
    start_response(argument + ' Told' if action == 'status' else '200 OK', [])
    return [b'x' * 10]
"#;

pub const PAGES: &str = "<Location /wsgi-status>\nSetHandler wsgi-status\n</Location>\n\
    <Location /wsgi-health>\nSetHandler wsgi-health\n</Location>";

/// What the original does.
const NO_PAGE: &str = "there is no status page";

fn server(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(APP).file("gate", "").directives(PAGES)
}

/// Requests with `?stick` hold the GIL until this is dropped.
fn closed_gate(server: &Httpd) -> File {
    let gate = File::open(server.root().join("app/gate")).expect("it is there");
    gate.lock().expect("nobody else has it");
    gate
}

/// What is told of the last group: the daemon group if there is one.
pub fn group(server: &Httpd) -> Value {
    let status = server.get("/wsgi-status?format=json").json();
    status["groups"].as_array().and_then(|groups| groups.last().cloned()).expect("a group")
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Waits until all requests have been counted: that is after their clients have the answer.
fn settled(server: &Httpd, requests: u64) -> Value {
    eventually(&format!("{requests} requests are counted"), || {
        let group = group(server);
        (number(&group["totals"]["requests"]) == requests && group["requests"] == Value::Array(vec![]))
            .then_some(group)
    })
}

fn numbers_are_exact(mode: Mode) {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let server = server(mode).allow_python_errors().allow_log("Content-Length").start();
    for _ in 0..20 {
        server.get("/").ok();
    }
    for (path, status, count) in [("/?status=404", 404, 5), ("/?status=302", 302, 2), ("/?raise", 500, 3)] {
        for _ in 0..count {
            assert_eq!(server.get(path).status, status);
        }
    }
    for _ in 0..4 {
        server.request("POST", "/").body([b'y'; 1000]).send().ok();
    }
    assert!(server.request("GET", "/?half").try_send().is_err(), "it breaks off");
    let group = settled(&server, 35);
    let totals = &group["totals"];
    assert_eq!(
        totals["status"],
        serde_json::json!({"1xx": 0, "2xx": 24, "3xx": 2, "4xx": 5, "5xx": 4}),
        "{group:#}"
    );
    assert_eq!(number(&totals["bytes_in"]), 4000);
    assert!(number(&totals["bytes_out"]) >= 31 * 10, "{totals}");
    for phase in ["request", "queue", "application"] {
        assert_eq!(number(&group["latency"][phase]["count"]), 35, "{phase}: {group:#}");
    }
    let (whole, part) = (&group["latency"]["request"]["sum"], &group["latency"]["application"]["sum"]);
    assert!(whole.as_f64() >= part.as_f64() && part.as_f64() > Some(0.0), "{whole} {part}");
}

in_both_modes!(numbers_are_exact);

/// The process id of the daemon.
fn daemon(server: &Httpd) -> i32 {
    let serving = || group(server)["processes"][0].clone();
    let row = eventually("it serves", || Some(serving()).filter(|row| row["state"] == "serving"));
    row["pid"].as_i64().expect("a number") as i32
}

#[test]
fn counters_survive_restarts_and_deaths() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let server = server(Mode::Daemon)
        .daemon_options("processes=1 threads=2")
        .expect_log("died before it had answered")
        .allow_log("has died")
        .allow_log("exit signal")
        .start();
    let ten = || (0..10).for_each(|_| drop(server.get("/").ok()));
    ten();
    assert_eq!(server.get("/?die").status, 502);
    let before = settled(&server, 11);
    assert_eq!(
        (&before["totals"]["status"]["5xx"], &before["totals"]["outcomes"]["daemon_lost"]),
        (&1.into(), &1.into())
    );
    kill(daemon(&server));
    ten();
    server.graceful();
    ten();
    // A child of httpd dies with what it has counted.
    for child in server.children() {
        kill(child.pid);
    }
    eventually("httpd has children again", || {
        server.request("GET", "/").try_send().ok().filter(|r| r.status == 200)
    });
    server.graceful();
    ten();
    let after = settled(&server, 42);
    assert_eq!(after["totals"]["status"]["2xx"], 41);
    assert_eq!(number(&after["latency"]["request"]["count"]), 42);
    let stops = after["lifecycle"]["stops"].as_array().expect("a list").clone();
    let crashes: u64 =
        stops.iter().filter(|row| row["reason"] == "crash").map(|row| number(&row["count"])).sum();
    assert_eq!(crashes, 2, "{stops:?}");
    assert!(after["totals"]["cpu_user"].as_f64() >= before["totals"]["cpu_user"].as_f64());
}

/// A request whose body httpd still receives looks for no process yet.
#[test]
fn body_that_is_buffered_is_told() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let server = server(Mode::Daemon).directives("WSGIRequestBuffering 1M").start();
    let mut wire = server.connect();
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(wire.head().expect("an interim head").status, 100);
    assert_eq!(group(&server)["requests"][0]["stage"], "buffering");
    wire.send("x").response(false).ok();
}

#[test]
fn answers_while_every_process_is_stuck() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let more =
        "WSGIDaemonProcess more processes=2 threads=1\n<Location /more>\nWSGIProcessGroup more\n</Location>";
    let server = server(Mode::Daemon).daemon_options("processes=1 threads=1").directives(more).start();
    let group = |server: &Httpd| server.get("/wsgi-status?format=json&group=app").json()["groups"][0].clone();
    let pid = eventually("it serves", || {
        let row = group(&server)["processes"][0].clone();
        (row["state"] == "serving").then(|| row["pid"].clone())
    });
    // Otherwise both requests may wait for the one that came first.
    eventually("the other group serves with both processes", || {
        let status = server.get("/wsgi-status?format=json&group=more").json();
        let rows = status["groups"][0]["processes"].as_array().expect("a list").clone();
        (rows.len() == 2 && rows.iter().all(|row| row["state"] == "serving")).then_some(())
    });
    std::thread::scope(|scope| {
        let gate = closed_gate(&server);
        let stuck = scope.spawn(|| server.get("/some/where?stick").status);
        let others = [(); 2].map(|()| scope.spawn(|| server.get("/more?stick").status));
        eventually("the other group is stuck too", || {
            let status = server.get("/wsgi-status?format=json&group=more").json();
            let rows = status["groups"][0]["requests"].as_array().expect("a list").clone();
            (rows.len() == 2 && rows.iter().all(|row| row["stage"] == "running")).then_some(())
        });
        let request = eventually("it is seen to run", || {
            let request = group(&server)["requests"][0].clone();
            (request["stage"] == "running").then_some(request)
        });
        assert_eq!((&request["request"], &request["pid"]), (&"GET /some/where".into(), &pid));
        let group = group(&server);
        assert_eq!((&group["capacity"]["busy"], &group["capacity"]["threads"]), (&1.into(), &1.into()));
        let page = server.get("/wsgi-status").ok();
        assert!(page.text().contains("GET /some/where") && !page.text().contains("stick"), "{}", page.text());
        assert_eq!(server.get("/wsgi-health").json()["ready"], true);
        drop(gate);
        for request in others.into_iter().chain([stuck]) {
            assert_eq!(request.join().expect("it ends"), 200);
        }
    });
}

#[test]
fn only_this_machine_may_look_without_a_require() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let open = "<Location /open>\nSetHandler wsgi-status\n<RequireAny>\nRequire all granted\n</RequireAny>\n</Location>";
    let server = server(Mode::Daemon).directives(open).start();
    let status = |path: &str| server.request("GET", path).header("X-Forwarded-For", "10.0.0.1").send().status;
    assert_eq!((status("/wsgi-status"), status("/wsgi-health"), status("/open")), (403, 403, 200));
    assert_eq!(server.request("POST", "/open").body("x").send().status, 405);
    let page = server.get("/wsgi-status").ok();
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert!(
        page.header("Content-Security-Policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    assert_eq!(server.request("HEAD", "/wsgi-status").send().body, b"");
}

/// Samples as Prometheus' own parser reads them: type, labels and value by name.
pub fn parsed(text: &str, format: &str) -> Vec<Value> {
    let folder = workspace().join("tests/apps/prometheus");
    let output = Command::new(workspace().join("scripts/venv.sh")).arg(&folder).output().expect("venv.sh");
    let venv = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut parser = Command::new(format!("{venv}/bin/python"))
        .arg(folder.join("samples.py"))
        .arg(format)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    parser.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = parser.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{format} cannot be parsed:\n{text}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn prometheus_can_read_it() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let server = server(Mode::Daemon)
        .directives("WSGIDaemonProcess odd\\\"name")
        .allow_log("nothing names this group")
        .start();
    (0..7).for_each(|_| drop(server.get("/").ok()));
    settled_of(&server, 7);
    for (format, accept) in [("openmetrics", "application/openmetrics-text"), ("prometheus", "text/plain")] {
        let answer =
            server.request("GET", "/wsgi-status?detail=process").header("Accept", accept).send().ok();
        assert!(answer.header("Content-Type").is_some_and(|kind| kind.starts_with(accept)));
        let samples = parsed(&answer.text(), format);
        let value = |name: &str, label: (&str, &str)| {
            let found = samples.iter().find(|sample| {
                sample["name"] == name
                    && sample["labels"]["wsgi_process_group"] == "app"
                    && sample["labels"][label.0] == label.1
            });
            found.unwrap_or_else(|| panic!("no {name} {label:?}"))["value"].as_f64().expect("a number")
        };
        assert_eq!(value("wsgi_requests_total", ("status_class", "2xx")), 7.0);
        assert_eq!(value("wsgi_dispatch_requests_total", ("outcome", "ok")), 7.0);
        assert_eq!(value("http_server_request_duration_seconds_bucket", ("le", "+Inf")), 7.0);
        assert_eq!(value("wsgi_request_phase_duration_seconds_count", ("phase", "queue")), 7.0);
        assert_eq!(value("wsgi_processes", ("state", "serving")), 1.0);
        assert!(value("wsgi_process_resident_memory_bytes", ("wsgi_process", "1")) > 1e6);
        let names = samples.iter().map(|sample| sample["labels"]["wsgi_process_group"].clone());
        assert!(names.into_iter().any(|name| name == "odd\\\"name"), "names are escaped");
    }
}

/// As [`settled`], for a server with more groups.
fn settled_of(server: &Httpd, requests: u64) {
    eventually("all are counted", || {
        let status = server.get("/wsgi-status?format=json&group=app").json();
        (number(&status["groups"][0]["totals"]["requests"]) == requests).then_some(())
    });
}

#[test]
fn health_follows_the_operator() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let server = server(Mode::Daemon).start();
    let health = || server.get("/wsgi-health");
    eventually("it is ready", || (health().status == 200).then_some(()));
    assert_eq!(server.get("/wsgi-health?group=unheard-of").status, 503);
    done(&server, &["stop", "app"]);
    let refused = eventually("it is drained", || Some(health()).filter(|answer| answer.status == 503));
    let said: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!(
        (&said["live"], &said["ready"], &said["draining"]),
        (&true.into(), &false.into(), &true.into())
    );
    done(&server, &["start", "app"]);
    eventually("it is ready again", || (health().status == 200).then_some(()));
}

#[test]
fn access_logs_show_where_the_time_went() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let format =
        "queue=%{WSGI_QUEUE_US}n app=%{WSGI_APP_US}e cpu=%{WSGI_CPU_US}n pid=%{WSGI_PID}n %{WSGI_OUTCOME}n";
    let log = format!("LogFormat \"{format}\" times\nCustomLog @ROOT@/logs/times times");
    let server = server(Mode::Daemon).directives(&log).start();
    server.get("/?hold=30000").ok();
    let pid = daemon(&server);
    let line = eventually("it is logged", || server.log_of("times").lines().next().map(str::to_owned));
    let fields: Vec<&str> = line.split([' ', '=']).collect();
    let number = |at: usize| fields[at].parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
    assert!(number(1) < 10_000_000 && number(3) >= 30_000, "{line}");
    assert!(number(5) > 0 && number(5) < number(3), "a sleep takes no CPU: {line}");
    assert_eq!((number(7), fields[8]), (pid as u64, "ok"), "{line}");
    eventually("it is ready", || (server.get("/wsgi-health").status == 200).then_some(()));
    eventually("other requests have none", || {
        server.log_of("times").contains("queue=- app=- cpu=- pid=- -").then_some(())
    });
}

#[test]
fn mod_status_has_a_section() {
    if Subject::skips(NO_PAGE) {
        return;
    }
    let module = Apache::installed().modules.join("mod_status.so");
    let load =
        format!("<IfModule !status_module>\nLoadModule status_module {}\n</IfModule>", module.display());
    let page = "<Location /server-status>\nSetHandler server-status\n</Location>";
    let server = server(Mode::Daemon).directives(&load).directives(page).start();
    server.get("/").ok();
    settled(&server, 1);
    let auto = server.get("/server-status?auto").ok().text();
    assert!(auto.contains("\nWSGI-app-Requests: 1\n") && auto.contains("\nWSGI-Groups: 1\n"), "{auto}");
    let page = server.get("/server-status").ok().text();
    assert!(page.contains("<h2>mod_wsgi</h2>") && page.contains("<td>app</td>"), "{page}");
}

#[test]
fn top_shows_the_same() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = server(Mode::Daemon).daemon_options("threads=2").start();
    std::thread::scope(|scope| {
        let gate = closed_gate(&server);
        scope.spawn(|| server.get("/top?stick").ok());
        eventually("it runs", || (group(&server)["requests"][0]["stage"] == "running").then_some(()));
        let text = done(&server, &["top", "--once"]);
        drop(gate);
        assert!(text.contains("app    1/2") && text.contains("GET /top"), "{text}");
    });
}
