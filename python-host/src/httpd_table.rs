//! What httpd's C table offers (`wsgi_protocol::abi`), as safe functions.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::OnceLock;
use wsgi_protocol::abi::{FAILED, HttpdTable, OK};

/// httpd's table, in embedded mode.
static HTTPD: OnceLock<&'static HttpdTable> = OnceLock::new();

/// Keeps the table.
pub fn set(table: &'static HttpdTable) {
    // A second call brings the same table.
    let _ = HTTPD.set(table);
}

/// Writes one record to the server's log. False: there is no table.
pub fn log(level: u8, text: &[u8]) -> bool {
    let Some(httpd) = HTTPD.get() else { return false };
    // SAFETY: pointer and length belong together, and a null request is the server's log.
    unsafe { (httpd.log)(ptr::null_mut::<c_void>(), u32::from(level), text.as_ptr(), text.len()) };
    true
}

/// httpd's encoded scoreboard as far as it fits, and how long it is; empty if applications may not see it.
pub fn scoreboard(buffer: &mut [u8]) -> Option<usize> {
    let httpd = HTTPD.get()?;
    // SAFETY: room for as many bytes as said.
    Some(unsafe { (httpd.scoreboard)(buffer.as_mut_ptr(), buffer.len()) })
}

/// A request of httpd's that is under way.
#[derive(Debug, Clone, Copy)]
pub struct HttpdRequest {
    httpd: &'static HttpdTable,
    request: *mut c_void,
}

// SAFETY: the handle is used by one thread at a time (see `crate::coalesce`).
unsafe impl Send for HttpdRequest {}

/// An APR status.
pub type AprStatus = i32;

impl HttpdRequest {
    /// `None`: there is no table.
    ///
    /// # Safety
    /// `request` came from httpd, and stays under way as long as this is used.
    pub unsafe fn new(request: *mut c_void) -> Option<Self> {
        Some(Self { httpd: HTTPD.get()?, request })
    }

    /// Sends a block of the response. Not `Ok`: what the table says of the failure.
    pub fn write(self, data: &[u8], flush: bool) -> Result<(), (i32, AprStatus)> {
        let mut error = 0;
        // SAFETY: pointer and length belong together, and the request is under way.
        let result = unsafe {
            (self.httpd.write)(self.request, data.as_ptr(), data.len(), flush.into(), &raw mut error)
        };
        checked(result, error)
    }

    /// Sends a part of a file.
    pub fn send_file(self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), (i32, AprStatus)> {
        let mut error = 0;
        // SAFETY: the descriptor is open during the call, and the request is under way.
        let result =
            unsafe { (self.httpd.send_file)(self.request, file.as_raw_fd(), offset, length, &raw mut error) };
        checked(result, error)
    }

    /// Commits status and headers.
    pub fn send_head(self, payload: &[u8]) -> Result<(), (i32, AprStatus)> {
        // SAFETY: pointer and length belong together, and the request is under way.
        let result = unsafe { (self.httpd.send_head)(self.request, payload.as_ptr(), payload.len()) };
        checked(result, libc::EINVAL)
    }

    /// Reads a part of the request's body; nothing at its end.
    pub fn read_body(self, buffer: &mut [u8]) -> Result<usize, AprStatus> {
        let (mut read, mut error) = (0, 0);
        // SAFETY: room for as many bytes as said, and the request is under way.
        let result = unsafe {
            let (place, room) = (buffer.as_mut_ptr(), buffer.len());
            (self.httpd.read_body)(self.request, place, room, &raw mut read, &raw mut error)
        };
        if result == OK { Ok(read.min(buffer.len())) } else { Err(error) }
    }

    /// Logs one record.
    pub fn log(self, level: u8, text: &[u8]) {
        // SAFETY: pointer and length belong together, and the request is under way.
        unsafe { (self.httpd.log)(self.request, u32::from(level), text.as_ptr(), text.len()) }
    }

    /// Whether the client's connection is known to be broken.
    pub fn is_aborted(self) -> bool {
        // SAFETY: the request is under way.
        unsafe { (self.httpd.is_aborted)(self.request) == 1 }
    }

    /// Whether mod_ssl says that the client's connection is TLS.
    pub fn ssl_is_https(self) -> bool {
        // SAFETY: the request is under way.
        unsafe { (self.httpd.ssl_is_https)(self.request) == 1 }
    }

    /// A variable of mod_ssl.
    pub fn ssl_variable(self, name: &[u8]) -> Option<Vec<u8>> {
        let (mut text, mut length) = (ptr::null(), 0);
        let (place, length_place) = (&raw mut text, &raw mut length);
        // SAFETY: pointer and length belong together, the request is under way, and a text that is found lives as long as it.
        unsafe {
            let found =
                (self.httpd.ssl_variable)(self.request, name.as_ptr(), name.len(), place, length_place);
            (found == OK && !text.is_null()).then(|| std::slice::from_raw_parts(text, length).to_vec())
        }
    }

    /// Gives one answer of a host script. False: it is lost.
    pub fn answer(self, number: u32, text: &[u8]) -> bool {
        // SAFETY: pointer and length belong together, and the request is under way.
        unsafe { (self.httpd.answer)(self.request, number, text.as_ptr(), text.len()) == OK }
    }

    /// APR's text of a status.
    pub fn error_text(self, error: AprStatus) -> String {
        let mut buffer = [0; 256];
        // SAFETY: room for as many bytes as said.
        let length = unsafe { (self.httpd.error_text)(error, buffer.as_mut_ptr(), buffer.len()) };
        String::from_utf8_lossy(&buffer[..length.min(buffer.len())]).into_owned()
    }
}

fn checked(result: i32, error: AprStatus) -> Result<(), (i32, AprStatus)> {
    debug_assert!(result == OK || result >= FAILED);
    if result == OK { Ok(()) } else { Err((result, error)) }
}
