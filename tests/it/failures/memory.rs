//! Processes that grow to their limit while others send requests: nothing is lost but the request that failed.

use crate::operators::control::under_load;
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};

const APP: &str = "import os, threading, time, urllib.parse
kept, filling, waiting = [], threading.Event(), threading.Semaphore(0)


def fill():
    # To the last byte, and it stays so for a while. Two requests are under way.
    waiting.acquire(timeout=20)
    waiting.acquire(timeout=20)
    try:
        for size in (1 << 20, 1 << 16, 1 << 12, 1 << 9, 1 << 6):
            try:
                while True:
                    kept.append(bytes(size))
            except MemoryError:
                pass
        filling.set()
        time.sleep(0.5)
        raise MemoryError
    finally:
        kept.clear()
        filling.clear()


def application(environ, start_response):
    query = urllib.parse.parse_qs(environ['QUERY_STRING'])
    if 'fill' in query:
        fill()
    if 'grow' in query:
        kept.append(os.urandom(1 << 20) * 60)
    if 'filled' in query:
        waiting.release()
        filling.wait(20)
    time.sleep(float(query.get('sleep', ['0'])[0]))
    start_response('200 OK', [('X-Pid', str(os.getpid()))])
    return [b'ok']
";

fn server(options: &str) -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options(options)
}

fn pid(server: &Httpd) -> String {
    server.get("/").ok().header("X-Pid").expect("present").to_owned()
}

#[test]
fn growth_beyond_maximum_rss_loses_nothing_under_load() {
    if Subject::skips("there is no such option") {
        return;
    }
    let server = server("threads=8 processes=2 maximum-rss=100M").start();
    under_load(&server, || {
        for _ in 0..4 {
            let first = pid(&server);
            let grown = server.get("/?grow=1").ok().header("X-Pid").expect("present").to_owned();
            server.get("/?grow=1").ok();
            eventually("one of them is replaced", || {
                (pid(&server) != first || pid(&server) != grown).then_some(())
            });
        }
    });
    server.wait_for_log("maximum_rss");
}

/// One request takes all the memory that its process may have. What others need meanwhile they may not get, and are told so
/// as a MemoryError at worst; the process lives, and those under way are answered.
#[test]
fn memory_limit_costs_the_request_that_reaches_it() {
    let server = server("threads=6 memory-limit=209715200")
        .allow_python_errors()
        .allow_log("MemoryError")
        .allow_log("[wsgi:")
        .start();
    let before = pid(&server);
    for round in 0..3 {
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| server.get("/?filled=1&sleep=1"))).collect();
            let filling = scope.spawn(|| server.get("/?fill=1"));
            let during: Vec<_> = (0..20)
                .map(|_| {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    server.request("GET", "/").header("Connection", "close").send().status
                })
                .collect();
            assert_eq!(filling.join().expect("no panic").status, 500, "round {round}");
            for response in waiting {
                assert_eq!(response.join().expect("no panic").status, 200, "round {round}");
            }
            assert!(during.iter().all(|status| [200, 500].contains(status)), "round {round}: {during:?}");
        });
        assert_eq!(pid(&server), before, "the same process, round {round}");
    }
}
