//! [`Application`] as the serve loop wants it, by the [`Host`] that runs Python.

use super::application::{Application, Runner};
use super::pool::Pool;
use super::reload::Decision;
use super::socket_exchange::{Released, Unsent};
use crate::exchange::{Exchange, Outcome};
use crate::host::{Host, Long, ReloadDecision, ReloadPolicy, Worker};
use wsgi_protocol::launch::Preload;

/// httpd's log level "error".
const ERROR: u8 = 3;
/// httpd's log level "info".
const INFO: u8 = 6;

impl Application for Host {
    type Runner = Worker;
    const RELEASED: Released = crate::python::released;
    const UNSENT: Unsent = crate::log::write_bytes;

    fn runner(&'static self, thread_id: u32) -> Worker {
        self.worker(thread_id)
    }

    fn shares_lock(&self) -> bool {
        Host::shares_lock(self)
    }

    fn interrupt(&self, thread_id: u32, seconds: f64, is_current: &dyn Fn() -> bool) {
        self.inject_timeout(thread_id, seconds, is_current);
    }

    fn report(&self, thread_id: u32, why: Long, seconds: f64, is_current: &dyn Fn() -> bool) {
        Host::report(self, thread_id, why, seconds, is_current);
    }

    fn probe(&self) {
        Host::probe(self);
    }

    fn has_loaded(&self) -> bool {
        Host::has_loaded(self)
    }

    fn scripts(&self) -> Vec<Preload> {
        self.heirloom()
    }

    fn publish_signal(&self, signal: i32) {
        Host::publish_signal(self, signal);
    }

    fn publish_stopping(&self, reason: &'static str) {
        self.stopping(reason);
    }

    fn dump_stacks(&self, thread_id: u32) {
        for line in self.stacks(thread_id, &|| true) {
            Host::log(self, INFO, &line);
        }
    }

    fn dump_other_stacks(&self) {
        for line in self.other_stacks() {
            Host::log(self, ERROR, &line);
        }
    }

    fn end(&self, finalize: bool) {
        Host::end(self, finalize);
    }

    fn log(&self, level: u8, text: &str) {
        Host::log(self, level, text);
    }
}

impl Runner for Worker {
    fn attach(&mut self) {
        Worker::attach(self);
    }

    fn detach(&mut self) {
        Worker::detach(self);
    }

    fn run(&mut self, payload: &[u8], exchange: &mut dyn Exchange) -> Outcome {
        Worker::run(self, payload, exchange)
    }
}

impl ReloadPolicy for Pool<Host> {
    fn on_changed(&self, script: &[u8], _group: &[u8], mtime_us: u64) -> ReloadDecision {
        let (decision, wake) = self.reload.noticed(script, mtime_us);
        if wake {
            self.main_wake.signal();
        }
        match decision {
            Decision::ServeOld => ReloadDecision::ServeOld,
            Decision::Refuse => ReloadDecision::Refuse,
        }
    }
}
