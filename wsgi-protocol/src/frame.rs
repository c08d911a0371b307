//! Frame header: kind, request sequence, payload length. Eight bytes, little-endian (decisions.md, "Frames over
//! connections that stay open").
//!
//! One request at a time per connection. `seq` lets a daemon drop body frames that were still under way
//! when it had already ended the request they belong to.

mod encoded;
mod from_daemon;
mod from_httpd;

pub use encoded::EncodedFrame;
pub use from_daemon::{FromDaemon, MAX_LOG_TEXT, frame_len};
pub use from_httpd::{FromHttpd, MAX_SHORT};

use crate::ProtocolError;
use crate::wire_enum::wire_enum;

/// Length of a frame header in bytes.
pub const HEADER_LEN: usize = 8;

/// Largest payload of any frame: 16 MiB, the original's limit for a request's environment
/// (spec/daemon.md §1.9.2). Larger bodies are cut into several frames.
pub const MAX_PAYLOAD: u32 = 16 * 1024 * 1024;

/// Largest payload of a LOG frame; httpd itself cuts a record at 8 KiB.
pub const MAX_LOG: usize = 64 * 1024;

/// Bytes of the memory through which a daemon hands over large response bodies, if a connection has one.
pub const RESPONSE_MEMORY: usize = 1024 * 1024;

/// Bytes of the memory through which large request bodies come to a daemon, if it has offered any. No more body than that is
/// granted at once, so nothing in it is written over before it was read.
pub const BODY_MEMORY: usize = 1024 * 1024;

/// Most bytes of a client's that travel with its socket.
pub const MAX_SWITCHED: usize = 16 * 1024;

/// Largest payload of one DATA or BODY frame that our own ends write.
pub const BODY_CHUNK: usize = 1024 * 1024;

wire_enum! {
    /// What a frame is.
    pub enum FrameKind: u8 {
        /// httpd → daemon, first on a connection: `u32` protocol version.
        Hello = 1,
        /// httpd → daemon: one request, see [`crate::request`].
        Request = 2,
        /// httpd → daemon: bytes of the request body; only as many as WANT_BODY granted.
        Body = 3,
        /// httpd → daemon: the request body ended; empty payload.
        BodyEnd = 4,
        /// httpd → daemon: the request body will not come, or the client that WATCH is about has gone; payload is one
        /// `u8`, [`AbortReason`].
        Abort = 5,
        /// httpd → daemon: `u64`, so many bytes of the request body are at the front of a file, whose descriptor travels with the
        /// header (SCM_RIGHTS). Sent once, before any BODY, and after the first WANT_BODY, whose credit it does not use.
        BodyFile = 6,
        /// httpd → daemon: `u32` offset, `u32` length: so many bytes of the request body are in the memory that OFFER named.
        BodyMemory = 7,
        /// httpd → daemon: the answer to TAKE_OVER. `u8`, [`SwitchWay`], then what the client has sent already, at most
        /// [`MAX_SWITCHED`] bytes. The client's socket comes along, if it does, inside another one (SCM_RIGHTS), whose descriptor
        /// travels with the header.
        Switched = 8,
        /// daemon → httpd: `u32`, grants that many more body bytes. The first one also means "send 100 Continue".
        WantBody = 16,
        /// daemon → httpd: status and headers, see [`crate::response`].
        Head = 17,
        /// daemon → httpd: bytes of the response body.
        Data = 18,
        /// daemon → httpd: `u64` offset, `u64` length; the descriptor travels with the header (SCM_RIGHTS).
        File = 19,
        /// daemon → httpd: send what you hold to the client now; empty payload.
        Flush = 20,
        /// daemon → httpd: `u8` level, `u32` thread id, then text; logged in the request's context. Line feeds separate the lines
        /// of one record.
        Log = 21,
        /// daemon → httpd: the response is complete; the payload is a [`crate::metrics::RequestAccount`], or empty.
        End = 22,
        /// daemon → httpd: the response broke off; httpd breaks the client's connection. Payload as of END.
        Aborted = 23,
        /// daemon → httpd: no head was sent; httpd answers with this `u16` status by its own error handling; the
        /// payload of END follows.
        Fail = 24,
        /// daemon → httpd: not started; httpd may send the same request elsewhere. `u8`, [`RequestRefusal`].
        Refused = 25,
        /// daemon → httpd: this connection takes no further request; empty payload.
        GoAway = 26,
        /// daemon → httpd: say by ABORT when the client goes, while the body is complete; empty payload.
        Watch = 27,
        /// daemon → httpd: the request is the opening handshake of a WebSocket, and is accepted; headers as HEAD has them,
        /// with the status 101. From then on BODY and DATA are the bytes of the client's connection, as they are.
        Upgrade = 28,
        /// daemon → httpd: `u32` offset, `u32` length: so many bytes of the response body are in the connection's memory
        /// ([`RESPONSE_MEMORY`]), whose descriptor travels with the header of the first such frame (SCM_RIGHTS).
        Memory = 29,
        /// daemon → httpd: the body of this request may come through memory ([`BODY_MEMORY`]), whose descriptor travels with the
        /// header of the first such frame on a connection (SCM_RIGHTS); empty payload.
        Offer = 30,
        /// daemon → httpd: as UPGRADE, from a process that would read and write the client's connection itself. It says nothing
        /// more before SWITCHED has come.
        TakeOver = 31,
    }
}

impl FrameKind {
    /// Whether httpd is the one that sends this kind.
    #[must_use]
    pub fn is_from_httpd(self) -> bool {
        (self as u8) < 16
    }
}

wire_enum! {
    /// How the bytes of a WebSocket travel.
    pub enum SwitchWay: u8 {
        /// As BODY and DATA: its connection is not plain.
        Relayed = 1,
        /// The daemon has the client's socket; the exchange is over.
        HandedOver = 2,
    }
}

wire_enum! {
    /// Why httpd gives up on a request body.
    pub enum AbortReason: u8 {
        /// The client closed or reset its connection.
        ClientGone = 1,
        /// The client stalled longer than httpd's Timeout.
        Timeout = 2,
        /// The body was malformed or larger than LimitRequestBody allows.
        Malformed = 3,
    }
}

wire_enum! {
    /// Why a daemon did not start a request.
    pub enum RequestRefusal: u8 {
        /// The process is being replaced (script changed, drain, shutdown): try another one.
        Restarting = 1,
        /// The request waited longer than queue-timeout: answer 504 (spec/daemon.md §1.10).
        QueueTimeout = 2,
        /// The peer speaks another protocol version.
        Version = 3,
    }
}

/// A decoded frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What follows.
    pub kind: FrameKind,
    /// Low 16 bits of the request's number on this connection, starting at 1.
    pub seq: u16,
    /// Payload length in bytes, at most [`MAX_PAYLOAD`].
    pub len: u32,
}

impl FrameHeader {
    /// A header for `len` payload bytes.
    #[must_use]
    pub fn new(kind: FrameKind, seq: u16, len: usize) -> Self {
        debug_assert!(len <= MAX_PAYLOAD as usize, "caller splits larger payloads");
        Self { kind, seq, len: len as u32 }
    }

    /// The eight bytes on the wire.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let s = self.seq.to_le_bytes();
        let l = self.len.to_le_bytes();
        [self.kind as u8, 0, s[0], s[1], l[0], l[1], l[2], l[3]]
    }

    /// Reads a header if eight bytes are there; `Ok(None)` means more are needed.
    ///
    /// # Errors
    /// An unknown kind, a set reserved byte, or a length above the maximum.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let kind = FrameKind::from_number(head[0]).ok_or(ProtocolError::FrameKind(head[0]))?;
        if head[1] != 0 {
            return Err(ProtocolError::Field("reserved"));
        }
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if len > MAX_PAYLOAD {
            return Err(ProtocolError::FrameLength(len));
        }
        Ok(Some(Self { kind, seq: u16::from_le_bytes([head[2], head[3]]), len }))
    }
}

/// Appends a whole frame to `out`.
pub fn put_frame(out: &mut Vec<u8>, kind: FrameKind, seq: u16, payload: &[u8]) {
    out.extend_from_slice(&FrameHeader::new(kind, seq, payload.len()).encode());
    out.extend_from_slice(payload);
}

/// Begins a frame whose length is not known yet; returns the mark for [`end_frame`].
#[must_use]
pub fn begin_frame(out: &mut Vec<u8>, kind: FrameKind, seq: u16) -> usize {
    let mark = out.len();
    // Until it is ended the frame announces the maximum: a forgotten end is refused, not misread.
    out.extend_from_slice(&FrameHeader { kind, seq, len: MAX_PAYLOAD }.encode());
    mark
}

/// Writes the length of the frame begun at `mark`, plus `extra` payload bytes the caller sends after `out`.
///
/// # Errors
/// [`ProtocolError::FrameLength`] when the payload is larger than [`MAX_PAYLOAD`].
pub fn end_frame(out: &mut [u8], mark: usize, extra: usize) -> Result<(), ProtocolError> {
    let len = out.len() - mark - HEADER_LEN + extra;
    let len = u32::try_from(len).ok().filter(|l| *l <= MAX_PAYLOAD);
    let len = len.ok_or(ProtocolError::FrameLength(u32::MAX))?;
    out[mark + 4..mark + 8].copy_from_slice(&len.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trips() {
        for kind in FrameKind::ALL {
            let head = FrameHeader::new(*kind, 0x1234, 77);
            assert_eq!(FrameHeader::decode(&head.encode()), Ok(Some(head)));
        }
    }

    #[test]
    fn golden_header() {
        assert_eq!(FrameHeader::new(FrameKind::Data, 0x0201, 5).encode(), [18, 0, 1, 2, 5, 0, 0, 0]);
    }

    #[test]
    fn short_input_is_not_an_error() {
        assert_eq!(FrameHeader::decode(&[18, 0, 1]), Ok(None));
    }

    #[test]
    fn bad_headers_are_refused() {
        assert_eq!(FrameHeader::decode(&[99, 0, 0, 0, 0, 0, 0, 0]), Err(ProtocolError::FrameKind(99)));
        assert_eq!(FrameHeader::decode(&[18, 1, 0, 0, 0, 0, 0, 0]), Err(ProtocolError::Field("reserved")));
        assert_eq!(
            FrameHeader::decode(&[18, 0, 0, 0, 255, 255, 255, 255]),
            Err(ProtocolError::FrameLength(u32::MAX))
        );
    }

    #[test]
    fn begun_frame_gets_its_length() {
        let mut out = vec![1, 2, 3];
        let mark = begin_frame(&mut out, FrameKind::Head, 7);
        out.extend_from_slice(b"abc");
        end_frame(&mut out, mark, 4).unwrap();
        assert_eq!(FrameHeader::decode(&out[3..]).unwrap().unwrap().len, 7);
    }
}
