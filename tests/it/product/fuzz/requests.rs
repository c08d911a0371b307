//! Random requests: honest ones with the answer they must get, and all others.

use super::random::FuzzRandom;

/// What `tests/apps/fuzzed.py` can be asked for; the last ones end in a line in the log.
const ACTIONS: [&str; 14] = [
    "echo", "partial", "lines", "early", "large", "many", "file", "write", "duplex", "none", "long",
    "headers", "redirect", "short",
];
const FAILURES: [&str; 2] = ["fail", "fail_late"];

const METHODS: [&str; 12] = [
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "BREW", "M-SEARCH",
];

const PATHS: [&str; 10] =
    ["/", "", "/a/b", "//x//y", "/../..", "/%00", "/%ff%fe", "/%2f%2e", "/a;b=c", "/\u{fc}"];

const HEADERS: [(&str, &str); 18] = [
    ("Accept", "*/*"),
    ("Authorization", "Basic eDp5"),
    ("Connection", "close"),
    ("Connection", "keep-alive"),
    ("Connection", "Upgrade"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Cookie", "a=b; c=\"d\"; \u{e4}=\u{f6}"),
    ("Expect", "100-continue"),
    ("Expect", "200-ok"),
    ("If-None-Match", "*"),
    ("Proxy", "http://x/"),
    ("Range", "bytes=0-1,5-"),
    ("TE", "trailers"),
    ("Upgrade", "h2c"),
    ("X-Forwarded-For", "1.2.3.4, ::1"),
    ("X_Under", "score"),
    ("X.Dot", "y"),
    ("X-Empty", ""),
];

/// A request that must be answered with `answer`.
pub struct HonestRequest {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// The body of the response.
    pub answer: Vec<u8>,
}

/// POST of a body that comes back.
pub fn honest(random: &mut FuzzRandom, mount: &str) -> HonestRequest {
    let limit = random.one(&[10, 1000, 100_000]);
    let length = random.below(limit);
    let body = random.bytes(length);
    let mut bytes = format!("POST {mount}/?echo HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    if random.percent(50) {
        bytes.extend(format!("Content-Length: {length}\r\n\r\n").bytes());
        bytes.extend(&body);
    } else {
        bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        bytes.extend(chunked(random, &body));
    }
    HonestRequest { bytes, answer: body }
}

/// One to three requests, most of them wrong somewhere.
pub fn wild(random: &mut FuzzRandom, mount: &str) -> Vec<u8> {
    let count = random.one(&[1, 1, 1, 2, 3]);
    let mut bytes: Vec<u8> = (0..count).flat_map(|_| request(random, mount)).collect();
    if random.percent(30) {
        spoil(random, &mut bytes);
    }
    bytes
}

fn request(random: &mut FuzzRandom, mount: &str) -> Vec<u8> {
    let action = if random.percent(1) { random.one(&FAILURES) } else { random.one(&ACTIONS) };
    let method = if random.percent(70) { random.one(&["GET", "POST"]) } else { random.one(&METHODS) };
    let path = if random.percent(60) { "/" } else { random.one(&PATHS) };
    let version = if random.percent(85) {
        "HTTP/1.1"
    } else {
        random.one(&["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.10", ""])
    };
    let mut bytes = format!("{method} {mount}{path}?{action} {version}\r\n").into_bytes();
    if random.percent(95) {
        bytes.extend(b"Host: localhost\r\n");
    }
    for _ in 0..random.below(6) {
        header(random, &mut bytes);
    }
    body(random, &mut bytes);
    bytes
}

fn header(random: &mut FuzzRandom, bytes: &mut Vec<u8>) {
    match random.below(10) {
        0 => {
            let (name, value) = (random.size(20), random.size(9000));
            bytes
                .extend([random.bytes(name), b": ".to_vec(), random.bytes(value), b"\r\n".to_vec()].concat());
        }
        1 => {
            let length = random.size(70_000);
            bytes.extend([b"X-Long: ", &vec![b'a'; length][..], b"\r\n"].concat());
        }
        2 => bytes.extend(b"X-Folded: a\r\n b\r\n"),
        3 => bytes.extend(b"X-Many: 1\r\n".repeat(random.size(120))),
        _ => {
            let (name, value) = random.one(&HEADERS);
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
    }
}

/// The end of the head, and the body in some framing.
fn body(random: &mut FuzzRandom, bytes: &mut Vec<u8>) {
    let length = random.size(100_000);
    let body = random.bytes(length);
    let announced = match random.below(10) {
        0 => length + random.below(100),
        1 => random.below(length + 1),
        _ => length,
    };
    match random.below(12) {
        0..=3 => bytes.extend(b"\r\n"),
        4..=6 => {
            bytes.extend(format!("Content-Length: {announced}\r\n\r\n").bytes());
            bytes.extend(body);
        }
        7 => {
            let words = [
                "-1",
                "+5",
                "abc",
                "",
                "0x10",
                "5, 5",
                "99999999999999999999",
                "1 2",
                "5\r\nContent-Length: 6",
            ];
            bytes.extend(format!("Content-Length: {}\r\n\r\n", random.one(&words)).bytes());
            bytes.extend(body);
        }
        8 => {
            let codings = ["gzip", "chunked, gzip", "gzip, chunked", "identity", "chunked, chunked", "x", ""];
            bytes.extend(format!("Transfer-Encoding: {}\r\n\r\n", random.one(&codings)).bytes());
            bytes.extend(body);
        }
        9 => {
            bytes
                .extend(format!("Transfer-Encoding: chunked\r\nContent-Length: {announced}\r\n\r\n").bytes());
            bytes.extend(chunked(random, &body));
        }
        _ => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut chunks = chunked(random, &body);
            if random.percent(40) {
                spoil(random, &mut chunks);
            }
            bytes.extend(chunks);
        }
    }
}

fn chunked(random: &mut FuzzRandom, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let size = (1 + random.size(20_000)).min(rest.len());
        let extension = if random.percent(10) { ";a=\"b\"" } else { "" };
        bytes.extend(format!("{size:x}{extension}\r\n").bytes());
        bytes.extend([&rest[..size], b"\r\n"].concat());
        rest = &rest[size..];
    }
    let trailer = if random.percent(10) { "X-Trailer: 1\r\n" } else { "" };
    bytes.extend(format!("0\r\n{trailer}\r\n").bytes());
    bytes
}

/// Some bytes changed, left out, said twice, or put in.
fn spoil(random: &mut FuzzRandom, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.size(1000)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                bytes.drain(at..end);
            }
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => {
                let words: [&[u8]; 6] = [b"\0", b"\r", b"\n", b"\r\n\r\n", b":", b"\xff"];
                bytes.splice(at..at, random.one(&words).to_vec());
            }
            4 => {
                let length = random.size(100);
                let put = random.bytes(length);
                bytes.splice(at..at, put);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}
