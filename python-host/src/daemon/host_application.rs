//! [`Application`] as the serve loop wants it, by the [`Host`] that runs Python.

use super::application::{Application, RequestRunner};
use super::blocked_loop::BlockedLoop;
use super::pool::WorkerPool;
use super::reload::ChangeDecision;
use super::socket_exchange::{GilRelease, UnsentRecord};
use crate::asgi;
use crate::conversation::{Conversation, RequestSource};
use crate::exchange::{Exchange, RequestOutcome};
use crate::host::{Host, LongRunning, ReloadDecision, ReloadPolicy};
use crate::interpreter::gates::GateRegistry;
use crate::interpreter::threads;
use crate::messages;
use crate::python;
use crate::thread_record::ThreadRecord;
use crate::worker::RequestThread;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use wsgi_protocol::heirloom::{HeirScript, TriedVersions};
use wsgi_protocol::launch::PreloadScript;
use wsgi_protocol::request::{Request, RequestHead};

/// httpd's log level "error".
const ERROR: u8 = 3;
/// httpd's log level "info".
const INFO: u8 = 6;

impl Application for Host {
    type Runner = RequestThread;
    const RELEASED: GilRelease = python::released;
    const UNSENT: UnsentRecord = crate::log::write_bytes;

    fn runner(&'static self, record: Arc<ThreadRecord>) -> RequestThread {
        GATES.get_or_init(|| if Host::shares_lock(self) { None } else { GateRegistry::new(self) });
        self.worker(record)
    }

    fn shares_lock(&self) -> bool {
        Host::shares_lock(self)
    }

    fn interrupt(&self, thread_id: u32, seconds: f64, is_current: &dyn Fn() -> bool) {
        self.inject_timeout(thread_id, seconds, is_current);
    }

    fn report(&self, thread_id: u32, why: LongRunning, seconds: f64, is_current: &dyn Fn() -> bool) {
        Host::report(self, thread_id, why, seconds, is_current);
    }

    fn probe(&self) {
        Host::probe(self);
    }

    fn has_loaded(&self) -> bool {
        Host::has_loaded(self)
    }

    fn heirs(&self, failed: &dyn Fn(&PreloadScript) -> Option<TriedVersions>) -> Vec<HeirScript> {
        Host::heirs(self, failed)
    }

    fn load_time(&self) -> Duration {
        Host::load_time(self)
    }

    fn about_kept(&self, script: &PreloadScript) -> String {
        messages::kept(&script.script, &self.launch().group)
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

    fn is_for_loop(&self, head: &RequestHead<'_>) -> bool {
        // As the process sees the path, which is how it has been noted.
        let script = self.inside_chroot(head.script).unwrap_or(head.script);
        asgi::STATE.knows(&RequestHead { script, ..*head })
    }

    fn converse(&'static self, conversation: Box<dyn Conversation>) {
        asgi::STATE.converse(self, conversation);
    }

    fn read_in_loop(&'static self, source: &'static dyn RequestSource) {
        asgi::STATE.read_requests(source);
    }

    fn ring_loop(&self) {
        asgi::STATE.ring();
    }

    fn blocked_loop(&self) -> Option<BlockedLoop> {
        asgi::STATE.blocked()
    }

    fn report_loop(&self, blocked: Duration) {
        asgi::STATE.tell_overdue(blocked.as_secs_f64());
    }

    fn refuse_waiting(&self) {
        asgi::STATE.refuse_waiting();
    }

    fn drain_loop(&self) {
        asgi::STATE.drain();
    }

    fn stop_loop(&self, patience: Option<Duration>) {
        asgi::STATE.stop(patience);
    }

    fn has_no_loop(&self) -> bool {
        asgi::STATE.is_over()
    }

    fn log(&self, level: u8, text: &str) {
        Host::log(self, level, text);
    }
}

/// Before the GILs of this process, if there are several: which one a request is for shows when it has been read.
static GATES: OnceLock<Option<GateRegistry>> = OnceLock::new();

fn gates() -> Option<&'static GateRegistry> {
    GATES.get().and_then(Option::as_ref)
}

/// Gives the GIL up before its gate is left, also when the request panics.
struct DetachInside<'t>(&'t mut RequestThread);

impl Drop for DetachInside<'_> {
    fn drop(&mut self) {
        self.0.detach();
    }
}

impl RequestRunner for RequestThread {
    /// With several GILs the right one is taken by [`RequestRunner::run`].
    fn attach(&mut self) {
        if gates().is_none() {
            let since = Instant::now();
            RequestThread::attach(self);
            // A request waits in its socket meanwhile.
            python::note_entry(since);
        }
    }

    fn detach(&mut self) {
        RequestThread::detach(self);
    }

    fn is_attached(&self) -> bool {
        threads::attached_to().is_some()
    }

    fn run(&mut self, request: &Request<'_>, exchange: &mut dyn Exchange) -> RequestOutcome {
        let Some(gates) = gates() else { return RequestThread::run(self, request, exchange) };
        let mut outcome = RequestOutcome::Fail(500);
        let arrived = Instant::now();
        gates.of(request.head.application_group).run(&mut || {
            python::note_entry(arrived);
            outcome = DetachInside(self).0.run(request, exchange);
        });
        outcome
    }
}

impl ReloadPolicy for WorkerPool<Host> {
    fn on_changed(&self, script: &[u8], group: &[u8], mtime_us: u64) -> ReloadDecision {
        let (decision, wake) = self.reload.noticed(script, group, mtime_us, python::released);
        if wake {
            self.main_wake.signal();
        }
        match decision {
            ChangeDecision::ServeOld => ReloadDecision::ServeOld,
            ChangeDecision::Tell(lines) => ReloadDecision::Tell(lines),
            ChangeDecision::Refuse => ReloadDecision::Refuse,
        }
    }
}
