//! The one error type of this crate: what was being read when the bytes turned out wrong.

use core::fmt;

/// Why bytes from the other side were refused. Variants name what was being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// A frame header named a kind this end never receives; holds the kind byte.
    FrameKind(u8),
    /// A frame announced more bytes than [`crate::frame::MAX_PAYLOAD`]; holds the announced length.
    FrameLength(u32),
    /// A frame of the named kind, which only the other side sends.
    Direction(&'static str),
    /// A frame of the named kind whose payload is not one of that kind; holds the payload's length.
    Payload(&'static str, u32),
    /// The payload ended inside the named field.
    Missing(&'static str),
    /// The named field holds a value outside its range.
    Field(&'static str),
    /// Bytes were left over after the named message.
    Trailing(&'static str),
    /// The peer speaks another protocol version; holds that version.
    Version(u32),
    /// A control or launch message could not be decoded or encoded.
    Message(&'static str),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameKind(kind) => write!(f, "unknown frame kind {kind}"),
            Self::FrameLength(len) => write!(f, "frame of {len} bytes exceeds the maximum"),
            Self::Direction(kind) => write!(f, "frame {kind} in the wrong direction"),
            Self::Payload(kind, len) => write!(f, "frame {kind} of {len} bytes"),
            Self::Missing(field) => write!(f, "message ends inside field '{field}'"),
            Self::Field(field) => write!(f, "field '{field}' is out of range"),
            Self::Trailing(what) => write!(f, "bytes left over after message '{what}'"),
            Self::Version(v) => {
                write!(f, "peer speaks protocol version {v}, this side {}", crate::PROTOCOL_VERSION)
            }
            Self::Message(what) => write!(f, "message '{what}' cannot be decoded"),
        }
    }
}

impl std::error::Error for ProtocolError {}
