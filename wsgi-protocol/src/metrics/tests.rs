//! Tests of the metrics memory in plain memory of this process.

use super::*;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// A memory of `blocks` blocks, all zero.
fn memory(blocks: usize) -> MetricsView<'static> {
    let cell = || AtomicU64::new(0);
    let group = || GroupRecord {
        name_len: AtomicU32::new(0),
        retired: AtomicU32::new(0),
        name: std::array::from_fn(|_| cell()),
        starts: cell(),
        stops: std::array::from_fn(|_| std::array::from_fn(|_| cell())),
        cpu_us: [cell(), cell()],
        cpu_told: [cell(), cell()],
        reload_at: cell(),
        reload_result: AtomicU32::new(0),
        reloads: [AtomicU32::new(0), AtomicU32::new(0)],
    };
    let histogram = || Histogram { sum_ns: cell(), buckets: std::array::from_fn(|_| cell()) };
    let block = || MetricsBlock {
        owner: AtomicU32::new(0),
        group: AtomicU32::new(0),
        since: cell(),
        slot: AtomicU32::new(0),
        stage: AtomicU32::new(0),
        version: AtomicU32::new(0),
        text_len: AtomicU32::new(0),
        text: std::array::from_fn(|_| cell()),
        cells: BlockCells {
            classes: std::array::from_fn(|_| cell()),
            outcomes: std::array::from_fn(|_| cell()),
            bytes: [cell(), cell()],
            cpu_ns: cell(),
            phases: std::array::from_fn(|_| histogram()),
        },
    };
    let header = MemoryHeader {
        folding: AtomicU32::new(0),
        groups: AtomicU32::new(0),
        used: AtomicU32::new(0),
        reloads: AtomicU32::new(0),
        started_us: cell(),
        configured_us: cell(),
        drained_us: cell(),
    };
    MetricsView {
        header: Box::leak(Box::new(header)),
        groups: (0..4).map(|_| group()).collect::<Vec<_>>().leak(),
        blocks: (0..blocks).map(|_| block()).collect::<Vec<_>>().leak(),
    }
}

fn sample(status: u16) -> RequestSample {
    RequestSample {
        status,
        outcome: RequestOutcome::Ok,
        bytes: (3, 7),
        cpu_ns: 5,
        phases: [Some(2_000_000), Some(100_000), Some(1_000_000), None],
    }
}

#[test]
fn blocks_are_whole_cache_lines_and_layout_is_stable() {
    assert_eq!(
        (size_of::<MemoryHeader>(), size_of::<MetricsBlock>() % 64, size_of::<GroupRecord>() % 64),
        (64, 0, 0)
    );
    assert_eq!(size_of::<BlockCells>(), 8 * (5 + 10 + 2 + 1 + PHASES * (BUCKETS + 1)));
    assert!(memory_len() < 32 << 20);
}

#[test]
fn counts_survive_the_end_of_a_child() {
    let view = memory(16);
    let (a, b) = (view.register(b"a").unwrap(), view.register(b"b").unwrap());
    assert_eq!(view.register(b"a"), Some(a));
    let blocks = [(7, a), (7, b), (8, a)].map(|(pid, group)| &view.blocks[view.claim(pid, group).unwrap()]);
    blocks[0].count(&sample(200));
    blocks[1].count(&sample(404));
    blocks[2].count(&sample(503));
    let before = view.all_totals(&[a, b]);
    assert_eq!(before[0].classes, [0, 1, 0, 0, 1]);
    assert_eq!((before[0].requests(), before[0].bytes, before[0].cpu_ns), (2, (6, 14), 10));
    assert_eq!(before[0].phase(RequestPhase::Request).sum_ns, 4_000_000);
    assert_eq!(before[0].phase(RequestPhase::Gil).count(), 0);
    assert_eq!(view.owners(), [7, 8]);
    view.fold(7);
    assert_eq!(view.owners(), [8]);
    assert_eq!(view.all_totals(&[a, b]), before);
    let used = view.header.used.load(Relaxed);
    blocks_again(view, a, used);
    view.fold(8);
    assert_eq!(view.totals(a).requests(), 3);
}

/// A block of the dead child is used again, from zero.
fn blocks_again(view: MetricsView<'_>, group: usize, used: u32) {
    let again = &view.blocks[view.claim(9, group).unwrap()];
    assert_eq!(view.header.used.load(Relaxed), used);
    again.count(&sample(200));
    assert_eq!(view.totals(group).requests(), 3);
}

#[test]
fn a_reader_never_sees_less_while_children_come_and_go() {
    let view = memory(8);
    let group = view.register(b"g").unwrap();
    static DONE: AtomicBool = AtomicBool::new(false);
    let reader = std::thread::spawn(move || {
        let (mut last, mut looks) = (0, 0);
        while !DONE.load(Relaxed) || looks == 0 {
            let now = view.totals(group).requests();
            assert!(now >= last, "{now} after {last}");
            (last, looks) = (now, looks + 1);
        }
    });
    for pid in 1..500 {
        let block = &view.blocks[view.claim(pid, group).unwrap()];
        block.count(&sample(200));
        view.fold(pid);
    }
    DONE.store(true, Relaxed);
    reader.join().unwrap();
    assert_eq!(view.totals(group).requests(), 499);
}

#[test]
fn without_blocks_threads_share_one() {
    let view = memory(2);
    let group = view.register(b"g").unwrap();
    assert!(view.claim(5, group).is_some());
    assert_eq!(view.claim(5, group), None);
    let shared = view.retired(group).unwrap();
    assert!(shared.is_shared());
    shared.count(&sample(200));
    shared.begin(5, b"GET", b"/");
    assert_eq!((view.totals(group).requests(), view.running(group).len()), (1, 0));
    assert_eq!(view.register(b"h"), None);
}

#[test]
fn what_runs_is_told() {
    let view = memory(4);
    let group = view.register(b"g").unwrap();
    let block = &view.blocks[view.claim(5, group).unwrap()];
    assert_eq!(view.running(group), []);
    block.begin(100, b"GET", &[b'/'; 300]);
    block.sent_to(3);
    block.advance(ThreadStage::Running);
    let running = view.running(group);
    assert_eq!((running[0].child, running[0].since, running[0].slot), (5, 100, Some(3)));
    assert_eq!((running[0].stage, running[0].text.len()), (ThreadStage::Running, TEXT));
    assert!(running[0].text.starts_with(b"GET /"));
    let other = &view.blocks[view.claim(6, group).unwrap()];
    other.begin(50, b"GET", b"/ws");
    other.advance(ThreadStage::WebSocket);
    let since: Vec<u64> = view.running(group).iter().map(|running| running.since).collect();
    assert_eq!(since, [100, 50], "WebSockets are last");
    other.rest();
    block.rest();
    assert_eq!(view.running(group), []);
}

#[test]
fn bucket_edges_are_inclusive() {
    for (index, bound) in BOUNDS_US.iter().enumerate() {
        assert_eq!((bucket(bound * 1000), bucket(bound * 1000 + 1)), (index, index + 1));
    }
    assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
}

#[test]
fn percentiles_are_interpolated() {
    let mut distribution = Distribution::default();
    assert_eq!(distribution.percentile(0.5), None);
    distribution.buckets[bucket(1_000_000)] = 50;
    distribution.buckets[bucket(10_000_000)] = 50;
    assert_eq!(distribution.percentile(0.5), Some(0.001));
    assert_eq!(distribution.percentile(0.75), Some(0.0075));
    distribution.buckets = [0; BUCKETS];
    distribution.buckets[BUCKETS - 1] = 1;
    assert_eq!(distribution.percentile(0.99), Some(60.0));
}

#[test]
fn stops_are_counted_by_reason() {
    let view = memory(4);
    let group = view.register(b"g").unwrap();
    let death = |status, reason, killed| ProcessDeath { pid: 1, status, reason, killed, stack: Vec::new() };
    let record = &view.groups[group];
    record.note_start();
    record.note_stop(&death(11, None, false), (4, 2));
    record.note_stop(&death(0, Some(EndReason::MaximumRequests), false), (4, 2));
    record.note_stop(&death(9, Some(EndReason::DeadlockTimeout), true), (0, 0));
    assert_eq!(record.cpu_with((1, 1)), (9, 5));
    assert_eq!(record.cpu_with((0, 2)), (9, 6), "never less");
    record.note_reload(false, 77, true);
    record.note_reload(true, 78, false);
    let lifecycle = view.lifecycle(group);
    let told: Vec<_> = (0..2)
        .flat_map(|kind| (0..STOPS).map(move |at| (kind, at)))
        .filter(|(kind, at)| lifecycle.stops[*kind][*at] > 0)
        .map(|(kind, at)| (kind, stop_name(at)))
        .collect();
    assert_eq!(told, [(0, "deadlock_timeout"), (0, "crash"), (1, "maximum_requests")]);
    assert_eq!((lifecycle.starts, lifecycle.cpu_us, lifecycle.last_reload), (1, (8, 4), Some((77, false))));
}

/// All that is done to count one request in httpd and in a daemon: stores, the account on the wire, five looks at the clock.
/// The best of many batches, because others use this machine, too.
#[test]
#[ignore = "a measurement for docs/dev/performance.md; make bench prints it"]
fn cost_of_counting() {
    const BATCH: u32 = 200_000;
    let view = memory(4);
    let group = view.register(b"g").unwrap();
    let block = &view.blocks[view.claim(7, group).unwrap()];
    let start = Instant::now();
    let clock = || start.elapsed().as_nanos() as u64;
    let request = || {
        let since = clock();
        block.begin(since, black_box(b"GET"), black_box(b"/some/path/of/a/site"));
        let sent = clock();
        block.sent_to(3);
        let account = RequestAccount { began: clock(), ended: clock(), gil: 0, cpu: 0 };
        block.advance(ThreadStage::Response);
        let account = RequestAccount::decode(&black_box(account.encode())).unwrap();
        let now = clock();
        let times = account.judged(sent, now);
        let phases = [Some(now - since), Some(times.queue), Some(times.application), times.gil];
        block.count(&RequestSample {
            status: 200,
            outcome: RequestOutcome::Ok,
            bytes: (0, 2),
            cpu_ns: 0,
            phases,
        });
        block.rest();
    };
    let batch = || {
        let began = Instant::now();
        (0..BATCH).for_each(|_| request());
        began.elapsed().as_nanos() as f64 / f64::from(BATCH)
    };
    let best = (0..20).map(|_| batch()).fold(f64::MAX, f64::min);
    assert_eq!(view.totals(group).requests(), u64::from(BATCH) * 20);
    println!("counting a request: {best:.0} ns");
}
