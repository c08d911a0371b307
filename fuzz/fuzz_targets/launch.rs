//! What a process is told when it starts: whatever it is, it ends, and what is accepted is written again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::launch::{self, Launch};

fuzz_target!(|bytes: &[u8]| {
    let Ok(launch) = launch::decode::<Launch>(bytes) else { return };
    let again = launch::encode(&launch).ok().map(|bytes| launch::decode::<Launch>(&bytes));
    assert!(again == Some(Ok(launch)));
});
