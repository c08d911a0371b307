//! What httpd sends: each frame as a value, from bytes and to bytes.

use super::{AbortReason, EncodedFrame, FrameHeader, FrameKind, MAX_SWITCHED, SwitchWay};
use crate::ProtocolError;
use crate::codec::FieldReader;

/// Most bytes of a frame that is decoded at once: those of BODY are passed on as they come, and a request is its own codec's.
pub const MAX_SHORT: usize = 8;

/// A frame from httpd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromHttpd<'a> {
    /// First on a connection: the version of the protocol.
    Hello(u32),
    /// A request, a payload of [`crate::request`].
    Request(&'a [u8]),
    /// So many bytes of the request body follow the header; they are passed on as they come.
    Body(u32),
    /// The request body is complete.
    BodyEnd,
    /// The request body will not come, or the client that was watched has gone.
    Abort(AbortReason),
    /// So many bytes of the body are in the file whose descriptor comes along.
    BodyFile(u64),
    /// So many bytes of the body are in the memory that the daemon has offered.
    BodyMemory {
        /// Where they begin.
        offset: u32,
        /// How many they are.
        length: u32,
    },
    /// The client has got 101; how its connection goes on, and what of it has been read already.
    Switched(SwitchWay, &'a [u8]),
}

impl<'a> FromHttpd<'a> {
    /// How many bytes of the payload have to be there before the frame is decoded: all of them, but none of BODY.
    ///
    /// # Errors
    /// A kind that only a daemon sends, or a length that its kind cannot have.
    pub fn needs(header: FrameHeader) -> Result<usize, ProtocolError> {
        let len = header.len as usize;
        let expected = match header.kind {
            FrameKind::Body => return Ok(0),
            FrameKind::Request => return Ok(len),
            FrameKind::Switched if (1..=1 + MAX_SWITCHED).contains(&len) => return Ok(len),
            FrameKind::Hello => 4,
            FrameKind::BodyEnd => 0,
            FrameKind::Abort => 1,
            FrameKind::BodyFile | FrameKind::BodyMemory => 8,
            FrameKind::Switched => return Err(ProtocolError::Payload(header.kind.variant(), header.len)),
            kind => return Err(ProtocolError::Direction(kind.variant())),
        };
        if len == expected { Ok(len) } else { Err(ProtocolError::Payload(header.kind.variant(), header.len)) }
    }

    /// Takes a frame apart; `payload` is all of it, except for BODY.
    ///
    /// # Errors
    /// As [`FromHttpd::needs`], and a reason that is none.
    pub fn decode(header: FrameHeader, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let refused = || ProtocolError::Payload(header.kind.variant(), header.len);
        let mut fields = FieldReader::new(payload);
        let frame = match header.kind {
            FrameKind::Body => return Ok(Self::Body(header.len)),
            FrameKind::Request => return Ok(Self::Request(payload)),
            FrameKind::Hello => Self::Hello(fields.u32("version").map_err(|_| refused())?),
            FrameKind::BodyEnd => Self::BodyEnd,
            FrameKind::Abort => {
                let reason = fields.u8("reason").ok().and_then(AbortReason::from_number);
                Self::Abort(reason.ok_or_else(refused)?)
            }
            FrameKind::Switched => {
                let way = fields.u8("way").ok().and_then(SwitchWay::from_number);
                return Ok(Self::Switched(way.ok_or_else(refused)?, fields.rest()));
            }
            FrameKind::BodyFile => Self::BodyFile(fields.u64("length").map_err(|_| refused())?),
            FrameKind::BodyMemory => {
                let offset = fields.u32("offset").map_err(|_| refused())?;
                Self::BodyMemory { offset, length: fields.u32("length").map_err(|_| refused())? }
            }
            kind => return Err(ProtocolError::Direction(kind.variant())),
        };
        fields.finish("frame").map_err(|_| refused())?;
        Ok(frame)
    }

    /// The bytes on the wire. Those of BODY are sent behind it.
    #[must_use]
    pub fn encode(self, seq: u16) -> EncodedFrame<'a> {
        let frame = |kind, fields: &[&[u8]], tail| EncodedFrame::new(kind, seq, fields, tail, 0);
        match self {
            Self::Hello(version) => frame(FrameKind::Hello, &[&version.to_le_bytes()], b""),
            Self::Request(payload) => frame(FrameKind::Request, &[], payload),
            Self::Body(len) => EncodedFrame::new(FrameKind::Body, seq, &[], b"", len as usize),
            Self::BodyEnd => frame(FrameKind::BodyEnd, &[], b""),
            Self::Abort(reason) => frame(FrameKind::Abort, &[&[reason as u8]], b""),
            Self::Switched(way, bytes) => frame(FrameKind::Switched, &[&[way as u8]], bytes),
            Self::BodyFile(length) => frame(FrameKind::BodyFile, &[&length.to_le_bytes()], b""),
            Self::BodyMemory { offset, length } => {
                frame(FrameKind::BodyMemory, &[&offset.to_le_bytes(), &length.to_le_bytes()], b"")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::HEADER_LEN;
    use super::*;

    fn decode(bytes: &[u8]) -> Result<FromHttpd<'_>, ProtocolError> {
        let header = FrameHeader::decode(bytes).unwrap().unwrap();
        FromHttpd::needs(header)?;
        FromHttpd::decode(header, &bytes[HEADER_LEN..])
    }

    #[test]
    fn frames_come_back_as_they_went() {
        for frame in [
            FromHttpd::Hello(3),
            FromHttpd::Request(b"request"),
            FromHttpd::Body(0),
            FromHttpd::BodyEnd,
            FromHttpd::Abort(AbortReason::Timeout),
            FromHttpd::BodyFile(u64::MAX),
            FromHttpd::BodyMemory { offset: 5, length: u32::MAX },
            FromHttpd::Switched(SwitchWay::Relayed, b""),
            FromHttpd::Switched(SwitchWay::HandedOver, b"early"),
        ] {
            assert_eq!(decode(&frame.encode(7).to_vec()), Ok(frame));
        }
        assert_eq!(FromHttpd::Abort(AbortReason::ClientGone).encode(2).to_vec(), [5, 0, 2, 0, 1, 0, 0, 0, 1]);
        assert_eq!(FromHttpd::Body(3).encode(2).to_vec(), [3, 0, 2, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn wrong_lengths_reasons_and_directions_are_refused() {
        for (kind, len) in
            [(FrameKind::Hello, 3), (FrameKind::BodyEnd, 1), (FrameKind::Abort, 0), (FrameKind::BodyFile, 9)]
        {
            let header = FrameHeader { kind, seq: 1, len };
            assert_eq!(FromHttpd::needs(header), Err(ProtocolError::Payload(kind.variant(), len)));
            assert_eq!(
                FromHttpd::decode(header, &[1; 9][..len as usize]),
                Err(ProtocolError::Payload(kind.variant(), len))
            );
        }
        assert_eq!(
            decode(&[5, 0, 2, 0, 1, 0, 0, 0, 9]),
            Err(ProtocolError::Payload(FrameKind::Abort.variant(), 1))
        );
        assert_eq!(
            decode(&[22, 0, 2, 0, 0, 0, 0, 0]),
            Err(ProtocolError::Direction(FrameKind::End.variant()))
        );
        for (len, is_taken) in
            [(0, false), (1, true), (1 + MAX_SWITCHED as u32, true), (2 + MAX_SWITCHED as u32, false)]
        {
            let header = FrameHeader { kind: FrameKind::Switched, seq: 1, len };
            assert_eq!(FromHttpd::needs(header).is_ok(), is_taken, "{len}");
        }
        assert!(decode(&[8, 0, 2, 0, 1, 0, 0, 0, 9]).is_err());
        let end = FrameHeader { kind: FrameKind::End, seq: 1, len: 0 };
        assert_eq!(FromHttpd::decode(end, b""), Err(ProtocolError::Direction(FrameKind::End.variant())));
    }

    #[test]
    fn short_frames_are_short() {
        let all = [FrameKind::Hello, FrameKind::BodyEnd, FrameKind::Abort, FrameKind::BodyFile];
        let lens =
            all.map(|kind| (0..20).find_map(|len| FromHttpd::needs(FrameHeader { kind, seq: 0, len }).ok()));
        assert_eq!(lens.into_iter().flatten().max(), Some(MAX_SHORT));
    }
}
