//! Many requests in one process: who may run Python at once, and blocks of a response that follow each other quickly.

use crate::asking::load;
use crate::snippets::{SendSnippets, base64, server};
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// A process with room for all requests of a test.
fn roomy(mode: Mode) -> HttpdBuilder {
    server(mode).daemon_options("threads=8")
}

fn head(more: &str, code: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: x\r\n{more}X-Code: {}\r\n\r\n", base64(code.as_bytes()))
}

/// The texts that so many requests at once are answered with.
fn at_once(server: &Httpd, count: usize, code: &str) -> Vec<String> {
    scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| server.run(code).ok().text())).collect();
        threads.into_iter().map(|thread| thread.join().expect("a response")).collect()
    })
}

/// Each waits until all of them run; nobody is kept out because others are inside and idle.
fn waiting_requests_run_at_once(mode: Mode) {
    let server = roomy(mode).start();
    let code = "import threading\ndef app(environ, start_response):
    barrier = kept.setdefault('barrier', threading.Barrier(5))
    barrier.wait(60)
    return answer(start_response, 'all')";
    for _ in 0..3 {
        assert_eq!(at_once(&server, 5, code), ["all"; 5]);
    }
}

/// A request that waits for another one of the same process.
fn an_application_asks_its_own_server(mode: Mode) {
    let server = roomy(mode).start();
    let inner = base64(b"def app(environ, start_response): return answer(start_response, 'inner')");
    let code = format!(
        "import urllib.request\ndef app(environ, start_response):
    request = urllib.request.Request('{}', headers={{'X-Code': '{inner}'}})
    return answer(start_response, 'outer ' + urllib.request.urlopen(request, timeout=60).read().decode())",
        server.url("/")
    );
    assert_eq!(at_once(&server, 3, &code), ["outer inner"; 3]);
}

/// Requests that compute for ever do not keep a short one out, which then ends them.
fn a_flood_of_computing_requests_lets_short_ones_through(mode: Mode) {
    let server = roomy(mode).start();
    let code = "import time\ndef app(environ, start_response):
    kept.setdefault('floods', []).append(1)
    deadline = time.monotonic() + 60
    while 'released' not in kept and time.monotonic() < deadline: pass
    return answer(start_response, str('released' in kept))";
    scope(|scope| {
        let floods = scope.spawn(|| at_once(&server, 4, code));
        eventually("all of them compute", || {
            (server.evaluate("", &["len(kept.get('floods', ()))"]) == ["4"]).then_some(())
        });
        server.evaluate("", &["kept.__setitem__('released', True)"]);
        assert_eq!(floods.join().expect("responses"), ["True"; 4]);
    });
}

/// Blocks that came quickly leave although the application makes no further one.
fn blocks_leave_while_the_application_waits(mode: Mode) {
    let server = roomy(mode).start();
    let code = "import threading\ndef app(environ, start_response):
    event = kept['event'] = threading.Event()
    start_response('200 OK', [('Content-Length', '4')])
    yield from (b'a', b'b', b'c')
    event.wait(60)
    yield b'd'";
    let mut wire = server.connect();
    for _ in 0..5 {
        wire.send(head("Content-Length: 0\r\n", code));
        wire.head().expect("a head");
        assert_eq!(wire.exactly(3).expect("what was made so far"), b"abc");
        server.evaluate("", &["kept['event'].set()"]);
        assert_eq!(wire.exactly(1).expect("the rest"), b"d");
    }
}

/// A client may wait for the blocks before it sends its body.
fn blocks_leave_before_the_body_is_read(mode: Mode) {
    let server = roomy(mode).start();
    let code = "def app(environ, start_response):
    start_response('200 OK', [('Content-Length', '8')])
    yield from (b'a', b'b', b'c')
    yield input.read(5)";
    let mut wire = server.connect();
    for _ in 0..5 {
        wire.send(head("Content-Length: 5\r\n", code));
        wire.head().expect("a head");
        assert_eq!(wire.exactly(3).expect("what was made so far"), b"abc");
        wire.send("12345");
        assert_eq!(wire.exactly(5).expect("the rest"), b"12345");
    }
}

/// Blocks of all sizes, with pauses and log lines between them, arrive whole and in order.
fn quick_blocks_arrive_in_order(mode: Mode) {
    let server = roomy(mode).allow_log("] block ").start();
    let code = "import time\ndef app(environ, start_response):
    start_response('200 OK', [])
    for number in range(600):
        yield bytes([number % 251]) * (number * 37 % 9000 + 1)
        if number % 7 == 0: time.sleep(number % 5 / 2000)
        if number % 50 == 0: print('block', number, file=environ['wsgi.errors'])";
    let expected: Vec<u8> =
        (0..600).flat_map(|number| vec![(number % 251) as u8; number * 37 % 9000 + 1]).collect();
    scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert!(server.run(code).ok().body == expected, "another body came");
                }
            });
        }
    });
}

in_both_modes!(
    a_flood_of_computing_requests_lets_short_ones_through,
    an_application_asks_its_own_server,
    blocks_leave_before_the_body_is_read,
    blocks_leave_while_the_application_waits,
    quick_blocks_arrive_in_order,
    waiting_requests_run_at_once,
);

/// `/compute` and `/sleep` take four seconds; whatever else is asked computes for `short` seconds.
fn computing_or_sleeping(short: f64) -> String {
    format!(
        "import time\ndef application(environ, start_response):\n    path = environ['PATH_INFO']\n    \
         end = time.monotonic() + (4 if path == '/compute' else {short})\n    \
         while path != '/sleep' and time.monotonic() < end:\n        sum(range(1000))\n    \
         if path == '/sleep':\n        time.sleep(4)\n    \
         start_response('200 OK', [])\n    return [b'ok']\n"
    )
}

/// One request computes, others wait for something else than the GIL: there are threads for those that come.
#[test]
fn short_requests_pass_one_that_computes_and_those_that_sleep() {
    let app = computing_or_sleeping(0.0);
    let server = Httpd::builder().mode(Mode::Daemon).app(&app).daemon_options("threads=8").start();
    let get = |path| server.request("GET", path).header("Connection", "close").send().ok();
    get("/");
    scope(|scope| {
        for path in ["/compute", "/sleep", "/sleep", "/sleep"] {
            scope.spawn(|| get(path));
            sleep(Duration::from_millis(200));
        }
        let begun = Instant::now();
        let count = std::iter::repeat_with(|| get("/")).take_while(|_| begun.elapsed().as_secs() < 2).count();
        assert!(count > 20, "{count} in two seconds");
    });
}

/// Requests crowd, and then one computes and others sleep among them: the gate before the GIL keeps nobody out for good.
#[test]
fn a_crowd_passes_one_that_computes_and_those_that_sleep() {
    let app = computing_or_sleeping(0.003);
    let server = Httpd::builder().mode(Mode::Embedded).app(&app).start();
    let get = |path| server.request("GET", path).header("Connection", "close").send().ok();
    get("/");
    let begun = Instant::now();
    scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut late = 0;
                while begun.elapsed() < Duration::from_secs(6) {
                    get("/");
                    late += usize::from(begun.elapsed() > Duration::from_secs(3));
                }
                assert!(late > 10, "{late} in three seconds");
            });
        }
        sleep(Duration::from_secs(2));
        for path in ["/compute", "/sleep", "/sleep", "/sleep"] {
            scope.spawn(|| get(path));
            sleep(Duration::from_millis(100));
        }
    });
}

/// In a crowd of requests that compute, each is run by the thread of httpd that has read it, and has its body, its log
/// lines and its several blocks; a crowd that is over leaves nothing behind.
#[test]
fn a_crowd_is_run_by_its_own_threads() {
    let app = "import os, time\ndef application(environ, start_response):
    end = time.thread_time() + .006
    text = environ['wsgi.input'].read()
    if text == b'fail': raise ValueError(text)
    while time.thread_time() < end: sum(range(1000))
    print('crowd', text, file=environ['wsgi.errors'])
    start_response('200 OK', [])
    yield text
    yield b' and ' * 5000
    yield text
";
    let server = Httpd::builder().mode(Mode::Embedded).app(app).allow_python_errors().start();
    let post =
        |text: &str| server.request("POST", "/").header("Connection", "close").body(text.as_bytes()).send();
    scope(|scope| {
        for client in 0..8 {
            let post = &post;
            scope.spawn(move || {
                for number in 0..60 {
                    if number % 50 == 7 {
                        assert_eq!(post("fail").status, 500);
                    }
                    let text = format!("{client} {number}");
                    let answer = post(&text).ok();
                    assert!(answer.text() == format!("{text}{}{text}", " and ".repeat(5000)));
                }
            });
        }
    });
    assert!(post("last").ok().text().starts_with("last and"));
    let log = server.error_log();
    assert!(log.contains("crowd b'0 0'") && log.contains("ValueError: b'fail'"), "{log}");
}

/// An application that forks in a crowd and comes back in the child: that ends, and runs nothing that others wait for.
#[test]
fn a_fork_in_a_crowd_runs_no_request_twice() {
    if Subject::skips("the child answers, too") {
        return;
    }
    let app = "import os, time\ndef application(environ, start_response):
    end = time.thread_time() + .005
    text = environ['wsgi.input'].read()
    print('ran', text.decode(), 'by', os.getpid(), file=environ['wsgi.errors'])
    while time.thread_time() < end: sum(range(1000))
    if text.endswith(b'fork'):
        child = os.fork()
        if child: text += b' %d' % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    start_response('200 OK', [])
    return [text]
";
    let server = Httpd::builder().mode(Mode::Embedded).app(app).allow_log("] ran ").start();
    let begun = Instant::now();
    let counts: Vec<usize> = scope(|scope| {
        let clients = [0, 1, 2, 3, 4, 5].map(|client| {
            let server = &server;
            scope.spawn(move || {
                for number in 0.. {
                    if begun.elapsed() > Duration::from_secs(4) {
                        return number;
                    }
                    let is_forking = number % 40 == 39;
                    let text = format!("{client}-{number}{}", if is_forking { "-fork" } else { "" });
                    let request = server.request("POST", "/").header("Connection", "close").body(&text);
                    let ended = if is_forking { " 255" } else { "" };
                    assert_eq!(request.send().ok().text(), format!("{text}{ended}"));
                }
                0
            })
        });
        clients.into_iter().map(|client| client.join().expect("no failure")).collect()
    });
    let log = server.error_log();
    assert_eq!(log.matches("] ran ").count(), counts.iter().sum::<usize>());
}

/// httpd runs a request inside of another one while that one's application is just making its response.
fn a_request_inside_of_a_streaming_one(mode: Mode) {
    let app = "def application(environ, start_response):
    path = environ['PATH_INFO']
    start_response('200 OK', [('Content-Type', 'text/html')])
    if path.endswith('inner'):
        yield from (path.encode(), b' is ', b'inside')
        return
    for round in range(3):
        yield b'<!--#include virtual=\"/same/inner\" -->, ' + b'.' * 20000
        yield b'<!--#include virtual=\"/other/inner\" -->; '
";
    let groups = "<LocationMatch outer>\nOptions +Includes\nSetOutputFilter INCLUDES\n</LocationMatch>\n\
                  <Location /other>\nWSGIApplicationGroup other\n</Location>";
    let server = Httpd::builder().mode(mode).app(app).directives(&load(&["include"])).directives(groups);
    let server = if mode == Mode::Daemon { server.daemon_options("threads=3") } else { server }.start();
    for _ in 0..4 {
        let text = server.get("/same/outer").ok().text().replace('.', "");
        assert_eq!(text, "/same/inner is inside, /other/inner is inside; ".repeat(3));
    }
}

mod inside {
    use super::*;
    in_both_modes!(a_request_inside_of_a_streaming_one);
}
