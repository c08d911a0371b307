//! Requests that no honest client sends: the right 4xx or an aborted connection, and neighbours that notice nothing
//! (spec/behaviour.md).

use crate::asking::{environ_server, rest};
use integration::{Httpd, HttpdBuilder, Mode, wait_until};
use std::time::{Duration, Instant};

/// A server that minds only its own business: httpd's complaints about clients are fine.
fn server(mode: Mode) -> HttpdBuilder {
    environ_server(mode)
        .directives("WSGIChunkedRequest On\nTimeout 8")
        .allow_log("[core:error]")
        .allow_log("[wsgi:error]")
}

/// The status of the answer to these bytes; 0 when the connection just ended.
fn status(server: &Httpd, bytes: impl AsRef<[u8]>) -> u16 {
    let mut wire = server.connect();
    let _ = wire.try_send(bytes.as_ref()); // httpd may answer and close before it has read everything
    wire.finish();
    let (text, _) = rest(&mut wire);
    text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// One request on a connection of its own: httpd closes those that idle when its threads are short, and says nothing.
fn get(server: &Httpd) {
    server.request("GET", "/").header("Connection", "close").send().ok();
}

/// The server still serves, and its processes are those it had before.
fn unharmed(server: &Httpd, act: impl FnOnce()) {
    get(server);
    let pids = || server.children().into_iter().map(|child| child.pid).collect::<Vec<_>>();
    let before = pids();
    act();
    assert_eq!(
        server.request("POST", "/").header("Connection", "close").body("x").send().json()["body"],
        "x"
    );
    let after = pids();
    assert!(before.iter().all(|pid| after.contains(pid)), "a child died: {before:?}, now {after:?}");
}

/// §1.1 #8: lengths that are no number.
fn content_lengths(mode: Mode) {
    let server = server(mode).start();
    unharmed(&server, || {
        for length in ["-1", "abc", "1x", "", "0x10", "1 2", "99999999999999999999999", "+5"] {
            let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nhello");
            assert_eq!(status(&server, request), 400, "{length:?}");
        }
        for lengths in ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 5"] {
            let answer = status(&server, format!("POST / HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\nhello"));
            assert!(matches!(answer, 0 | 400), "{lengths}: {answer}");
        }
    });
}

/// Request lines and headers beyond httpd's limits, up to some megabytes.
fn oversized_heads(mode: Mode) {
    let server = server(mode).start();
    unharmed(&server, || {
        let get = |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        assert_eq!(status(&server, get(&format!("/{}", "a".repeat(9000)), "")), 414);
        assert_eq!(status(&server, get("/", &format!("X-Long: {}\r\n", "a".repeat(9000)))), 400);
        assert_eq!(status(&server, get("/", &"X-Many: 1\r\n".repeat(101))), 400);
        assert_eq!(status(&server, get("/", &"X-Many: 1\r\n".repeat(90))), 200);
        let huge = status(&server, get("/", &format!("X-Huge: {}\r\n", "a".repeat(100_000_000))));
        assert!(matches!(huge, 0 | 400), "{huge}");
        let folded = status(&server, get("/", &format!("X-Folded: a\r\n{}", " b\r\n".repeat(10_000))));
        assert!(matches!(folded, 0 | 400), "{folded}");
    });
}

/// NULs, control characters, bytes beyond ASCII, and what looks like a second request.
fn odd_bytes(mode: Mode) {
    let server = server(mode).start();
    unharmed(&server, || {
        let rows: [(&[u8], u16); 8] = [
            (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x01b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ];
        for (bytes, expected) in rows {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let answer = status(&server, bytes);
            assert!(answer == expected || (answer == 400 && expected >= 404), "{text:?}: {answer}");
        }
        let latin: &[u8] =
            b"GET /\xff\xfe?\xfc HTTP/1.1\r\nHost: x\r\nX-A: \xe4\xf6\xfc\r\nCookie: \xff\r\n\r\n";
        assert_eq!(status(&server, latin), 200);
        assert!(matches!(status(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 0 | 400));
        let garbage: Vec<u8> = (0..5000_u32).map(|n| (n * 7919 % 251) as u8).collect();
        assert!(matches!(status(&server, garbage), 0 | 400 | 414 | 501));
    });
}

/// Chunks that are none, and bodies that end too early.
fn bad_chunks(mode: Mode) {
    let server = server(mode).start();
    unharmed(&server, || {
        let rows = [
            ("zz\r\nabc\r\n0\r\n\r\n", [400, 400]),
            ("-1\r\nabc\r\n0\r\n\r\n", [400, 400]),
            ("fffffffffffffffff\r\nabc\r\n", [400, 413]),
            ("3\r\nabcdef\r\n0\r\n\r\n", [400, 400]),
            ("5\r\nab", [400, 500]),
            ("3\r\nabc\r\n", [400, 500]),
        ];
        for (body, expected) in rows {
            let request = format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            let answer = status(&server, request);
            assert!(expected.contains(&answer), "{body:?}: {answer}");
        }
    });
}

/// Clients that connect and say nothing, or half of something: gone after Timeout, and nobody waited for them.
fn half_open_clients(mode: Mode) {
    // Without that the kernel hands a silent connection over only after half a minute.
    let server = server(mode).directives("AcceptFilter http none").start();
    unharmed(&server, || {
        let beginnings: [&[u8]; 6] = [
            b"",
            b"GET",
            b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        ];
        let mut wires: Vec<_> = beginnings
            .iter()
            .map(|bytes| {
                let mut wire = server.connect();
                wire.send(bytes);
                wire
            })
            .collect();
        let asked = Instant::now();
        for _ in 0..5 {
            get(&server);
        }
        assert!(asked.elapsed() < Duration::from_secs(7), "neighbours waited {:?}", asked.elapsed());
        for wire in &mut wires {
            wire.read_to_end();
        }
        assert!(asked.elapsed() < Duration::from_secs(40), "{:?}", asked.elapsed());
    });
}

/// Connections that are reset at every point of a request and its response.
fn resets_at_any_time(mode: Mode) {
    let server = server(mode).start();
    let request = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\nX-A: b\r\n\r\n";
    let body = vec![b'x'; 40_000];
    unharmed(&server, || {
        for cut in
            (0..request.len()).step_by(5).chain([request.len() + 1, request.len() + 20_000, usize::MAX])
        {
            let bytes = [&request[..], &body].concat();
            let mut wire = server.connect();
            let _ = wire.try_send(&bytes[..cut.min(bytes.len())]); // httpd may be faster
            drop(wire);
        }
        let idle = wait_until(Duration::from_secs(10), || {
            let asked = Instant::now();
            get(&server);
            (asked.elapsed() < Duration::from_millis(300)).then_some(())
        });
        assert!(idle.is_some(), "threads are stuck");
    });
}

in_both_modes!(
    bad_chunks,
    content_lengths,
    half_open_clients,
    odd_bytes,
    oversized_heads,
    resets_at_any_time
);
