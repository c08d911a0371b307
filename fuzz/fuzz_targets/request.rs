//! A request as a daemon reads it: it ends, and shows no more than there is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::request::Request;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::decode(bytes) else { return };
    let mut pairs = request.pairs();
    let shown: usize = pairs.by_ref().map_while(Result::ok).map(|(_, value)| value.len()).sum();
    assert!(shown + request.head.script.len() <= bytes.len());
});
