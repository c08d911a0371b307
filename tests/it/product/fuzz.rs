//! Random requests over loopback, in both modes at once: processes stay, nothing grows without bound, and honest clients
//! in between get the right bytes. `make test` sends the same requests each time, from [`SEEDS`]; with `FUZZ_SECONDS` (as
//! `make fuzz` sets it) they come from `FUZZ_SEED` (the clock) and `FUZZ_CLIENTS` (4) for so long.

mod conversation;
mod random;
mod requests;

use integration::{Httpd, HttpdBuilder, Mode, SeenProcess, WireConnection, eventually};
use random::FuzzRandom;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Texts of which none may be in a log.
const CRASHES: [&str; 7] =
    ["AH00051", "AH00052", "panicked", "exit signal", "Fatal Python error", "has died", "WSGI0309"];

/// What each client of `make test` begins with. The second found a request line whose blank was spoilt into the byte 0xA0:
/// httpd takes it for HTTP/0.9.
const SEEDS: [u64; 4] = [1, 4_796_021_024, 1_795_266_688, 1_795_271_087];
/// How many requests each of them sends.
const REQUESTS: u64 = 1500;

/// Which requests are sent.
struct FuzzRun {
    /// One for each client.
    seeds: Vec<u64>,
    extent: RunExtent,
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
enum RunExtent {
    /// Each client has sent so many.
    Requests(u64),
    /// So much time has passed.
    Time(Duration),
}

impl FuzzRun {
    fn asked_for() -> FuzzRun {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
        let Some(seconds) = number("FUZZ_SECONDS") else {
            return FuzzRun { seeds: SEEDS.to_vec(), extent: RunExtent::Requests(REQUESTS) };
        };
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
        let seed = number("FUZZ_SEED").unwrap_or(clock);
        let clients = number("FUZZ_CLIENTS").unwrap_or(4);
        println!("FUZZ_SEED={seed} FUZZ_SECONDS={seconds} FUZZ_CLIENTS={clients}");
        let seeds = (0..clients).map(|client| seed + client * 1_000_000_000).collect();
        FuzzRun { seeds, extent: RunExtent::Time(Duration::from_secs(seconds)) }
    }

    /// How many tenths of it are done.
    fn tenths(&self, started: Instant, requests: u64) -> u64 {
        match self.extent {
            RunExtent::Requests(limit) => requests * 10 / (limit * self.seeds.len() as u64),
            RunExtent::Time(length) => {
                (started.elapsed().as_millis() * 10 / length.as_millis().max(1)) as u64
            }
        }
    }
}

/// A fixed number of processes, and clients that stall are given up soon.
fn server() -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Embedded)
        .directives(
            "StartServers 2\nServerLimit 2\nThreadsPerChild 16\nMaxRequestWorkers 32\nMinSpareThreads 1\n\
             MaxSpareThreads 32\nTimeout 15\nKeepAliveTimeout 200ms\nWSGIChunkedRequest On\nLimitRequestBody 1000000\n\
             WSGIDaemonProcess fuzzed processes=2 threads=8 socket-timeout=60\n\
             <Location /d>\nWSGIProcessGroup fuzzed\n</Location>",
        )
        .script("/d", "app.wsgi", include_str!("../../apps/fuzzed.py"))
        .directives("WSGIScriptAlias /e @ROOT@/app/app.wsgi")
        .log_level("crit wsgi:error")
        .allow_log("[wsgi:error]")
}

/// One process at one time: what may not grow.
#[derive(Clone, Copy, Debug)]
struct ProcessSize {
    memory: u64,
    descriptors: usize,
}

/// Children and daemons by their ids, with their sizes.
fn sizes(server: &Httpd) -> BTreeMap<i32, ProcessSize> {
    let works = |process: &SeenProcess| process.pid != server.pid() && !process.is_zombie;
    let size = |process: &SeenProcess| ProcessSize {
        memory: process.memory("Rss"),
        descriptors: fs::read_dir(format!("/proc/{}/fd", process.pid)).map_or(0, Iterator::count),
    };
    server.processes().iter().filter(|p| works(p)).map(|process| (process.pid, size(process))).collect()
}

#[test]
fn random_requests() {
    let run = FuzzRun::asked_for();
    let server = server().start();
    for mount in ["/d", "/e"] {
        // Both children and both daemons get Python ready before anything is measured.
        (0..40).for_each(|_| drop(server.get(&format!("{mount}/?early"))));
    }
    let before = sizes(&server);
    let (count, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let warm = thread::scope(|scope| {
        for seed in &run.seeds {
            let (server, count, is_over, extent) = (&server, &count, &is_over, run.extent);
            scope.spawn(move || {
                // A client that found something ends the run for all.
                let _over = SetByPanic(is_over);
                FuzzClient::new(server, *seed).run(extent, count, is_over);
            });
        }
        let _over = SetByPanic(&is_over);
        let warm = watch(&server, &run, &before, (&count, &is_over));
        is_over.store(true, Relaxed);
        warm
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
struct SetByPanic<'a>(&'a AtomicBool);

impl Drop for SetByPanic<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(thread::panicking(), Relaxed);
    }
}

/// Looks every few seconds whether all processes live and the log is clean; the sizes after a third of the time.
fn watch(
    server: &Httpd,
    run: &FuzzRun,
    before: &BTreeMap<i32, ProcessSize>,
    (count, is_over): (&AtomicU64, &AtomicBool),
) -> BTreeMap<i32, ProcessSize> {
    let started = Instant::now();
    let mut warm = None;
    loop {
        let tenths = run.tenths(started, count.load(Relaxed));
        if tenths >= 10 || is_over.load(Relaxed) {
            break;
        }
        sleep(Duration::from_millis(500));
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
        if tenths > 3 {
            warm.get_or_insert(now);
        }
    }
    warm.unwrap_or_else(|| sizes(server))
}

/// Sends one request after the other; each has a seed of its own, which is named when something is wrong.
struct FuzzClient<'a> {
    server: &'a Httpd,
    seed: u64,
    /// Connections that were left in the middle of something.
    parked: Vec<WireConnection>,
}

impl<'a> FuzzClient<'a> {
    fn new(server: &'a Httpd, seed: u64) -> Self {
        FuzzClient { server, seed, parked: Vec::new() }
    }

    fn run(&mut self, extent: RunExtent, count: &AtomicU64, is_over: &AtomicBool) {
        let last = match extent {
            RunExtent::Requests(limit) => self.seed + limit,
            RunExtent::Time(_) => u64::MAX,
        };
        while self.seed < last && !is_over.load(Relaxed) {
            self.seed += 1;
            let mut random = FuzzRandom::new(self.seed);
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
    fn honest(&self, random: &mut FuzzRandom, mount: &str) {
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

    fn wild(&mut self, random: &mut FuzzRandom, mount: &str) {
        let bytes = requests::wild(random, mount);
        let mut wire = self.server.connect();
        let end = if random.percent(20) { random.below(bytes.len()) } else { bytes.len() };
        let sent = deliver(random, &mut wire, &bytes[..end]);
        match random.below(10) {
            0 => self.park(wire),
            1 | 2 => drop(wire),
            3 | 4 => {
                let some = random.size(100_000);
                wire.finish(); // so that httpd waits for nothing more
                drop(wire.exactly(some)); // and goes away in the middle of the response
            }
            _ => {
                wire.finish();
                let text = wire.read_to_end();
                let begins_well = text.is_empty() || text.starts_with(b"HTTP/1.1 ");
                assert!(
                    begins_well || is_old(first_line(&bytes[..end])) || sent.is_err(),
                    "FUZZ_SEED={}: {:?}",
                    self.seed,
                    String::from_utf8_lossy(&text[..text.len().min(80)])
                );
            }
        }
    }

    /// Leaves a few connections open; httpd gives them up.
    fn park(&mut self, wire: WireConnection) {
        self.parked.push(wire);
        if self.parked.len() > 3 {
            self.parked.remove(0);
        }
    }
}

/// Whether httpd answers this request line without a head, as HTTP/0.9 has none: GET, a blank, and a target behind which
/// nothing comes. Only blanks and tabs end a target; a byte such as 0xA0 belongs to it, and so does all that follows.
fn is_old(line: &[u8]) -> bool {
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.next() == Some(b"GET") && words.next().is_some() && words.next().is_none()
}

#[test]
fn lines_that_are_http_0_9() {
    let old: [&[u8]; 3] = [b"GET /d/?echo", b"GET /d/?echo\xa0HTTP/1.1", b"GET\t/d/ "];
    let new: [&[u8]; 4] = [b"GET /d/ HTTP/1.1", b"POST /d/", b"get /d/", b"GET"];
    assert!(old.iter().all(|line| is_old(line)) && !new.iter().any(|line| is_old(line)));
}

/// Blank lines before a request do not count.
fn first_line(bytes: &[u8]) -> &[u8] {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.map(|line| line.trim_ascii()).find(|line| !line.is_empty()).unwrap_or_default()
}

/// At once, or in pieces with pauses.
fn deliver(random: &mut FuzzRandom, wire: &mut WireConnection, bytes: &[u8]) -> std::io::Result<()> {
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
