//! The small safe layer over `pyo3::ffi`: a proof of being attached, handles, exceptions, classes. It keeps no Python
//! object of its own, so that everything belongs to exactly one interpreter (decisions.md, "All Python state is per
//! interpreter").

mod buffer;
mod bytes_repr;
pub mod class;
pub mod embedded_source;
mod exceptions;
mod handles;
mod object;
mod raised;
mod stable_abi;
pub mod symbols;
pub mod trampoline;
mod values;
pub mod versions;

pub use buffer::BufferView;
pub use bytes_repr::bytes_repr;
pub use exceptions::{Exception, ExceptionKind, PanicCleanup, base_exception};
pub use handles::{Object, ObjectSlot, Owned, Stored};
pub use object::{import, modules};
pub use raised::{Raised, Result};
pub use symbols::version_text;
pub use values::{NumberValues, TextValues};

use pyo3::ffi;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Proof that the thread has the GIL of an interpreter for as long as `'py`.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'py>(PhantomData<(&'py (), *const ())>);

impl<'py> Attached<'py> {
    /// # Safety
    /// The thread is attached to an interpreter and stays so for `'py`, but for calls that end up in [`detached`].
    #[must_use]
    pub unsafe fn assume() -> Self {
        Self(PhantomData)
    }
}

/// What waiting for the GIL cost this thread since it was last asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct GilWaits {
    /// Whether anybody wants to know.
    pub measured: bool,
    /// Seconds.
    pub seconds: f64,
    /// Number of waits.
    pub count: u64,
}

thread_local! {
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
    static ENTRY: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static WAITS: Cell<GilWaits> = const { Cell::new(GilWaits { measured: false, seconds: 0.0, count: 0 }) };
}

/// Begins to measure waits for the GIL on this thread, or ends it; returns what was measured so far.
pub fn measure_waits(measured: bool) -> GilWaits {
    WAITS.replace(GilWaits { measured, ..GilWaits::default() })
}

/// Whether waits are measured on this thread, which is when somebody wants to know what things cost.
pub fn measures_waits() -> bool {
    WAITS.get().measured
}

/// Notes that the request which the calling thread is about to run waited since then for the GIL, or at the gate before it.
pub fn note_entry(since: Instant) {
    ENTRY.set(ENTRY.get() + since.elapsed());
}

/// How long the request that has just got the GIL waited for it.
pub fn take_entry_wait() -> Duration {
    ENTRY.take()
}

/// Counts a wait that took place before [`measure_waits`].
pub fn add_wait(wait: Duration) {
    /// Getting what is free takes some time as well.
    const LEAST: Duration = Duration::from_micros(20);
    if wait >= LEAST {
        let waits = WAITS.get();
        WAITS.set(GilWaits { seconds: waits.seconds + wait.as_secs_f64(), count: waits.count + 1, ..waits });
    }
}

/// # Safety
/// The thread is detached, and `state` is its own state of a living interpreter.
pub unsafe fn restore(state: *mut ffi::PyThreadState) {
    let waits = WAITS.get();
    let start = Instant::now();
    // SAFETY: by the contract.
    unsafe { ffi::PyEval_RestoreThread(state) };
    note_attached(true);
    let waited = start.elapsed();
    crate::waits::add(waited);
    if waits.measured {
        let seconds = waits.seconds + waited.as_secs_f64();
        WAITS.set(GilWaits { seconds, count: waits.count + 1, ..waits });
    }
}

/// Detaches the calling thread, which is attached; the state is for [`restore`].
pub fn save() -> *mut ffi::PyThreadState {
    note_attached(false);
    // SAFETY: attached by the contract.
    unsafe { ffi::PyEval_SaveThread() }
}

/// Notes whether the calling thread is attached, where that changes without [`save`] and [`restore`].
pub fn note_attached(attached: bool) {
    ATTACHED.set(attached);
}

/// Whether the calling thread is known to be attached. False on Python's own threads until they gave the GIL up once.
pub fn is_attached() -> bool {
    ATTACHED.get()
}

/// Runs `f` with the proof that the calling thread is attached, if it is known to be; nothing in it leaves the interpreter but
/// to come back.
pub fn with_attached<T>(f: impl FnOnce(Attached<'_>) -> T) -> Option<T> {
    // SAFETY: attached by the check.
    is_attached().then(|| f(unsafe { Attached::assume() }))
}

/// Runs `f` without the GIL and takes it back afterwards, also when `f` panics. The calling thread is attached.
pub fn detached<T>(f: impl FnOnce() -> T + Send) -> T {
    let mut f = Some(f);
    let mut result = None;
    released(&mut || result = f.take().map(|f| f()));
    // `released` calls its closure exactly once or unwinds.
    result.expect("called")
}

/// As [`detached`] for an [`crate::exchange::Exchange`], which is not `Send` but does not touch Python objects.
pub fn released(f: &mut dyn FnMut()) {
    struct Reattach(*mut ffi::PyThreadState);
    impl Drop for Reattach {
        fn drop(&mut self) {
            // SAFETY: the state that this thread gave up below.
            unsafe { restore(self.0) }
        }
    }
    let _back = Reattach(save());
    f();
}

/// As [`released`], for threads that may have given the GIL up already.
pub fn released_if_attached(f: &mut dyn FnMut()) {
    if is_attached() { released(f) } else { f() }
}

/// Locks, without keeping the GIL from whoever holds the lock. Nobody may run Python code under such a lock but
/// the ones that say so.
pub fn lock<'m, T>(_: Attached<'_>, mutex: &'m Mutex<T>) -> MutexGuard<'m, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => {
            let mut guard = None;
            released(&mut || guard = Some(mutex.lock().unwrap_or_else(PoisonError::into_inner)));
            // `released` called its closure.
            guard.expect("called")
        }
    }
}

/// What Python calls the calling thread.
pub fn thread_ident() -> u64 {
    // SAFETY: the number only names this thread; also without the GIL.
    unsafe { ffi::PyThread_get_thread_ident() as u64 }
}

/// Raises an exception of a class in a thread of this interpreter as soon as that runs Python code; whether there is such a
/// thread.
pub fn raise_in_thread(py: Attached<'_>, ident: u64, class: &Object) -> bool {
    pend(py, ident, Some(class)) > 0
}

/// Nothing is raised in the calling thread any more.
pub fn raise_nothing(py: Attached<'_>) {
    pend(py, thread_ident(), None);
}

/// Has `class` raised in a thread; none clears what is pending there.
fn pend(_: Attached<'_>, ident: u64, class: Option<&Object>) -> i32 {
    // SAFETY: attached; the class is alive.
    unsafe { ffi::PyThreadState_SetAsyncExc(ident as _, class.map_or(ptr::null_mut(), Object::as_ptr)) }
}
