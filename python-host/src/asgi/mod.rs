//! ASGI 3.0 in daemon processes: one event loop per process, on a thread of its own in the main interpreter.
//!
//! A worker reads a request, without the GIL if it can be known what it is for, and hands it over as a
//! [`Conversation`]. An eventfd wakes the loop, which takes all that have come (`event_loop`). Once many in a row were for the
//! loop it reads them itself ([`RequestSource`]), which saves a switch of threads for each. What the application awaits
//! is Python (`glue.py`); what it calls is a `Channel`, which reads and writes frames on the connection without waiting
//! (`channel`). Only where the socket is empty or full does a coroutine wait, by the loop's own readers and writers.

mod channel;
mod event_loop;
mod files;
mod head;
mod log_scope;
mod names;
mod scope;
mod startup;
mod websocket;

pub use startup::{start_heir, start_mounted};

use crate::conversation::{Conversation, RequestSource};
use crate::daemon::BlockedLoop;
use crate::host::Host;
use crate::interpreter::Interpreter;
use crate::log;
use crate::messages;
use crate::python::{Attached, ExceptionKind, Object, Owned, Raised, Result, Stored};
use event_loop::EventLoop;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;
use wsgi_protocol::launch::ApplicationInterface;
use wsgi_protocol::request::{RequestFlags, RequestHead};

/// What is known of ASGI in this process.
#[derive(Debug)]
pub struct AsgiState {
    /// Callables that are ASGI applications.
    known: RwLock<Vec<KnownApplications>>,
    any: AtomicBool,
    event_loop: OnceLock<EventLoop>,
}

/// That of this process.
pub static STATE: AsgiState =
    AsgiState { known: RwLock::new(Vec::new()), any: AtomicBool::new(false), event_loop: OnceLock::new() };

#[derive(Debug, PartialEq, Eq)]
struct KnownApplications {
    script: Vec<u8>,
    group: Vec<u8>,
    callable: Vec<u8>,
    interface: ApplicationInterface,
}

impl KnownApplications {
    fn is(&self, head: &RequestHead<'_>, interface: ApplicationInterface) -> bool {
        self.script == head.script
            && self.callable == head.callable
            && self.group == head.application_group
            && self.interface == interface
    }
}

/// How the request's application is called by its alias; `Auto` leaves it to the group.
fn written(flags: RequestFlags) -> ApplicationInterface {
    match (flags.has(RequestFlags::ASGI), flags.has(RequestFlags::WSGI)) {
        (true, _) => ApplicationInterface::Asgi,
        (_, true) => ApplicationInterface::Wsgi,
        _ => ApplicationInterface::Auto,
    }
}

impl AsgiState {
    /// Whether a request is known to be for an ASGI application.
    pub fn knows(&self, head: &RequestHead<'_>) -> bool {
        if !self.any.load(Relaxed) {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|known| known.is(head, written(head.flags)))
    }

    /// The next request for the same is for the loop.
    fn note(&self, interpreter: &Interpreter, head: &RequestHead<'_>) {
        let interface = written(head.flags);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|known| known.is(head, interface)) {
            return;
        }
        let place = interpreter.place();
        log::write(log::INFO, &messages::is_asgi(head.script, head.callable, &place));
        known.push(KnownApplications {
            script: head.script.to_vec(),
            group: head.application_group.to_vec(),
            callable: head.callable.to_vec(),
            interface,
        });
        self.any.store(true, Relaxed);
    }

    fn event_loop(&self) -> &EventLoop {
        self.event_loop.get_or_init(EventLoop::default)
    }

    /// Has the loop run a request.
    pub fn converse(&self, host: &'static Host, conversation: Box<dyn Conversation>) {
        self.event_loop().take_in(host, conversation);
    }

    /// The loop reads its requests from `source` itself.
    pub fn read_requests(&self, source: &'static dyn RequestSource) {
        self.event_loop().read_requests(source);
    }

    /// Has the loop look whether it shall.
    pub fn ring(&self) {
        if let Some(event_loop) = self.event_loop.get() {
            event_loop.ring();
        }
    }

    /// Another process shall run what waits for a loop that does not come back.
    pub fn refuse_waiting(&self) {
        if let Some(event_loop) = self.event_loop.get() {
            event_loop.refuse_waiting();
        }
    }

    /// Ends the loop; `patience` is for the requests that it runs.
    pub fn stop(&self, patience: Option<Duration>) {
        if let Some(event_loop) = self.event_loop.get() {
            event_loop.stop(patience);
        }
    }

    /// How the loop is blocked, as far as its watch knows.
    pub fn blocked(&self) -> Option<BlockedLoop> {
        let event_loop = self.event_loop.get().filter(|event_loop| !event_loop.has_ended())?;
        event_loop.watch.blocked()
    }

    /// Says that it is for longer than a request may take. May wait for the GIL for ever.
    pub fn tell_overdue(&self, seconds: f64) {
        if let Some(event_loop) = self.event_loop.get() {
            event_loop.watch.tell_overdue(event_loop, seconds);
        }
    }

    /// New requests go to a successor: WebSockets are closed.
    pub fn drain(&self) {
        if let Some(event_loop) = self.event_loop.get() {
            event_loop.drain();
        }
    }

    /// Whether there is no loop (any more).
    pub fn is_over(&self) -> bool {
        self.event_loop.get().is_none_or(EventLoop::is_over)
    }
}

/// Whether a request's callable is an ASGI application, by what is written or by its looks.
pub fn is_asgi(
    py: Attached<'_>,
    interpreter: &Interpreter,
    flags: RequestFlags,
    application: &Object,
) -> bool {
    let group = interpreter.host.launch().interface;
    match (written(flags), group) {
        (ApplicationInterface::Asgi, _) | (ApplicationInterface::Auto, ApplicationInterface::Asgi) => true,
        (ApplicationInterface::Wsgi, _) | (ApplicationInterface::Auto, ApplicationInterface::Wsgi) => false,
        (ApplicationInterface::Auto, ApplicationInterface::Auto) => {
            looks_like_it(py, interpreter, application)
        }
    }
}

/// Whether a callable looks like an ASGI application.
fn looks_like_it(py: Attached<'_>, interpreter: &Interpreter, application: &Object) -> bool {
    let answer = interpreter.fixture(py, "is_asgi", &[application]);
    answer.and_then(|answer| answer.is_true()).unwrap_or_else(|raised| {
        raised.clear(py);
        false
    })
}

/// An entry of a message.
fn entry<'py>(py: Attached<'py>, message: &Object, key: &Stored) -> Result<Option<Owned<'py>>> {
    if !message.is_dict() {
        let text = format!("a message must be a dict, not {}", message.type_name(py));
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    message.dict_get(py, key.get(py))
}

/// A request of the loop has ended.
fn left() {
    STATE.event_loop().watch.left();
}

/// Notes that requests like this one are for the loop.
pub fn note(interpreter: &Interpreter, head: &RequestHead<'_>) {
    STATE.note(interpreter, head);
}
