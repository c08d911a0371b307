//! Every rule of a conversation, one by one.

use super::*;
use crate::frame::{AbortReason, FromHttpd, RequestRefusal};
use crate::metrics::RequestAccount;
use crate::response::HeadWriter;

const SEQ: u16 = 7;
const TIMES: Option<RequestAccount> = Some(RequestAccount { began: 1, ended: 2, gil: 3, cpu: 4 });

const RULES: ConversationRules =
    ConversationRules { header_limit: 32768, error_override: false, header_only: false };

fn head_of(line: &[u8], headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let status = line[..3].iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    let mut writer = HeadWriter::begin(&mut out, status, line);
    headers.iter().for_each(|(name, value)| writer.header(name, value));
    writer.finish();
    out
}

fn sized(length: &str) -> Vec<u8> {
    head_of(b"200 OK", &[(b"Content-Length", length.as_bytes())])
}

fn talk() -> RelayConversation {
    RelayConversation::new(RULES, SEQ, true)
}

/// Feeds one frame that is there as a whole.
fn feed(talk: &mut RelayConversation, frame: FromDaemon<'_>) -> Result<String, FrameViolation> {
    let bytes = frame.encode(SEQ).to_vec();
    match talk.feed(&bytes, matches!(frame, FromDaemon::File { .. }))? {
        FedBytes::Frame { len, effect } => {
            assert_eq!(len, bytes.len(), "{frame:?}");
            Ok(match effect {
                RelayEffect::Head(_, usage) => format!("{usage:?}"),
                RelayEffect::Upgrade(_) => "Upgrade".to_owned(),
                RelayEffect::TakeOver(_) => "TakeOver".to_owned(),
                other => format!("{other:?}"),
            })
        }
        other => panic!("{frame:?} is {other:?}"),
    }
}

/// A conversation that has got these frames.
fn after(talk: RelayConversation, frames: &[FromDaemon<'_>]) -> RelayConversation {
    let mut talk = talk;
    for frame in frames {
        feed(&mut talk, *frame).unwrap_or_else(|violation| panic!("{frame:?}: {violation}"));
    }
    talk
}

fn ended(kind: EndKind) -> String {
    format!("{:?}", RelayEffect::Ended(kind, TIMES))
}

const END: FromDaemon<'_> = FromDaemon::End(TIMES);

#[test]
fn a_response_from_its_head_to_its_end() {
    let head = sized("5");
    let mut talk = talk();
    assert!(!talk.is_seen() && !talk.has_head() && !talk.begun());
    assert_eq!(feed(&mut talk, FromDaemon::Head(&head)).unwrap(), "Pass");
    assert!(talk.is_seen() && talk.has_head() && talk.begun() && talk.passes());
    assert_eq!(feed(&mut talk, FromDaemon::Data(5)).unwrap(), "DataFollows");
    assert_eq!(talk.data_left(), 5);
    assert!(matches!(talk.feed(b"", false), Ok(FedBytes::Incomplete { needed: 0 })));
    assert!(matches!(talk.feed(b"abc", false), Ok(FedBytes::Data { len: 3, part: 3 })));
    // What stands behind it is the next frame.
    assert!(matches!(talk.feed(b"de\x14\0", false), Ok(FedBytes::Data { len: 2, part: 2 })));
    assert_eq!(feed(&mut talk, FromDaemon::Flush).unwrap(), "Flush");
    assert_eq!(feed(&mut talk, FromDaemon::GoAway).unwrap(), "GoAway");
    assert_eq!(feed(&mut talk, END).unwrap(), ended(EndKind::Complete));
    assert_eq!(feed(&mut talk, END), Err(FrameViolation::AfterTheEnd));
}

#[test]
fn a_frame_waits_until_it_is_there() {
    let head = sized("0");
    let bytes = FromDaemon::Head(&head).encode(SEQ).to_vec();
    let mut talk = talk();
    for have in 0..bytes.len() {
        let needed = if have < HEADER_LEN { HEADER_LEN } else { bytes.len() };
        let fed = talk.feed(&bytes[..have], false);
        assert!(matches!(fed, Ok(FedBytes::Incomplete { needed: n }) if n == needed), "{have}: {fed:?}");
        assert!(!talk.is_seen());
    }
    assert!(matches!(talk.feed(&bytes, false), Ok(FedBytes::Frame { .. })));
}

#[test]
fn frames_have_their_order() {
    let (head, page) = (sized("5"), head_of(b"200 OK", &[(b"Location", b"/x")]));
    let (head, page) = (FromDaemon::Head(&head), FromDaemon::Head(&page));
    let file = FromDaemon::File { offset: 0, length: 1 };
    let fail = FromDaemon::Fail { status: 500, account: None };
    let refused = FromDaemon::Refused(RequestRefusal::Restarting);
    for (before, frame, violation) in [
        (&[][..], FromDaemon::Data(1), FrameViolation::DataBeforeHead),
        (&[], file, FrameViolation::FileBeforeHead),
        (&[], FromDaemon::Memory { offset: 0, length: 1 }, FrameViolation::MemoryOutOfTurn),
        (&[], END, FrameViolation::EndWithoutHead),
        (&[], FromDaemon::Aborted(None), FrameViolation::AbortBeforeHead),
        (&[page], FromDaemon::Aborted(None), FrameViolation::AbortBeforeHead),
        (&[head], head, FrameViolation::SecondHead),
        (&[page], head, FrameViolation::SecondHead),
        (&[head], fail, FrameViolation::FailAfterHead),
        (&[page], fail, FrameViolation::FailAfterHead),
        (&[], FromDaemon::Fail { status: 200, account: None }, FrameViolation::FailAfterHead),
        (&[], FromDaemon::Fail { status: 600, account: None }, FrameViolation::FailAfterHead),
        (&[FromDaemon::Flush], refused, FrameViolation::RefusalOutOfTurn),
        (&[FromDaemon::WantBody(0)], refused, FrameViolation::RefusalOutOfTurn),
        (&[head], refused, FrameViolation::RefusalOutOfTurn),
        (&[], FromDaemon::Upgrade(b""), FrameViolation::NoHandshake),
    ] {
        let mut talk = after(talk(), before);
        assert_eq!(feed(&mut talk, frame), Err(violation), "{before:?} {frame:?}");
        assert_eq!(feed(&mut talk, FromDaemon::Flush), Err(FrameViolation::AfterTheEnd));
        assert!(!violation.to_string().is_empty());
    }
}

#[test]
fn a_request_can_be_given_elsewhere_until_it_is_seen() {
    let log = FromDaemon::Log { level: 3, thread: 9, text: b"text" };
    for refusal in [RequestRefusal::Restarting, RequestRefusal::QueueTimeout, RequestRefusal::Version] {
        // Neither a record nor GOAWAY proves that it was read.
        let mut talk = after(talk(), &[log, FromDaemon::GoAway]);
        let effect = RelayEffect::Ended(EndKind::Refused(refusal), None);
        assert_eq!(feed(&mut talk, FromDaemon::Refused(refusal)).unwrap(), format!("{effect:?}"));
    }
    assert!(after(talk(), &[log, FromDaemon::GoAway]).lost(true));
    assert!(!talk().lost(false), "not known to be unread");
    let head = sized("5");
    for frame in [
        FromDaemon::WantBody(1),
        FromDaemon::Head(&head),
        FromDaemon::Flush,
        FromDaemon::Watch,
        FromDaemon::Fail { status: 500, account: None },
    ] {
        assert!(!after(talk(), &[frame]).lost(true), "{frame:?}");
    }
    let mut given_up = talk();
    given_up.give_up();
    assert!(!given_up.lost(true), "its body came in part");
    let mut broken = talk();
    assert!(feed(&mut broken, END).is_err() && !broken.lost(true));
}

#[test]
fn frames_of_others_are_refused() {
    let mut talk = talk();
    let feed = |frame: FromDaemon<'_>, seq| talk.clone().feed(&frame.encode(seq).to_vec(), false).map(drop);
    assert_eq!(feed(FromDaemon::Flush, SEQ + 1), Err(FrameViolation::OtherRequest(FrameKind::Flush)));
    // Said before the process knew of the request.
    assert_eq!(feed(FromDaemon::GoAway, 0), Ok(()));
    assert_eq!(feed(FromDaemon::Refused(RequestRefusal::Version), 0), Ok(()));
    for frame in [FromHttpd::BodyEnd, FromHttpd::Abort(AbortReason::Timeout), FromHttpd::Request(b"")] {
        let bytes = frame.encode(SEQ).to_vec();
        let kind = FrameHeader::decode(&bytes).unwrap().unwrap().kind;
        let violation = FrameViolation::Malformed(ProtocolError::Direction(kind.variant()));
        assert_eq!(talk.clone().feed(&bytes, false).map(drop), Err(violation));
    }
    let error = talk.feed(&[99; 8], false).map(drop).unwrap_err();
    assert_eq!(error, FrameViolation::Malformed(ProtocolError::FrameKind(99)));
}

#[test]
fn heads_are_bounded_and_forge_nothing() {
    let mut talk = RelayConversation::new(ConversationRules { header_limit: 20, ..RULES }, SEQ, true);
    let fits = head_of(b"200 OK", &[(b"Name", b"12345678901234")]);
    let long = head_of(b"200 OK", &[(b"Name", b"123456789012345")]);
    let forged = head_of(b"200 OK", &[(b"Name", b"1\r\n2")]);
    assert_eq!(feed(&mut talk.clone(), FromDaemon::Head(&fits)).unwrap(), "Pass");
    assert_eq!(feed(&mut talk.clone(), FromDaemon::Head(&long)), Err(FrameViolation::HeaderTooLong));
    let bad = FrameViolation::BadHead(ProtocolError::Field("header value"));
    assert_eq!(feed(&mut talk.clone(), FromDaemon::Head(&forged)), Err(bad));
    // Refused before it is read.
    let header = FrameHeader { kind: FrameKind::Head, seq: SEQ, len: (1 << 20) + 1 };
    let too_large = FrameViolation::HeadTooLarge { len: header.len, limit: 1 << 20 };
    assert_eq!(talk.clone().feed(&header.encode(), false).map(drop), Err(too_large));
    let wide = ConversationRules { header_limit: 1 << 20, ..RULES };
    let mut wide = RelayConversation::new(wide, SEQ, true);
    assert!(matches!(wide.feed(&header.encode(), false), Ok(FedBytes::Incomplete { .. })));
    // A second one is never good, however long.
    feed(&mut talk, FromDaemon::Head(&fits)).unwrap();
    let second = talk.feed(&header.encode(), false).map(drop).unwrap_err();
    assert_eq!(
        second,
        FrameViolation::Malformed(ProtocolError::Payload(FrameKind::Head.variant(), header.len))
    );
}

#[test]
fn no_more_body_than_was_announced_and_no_less() {
    let head = sized("5");
    let head = FromDaemon::Head(&head);
    let mut talk = after(self::talk(), &[head, FromDaemon::Data(8)]);
    assert!(matches!(talk.feed(b"abcd", false), Ok(FedBytes::Data { len: 4, part: 4 })));
    assert_eq!((talk.take_data(4), talk.data_left()), (1, 0));
    let file = FromDaemon::File { offset: 3, length: 9 };
    let nothing = format!("{:?}", RelayEffect::File { offset: 3, length: 0 });
    assert_eq!(feed(&mut talk, file).unwrap(), nothing);
    assert_eq!(feed(&mut talk, END).unwrap(), ended(EndKind::Complete));

    let mut talk = after(self::talk(), &[head]);
    let part = format!("{:?}", RelayEffect::File { offset: 3, length: 5 });
    assert_eq!(feed(&mut talk, file).unwrap(), part);

    let mut short = after(self::talk(), &[head, FromDaemon::Data(4)]);
    assert_eq!(short.take_data(9), 4, "no more than the frame has");
    assert_eq!(feed(&mut short.clone(), END).unwrap(), ended(EndKind::Short));
    // Nobody is there who could miss it.
    short.client_left();
    assert_eq!(feed(&mut short, END).unwrap(), ended(EndKind::Complete));
}

#[test]
fn a_length_counts_only_where_a_body_is_sent() {
    let not_modified = head_of(b"304 Not Modified", &[(b"Content-Length", b"5")]);
    let mut talk = after(self::talk(), &[FromDaemon::Head(&not_modified)]);
    assert_eq!(feed(&mut talk, END).unwrap(), ended(EndKind::Complete));
    let rules = ConversationRules { header_only: true, ..RULES };
    let mut talk = after(RelayConversation::new(rules, SEQ, true), &[FromDaemon::Head(&sized("5"))]);
    assert_eq!(feed(&mut talk, END).unwrap(), ended(EndKind::Complete));
    let unsized_head = head_of(b"200 OK", &[]);
    let mut talk = after(self::talk(), &[FromDaemon::Head(&unsized_head), FromDaemon::Data(100)]);
    assert_eq!(talk.take_data(100), 100);
}

#[test]
fn memory_has_bounds() {
    const SIZE: u32 = RESPONSE_MEMORY as u32;
    let head = sized("9");
    let talk = after(self::talk(), &[FromDaemon::Head(&head)]);
    for (offset, length) in
        [(0, SIZE + 1), (SIZE, 1), (1, SIZE), (u32::MAX, u32::MAX), (0, u32::MAX), (SIZE + 1, 0)]
    {
        let refused = feed(&mut talk.clone(), FromDaemon::Memory { offset, length });
        assert_eq!(refused, Err(FrameViolation::MemoryOutOfBounds), "{offset} {length}");
    }
    let given = |talk: &mut RelayConversation, offset, length| match talk
        .feed(&FromDaemon::Memory { offset, length }.encode(SEQ).to_vec(), false)
    {
        Ok(FedBytes::Frame { effect: RelayEffect::Memory { start, len }, .. }) => (start, len),
        other => panic!("{other:?}"),
    };
    // No more reaches the client than was announced.
    let mut whole = talk.clone();
    assert_eq!(given(&mut whole, SIZE - 4, 4), (SIZE as usize - 4, 4));
    assert_eq!(given(&mut whole, SIZE, 0), (SIZE as usize, 0));
    assert_eq!(given(&mut whole, 0, SIZE), (0, 5));
    assert_eq!(feed(&mut whole, END).unwrap(), ended(EndKind::Complete));
    let mut gone = talk;
    gone.client_left();
    assert_eq!(given(&mut gone, 3, 9), (3, 0));
}

#[test]
fn descriptors_come_with_files_only() {
    let head = sized("9");
    let mut talk = after(self::talk(), &[FromDaemon::Head(&head)]);
    let file = FromDaemon::File { offset: 0, length: 9 }.encode(SEQ).to_vec();
    let missing = talk.clone().feed(&file, false).map(drop);
    assert_eq!(missing, Err(FrameViolation::FileWithoutDescriptor));
    for last in [END, FromDaemon::Aborted(None)] {
        let stray = talk.clone().feed(&last.encode(SEQ).to_vec(), true).map(drop);
        assert_eq!(stray, Err(FrameViolation::StrayDescriptor));
    }
    // It may have come ahead of its frame.
    assert!(talk.feed(&FromDaemon::Flush.encode(SEQ).to_vec(), true).is_ok());
}

#[test]
fn something_else_takes_the_place_of_a_response() {
    let override_errors = ConversationRules { error_override: true, ..RULES };
    for (rules, line, location, usage, end) in [
        (override_errors, &b"404 Nope"[..], &b""[..], "ErrorPage(404)", EndKind::ErrorPage(404)),
        (override_errors, b"302 Found", b"/x", "Pass", EndKind::Complete),
        (RULES, b"404 Nope", b"", "Pass", EndKind::Complete),
        (RULES, b"200 OK", b"/x", "Redirect", EndKind::Redirect(b"/x".to_vec())),
        (RULES, b"200 OK", b"//x", "Pass", EndKind::Complete),
        (RULES, b"200 OK", b"http://x/", "Pass", EndKind::Complete),
        (RULES, b"302 Found", b"/x", "Pass", EndKind::Complete),
    ] {
        let head = head_of(line, &[(b"Location", location)]);
        let mut talk = RelayConversation::new(rules, SEQ, true);
        assert_eq!(feed(&mut talk, FromDaemon::Head(&head)).unwrap(), usage);
        let passes = usage == "Pass";
        assert_eq!((talk.begun(), talk.passes(), talk.has_head()), (passes, passes, true));
        feed(&mut talk, FromDaemon::Data(3)).unwrap();
        assert_eq!(talk.take_data(3), if passes { 3 } else { 0 });
        let flush = feed(&mut talk, FromDaemon::Flush).unwrap();
        assert_eq!(flush, if passes { "Flush" } else { "Nothing" });
        assert!(end.is_orderly());
        assert_eq!(feed(&mut talk, END).unwrap(), ended(end));
    }
}

#[test]
fn a_request_fails_or_breaks_off() {
    let fail = FromDaemon::Fail { status: 503, account: TIMES };
    assert_eq!(feed(&mut talk(), fail).unwrap(), ended(EndKind::Status(503)));
    let head = sized("5");
    let mut talk = after(talk(), &[FromDaemon::Head(&head)]);
    assert_eq!(feed(&mut talk, FromDaemon::Aborted(TIMES)).unwrap(), ended(EndKind::Aborted));
    assert!(!EndKind::Refused(RequestRefusal::Version).is_orderly() && !EndKind::Heard.is_orderly());
}

#[test]
fn nothing_reaches_a_client_that_has_gone() {
    let head = head_of(b"200 OK", &[]);
    let mut talk = after(talk(), &[FromDaemon::Head(&head), FromDaemon::Data(3)]);
    talk.client_left();
    assert!(talk.is_client_gone() && talk.begun() && !talk.passes());
    assert_eq!(talk.take_data(3), 0);
    assert_eq!(feed(&mut talk, FromDaemon::Flush).unwrap(), "Nothing");
    let file = feed(&mut talk, FromDaemon::File { offset: 0, length: 5 }).unwrap();
    assert_eq!(file, format!("{:?}", RelayEffect::File { offset: 0, length: 0 }));
}

#[test]
fn a_body_is_sent_as_far_as_it_was_granted() {
    let mut talk = RelayConversation::new(RULES, SEQ, false);
    assert!(!talk.is_body_wanted(false, false) && talk.is_body_wanted(true, false));
    assert!(!talk.is_body_wanted(true, true), "the file waits to be asked for");
    assert_eq!(talk.next_body(BodySupply::Bytes), BodyAction::Wait);
    assert_eq!(talk.next_body(BodySupply::File), BodyAction::Wait);
    for _ in 0..2 {
        assert_eq!(feed(&mut talk, FromDaemon::WantBody(u32::MAX)).unwrap(), "BodyWanted(4294967295)");
    }
    assert!(talk.is_body_wanted(false, false) && talk.is_body_wanted(true, true));
    assert_eq!(talk.next_body(BodySupply::File), BodyAction::SendFile);
    assert_eq!(talk.next_body(BodySupply::Nothing), BodyAction::Wait);
    let granted = 2 * u64::from(u32::MAX);
    assert_eq!(talk.next_body(BodySupply::Bytes), BodyAction::SendBytes(granted));
    talk.body_sent(granted);
    assert_eq!(talk.next_body(BodySupply::Bytes), BodyAction::Wait);
    assert_eq!(talk.next_body(BodySupply::Ended), BodyAction::SendEnd);
    // Its end is told once.
    assert!(!talk.is_body_wanted(true, false));
    assert_eq!(talk.next_body(BodySupply::Ended), BodyAction::Wait);

    let mut refused = RelayConversation::new(RULES, SEQ, false);
    refused.body_refused();
    assert!(!refused.is_body_wanted(true, false));
    assert_eq!(refused.next_body(BodySupply::Ended), BodyAction::Wait);
}

#[test]
fn a_client_is_watched_when_nothing_more_is_to_come() {
    let mut early = after(RelayConversation::new(RULES, SEQ, false), &[FromDaemon::Watch]);
    assert!(!early.is_watched());
    early.next_body(BodySupply::Ended);
    let mut talk = early;
    assert_eq!(feed(&mut talk, FromDaemon::Watch).unwrap(), "Watched");
    assert!(talk.is_watched());
    talk.stop_watching();
    assert!(!talk.is_watched());
}

#[test]
fn a_handshake_becomes_a_tunnel_once() {
    let head = head_of(b"101 Switching Protocols", &[]);
    let upgrade = FromDaemon::Upgrade(&head);
    assert_eq!(feed(&mut talk(), upgrade), Err(FrameViolation::NoHandshake));
    let mut with_body = RelayConversation::new(RULES, SEQ, false);
    with_body.allow_upgrade();
    assert_eq!(feed(&mut with_body, upgrade), Err(FrameViolation::NoHandshake));
    let mut talk = talk();
    talk.allow_upgrade();
    let ordinary = head_of(b"200 OK", &[]);
    let bad = FrameViolation::BadHead(ProtocolError::Field("status"));
    assert_eq!(feed(&mut talk.clone(), FromDaemon::Upgrade(&ordinary)), Err(bad));
    feed(&mut talk, FromDaemon::WantBody(9)).unwrap();
    let take_over = FromDaemon::TakeOver(&head);
    let mut other = talk.clone();
    assert_eq!(feed(&mut other, take_over).unwrap(), "TakeOver");
    assert!(other.is_tunnel());
    assert_eq!(feed(&mut other, upgrade), Err(FrameViolation::NoHandshake));
    assert_eq!(feed(&mut talk, upgrade).unwrap(), "Upgrade");
    assert_eq!(feed(&mut talk.clone(), take_over), Err(FrameViolation::NoHandshake));
    assert!(talk.is_tunnel() && talk.begun() && !talk.is_body_wanted(false, false));
    feed(&mut talk, FromDaemon::WantBody(5)).unwrap();
    assert_eq!(talk.next_body(BodySupply::Bytes), BodyAction::SendBytes(5));
    feed(&mut talk, FromDaemon::Data(5)).unwrap();
    assert_eq!(talk.take_data(5), 5);
    assert_eq!(feed(&mut talk.clone(), upgrade), Err(FrameViolation::NoHandshake));
    assert_eq!(feed(&mut talk.clone(), FromDaemon::Head(&ordinary)), Err(FrameViolation::SecondHead));
    assert_eq!(feed(&mut talk, END).unwrap(), ended(EndKind::Complete));
}

#[test]
fn who_is_given_up_is_only_heard() {
    let head = sized("5");
    let mut talk = RelayConversation::new(RULES, SEQ, false);
    talk.give_up();
    assert!(talk.is_given_up() && !talk.has_logged() && !talk.is_body_wanted(true, false));
    assert_eq!(feed(&mut talk, FromDaemon::Head(&head)).unwrap(), "Nothing");
    assert_eq!(feed(&mut talk, FromDaemon::Data(4)).unwrap(), "DataFollows");
    assert_eq!((talk.take_data(4), talk.passes()), (0, false));
    let log = FromDaemon::Log { level: 3, thread: 9, text: b"why" };
    let record = RelayEffect::Log { level: 3, thread: 9, text: b"why" };
    assert_eq!(feed(&mut talk, log).unwrap(), format!("{record:?}"));
    assert!(talk.has_logged());
    let heard = format!("{:?}", RelayEffect::Ended(EndKind::Heard, None));
    assert_eq!(feed(&mut talk, END).unwrap(), heard);
    assert_eq!(feed(&mut talk, log), Err(FrameViolation::AfterTheEnd));
}

#[test]
fn records_are_passed_on_and_remembered() {
    let mut talk = talk();
    let log = FromDaemon::Log { level: 4, thread: 9, text: b"a\nb" };
    let record = RelayEffect::Log { level: 4, thread: 9, text: b"a\nb" };
    assert_eq!(feed(&mut talk, log).unwrap(), format!("{record:?}"));
    assert!(talk.has_logged() && !talk.is_seen());
    talk.give_up();
    assert!(!talk.has_logged(), "what was said before is no answer to it");
}
