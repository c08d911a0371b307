//! What holds for a response, what a conversation asks for, and what is wrong with what a daemon sends.

use crate::ProtocolError;
use crate::frame::{FrameKind, RequestRefusal};
use crate::metrics::RequestAccount;
use crate::response::{ResponseHead, content_length};
use core::fmt;

/// Most bytes of a head, unless header-buffer-size allows more: a single header may have half of them.
const HEAD: usize = 1024 * 1024;

/// What is fixed before a daemon says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationRules {
    /// `header-buffer-size`: most bytes of one header.
    pub header_limit: usize,
    /// WSGIErrorOverride: httpd's own page takes the place of an application's error.
    pub error_override: bool,
    /// The client gets no body (HEAD).
    pub header_only: bool,
}

impl ConversationRules {
    /// Most bytes of a head.
    #[must_use]
    pub fn head_limit(&self) -> usize {
        self.header_limit.saturating_mul(2).max(HEAD)
    }

    /// What becomes of the application's head.
    pub(super) fn use_of(&self, head: &ResponseHead<'_>) -> HeadUse {
        if self.error_override && (400..600).contains(&head.status) {
            HeadUse::ErrorPage(head.status)
        } else if head.status == 200 && head.last("location").is_some_and(is_local) {
            HeadUse::Redirect
        } else {
            HeadUse::Pass
        }
    }

    /// The announced length of a body that is sent: not for HEAD, 204 and 304.
    pub(super) fn body_length(&self, head: &ResponseHead<'_>) -> Option<u64> {
        if self.header_only || matches!(head.status, 204 | 304) {
            return None;
        }
        content_length(head.last("content-length")?)
    }
}

/// Whether a Location is a path of this server: httpd answers with what is there (docs/dev/spec/behaviour.md §4.11).
fn is_local(location: &[u8]) -> bool {
    location.starts_with(b"/") && !location.starts_with(b"//")
}

/// What the client gets of the application's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadUse {
    /// The head, and the body behind it.
    Pass,
    /// httpd's own page for this status.
    ErrorPage(u16),
    /// What the local URL in Location leads to.
    Redirect,
}

/// What stands at the front of the bytes that have come.
#[derive(Debug, Clone)]
pub enum FedBytes<'a> {
    /// Nothing that could be taken: so many bytes have to be there, or simply more.
    Incomplete {
        /// Bytes of the whole frame, as far as they are known; 0: any that come.
        needed: usize,
    },
    /// Bytes of the response body.
    Data {
        /// How many there are.
        len: usize,
        /// How many of them, from the front, the client gets.
        part: usize,
    },
    /// A frame.
    Frame {
        /// Its bytes.
        len: usize,
        /// What is to be done.
        effect: RelayEffect<'a>,
    },
}

/// What is to be done about a frame.
#[derive(Debug, Clone)]
pub enum RelayEffect<'a> {
    /// Nothing.
    Nothing,
    /// Bytes of the response body follow.
    DataFollows,
    /// The application reads the request body, and may have so many bytes more.
    BodyWanted(u32),
    /// The head goes to the client, or something takes its place.
    Head(ResponseHead<'a>, HeadUse),
    /// The client gets 101 and its connection becomes a WebSocket.
    Upgrade(ResponseHead<'a>),
    /// The same, and the daemon gets the client's socket if it can, or hears that it does not.
    TakeOver(ResponseHead<'a>),
    /// A part of the file whose descriptor came along goes to the client; nothing if it has no length.
    File {
        /// Where it begins.
        offset: u64,
        /// As much of it as may reach the client.
        length: u64,
    },
    /// The request body may go through memory, whose descriptor comes with the first such offer on a connection.
    MemoryOffered,
    /// A part of the connection's memory, which lies within it, goes to the client; nothing if it has no length.
    Memory {
        /// Where it begins.
        start: usize,
        /// As much of it as may reach the client.
        len: usize,
    },
    /// The client gets now what has been passed on.
    Flush,
    /// A record for the log.
    Log {
        /// httpd's number of the level.
        level: u8,
        /// The thread that says it.
        thread: u32,
        /// Its lines.
        text: &'a [u8],
    },
    /// The event loop that runs the request wants to know when the client goes.
    Watched,
    /// The connection takes no further request.
    GoAway,
    /// The exchange is over; with what the daemon tells of the request's times.
    Ended(EndKind, Option<RequestAccount>),
}

/// How an exchange is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndKind {
    /// The response is complete.
    Complete,
    /// It is shorter than its Content-Length.
    Short,
    /// The daemon has logged why it breaks off.
    Aborted,
    /// httpd's page for this status takes the place of the application's.
    ErrorPage(u16),
    /// What is at this local URL takes its place.
    Redirect(Vec<u8>),
    /// There is no response but this status.
    Status(u16),
    /// The request was not started.
    Refused(RequestRefusal),
    /// The application has ended after the request was given up.
    Heard,
}

impl EndKind {
    /// Whether nothing is under way after it, so that the connection can take the next request.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Heard)
    }
}

/// What is wrong with what a daemon sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameViolation {
    /// Its bytes are no frame that a daemon can send.
    Malformed(ProtocolError),
    /// A frame that belongs to another request.
    OtherRequest(FrameKind),
    /// DATA comes first.
    DataBeforeHead,
    /// FILE comes first.
    FileBeforeHead,
    /// FILE brings no descriptor.
    FileWithoutDescriptor,
    /// MEMORY comes before the head, or where a WebSocket is.
    MemoryOutOfTurn,
    /// MEMORY names what lies beyond the end.
    MemoryOutOfBounds,
    /// A descriptor that came belongs to no FILE.
    StrayDescriptor,
    /// There is a head already.
    SecondHead,
    /// END comes first.
    EndWithoutHead,
    /// ABORTED comes before a head that is passed on.
    AbortBeforeHead,
    /// FAIL comes after the head, or with a status that is no error.
    FailAfterHead,
    /// The request is refused after it was seen.
    RefusalOutOfTurn,
    /// 101 for what is no opening handshake of a WebSocket.
    NoHandshake,
    /// A head longer than is allowed.
    HeadTooLarge {
        /// Its bytes.
        len: u32,
        /// How many there may be.
        limit: usize,
    },
    /// A head that forges something, or is none.
    BadHead(ProtocolError),
    /// A header longer than header-buffer-size.
    HeaderTooLong,
    /// The exchange is over.
    AfterTheEnd,
}

impl From<ProtocolError> for FrameViolation {
    fn from(error: ProtocolError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for FrameViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(error) | Self::BadHead(error) => return error.fmt(f),
            Self::OtherRequest(kind) => return write!(f, "frame {kind:?} of another request"),
            Self::HeadTooLarge { len, limit } => {
                return write!(f, "a head of {len} bytes where {limit} are allowed");
            }
            Self::DataBeforeHead => "data before the head",
            Self::FileBeforeHead => "a file before the head",
            Self::FileWithoutDescriptor => "FILE without descriptor",
            Self::MemoryOutOfTurn => "MEMORY out of turn",
            Self::MemoryOutOfBounds => "MEMORY beyond its end",
            Self::StrayDescriptor => "a descriptor without FILE",
            Self::SecondHead => "a second head",
            Self::EndWithoutHead => "an end without a head",
            Self::AbortBeforeHead => "an abort before the head",
            Self::FailAfterHead => "a failure after the head",
            Self::RefusalOutOfTurn => "refusal out of turn",
            Self::NoHandshake => "101 for a request that is no WebSocket handshake",
            Self::HeaderTooLong => "a header that is too long",
            Self::AfterTheEnd => "a frame after the end",
        })
    }
}

impl std::error::Error for FrameViolation {}
