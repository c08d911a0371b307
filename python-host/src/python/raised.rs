//! `Err(Raised)` means that an exception is set in the thread state, as CPython's own functions say it.

/// An exception is set in the thread state.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Raised;

/// What a call into Python gives.
pub type Result<T> = std::result::Result<T, Raised>;

impl Raised {
    /// The result of a function that says -1 for failure.
    #[inline]
    pub fn check(result: i32) -> Result<()> {
        if result < 0 { Err(Self) } else { Ok(()) }
    }
}
