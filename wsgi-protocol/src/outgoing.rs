//! A request as it leaves httpd: HELLO and REQUEST in one piece of memory, kept until it is known to have been read, so that it can be
//! sent again.

use crate::frame::{self, FrameKind, FromHttpd, HEADER_LEN};
use crate::request::RequestFlags;
use crate::{PROTOCOL_VERSION, ProtocolError};

/// Length of a HELLO frame, which stands before the request and is only sent on a fresh connection.
const HELLO_LEN: usize = HEADER_LEN + 4;
/// Where the payload begins.
const PAYLOAD_AT: usize = HELLO_LEN + HEADER_LEN;
/// Where the payload's count of attempts is; the count of restarts follows it.
const CONNECTS_AT: usize = PAYLOAD_AT + 4 + 8 + 8;

/// Room that most requests need.
const USUAL: usize = 4096;

/// Where the rest of a request body is, behind the bytes that travel with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRest {
    /// There is none.
    Nothing,
    /// It is sent when the daemon asks for it.
    Frames,
    /// It, or its beginning, is in a file.
    File,
}

/// Which attempt to have a request run this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptStamp {
    /// Number of the request on its connection.
    pub seq: u16,
    /// Nothing has been sent on the connection yet.
    pub is_fresh: bool,
    /// Attempts, with this one.
    pub connects: u32,
    /// How many of them met a process that was about to be replaced.
    pub restarts: u32,
    /// The memory of the connection, which it may get by its first use, has nothing in it.
    pub is_memory_free: bool,
}

/// See the module's comment.
#[derive(Debug)]
pub struct RequestFrames {
    bytes: Vec<u8>,
    begun: usize,
}

impl RequestFrames {
    /// Begins with HELLO and the header of REQUEST.
    #[must_use]
    pub fn begin() -> Self {
        let mut bytes = Vec::with_capacity(USUAL);
        FromHttpd::Hello(PROTOCOL_VERSION).encode(0).put(&mut bytes);
        let begun = frame::begin_frame(&mut bytes, FrameKind::Request, 0);
        Self { bytes, begun }
    }

    /// Where [`crate::request::RequestWriter`] appends the request, and after it whoever has them the first bytes of its body.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the payload, and says in it where the rest of the body is.
    ///
    /// # Errors
    /// It is longer than a frame can be.
    pub fn finish(&mut self, rest: BodyRest) -> Result<(), ProtocolError> {
        frame::end_frame(&mut self.bytes, self.begun, 0)?;
        let payload = &mut self.bytes[PAYLOAD_AT..];
        match rest {
            BodyRest::Nothing => RequestFlags::clear_encoded(payload, RequestFlags::BODY_FOLLOWS),
            BodyRest::Frames => {}
            BodyRest::File => RequestFlags::set_encoded(payload, RequestFlags::BODY_IN_FILE),
        }
        Ok(())
    }

    /// Writes what differs between attempts; the bytes to send. Before [`RequestFrames::finish`] there are none.
    #[must_use]
    pub fn stamped(&mut self, stamp: AttemptStamp) -> &[u8] {
        let AttemptStamp { seq, is_fresh, connects, restarts, is_memory_free } = stamp;
        for (at, field) in [
            (HELLO_LEN + 2, &seq.to_le_bytes()[..]),
            (CONNECTS_AT, &connects.to_le_bytes()),
            (CONNECTS_AT + 4, &restarts.to_le_bytes()),
        ] {
            let Some(place) = self.bytes.get_mut(at..at + field.len()) else { return &[] };
            place.copy_from_slice(field);
        }
        let mark = if is_memory_free { RequestFlags::set_encoded } else { RequestFlags::clear_encoded };
        mark(&mut self.bytes[PAYLOAD_AT..], RequestFlags::MEMORY_IS_FREE);
        &self.bytes[if is_fresh { 0 } else { HELLO_LEN }..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHeader, MAX_PAYLOAD};
    use crate::request::{Request, RequestHead, RequestWriter};

    fn frames(rest: BodyRest) -> RequestFrames {
        let mut frames = RequestFrames::begin();
        let head = RequestHead {
            flags: RequestFlags(RequestFlags::HTTPS | RequestFlags::BODY_FOLLOWS),
            script: b"/srv/a.wsgi",
            ..RequestHead::default()
        };
        let mut writer = RequestWriter::begin(frames.payload(), &head);
        writer.pair(b"PATH_INFO", b"/");
        writer.finish();
        frames.payload().extend_from_slice(b"body");
        frames.finish(rest).unwrap();
        frames
    }

    #[test]
    fn attempts_differ_in_numbers_only() {
        let mut frames = frames(BodyRest::Frames);
        let first = frames
            .stamped(AttemptStamp { seq: 1, is_fresh: true, connects: 1, restarts: 0, is_memory_free: false })
            .to_vec();
        let hello = FrameHeader::decode(&first).unwrap().unwrap();
        assert_eq!(
            FromHttpd::decode(hello, &first[HEADER_LEN..HELLO_LEN]),
            Ok(FromHttpd::Hello(PROTOCOL_VERSION))
        );
        let stamp =
            AttemptStamp { seq: 0x0302, is_fresh: false, connects: 5, restarts: 4, is_memory_free: false };
        let again = frames.stamped(stamp).to_vec();
        let marked = frames.stamped(AttemptStamp { is_memory_free: true, ..stamp }).to_vec();
        let marked = Request::decode(&marked[HEADER_LEN..]).unwrap();
        assert!(marked.head.flags.has(RequestFlags::MEMORY_IS_FREE));
        assert_eq!(again.len() + HELLO_LEN, first.len());
        let header = FrameHeader::decode(&again).unwrap().unwrap();
        assert_eq!((header.kind, header.seq), (FrameKind::Request, 0x0302));
        assert_eq!(header.len as usize, again.len() - HEADER_LEN);
        let request = Request::decode(&again[HEADER_LEN..]).unwrap();
        assert_eq!((request.head.connects, request.head.restarts), (5, 4));
        assert_eq!((request.head.script, request.head.queue_start_us), (&b"/srv/a.wsgi"[..], 0));
        let mut pairs = request.pairs();
        assert_eq!(pairs.by_ref().map(|pair| pair.unwrap().1).collect::<Vec<_>>(), [b"/"]);
        assert_eq!(pairs.body(), b"body");
    }

    #[test]
    fn flags_say_where_the_rest_of_the_body_is() {
        for (rest, flags) in [
            (BodyRest::Nothing, RequestFlags::HTTPS),
            (BodyRest::Frames, RequestFlags::HTTPS | RequestFlags::BODY_FOLLOWS),
            (BodyRest::File, RequestFlags::HTTPS | RequestFlags::BODY_FOLLOWS | RequestFlags::BODY_IN_FILE),
        ] {
            let mut frames = frames(rest);
            let bytes = frames.stamped(AttemptStamp {
                seq: 1,
                is_fresh: false,
                connects: 1,
                restarts: 0,
                is_memory_free: false,
            });
            assert_eq!(Request::decode(&bytes[HEADER_LEN..]).unwrap().head.flags, RequestFlags(flags));
        }
    }

    #[test]
    fn what_is_too_long_or_not_there_is_not_sent() {
        let mut frames = RequestFrames::begin();
        assert!(
            frames
                .stamped(AttemptStamp {
                    seq: 1,
                    is_fresh: true,
                    connects: 1,
                    restarts: 0,
                    is_memory_free: false
                })
                .is_empty()
        );
        frames.payload().resize(PAYLOAD_AT + MAX_PAYLOAD as usize + 1, 0);
        assert!(frames.finish(BodyRest::Nothing).is_err());
    }
}
