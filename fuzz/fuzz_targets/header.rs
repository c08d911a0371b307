//! The header of a frame: what is read is written the same way, and no length is beyond its maximum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::frame::{FrameHeader, HEADER_LEN, MAX_PAYLOAD};

fuzz_target!(|bytes: &[u8]| {
    match FrameHeader::decode(bytes) {
        Ok(Some(header)) => assert!(header.encode() == bytes[..HEADER_LEN] && header.len <= MAX_PAYLOAD),
        Ok(None) => assert!(bytes.len() < HEADER_LEN),
        Err(_) => {}
    }
});
