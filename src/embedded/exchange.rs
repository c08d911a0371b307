//! What the host calls while it has a request: body, response, log, mod_ssl, and the answers of host scripts.

use crate::buffered::{BodyReader, BufferedBody};
use crate::config;
use crate::httpd::brigade::{AprStatus, BehindBytes, Brigade, BrigadePiece, SMALL};
use crate::httpd::request::Request;
use crate::httpd::server::log_to;
use crate::messages;
use crate::respond::{self, HeadSource};
use std::os::fd::BorrowedFd;
use wsgi_protocol::abi;
use wsgi_protocol::response::ResponseHead;
use wsgi_system::descriptors;

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

    /// Reads the client's body; 0 at its end. A failure ends the connection.
    pub fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, AprStatus> {
        self.read(buffer).inspect_err(|status| {
            self.answered |= status.is_answered();
            self.r.close_connection();
        })
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

    /// What the chain says of what was passed on.
    fn passed(&mut self, result: Result<(), AprStatus>) -> Result<(), SendFailure> {
        result.map_err(|status| {
            // The range filter, as an example, has sent 416: nobody wants the rest, and nothing has failed.
            self.answered |= status.is_answered();
            let code = if status.0 == 0 || self.answered { abi::CLIENT_GONE } else { abi::FAILED };
            SendFailure { code, status: Some(status) }
        })
    }

    /// The head of the response; `abi` code.
    pub fn send_head(&mut self, payload: &[u8]) -> i32 {
        if self.answered {
            return abi::OK;
        }
        match ResponseHead::decode(payload) {
            Ok(head) => {
                respond::note_refusal(self.r, head.status);
                respond::apply_head(self.r, &head, HeadSource::Embedded);
                self.committed = true;
                abi::OK
            }
            Err(error) => {
                let message = messages::head_refused(&error);
                let text = messages::about(self.r.filename(), message.0, message.1);
                self.r.log_event(message.0, &text);
                abi::FAILED
            }
        }
    }

    /// Bytes of the response.
    pub fn write(&mut self, bytes: &[u8], flush: bool) -> Result<(), SendFailure> {
        if self.answered || self.r.is_aborted() {
            return Err(SendFailure { code: abi::CLIENT_GONE, status: None });
        }
        let behind = if flush { BehindBytes::Flush } else { BehindBytes::Nothing };
        let result = self.out.pass_bytes(bytes, behind);
        self.passed(result)
    }

    /// A part of a file.
    pub fn send_file(&mut self, fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<(), SendFailure> {
        if self.answered {
            return Err(SendFailure { code: abi::CLIENT_GONE, status: None });
        }
        let copy = fd.try_clone_to_owned().map_err(|_| SendFailure { code: abi::FAILED, status: None })?;
        // Both descriptors share one position, and a filter that reads moves it (spec/behaviour.md §5.2).
        let position = descriptors::position(fd);
        self.out.add_file(copy, offset, len, self.sendfile);
        // Body and end in one brigade let httpd's own range filter work (spec/behaviour.md §5.2). Otherwise the end waits
        // until all of the file has been read: a filter may take one that is cut for one that has ended.
        let is_at_once = self.r.headers_in().get(c"Range").is_some() || len <= SMALL;
        if is_at_once && !self.out.is_cut() {
            self.out.add_eos();
        }
        let result = self.out.pass();
        let result = self.passed(result);
        if position >= 0 {
            descriptors::seek(fd, position);
        }
        // A client that has everything may be gone already.
        result.or_else(|failure| match failure.code == abi::CLIENT_GONE && self.r.is_sent() {
            true => Ok(()),
            false => Err(failure),
        })
    }

    /// A record for the error log.
    pub fn log(&self, level: u32, text: &[u8]) {
        let level = level.min(15) as u8;
        match config::state() {
            Some(state) => state.log_servers.log_request(self.r, None, level, text),
            None => self.r.log_bytes(level, text),
        }
    }

    /// Whether the client has gone.
    pub fn is_aborted(&self) -> bool {
        self.r.is_aborted()
    }

    /// Notes what a host script has said.
    pub fn answer(&mut self, number: u32, text: &[u8]) {
        self.answers.push((number, text.to_vec()));
    }

    /// mod_ssl's opinion of the connection.
    pub fn is_tls(&self) -> bool {
        self.r.is_tls()
    }

    /// A variable of mod_ssl's.
    pub fn tls_variable(&self, name: &[u8]) -> Option<&'r [u8]> {
        self.r.tls_variable(name)
    }
}

/// Why something was not sent.
#[derive(Debug, Clone, Copy)]
pub struct SendFailure {
    /// `abi` code.
    pub code: i32,
    /// What the chain of filters has said.
    pub status: Option<AprStatus>,
}

/// A record that belongs to no request.
pub fn log_without_request(level: u32, text: &[u8]) {
    let main = config::state().and_then(|state| state.main);
    text.split(|byte| *byte == b'\n').for_each(|line| log_to(main, level.min(15) as u8, line));
}

/// httpd's scoreboard, for whom it is allowed.
pub fn scoreboard() -> Option<Vec<u8>> {
    // It shows the requests of all virtual hosts.
    let is_allowed = config::state().is_some_and(|state| state.global.server_metrics == Some(true));
    is_allowed.then(crate::scoreboard::snapshot).flatten()
}
