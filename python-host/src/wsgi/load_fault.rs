//! Why a script could not be loaded.

use crate::python::{Attached, ExceptionKind, NumberValues, Raised, TextValues};
use std::io;

/// Where loading failed.
pub(super) enum LoadFault {
    /// The file cannot be read; holds what the system said.
    Read(Raised, String),
    /// The source is not Python.
    Compile(Raised),
    /// The code raised.
    Execute(Raised),
}

impl LoadFault {
    /// What the system said, if the code was not even reached; empty if it said nothing.
    pub(super) fn cause(&self) -> Option<String> {
        match self {
            Self::Read(_, text) => Some(text.clone()),
            Self::Compile(_) => Some(String::new()),
            Self::Execute(_) => None,
        }
    }

    pub(super) fn raised(self) -> Raised {
        match self {
            Self::Read(raised, _) | Self::Compile(raised) | Self::Execute(raised) => raised,
        }
    }
}

/// The system's words as httpd writes them: `(13)Permission denied: `.
pub(super) fn system_text(error: &io::Error) -> String {
    let (number, text) = parts(error);
    format!("({number}){text}: ")
}

fn parts(error: &io::Error) -> (i32, String) {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    (error.raw_os_error().unwrap_or(libc::EIO), text)
}

/// Raises the OSError for a file that cannot be read.
pub(super) fn raise_io(py: Attached<'_>, error: &io::Error, path: &[u8]) -> Raised {
    let (number, text) = parts(error);
    let instance = || {
        let (number, text, path) = (py.int(number.into())?, py.text(&text)?, py.path(path)?);
        ExceptionKind::Os.class(py).call(py, &[&number, &text, &path])
    };
    match instance() {
        Ok(instance) => instance.raise(),
        Err(raised) => raised,
    }
}
