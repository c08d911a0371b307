//! Random conversations of a daemon that may send anything: frames, descriptors, and bytes that are none. Each client gets a response
//! or sees that it is broken, the child of httpd lives on, and an honest request in between gets its answer.

use super::random::FuzzRandom;
use super::{CRASHES, FuzzRun, RunExtent, SetByPanic};
use crate::failures::hostile::{read, request, server, start};
use crate::failures::hostile_descriptors::DeafPeer;
use integration::{Httpd, Subject, eventually};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// How many requests of other kinds one conversation stands for: it takes longer.
const SHARE: u64 = 10;

#[test]
fn random_conversations() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let (run, deaf) = (FuzzRun::asked_for(), DeafPeer::new());
    let server = start(server("threads=8 socket-timeout=1").allow_log("[wsgi:").allow_log("[http:error]"));
    let (before, started, is_over) = (server.children(), Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in &run.seeds {
            let (server, port, is_over, extent) = (&server, deaf.port(), &is_over, run.extent);
            scope.spawn(move || {
                let _over = SetByPanic(is_over);
                let goes_on = |number: u64| match extent {
                    RunExtent::Requests(limit) => number < limit / SHARE,
                    RunExtent::Time(length) => started.elapsed() < length,
                };
                for number in (0..).take_while(|number| goes_on(*number)) {
                    if is_over.load(Relaxed) {
                        break;
                    }
                    converse(server, seed + number, port);
                }
            });
        }
    });
    assert_eq!(server.children(), before);
    let sizes =
        || before.iter().map(|child| (child.memory("Rss"), descriptors(child.pid))).collect::<Vec<_>>();
    eventually("what was not wanted is closed", || sizes().iter().all(|size| size.1 < 100).then_some(()));
    assert!(sizes().iter().all(|size| size.0 < 100 * 1024), "{:?}", sizes());
    let log = server.error_log();
    assert_eq!(log.lines().find(|line| CRASHES.iter().any(|text| line.contains(text))), None);
}

fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// One request that is answered as the seed says, and now and then an honest one.
fn converse(server: &Httpd, seed: u64, port: u16) {
    let mut random = FuzzRandom::new(seed);
    let length = if random.percent(20) { 1000 } else { 0 };
    let body = random.bytes(length);
    let headers = format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
    let mut wire = server.connect();
    wire.send(request(random.one(&["GET", "POST", "HEAD"]), &headers, &format!("wander({seed}, {port})")));
    let _ = wire.try_send(&body); // the answer may be there already
    let begun = Instant::now();
    let _ = read(&mut wire);
    assert!(begun.elapsed().as_secs() < 19, "seed {seed}: no end within the time that the client waits");
    if random.percent(20) {
        // A conversation may go on behind its end, into the daemon's next one.
        eventually("an honest request is answered", || (server.get("/").text() == "honest").then_some(()));
    }
}
