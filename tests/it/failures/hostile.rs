//! A daemon that breaks every rule of the protocol: the client gets 502 or a response that is seen to be broken, the log
//! one line, and httpd's child goes on serving others.

use crate::snippets::base64;
use integration::{Httpd, HttpdBuilder, Subject, WireConnection, eventually};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

const HOST: &str = include_str!("../../apps/hostile.py");

/// What the client sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClientAnswer {
    /// A complete response with this status.
    Status(u16),
    /// A complete 200 with this body.
    Body(&'static str),
    /// No complete response; 502 as long as nothing has left.
    Broken,
}

use ClientAnswer::{Body, Broken, Status};

pub fn server(options: &str) -> HttpdBuilder {
    // Until it is executable the stand-in cannot be started (WSGI0306).
    let builder = Httpd::builder().python_home(None).script("/", "app.wsgi", "");
    builder.allow_log("[wsgi:error]").allow_log("WSGI0306").directives(&format!(
        "WSGIRestrictEmbedded On\nWSGIDaemonProcess hostile python-home=@ROOT@/app/home {options}\n\
         WSGIProcessGroup hostile\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 8\nTimeout 5"
    ))
}

/// Starts it with the stand-in as the interpreter.
pub fn start(builder: HttpdBuilder) -> Httpd {
    let server = builder.file("home/bin/python3", HOST).start();
    let program = server.root().join("app/home/bin/python3");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("own file");
    server.graceful();
    eventually("the stand-in serves", || (server.get("/").text() == "honest").then_some(()));
    server
}

pub fn request(method: &str, headers: &str, code: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: x\r\nX-Code: @{}@\r\n{headers}\r\n", base64(code.as_bytes()))
}

pub fn read(wire: &mut WireConnection) -> ClientAnswer {
    match wire.try_response(false) {
        Err(_) => Broken,
        Ok(response) if response.status != 200 => Status(response.status),
        Ok(response) => Body(Box::leak(response.text().into_boxed_str())),
    }
}

/// Each code gives this answer and this number in exactly one line ("" for none), and harms nobody.
pub fn check(server: &Httpd, rows: &[(&str, ClientAnswer, &str)]) {
    let lines = || server.error_log().lines().filter(|line| line.contains("[wsgi:error]")).count();
    let children = || server.children().iter().map(|child| child.pid).collect::<Vec<_>>();
    let before = children();
    for (code, expected, number) in rows {
        let count = lines();
        let mut wire = server.connect();
        let seen = read(wire.send(request("GET", "", code)));
        assert!(seen == *expected || (*expected == Broken && seen == Status(502)), "{code}: {seen:?}");
        eventually("the line is there", || {
            (lines() >= count + usize::from(!number.is_empty())).then_some(())
        });
        let log = server.error_log();
        let new: Vec<&str> = log.lines().filter(|line| line.contains("[wsgi:error]")).skip(count).collect();
        assert!(new.len() <= 1 && new.iter().all(|line| line.contains(number)), "{code}: {new:?}");
        // What came after an end may spoil the daemon's own next request, if it comes late; nothing else.
        eventually("it serves on", || (server.get("/").text() == "honest").then_some(()));
        assert_eq!(server.get("/").ok().text(), "honest", "after {code}");
    }
    assert_eq!(children(), before);
}

/// Frames that are none, or come when they must not, before anything of the response is known.
#[test]
fn frames_before_the_head() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let rows = [
        ("send(HEAD, head(), seq + 1)", Status(502), "WSGI0308"),
        ("send(99)", Status(502), "WSGI0308"),
        ("send(2)", Status(502), "WSGI0308"),
        ("raw(bytes([END, 1, 0, 0, 0, 0, 0, 0]))", Status(502), "WSGI0308"),
        ("raw(struct.pack('<BBHI', LOG, 0, seq, 2**32 - 1))", Status(502), "WSGI0308"),
        ("raw(struct.pack('<BBHI', DATA, 0, seq, 2**24 + 1))", Status(502), "WSGI0308"),
        ("send(DATA, b'early')", Status(502), "WSGI0308"),
        ("send(END)", Status(502), "WSGI0308"),
        ("send(END, b'x')", Status(502), "WSGI0308"),
        ("send(ABORTED)", Status(502), "WSGI0308"),
        ("send(FLUSH, b'x')", Status(502), "WSGI0308"),
        ("send(WATCH, b'x')", Status(502), "WSGI0308"),
        ("[send(WATCH) for _ in range(3000)]; say(b'watched')", Body("watched"), ""),
        ("send(FAIL, b'x')", Status(502), "WSGI0308"),
        ("send(FAIL, struct.pack('<H', 200))", Status(502), "WSGI0308"),
        ("send(WANT_BODY, b'x')", Status(502), "WSGI0308"),
        ("send(REFUSED, bytes([77]))", Status(502), "WSGI0308"),
        ("send(REFUSED, bytes([3]))", Status(502), "WSGI0308"),
        ("send(WANT_BODY, bytes(4)); send(REFUSED, bytes([1]))", Status(502), "WSGI0308"),
        ("send(FILE, bytes(16))", Status(502), "WSGI0308"),
        ("send(FLUSH, bytes(2**20))", Status(502), "WSGI0308"),
        ("send(LOG, bytes(2**16 + 1))", Status(502), "WSGI0308"),
        ("raw(struct.pack('<BBHI', WANT_BODY, 0, seq, 2**24))", Status(502), "WSGI0308"),
        ("raw(struct.pack('<BBHI', REFUSED, 0, seq, 2**24))", Status(502), "WSGI0308"),
        ("file('/etc/hostname', 0, 1)", Status(502), "WSGI0308"),
        ("raw(b'HTTP/1.1 200 OK\\r\\n\\r\\n')", Status(502), "WSGI0308"),
        ("raw(b'\\x11\\0'); close()", Status(502), "WSGI014"),
        ("send(HEAD, b'')", Status(500), "WSGI0148"),
        ("close()", Status(502), "WSGI0146"),
        ("send(REFUSED, bytes([2]))", Status(504), "WSGI0084"),
        ("send(FAIL, struct.pack('<H', 503))", Status(503), ""),
    ];
    check(&start(server("")), &rows);
}

/// Heads that would forge headers, statuses or lengths.
#[test]
fn heads() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let refused = [
        "send(HEAD, head(headers=[(b'X', b'a\\r\\nSet-Cookie: forged')]))",
        "send(HEAD, head(headers=[(b'X', b'a\\nb')]))",
        "send(HEAD, head(headers=[(b'X', b'a\\0b')]))",
        "send(HEAD, head(headers=[(b'X\\r\\nY', b'1')]))",
        "send(HEAD, head(headers=[(b'X Y', b'1')]))",
        "send(HEAD, head(headers=[(b'', b'1')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'abc')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'5, 6')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'-1')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'+5')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b' 5')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'5 ')]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'9' * 20)]))",
        "send(HEAD, head(headers=[(b'Content-Length', b'x'), (b'Content-Length', b'5')]))",
        "send(HEAD, head(b'100 Continue'))",
        "send(HEAD, head(b'101 Switching Protocols', [(b'Upgrade', b'x')]))",
        "send(HEAD, head(b'199'))",
        "send(HEAD, head(b'200 OK\\r\\nX: forged'))",
        "send(HEAD, head(b'42', status=42))",
        "send(HEAD, head(b'200 OK', status=404))",
        "send(HEAD, head(b'2000 OK', status=2000))",
        "send(HEAD, head(count=5000))",
        "send(HEAD, head(count=5))",
        "send(HEAD, head() + b'more')",
        "send(HEAD, head()[:6])",
        "send(HEAD, struct.pack('<HBI', 200, 0, 2**32 - 1))",
        "send(HEAD, bytes(1000000))",
    ];
    let too_large = ("send(HEAD, bytes(2**20 + 1))", Status(500), "WSGI0144");
    let mut rows: Vec<_> = refused.iter().map(|code| (*code, Status(500), "WSGI0148")).collect();
    rows.push(too_large);
    rows.push(("raw(struct.pack('<BBHI', HEAD, 0, seq, 2**24)); send(END)", Status(500), "WSGI0144"));
    rows.push(("say(b'x', [(b'X', b'a' * 40000)])", Status(500), "WSGI0144"));
    rows.push(("say(b'abc', [(b'Transfer-Encoding', b'chunked')])", Body("abc"), ""));
    rows.push((
        "[raw(bytes([b])) for b in struct.pack('<BBHI', HEAD, 0, seq, len(head())) + head()]; send(END)",
        Body(""),
        "",
    ));
    check(&start(server("")), &rows);
}

/// What comes after a good head: the client sees that the response is broken, and never a byte too many.
#[test]
fn after_the_head() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let rows = [
        ("send(HEAD, head()); send(HEAD, head())", Broken, "WSGI0308"),
        ("send(HEAD, head()); send(DATA, b'x'); send(HEAD, head())", Broken, "WSGI0308"),
        ("send(HEAD, head()); send(DATA, b'x', seq + 1)", Broken, "WSGI0308"),
        ("send(HEAD, head()); send(FAIL, struct.pack('<H', 500))", Broken, "WSGI0308"),
        ("send(HEAD, head()); send(REFUSED, bytes([1]))", Broken, "WSGI0308"),
        ("send(HEAD, head()); send(FILE, bytes(16))", Broken, "WSGI0308"),
        ("send(HEAD, head()); file('/dev/null', 0, 10)", Broken, "WSGI0308"),
        (
            "send(HEAD, head()); raw(struct.pack('<BBHI', DATA, 0, seq, 10) + b'half'); close()",
            Broken,
            "WSGI0119",
        ),
        ("send(HEAD, head()); raw(b'\\x16\\0'); close()", Broken, "WSGI0119"),
        ("send(HEAD, head()); close()", Broken, "WSGI0119"),
        (
            "send(HEAD, head(headers=[(b'Content-Length', b'9')])); send(DATA, b'short'); send(END)",
            Broken,
            "WSGI0119",
        ),
        ("send(HEAD, head()); file('/etc/passwd', 0, 2**40); send(END)", Broken, "WSGI0119"),
        ("send(HEAD, head()); file('/sys/kernel/uevent_seqnum', 0, 4096); send(END)", Broken, "WSGI0119"),
        (
            "send(HEAD, head(headers=[(b'Content-Length', b'4096')])); file('/sys/kernel/uevent_seqnum', 0, 4096); send(END)",
            Broken,
            "WSGI0119",
        ),
        ("say(b'more than that', [(b'Content-Length', b'4')])", Body("more"), ""),
        ("say(b'whole'); send(DATA, b'after the end')", Body("whole"), ""),
        ("say(b'whole'); send(HEAD, head()); send(END)", Body("whole"), ""),
        ("say(b'whole'); raw(b'\\x11\\0')", Body("whole"), ""),
        ("say(b'whole'); close()", Body("whole"), ""),
        ("send(GO_AWAY); say(b'whole')", Body("whole"), ""),
        (
            "send(HEAD, head(headers=[(b'Content-Length', b'0')])); file('/etc/passwd', 2**63, 2**63); send(END)",
            Body(""),
            "",
        ),
    ];
    check(&start(server("")), &rows);
}

/// Memory that is none, does not stay, or is left on: httpd's child never reads what is not there.
#[test]
fn shared_memory() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    // A connection has one such memory: those that end well take no further request.
    let good = "send(GO_AWAY); send(HEAD, head()); share(memory(body=b'shared'), 0, 6)";
    let twice = format!("{good}; share(None, 2, 3); share(None, 0, 0); send(END)");
    let stray = format!("{good}; share(memory(), 0, 6); send(END)");
    let after = format!("{good}; send(END)");
    let changed =
        "number = memory(seals=7, body=b'x'); kept = os.dup(number); send(HEAD, head()); share(number, 0, 6)";
    let wild = [(0, (1 << 20) + 1), (1 << 20, 1), (u32::MAX, 2), (7, u32::MAX)].map(|(offset, length)| {
        format!("send(HEAD, head()); share(memory(), {offset}, {length}); send(END)")
    });
    let offers =
        ["memory(1 << 20, 1 << 20, 0)", "memory(1 << 20, 4096, 6)", "memory(4096, 4096, 6)", "os.pipe()[1]"]
            .map(|file| format!("offer({file}); say(b'not reached')"));
    let mut rows = vec![
        ("send(GO_AWAY); offer(memory(1 << 20, 1 << 20, 6)); say(b'not used')", Body("not used"), ""),
        ("send(OFFER); say(b'not reached')", Status(502), "WSGI0308"),
        ("send(OFFER, b'x')", Status(502), "WSGI0308"),
        (twice.as_str(), Body("sharedare"), ""),
        (after.as_str(), Body("shared"), ""),
        (stray.as_str(), Broken, "WSGI0308"),
        ("share(memory(), 0, 1)", Status(502), "WSGI0308"),
        ("send(HEAD, head()); share(None, 0, 6); send(END)", Broken, "WSGI0308"),
        ("send(HEAD, head()); share(os.pipe()[0], 0, 6); send(END)", Broken, "WSGI0308"),
        (
            "send(HEAD, head()); share(os.open('/etc/passwd', os.O_RDONLY), 0, 6); send(END)",
            Broken,
            "WSGI0308",
        ),
        ("send(HEAD, head()); share(memory(seals=0), 0, 6); send(END)", Broken, "WSGI0308"),
        ("send(HEAD, head()); share(memory(seals=0x15), 0, 6); send(END)", Broken, "WSGI0308"),
        (changed, Broken, "WSGI0308"),
        ("send(HEAD, head()); share(memory(filled=0), 0, 6); send(END)", Broken, "WSGI0308"),
        ("send(HEAD, head()); share(memory(size=4096, filled=4096), 0, 6); send(END)", Broken, "WSGI0308"),
        ("send(HEAD, head()); share(memory(size=2**30, filled=4096), 0, 6); send(END)", Broken, "WSGI0308"),
        ("send(HEAD, head()); send(MEMORY, b'x'); send(END)", Broken, "WSGI0308"),
        (
            "send(GO_AWAY); send(HEAD, head(headers=[(b'Content-Length', b'4')])); share(memory(body=b'shared'), 0, 6); send(END)",
            Body("shar"),
            "",
        ),
        (
            "send(HEAD, head(headers=[(b'Content-Length', b'7')])); share(memory(body=b'shared'), 0, 6); send(END)",
            Broken,
            "WSGI0119",
        ),
    ];
    rows.extend(wild.iter().map(|code| (code.as_str(), Broken, "WSGI0308")));
    rows.extend(offers.iter().map(|code| (code.as_str(), Status(502), "WSGI0308")));
    check(&start(server("")), &rows);
}

/// A daemon that opens tunnels and wants nothing: clients that leave free their threads.
fn tunnels_without_end(server: &Httpd) {
    let handshake = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    // More than there are threads (MaxRequestWorkers 8).
    for _ in 0..12 {
        let mut wire = server.connect();
        wire.send(request("GET", handshake, "send(UPGRADE, head(b'101 Go')); exactly(connection, 1000)"));
        assert_eq!(wire.head().expect("an answer").status, 101);
    }
    assert_eq!(server.get("/").ok().text(), "honest");
}

/// Only the opening handshake of a WebSocket is answered by 101, and the headers of that are checked like others.
#[test]
fn upgrades() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    const SWITCH: &str = "send(UPGRADE, head(b'101 Go'))";
    // A tunnel whose daemon says nothing more takes a thread for a while, also when httpd stops.
    let server = start(server("").allow_log("AH00045"));
    check(
        &server,
        &[
            (SWITCH, Status(502), "WSGI0308"),
            ("send(HEAD, head()); send(UPGRADE, head(b'101 Go'))", Broken, "WSGI0308"),
            ("send(WATCH, b'x')", Status(502), "WSGI0308"),
            ("send(WATCH); send(WATCH); say(b'watched')", Body("watched"), ""),
            ("send(HEAD, head(b'101 Go')); send(END)", Status(500), "WSGI0148"),
        ],
    );
    tunnels_without_end(&server);
    let handshake = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (code, answer) in [
        ("send(UPGRADE, head(b'200 OK'))", "HTTP/1.1 500"),
        ("send(UPGRADE, head(b'101 Go', [(b'X', b'a\\r\\nSet-Cookie: b')]))", "HTTP/1.1 500"),
        ("send(UPGRADE, b'')", "HTTP/1.1 500"),
        (
            "send(UPGRADE, head(b'101 Go', [(b'Sec-WebSocket-Accept', b'x')])); send(DATA, b'raw'); send(END)",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nraw",
        ),
        ("send(UPGRADE, head(b'101 Go')); send(UPGRADE, head(b'101 Go'))", "HTTP/1.1 101"),
        ("send(UPGRADE, head(b'101 Go')); send(FAIL, struct.pack('<H', 500))", "HTTP/1.1 101"),
        ("send(UPGRADE, head(b'101 Go')); close()", "HTTP/1.1 101"),
    ] {
        let mut wire = server.connect();
        wire.send(request("GET", handshake, code)).finish();
        let all = String::from_utf8_lossy(&wire.read_to_end()).into_owned();
        let is_it = if answer.ends_with("raw") { all == answer } else { all.starts_with(answer) };
        assert!(is_it && all.matches("HTTP/1.1").count() == 1, "{code}: {all}");
        assert_eq!(server.get("/").ok().text(), "honest", "after {code}");
    }
}

/// A text to log forges no line: each line of it begins as httpd's lines do.
#[test]
fn forged_log_lines() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let server = start(server("").allow_log("[wsgi:emerg]"));
    let code = "send(LOG, b'\\x03' + bytes(4) + b'one\\n[Sat Jan 01 00:00:00 2026] [core:error] forged'); send(LOG, b'\\xff' + b'x' * 100000)
send(LOG, b''); say(b'not reached')";
    let mut wire = server.connect();
    assert_eq!(read(wire.send(request("GET", "", code))), Status(502));
    let log = server.error_log();
    assert!(
        log.contains("[core:error] forged") && !log.lines().any(|line| line.starts_with("[Sat Jan 01")),
        "{log}"
    );
}

/// A daemon that says nothing, and one that says it is restarting for ever.
#[test]
fn silence_and_endless_restarts() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let rows = [
        ("pass", Status(504), "WSGI0145"),
        ("send(WANT_BODY, bytes(4)); send(GO_AWAY)", Status(504), "WSGI0145"),
        ("raw(bytes([HEAD, 0]))", Status(504), "WSGI0145"),
        ("send(HEAD, head()); send(DATA, b'begun'); send(FLUSH)", Broken, "WSGI0119"),
        ("send(REFUSED, bytes([1]))", Status(503), "WSGI0124"),
    ];
    check(&start(server("socket-timeout=3 threads=4")), &rows);
}

/// Uploads to a daemon that asks for everything, reads nothing, or answers before the end.
#[test]
fn uploads() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let server = start(server("socket-timeout=2"));
    let body = vec![b'x'; 3_000_000];
    let length = format!("Content-Length: {}\r\n", body.len());
    for (code, expected) in [
        ("send(WANT_BODY, b'\\xff' * 4); say(b'early')", Body("early")),
        ("send(WANT_BODY, b'\\xff' * 4); send(WANT_BODY, b'\\xff' * 4); send(HEAD, b'')", Status(500)),
        ("send(WANT_BODY, b'\\xff' * 4); time.sleep(0.1); close()", Status(502)),
        ("send(WANT_BODY, b'\\xff' * 4); time.sleep(4)", Status(504)),
        (
            "number = memory(1 << 20, 1 << 20, 6); kept = os.dup(number); offer(number); send(WANT_BODY, b'\\0\\0\\1\\0')
kind, _, _, length = struct.unpack('<BBHI', exactly(connection, 8)); offset, length = struct.unpack('<II', exactly(connection, length))
say(b'shared' if kind == 7 and length and os.pread(kept, length, offset) == b'x' * length else b'not shared')",
            Body("shared"),
        ),
        ("say(b'not asked for')", Body("not asked for")),
    ] {
        let mut wire = server.connect();
        wire.send(request("POST", &length, code));
        let mut sender = wire.sender();
        let sent = std::thread::scope(|scope| {
            scope.spawn(|| sender.try_send(&body).is_ok());
            read(&mut wire)
        });
        assert_eq!(sent, expected, "{code}");
        assert_eq!(server.get("/").ok().text(), "honest", "after {code}");
    }
}

/// A WebSocket: only for a client that asks for one, and not for longer than the daemon is heard.
#[test]
fn tunnels() {
    if Subject::skips("it knows no WebSockets") {
        return;
    }
    let server = start(server("socket-timeout=3 threads=4"));
    let accept = "send(UPGRADE, head(b'101 Switching Protocols', [(b'X', b'y')]))";
    let twice = format!("{accept}; {accept}");
    let late = format!("send(HEAD, head()); {accept}");
    check(
        &server,
        &[(accept, Status(502), "WSGI0308"), (&twice, Status(502), "WSGI0308"), (&late, Broken, "WSGI0308")],
    );
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let open = |code: &str| {
        let mut wire = server.connect();
        wire.send(request("GET", handshake, code));
        (wire.head().expect("an answer").status, wire)
    };
    for forged in ["send(UPGRADE, head())", "send(UPGRADE, head(b'101 x', [(b'X', b'a\\r\\nb')]))"] {
        assert_eq!(open(forged).0, 500, "{forged}");
    }
    // A second answer, and then silence: neither side says anything, and nobody waits for ever.
    for then in [accept, "send(HEAD, head())", "send(FAIL, struct.pack('<H', 500))", "time.sleep(3600)"] {
        let (status, mut wire) = open(&format!("{accept}; {then}"));
        assert_eq!(status, 101);
        assert_eq!(wait_for_end(&mut wire), b"", "{then}");
        assert_eq!(server.get("/").ok().text(), "honest", "after {then}");
    }
    server.wait_for_log("nothing came within socket-timeout");
}

/// What a daemon does with a socket that is handed over to it, or instead of taking it, holds no thread of httpd's.
#[test]
fn sockets_that_are_handed_over() {
    if Subject::skips("it knows no WebSockets") {
        return;
    }
    let server = start(server("socket-timeout=3 threads=40"));
    let ask = "send(TAKE_OVER, head(b'101 Go'))";
    check(
        &server,
        &[(ask, Status(502), "WSGI0308"), (&format!("send(HEAD, head()); {ask}"), Broken, "WSGI0308")],
    );
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answered = format!("{ask}; made = client(); made.sendall(b'raw'); made.close()");
    let mut wire = server.connect();
    wire.send(request("GET", handshake, &answered));
    assert_eq!(wire.head().expect("an answer").status, 101);
    assert_eq!(wire.read_to_end(), b"raw");
    // Its close sleeps; nobody reads what it sends.
    let lingering = format!(
        "{ask}; made = client(); made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 30000))
made.setblocking(False)
try:
    while True: made.send(bytes(65536))
except BlockingIOError: threading.Thread(target=made.close, daemon=True).start()"
    );
    let kept = format!("{ask}; KEPT.append(client())");
    let mut wires = Vec::new();
    for code in [&*lingering, &kept, ask] {
        // More than there are threads (MaxRequestWorkers 8).
        for _ in 0..10 {
            let mut wire = server.connect();
            wire.send(request("GET", handshake, code));
            assert_eq!(wire.head().expect("an answer").status, 101, "{code}");
            wires.push(wire);
        }
        assert_eq!(server.get("/").ok().text(), "honest", "after {code}");
    }
    for then in [
        "send(DATA, b'x')",
        "send(END)",
        ask,
        "raw(b'?')",
        "send(LOG, b'\\x06' + bytes(4) + b'late')",
        "close()",
    ] {
        let mut wire = server.connect();
        wire.send(request("GET", handshake, &format!("{ask}; made = client(); {then}")));
        assert_eq!(wire.head().expect("an answer").status, 101, "{then}");
        // What is said behind it may spoil the daemon's own next request; nothing else.
        eventually("it serves on", || (server.get("/").text() == "honest").then_some(()));
    }
}

/// What comes until the connection ends; it may take half a minute.
fn wait_for_end(wire: &mut WireConnection) -> Vec<u8> {
    let (mut all, mut patience) = (Vec::new(), 5);
    loop {
        match wire.exactly(1) {
            Ok(byte) => all.extend(byte),
            // Nothing yet.
            Err(error) if error.kind() == ErrorKind::WouldBlock && patience > 0 => patience -= 1,
            Err(_) => return all,
        }
    }
}
