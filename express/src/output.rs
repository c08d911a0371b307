//! What the command prints. A reader that has gone (`| head`) is no error, and ends nothing.

use crate::problem::ExpressError;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Prints on standard output.
///
/// # Errors
/// What cannot be written for another reason than that nobody reads.
pub fn print(text: impl Display) -> Result<(), ExpressError> {
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(ExpressError::Machine(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a line about the command itself on standard error.
pub fn tell(text: impl Display) {
    tell_plainly(format_args!("{}: {text}\n", crate::NAME));
}

/// Prints on standard error what somebody else has said.
pub fn tell_plainly(text: impl Display) {
    let _ = write!(std::io::stderr(), "{text}"); // there is nowhere to say that it failed
}
