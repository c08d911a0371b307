//! WSGISlowRequests in an httpd child: a thread that looks now and then which requests take long. (In a daemon the
//! main thread does.)

use super::BusyThread;
use crate::host::{Host, LongRunning};
use crate::interpreter::threads;
use crate::messages;
use crate::scheduler::block_signals;
use crate::scheduler::clock::now_ns;
use std::collections::HashMap;
use std::time::Duration;

/// Starts the thread if the directive is set.
pub(super) fn watch(host: &'static Host) {
    let limit = Duration::from_millis(host.launch().timers.slow_request);
    if limit.is_zero() {
        return;
    }
    let body = move || {
        block_signals();
        let mut watch = SlowWatch { host, limit, told: HashMap::new() };
        while !threads::is_closed() {
            let next = watch.look();
            std::thread::sleep(next);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("wsgi-slow".into()).spawn(body) {
        host.log(3, &messages::no_slow_watch(error));
    }
}

struct SlowWatch {
    host: &'static Host,
    limit: Duration,
    /// By thread: the request that was told of.
    told: HashMap<u32, u64>,
}

impl SlowWatch {
    /// Reports what is due; how long to sleep.
    fn look(&mut self) -> Duration {
        let now = now_ns();
        let mut next = self.limit;
        for (thread, number, since) in self.host.running() {
            let age = Duration::from_nanos(now.saturating_sub(since));
            if age < self.limit {
                next = next.min(self.limit - age);
            } else if self.told.insert(thread, number) != Some(number) {
                self.report(thread, number, age);
            }
        }
        next.max(Duration::from_millis(1))
    }

    fn report(&self, thread: u32, number: u64, age: Duration) {
        let _busy = BusyThread::begin();
        // From here on the end of the child waits for us, or leaves Python alone.
        if threads::is_closed() {
            return;
        }
        let host = self.host;
        let is_current = || host.running().iter().any(|(t, n, _)| (*t, *n) == (thread, number));
        host.report(thread, LongRunning::Slow, age.as_secs_f64(), &is_current);
    }
}
