//! What is held leaves by itself, in order, and slow clients hold up nobody else.

use super::*;
use crate::scheduler::clock::now_ns;
use std::sync::mpsc;

const FULL: usize = 64 * 1024;

/// Tells a test what is sent; takes no more than so many bytes at once.
struct TestSink {
    sent: mpsc::Sender<(Vec<u8>, bool)>,
    most: usize,
}

impl BlockSink for TestSink {
    const STACK: usize = 64 * 1024;
    const FULL: usize = FULL;

    fn send(&mut self, collected: &mut Vec<u8>, flush: bool) -> Result<(), SendError> {
        let part = collected.drain(..collected.len().min(self.most)).collect();
        self.sent.send((part, flush)).map_err(|_| SendError::ClientGone)
    }
}

type Sent = mpsc::Receiver<(Vec<u8>, bool)>;

fn coalescer(most: usize) -> (Arc<BlockCoalescer<TestSink>>, Sent) {
    let (sender, sent) = mpsc::channel();
    (BlockCoalescer::new(TestSink { sent: sender, most }, |f| f()), sent)
}

fn hold(coalescer: &Arc<BlockCoalescer<TestSink>>, block: &[u8], now: u64) -> Result<HeldBlock, SendError> {
    coalescer.hold(block.len(), now, |_, collected| collected.extend_from_slice(block))
}

/// As if just held for as long as the test runs: no flusher finds it due.
const LATER: u64 = u64::MAX - DELAY;

#[test]
fn what_the_application_does_not_follow_up_leaves_by_itself() {
    let (coalescer, sent) = coalescer(FULL);
    for _ in 0..3 {
        assert_eq!(hold(&coalescer, b"block", now_ns()), Ok(HeldBlock::Waits));
        assert_eq!(sent.recv(), Ok((b"block".to_vec(), true)));
    }
}

#[test]
fn what_a_full_socket_does_not_take_follows_later() {
    let (coalescer, sent) = coalescer(3);
    hold(&coalescer, b"block", now_ns()).unwrap();
    assert_eq!(sent.recv(), Ok((b"blo".to_vec(), true)));
    assert_eq!(sent.recv(), Ok((b"ck".to_vec(), true)));
}

#[test]
fn much_is_sent_by_the_request_itself() {
    let (coalescer, sent) = coalescer(FULL);
    assert!(!coalescer.is_dirty());
    while hold(&coalescer, &[0; 4096], LATER) == Ok(HeldBlock::Waits) {}
    assert!(coalescer.is_dirty());
    coalescer.send(false).unwrap();
    assert_eq!(sent.try_recv().map(|(bytes, flush)| (bytes.len(), flush)), Ok((FULL, false)));
    coalescer.send(true).unwrap();
    assert!(sent.try_recv().is_err() && !coalescer.is_dirty());
}

#[test]
fn what_is_taken_is_not_sent_by_others() {
    let (coalescer, sent) = coalescer(FULL);
    let mut begun = 0;
    let mut hold = |block: &[u8]| {
        coalescer.hold(block.len(), LATER, |_, collected| {
            begun += usize::from(collected.is_empty());
            collected.extend_from_slice(block);
        })
    };
    hold(b"one").unwrap();
    assert_eq!(coalescer.take(|_| ()), Ok((b"one".to_vec(), ())));
    hold(b"two").unwrap();
    hold(b"three").unwrap();
    assert_eq!(coalescer.take(|_| ()), Ok((b"twothree".to_vec(), ())));
    assert!(!coalescer.is_dirty() && sent.try_recv().is_err());
    assert_eq!(begun, 2, "a sink is seen to begin");
}

#[test]
fn a_failure_stays_until_the_request_is_over() {
    let (coalescer, sent) = coalescer(FULL);
    hold(&coalescer, b"lost", LATER).unwrap();
    coalescer.forget();
    assert!(!coalescer.is_dirty());
    coalescer.send(true).unwrap();
    assert!(sent.try_recv().is_err());
    drop(sent);
    assert_eq!(hold(&coalescer, b"block", LATER), Ok(HeldBlock::Waits));
    assert_eq!(coalescer.is_broken(), Some(false));
    assert_eq!(coalescer.send(true), Err(SendError::ClientGone));
    assert_eq!(hold(&coalescer, b"block", LATER), Err(SendError::ClientGone));
    assert_eq!(coalescer.take(|_| ()), Err(SendError::ClientGone));
    assert_eq!((coalescer.is_broken(), coalescer.is_dirty()), (Some(true), true));
    coalescer.forget();
    assert_eq!((coalescer.is_broken(), coalescer.is_dirty()), (Some(false), false));
}

#[test]
fn one_slow_client_does_not_hold_up_others() {
    struct StuckSink(mpsc::Sender<()>, mpsc::Receiver<()>);
    impl BlockSink for StuckSink {
        const STACK: usize = 64 * 1024;
        const FULL: usize = FULL;
        fn send(&mut self, collected: &mut Vec<u8>, _flush: bool) -> Result<(), SendError> {
            self.0.send(()).unwrap();
            let _ = self.1.recv();
            collected.clear();
            Ok(())
        }
    }
    let (release, slow) = mpsc::channel();
    let (started, start) = mpsc::channel();
    let stuck = BlockCoalescer::new(StuckSink(started, slow), |f| f());
    stuck.hold(5, now_ns(), |_, collected| collected.extend_from_slice(b"block")).unwrap();
    start.recv().unwrap();
    assert_eq!(stuck.is_broken(), None, "it is sending");
    let (quick, sent) = coalescer(FULL);
    hold(&quick, b"block", now_ns()).unwrap();
    assert_eq!(sent.recv(), Ok((b"block".to_vec(), true)));
    drop(release);
}

#[test]
fn only_quick_blocks_are_collected() {
    let mut last = LastSend::default();
    assert!(!last.is_recent(QUICK) && last.at() == 0);
    last.note(QUICK);
    assert!(last.is_recent(QUICK) && last.is_recent(2 * QUICK - 1) && !last.is_recent(2 * QUICK));
}
