//! What the status page, metrics, health and `mod_wsgi-ctl top` say of ASGI applications: event loops run more requests than
//! there are threads, and WebSockets are counted while they are open.

use crate::asgi::applications::{REASON, server};
use crate::asgi::websocket::{FrameClient, TEXT, relaying};
use crate::operators::control::done;
use crate::operators::status::{PAGES, group, number, parsed};
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};

const SOCKET_APP: &str = include_str!("../../apps/asgi_socket.py");

/// Each with `interface=auto`, so that it has to be found out, and with `interface=asgi`.
fn both_ways(server: impl Fn() -> HttpdBuilder, options: &str, check: impl Fn(&Httpd)) {
    for interface in ["auto", "asgi"] {
        let server = server().daemon_options(&format!("processes=1 interface={interface} {options}"));
        let server = server.directives(PAGES).start();
        eventually("it is ready", || (server.get("/wsgi-health").status == 200).then_some(()));
        let known = group(&server)["config"]["requests_on_loop"].is_number();
        assert_eq!(known, interface == "asgi", "nothing has run yet");
        check(&server);
    }
}

#[test]
fn what_runs_on_an_event_loop_does_not_wait() {
    if Subject::skips(REASON) {
        return;
    }
    let options = "threads=1 max-requests-in-flight=50 listen-backlog=2";
    both_ways(server, options, |server| {
        server.get("/").ok();
        let streams: Vec<_> = (0..5)
            .map(|_| {
                let mut wire = server.connect();
                wire.send("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                assert_eq!(wire.head().expect("it has begun").status, 200);
                wire
            })
            .collect();
        let group = group(server);
        let capacity = &group["capacity"];
        let told = ["threads", "busy", "queue", "websockets"].map(|key| number(&capacity[key]));
        assert_eq!(told, [50, 5, 0, 0], "{group:#}");
        assert_eq!(server.get("/wsgi-health").status, 200, "no queue is full");
        let text = done(server, &["top", "--once"]);
        assert!(text.contains("app    5/50  0"), "{text}");
        let scrape = server.get("/wsgi-status?format=prometheus").ok().text();
        assert!(scrape.contains("wsgi_threads_limit{wsgi_process_group=\"app\"} 50\n"), "{scrape}");
        server.write("released", "");
        for mut wire in streams {
            assert!(String::from_utf8_lossy(&wire.read_to_end()).contains("last"));
        }
    });
}

#[test]
fn open_websockets_are_counted() {
    if Subject::skips(REASON) {
        return;
    }
    let app =
        || Httpd::builder().mode(Mode::Daemon).script("/", "app.py", SOCKET_APP).allow_log("[wsgi:error]");
    let options = "threads=1 max-websockets=77";
    both_ways(app, options, |server| websockets_are_counted(server, false));
    both_ways(|| app().directives(&relaying()), options, |server| websockets_are_counted(server, true));
}

fn websockets_are_counted(server: &Httpd, is_relayed: bool) {
    let mut clients: Vec<FrameClient> = (0..3).map(|_| FrameClient::open(server, "/echo")).collect();
    let relayed = if is_relayed { 3 } else { 0 };
    // One whose socket is on its way to the process is still relayed.
    let seen = eventually("three are open, all in the same way", || {
        Some(group(server)).filter(|group| {
            number(&group["capacity"]["websockets"]) == 3
                && number(&group["capacity"]["websockets_relayed"]) == relayed
        })
    });
    assert_eq!(number(&seen["processes"][0]["websockets"]), 3 - relayed);
    let stages: Vec<_> = seen["requests"].as_array().into_iter().flatten().map(|one| &one["stage"]).collect();
    assert_eq!(stages, vec!["websocket"; relayed as usize]);
    let (oldest, queue) = (&seen["capacity"]["oldest_request"], &seen["capacity"]["queue"]);
    assert_eq!((oldest.as_f64(), number(queue)), (Some(0.0), 0), "it is meant to stay open");
    assert_eq!(number(&seen["capacity"]["websockets_limit"]), 77);
    let samples = parsed(&server.get("/wsgi-status?format=openmetrics").ok().text(), "openmetrics");
    let told = samples.iter().find(|sample| sample["name"] == "wsgi_websockets").expect("a metric");
    assert_eq!(told["value"], 3.0);
    let page = server.get("/wsgi-status").ok().text();
    let told = format!("open WebSockets</dt><dd>3 <small>of at most 77, {relayed} relayed");
    assert!(page.contains(&told), "{page}");
    let text = done(server, &["top", "--once"]);
    assert!(text.contains(&format!("app    {relayed}/1000  0      3 ")), "{text}");
    let said = format!("group 'app' has {} WebSockets that need no thread of httpd", 3 - relayed);
    assert_eq!(done(server, &["status"]).contains(&said), !is_relayed);
    for client in &mut clients {
        client.send(TEXT, b"still here");
        client.expect(TEXT, b"still here");
    }
    drop(clients);
    let seen = eventually("none is open, and all have been counted", || {
        Some(group(server)).filter(|group| {
            number(&group["capacity"]["websockets"]) == 0 && number(&group["totals"]["status"]["1xx"]) == 3
        })
    });
    for phase in ["request", "application"] {
        assert_eq!(number(&seen["latency"][phase]["count"]), 0, "how long it was open is no latency");
    }
}
