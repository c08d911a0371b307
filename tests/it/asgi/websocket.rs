//! WebSockets of ASGI applications: handshake, messages both ways, ways to the end, restarts; over the client's own socket, and
//! relayed by httpd.

use crate::asgi::applications::REASON;
use crate::asgi::frames::frame;
use integration::{Httpd, HttpdBuilder, Mode, Response, Subject, WireConnection, compile_module, eventually};
use std::path::PathBuf;
use std::sync::OnceLock;

const APP: &str = include_str!("../../apps/asgi_socket.py");
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

pub fn server() -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).script("/", "app.py", APP).allow_log("[wsgi:error]")
}

/// A module with a filter on each connection, which changes nothing.
const FOREIGN: &str = "#include \"httpd.h\"
#include \"http_config.h\"
#include \"http_connection.h\"
#include \"util_filter.h\"
static apr_status_t pass(ap_filter_t *f, apr_bucket_brigade *b, ap_input_mode_t mode, apr_read_type_e how, apr_off_t n)
{
    return ap_get_brigade(f->next, b, mode, how, n);
}
static int greet(conn_rec *c, void *socket)
{
    ap_add_input_filter(\"FOREIGN\", NULL, NULL, c);
    return OK;
}
static void hooks(apr_pool_t *p)
{
    ap_register_input_filter(\"FOREIGN\", pass, NULL, AP_FTYPE_CONNECTION + 3);
    ap_hook_pre_connection(greet, NULL, NULL, APR_HOOK_MIDDLE);
}
module AP_MODULE_DECLARE_DATA foreign_module =
    { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks };
";

/// A filter on the connection: httpd keeps the socket, and relays.
pub fn relaying() -> String {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    let module = MODULE.get_or_init(|| compile_module("foreign", FOREIGN));
    format!("LoadModule foreign_module {}", module.display())
}

/// Both ways of a WebSocket's bytes.
pub fn both_ways() -> [HttpdBuilder; 2] {
    [server(), server().directives(&relaying())]
}

pub fn opening(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
    )
}

/// A client that speaks frames.
pub struct FrameClient(pub WireConnection);

impl FrameClient {
    pub fn open(server: &Httpd, path: &str) -> Self {
        let (client, response) = Self::ask(server, path, "");
        assert_eq!(response.status, 101);
        client
    }

    /// Sends an opening handshake with further headers.
    pub fn ask(server: &Httpd, path: &str, headers: &str) -> (Self, Response) {
        let mut wire = server.connect();
        wire.send(opening(path, headers));
        let response = wire.head().expect("an answer");
        (Self(wire), response)
    }

    /// The same with bytes that the client should not send before it is answered.
    pub fn hurry(server: &Httpd, path: &str, bytes: &[u8]) -> Self {
        let mut wire = server.connect();
        wire.send([opening(path, "").as_bytes(), bytes].concat());
        assert_eq!(wire.head().expect("an answer").status, 101);
        Self(wire)
    }

    pub fn send(&mut self, first: u8, payload: &[u8]) {
        self.0.send(frame(first, payload));
    }

    /// Sends these bytes, if the server still takes them.
    pub fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.try_send(bytes)
    }

    /// What comes until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        self.0.read_to_end()
    }

    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.0.exactly(2).expect("a frame");
        let mut number = |count| {
            let bytes = self.0.exactly(count).expect("a length");
            bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let length = match head[1] {
            126 => number(2),
            127 => number(8),
            short => usize::from(short),
        };
        (head[0], self.0.exactly(length).expect("a payload"))
    }

    #[track_caller]
    pub fn expect(&mut self, first: u8, payload: &[u8]) {
        let (kind, got) = self.frame();
        assert!((kind, &*got) == (first, payload), "{kind:#x}: {} bytes", got.len());
    }

    /// The close frame that comes, which is answered; then the connection ends.
    #[track_caller]
    pub fn closed(&mut self, code: u16, reason: &str) {
        self.expect(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
        self.send(CLOSE, &code.to_be_bytes());
        assert_eq!(self.0.read_to_end(), b"", "nothing more");
    }
}

#[test]
fn handshake() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    let (mut client, response) =
        FrameClient::ask(&server, "/a%20b", "Sec-WebSocket-Protocol: chat, superchat\r\n");
    assert_eq!(response.status, 101);
    let header = |name| response.all(name);
    assert_eq!(header("Sec-WebSocket-Accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    assert_eq!(header("Sec-WebSocket-Protocol"), ["superchat"]);
    assert_eq!((header("Upgrade"), header("Content-Length")), (vec!["websocket"], vec![]));
    assert_eq!((header("x-own"), header("set-cookie")), (vec!["value"], vec!["a=b"]));
    let (kind, text) = client.frame();
    let text = String::from_utf8(text).expect("text");
    assert_eq!(
        (kind, text.as_str()),
        (TEXT, r#"["websocket", "ws", "/a b", ["chat", "superchat"], false, {}]"#)
    );
    client.closed(4001, "enough");
    eventually("it is in the access log", || {
        server.log_of("access").contains("\"GET /a%20b HTTP/1.1\" 101").then_some(())
    });
}

/// What is no handshake is an HTTP request, and gets no 101.
#[test]
fn only_a_handshake_is_one() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    let whole = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    for (line, headers) in [
        ("GET /echo HTTP/1.1", String::new()),
        ("POST /echo HTTP/1.1", whole.clone()),
        ("GET /echo HTTP/1.0", whole.clone()),
        ("GET /echo HTTP/1.1", whole.replace("websocket", "h2c")),
        ("GET /echo HTTP/1.1", whole.replace("Connection: Upgrade", "Connection: close")),
        ("GET /echo HTTP/1.1", whole.replace("13", "12")),
        ("GET /echo HTTP/1.1", whole.replace(KEY, "short")),
        ("GET /echo HTTP/1.1", whole.clone() + "Content-Length: 3\r\n"),
    ] {
        let mut client = server.connect();
        client.send(format!("{line}\r\nHost: x\r\n{headers}\r\nabc"));
        assert_eq!(client.head().expect("an answer").status, 426, "{line} {headers}");
    }
}

#[test]
fn messages() {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.expect_log("closed by 1000 bye").start();
        let mut client = FrameClient::open(&server, "/echo");
        let long: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
        for length in [0, 1, 125, 126, 127, 65535, 65536, 1_000_000] {
            client.send(BINARY, &long[..length]);
            client.expect(BINARY, &long[..length]);
        }
        client.send(TEXT, "w\u{f6}rld \u{2615}".as_bytes());
        client.expect(TEXT, "w\u{f6}rld \u{2615}".as_bytes());
        client.send(PING, b"there?");
        client.expect(PONG, b"there?");
        client.send(0x01, b"in ");
        client.send(PING, b"");
        client.send(0x00, b"three ");
        client.send(0x80, b"parts");
        client.expect(PONG, b"");
        client.expect(TEXT, b"in three parts");
        client.send(CLOSE, b"\x03\xe8bye");
        client.expect(CLOSE, b"\x03\xe8bye");
        assert_eq!(client.0.read_to_end(), b"");
    }
}

#[test]
fn back_pressure_both_ways() {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.start();
        let mut client = FrameClient::open(&server, "/burst");
        for number in 0..200 {
            client.expect(BINARY, &[number; 50000]);
        }
        let mut client = FrameClient::open(&server, "/late");
        for _ in 0..2000 {
            client.send(TEXT, b"x");
        }
        client.expect(TEXT, b"2000");
    }
}

/// A client sends much and leaves before the application wants it: it gets all the same.
#[test]
fn what_a_client_sent_before_it_left_is_read() {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.start();
        let mut client = FrameClient::open(&server, "/later");
        for _ in 0..300 {
            client.send(TEXT, &[b'x'; 1000]);
        }
        client.0.finish();
        assert_eq!(server.get("/go").status, 426);
        server.wait_for_log("had 300 messages");
    }
}

#[test]
fn ways_to_the_end() {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.expect_log("ValueError: in the midst of a WebSocket").start();
        let (mut client, response) = FrameClient::ask(&server, "/deny", "");
        assert_eq!((response.status, response.all("x-why")), (418, vec!["tea"]));
        assert_eq!(client.0.exactly(11).expect("a body"), b"3\r\nno \r\n6\r\n");
        assert_eq!(FrameClient::ask(&server, "/refuse", "").1.status, 403);
        FrameClient::open(&server, "/leave").closed(1000, "");
        FrameClient::open(&server, "/fail").closed(1011, "");
        for (frames, code) in [
            (vec![(0x81, &b"\xff"[..])], 1007),
            (vec![(0x83, b"")], 1002),
            (vec![(0x80, b"")], 1002),
            (vec![(0xc1, b"x")], 1002),
            (vec![(0x89, &[0; 126])], 1002),
        ] {
            let mut client = FrameClient::open(&server, "/echo");
            frames.iter().for_each(|(first, payload)| client.send(*first, payload));
            let (kind, payload) = client.frame();
            assert_eq!((kind, &payload[..2]), (CLOSE, &u16::to_be_bytes(code)[..]), "{frames:?}");
        }
        drop(FrameClient::open(&server, "/echo"));
        server.wait_for_log("closed by 1006");
        assert_eq!(server.get("/").status, 426, "and it serves on");
    }
}

#[test]
fn broadcast() {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.daemon_options("threads=1").start();
        let mut clients: Vec<_> = (0..5).map(|_| FrameClient::open(&server, "/chat")).collect();
        clients[4].send(TEXT, b"here");
        clients.iter_mut().for_each(|client| client.expect(TEXT, b"here"));
        drop(clients.pop());
        eventually("one has left", || {
            clients[0].send(TEXT, b"still here");
            clients.iter_mut().for_each(|client| client.expect(TEXT, b"still here"));
            Some(())
        });
    }
}

/// At a graceful restart they are told to connect again, at once, and reach the successor.
#[test]
fn restarts() {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.expect_log("2 WebSockets are closed with 1012").start();
        let mut clients = [FrameClient::open(&server, "/echo"), FrameClient::open(&server, "/echo")];
        for client in &mut clients {
            client.send(TEXT, b"before");
            client.expect(TEXT, b"before");
        }
        server.graceful();
        for client in &mut clients {
            client.closed(1012, "service restart");
        }
        let mut client = FrameClient::open(&server, "/echo");
        client.send(TEXT, b"after");
        client.expect(TEXT, b"after");
    }
}
