//! The seam between WSGI and the way a request came in: a daemon's socket or an httpd child's C table.
//!
//! WSGI code calls these methods with the GIL held; an implementation gives the GIL up (by
//! `crate::python::detached`) around anything that may block, and never touches Python objects.

use std::os::fd::BorrowedFd;

/// Why reading the request body failed; the texts applications see are made from it (spec/behaviour.md §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// The client went away, stalled, or sent a malformed body; holds APR's text for it.
    Failed(String),
    /// The operation has to be tried again by nobody: "Connection was terminated".
    Terminated,
}

/// Why sending to the client failed (spec/behaviour.md §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The client's connection is known to be closed.
    ClientGone,
    /// The output chain or the socket to httpd failed; holds the system's or APR's text.
    Failed(String),
}

/// Whether a block may wait for what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldBack {
    /// The application runs next and may take its time: the block must leave now.
    No,
    /// More output or the end follows without application code in between: it may be coalesced.
    Yes,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// Head and body are complete.
    Complete,
    /// Nothing was committed: httpd answers with this status by its own error handling.
    Fail(u16),
    /// Broke off after the head was committed: the client must see a broken connection.
    Aborted,
    /// Not started: it is for an ASGI application, and the event loop of the process shall run it.
    ForLoop,
    /// Not started: the script changed or the process ends; another process shall run it.
    Refused,
}

/// One request's way in and out.
pub trait Exchange {
    /// Reads up to `buffer.len()` body bytes; 0 is end of input. Blocks until at least one byte is there.
    ///
    /// # Errors
    /// See [`BodyError`]; after an error the caller does not read again.
    fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError>;

    /// Takes the encoded head (`wsgi_protocol::response`). It may be held until the first block or the end.
    ///
    /// # Errors
    /// See [`SendError`].
    fn head(&mut self, payload: &[u8]) -> Result<(), SendError>;

    /// Sends one non-empty block of the response body.
    ///
    /// # Errors
    /// See [`SendError`].
    fn data(&mut self, block: &[u8], hold: HoldBack) -> Result<(), SendError>;

    /// Sends `length` bytes of a regular file from `offset`. The descriptor is duplicated before returning.
    ///
    /// # Errors
    /// See [`SendError`].
    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SendError>;

    /// Logs one record in the request's context. `level` is httpd's number (3 error, 4 warning, 6 info).
    fn log(&mut self, level: u8, text: &[u8]);

    /// Whether the client or httpd is known to be gone, without blocking.
    fn is_gone(&mut self) -> bool;

    /// Whether mod_ssl says that the client's connection is TLS. False where mod_ssl cannot be asked: in daemons.
    fn ssl_is_https(&mut self) -> bool {
        false
    }

    /// A variable of mod_ssl; none where mod_ssl cannot be asked.
    fn ssl_variable(&mut self, _name: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
