//! The small safe layer over `pyo3::ffi`.

use pyo3::ffi;

/// Runs `f` without the GIL and takes it back afterwards, also when `f` panics.
pub fn detached<T>(f: impl FnOnce() -> T) -> T {
    struct Back(*mut ffi::PyThreadState);
    impl Drop for Back {
        fn drop(&mut self) {
            // SAFETY: the state that this thread gave up in `detached`.
            unsafe { ffi::PyEval_RestoreThread(self.0) }
        }
    }
    // SAFETY: by this module's contract the caller holds the GIL.
    let _back = Back(unsafe { ffi::PyEval_SaveThread() });
    f()
}

/// [`detached`] for callers that need a plain function pointer.
pub fn released(f: &mut dyn FnMut()) {
    detached(f);
}
