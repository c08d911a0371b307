//! The head of a response: what is accepted forges nothing, and is written again byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::response::{HeadWriter, ResponseHead, STATUSES};

fuzz_target!(|bytes: &[u8]| {
    let Ok(head) = ResponseHead::decode(bytes) else { return };
    let is_clean = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    assert!(STATUSES.contains(&head.status) && is_clean(head.line));
    let mut again = Vec::new();
    let mut writer = HeadWriter::begin(&mut again, head.status, head.line);
    head.headers().for_each(|(name, value)| writer.header(name, value));
    writer.finish();
    assert!(again == bytes && head.headers().all(|(name, value)| is_clean(name) && is_clean(value)));
});
