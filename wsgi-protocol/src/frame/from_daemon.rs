//! What a daemon sends: each frame as a value, from bytes and to bytes.

use super::{EncodedFrame, FrameHeader, FrameKind, HEADER_LEN, MAX_LOG, MAX_PAYLOAD, RequestRefusal};
use crate::ProtocolError;
use crate::codec::FieldReader;
use crate::metrics::{ACCOUNT_LEN, RequestAccount};

/// Longest text of one LOG frame.
pub const MAX_LOG_TEXT: usize = MAX_LOG - LOG_FIELDS;

/// Bytes before the text of a LOG frame: level and thread.
const LOG_FIELDS: usize = 5;

/// A frame from a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromDaemon<'a> {
    /// So many more bytes of the request body may come.
    WantBody(u32),
    /// Status and headers, a payload of [`crate::response`].
    Head(&'a [u8]),
    /// So many bytes of the response body follow the header; they are passed on as they come.
    Data(u32),
    /// A part of the file whose descriptor comes along.
    File {
        /// Where it begins in the file.
        offset: u64,
        /// Its bytes.
        length: u64,
    },
    /// A part of the response body, in the connection's memory.
    Memory {
        /// Where it begins there.
        offset: u32,
        /// Its bytes.
        length: u32,
    },
    /// The request body may come through memory.
    Offer,
    /// What has been sent shall reach the client now.
    Flush,
    /// A record for the log, in the context of the request.
    Log {
        /// httpd's number of the level.
        level: u8,
        /// The thread that says it.
        thread: u32,
        /// Its lines.
        text: &'a [u8],
    },
    /// The response is complete.
    End(Option<RequestAccount>),
    /// The response breaks off.
    Aborted(Option<RequestAccount>),
    /// There is no head: httpd answers with this status.
    Fail {
        /// The status.
        status: u16,
        /// The times of the request.
        account: Option<RequestAccount>,
    },
    /// The request was not started.
    Refused(RequestRefusal),
    /// No further request on this connection.
    GoAway,
    /// By ABORT httpd shall say when the client goes.
    Watch,
    /// The opening handshake of a WebSocket is accepted; headers as in a head.
    Upgrade(&'a [u8]),
    /// The same, if the client's socket may be had: by [`super::FromHttpd::Switched`].
    TakeOver(&'a [u8]),
}

impl<'a> FromDaemon<'a> {
    /// How many bytes of the payload have to be there before the frame is decoded: all of them, but none of DATA. Nothing is
    /// read of a frame that is longer than its kind can be, where a head may have `head` bytes.
    ///
    /// # Errors
    /// A kind that only httpd sends, or such a length.
    pub fn needs(header: FrameHeader, head: usize) -> Result<usize, ProtocolError> {
        if header.kind.is_from_httpd() {
            return Err(ProtocolError::Direction(header.kind.variant()));
        }
        let len = header.len as usize;
        match header.kind {
            FrameKind::Data => Ok(0),
            kind if len > longest(kind, head) => Err(ProtocolError::Payload(kind.variant(), header.len)),
            _ => Ok(len),
        }
    }

    /// Takes a frame apart; `payload` is all of it, except for DATA.
    ///
    /// # Errors
    /// A kind that only httpd sends, a wrong length, an unknown refusal.
    pub fn decode(header: FrameHeader, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let refused = || ProtocolError::Payload(header.kind.variant(), header.len);
        let mut fields = FieldReader::new(payload);
        let frame = match header.kind {
            FrameKind::WantBody => Self::WantBody(fields.u32("credit").map_err(|_| refused())?),
            FrameKind::Head => return Ok(Self::Head(payload)),
            FrameKind::Upgrade => return Ok(Self::Upgrade(payload)),
            FrameKind::TakeOver => return Ok(Self::TakeOver(payload)),
            FrameKind::Data => return Ok(Self::Data(header.len)),
            FrameKind::File => {
                let offset = fields.u64("offset").map_err(|_| refused())?;
                Self::File { offset, length: fields.u64("length").map_err(|_| refused())? }
            }
            FrameKind::Memory => {
                let offset = fields.u32("offset").map_err(|_| refused())?;
                Self::Memory { offset, length: fields.u32("length").map_err(|_| refused())? }
            }
            FrameKind::Offer => Self::Offer,
            FrameKind::Flush => Self::Flush,
            FrameKind::Log => {
                let level = fields.u8("level").map_err(|_| refused())?;
                let thread = fields.u32("thread").map_err(|_| refused())?;
                return Ok(Self::Log { level, thread, text: fields.rest() });
            }
            FrameKind::End => return Ok(Self::End(account(payload).ok_or_else(refused)?)),
            FrameKind::Aborted => return Ok(Self::Aborted(account(payload).ok_or_else(refused)?)),
            FrameKind::Fail => {
                let status = fields.u16("status").map_err(|_| refused())?;
                return Ok(Self::Fail { status, account: account(fields.rest()).ok_or_else(refused)? });
            }
            FrameKind::Refused => {
                let refusal = fields.u8("refusal").ok().and_then(RequestRefusal::from_number);
                Self::Refused(refusal.ok_or_else(refused)?)
            }
            FrameKind::GoAway => Self::GoAway,
            FrameKind::Watch => Self::Watch,
            kind => return Err(ProtocolError::Direction(kind.variant())),
        };
        fields.finish("frame").map_err(|_| refused())?;
        Ok(frame)
    }

    /// The bytes on the wire. Those of DATA are sent behind it; of a log record only [`MAX_LOG_TEXT`] bytes are.
    #[must_use]
    pub fn encode(self, seq: u16) -> EncodedFrame<'a> {
        let frame = |kind, fields: &[&[u8]], tail| EncodedFrame::new(kind, seq, fields, tail, 0);
        match self {
            Self::WantBody(bytes) => frame(FrameKind::WantBody, &[&bytes.to_le_bytes()], b""),
            Self::Head(payload) => frame(FrameKind::Head, &[], payload),
            Self::Upgrade(payload) => frame(FrameKind::Upgrade, &[], payload),
            Self::TakeOver(payload) => frame(FrameKind::TakeOver, &[], payload),
            Self::Data(len) => EncodedFrame::new(FrameKind::Data, seq, &[], b"", len as usize),
            Self::File { offset, length } => {
                frame(FrameKind::File, &[&offset.to_le_bytes(), &length.to_le_bytes()], b"")
            }
            Self::Memory { offset, length } => {
                frame(FrameKind::Memory, &[&offset.to_le_bytes(), &length.to_le_bytes()], b"")
            }
            Self::Offer => frame(FrameKind::Offer, &[], b""),
            Self::Flush => frame(FrameKind::Flush, &[], b""),
            Self::Log { level, thread, text } => {
                let text = &text[..text.len().min(MAX_LOG_TEXT)];
                frame(FrameKind::Log, &[&[level], &thread.to_le_bytes()], text)
            }
            Self::End(account) => ending(FrameKind::End, seq, &[], account),
            Self::Aborted(account) => ending(FrameKind::Aborted, seq, &[], account),
            Self::Fail { status, account } => ending(FrameKind::Fail, seq, &status.to_le_bytes(), account),
            Self::Refused(refusal) => frame(FrameKind::Refused, &[&[refusal as u8]], b""),
            Self::GoAway => frame(FrameKind::GoAway, &[], b""),
            Self::Watch => frame(FrameKind::Watch, &[], b""),
        }
    }

    /// Whether the daemon cannot say it without having read the request.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::GoAway | Self::Log { .. })
    }

    /// Whether nothing of the request follows it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::End(_) | Self::Aborted(_) | Self::Fail { .. } | Self::Refused(_))
    }

    /// What it tells of the request's times.
    #[must_use]
    pub fn account(&self) -> Option<RequestAccount> {
        match self {
            Self::End(account) | Self::Aborted(account) | Self::Fail { account, .. } => *account,
            _ => None,
        }
    }
}

/// Largest payload of a kind that is read as a whole.
fn longest(kind: FrameKind, head: usize) -> usize {
    match kind {
        FrameKind::Head | FrameKind::Upgrade | FrameKind::TakeOver => head.min(MAX_PAYLOAD as usize),
        FrameKind::Log => MAX_LOG,
        FrameKind::File => 16,
        FrameKind::Memory => 8,
        FrameKind::WantBody => 4,
        FrameKind::Fail => 2 + ACCOUNT_LEN,
        FrameKind::End | FrameKind::Aborted => ACCOUNT_LEN,
        FrameKind::Refused => 1,
        _ => 0,
    }
}

/// What the end of a payload tells of the request's times; it may be nothing, and nothing else.
fn account(bytes: &[u8]) -> Option<Option<RequestAccount>> {
    if bytes.is_empty() { Some(None) } else { RequestAccount::decode(bytes).map(Some) }
}

fn ending(
    kind: FrameKind,
    seq: u16,
    fields: &[u8],
    account: Option<RequestAccount>,
) -> EncodedFrame<'static> {
    let times = account.map(RequestAccount::encode);
    EncodedFrame::new(kind, seq, &[fields, times.as_ref().map_or(&[], |times| times)], b"", 0)
}

/// How many bytes lie between the header of a frame and the next header.
#[must_use]
pub fn frame_len(header: FrameHeader) -> usize {
    HEADER_LEN + header.len as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: RequestAccount = RequestAccount { began: 1, ended: 2, gil: 3, cpu: 4 };

    fn all() -> Vec<FromDaemon<'static>> {
        vec![
            FromDaemon::WantBody(0x0403_0201),
            FromDaemon::Head(b"head"),
            FromDaemon::File { offset: 1, length: u64::MAX },
            FromDaemon::Memory { offset: 1, length: u32::MAX },
            FromDaemon::Offer,
            FromDaemon::Flush,
            FromDaemon::Log { level: 3, thread: 7, text: b"a\nb" },
            FromDaemon::End(None),
            FromDaemon::End(Some(TIMES)),
            FromDaemon::Aborted(Some(TIMES)),
            FromDaemon::Fail { status: 503, account: None },
            FromDaemon::Fail { status: 503, account: Some(TIMES) },
            FromDaemon::Refused(RequestRefusal::QueueTimeout),
            FromDaemon::GoAway,
            FromDaemon::Watch,
            FromDaemon::Upgrade(b"head"),
            FromDaemon::TakeOver(b"head"),
        ]
    }

    fn decode(bytes: &[u8]) -> Result<FromDaemon<'_>, ProtocolError> {
        let header = FrameHeader::decode(bytes).unwrap().unwrap();
        FromDaemon::needs(header, 1 << 20)?;
        FromDaemon::decode(header, &bytes[HEADER_LEN..])
    }

    #[test]
    fn frames_come_back_as_they_went() {
        for frame in all() {
            assert_eq!(decode(&frame.encode(9).to_vec()), Ok(frame));
            assert_eq!(
                frame.account().is_some(),
                frame.encode(9).to_vec().len() >= HEADER_LEN + ACCOUNT_LEN,
                "{frame:?}"
            );
        }
        assert_eq!(FromDaemon::Data(5).encode(0x0201).to_vec(), [18, 0, 1, 2, 5, 0, 0, 0]);
        assert_eq!(
            FromDaemon::WantBody(0x0403_0201).encode(1).to_vec(),
            [16, 0, 1, 0, 4, 0, 0, 0, 1, 2, 3, 4]
        );
    }

    #[test]
    fn no_frame_is_a_byte_longer_or_shorter() {
        let is_open = |frame: &FromDaemon<'_>| {
            matches!(
                frame,
                FromDaemon::Head(_)
                    | FromDaemon::Upgrade(_)
                    | FromDaemon::TakeOver(_)
                    | FromDaemon::Log { .. }
            )
        };
        for frame in all().into_iter().filter(|frame| !is_open(frame)) {
            for change in [-1, 1] {
                let mut bytes = frame.encode(1).to_vec();
                let Some(len) = (bytes.len() - HEADER_LEN).checked_add_signed(change) else { continue };
                bytes.resize(HEADER_LEN + len, 0);
                bytes[4] = len as u8;
                let kind = FrameHeader::decode(&bytes).unwrap().unwrap().kind;
                assert_eq!(
                    decode(&bytes),
                    Err(ProtocolError::Payload(kind.variant(), len as u32)),
                    "{frame:?} {change}"
                );
            }
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_read() {
        let needs = |kind, len| FromDaemon::needs(FrameHeader { kind, seq: 1, len }, 100);
        assert_eq!((needs(FrameKind::Head, 100), needs(FrameKind::Data, 5)), (Ok(100), Ok(0)));
        for (kind, len) in [
            (FrameKind::Head, 101),
            (FrameKind::Upgrade, 101),
            (FrameKind::Log, 65537),
            (FrameKind::Flush, 1),
        ] {
            assert_eq!(needs(kind, len), Err(ProtocolError::Payload(kind.variant(), len)));
        }
        assert_eq!(needs(FrameKind::Body, 1), Err(ProtocolError::Direction(FrameKind::Body.variant())));
        let refused = FrameHeader { kind: FrameKind::Refused, seq: 1, len: 1 };
        assert_eq!(
            FromDaemon::decode(refused, &[9]),
            Err(ProtocolError::Payload(FrameKind::Refused.variant(), 1))
        );
        let hello = FrameHeader { kind: FrameKind::Hello, seq: 1, len: 0 };
        assert_eq!(FromDaemon::decode(hello, b""), Err(ProtocolError::Direction(FrameKind::Hello.variant())));
    }

    #[test]
    fn long_records_are_cut() {
        let text = vec![b'x'; MAX_LOG];
        let frame = FromDaemon::Log { level: 3, thread: 1, text: &text }.encode(1);
        assert_eq!((frame.prefix().len(), frame.tail().len()), (HEADER_LEN + 5, MAX_LOG_TEXT));
        assert_eq!(FromDaemon::needs(FrameHeader::decode(frame.prefix()).unwrap().unwrap(), 0), Ok(MAX_LOG));
    }
}
