//! A frame from httpd: what is accepted is written again byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::frame::{FrameHeader, FromHttpd, HEADER_LEN};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(header)) = FrameHeader::decode(bytes) else { return };
    let Ok(needed) = FromHttpd::needs(header) else { return };
    let Some(payload) = bytes.get(HEADER_LEN..HEADER_LEN + needed) else { return };
    let Ok(frame) = FromHttpd::decode(header, payload) else { return };
    assert!(frame.encode(header.seq).to_vec() == bytes[..HEADER_LEN + needed]);
});
