//! A frame from a daemon: what is accepted is written again byte by byte, and is no longer than its kind can be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::frame::{FrameHeader, FromDaemon, HEADER_LEN};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(header)) = FrameHeader::decode(bytes) else { return };
    let Ok(needed) = FromDaemon::needs(header, 1 << 20) else { return };
    let Some(payload) = bytes.get(HEADER_LEN..HEADER_LEN + needed) else { return };
    let Ok(frame) = FromDaemon::decode(header, payload) else { return };
    assert!(needed <= 1 << 20 && frame.encode(header.seq).to_vec() == bytes[..HEADER_LEN + needed]);
});
