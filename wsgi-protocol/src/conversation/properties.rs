//! Thousands of hostile conversations, and what none of them may bring about.

use super::*;
use crate::frame::RequestRefusal;
use crate::metrics::RequestAccount;
use crate::response::HeadWriter;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Every run is the same.
const SEED: [u8; 32] = *b"the same conversations each time";
const CASES: u32 = 4_000;
const SEQ: u16 = 1;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    /// The daemon sends these bytes; so many of them at a time arrive.
    Bytes(Vec<u8>, usize),
    /// A descriptor arrives.
    Descriptor,
    /// The client's side has this to offer.
    Supply(BodySupply),
    ClientLeft,
    GivenUp,
    /// The daemon's end is closed; true: as if nothing had been read.
    Lost(bool),
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop_oneof![
        Just(&b"200 OK"[..]),
        Just(&b"204 No Content"[..]),
        Just(&b"404 Nope"[..]),
        Just(&b"101 Switching Protocols"[..]),
        Just(&b"20\n OK"[..])
    ];
    let headers = prop_oneof![
        Just((&b"Content-Length"[..], &b"5"[..])),
        Just((&b"Content-Length"[..], &b"1000"[..])),
        Just((&b"Content-Length"[..], &b"x"[..])),
        Just((&b"Location"[..], &b"/x"[..])),
        Just((&b"X"[..], &b"a\r\nb"[..])),
        Just((&b"X"[..], &[b'x'; 200][..]))
    ];
    (lines, proptest::collection::vec(headers, 0..3)).prop_map(|(line, headers)| {
        let mut out = Vec::new();
        let status = std::str::from_utf8(&line[..3]).ok().and_then(|digits| digits.parse().ok());
        let mut writer = HeadWriter::begin(&mut out, status.unwrap_or(200), line);
        headers.iter().for_each(|(name, value)| writer.header(name, value));
        writer.finish();
        out
    })
}

/// The bytes of a frame, sometimes with a number changed.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let times = prop_oneof![Just(None), Just(Some(RequestAccount::default()))];
    let refusals = prop_oneof![Just(RequestRefusal::Restarting), Just(RequestRefusal::QueueTimeout)];
    let encoded = |frame: FromDaemon<'_>| frame.encode(SEQ).to_vec();
    let whole = prop_oneof![
        (0..9u32).prop_map(move |bytes| encoded(FromDaemon::WantBody(bytes))),
        head().prop_map(move |head| encoded(FromDaemon::Head(&head))),
        head().prop_map(move |head| encoded(FromDaemon::Head(&head))),
        head().prop_map(move |head| encoded(FromDaemon::Upgrade(&head))),
        head().prop_map(move |head| encoded(FromDaemon::TakeOver(&head))),
        (0..12u32)
            .prop_map(move |len| { [encoded(FromDaemon::Data(len)), vec![b'd'; len as usize]].concat() }),
        (any::<u64>(), 0..12u64)
            .prop_map(move |(offset, length)| encoded(FromDaemon::File { offset, length })),
        (0..3u32, 0..12u32).prop_map(move |(offset, length)| encoded(FromDaemon::Memory { offset, length })),
        Just(encoded(FromDaemon::Offer)),
        Just(encoded(FromDaemon::Flush)),
        Just(encoded(FromDaemon::Log { level: 3, thread: 1, text: b"text" })),
        times.clone().prop_map(move |times| encoded(FromDaemon::End(times))),
        times.clone().prop_map(move |times| encoded(FromDaemon::Aborted(times))),
        (0..1000u16, times).prop_map(move |(status, account)| encoded(FromDaemon::Fail { status, account })),
        refusals.prop_map(move |refusal| encoded(FromDaemon::Refused(refusal))),
        Just(encoded(FromDaemon::GoAway)),
        Just(encoded(FromDaemon::Watch)),
        proptest::collection::vec(any::<u8>(), 1..20),
    ];
    let change =
        prop_oneof![15 => Just(None), 1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(Some)];
    (whole, change).prop_map(|(mut bytes, change)| {
        if let Some((at, byte)) = change {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    let supplies = prop_oneof![
        Just(BodySupply::File),
        Just(BodySupply::Bytes),
        Just(BodySupply::Nothing),
        Just(BodySupply::Ended)
    ];
    prop_oneof![
        20 => (frame(), 1..40usize).prop_map(|(bytes, step)| Happening::Bytes(bytes, step)),
        3 => Just(Happening::Descriptor),
        5 => supplies.prop_map(Happening::Supply),
        1 => Just(Happening::ClientLeft),
        1 => Just(Happening::GivenUp),
        1 => any::<bool>().prop_map(Happening::Lost),
    ]
}

/// What has been seen from outside.
#[derive(Debug, Default)]
struct Witness {
    pending: Vec<u8>,
    descriptors: usize,
    heads: usize,
    /// What the head has announced.
    announced: Option<u64>,
    passed: u64,
    granted: u64,
    sent: u64,
    ends_told: usize,
    was_seen: bool,
    over: bool,
}

impl Witness {
    fn happens(&mut self, talk: &mut RelayConversation, happening: Happening) {
        match happening {
            Happening::Bytes(bytes, step) => {
                for part in bytes.chunks(step) {
                    self.pending.extend_from_slice(part);
                    self.feed(talk);
                }
            }
            Happening::Descriptor => self.descriptors += 1,
            Happening::Supply(supply) => self.supply(talk, supply),
            Happening::ClientLeft => talk.client_left(),
            Happening::GivenUp => talk.give_up(),
            Happening::Lost(unread) => {
                let is_again = talk.lost(unread);
                assert!(!is_again || !(self.was_seen || self.over || self.heads > 0), "sent again: {self:?}");
                self.over = true;
            }
        }
    }

    fn feed(&mut self, talk: &mut RelayConversation) {
        loop {
            let pending = std::mem::take(&mut self.pending);
            let rounds = pending.len();
            let taken = match talk.feed(&pending, self.descriptors > 0) {
                Err(violation) => {
                    assert_eq!(violation == FrameViolation::AfterTheEnd, self.over, "{violation}: {self:?}");
                    self.over = true;
                    rounds
                }
                Ok(fed) => {
                    assert!(!self.over, "goes on after its end: {self:?}");
                    self.fed(talk, fed)
                }
            };
            self.was_seen |= talk.is_seen();
            self.pending = pending[taken..].to_vec();
            if taken == 0 || self.over {
                return;
            }
        }
    }

    /// How many bytes were taken.
    fn fed(&mut self, talk: &RelayConversation, fed: FedBytes<'_>) -> usize {
        match fed {
            FedBytes::Incomplete { needed } => {
                assert!(needed == 0 || needed > self.pending.len());
                0
            }
            FedBytes::Data { len, part } => {
                assert!(len > 0 && part <= len && (part == 0 || talk.begun()));
                self.passed += part as u64;
                len
            }
            FedBytes::Frame { len, effect } => {
                self.effect(talk, effect);
                len
            }
        }
    }

    fn effect(&mut self, talk: &RelayConversation, effect: RelayEffect<'_>) {
        let is_heard = matches!(
            effect,
            RelayEffect::Nothing
                | RelayEffect::DataFollows
                | RelayEffect::Log { .. }
                | RelayEffect::Ended(EndKind::Heard, _)
        );
        assert!(!talk.is_given_up() || is_heard, "{effect:?} of one that is given up");
        match effect {
            RelayEffect::Head(head, usage) => {
                self.heads += 1;
                let is_counted = usage == HeadUse::Pass && head.status != 204;
                self.announced = head
                    .last("content-length")
                    .filter(|_| is_counted)
                    .and_then(crate::response::content_length);
                assert!(head.headers().all(|(name, value)| name.len() + value.len() + 2 <= 100));
            }
            RelayEffect::Upgrade(_) | RelayEffect::TakeOver(_) => self.heads += 1,
            RelayEffect::File { length, .. } => {
                assert!(self.descriptors > 0 && (length == 0 || talk.passes()));
                self.descriptors -= 1;
                self.passed += length;
            }
            RelayEffect::Memory { start, len } => {
                assert!(start + len <= RESPONSE_MEMORY && (len == 0 || talk.passes()));
                self.passed += len as u64;
            }
            RelayEffect::Flush => assert!(talk.passes()),
            RelayEffect::BodyWanted(bytes) => self.granted += u64::from(bytes),
            RelayEffect::Ended(kind, _) => self.ends(talk, &kind),
            RelayEffect::Nothing
            | RelayEffect::DataFollows
            | RelayEffect::Log { .. }
            | RelayEffect::MemoryOffered
            | RelayEffect::Watched
            | RelayEffect::GoAway => {}
        }
        assert!(self.heads <= 1, "a second head");
        assert!(self.announced.is_none_or(|length| self.passed <= length), "too much body: {self:?}");
    }

    fn ends(&mut self, talk: &RelayConversation, kind: &EndKind) {
        self.over = true;
        match kind {
            EndKind::Complete if !talk.is_client_gone() => {
                assert!(self.announced.is_none_or(|length| length == self.passed), "cut: {self:?}");
            }
            EndKind::Refused(_) => assert!(!self.was_seen && self.heads == 0, "given away: {self:?}"),
            EndKind::Status(status) => assert!(self.heads == 0 && (400..600).contains(status)),
            _ => {}
        }
    }

    fn supply(&mut self, talk: &mut RelayConversation, supply: BodySupply) {
        match talk.next_body(supply) {
            BodyAction::Wait => {}
            BodyAction::SendFile => assert!(talk.is_seen()),
            BodyAction::SendBytes(most) => {
                assert!(talk.is_seen() && most > 0);
                talk.body_sent(most);
                self.sent += most;
                assert!(self.sent <= self.granted, "more than was granted: {self:?}");
            }
            BodyAction::SendEnd => {
                self.ends_told += 1;
                assert!(self.ends_told <= 1 + usize::from(talk.is_tunnel()), "its end was told twice");
            }
        }
    }
}

#[test]
fn no_daemon_brings_about_what_must_not_be() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let rules = (any::<bool>(), any::<bool>(), any::<bool>());
    let strategy = (rules, proptest::collection::vec(happening(), 1..40));
    let result = TestRunner::new_with_rng(config, rng).run(&strategy, |((told, pages, tunnel), history)| {
        let rules = ConversationRules { header_limit: 100, error_override: pages, header_only: false };
        let mut talk = RelayConversation::new(rules, SEQ, told);
        if tunnel {
            talk.allow_upgrade();
        }
        let mut witness = Witness::default();
        for happening in history {
            witness.happens(&mut talk, happening);
        }
        // It always ends: when the connection does, nothing is fed any more.
        witness.happens(&mut talk, Happening::Lost(true));
        prop_assert_eq!(talk.feed(b"", false).map(drop), Err(FrameViolation::AfterTheEnd));
        prop_assert!(!talk.lost(true));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
