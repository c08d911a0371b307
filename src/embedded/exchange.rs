//! What the host calls while it has a request: body, response, log, mod_ssl, and the answers of host scripts.

use crate::buffered::{BodyReader, BufferedBody};
use crate::config;
use crate::environ;
use crate::httpd::brigade::{AprStatus, Brigade, BrigadePiece, SMALL};
use crate::httpd::log::{self as error_log, LogLevel};
use crate::httpd::request::Request;
use crate::messages;
use crate::respond::{self, HeadSource};
use std::ffi::c_void;
use std::ptr;
use wsgi_protocol::abi;
use wsgi_protocol::response::ResponseHead;

/// A request as the host's callbacks see it.
pub struct RequestHandle<'r> {
    r: Request<'r>,
    /// What is on its way to the client.
    pub out: Brigade<'r>,
    /// What was received before; it comes first.
    received: BodyReader,
    input: Brigade<'r>,
    input_ended: bool,
    has_body: bool,
    /// The head is on its way.
    pub committed: bool,
    /// A filter of httpd's has sent its own error page: nothing may follow it (spec/behaviour.md §2.3).
    pub answered: bool,
    /// The system may copy files to the client's socket.
    sendfile: bool,
    /// Why the input ended after bytes that went to the host first.
    input_failure: Option<AprStatus>,
    /// What a host script said.
    answers: Vec<(u32, Vec<u8>)>,
}

/// # Safety
/// `request` is the handle of the request under way.
unsafe fn handle<'h>(request: *mut c_void) -> &'h mut RequestHandle<'h> {
    // SAFETY: by the contract; the host makes one call at a time for a request.
    unsafe { &mut *request.cast() }
}

/// # Safety
/// See [`abi::HttpdTable::read_body`].
pub unsafe fn read_body(
    request: *mut c_void,
    buffer: *mut u8,
    len: usize,
    read: *mut usize,
    error: *mut i32,
) -> i32 {
    // SAFETY: by the contract.
    let (handle, buffer) = unsafe { (handle(request), std::slice::from_raw_parts_mut(buffer, len)) };
    let result = handle.read(buffer);
    // SAFETY: the host gives valid places for both.
    unsafe {
        match result {
            Ok(got) => {
                *read = got;
                abi::OK
            }
            Err(status) => {
                *error = status.0;
                handle.answered |= status.is_answered();
                handle.r.close_connection();
                abi::FAILED
            }
        }
    }
}

impl<'r> RequestHandle<'r> {
    /// For a request under way.
    pub fn new(
        r: Request<'r>,
        has_body: bool,
        buffered: Option<BufferedBody<'r>>,
        enable_sendfile: bool,
    ) -> Self {
        let input_ended = buffered.as_ref().is_some_and(|buffered| buffered.is_whole);
        let (received, input) = BodyReader::new(buffered, r);
        Self {
            r,
            out: Brigade::new(r),
            received,
            input,
            input_ended,
            has_body,
            committed: false,
            answered: false,
            sendfile: enable_sendfile || r.enables_sendfile(),
            input_failure: None,
            answers: Vec::new(),
        }
    }

    /// Whether nothing of the client's body is left to read.
    pub fn is_read(&self) -> bool {
        !self.has_body || self.input_ended
    }

    /// What a host script said.
    pub fn take_answers(self) -> Vec<(u32, Vec<u8>)> {
        self.answers
    }

    /// Waits for the first bytes and takes what is there without waiting: each call costs the host the GIL.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, AprStatus> {
        let got = self
            .received
            .read(buffer)
            .map_err(|error| AprStatus(error.raw_os_error().unwrap_or(libc::EIO)))?;
        if got > 0 || !self.has_body || self.input_ended {
            return Ok(got);
        }
        if let Some(failure) = self.input_failure {
            return Err(failure);
        }
        if self.committed {
            // A late first read must not put an interim response into the body (spec/behaviour.md §2.4).
            self.r.forget_continue();
        }
        let mut got = 0;
        while got < buffer.len() {
            match self.take(&mut buffer[got..], got == 0) {
                Ok(Some(taken)) => {
                    crate::metrics::note_input(taken);
                    got += taken;
                }
                Ok(None) => break,
                Err(failure) if got == 0 => return Err(failure),
                Err(failure) if failure.is_again() => break,
                Err(failure) => {
                    self.input_failure = Some(failure);
                    break;
                }
            }
        }
        Ok(got)
    }

    /// One piece of the request body; `None` at its end, or if there is nothing to be had without waiting.
    fn take(&mut self, buffer: &mut [u8], wait: bool) -> Result<Option<usize>, AprStatus> {
        loop {
            match self.input.front()? {
                Some(BrigadePiece::Metadata) => self.input.drop_front(),
                Some(BrigadePiece::Data(data)) => {
                    let len = data.len().min(buffer.len());
                    buffer[..len].copy_from_slice(&data[..len]);
                    self.input.consume(len);
                    return Ok(Some(len));
                }
                Some(BrigadePiece::End) => {
                    self.input_ended = true;
                    return Ok(None);
                }
                None => {
                    self.input.fill(buffer.len().max(8192), wait)?;
                    if !wait && self.input.front()?.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Passes on what was collected; `abi` code, with the chain's status in `error`.
    fn pass(&mut self, error: *mut i32) -> i32 {
        match self.out.pass() {
            Ok(()) => abi::OK,
            Err(status) => {
                // SAFETY: the host gives a valid place.
                unsafe { *error = status.0 };
                // The range filter, as an example, has sent 416: nobody wants the rest, and nothing has failed.
                self.answered |= status.is_answered();
                if status.0 == 0 || self.answered { abi::CLIENT_GONE } else { abi::FAILED }
            }
        }
    }
}

/// # Safety
/// See [`abi::HttpdTable::send_head`].
pub unsafe fn send_head(request: *mut c_void, head: *const u8, len: usize) -> i32 {
    // SAFETY: by the contract.
    let (handle, payload) = unsafe { (handle(request), std::slice::from_raw_parts(head, len)) };
    if handle.answered {
        return abi::OK;
    }
    match ResponseHead::decode(payload) {
        Ok(head) => {
            respond::note_refusal(handle.r, head.status);
            respond::apply_head(handle.r, &head, HeadSource::Embedded);
            handle.committed = true;
            abi::OK
        }
        Err(error) => {
            let message = messages::head_refused(&error);
            handle.r.log(LogLevel::Error, &messages::about(handle.r.filename(), message.0.number, message.1));
            abi::FAILED
        }
    }
}

/// # Safety
/// See [`abi::HttpdTable::write`].
pub unsafe fn write(request: *mut c_void, data: *const u8, len: usize, flush: i32, error: *mut i32) -> i32 {
    // SAFETY: by the contract.
    let (handle, bytes) = unsafe { (handle(request), std::slice::from_raw_parts(data, len)) };
    if handle.answered || handle.r.is_aborted() {
        return abi::CLIENT_GONE;
    }
    // SAFETY: the bytes live until this call returns, and the brigade is passed on before.
    unsafe { handle.out.add_transient(bytes) };
    if flush != 0 {
        handle.out.add_flush();
    }
    handle.pass(error)
}

/// # Safety
/// See [`abi::HttpdTable::send_file`].
pub unsafe fn send_file(request: *mut c_void, fd: i32, offset: u64, len: u64, error: *mut i32) -> i32 {
    use std::os::fd::BorrowedFd;
    use wsgi_system::descriptors;
    // SAFETY: by the contract the descriptor is open during the call.
    let (handle, fd) = unsafe { (handle(request), BorrowedFd::borrow_raw(fd)) };
    if handle.answered {
        return abi::CLIENT_GONE;
    }
    let Ok(copy) = fd.try_clone_to_owned() else { return abi::FAILED };
    // Both descriptors share one position, and a filter that reads moves it (spec/behaviour.md §5.2).
    let position = descriptors::position(fd);
    handle.out.add_file(copy, offset, len, handle.sendfile);
    // Body and end in one brigade let httpd's own range filter work (spec/behaviour.md §5.2). Otherwise the end waits
    // until all of the file has been read: a filter may take one that is cut for one that has ended.
    let is_at_once = handle.r.headers_in().get(c"Range").is_some() || len <= SMALL;
    if is_at_once && !handle.out.is_cut() {
        handle.out.add_eos();
    }
    let status = handle.pass(error);
    if position >= 0 {
        descriptors::seek(fd, position);
    }
    // A client that has everything may be gone already.
    // SAFETY: plain field of a live request.
    let is_complete = unsafe { (*handle.r.raw()).eos_sent } != 0;
    if status == abi::CLIENT_GONE && is_complete { abi::OK } else { status }
}

/// # Safety
/// See [`abi::HttpdTable::log`].
pub unsafe fn log(request: *mut c_void, level: u32, text: *const u8, len: usize) {
    // SAFETY: by the contract; a null server is the main log.
    unsafe {
        let text = std::slice::from_raw_parts(text, len);
        let level = level.min(15) as u8;
        if request.is_null() {
            for line in text.split(|byte| *byte == b'\n') {
                error_log::server(crate::child::main_server(), level, 0, line);
            }
        } else {
            let r = handle(request).r.raw();
            match config::state() {
                Some(state) => state.log_servers.log_request(r, None, level, text),
                None => error_log::request(r, level, 0, text),
            }
        }
    }
}

/// # Safety
/// See [`abi::HttpdTable::is_aborted`].
pub unsafe fn is_aborted(request: *mut c_void) -> i32 {
    // SAFETY: by the contract.
    i32::from(unsafe { handle(request) }.r.is_aborted())
}

/// # Safety
/// See [`abi::HttpdTable::error_text`].
pub unsafe fn error_text(error: i32, buffer: *mut u8, len: usize) -> usize {
    let text = AprStatus(error).text();
    let take = text.len().min(len);
    // SAFETY: `buffer` holds `len` bytes.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), buffer, take) };
    take
}

/// # Safety
/// See [`abi::HttpdTable::answer`].
pub unsafe fn answer(request: *mut c_void, number: u32, text: *const u8, len: usize) -> i32 {
    // SAFETY: by the contract.
    let (handle, text) = unsafe { (handle(request), std::slice::from_raw_parts(text, len)) };
    handle.answers.push((number, text.to_vec()));
    abi::OK
}

/// # Safety
/// See [`abi::HttpdTable::ssl_is_https`].
pub unsafe fn ssl_is_https(request: *mut c_void) -> i32 {
    // SAFETY: by the contract.
    i32::from(environ::is_tls(unsafe { handle(request) }.r))
}

/// # Safety
/// See [`abi::HttpdTable::ssl_variable`].
pub unsafe fn ssl_variable(
    request: *mut c_void,
    name: *const u8,
    len: usize,
    text: *mut *const u8,
    text_len: *mut usize,
) -> i32 {
    // SAFETY: by the contract.
    let (handle, name) = unsafe { (handle(request), std::slice::from_raw_parts(name, len)) };
    let Some(value) = environ::tls_variable(handle.r, name) else { return abi::FAILED };
    // SAFETY: the host gives valid places for both; the value lives in the request's pool.
    unsafe {
        *text = value.as_ptr();
        *text_len = value.len();
    }
    abi::OK
}

/// # Safety
/// See [`abi::HttpdTable::scoreboard`].
pub unsafe fn scoreboard(buffer: *mut u8, len: usize) -> usize {
    // It shows the requests of all virtual hosts.
    let is_allowed = config::state().is_some_and(|state| state.global.server_metrics == Some(true));
    let Some(board) = is_allowed.then(crate::scoreboard::snapshot).flatten() else { return 0 };
    if board.len() <= len {
        // SAFETY: it fits.
        unsafe { ptr::copy_nonoverlapping(board.as_ptr(), buffer, board.len()) };
    }
    board.len()
}
