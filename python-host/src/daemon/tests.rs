//! The whole loop with a fake application, over real sockets, in this process.

use super::application::{Application, RequestRunner};
use super::main_thread::MainThread;
use super::pool::{PoolPhase, WorkerPool};
use super::reload::ChangeDecision;
use super::socket_exchange::{GilRelease, UnsentRecord};
use super::worker::WorkerThread;
use crate::exchange::{Exchange, HoldBack, RequestOutcome};
use crate::host::LongRunning;
use crate::thread_record::ThreadRecord;
use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use wsgi_protocol::frame::{self, FrameHeader, FrameKind, HEADER_LEN, RequestRefusal};
use wsgi_protocol::heirloom::{HeirScript, TriedVersions};
use wsgi_protocol::launch::{DaemonOrder, DaemonTimers, Launch, PreloadScript};
use wsgi_protocol::metrics::RequestAccount;
use wsgi_protocol::request::{Request, RequestHead, RequestWriter};

/// A GIL, as far as the loop can tell.
static GIL: Mutex<()> = Mutex::new(());

thread_local! {
    static HELD: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
    /// Records of this thread that could not be sent.
    pub(super) static UNSENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn attach() {
    let guard = GIL.lock().unwrap_or_else(|e| e.into_inner());
    HELD.with(|held| *held.borrow_mut() = Some(guard));
}

fn detach() {
    HELD.with(|held| drop(held.borrow_mut().take().expect("the GIL is held")));
}

fn released(f: &mut dyn FnMut()) {
    detach();
    f();
    attach();
}

#[derive(Default)]
pub(super) struct FakeApplication {
    runners: AtomicUsize,
    /// Requests that came to the closed gate.
    entered: AtomicUsize,
    log: Mutex<Vec<String>>,
    open: Mutex<bool>,
    opened: Condvar,
    pool: std::sync::OnceLock<&'static WorkerPool<FakeApplication>>,
}

pub(super) struct FakeRunner(&'static FakeApplication, u32);

impl RequestRunner for FakeRunner {
    fn attach(&mut self) {
        attach();
    }

    fn detach(&mut self) {
        detach();
    }

    fn is_attached(&self) -> bool {
        true
    }

    /// The request's script says what to do.
    fn run(&mut self, request: &Request<'_>, exchange: &mut dyn Exchange) -> RequestOutcome {
        let script = String::from_utf8_lossy(request.head.script).into_owned();
        let (verb, rest) = script.split_once(' ').unwrap_or((&script, ""));
        match verb {
            "sleep" => released(&mut || std::thread::sleep(Duration::from_millis(rest.parse().unwrap()))),
            "spin" => {
                let until = Instant::now() + Duration::from_millis(rest.parse().unwrap());
                while Instant::now() < until {}
            }
            "gate" => released(&mut || {
                self.0.entered.fetch_add(1, SeqCst);
                let open = self.0.open.lock().unwrap();
                drop(self.0.opened.wait_while(open, |open| !*open).unwrap());
            }),
            "panic" => panic!("as asked"),
            "changed" => {
                let (decision, wake) =
                    self.0.pool.get().unwrap().reload.noticed(b"changed", b"", 1, released);
                if wake {
                    self.0.pool.get().unwrap().main_wake.signal();
                }
                if decision == ChangeDecision::Refuse {
                    return RequestOutcome::Refused;
                }
            }
            _ => {}
        }
        exchange.head(b"head").unwrap();
        let id = self.1.to_string();
        match exchange.data(id.as_bytes(), HoldBack::Yes) {
            Ok(()) => RequestOutcome::Complete,
            Err(_) => RequestOutcome::Aborted,
        }
    }
}

impl Application for FakeApplication {
    type Runner = FakeRunner;
    const RELEASED: GilRelease = released;
    const UNSENT: UnsentRecord =
        |_, text| UNSENT.with_borrow_mut(|unsent| unsent.push(String::from_utf8_lossy(text).into_owned()));

    fn runner(&'static self, record: Arc<ThreadRecord>) -> FakeRunner {
        self.runners.fetch_add(1, SeqCst);
        FakeRunner(self, record.number())
    }
    fn shares_lock(&self) -> bool {
        true
    }
    fn interrupt(&self, thread_id: u32, _: f64, is_current: &dyn Fn() -> bool) {
        attach();
        if is_current() {
            self.log(6, &format!("interrupt {thread_id}"));
            *self.open.lock().unwrap() = true;
            self.opened.notify_all();
        }
        detach();
    }
    fn report(&self, thread_id: u32, why: LongRunning, _: f64, _: &dyn Fn() -> bool) {
        self.log(6, &format!("{why:?} {thread_id}"));
    }
    fn probe(&self) {
        attach();
        detach();
    }
    fn has_loaded(&self) -> bool {
        true
    }
    fn heirs(&self, _: &dyn Fn(&PreloadScript) -> Option<TriedVersions>) -> Vec<HeirScript> {
        Vec::new()
    }
    fn load_time(&self) -> Duration {
        Duration::ZERO
    }
    fn about_kept(&self, _: &PreloadScript) -> String {
        String::new()
    }
    fn publish_signal(&self, signal: i32) {
        self.log(6, &format!("signal {signal}"));
    }
    fn publish_stopping(&self, reason: &'static str) {
        self.log(6, &format!("stopping {reason}"));
    }
    fn dump_other_stacks(&self) {}

    fn dump_stacks(&self, thread_id: u32) {
        self.log(6, &format!("stacks {thread_id}"));
    }
    fn end(&self, finalize: bool) {
        self.log(6, &format!("end {finalize}"));
    }
    fn log(&self, _: u8, text: &str) {
        self.log.lock().unwrap().push(text.to_owned());
    }
}

/// A pool of which no thread runs.
pub(super) fn resting_pool() -> &'static WorkerPool<FakeApplication> {
    let (listener, fake) = (UnixStream::pair().unwrap().0, FakeApplication::default());
    let (listener, fake): (&'static _, &'static _) = (Box::leak(listener.into()), Box::leak(fake.into()));
    let pool = WorkerPool::new(fake, &launch(1), UnixStream::as_fd(listener), WorkerThread::run).unwrap();
    Box::leak(Box::new(pool))
}

/// A daemon in this process: its pool, its main thread, and the supervisor's end of the order pipe.
struct TestDaemon {
    fake: &'static FakeApplication,
    pool: &'static WorkerPool<FakeApplication>,
    path: std::path::PathBuf,
    orders: std::io::PipeWriter,
    main: std::thread::JoinHandle<i32>,
}

fn daemon(launch: Launch) -> TestDaemon {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("wsgi-loop-{}-{}", std::process::id(), NUMBER.fetch_add(1, SeqCst));
    let path = std::env::temp_dir().join(name);
    // A test process of the same number may have failed and left its socket behind.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let listener: &'static UnixListener = Box::leak(Box::new(listener));
    let listener = listener.as_fd();
    let (reader, orders) = std::io::pipe().unwrap();
    super::os::set_nonblocking(reader.as_fd()).unwrap();
    let fake: &'static FakeApplication = Box::leak(Box::default());
    let pool: &'static WorkerPool<FakeApplication> =
        Box::leak(Box::new(WorkerPool::new(fake, &launch, listener, WorkerThread::run).unwrap()));
    assert!(fake.pool.set(pool).is_ok());
    let shutdown = Duration::from_millis(launch.timers.shutdown);
    let reader: &'static _ = Box::leak(Box::new(reader));
    let main = std::thread::spawn(move || {
        let mut main = MainThread::new(pool, &launch, Some(reader.as_fd()));
        pool.start().unwrap();
        main.run(0);
        super::ending::end(main, shutdown)
    });
    TestDaemon { fake, pool, path, orders, main }
}

fn launch(threads: u32) -> Launch {
    Launch {
        threads,
        timers: DaemonTimers { graceful: 5000, ..DaemonTimers::default() },
        ..Launch::default()
    }
}

impl TestDaemon {
    fn connect(&self) -> TestClient {
        let socket = UnixStream::connect(&self.path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut hello = Vec::new();
        frame::put_frame(&mut hello, FrameKind::Hello, 0, &wsgi_protocol::PROTOCOL_VERSION.to_le_bytes());
        (&socket).write_all(&hello).unwrap();
        TestClient { socket, seq: 0 }
    }

    fn order(&self, order: DaemonOrder) {
        (&self.orders).write_all(&[order as u8]).unwrap();
    }

    fn open(&self) {
        *self.fake.open.lock().unwrap() = true;
        self.fake.opened.notify_all();
    }

    fn stop(self) -> Vec<String> {
        let _ = (&self.orders).write_all(&[DaemonOrder::Stop as u8]);
        assert_eq!(self.main.join().unwrap(), 0);
        let _ = std::fs::remove_file(&self.path);
        self.fake.log.lock().unwrap().clone()
    }
}

struct TestClient {
    socket: UnixStream,
    seq: u16,
}

impl TestClient {
    fn send(&mut self, script: &str) {
        self.seq += 1;
        let mut payload = Vec::new();
        let head = RequestHead { script: script.as_bytes(), request_start_us: 1, ..RequestHead::default() };
        RequestWriter::begin(&mut payload, &head).finish();
        let mut out = Vec::new();
        frame::put_frame(&mut out, FrameKind::Request, self.seq, &payload);
        self.socket.write_all(&out).unwrap();
    }

    fn frame(&mut self) -> (FrameKind, Vec<u8>) {
        let mut header = [0; HEADER_LEN];
        if self.socket.read_exact(&mut header).is_err() {
            return (FrameKind::Hello, Vec::new());
        }
        let header = FrameHeader::decode(&header).unwrap().unwrap();
        let mut payload = vec![0; header.len as usize];
        self.socket.read_exact(&mut payload).unwrap();
        (header.kind, payload)
    }

    /// The response's body.
    fn response(&mut self) -> String {
        assert_eq!(self.frame().0, FrameKind::Head);
        let (kind, body) = self.frame();
        assert_eq!(kind, FrameKind::Data);
        assert_eq!(self.frame().0, FrameKind::End);
        String::from_utf8(body).unwrap()
    }

    fn get(&mut self, script: &str) -> String {
        self.send(script);
        self.response()
    }
}

#[test]
fn one_thread_serves_many_connections() {
    let d = daemon(launch(8));
    let mut clients: Vec<_> = (0..20).map(|_| d.connect()).collect();
    for _ in 0..50 {
        for c in &mut clients {
            assert_eq!(c.get("hello"), "1");
            // A thread that is kept from the CPU before it has ended its request would look as if the next one waited for it.
            while d.pool.slots.iter().any(|slot| slot.running().is_some()) {
                std::thread::yield_now();
            }
        }
    }
    assert_eq!(d.fake.runners.load(SeqCst), 1, "computing requests need one thread");
    let log = d.stop();
    assert_eq!(log[log.len() - 2..], ["end true", "Exiting process."]);
}

#[test]
fn blocked_workers_are_joined_by_all_others() {
    let d = daemon(launch(8));
    let mut clients: Vec<_> = (0..8).map(|_| d.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("gate"));
    // None of them ends before the gate opens, so that all eight must have been admitted.
    let begun = Instant::now();
    while d.fake.entered.load(SeqCst) < 8 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{} of 8", d.fake.entered.load(SeqCst));
        std::thread::sleep(Duration::from_millis(5));
    }
    d.open();
    clients.iter_mut().for_each(|client| drop(client.response()));
    d.stop();
}

#[test]
fn a_long_request_does_not_hold_up_short_ones() {
    let d = daemon(launch(4));
    let (mut long, mut short) = (d.connect(), d.connect());
    long.send("gate");
    // Each is answered while the long one runs: the gate opens only afterwards.
    for _ in 0..10 {
        short.get("hello");
    }
    d.open();
    long.response();
    d.stop();
}

#[test]
fn a_panic_is_a_500_and_the_thread_goes_on() {
    let d = daemon(launch(1));
    let mut c = d.connect();
    c.send("panic");
    let (kind, payload) = c.frame();
    assert_eq!((kind, &payload[..2]), (FrameKind::Fail, &500u16.to_le_bytes()[..]));
    let account = RequestAccount::decode(&payload[2..]).expect("the times of the request");
    assert!(account.began > 0 && account.ended >= account.began);
    assert_eq!(c.get("hello"), "1");
    d.stop();
}

/// It was taken without the GIL, for the event loop: httpd sends it again.
#[test]
fn a_request_of_another_kind_than_expected_goes_back() {
    let d = daemon(launch(1));
    let mut c = d.connect();
    let ends_in_loop = || {
        d.pool.in_loop.enter();
        d.pool.in_loop.leave();
    };
    ends_in_loop();
    c.send("hello");
    assert_eq!(c.frame(), (FrameKind::Refused, vec![RequestRefusal::Restarting as u8]));
    assert_eq!(c.get("hello"), "1", "the next one is not expected to be for the loop");
    ends_in_loop();
    assert_eq!(c.get("hello"), "1", "it is looked at first");
    d.stop();
}

#[test]
fn queue_timeout_is_told() {
    let mut l = launch(1);
    l.timers.queue = 1000;
    let d = daemon(l);
    let mut c = d.connect();
    c.send("hello");
    assert_eq!(c.frame(), (FrameKind::Refused, vec![RequestRefusal::QueueTimeout as u8]));
    d.stop();
}

#[test]
fn draining_ends_what_runs_and_refuses_the_rest() {
    let d = daemon(launch(2));
    let (mut busy, mut idle) = (d.connect(), d.connect());
    idle.get("hello");
    busy.send("gate");
    while d.fake.entered.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    d.order(DaemonOrder::Drain);
    assert_eq!(idle.frame().0, FrameKind::GoAway);
    idle.send("hello");
    assert_eq!(idle.frame(), (FrameKind::Refused, vec![RequestRefusal::Restarting as u8]));
    d.open();
    busy.response();
    assert_eq!(busy.frame().0, FrameKind::GoAway);
    let log = d.stop();
    assert!(log.contains(&"stopping shutdown_signal".to_owned()) && log.contains(&"end true".to_owned()));
}

#[test]
fn the_request_that_noticed_waits_for_the_decision() {
    for (order, kind) in [(DaemonOrder::Drain, FrameKind::Refused), (DaemonOrder::Keep, FrameKind::Head)] {
        let d = daemon(launch(1));
        let (mut first, mut other) = (d.connect(), d.connect());
        first.send("changed");
        // With a single thread: holding does not cost it.
        while !d.pool.reload.is_holding() {
            std::thread::yield_now();
        }
        assert_eq!(other.get("changed"), "1", "the others are served by the old code");
        d.order(order);
        assert_eq!(first.frame().0, kind);
        if order == DaemonOrder::Keep {
            first.frame();
            first.frame();
            assert_eq!(first.get("changed"), "1", "this change is not asked about again");
        }
        let log = d.stop();
        let reason = if order == DaemonOrder::Drain { "script_reload" } else { "shutdown_signal" };
        assert!(log.contains(&format!("stopping {reason}")), "{log:?}");
    }
}

#[test]
fn a_timed_out_request_is_interrupted() {
    let mut l = launch(1);
    l.timers.request = 50;
    l.timers.interrupt = 5000;
    let d = daemon(l);
    let mut c = d.connect();
    c.get("gate");
    assert!(d.stop().contains(&"interrupt 1".to_owned()));
}

#[test]
fn an_expired_request_ends_the_process_at_the_shutdown_limit() {
    let mut l = launch(1);
    l.timers.request = 50;
    l.timers.interrupt = 0;
    // The watchdog would end the test process: it is not set, and the request is let go.
    let d = daemon(l);
    let mut c = d.connect();
    c.send("gate");
    while d.pool.phase() != PoolPhase::Stopping {
        std::thread::sleep(Duration::from_millis(5));
    }
    d.open();
    c.response();
    let log = d.stop();
    assert!(log.contains(&"stopping request_timeout".to_owned()), "{log:?}");
    assert!(log.contains(&"stacks 1".to_owned()), "{log:?}");
}

#[test]
fn maximum_requests_recycles_after_the_successor_serves() {
    let mut l = launch(1);
    l.maximum_requests = 3;
    let d = daemon(l);
    let mut c = d.connect();
    for _ in 0..5 {
        c.get("hello");
    }
    // The main thread asks for the successor before it hears that there is one.
    std::thread::sleep(Duration::from_millis(100));
    d.order(DaemonOrder::Drain);
    assert_eq!(c.frame().0, FrameKind::GoAway);
    assert!(d.stop().contains(&"stopping maximum_requests".to_owned()));
}

#[test]
fn the_supervisors_end_is_the_daemons() {
    let TestDaemon { fake, main, orders, path, .. } = daemon(launch(2));
    drop(orders);
    assert_eq!(main.join().unwrap(), 0);
    assert!(fake.log.lock().unwrap().contains(&"stopping shutdown_signal".to_owned()));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn recycling_is_spread_over_a_group() {
    let mut l = Launch { maximum_requests: 1000, processes: 4, slot: 0, ..Launch::default() };
    assert_eq!(super::spread(&l).maximum_requests, 1000);
    l.slot = 3;
    assert_eq!(super::spread(&l).maximum_requests, 1075);
    l.maximum_requests = 1;
    assert_eq!(super::spread(&l).maximum_requests, 1);
}
