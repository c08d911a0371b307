//! One kept-open connection from an httpd child: greeting, frame boundaries, and what was read too early.
//!
//! Whoever took the connection's one-shot event out of the epoll set owns it until it is armed again. The
//! receive buffer belongs to the worker; a connection stores bytes only while a frame is incomplete.

use super::body_memory::BodyMemory;
use super::os::{self, RecordLook, WaitMode};
use super::response_memory::ResponseMemory;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use wsgi_protocol::frame::{FrameHeader, FrameKind, FromHttpd, HEADER_LEN};
use wsgi_protocol::request::{Request, RequestHead};
use wsgi_protocol::{PROTOCOL_VERSION, ProtocolError};

/// Room that a receive into an empty buffer finds; larger frames make the buffer grow to their size.
pub(super) const READ_ROOM: usize = 64 * 1024;

/// So much of a request nearly always says what it is for.
const GLANCE: usize = 2048;

/// Why a connection has to be closed.
#[derive(Debug)]
pub(super) enum ConnectionError {
    /// The peer sent something that is not the protocol.
    Malformed(ProtocolError),
    /// Receiving failed.
    Receiving(io::Error),
}

/// What a ready connection had to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConnectionInput {
    /// A whole REQUEST frame: its number and where in the buffer its payload lies.
    Request { seq: u16, payload: Range<usize> },
    /// No whole frame yet.
    Incomplete,
    /// The peer closed.
    Closed,
}

/// See the module's comment.
#[derive(Debug)]
pub(super) struct HttpdConnection {
    socket: OwnedFd,
    /// Set while a thread works on this connection; taken by [`HttpdConnection::claim`].
    claimed: AtomicBool,
    greeted: bool,
    /// GOAWAY has been sent.
    pub(super) dismissed: bool,
    /// Bytes of an incomplete frame, or bytes received behind the request that is running.
    pub(super) partial: Vec<u8>,
    /// Bytes still to come that belong to a body nobody wants any more.
    pub(super) skip: usize,
    /// What is shared with httpd for large parts of responses.
    pub(super) memory: ResponseMemory,
    /// The same for large parts of request bodies.
    pub(super) body_memory: BodyMemory,
    /// Place in the registry.
    pub(super) place: usize,
    /// The request that comes next has been held once.
    pub(super) was_held: bool,
}

impl HttpdConnection {
    /// Wraps an accepted socket in blocking mode.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            claimed: AtomicBool::new(false),
            greeted: false,
            dismissed: false,
            partial: Vec::new(),
            skip: 0,
            memory: ResponseMemory::default(),
            body_memory: BodyMemory::default(),
            place: 0,
            was_held: false,
        }
    }

    /// The socket.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes the connection if no other thread has it.
    pub(super) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::Acquire)
    }

    /// Whether a thread works on it.
    pub(super) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Relaxed)
    }

    /// Takes the connection, waiting for the moment the draining main thread needs to say GOAWAY.
    pub(super) fn claim_waiting(&self) {
        while !self.claim() {
            std::thread::yield_now();
        }
    }

    /// Gives the connection back.
    pub(super) fn unclaim(&self) {
        self.claimed.store(false, Ordering::Release);
    }

    /// Reads what is there, without blocking, until a whole REQUEST is in `buffer`. Frames that were on their
    /// way when their request had already ended are dropped. Bytes behind the request stay in `buffer`;
    /// the caller passes them to [`HttpdConnection::keep_rest`].
    ///
    /// # Errors
    /// See [`ConnectionError`]; the connection must be closed.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<ConnectionInput, ConnectionError> {
        buffer.clear();
        if self.partial.len() > READ_ROOM {
            *buffer = std::mem::take(&mut self.partial);
        } else if !self.partial.is_empty() {
            buffer.extend_from_slice(&std::mem::take(&mut self.partial));
        }
        let mut drained = false;
        loop {
            let need = match self.parse(buffer).map_err(ConnectionError::Malformed)? {
                Ok(incoming) => return Ok(incoming),
                Err(need) => need,
            };
            if drained {
                break;
            }
            buffer.reserve(need.saturating_sub(buffer.len()).max(READ_ROOM));
            let room = buffer.capacity() - buffer.len();
            match os::recv_append(self.socket(), buffer, WaitMode::No) {
                Ok(0) => return Ok(ConnectionInput::Closed),
                // Less than there was room for: the socket is empty, another call would only say so.
                Ok(n) => drained = n < room,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.raw_os_error() == Some(libc::ECONNRESET) => return Ok(ConnectionInput::Closed),
                Err(e) => return Err(ConnectionError::Receiving(e)),
            }
        }
        if !buffer.is_empty() {
            self.partial = std::mem::take(buffer);
        }
        Ok(ConnectionInput::Incomplete)
    }

    /// Whether the next request is here, as far as it says what it is for, and satisfies `test`. Nothing is taken.
    pub(super) fn foresees(&self, test: impl FnOnce(&RequestHead<'_>) -> bool) -> bool {
        if !self.greeted || self.skip > 0 || !self.partial.is_empty() {
            return false;
        }
        let mut room = [0; GLANCE];
        let Ok(n) = os::record(self.socket(), &mut room, RecordLook::PeekNow) else { return false };
        match FrameHeader::decode(&room[..n]) {
            Ok(Some(FrameHeader { kind: FrameKind::Request, .. })) => {
                Request::decode(&room[HEADER_LEN..n]).is_ok_and(|request| test(&request.head))
            }
            _ => false,
        }
    }

    /// Stores what was received behind the request at `payload`; almost always nothing.
    pub(super) fn keep_rest(&mut self, buffer: &[u8], payload: &Range<usize>) {
        if buffer.len() > payload.end {
            self.partial.extend_from_slice(&buffer[payload.end..]);
        }
    }

    /// Puts a request back in front of what was received behind it, as if nobody had looked at it.
    pub(super) fn unread(&mut self, seq: u16, payload: &[u8]) {
        let mut frame = Vec::with_capacity(payload.len() + self.partial.len() + HEADER_LEN);
        FromHttpd::Request(payload).encode(seq).put(&mut frame);
        frame.append(&mut self.partial);
        self.partial = frame;
    }

    /// Finds a whole REQUEST at the front of `buffer`; `Err` holds how long the buffer has to become.
    fn parse(&mut self, buffer: &mut Vec<u8>) -> Result<Result<ConnectionInput, usize>, ProtocolError> {
        let mut at = 0;
        let need = loop {
            let dropped = self.skip.min(buffer.len() - at);
            at += dropped;
            self.skip -= dropped;
            let rest = &buffer[at..];
            let Some(header) = FrameHeader::decode(rest)? else { break HEADER_LEN };
            if self.greeted == (header.kind == FrameKind::Hello) {
                return Err(ProtocolError::FrameKind(header.kind as u8));
            }
            let len = HEADER_LEN + FromHttpd::needs(header)?;
            let Some(payload) = rest.get(HEADER_LEN..len) else { break len };
            match FromHttpd::decode(header, payload)? {
                FromHttpd::Hello(PROTOCOL_VERSION) => self.greeted = true,
                FromHttpd::Hello(version) => return Err(ProtocolError::Version(version)),
                FromHttpd::Request(_) => {
                    let payload = at + HEADER_LEN..at + len;
                    return Ok(Ok(ConnectionInput::Request { seq: header.seq, payload }));
                }
                // Of a request that has ended.
                FromHttpd::Body(len) => self.skip = len as usize,
                FromHttpd::BodyFile(_)
                | FromHttpd::BodyMemory { .. }
                | FromHttpd::BodyEnd
                | FromHttpd::Abort(_)
                | FromHttpd::Switched(..) => {}
            }
            at += len;
        };
        buffer.drain(..at);
        Ok(Err(need))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use wsgi_protocol::frame::put_frame;
    use wsgi_protocol::request::RequestWriter;

    fn pair() -> (HttpdConnection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (HttpdConnection::new(ours.into()), theirs)
    }

    fn hello() -> Vec<u8> {
        let mut out = Vec::new();
        put_frame(&mut out, FrameKind::Hello, 0, &PROTOCOL_VERSION.to_le_bytes());
        out
    }

    #[test]
    fn greeting_and_request_in_one_write() {
        let (mut c, mut peer) = pair();
        let mut bytes = hello();
        put_frame(&mut bytes, FrameKind::Request, 1, b"payload");
        peer.write_all(&bytes).unwrap();
        let mut buffer = Vec::new();
        let ConnectionInput::Request { seq: 1, payload } = c.read(&mut buffer).unwrap() else { panic!() };
        assert_eq!(&buffer[payload], b"payload");
        assert_eq!(c.read(&mut buffer).unwrap(), ConnectionInput::Incomplete);
        drop(peer);
        assert_eq!(c.read(&mut buffer).unwrap(), ConnectionInput::Closed);
    }

    #[test]
    fn a_request_is_foreseen_and_stays_where_it_is() {
        let (mut c, mut peer) = pair();
        let mut buffer = Vec::new();
        let mut payload = Vec::new();
        let head = RequestHead { script: b"/a", ..RequestHead::default() };
        RequestWriter::begin(&mut payload, &head).finish();
        payload.resize(3 * GLANCE, b'x');
        let is_a = |head: &RequestHead<'_>| head.script == b"/a";
        let mut send = |kind, payload: &[u8]| {
            let mut bytes = hello();
            if kind != FrameKind::Hello {
                bytes.clear();
                put_frame(&mut bytes, kind, 1, payload);
            }
            peer.write_all(&bytes).unwrap();
        };
        send(FrameKind::Hello, b"");
        assert!(!c.foresees(is_a));
        assert_eq!(c.read(&mut buffer).unwrap(), ConnectionInput::Incomplete);
        assert!(!c.foresees(is_a), "nothing is there");
        send(FrameKind::Request, &payload);
        assert!(c.foresees(is_a) && !c.foresees(|head| head.script == b"/b"));
        let whole = HEADER_LEN..HEADER_LEN + payload.len();
        assert_eq!(c.read(&mut buffer).unwrap(), ConnectionInput::Request { seq: 1, payload: whole });
        send(FrameKind::Abort, &[1]);
        send(FrameKind::Request, &payload);
        assert!(!c.foresees(is_a), "it is not in front");
    }

    #[test]
    fn every_cut_is_put_together_again() {
        let mut bytes = hello();
        put_frame(&mut bytes, FrameKind::Request, 9, b"payload");
        put_frame(&mut bytes, FrameKind::Abort, 9, &[1]);
        for cut in 1..bytes.len() - 9 {
            let (mut c, mut peer) = pair();
            let mut buffer = Vec::new();
            peer.write_all(&bytes[..cut]).unwrap();
            assert_eq!(c.read(&mut buffer).unwrap(), ConnectionInput::Incomplete, "cut at {cut}");
            peer.write_all(&bytes[cut..]).unwrap();
            let ConnectionInput::Request { seq: 9, payload } = c.read(&mut buffer).unwrap() else { panic!() };
            assert_eq!(&buffer[payload.clone()], b"payload");
            c.keep_rest(&buffer, &payload);
            assert_eq!(c.partial.len(), 9);
        }
    }

    #[test]
    fn frames_of_an_ended_request_are_dropped() {
        let (mut c, mut peer) = pair();
        let mut bytes = hello();
        put_frame(&mut bytes, FrameKind::Body, 1, &vec![7; 100_000]);
        put_frame(&mut bytes, FrameKind::BodyEnd, 1, b"");
        put_frame(&mut bytes, FrameKind::Request, 2, b"x");
        let writer = std::thread::spawn(move || {
            peer.write_all(&bytes).unwrap();
            peer
        });
        let mut buffer = Vec::new();
        loop {
            match c.read(&mut buffer).unwrap() {
                ConnectionInput::Incomplete => std::thread::yield_now(),
                other => {
                    assert!(matches!(other, ConnectionInput::Request { seq: 2, .. }));
                    break;
                }
            }
        }
        writer.join().unwrap();
    }

    #[test]
    fn strangers_are_refused() {
        for (kind, payload, refused) in [
            (FrameKind::Request, &b"x"[..], ProtocolError::FrameKind(2)),
            (FrameKind::Hello, &[9, 0, 0, 0], ProtocolError::Version(9)),
            (FrameKind::Hello, &[1], ProtocolError::Payload(FrameKind::Hello.variant(), 1)),
            (FrameKind::End, b"", ProtocolError::FrameKind(22)),
        ] {
            let (mut c, mut peer) = pair();
            let mut bytes = Vec::new();
            put_frame(&mut bytes, kind, 1, payload);
            peer.write_all(&bytes).unwrap();
            let Err(ConnectionError::Malformed(e)) = c.read(&mut Vec::new()) else {
                panic!("{kind:?} passed")
            };
            assert_eq!(e, refused);
        }
    }
}
