//! The bytes between httpd and a daemon, and the C table between httpd and the embedded host.
//! Pure: slices in, values or errors out; no socket, no httpd, no Python (decisions.md, "Crates by what they know").

#![forbid(unsafe_code)]

pub mod abi;
pub mod birth;
pub mod call;
pub mod choice;
pub mod codec;
pub mod control;
pub mod conversation;
pub mod death;
pub mod error;
pub mod events;
pub mod frame;
pub mod heirloom;
pub mod keys;
pub mod launch;
pub mod metrics;
pub mod operator;
pub mod outgoing;
pub mod record;
pub mod request;
pub mod response;
pub mod scoreboard;
pub mod status;
pub mod websocket;
mod wire_enum;
pub mod yielding;

pub use error::ProtocolError;

/// Version of the wire, of the control messages and of the C table. Both ends refuse another one,
/// so that a package upgrade followed by a graceful restart is noticed and never misread. It counts from the first release.
pub const PROTOCOL_VERSION: u32 = 5;
