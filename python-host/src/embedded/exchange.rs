//! [`Exchange`] over httpd's C table.

use crate::exchange::{BodyError, Exchange, Hold, Outcome, SendError};
use crate::python;
use std::ffi::c_void;
use std::os::fd::{AsRawFd, BorrowedFd};
use wsgi_protocol::abi::{self, HttpdTable};

/// Blocks up to this size may wait for the end of the request, when the GIL has been given up anyway.
const HELD: usize = 32 * 1024;

/// APR's number for "try again".
const EAGAIN: i32 = libc::EAGAIN;

/// One request's way in and out.
pub struct TableExchange {
    httpd: &'static HttpdTable,
    request: *mut c_void,
    held: Vec<u8>,
    broken: Option<SendError>,
}

impl TableExchange {
    /// An exchange for httpd's `request`.
    pub fn new(httpd: &'static HttpdTable, request: *mut c_void) -> Self {
        Self { httpd, request, held: Vec::new(), broken: None }
    }

    /// Sends what was held, after the GIL was given up; how the request ended after all.
    pub fn finish(&mut self, outcome: Outcome) -> Outcome {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() || self.broken.is_some() {
            return outcome;
        }
        match self.write(&held, false) {
            Ok(()) => outcome,
            Err(_) => Outcome::Aborted,
        }
    }

    fn text(&self, error: i32) -> String {
        let mut buffer = [0; 256];
        // SAFETY: room for as many bytes as said.
        let length = unsafe { (self.httpd.error_text)(error, buffer.as_mut_ptr(), buffer.len()) };
        String::from_utf8_lossy(&buffer[..length.min(buffer.len())]).into_owned()
    }

    fn sent(&mut self, result: i32, error: i32) -> Result<(), SendError> {
        if result == abi::OK {
            return Ok(());
        }
        let error = match result {
            abi::CLIENT_GONE => SendError::ClientGone,
            _ => SendError::Failed(self.text(error)),
        };
        self.broken = Some(error.clone());
        Err(error)
    }

    fn check(&self) -> Result<(), SendError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn write(&mut self, data: &[u8], flush: bool) -> Result<(), SendError> {
        let mut error = 0;
        // SAFETY: pointer and length belong together, and the request is under way.
        let result = unsafe {
            (self.httpd.write)(self.request, data.as_ptr(), data.len(), flush.into(), &raw mut error)
        };
        self.sent(result, error)
    }

    /// Sends what is held, then `f`, all without the GIL.
    fn released(&mut self, mut f: impl FnMut(&mut Self) -> Result<(), SendError>) -> Result<(), SendError> {
        self.check()?;
        let held = std::mem::take(&mut self.held);
        let mut result = Ok(());
        python::released(&mut || {
            result = if held.is_empty() { Ok(()) } else { self.write(&held, false) };
            if result.is_ok() {
                result = f(self);
            }
        });
        result
    }
}

impl Exchange for TableExchange {
    fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        let (mut read, mut error, mut result) = (0, 0, abi::FAILED);
        python::released(&mut || {
            // SAFETY: room for as many bytes as said, and the request is under way.
            result = unsafe {
                (self.httpd.read_body)(
                    self.request,
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    &raw mut read,
                    &raw mut error,
                )
            };
        });
        match result {
            abi::OK => Ok(read.min(buffer.len())),
            _ if error == EAGAIN => Err(BodyError::Terminated),
            _ => Err(BodyError::Failed(self.text(error))),
        }
    }

    fn head(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check()?;
        // SAFETY: pointer and length belong together; nothing is sent yet, so nothing blocks.
        let result = unsafe { (self.httpd.send_head)(self.request, payload.as_ptr(), payload.len()) };
        self.sent(result, libc::EINVAL)
    }

    fn data(&mut self, block: &[u8], hold: Hold) -> Result<(), SendError> {
        self.check()?;
        if hold == Hold::Yes && self.held.len() + block.len() <= HELD {
            self.held.extend_from_slice(block);
            return Ok(());
        }
        self.released(|exchange| exchange.write(block, hold == Hold::No))
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SendError> {
        self.released(|exchange| {
            let mut error = 0;
            // SAFETY: the descriptor is open during the call, and the request is under way.
            let result = unsafe {
                (exchange.httpd.send_file)(exchange.request, file.as_raw_fd(), offset, length, &raw mut error)
            };
            exchange.sent(result, error)
        })
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        // SAFETY: pointer and length belong together, and the request is under way.
        unsafe { (self.httpd.log)(self.request, u32::from(level), text.as_ptr(), text.len()) };
    }

    fn is_gone(&mut self) -> bool {
        // SAFETY: the request is under way.
        self.broken.is_some() || unsafe { (self.httpd.is_aborted)(self.request) } == 1
    }
}
