//! The way of a request's body: first from the REQUEST frame, then from a file if httpd has buffered it, then as BODY frames for
//! which credit was given.

use super::body_file::BodyFile;
use super::connection::HttpdConnection;
use super::os::{self, WaitMode};
use super::sending::{GilRelease, error_text, send_all};
use crate::exchange::{BodyError, SendError};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use wsgi_protocol::frame::{BODY_MEMORY, FrameHeader, FromDaemon, FromHttpd, HEADER_LEN, MAX_SHORT};
use wsgi_protocol::request::{Request, RequestFlags};

/// Body bytes that may be on their way at once; as much as a socket holds, so more would not help.
pub(super) const WINDOW: usize = 256 * 1024;

/// Largest credit given for one large read.
const MAX_WINDOW: usize = 4 * 1024 * 1024;

/// How often httpd hears that an application goes on reading what httpd has buffered for it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// What an application reads when the body ends too early, whatever the reason on the client's side
/// (spec/behaviour.md §2.5).
const PARTIAL: &str = "Partial results are valid but processing is incomplete";

#[derive(Debug, Clone, PartialEq, Eq)]
enum BodyEnd {
    /// More may come.
    Open,
    /// Complete.
    Complete,
    /// Failed; reading fails the same way for ever.
    Failed(BodyError),
}

/// Reading state of one body.
#[derive(Debug)]
pub(super) struct BodyReader<'a> {
    request: Request<'a>,
    /// What is unread of the bytes that came with the request; `None` before the first read.
    first: Option<&'a [u8]>,
    /// Granted and not received yet.
    credit: usize,
    /// Something was granted.
    has_granted: bool,
    /// Bytes of the current BODY frame not read yet.
    left: usize,
    /// The next frame's header, as far as received.
    header: [u8; HEADER_LEN],
    have: usize,
    end: BodyEnd,
    file: BodyFile,
    /// When httpd last heard that the application reads.
    shown_at: Instant,
    malformed: bool,
    /// The peer closed, or said that the client is gone.
    gone: bool,
}

/// The first bytes of the body, which came with the request; whether they are all of it, and whether a part of it comes as a file.
pub(super) fn body_of<'a>(request: &Request<'a>) -> (&'a [u8], bool, BodyFile) {
    let mut pairs = request.pairs();
    let is_readable = pairs.by_ref().all(|pair| pair.is_ok());
    let first = if is_readable { pairs.body() } else { &[] };
    let flags = request.head.flags;
    (first, !flags.has(RequestFlags::BODY_FOLLOWS), BodyFile::of(flags))
}

impl<'a> BodyReader<'a> {
    /// The body of a request; it is not looked for before the first read.
    pub(super) fn new(request: &Request<'a>) -> Self {
        Self {
            request: request.clone(),
            first: None,
            credit: 0,
            has_granted: false,
            left: 0,
            header: [0; HEADER_LEN],
            have: 0,
            end: BodyEnd::Open,
            file: BodyFile::None,
            shown_at: Instant::now(),
            malformed: false,
            gone: false,
        }
    }

    /// Gives back to the connection what nobody will read. False: the connection cannot be used again.
    pub(super) fn give_back(&mut self, connection: &mut HttpdConnection) -> bool {
        connection.skip = self.left;
        if self.have > 0 {
            connection.partial.splice(..0, self.header[..self.have].iter().copied());
            self.have = 0;
        }
        !self.malformed
    }

    /// Reads up to `buffer.len()` bytes; 0 is the end.
    pub(super) fn read(
        &mut self,
        connection: &mut HttpdConnection,
        seq: u16,
        released: GilRelease,
        buffer: &mut [u8],
    ) -> Result<usize, BodyError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let first = self.begin();
        let n = first.len().min(buffer.len());
        buffer[..n].copy_from_slice(&first[..n]);
        self.first = Some(&first[n..]);
        if n == buffer.len() {
            return Ok(n);
        }
        if let Some(result) = self.read_file(connection, seq, released, buffer) {
            return result;
        }
        if self.end == BodyEnd::Open {
            // Asked for before the rest is waited for, so that it comes while the application works.
            self.grant(connection, seq, released, buffer.len() - n)?;
        }
        if n > 0 {
            return Ok(n);
        }
        let result = self.receive(connection, seq, released, buffer);
        if let Err(error) = &result {
            self.end = BodyEnd::Failed(error.clone());
        }
        result
    }

    /// What is unread of the bytes that came with the request.
    fn begin(&mut self) -> &'a [u8] {
        if let Some(first) = self.first {
            return first;
        }
        let (first, is_whole, file) = body_of(&self.request);
        if is_whole {
            self.end = BodyEnd::Complete;
        }
        (self.first, self.file) = (Some(first), file);
        first
    }

    /// Tells httpd that the application goes on reading, where that needs nothing of httpd: it waits for so long only.
    fn show_life(
        &mut self,
        connection: &HttpdConnection,
        seq: u16,
        released: GilRelease,
    ) -> Result<(), BodyError> {
        if self.shown_at.elapsed() < SIGN_OF_LIFE {
            return Ok(());
        }
        self.shown_at = Instant::now();
        self.want(connection, seq, released, 0)
    }

    /// Tops the credit up when half of it is used.
    fn grant(
        &mut self,
        connection: &mut HttpdConnection,
        seq: u16,
        released: GilRelease,
        wanted: usize,
    ) -> Result<(), BodyError> {
        let is_shared = connection.body_memory.is_offered();
        let window = if is_shared { BODY_MEMORY } else { wanted.clamp(WINDOW, MAX_WINDOW) };
        if self.credit >= window / 2 {
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_granted, true) {
            return self.first_grant(connection, seq, released, window);
        }
        connection.body_memory.want();
        let more = window - self.credit;
        self.credit = window;
        self.want(connection, seq, released, more)
    }

    /// The first one: with it httpd learns whether the body may come through memory.
    fn first_grant(
        &mut self,
        connection: &mut HttpdConnection,
        seq: u16,
        released: GilRelease,
        window: usize,
    ) -> Result<(), BodyError> {
        let offered = if self.file.is_expected() {
            os::take_descriptors(connection.socket());
            None
        } else {
            connection.body_memory.offer()
        };
        let Some(file) = offered else {
            self.credit = window;
            return self.want(connection, seq, released, window);
        };
        self.credit = BODY_MEMORY;
        let mut frames = FromDaemon::Offer.encode(seq).to_vec();
        FromDaemon::WantBody(self.credit as u32).encode(seq).put(&mut frames);
        self.say(connection, &frames, file, released)
    }

    /// Asks for so many bytes more.
    fn want(
        &mut self,
        connection: &HttpdConnection,
        seq: u16,
        released: GilRelease,
        bytes: usize,
    ) -> Result<(), BodyError> {
        self.say(connection, FromDaemon::WantBody(bytes as u32).encode(seq).prefix(), None, released)
    }

    fn say(
        &mut self,
        connection: &HttpdConnection,
        frames: &[u8],
        file: Option<OwnedFd>,
        released: GilRelease,
    ) -> Result<(), BodyError> {
        let mut parts = [IoSlice::new(frames)];
        send_all(connection, &mut parts, file.as_ref().map(AsFd::as_fd), released).map_err(|e| {
            self.malformed = true;
            BodyError::Failed(match e {
                SendError::ClientGone => PARTIAL.to_owned(),
                SendError::Failed(text) => text,
            })
        })
    }

    fn receive(
        &mut self,
        connection: &mut HttpdConnection,
        seq: u16,
        released: GilRelease,
        buffer: &mut [u8],
    ) -> Result<usize, BodyError> {
        loop {
            match &self.end {
                BodyEnd::Complete => return Ok(0),
                BodyEnd::Failed(error) => return Err(error.clone()),
                BodyEnd::Open => {}
            }
            if let Some(result) = self.read_file(connection, seq, released, buffer) {
                return result;
            }
            let n = connection.body_memory.read(buffer);
            if n > 0 {
                self.credit -= n;
                self.grant(connection, seq, released, buffer.len() - n)?;
                return Ok(n);
            }
            if self.left > 0 {
                let n = self.receive_data(connection, released, buffer)?;
                self.credit -= n;
                self.grant(connection, seq, released, buffer.len() - n)?;
                return Ok(n);
            }
            if self.have < HEADER_LEN {
                self.receive_header(connection, released)?;
            }
            if self.have == HEADER_LEN {
                self.have = 0;
                self.frame(connection, seq, released)?;
            }
        }
    }

    /// Reads from the file, if there is one with something left.
    fn read_file(
        &mut self,
        connection: &HttpdConnection,
        seq: u16,
        released: GilRelease,
        buffer: &mut [u8],
    ) -> Option<Result<usize, BodyError>> {
        let mut got = self.file.read(buffer, WaitMode::No)?;
        if let Err(error) = self.show_life(connection, seq, released) {
            return Some(Err(error));
        }
        // Linux 5.9 and 5.10 may answer 0 before the end (readv(2), "BUGS").
        if !matches!(got, Ok(n) if n > 0) {
            released(&mut || got = self.file.read(buffer, WaitMode::Yes).unwrap_or(Ok(0)));
        }
        let error = match got {
            Ok(0) => BodyError::Failed(PARTIAL.to_owned()),
            Ok(n) => return Some(Ok(n)),
            Err(error) => BodyError::Failed(error_text(&error)),
        };
        (self.file, self.end) = (BodyFile::None, BodyEnd::Failed(error.clone()));
        Some(Err(error))
    }

    /// Reads from the current frame, and the next frame's header with it if `buffer` has room for the rest.
    fn receive_data(
        &mut self,
        connection: &mut HttpdConnection,
        released: GilRelease,
        buffer: &mut [u8],
    ) -> Result<usize, BodyError> {
        let part = self.left.min(buffer.len());
        let mut header = [0; HEADER_LEN];
        let ahead = if part == self.left { HEADER_LEN } else { 0 };
        let mut parts = [IoSliceMut::new(&mut buffer[..part]), IoSliceMut::new(&mut header[..ahead])];
        let got = receive(connection, &mut parts, released);
        let got = self.check(got)?;
        let n = got.min(part);
        self.left -= n;
        self.have = got - n;
        self.header = header;
        Ok(n)
    }

    /// Reads the next frame's header, or a part of it; and what a short frame has behind it, which no body can follow if that
    /// comes through memory.
    fn receive_header(
        &mut self,
        connection: &mut HttpdConnection,
        released: GilRelease,
    ) -> Result<(), BodyError> {
        let (mut header, have) = (self.header, self.have);
        let mut behind = [0; MAX_SHORT];
        let ahead = if connection.body_memory.is_offered() { MAX_SHORT } else { 0 };
        let n = if self.file.is_expected() && connection.partial.is_empty() {
            receive_file(connection, &mut self.file, &mut header[have..], released)
        } else {
            let mut parts = [IoSliceMut::new(&mut header[have..]), IoSliceMut::new(&mut behind[..ahead])];
            receive(connection, &mut parts, released)
        };
        self.header = header;
        let n = self.check(n)?;
        self.have = HEADER_LEN.min(have + n);
        let more = have + n - self.have;
        connection.partial.splice(..0, behind[..more].iter().copied());
        Ok(())
    }

    /// Acts on a complete header.
    fn frame(
        &mut self,
        connection: &mut HttpdConnection,
        seq: u16,
        released: GilRelease,
    ) -> Result<(), BodyError> {
        let mut payload = [0; MAX_SHORT];
        match self.short_frame(connection, seq, released, &mut payload)? {
            Some(FromHttpd::Body(len)) if len as usize <= self.credit => self.left = len as usize,
            Some(FromHttpd::BodyMemory { offset, length })
                if length as usize <= self.credit && connection.body_memory.announce(offset, length) => {}
            Some(FromHttpd::BodyFile(length)) if self.file.announce(length) => {}
            Some(FromHttpd::BodyEnd) => self.end = BodyEnd::Complete,
            Some(FromHttpd::Abort(_)) => {
                self.gone = true;
                return Err(BodyError::Failed(PARTIAL.to_owned()));
            }
            _ => {
                self.malformed = true;
                return Err(BodyError::Failed(PARTIAL.to_owned()));
            }
        }
        Ok(())
    }

    /// Reads what follows a header up to the first byte of a body; `None`: it is no frame of this request.
    fn short_frame<'p>(
        &mut self,
        connection: &mut HttpdConnection,
        seq: u16,
        released: GilRelease,
        payload: &'p mut [u8; MAX_SHORT],
    ) -> Result<Option<FromHttpd<'p>>, BodyError> {
        let header = FrameHeader::decode(&self.header).ok().flatten().filter(|header| header.seq == seq);
        let needed = header.and_then(|header| Some((header, FromHttpd::needs(header).ok()?)));
        let Some((header, needed @ ..=MAX_SHORT)) = needed else { return Ok(None) };
        let mut have = 0;
        while have < needed {
            let got = receive(connection, &mut [IoSliceMut::new(&mut payload[have..needed])], released);
            have += self.check(got)?;
        }
        Ok(FromHttpd::decode(header, &payload[..needed]).ok())
    }

    fn check(&mut self, received: io::Result<usize>) -> Result<usize, BodyError> {
        match received {
            Ok(0) => {
                (self.gone, self.malformed) = (true, true);
                Err(BodyError::Failed(PARTIAL.to_owned()))
            }
            Ok(n) => Ok(n),
            Err(e) => {
                self.malformed = true;
                Err(BodyError::Failed(error_text(&e)))
            }
        }
    }

    /// The peer is known to be gone.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Called when something is there to be read and the application does not read: an ABORT may have come.
    /// True if the client is gone.
    pub(super) fn notice_abort(&mut self, connection: &mut HttpdConnection, seq: u16) -> bool {
        // With credit outstanding the bytes are the body; they are the application's to read.
        if self.credit > 0
            || self.left > 0
            || connection.body_memory.has_more()
            || self.have > 0
            || self.end != BodyEnd::Open
        {
            return self.gone;
        }
        let mut parts = [IoSliceMut::new(&mut self.header)];
        self.have = receive_now(connection, &mut parts).unwrap_or(0);
        if self.have == HEADER_LEN {
            self.have = 0;
            if let Err(error) = self.frame(connection, seq, |f| f()) {
                self.end = BodyEnd::Failed(error);
            }
        }
        self.gone
    }
}

/// Takes what was received early, else receives without waiting.
fn receive_now(connection: &mut HttpdConnection, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    if connection.partial.is_empty() {
        return os::recv(connection.socket(), parts, WaitMode::No);
    }
    let mut n = 0;
    for part in parts {
        let take = part.len().min(connection.partial.len() - n);
        part[..take].copy_from_slice(&connection.partial[n..n + take]);
        n += take;
    }
    connection.partial.drain(..n);
    Ok(n)
}

/// As [`receive_now`], but waits (without the GIL) if nothing is there.
fn receive(
    connection: &mut HttpdConnection,
    parts: &mut [IoSliceMut<'_>],
    released: GilRelease,
) -> io::Result<usize> {
    match receive_now(connection, parts) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
        result => return result,
    }
    let mut result = Ok(0);
    released(&mut || result = os::recv(connection.socket(), parts, WaitMode::Yes));
    result
}

/// As [`receive`] for the frame with which the file comes.
fn receive_file(
    connection: &HttpdConnection,
    file: &mut BodyFile,
    buffer: &mut [u8],
    released: GilRelease,
) -> io::Result<usize> {
    match file.receive(connection.socket(), buffer, WaitMode::No) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
        result => return result,
    }
    let mut result = Ok(0);
    released(&mut || result = file.receive(connection.socket(), buffer, WaitMode::Yes));
    result
}
