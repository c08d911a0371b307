//! Threads that have all they need before the first request comes, in a process whose memory is limited.

use super::application::Application;
use super::pool::WorkerPool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

impl<A: Application> WorkerPool<A> {
    /// Starts all workers before the first request comes. Where an application can take all memory that the process may have,
    /// a thread that starts at that moment would end the process: glibc aborts when there is no room for thread-local data.
    pub(super) fn start_all(&'static self) {
        let most = self.slots.len();
        self.gate.allow(most);
        while self.admit() {}
        // Not for ever: the process serves all the same.
        let is_ready = || self.ready.load(SeqCst) >= self.live.load(SeqCst);
        (0..5000).take_while(|_| !is_ready()).for_each(|_| thread::sleep(Duration::from_millis(1)));
        self.gate.allow(if self.gated { 1 } else { most });
    }

    /// A worker has what it needs.
    pub(super) fn note_ready(&self) {
        self.ready.fetch_add(1, SeqCst);
    }
}
