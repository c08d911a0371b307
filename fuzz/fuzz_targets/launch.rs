//! What a process is told when it starts: whatever it is, it ends, and what is accepted is written again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::PROTOCOL_VERSION;
use wsgi_protocol::launch::{self, Launch};

fuzz_target!(|bytes: &[u8]| {
    let _ = launch::decode::<Launch>(bytes);
    // Few inputs would begin with the right version.
    let message = [&PROTOCOL_VERSION.to_le_bytes(), bytes].concat();
    let Ok(launch) = launch::decode::<Launch>(&message) else { return };
    let again = launch::encode(&launch).ok().map(|bytes| launch::decode::<Launch>(&bytes) == Ok(launch));
    assert!(again == Some(true));
});
