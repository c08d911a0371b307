//! Random requests over loopback, in both modes at once: processes stay, nothing grows without bound, and honest clients
//! in between get the right bytes. `FUZZ_SECONDS` (20), `FUZZ_SEED` (the clock) and `FUZZ_CLIENTS` (4) choose the run.

mod random;
mod requests;

use integration::{Builder, Httpd, Mode, Process, Wire, eventually};
use random::Random;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Texts of which none may be in a log.
const CRASHES: [&str; 7] =
    ["AH00051", "AH00052", "panicked", "exit signal", "Fatal Python error", "has died", "WSGI0309"];

/// What a run is told by its environment.
struct Run {
    seconds: u64,
    seed: u64,
    clients: u64,
}

impl Run {
    fn asked_for() -> Run {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
        Run {
            seconds: number("FUZZ_SECONDS").unwrap_or(20),
            seed: number("FUZZ_SEED").unwrap_or(clock),
            clients: number("FUZZ_CLIENTS").unwrap_or(4),
        }
    }
}

/// A fixed number of processes, and clients that stall are given up soon.
fn server() -> Builder {
    Httpd::builder()
        .mode(Mode::Embedded)
        .directives(
            "StartServers 2\nServerLimit 2\nThreadsPerChild 16\nMaxRequestWorkers 32\nMinSpareThreads 1\n\
             MaxSpareThreads 32\nTimeout 4\nKeepAliveTimeout 200ms\nWSGIChunkedRequest On\nLimitRequestBody 1000000\n\
             WSGIDaemonProcess fuzzed processes=2 threads=8 socket-timeout=60\n\
             <Location /d>\nWSGIProcessGroup fuzzed\n</Location>",
        )
        .script("/d", "app.wsgi", include_str!("../apps/fuzzed.py"))
        .directives("WSGIScriptAlias /e @ROOT@/app/app.wsgi")
        .log_level("crit wsgi:error")
        .allow_log("[wsgi:error]")
}

/// One process at one time: what may not grow.
#[derive(Clone, Copy, Debug)]
struct Size {
    memory: u64,
    descriptors: usize,
}

/// Children and daemons by their ids, with their sizes.
fn sizes(server: &Httpd) -> BTreeMap<i32, Size> {
    let works = |process: &Process| process.pid != server.pid() && !process.is_zombie;
    let size = |process: &Process| Size {
        memory: process.memory("Rss"),
        descriptors: fs::read_dir(format!("/proc/{}/fd", process.pid)).map_or(0, Iterator::count),
    };
    server.processes().iter().filter(|p| works(p)).map(|process| (process.pid, size(process))).collect()
}

#[test]
fn random_requests() {
    let run = Run::asked_for();
    println!("FUZZ_SEED={} FUZZ_SECONDS={} FUZZ_CLIENTS={}", run.seed, run.seconds, run.clients);
    let server = server().start();
    for mount in ["/d", "/e"] {
        // Both children and both daemons get Python ready before anything is measured.
        (0..40).for_each(|_| drop(server.get(&format!("{mount}/?early"))));
    }
    let before = sizes(&server);
    let (count, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let warm = thread::scope(|scope| {
        for client in 0..run.clients {
            let (server, count, is_over, seed) =
                (&server, &count, &is_over, run.seed + client * 1_000_000_000);
            scope.spawn(move || {
                // A client that found something ends the run for all.
                let _over = SetWhenDropped(is_over);
                Client::new(server, seed).run(count, is_over);
            });
        }
        let _over = SetWhenDropped(&is_over);
        watch(&server, &run, &before, &is_over)
    });
    let end = eventually("no request is left", || {
        sleep(Duration::from_millis(300));
        let now = sizes(&server);
        before.keys().all(|pid| now[pid].descriptors <= warm[pid].descriptors + 40).then_some(now)
    });
    println!("{} connections\nbefore {before:?}\nwarm {warm:?}\nend {end:?}", count.load(Relaxed));
    for pid in before.keys() {
        let limit = warm[pid].memory * 5 / 4 + 16 * 1024;
        assert!(end[pid].memory <= limit, "process {pid} grew from {:?} to {:?}", warm[pid], end[pid]);
    }
}

/// So that the others stop when one thread panics.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Looks every few seconds whether all processes live and the log is clean; the sizes after a third of the time.
fn watch(
    server: &Httpd,
    run: &Run,
    before: &BTreeMap<i32, Size>,
    is_over: &AtomicBool,
) -> BTreeMap<i32, Size> {
    let (started, length) = (Instant::now(), Duration::from_secs(run.seconds));
    let mut warm = None;
    while started.elapsed() < length && !is_over.load(Relaxed) {
        sleep(Duration::from_secs(2).min(length));
        let now = sizes(server);
        assert!(before.keys().all(|pid| now.contains_key(pid)), "processes were {before:?}, and are {now:?}");
        let log = server.error_log();
        let crash = log.lines().find(|line| CRASHES.iter().any(|text| line.contains(text)));
        assert_eq!(crash, None);
        if log.len() > 4_000_000 {
            for name in ["error.log", "access"] {
                // httpd appends: what follows is written to the beginning.
                fs::write(server.root().join("logs").join(name), "").expect("own file");
            }
        }
        if started.elapsed() > length / 3 {
            warm.get_or_insert(now);
        }
    }
    warm.unwrap_or_else(|| sizes(server))
}

/// Sends one request after the other; each has a seed of its own, which is named when something is wrong.
struct Client<'a> {
    server: &'a Httpd,
    seed: u64,
    /// Connections that were left in the middle of something.
    parked: Vec<Wire>,
}

impl<'a> Client<'a> {
    fn new(server: &'a Httpd, seed: u64) -> Self {
        Client { server, seed, parked: Vec::new() }
    }

    fn run(&mut self, count: &AtomicU64, is_over: &AtomicBool) {
        while !is_over.load(Relaxed) {
            self.seed += 1;
            let mut random = Random::new(self.seed);
            let mount = random.one(&["/d", "/e"]);
            if random.percent(30) {
                self.honest(&mut random, mount)
            } else {
                self.wild(&mut random, mount)
            }
            count.fetch_add(1, Relaxed);
        }
    }

    /// Several requests over one connection, in pieces; each gets its own bytes back.
    fn honest(&self, random: &mut Random, mount: &str) {
        let mut wire = self.server.connect();
        for number in 0..=random.below(3) {
            let request = requests::honest(random, mount);
            let sent = deliver(random, &mut wire, &request.bytes);
            let response = sent.and_then(|()| wire.try_response(false));
            if number > 0 && response.is_err() {
                return; // KeepAliveTimeout was over before this client, which may have to wait for a processor, was here
            }
            let response =
                response.unwrap_or_else(|error| panic!("FUZZ_SEED={}: no response: {error}", self.seed));
            assert!(
                response.status == 200 && response.body == request.answer,
                "FUZZ_SEED={}: status {} and {} bytes instead of {}",
                self.seed,
                response.status,
                response.body.len(),
                request.answer.len()
            );
        }
    }

    fn wild(&mut self, random: &mut Random, mount: &str) {
        let bytes = requests::wild(random, mount);
        let mut wire = self.server.connect();
        let end = if random.percent(20) { random.below(bytes.len()) } else { bytes.len() };
        let sent = deliver(random, &mut wire, &bytes[..end]);
        match random.below(10) {
            0 => self.park(wire),
            1 | 2 => drop(wire),
            3 | 4 => {
                let some = random.size(100_000);
                drop(wire.exactly(some)); // and goes away in the middle of the response
            }
            _ => {
                wire.finish();
                let text = wire.read_to_end();
                // HTTP/0.9 has no head, and a request line without version counts as that.
                let is_old = !first_line(&bytes[..end]).windows(6).any(|six| six == b"HTTP/1");
                let begins_well = text.is_empty() || text.starts_with(b"HTTP/1.1 ");
                assert!(
                    begins_well || is_old || sent.is_err(),
                    "FUZZ_SEED={}: {:?}",
                    self.seed,
                    String::from_utf8_lossy(&text[..text.len().min(80)])
                );
            }
        }
    }

    /// Leaves a few connections open; httpd gives them up.
    fn park(&mut self, wire: Wire) {
        self.parked.push(wire);
        if self.parked.len() > 3 {
            self.parked.remove(0);
        }
    }
}

/// Blank lines before a request do not count.
fn first_line(bytes: &[u8]) -> &[u8] {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.map(|line| line.trim_ascii()).find(|line| !line.is_empty()).unwrap_or_default()
}

/// At once, or in pieces with pauses.
fn deliver(random: &mut Random, wire: &mut Wire, bytes: &[u8]) -> std::io::Result<()> {
    let pieces = if random.percent(70) { 1 } else { 1 + random.below(10) };
    let mut rest = bytes;
    for piece in 0..pieces {
        let size = if piece + 1 == pieces { rest.len() } else { random.below(rest.len()) };
        wire.try_send(&rest[..size])?;
        rest = &rest[size..];
        if piece + 1 < pieces {
            sleep(Duration::from_micros(random.below(3000) as u64));
        }
    }
    Ok(())
}
