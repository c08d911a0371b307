//! `mod_wsgi.server_metrics()`: httpd's scoreboard for applications that may see it (spec/behaviour.md §8.6).

use integration::{Httpd, HttpdBuilder, Mode, Mpm};

const APP: &str = "import json, mod_wsgi
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps(mod_wsgi.server_metrics()).encode()]
";

fn shows_requests(builder: HttpdBuilder) {
    let server = builder.app(APP).directives("WSGIServerMetrics On\nExtendedStatus On").start();
    let metrics = server.get("/a?question").ok().json();
    let children: Vec<i64> = server.children().iter().map(|child| child.pid.into()).collect();
    let processes = metrics["processes"].as_array().expect("a list");
    assert_eq!(metrics["server_limit"], processes.len());
    assert_eq!(metrics["running_generation"], 0);
    let (start, now) = (metrics["restart_time"].as_f64(), metrics["current_time"].as_f64());
    assert!(start > Some(1e9) && start <= now, "{start:?} {now:?}");
    assert!(metrics["running_time"].is_i64() || metrics["running_time"].is_u64());
    let mut writing = 0;
    for (number, process) in processes.iter().enumerate() {
        assert_eq!(process["process_num"], number);
        let workers = process["workers"].as_array().expect("a list");
        assert_eq!(metrics["thread_limit"], workers.len());
        for worker in workers.iter().filter(|worker| worker["status"] == "W") {
            assert!(children.contains(&process["pid"].as_i64().expect("a number")));
            assert_eq!(worker["request"], "GET /a?question HTTP/1.1");
            assert_eq!(worker["client"], "127.0.0.1");
            assert!(worker["vhost"].as_str().is_some_and(|host| host.starts_with("localhost")));
            assert!(worker["start_time"].as_f64() >= start && worker["access_count"].is_number());
            writing += 1;
        }
        let quiescing = process["quiescing"].as_bool();
        assert_eq!((quiescing, process["generation"].is_number()), (Some(false), true));
    }
    assert_eq!(writing, 1, "{metrics}");
}

#[test]
fn event() {
    shows_requests(Httpd::builder().mode(Mode::Embedded));
}

#[test]
fn daemon() {
    shows_requests(Httpd::builder().mode(Mode::Daemon).daemon_options("threads=4 server-metrics=On"));
}

#[test]
fn prefork() {
    shows_requests(Httpd::builder().mode(Mode::Embedded).mpm(Mpm::Prefork));
}

#[test]
fn nothing_without_leave() {
    let server = Httpd::builder().mode(Mode::Embedded).app(APP).start();
    assert_eq!(server.get("/").ok().text(), "null");
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).directives("WSGIServerMetrics On").start();
    assert_eq!(server.get("/").ok().text(), "null");
}
