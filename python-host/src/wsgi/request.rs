//! One request as its Python objects share it: they outlive it, and must find that it is over.

use super::body::RequestBody;
use super::lines::LineBuffer;
use super::response_state::ResponseState;
use crate::exchange::Exchange;
use crate::interpreter::{self, Interpreter};
use crate::log;
use crate::python::{Attached, Stored, lock};
use std::ptr::{self, NonNull};
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Mutex, PoisonError, TryLockError};
use wsgi_protocol::request::RequestFlags;

/// See the module's comment. The locks are held for moments, but `live` and `body`, which may be held while the GIL
/// is given up: hence `crate::python::lock` everywhere, and no Python code while one is held.
pub struct RequestState {
    /// Where it runs.
    pub interpreter: &'static Interpreter,
    /// Number of the thread that runs it.
    pub thread_id: u32,
    /// httpd sends no body.
    pub head_only: bool,
    /// Nobody wants to see the body.
    pub discards_body: bool,
    /// What was read of the body.
    pub body: Mutex<RequestBody>,
    /// The log line that has not ended yet.
    pub lines: Mutex<LineBuffer>,
    /// What was sent.
    pub response: Mutex<ResponseState>,
    /// What `mod_wsgi.active_requests` knows it by.
    pub registered: Mutex<Option<RegisteredRequest>>,
    /// `sys.stdout` and `sys.stderr` of its thread belong to it.
    pub owns_streams: AtomicBool,
    log_level: u32,
    live: Mutex<Option<LiveRequest>>,
    /// Records of another thread that came while this one was sending or receiving.
    late: Mutex<Vec<(u8, Vec<u8>)>>,
    has_late: AtomicBool,
}

/// What `active_requests` and the events know a request by.
#[derive(Debug)]
pub struct RegisteredRequest {
    /// httpd's log id, if it has one.
    pub(super) id: Option<Stored>,
    /// The dict of the application.
    pub data: Stored,
}

/// What is there as long as the request runs.
struct LiveRequest {
    exchange: NonNull<dyn Exchange>,
    /// `[script <path>] `
    prefix: Vec<u8>,
}

// SAFETY: the exchange is only used under the lock, and taken away before it ends.
unsafe impl Send for LiveRequest {}

thread_local! {
    /// For the thread itself; others look through its [`RequestWindow`].
    static CURRENT: AtomicPtr<RequestState> = const { AtomicPtr::new(ptr::null_mut()) };
}

fn current_pointer() -> *mut RequestState {
    CURRENT.with(|current| current.load(Relaxed))
}

/// Where other threads can see which request a thread runs, and in which interpreter. Written by that thread only, with the GIL
/// of that interpreter.
#[derive(Debug, Default)]
pub struct RequestWindow {
    /// Number of the interpreter; 0 between two requests.
    interpreter: AtomicUsize,
    /// Null before the request is there, and when it is over.
    state: AtomicPtr<RequestState>,
}

impl RequestWindow {
    /// The thread, which is attached to `interpreter`, begins a request there.
    pub fn enter(&self, _: Attached<'_>, interpreter: &'static Interpreter) {
        self.interpreter.store(interpreter.number(), Release);
    }

    /// And has ended it.
    pub fn leave(&self) {
        self.interpreter.store(0, Release);
    }

    /// Where the thread runs a request.
    pub fn interpreter(&self) -> Option<&'static Interpreter> {
        interpreter::numbered(self.interpreter.load(Acquire))
    }

    /// Shows the request that the thread runs, until the guard is dropped, which is with the GIL held, too.
    pub fn show<'w>(&'w self, _: Attached<'_>, state: &'w RequestState) -> impl Drop + 'w {
        struct ShownRequest<'w>(&'w RequestWindow);
        impl Drop for ShownRequest<'_> {
            fn drop(&mut self) {
                self.0.state.store(ptr::null_mut(), Relaxed);
            }
        }
        self.state.store(ptr::from_ref(state).cast_mut(), Relaxed);
        ShownRequest(self)
    }

    /// Calls `f` with the request that the thread runs, if it is in the interpreter that the caller is attached to.
    pub fn with_request<T>(&self, py: Attached<'_>, f: impl FnOnce(&RequestState) -> T) -> Option<T> {
        let here = self.interpreter().filter(|there| interpreter::is_current(py, there))?;
        // SAFETY: the thread shows and hides its requests in this interpreter with the GIL held, which the caller has.
        let state = unsafe { self.state.load(Relaxed).as_ref() }?;
        ptr::eq(state.interpreter, here).then(|| f(state))
    }
}

/// The request that the calling thread runs in this interpreter.
pub fn current<'py>(py: Attached<'py>) -> Option<&'py RequestState> {
    // SAFETY: `RunningRequest` keeps the pointer valid, and this thread cannot leave the request before `'py` ends: whatever
    // runs Python code on it was called from there.
    let state = unsafe { current_pointer().as_ref() }?;
    let here = interpreter::current(py)?;
    ptr::eq(state.interpreter, here).then_some(state)
}

/// Logs in the calling thread's request, if there is one whose log is open, and else in the server's.
pub fn log_current(py: Attached<'_>, level: u8, text: &str) {
    match current(py) {
        Some(state) if !lock(py, &state.lines).closed => state.log_with_script(py, level, text.as_bytes()),
        _ => log::write(level, text),
    }
}

/// Whether [`log_current`] would write a record of this level.
pub fn is_logged(level: u8) -> bool {
    // SAFETY: as in `current`; a plain number is read.
    match unsafe { current_pointer().as_ref() } {
        Some(state) => state.wants(level),
        None => log::wants(level),
    }
}

/// Makes a request the calling thread's current one, until it is dropped.
pub struct RunningRequest {
    before: *mut RequestState,
}

impl RunningRequest {
    /// The request must stay alive at least as long.
    pub fn begin(state: &RequestState) -> Self {
        let before = current_pointer();
        CURRENT.with(|current| current.store(ptr::from_ref(state).cast_mut(), Relaxed));
        Self { before }
    }

    /// Until it is dropped, the calling thread runs no request that Python code could ask for.
    pub fn nothing() -> Self {
        Self { before: CURRENT.with(|current| current.swap(ptr::null_mut(), Relaxed)) }
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        CURRENT.with(|current| current.store(self.before, Relaxed));
    }
}

impl RequestState {
    /// A request that goes in and out by `exchange`, until [`RequestState::end`].
    pub fn new(
        interpreter: &'static Interpreter,
        thread_id: u32,
        (log_level, flags): (u32, RequestFlags),
        script: &[u8],
        exchange: &mut dyn Exchange,
    ) -> Self {
        let mut prefix = Vec::with_capacity(script.len() + 10);
        prefix.extend_from_slice(b"[script ");
        prefix.extend_from_slice(script);
        prefix.extend_from_slice(b"] ");
        let exchange: *mut (dyn Exchange + '_) = exchange;
        // SAFETY: only the lifetime changes: `end` takes the pointer away before the exchange ends.
        let exchange = unsafe {
            std::mem::transmute::<*mut (dyn Exchange + '_), *mut (dyn Exchange + 'static)>(exchange)
        };
        Self {
            interpreter,
            thread_id,
            head_only: flags.has(RequestFlags::HEAD_ONLY),
            discards_body: flags.has(RequestFlags::HEAD_ONLY) && !flags.has(RequestFlags::HEAD_IS_FILTERED),
            body: Mutex::default(),
            lines: Mutex::default(),
            response: Mutex::default(),
            registered: Mutex::default(),
            owns_streams: AtomicBool::new(false),
            log_level,
            live: Mutex::new(NonNull::new(exchange).map(|exchange| LiveRequest { exchange, prefix })),
            late: Mutex::default(),
            has_late: AtomicBool::new(false),
        }
    }

    /// Uses the exchange; `None` when the request is over.
    pub fn exchange<T>(&self, py: Attached<'_>, f: impl FnOnce(&mut dyn Exchange) -> T) -> Option<T> {
        let mut live = lock(py, &self.live);
        // SAFETY: valid until `end`, which takes this lock; nobody else has it now.
        live.as_mut().map(|live| f(unsafe { live.exchange.as_mut() }))
    }

    /// Whether the request is not over.
    pub fn is_active(&self, py: Attached<'_>) -> bool {
        lock(py, &self.live).is_some()
    }

    /// The request is over. Waits for another thread that is just using it.
    pub fn end(&self, py: Attached<'_>) {
        if self.has_late.load(Relaxed) {
            let late = std::mem::take(&mut *lock(py, &self.late));
            late.iter().for_each(|(level, text)| self.log_with_script(py, *level, text));
        }
        lock(py, &self.live).take();
    }

    /// Logs behind the name of the script, from another thread than the one that runs the request. Never waits for
    /// that one: while it sends or receives, the record is left for it.
    pub fn log_from_outside(&self, py: Attached<'_>, level: u8, text: &[u8]) {
        if !self.wants(level) {
            return;
        }
        let mut live = match self.live.try_lock() {
            Ok(live) => live,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.late.lock().unwrap_or_else(PoisonError::into_inner).push((level, text.to_vec()));
                self.has_late.store(true, Relaxed);
                return;
            }
        };
        self.write(py, live.as_mut(), level, b"", text);
    }

    /// Whether records of this level are written for this request.
    pub fn wants(&self, level: u8) -> bool {
        u32::from(level) <= self.log_level
    }

    /// Logs a record behind the name of the script.
    pub fn log_with_script(&self, py: Attached<'_>, level: u8, text: &[u8]) {
        self.log_parts(py, level, b"", text);
    }

    /// Logs a record: `number`, the name of the script, then the text.
    pub fn log_parts(&self, py: Attached<'_>, level: u8, number: &[u8], text: &[u8]) {
        if !self.wants(level) {
            return;
        }
        self.write(py, lock(py, &self.live).as_mut(), level, number, text);
    }

    fn write(&self, _: Attached<'_>, live: Option<&mut LiveRequest>, level: u8, number: &[u8], text: &[u8]) {
        // A request that is over has nobody to tell.
        if let Some(live) = live {
            let record = [number, &live.prefix, text].concat();
            // SAFETY: as in `exchange`.
            unsafe { live.exchange.as_mut() }.log(level, &record);
        }
    }

    /// Whether the calling thread's streams write to this request's log.
    pub fn has_streams(&self) -> bool {
        self.owns_streams.load(Relaxed)
    }
}
