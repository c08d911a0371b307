//! Whatever a daemon sends after a request: at most one head, no more body than it announces, no refusal once the request was seen, and
//! an end after which nothing is taken.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_protocol::conversation::{
    ConversationRules, EndKind, FedBytes, HeadUse, RelayConversation, RelayEffect,
};
use wsgi_protocol::frame::RESPONSE_MEMORY;
use wsgi_protocol::response::content_length;

fuzz_target!(|input: (u8, &[u8])| {
    let (switches, mut rest) = input;
    let is = |bit: u8| switches & bit != 0;
    let rules = ConversationRules { header_limit: 100, error_override: is(1), header_only: is(2) };
    let mut talk = RelayConversation::new(rules, 0, is(4));
    if is(8) {
        talk.allow_upgrade();
    }
    let (mut heads, mut passed, mut announced) = (0, 0, None);
    loop {
        let was_seen = talk.is_seen();
        match talk.feed(rest, is(16)) {
            Err(_) | Ok(FedBytes::Incomplete { .. }) => break,
            Ok(FedBytes::Data { len, part }) => {
                assert!(len <= rest.len() && part <= len && (part == 0 || talk.begun()));
                passed += part as u64;
                rest = &rest[len..];
            }
            Ok(FedBytes::Frame { len, effect }) => {
                match effect {
                    RelayEffect::Head(head, usage) => {
                        heads += 1;
                        let is_sent = usage == HeadUse::Pass && !is(2) && !matches!(head.status, 204 | 304);
                        announced = head.last("content-length").filter(|_| is_sent).and_then(content_length);
                    }
                    RelayEffect::Upgrade(_) | RelayEffect::TakeOver(_) => heads += 1,
                    RelayEffect::File { length, .. } => passed = u64::saturating_add(passed, length),
                    RelayEffect::Memory { start, len } => {
                        assert!(start <= RESPONSE_MEMORY && len <= RESPONSE_MEMORY - start);
                        passed = u64::saturating_add(passed, len as u64);
                    }
                    RelayEffect::Ended(EndKind::Refused(_), _) => assert!(!was_seen),
                    RelayEffect::Ended(EndKind::Complete, _) => {
                        assert!(announced.is_none_or(|length| length == passed));
                    }
                    _ => {}
                }
                rest = &rest[len..];
            }
        }
        assert!(heads <= 1 && announced.is_none_or(|length| passed <= length));
    }
    let was_seen = talk.is_seen();
    assert!(!talk.lost(true) || !was_seen);
    assert!(talk.feed(rest, false).is_err() && !talk.lost(true));
});
