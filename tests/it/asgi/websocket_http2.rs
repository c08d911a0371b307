//! WebSockets over streams of HTTP/2 (RFC 8441), with `H2WebSockets on`.

use crate::asgi::applications::REASON;
use crate::asgi::frames::frame;
use crate::asgi::websocket::{CLOSE, TEXT, server};
use crate::asking::load;
use integration::{Httpd, HttpdBuilder, Subject, WireConnection, eventually, wait_until};
use std::collections::HashMap;
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW: u8 = 8;

/// The first field of a block of headers: `:status 200`, and `:status 403`.
const OK: &[u8] = b"\x88";
const FORBIDDEN: &[u8] = b"H\x03403";

fn http2() -> HttpdBuilder {
    server().directives(&load(&["http2"])).directives("Protocols h2c http/1.1\nH2WebSockets on")
}

/// Enough of a client of HTTP/2: streams with their data, and windows.
struct StreamClient {
    wire: WireConnection,
    next: u32,
    /// What has come of each stream: its first headers, data, and whether it was reset.
    heads: HashMap<u32, Vec<u8>>,
    data: HashMap<u32, Vec<u8>>,
    resets: Vec<u32>,
    /// How much may be sent, on each stream and (0) in all.
    windows: HashMap<u32, i64>,
}

fn envelope(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = &(payload.len() as u32).to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

impl StreamClient {
    fn connect(server: &Httpd) -> Self {
        let mut wire = server.connect();
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").send(envelope(SETTINGS, 0, 0, b""));
        let windows = HashMap::from([(0, 65_535)]);
        Self { wire, next: 1, heads: HashMap::new(), data: HashMap::new(), resets: Vec::new(), windows }
    }

    /// Sends the headers of a new stream, which they end if `is_all`.
    fn ask(&mut self, is_all: bool, headers: &[(&str, &str)]) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.windows.insert(stream, 65_535);
        let mut block = Vec::new();
        for (name, value) in headers {
            block.extend([0, name.len() as u8]);
            block.extend(name.as_bytes());
            block.push(value.len() as u8);
            block.extend(value.as_bytes());
        }
        self.wire.send(envelope(HEADERS, 4 | u8::from(is_all), stream, &block));
        stream
    }

    fn websocket(&mut self, path: &str) -> u32 {
        self.ask(
            false,
            &[
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "http"),
                (":path", path),
                (":authority", "localhost"),
                ("sec-websocket-version", "13"),
            ],
        )
    }

    fn open(&mut self, path: &str) -> u32 {
        let stream = self.websocket(path);
        assert!(self.head(stream).starts_with(OK), "{:?}", self.heads[&stream]);
        stream
    }

    /// Takes one frame in.
    fn take(&mut self) {
        let head = self.wire.exactly(9).expect("a frame of HTTP/2");
        let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let (length, stream) = (number(&head[..3]) as usize, number(&head[5..]));
        let payload = self.wire.exactly(length).expect("its payload");
        match (head[3], head[4]) {
            (DATA, _) => {
                self.data.entry(stream).or_default().extend(&payload);
                if length > 0 {
                    let more = (length as u32).to_be_bytes();
                    self.wire.send(envelope(WINDOW, 0, stream, &more)).send(envelope(WINDOW, 0, 0, &more));
                }
            }
            (HEADERS, _) => _ = self.heads.entry(stream).or_insert(payload),
            (RESET, _) => self.resets.push(stream),
            (SETTINGS, 0) => _ = self.wire.send(envelope(SETTINGS, 1, 0, b"")),
            (PING, 0) => _ = self.wire.send(envelope(PING, 1, 0, &payload)),
            (WINDOW, _) => *self.windows.entry(stream).or_default() += i64::from(number(&payload)),
            _ => {}
        }
    }

    /// The headers of a stream's answer.
    fn head(&mut self, stream: u32) -> Vec<u8> {
        while !self.heads.contains_key(&stream) {
            assert!(!self.resets.contains(&stream), "stream {stream} was reset");
            self.take();
        }
        self.heads[&stream].clone()
    }

    /// Sends bytes of a stream, as far as the windows allow it, and for the rest waits for them.
    fn send(&mut self, stream: u32, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.windows[&0].min(self.windows[&stream]).clamp(0, 16_000) as usize;
            if room == 0 {
                self.take();
                continue;
            }
            let (part, rest) = bytes.split_at(room.min(bytes.len()));
            self.wire.send(envelope(DATA, 0, stream, part));
            for window in [0, stream] {
                *self.windows.entry(window).or_default() -= part.len() as i64;
            }
            bytes = rest;
        }
    }

    /// So many bytes that have come.
    fn exactly(&mut self, stream: u32, count: usize) -> Vec<u8> {
        while self.data.get(&stream).is_none_or(|data| data.len() < count) {
            assert!(!self.resets.contains(&stream), "stream {stream} was reset");
            self.take();
        }
        self.data.entry(stream).or_default().drain(..count).collect()
    }

    /// One frame of a WebSocket.
    fn message(&mut self, stream: u32) -> (u8, Vec<u8>) {
        let head = self.exactly(stream, 2);
        let length = match head[1] {
            126 => self.exactly(stream, 2),
            127 => self.exactly(stream, 8),
            short => vec![short],
        };
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        (head[0], self.exactly(stream, length))
    }

    #[track_caller]
    fn echoes(&mut self, stream: u32, text: &[u8]) {
        self.send(stream, &frame(TEXT, text));
        assert!(self.message(stream) == (TEXT, text.to_vec()), "{} bytes", text.len());
    }
}

/// The same echoes and broadcasts as `tests/apps/frameworks/client.py` has, each a stream of one connection.
pub fn echoes_and_broadcasts(server: &Httpd) {
    let mut client = StreamClient::connect(server);
    let echo = client.open("/echo");
    for text in ["one", "tw\u{f6}", &"x".repeat(100_000)] {
        client.echoes(echo, text.as_bytes());
    }
    let (one, two) = (client.open("/broadcast"), client.open("/broadcast"));
    client.echoes(one, b"first");
    client.send(two, &frame(TEXT, b"second"));
    assert_eq!(client.message(one), (TEXT, b"second".to_vec()));
    // It may have heard the first one too, if it was there in time.
    while client.message(two) != (TEXT, b"second".to_vec()) {}
}

#[test]
fn messages() {
    if Subject::skips(REASON) {
        return;
    }
    // What is said of bodies is not said of frames.
    for bodies in ["", "WSGIChunkedRequest On", "WSGIRequestBuffering 64K"] {
        messages_come_and_go(&http2().directives(bodies).start());
    }
}

fn messages_come_and_go(server: &Httpd) {
    let mut client = StreamClient::connect(server);
    let streams = [client.open("/echo"), client.open("/echo")];
    for text in [&b"one"[..], b"", b"another"] {
        for stream in streams {
            client.echoes(stream, text);
        }
    }
    // More than a window, in both directions.
    client.echoes(streams[0], &vec![b'x'; 300_000]);
    // A request beside them.
    let plain = [(":method", "GET"), (":scheme", "http"), (":path", "/go"), (":authority", "localhost")];
    let plain = client.ask(true, &plain);
    assert_eq!(client.exactly(plain, 5), b"plain");
    client.send(streams[0], &frame(CLOSE, &1000_u16.to_be_bytes()));
    assert_eq!(client.message(streams[0]), (CLOSE, 1000_u16.to_be_bytes().to_vec()));
    server.wait_for_log("closed by 1000");
    client.echoes(streams[1], b"still there");
}

#[test]
fn ways_to_the_end() {
    if Subject::skips(REASON) {
        return;
    }
    let server = http2().start();
    let mut client = StreamClient::connect(&server);
    let refused = client.websocket("/refuse");
    assert!(client.head(refused).starts_with(FORBIDDEN), "{:?}", client.heads[&refused]);
    let left = client.open("/leave");
    assert_eq!(client.message(left), (CLOSE, 1000_u16.to_be_bytes().to_vec()));
    let (reset, other) = (client.open("/echo"), client.open("/echo"));
    client.wire.send(envelope(RESET, 0, reset, &8_u32.to_be_bytes()));
    server.wait_for_log("closed by 1006");
    client.echoes(other, b"still there");
    // The end of its stream is that of the WebSocket, too.
    let ended = client.open("/echo");
    client.wire.send(envelope(DATA, 1, ended, b""));
    eventually("it is seen", || (server.error_log().matches("closed by 1006").count() == 2).then_some(()));
    client.echoes(other, b"still there");
    server.graceful();
    let (kind, payload) = client.message(other);
    assert_eq!((kind, &payload[..2]), (CLOSE, &1012_u16.to_be_bytes()[..]));
}

/// Whoever waits for a stream sleeps.
#[test]
fn an_idle_one_costs_nothing() {
    if Subject::skips(REASON) {
        return;
    }
    let server = http2().start();
    let mut client = StreamClient::connect(&server);
    let stream = client.open("/echo");
    client.echoes(stream, b"before");
    let used = || -> u64 {
        let stats = server.children().into_iter().map(|child| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid)).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            // User and system time, in hundredths of a second.
            let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
            number(11) + number(12)
        });
        stats.sum()
    };
    let before = used();
    assert!(wait_until(Duration::from_secs(2), || None::<()>).is_none());
    let spent = used() - before;
    assert!(spent < 50, "{spent} hundredths of a second in two seconds");
    client.echoes(stream, b"behind");
}
