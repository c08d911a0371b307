//! A question to a host script: it ends, and shows no more than there is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::call::HostScriptCall;

fuzz_target!(|bytes: &[u8]| {
    let Ok(call) = HostScriptCall::decode(bytes) else { return };
    let shown: usize = call.arguments.iter().map(|argument| argument.len()).sum();
    assert!(shown + call.request.head.script.len() <= bytes.len());
});
