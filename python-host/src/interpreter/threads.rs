//! Thread states: one per OS thread and interpreter, made on first use and kept for the life of the thread, so that
//! thread-local data of applications persists (spec/daemon.md §5.5).
//!
//! A thread's first state belongs to the main interpreter, whatever it is for: extensions that use the simplified
//! GIL API find the first one (spec/daemon.md §8.4, 56).

use super::Interpreter;
use crate::forked;
use crate::python::{self, Attached, versions};
use crate::thread_end;
use pyo3::ffi;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// A thread state that an interpreter knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatePointer(pub *mut ffi::PyThreadState);

// SAFETY: only compared, or used when the thread it belongs to no longer does.
unsafe impl Send for StatePointer {}

struct PythonState {
    interpreter: &'static Interpreter,
    pointer: StatePointer,
    /// Made by Python together with the interpreter. It must not be deleted before the interpreter is ended: up to
    /// 3.12 an interpreter without states cannot get a new one ("thread state already initialized").
    first: bool,
}

/// The states of one OS thread.
struct ThreadStates {
    states: RefCell<Vec<PythonState>>,
    /// Where it is attached now.
    current: Cell<Option<&'static Interpreter>>,
}

thread_local! {
    /// Never dropped: see `thread_end`, which ends the states.
    static THREAD: ManuallyDrop<ThreadStates> =
        const { ManuallyDrop::new(ThreadStates { states: RefCell::new(Vec::new()), current: Cell::new(None) }) };
}

thread_local! {
    /// The state with which the thread is attached, for signal handlers, which can look at nothing else.
    static ATTACHED: Cell<*mut ffi::PyThreadState> = const { Cell::new(std::ptr::null_mut()) };
}

/// The state with which this module has attached the calling thread, or null. Async-signal-safe.
pub fn attached_state() -> *mut ffi::PyThreadState {
    ATTACHED.get()
}

/// Python is ending or has ended: threads leave their states alone.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Threads that are just ending their states.
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// From now on no thread ends its states. False: one is just doing it, and may yet come for the GIL.
pub fn close() -> bool {
    CLOSED.store(true, SeqCst);
    ENDING.load(SeqCst) == 0
}

/// Whether [`close`] was called.
pub fn is_closed() -> bool {
    CLOSED.load(SeqCst)
}

/// The interpreter that the calling thread is attached to.
pub fn current_interpreter(_: Attached<'_>) -> *mut ffi::PyInterpreterState {
    // SAFETY: attached.
    unsafe { ffi::PyInterpreterState_Get() }
}

fn current_state(_: Attached<'_>) -> StatePointer {
    // SAFETY: attached.
    StatePointer(unsafe { ffi::PyThreadState_Get() })
}

/// Takes the calling thread's current state over for `interpreter`.
pub fn adopt(py: Attached<'_>, interpreter: &'static Interpreter) {
    let pointer = current_state(py);
    THREAD.with(|thread| {
        thread.states.borrow_mut().push(PythonState { interpreter, pointer, first: true });
        thread.current.set(Some(interpreter));
    });
    interpreter.states.lock().unwrap_or_else(PoisonError::into_inner).push(pointer);
    python::note_attached(true);
}

/// Attaches the calling thread, which is detached.
pub fn attach(interpreter: &'static Interpreter) {
    THREAD.with(|thread| {
        let state = thread.state_for(interpreter);
        // SAFETY: detached by the contract; the state is this thread's.
        unsafe { python::restore(state.0) };
        thread.current.set(Some(interpreter));
        ATTACHED.set(state.0);
    });
}

/// Detaches the calling thread, which is attached. Does not return in a process that the application forked off.
pub fn detach() {
    forked::end_if_forked();
    ATTACHED.set(std::ptr::null_mut());
    let _ = python::save();
    THREAD.with(|thread| thread.current.set(None));
}

/// Python has ended: the calling thread is attached to nothing.
pub fn forget_current() {
    THREAD.with(|thread| thread.current.set(None));
}

/// Where the calling thread was attached by this module.
pub fn attached_to() -> Option<&'static Interpreter> {
    THREAD.with(|thread| thread.current.get())
}

/// Runs `f` as if the calling thread, which may have given the GIL up somewhere inside of a request, were attached
/// nowhere: httpd has begun another request inside of that one.
pub fn aside<T>(f: impl FnOnce() -> T) -> T {
    struct Return(Option<&'static Interpreter>, *mut ffi::PyThreadState);
    impl Drop for Return {
        fn drop(&mut self) {
            THREAD.with(|thread| thread.current.set(self.0));
            ATTACHED.set(self.1);
        }
    }
    let _return = Return(THREAD.with(|thread| thread.current.take()), ATTACHED.replace(std::ptr::null_mut()));
    f()
}

/// Whether the calling thread is Python's main thread.
pub fn is_main_thread() -> bool {
    THREAD.with(|thread| thread.states.borrow().iter().any(PythonState::is_of_main_thread))
}

/// Runs `f` attached to `interpreter`; the calling thread is detached before and after, or attached to another
/// interpreter before and after.
pub fn within<T>(interpreter: &'static Interpreter, f: impl FnOnce(Attached<'_>) -> T) -> T {
    struct Return(Option<&'static Interpreter>);
    impl Drop for Return {
        fn drop(&mut self) {
            detach();
            if let Some(before) = self.0 {
                attach(before);
            }
        }
    }
    let before = attached_to();
    if before.is_some() {
        detach();
    }
    attached(interpreter, |py| {
        let _return = Return(before);
        f(py)
    })
}

/// Attaches the calling thread, which is detached, and runs `f`, the last thing of which is to detach it.
pub(super) fn attached<T>(interpreter: &'static Interpreter, f: impl FnOnce(Attached<'_>) -> T) -> T {
    attach(interpreter);
    // SAFETY: attached just now; `f` is not left otherwise.
    f(unsafe { Attached::assume() })
}

/// As [`within`] for threads that come by only now and then: they leave no state behind.
pub fn visit<T>(interpreter: &'static Interpreter, f: impl FnOnce(Attached<'_>) -> T) -> T {
    let resides = THREAD.with(|thread| !thread.states.borrow().is_empty());
    let result = within(interpreter, f);
    if !resides {
        end_states();
    }
    result
}

/// Ends the interpreter that the calling thread is attached to by its last state, and leaves the thread detached.
pub(super) fn end_interpreter(py: Attached<'_>) {
    let state = current_state(py);
    // SAFETY: attached, and the state is not used any more. That others are left Python finds out itself, and ends the process.
    unsafe { ffi::Py_EndInterpreter(state.0) };
    return_from_ended();
}

/// After `Py_EndInterpreter`, which leaves the thread without a state, in some versions with the GIL.
fn return_from_ended() {
    python::note_attached(false);
    if !versions::LOCK_AFTER_END.applies() {
        return;
    }
    let main = super::main();
    THREAD.with(|thread| {
        // SAFETY: the GIL is held, and the state is this thread's own.
        unsafe { ffi::PyThreadState_Swap(thread.state_for(main).0) };
        thread.current.set(Some(main));
    });
    python::note_attached(true);
    detach();
}

/// Ends all states of the calling thread, unless it is attached: it ends in the midst of Python then.
pub fn end_states() {
    THREAD.with(|thread| {
        if thread.current.get().is_none() && !python::is_attached() {
            thread.end_states();
        }
    });
}

impl ThreadStates {
    fn state_for(&self, interpreter: &'static Interpreter) -> StatePointer {
        let mut states = self.states.borrow_mut();
        if let Some(state) = states.iter().find(|state| std::ptr::eq(state.interpreter, interpreter)) {
            return state.pointer;
        }
        if states.is_empty() {
            thread_end::arrange(end_states);
        }
        if states.is_empty() && !interpreter.is_main {
            states.push(PythonState::new(super::main()));
        }
        let state = PythonState::new(interpreter);
        let pointer = state.pointer;
        states.push(state);
        pointer
    }

    fn end_states(&self) {
        struct Ended;
        impl Drop for Ended {
            fn drop(&mut self) {
                ENDING.fetch_sub(1, SeqCst);
            }
        }
        let mut states = self.states.take();
        ENDING.fetch_add(1, SeqCst);
        let _ended = Ended;
        if CLOSED.load(SeqCst) {
            return;
        }
        // The main interpreter's goes last, as it came first.
        while let Some(state) = states.pop() {
            if state.is_of_main_thread() {
                self.states.borrow_mut().insert(0, state);
            } else if !state.first {
                state.end();
            }
        }
    }
}

impl PythonState {
    fn new(interpreter: &'static Interpreter) -> Self {
        // SAFETY: the interpreter is alive; being attached is not needed.
        let pointer = unsafe { ffi::PyThreadState_New(interpreter.raw) };
        assert!(!pointer.is_null(), "no memory for a thread state");
        let pointer = StatePointer(pointer);
        interpreter.states.lock().unwrap_or_else(PoisonError::into_inner).push(pointer);
        Self { interpreter, pointer, first: false }
    }

    fn is_of_main_thread(&self) -> bool {
        self.first && self.interpreter.is_main
    }

    /// Clears and deletes the state of the calling thread (decisions.md, "Thread states and interpreters through the
    /// stable ABI").
    fn end(self) {
        let mut known = self.interpreter.states.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = known.iter().position(|state| *state == self.pointer) else {
            // Its interpreter has ended it.
            return;
        };
        known.swap_remove(place);
        drop(known);
        // SAFETY: detached, and the state is this thread's own and alive.
        unsafe {
            python::restore(self.pointer.0);
            ffi::PyThreadState_Clear(self.pointer.0);
            let _ = python::save();
            ffi::PyThreadState_Delete(self.pointer.0);
        }
    }
}

impl Interpreter {
    /// Deletes the states of all other threads; the calling thread is attached to this interpreter, and the others
    /// will not come back.
    pub(super) fn delete_other_states(&self, py: Attached<'_>) {
        let own = current_state(py);
        let others: Vec<_> = {
            let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            let others = states.iter().copied().filter(|state| *state != own).collect();
            states.retain(|state| *state == own);
            others
        };
        for state in others {
            // SAFETY: of this interpreter, alive, and not in use by the contract.
            unsafe {
                ffi::PyThreadState_Clear(state.0);
                ffi::PyThreadState_Delete(state.0);
            }
        }
    }

    /// Forgets the calling thread's state, which ends together with the interpreter.
    pub(super) fn forget_own_state(&self) {
        THREAD.with(|thread| {
            thread.states.borrow_mut().retain(|state| !std::ptr::eq(state.interpreter, self));
            thread.current.set(None);
        });
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
