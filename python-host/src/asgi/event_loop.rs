//! The thread of the event loop, and how requests get there: an inbox, and an eventfd that wakes the loop.

mod gil_wait;
mod watch;

use super::channel::{self, AsgiChannel};
use super::names::ScopeNames;
use crate::conversation::{Conversation, RequestSource};
use crate::forked;
use crate::host::Host;
use crate::interpreter::{self, threads};
use crate::log;
use crate::messages;
use crate::python::class::{ClassKey, MethodSelf, StoredClass};
use crate::python::embedded_source::{self, NativeFunction, native, source};
use crate::python::trampoline::CallArguments;
use crate::python::{Attached, NumberValues, Object, Owned, Raised, Result, Stored, TextValues};
use crate::wsgi::failures;
use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;
use watch::LoopWatch;
use wsgi_protocol::launch;
use wsgi_system::eventfd::EventFd;

const SOURCE: &CStr = source(concat!(include_str!("glue.py"), "\n", include_str!("websocket.py"), "\0"));

/// See the module's comment.
#[derive(Default)]
pub struct EventLoop {
    inbox: Mutex<LoopInbox>,
    /// Signalled when the loop runs, or when it has ended.
    turns: Condvar,
    wakeup: OnceLock<EventFd>,
    names: OnceLock<ScopeNames>,
    class: OnceLock<StoredClass<AsgiChannel>>,
    /// The namespace of `glue.py`.
    glue: OnceLock<Stored>,
    /// Where it reads requests itself, once it was told to.
    source: OnceLock<&'static dyn RequestSource>,
    over: AtomicBool,
    is_replaced: AtomicBool,
    /// Who looks whether it is blocked.
    pub watch: LoopWatch,
}

#[derive(Default)]
struct LoopInbox {
    requests: Vec<Box<dyn Conversation>>,
    /// How long its requests may take when it is to end; negative: as long as they do.
    patience: Option<f64>,
    /// New requests go to a successor.
    is_draining: bool,
    is_started: bool,
    runs: bool,
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop").field("over", &self.over).finish_non_exhaustive()
    }
}

impl ClassKey for AsgiChannel {
    type Value = Self;
}

impl EventLoop {
    fn lock(&self) -> MutexGuard<'_, LoopInbox> {
        // Every change is complete before anything that may panic.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has ended, or never began, and nobody looks at it any more.
    pub fn is_over(&self) -> bool {
        (self.has_ended() || !self.lock().is_started) && !self.watch.is_visiting()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Has the process replaced, in order, because it has no loop any more: once, and if it serves.
    fn replace(&self) {
        let is_wanted = self.lock().patience.is_none() && interpreter::main().host.is_serving();
        if is_wanted && !self.is_replaced.swap(true, SeqCst) {
            // The process takes it as an operator's.
            wsgi_system::process::signal_self(libc::SIGUSR1);
        }
    }

    /// Has it run a request.
    pub fn take_in(&self, host: &'static Host, conversation: Box<dyn Conversation>) {
        self.start(host);
        let mut inbox = self.lock();
        if self.over.load(SeqCst) {
            drop(inbox);
            // Another process shall run it: this one is on its way out.
            self.replace();
            return conversation.refuse();
        }
        let is_first = inbox.requests.is_empty();
        inbox.requests.push(conversation);
        drop(inbox);
        if is_first {
            self.ring();
            // It may be blocked by what is no request.
            self.watch.wake();
        }
    }

    /// Has it read its requests from `source` itself.
    pub fn read_requests(&self, source: &'static dyn RequestSource) {
        let _ = self.source.set(source);
        if self.has_ended() {
            return source.end();
        }
        self.ring();
        self.watch.wake();
    }

    /// Whether requests wait for it to take them.
    pub fn is_awaited(&self) -> bool {
        !self.lock().requests.is_empty()
    }

    /// Tells it that a successor takes new requests.
    pub fn drain(&self) {
        self.lock().is_draining = true;
        self.ring();
    }

    /// Tells it to end.
    pub fn stop(&self, patience: Option<Duration>) {
        self.lock().patience = Some(patience.map_or(-1.0, |patience| patience.as_secs_f64()));
        self.ring();
    }

    /// Wakes it.
    pub fn ring(&self) {
        if let Some(wakeup) = self.wakeup.get() {
            wakeup.signal();
        }
    }

    /// Begins, if it has not yet.
    fn start(&self, host: &'static Host) {
        let mut inbox = self.lock();
        if std::mem::replace(&mut inbox.is_started, true) {
            return;
        }
        match EventFd::new() {
            Ok(wakeup) => _ = self.wakeup.set(wakeup),
            Err(error) => return self.failed(&error),
        }
        let builder = thread::Builder::new().name("wsgi-loop".to_owned());
        let spawned = builder.stack_size(stack_size(host)).spawn(move || {
            // No signal is blocked: programs that the application starts, here or on a thread of the executor, would inherit
            // that, and its stack is asked for by one.
            let event_loop = super::STATE.event_loop();
            event_loop.watch.note_thread();
            threads::within(interpreter::main(), |py| event_loop.run(py, host));
            threads::end_states();
            event_loop.end();
        });
        if let Err(error) = spawned {
            return self.failed(&error);
        }
        if !self.watch.prepare() {
            return;
        }
        let watch = thread::Builder::new().name("wsgi-loop-watch".to_owned());
        // Without it nobody says what blocks the loop, which is all.
        let _ = watch.spawn(|| own().watch.run(own()));
    }

    /// Another process shall run what it has not begun: it does not come back.
    pub fn refuse_waiting(&self) {
        let waiting = std::mem::take(&mut self.lock().requests);
        waiting.into_iter().for_each(|conversation| conversation.refuse());
    }

    /// Says to whoever reads for it whether it does not come by.
    pub fn set_blocked(&self, is_blocked: bool) {
        if let Some(source) = self.source.get() {
            source.set_blocked(is_blocked);
        }
    }

    /// What tells of requests that it has to read.
    pub fn polled(&self) -> Option<RawFd> {
        self.source.get()?.descriptor()
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        log::write(log::ERROR, &messages::no_event_loop(error));
        self.over.store(true, SeqCst);
    }

    /// Begins, and waits until it runs; false: it never will. The calling thread is detached.
    pub fn start_and_wait(&self, host: &'static Host) -> bool {
        self.start(host);
        let mut inbox = self.lock();
        while !inbox.runs && !self.over.load(SeqCst) {
            inbox = self.turns.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        inbox.runs
    }

    /// Nobody is served any more; whoever came too late is sent to another process.
    fn end(&self) {
        let inbox = self.lock();
        self.over.store(true, SeqCst);
        self.turns.notify_all();
        drop(inbox);
        self.refuse_waiting();
        self.stop_reading();
        self.watch.wake();
    }

    /// It reads no more requests, ever.
    fn stop_reading(&self) {
        if let Some(source) = self.source.get() {
            source.end();
        }
    }

    /// The body of the thread.
    fn run(&self, py: Attached<'_>, host: &'static Host) {
        let run = || {
            let names = ScopeNames::new(py)?;
            let _ = self.names.set(names);
            let _ = self.class.set(channel::class(py)?.store());
            let _ = self.glue.set(embedded_source::run(py, SOURCE, c"<mod_wsgi asgi>", natives())?.store());
            let launch = host.launch();
            let kind = match launch.event_loop {
                launch::EventLoop::Auto => "auto",
                launch::EventLoop::Asyncio => "asyncio",
                launch::EventLoop::Uvloop => "uvloop",
            };
            let wakeup = self.wakeup.get().map_or(-1, EventFd::as_raw);
            let threads = py.int(launch.threads.max(1).into())?;
            let timeout = py.float(launch.timers.request as f64 / 1000.0)?;
            let slow = py.float(launch.timers.slow_request as f64 / 1000.0)?;
            self.call(py, "run", &[&*py.text(kind)?, &threads, &*py.int(wakeup.into())?, &timeout, &slow])
        };
        if let Err(raised) = run() {
            failures::report_startup(py, interpreter::main(), raised.take(py));
            self.failed(&"see the lines before");
            self.replace();
        }
    }

    /// Calls a function of `glue.py`.
    pub fn call<'py>(&self, py: Attached<'py>, name: &str, arguments: &[&Object]) -> Result<Owned<'py>> {
        let function = match self.glue.get() {
            Some(glue) => glue.get(py).dict_get(py, &*py.text(name)?)?,
            None => None,
        };
        let function =
            function.ok_or_else(|| Raised::new(py, crate::python::ExceptionKind::Runtime, name))?;
        function.call_out(py, arguments)
    }

    /// What has come since the last time: channels of new requests, whether there is a successor, None or the patience of
    /// the end, and the descriptor that tells of requests to be read, or -1.
    fn take<'py>(&'static self, py: Attached<'py>) -> Result<Owned<'py>> {
        // A process that a coroutine has forked off has the same eventfd.
        forked::end_if_forked();
        if let Some(wakeup) = self.wakeup.get() {
            wakeup.clear();
        }
        let (requests, is_draining, patience) = {
            let mut inbox = self.lock();
            (std::mem::take(&mut inbox.requests), inbox.is_draining, inbox.patience)
        };
        let channels = self.channels(py, requests)?;
        let patience = match patience {
            Some(patience) => py.float(patience)?,
            None => py.none().own(py),
        };
        let polled = self.polled().unwrap_or(-1);
        py.tuple(&[&channels, py.truth(is_draining), &patience, &*py.int(polled.into())?])
    }

    /// Reads the next request that is there: its channel, or None.
    fn read<'py>(&'static self, py: Attached<'py>) -> Result<Owned<'py>> {
        forked::end_if_forked();
        self.watch.pass(0);
        if let Some(conversation) = self.source.get().and_then(|source| source.take()) {
            return self.new_channel(py, conversation);
        }
        if self.polled().is_none() {
            // Others read them now; until the loop has been told it would come here again and again.
            self.ring();
        }
        Ok(py.none().own(py))
    }

    fn channels<'py>(
        &'static self,
        py: Attached<'py>,
        requests: Vec<Box<dyn Conversation>>,
    ) -> Result<Owned<'py>> {
        self.watch.pass(0);
        let channels = py.list(&[])?;
        for conversation in requests {
            match self.new_channel(py, conversation) {
                Ok(channel) => channels.list_append(&channel)?,
                // Its client is told by the end of the connection, and the others need not know.
                Err(raised) => raised.clear(py),
            }
        }
        Ok(channels)
    }

    /// The channel behind an object, if it is one.
    fn channel<'o>(&self, py: Attached<'o>, object: &'o Object) -> Option<MethodSelf<'o, AsgiChannel>> {
        self.class.get()?.cast(py, object)
    }

    fn new_channel<'py>(
        &'static self,
        py: Attached<'py>,
        conversation: Box<dyn Conversation>,
    ) -> Result<Owned<'py>> {
        let (Some(names), Some(class)) = (self.names.get(), self.class.get()) else {
            return Ok(py.none().own(py));
        };
        let channel = class.instance(py, AsgiChannel::new(names, conversation))?;
        self.watch.pass(1);
        Ok(channel)
    }

    fn runs(&self, name: &str) {
        log::write(log::INFO, &messages::loop_runs(name));
        self.lock().runs = true;
        self.turns.notify_all();
    }
}

/// `stack-size=`, or what the system gives to threads.
fn stack_size(host: &Host) -> usize {
    match host.launch().stack_size {
        0 => crate::daemon::default_stack(),
        size => size as usize,
    }
}

/// The loop of this process.
fn own() -> &'static EventLoop {
    super::STATE.event_loop()
}

/// The functions that `glue.py` expects.
fn natives() -> &'static [NativeFunction] {
    static TABLE: OnceLock<[NativeFunction; 10]> = OnceLock::new();
    TABLE.get_or_init(|| {
        [
            native(c"take", |py, _| own().take(py)),
            native(c"read_request", |py, _| own().read(py)),
            native(c"stop_reading", |py, _| {
                own().stop_reading();
                Ok(py.none().own(py))
            }),
            native(c"restarted", |py, arguments| {
                say(py, arguments, |texts| log::write(log::INFO, &messages::sockets_closed(&texts[0])))
            }),
            native(c"count_sockets", |py, arguments| {
                let count = arguments.first().and_then(|count| count.as_int(py));
                crate::daemon::leave_sockets(count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0));
                Ok(py.none().own(py))
            }),
            native(c"running", |py, arguments| say(py, arguments, |texts| own().runs(&texts[0]))),
            native(c"no_uvloop", |py, arguments| {
                say(py, arguments, |_| log::write(log::WARN, &messages::no_uvloop()))
            }),
            native(c"without_lifespan", |py, arguments| {
                say(py, arguments, |texts| {
                    log::write(log::INFO, &messages::without_lifespan(&texts[0], &texts[1]));
                })
            }),
            native(c"shutdown_failed", |py, arguments| {
                say(py, arguments, |texts| {
                    log::write(log::WARN, &messages::lifespan_ends_badly(&texts[0], &texts[1]));
                })
            }),
            native(c"escaped", |py, arguments| {
                say(py, arguments, |texts| log::write(log::ERROR, &messages::left_the_loop(&texts[0])))
            }),
        ]
    })
}

/// A function that takes texts, up to two, and returns None.
fn say<'py>(
    py: Attached<'py>,
    arguments: CallArguments<'py>,
    f: impl FnOnce(&[String; 2]),
) -> Result<Owned<'py>> {
    let text = |place: usize| arguments.get(place).map(|text| text.lossy(py)).unwrap_or_default();
    f(&[text(0), text(1)]);
    Ok(py.none().own(py))
}
