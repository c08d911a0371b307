//! WSGIRequestBuffering: a request body, or its first part, is received before anything of Python is taken for the request.

use crate::environ;
use crate::httpd::brigade::{AP_FILTER_ERROR, AprStatus, Brigade, BrigadePiece};
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::server::now_us;
use crate::httpd::temporary_file::{self, TemporaryFile};
use crate::job::RequestJob;
use crate::{messages, metrics};
use std::ffi::c_int;
use std::io;
use std::path::Path;
use wsgi_directives::{ReceivedBody, length_of_received};
use wsgi_protocol::metrics::{RequestOutcome, ThreadStage};

/// Most bytes of a body that stay in memory.
const MEMORY: usize = 64 * 1024;
/// One read from the input chain.
const READ: usize = 64 * 1024;

/// What has been received of a body.
pub struct BufferedBody<'r> {
    /// All of what was received, unless there is a file.
    pub memory: Vec<u8>,
    /// All of what was received, if that is more than [`MEMORY`].
    pub file: Option<TemporaryFile>,
    /// What was read with the last of it, and belongs behind it.
    pub rest: Brigade<'r>,
    /// Nothing follows.
    pub is_whole: bool,
}

/// Why a body was not received.
enum BodyFault {
    /// The input chain's status.
    Input(AprStatus),
    /// The file could not be made, or written.
    Storage(io::Error),
}

/// Receives the body of a job as the configuration says, and gives the job the length that is known then.
///
/// # Errors
/// The handler's status; why has been logged.
pub fn receive<'r>(job: &mut RequestJob<'r>) -> Result<Option<BufferedBody<'r>>, c_int> {
    let limit = job.config.request_buffering;
    if limit == 0 || !job.has_body() {
        return Ok(None);
    }
    let mut store = BodyStore { pool: job.r.pool(), memory: Vec::new(), file: None, bytes: 0 };
    metrics::note_stage(ThreadStage::Buffering);
    let received = store.receive(job.r, limit);
    metrics::note_stage(ThreadStage::Dispatch);
    let (rest, is_whole) = received.map_err(|fault| refuse(job, fault))?;
    let received = ReceivedBody { bytes: store.bytes, is_whole };
    let length = length_of_received(job.body, received, job.config.chunked_request);
    job.body = length.ok_or_else(|| too_long(job, limit))?;
    if is_whole {
        environ::update_body(job.r, job.body);
    }
    job.buffered_at = Some(now_us());
    Ok(Some(BufferedBody { memory: store.memory, file: store.file, rest, is_whole }))
}

/// Whether the body of an HTTP/2 stream is empty although its headers do not end the stream: mod_proxy_http2 sends a GET so
/// now and then, and mod_http2 says *chunked* of all such streams. Waits for the first byte or the end.
///
/// # Errors
/// The handler's status: the client has gone, or is silent, or a filter has answered.
pub fn is_empty_stream(r: Request<'_>) -> Result<bool, c_int> {
    if !r.is_stream() || r.expects_continue() {
        return Ok(false);
    }
    let mut read = Brigade::new(r);
    loop {
        match read.front().map_err(status_of_input)? {
            Some(BrigadePiece::End) => return Ok(true),
            Some(BrigadePiece::Data(_)) => return Ok(false),
            Some(BrigadePiece::Metadata) => read.drop_front(),
            None => read.fill(1, true).map_err(status_of_input)?,
        }
    }
}

/// What a request ends with whose body cannot be read.
fn status_of_input(status: AprStatus) -> c_int {
    if status.is_answered() {
        AP_FILTER_ERROR
    } else if status.is_over_limit() {
        // httpd has said so itself.
        apr_sys::HTTP_REQUEST_ENTITY_TOO_LARGE as c_int
    } else if status.is_timeout() {
        apr_sys::HTTP_REQUEST_TIME_OUT as c_int
    } else {
        apr_sys::HTTP_BAD_REQUEST as c_int
    }
}

/// Where the bytes go.
struct BodyStore<'r> {
    pool: Pool<'r>,
    memory: Vec<u8>,
    file: Option<TemporaryFile>,
    bytes: u64,
}

impl<'r> BodyStore<'r> {
    /// Reads until the end, or until there are `limit` bytes and it is clear that more follow. What was read beyond
    /// them is given back, and whether the end was seen.
    fn receive(&mut self, r: Request<'r>, limit: u64) -> Result<(Brigade<'r>, bool), BodyFault> {
        let mut read = Brigade::new(r);
        let is_whole = loop {
            match read.front().map_err(BodyFault::Input)? {
                Some(BrigadePiece::End) => break true,
                Some(BrigadePiece::Metadata) => read.drop_front(),
                Some(BrigadePiece::Data(_)) if self.bytes == limit => break false,
                Some(BrigadePiece::Data(data)) => {
                    let len = data.len().min(usize::try_from(limit - self.bytes).unwrap_or(usize::MAX));
                    self.keep(&data[..len]).map_err(BodyFault::Storage)?;
                    read.consume(len);
                }
                None => read.fill(READ, true).map_err(BodyFault::Input)?,
            }
        };
        if self.file.is_some() {
            self.spill().map_err(BodyFault::Storage)?;
        }
        Ok((read, is_whole))
    }

    fn keep(&mut self, data: &[u8]) -> io::Result<()> {
        if self.memory.len() + data.len() > MEMORY {
            self.spill()?;
        }
        self.memory.extend_from_slice(data);
        self.bytes += data.len() as u64;
        metrics::note_input(data.len());
        Ok(())
    }

    /// Moves what is in memory to the file.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(TemporaryFile::create(temporary_file::directory(self.pool)?)?),
        };
        file.append(&self.memory)?;
        self.memory.clear();
        Ok(())
    }
}

/// Logs why, and says what to answer; the client's connection is of no more use.
fn refuse(job: &RequestJob<'_>, fault: BodyFault) -> c_int {
    job.r.close_connection();
    let status = match fault {
        BodyFault::Input(status) => status,
        BodyFault::Storage(error) => {
            metrics::note_outcome(RequestOutcome::Rejected);
            let directory =
                temporary_file::directory(job.r.pool()).unwrap_or(Path::new("the temporary directory"));
            let (event, text) = messages::not_buffered(directory, &error);
            job.fail(event, &text);
            return c_int::from(event.status());
        }
    };
    if status.is_gone() {
        metrics::note_outcome(RequestOutcome::ClientGone);
        let (event, text) = messages::client_left(&job.script, &status.text());
        job.r.log_event(event, &text);
    } else {
        metrics::note_outcome(RequestOutcome::Rejected);
        if !status.is_answered() && !status.is_over_limit() {
            let (event, text) = messages::body_failed(&status.text());
            job.fail(event, &text);
        }
    }
    status_of_input(status)
}

/// The same for a body that is too long to have a length.
fn too_long(job: &RequestJob<'_>, limit: u64) -> c_int {
    job.r.close_connection();
    metrics::note_outcome(RequestOutcome::Rejected);
    let (event, text) = messages::too_long_to_buffer(limit);
    job.fail(event, &text);
    c_int::from(event.status())
}

/// Reads what was received, from its front.
pub struct BodyReader {
    memory: Vec<u8>,
    file: Option<TemporaryFile>,
    at: u64,
}

impl BodyReader {
    /// For what there is; and what follows it.
    pub fn new<'r>(buffered: Option<BufferedBody<'r>>, r: Request<'r>) -> (Self, Brigade<'r>) {
        match buffered {
            Some(BufferedBody { memory, file, rest, .. }) => (Self { memory, file, at: 0 }, rest),
            None => (Self { memory: Vec::new(), file: None, at: 0 }, Brigade::new(r)),
        }
    }

    /// The next bytes; 0 when there are no more.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match &self.file {
            Some(file) => file.read(buffer, self.at)?,
            None => {
                let left = &self.memory[self.at as usize..];
                let len = left.len().min(buffer.len());
                buffer[..len].copy_from_slice(&left[..len]);
                len
            }
        };
        self.at += got as u64;
        Ok(got)
    }
}
