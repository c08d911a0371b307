//! What RFC 6455 asks of a server, case by case, in the order of the Autobahn test suite (`make test-autobahn` runs that
//! itself): framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, sizes.

use crate::asgi::applications::REASON;
use crate::asgi::websocket::{BINARY, CLOSE, FrameClient, PING, PONG, TEXT, both_ways};
use integration::{Httpd, Subject};

/// One exchange with an echo server.
struct LineCase {
    name: String,
    /// Written one after the other.
    sends: Vec<Vec<u8>>,
    /// Frames that come back, in this order.
    answers: Vec<(u8, Vec<u8>)>,
    /// The payload of the close frame behind them begins so; `None`: the client closes with 1000.
    end: Option<Vec<u8>>,
}

fn case(name: impl Into<String>) -> LineCase {
    LineCase { name: name.into(), sends: Vec::new(), answers: Vec::new(), end: None }
}

/// A client's frame, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65535 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

impl LineCase {
    fn sends(mut self, first: u8, payload: &[u8]) -> Self {
        self.sends.push(frame(first, payload));
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.sends.push(bytes.to_vec());
        self
    }

    /// What has been added last goes in pieces.
    fn in_pieces(mut self, size: usize) -> Self {
        let last = self.sends.pop().expect("something to cut");
        self.sends.extend(last.chunks(size).map(<[u8]>::to_vec));
        self
    }

    fn answer(mut self, first: u8, payload: &[u8]) -> Self {
        self.answers.push((first, payload.to_vec()));
        self
    }

    fn echoes(self, first: u8, payload: &[u8]) -> Self {
        self.sends(first, payload).answer(first, payload)
    }

    fn fails(self, code: u16) -> Self {
        self.ends(&code.to_be_bytes())
    }

    fn ends(mut self, payload: &[u8]) -> Self {
        self.end = Some(payload.to_vec());
        self
    }

    fn run(&self, server: &Httpd) {
        let mut client = FrameClient::open(server, "/echo");
        // A server that has seen enough may close while more is on its way.
        let _ = self.sends.iter().try_for_each(|bytes| client.raw(bytes));
        for (first, payload) in &self.answers {
            let (kind, got) = client.frame();
            assert!(
                kind == *first && got == *payload,
                "{}: {kind:#x} with {} bytes instead of {first:#x} with {}",
                self.name,
                got.len(),
                payload.len()
            );
        }
        if self.end.is_none() {
            client.send(CLOSE, &1000_u16.to_be_bytes());
        }
        let end = self.end.as_deref().unwrap_or(&[0x03, 0xe8]);
        let (kind, got) = client.frame();
        assert!(kind == CLOSE && got.starts_with(end), "{}: {kind:#x} {got:02x?}", self.name);
        assert!(!end.is_empty() || got.is_empty(), "{}: {got:02x?}", self.name);
        assert_eq!(client.rest(), b"", "{}: nothing behind the close frame", self.name);
    }
}

/// Section 1: payloads at the borders of each way to write a length, whole and in pieces.
fn framing(cases: &mut Vec<LineCase>) {
    for length in [0, 125, 126, 127, 128, 65535, 65536] {
        let payload = vec![b'*'; length];
        for kind in [TEXT, BINARY] {
            cases.push(case(format!("1: {length} bytes")).echoes(kind, &payload));
            let cut = case(format!("1: {length} bytes in pieces")).echoes(kind, &payload);
            cases.push(cut.in_pieces((length / 50).max(1)));
        }
    }
}

/// Section 2.
fn pings(cases: &mut Vec<LineCase>) {
    let answered = |payload: &[u8]| case("2: a ping").sends(PING, payload).answer(PONG, payload);
    for payload in [&b""[..], b"Hello, world!", &[0, 0xff, 0xfe, 0xfd, 0xfc], &[0xfe; 125]] {
        cases.push(answered(payload));
    }
    cases.push(answered(&[b'p'; 125]).in_pieces(1));
    cases.push(case("2: a ping that is too long").sends(PING, &[0xfe; 126]).fails(1002));
    cases.push(case("2: an unsolicited pong").sends(PONG, b"").echoes(TEXT, b"next"));
    cases.push(case("2: one with a payload").sends(PONG, b"unasked").sends(PING, b"p").answer(PONG, b"p"));
    let many = (0..10_u8).fold(case("2: ten pings"), |case, number| case.sends(PING, &[number]));
    cases.push((0..10_u8).fold(many, |case, number| case.answer(PONG, &[number])));
}

/// Sections 3 and 4.
fn reserved(cases: &mut Vec<LineCase>) {
    for bits in 1..8_u8 {
        for kind in [TEXT, BINARY, PING, CLOSE] {
            let name = format!("3: reserved bits {bits} at {kind:#x}");
            cases.push(case(name).sends(kind | bits << 4, b"").fails(1002));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15_u8] {
        for payload in [&b""[..], b"reserved"] {
            cases.push(case(format!("4: opcode {opcode}")).sends(0x80 | opcode, payload).fails(1002));
        }
    }
    cases.push(case("5.1 of the RFC: a frame without a mask").bytes(&[TEXT, 1, b'x']).fails(1002));
}

/// Section 5.
fn fragments(cases: &mut Vec<LineCase>) {
    cases.push(case("5: a ping in fragments").sends(0x09, b"1").sends(0x80, b"2").fails(1002));
    cases.push(case("5: a pong in fragments").sends(0x0a, b"1").sends(0x80, b"2").fails(1002));
    let two = || case("5: two fragments").sends(0x01, b"one ").sends(0x80, b"two");
    cases.push(two().answer(TEXT, b"one two"));
    cases.push(two().in_pieces(1).answer(TEXT, b"one two"));
    let between = case("5: a ping between them").sends(0x01, b"one ").sends(PING, b"p").sends(0x80, b"two");
    cases.push(between.answer(PONG, b"p").answer(TEXT, b"one two"));
    let empty = case("5: empty fragments").sends(0x01, b"").sends(0x00, b"").sends(0x80, b"");
    cases.push(empty.answer(TEXT, b""));
    for first in [0x80, 0x00] {
        cases.push(case("5: a continuation of nothing").sends(first, b"x").fails(1002));
    }
    cases.push(case("5: a message inside of another").sends(0x01, b"a").sends(TEXT, b"b").fails(1002));
    cases.push(case("5: a fragment inside of another").sends(0x01, b"a").sends(0x01, b"b").fails(1002));
    let mut mixed = case("5: five fragments and pings").sends(0x01, b"1");
    for number in 2..=4_u8 {
        mixed = mixed.sends(0x00, &[b'0' + number]).sends(PING, &[number]).answer(PONG, &[number]);
    }
    cases.push(mixed.sends(0x80, b"5").answer(TEXT, b"12345"));
}

/// Section 6.
fn utf8(cases: &mut Vec<LineCase>) {
    let right: [&[u8]; 12] = [
        "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!".as_bytes(),
        "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes(),
        b"\x00",
        "\u{80}\u{7ff}".as_bytes(),
        "\u{800}\u{fffd}\u{ffff}".as_bytes(),
        "\u{10000}\u{10ffff}".as_bytes(),
        "\u{d7ff}\u{e000}".as_bytes(),
        "\u{fffe}".as_bytes(),
        b"\xf0\x9f\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
        b"\xef\xbf\xbe",
        b"\x7f",
    ];
    for text in right {
        cases.push(case(format!("6: {text:02x?}")).echoes(TEXT, text));
        cases.push(case(format!("6: {text:02x?} byte by byte")).echoes(TEXT, text).in_pieces(1));
        let mut parts = case(format!("6: {text:02x?} in fragments of a byte")).sends(0x01, b"");
        for byte in text {
            parts = parts.sends(0x00, &[*byte]);
        }
        cases.push(parts.sends(0x80, b"").answer(TEXT, text));
    }
    let wrong: [&[u8]; 19] = [
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80",
        b"\xc3 ",
        b"\xe0\x80 ",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xce\xba\xe1\xbd\xb9\xcf",
    ];
    for text in wrong {
        cases.push(case(format!("6: not {text:02x?}")).sends(TEXT, text).fails(1007));
        cases.push(case(format!("6: not {text:02x?}, cut")).sends(TEXT, text).in_pieces(1).fails(1007));
    }
    // It fails before the rest has come.
    let fast = case("6: at the first fragment that is wrong").sends(0x01, b"good").sends(0x00, b"\xf4\x90");
    cases.push(fast.fails(1007));
    cases.push(case("6: at a fragment in a character").sends(0x01, b"\xce").sends(0x00, b" ").fails(1007));
    cases.push(case("6: a character that does not end").sends(0x01, b"\xce").sends(0x80, b"").fails(1007));
    cases.push(case("6: bytes are no text").echoes(BINARY, b"\xff\xfe\x80"));
}

/// Section 7.
fn closing(cases: &mut Vec<LineCase>) {
    cases.push(case("7: no code").sends(CLOSE, b"").ends(b""));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999_u16] {
        let payload = [&code.to_be_bytes(), &b"why"[..]].concat();
        cases.push(case(format!("7: {code}")).sends(CLOSE, &payload).ends(&payload));
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535_u16] {
        cases.push(case(format!("7: {code} is no code")).sends(CLOSE, &code.to_be_bytes()).fails(1002));
    }
    cases.push(case("7: half a code").sends(CLOSE, &[3]).fails(1002));
    let long = [&1000_u16.to_be_bytes(), &[b'*'; 123][..]].concat();
    cases.push(case("7: the longest reason").sends(CLOSE, &long).ends(&long));
    let too_long = [&long[..], b"*"].concat();
    cases.push(case("7: a reason that is too long").sends(CLOSE, &too_long).fails(1002));
    let not_text =
        [&1000_u16.to_be_bytes(), &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"[..]].concat();
    cases.push(case("7: a reason that is no text").sends(CLOSE, &not_text).fails(1007));
    let code = 1000_u16.to_be_bytes();
    for (what, kind) in [("a message", TEXT), ("a ping", PING), ("another one", CLOSE)] {
        let behind = case(format!("7: {what} behind it")).sends(CLOSE, &code).sends(kind, b"");
        cases.push(behind.ends(&code));
    }
    let part = case("7: in the midst of a message").sends(0x01, b"part").sends(CLOSE, &code);
    cases.push(part.ends(&code));
}

/// Sections 9 and 10, as far as they take little time.
fn sizes(cases: &mut Vec<LineCase>) {
    let long: Vec<u8> = (0..1_000_000_u32).map(|at| b'a' + (at % 23) as u8).collect();
    cases.push(case("9: a million bytes").echoes(BINARY, &long));
    cases.push(case("9: a million letters").echoes(TEXT, &long));
    let mut parts = case("9: the same in fragments").sends(0x02, b"");
    for part in long.chunks(4096) {
        parts = parts.sends(0x00, part);
    }
    cases.push(parts.sends(0x80, b"").answer(BINARY, &long));
    cases.push(
        case("10: fragments of 1300 bytes")
            .sends(0x01, &long[..65536])
            .sends(0x80, b"")
            .answer(TEXT, &long[..65536]),
    );
    // The announcement is enough.
    for length in [16 * 1024 * 1024 + 1, 1_u64 << 60, u64::MAX >> 1] {
        let head = [&[BINARY, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        cases.push(case(format!("9: {length} bytes announced")).bytes(&head).fails(1009));
    }
}

fn every_case_of(sections: &[fn(&mut Vec<LineCase>)]) {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.start();
        let mut cases = Vec::new();
        sections.iter().for_each(|add| add(&mut cases));
        cases.iter().for_each(|case| case.run(&server));
    }
}

#[test]
fn messages() {
    every_case_of(&[framing, pings, fragments, sizes]);
}

#[test]
fn faults() {
    every_case_of(&[reserved, utf8, closing]);
}
