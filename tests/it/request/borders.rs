//! What an application can say that would make two parties see different borders of messages: nothing. Also with a proxy in
//! front, which keeps its connections for the requests of others.

use crate::asking::{head, load};
use crate::snippets::server;
use integration::{Httpd, HttpdBuilder, Mode, Subject};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A response inside a body.
const FORGED: &str = r"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";

/// An application that answers so; `body` is the text of a literal.
fn answers(status: &str, headers: &str, body: &str) -> String {
    format!(
        "def app(environ, start_response):\n    start_response('{status}', {headers})\n    return [b'{body}']\n"
    )
}

const FINE: &str = "def app(environ, start_response): return answer(start_response, 'fine')";

/// All that comes back for these requests on one connection, which is given up when nothing more comes.
fn conversation(port: u16, requests: &[String]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("httpd listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
    let mut all = Vec::new();
    for request in requests {
        if stream.write_all(request.as_bytes()).is_err() {
            break;
        }
    }
    let _ = stream.read_to_end(&mut all); // a reset ends it as well
    String::from_utf8_lossy(&all).into_owned()
}

fn get(code: &str, headers: &str) -> String {
    head("GET", headers, code)
}

/// A server whose application may be wrong, and what says so in the log.
fn wrong(mode: Mode) -> HttpdBuilder {
    server(mode)
        .expect_log("ValueError: status code of a final response must be 200 or above: b'1")
        .allow_python_errors()
}

const INTERIM: [&str; 5] = ["100 Continue", "101 Switching Protocols", "103 Early Hints", "199 x", "099 x"];

/// An interim status is no answer: 500, and the next response is where it belongs.
fn interim_statuses(mode: Mode) {
    if Subject::skips("any three digits are sent as they are, with the body") {
        return;
    }
    let server = wrong(mode).start();
    for status in INTERIM {
        let code = answers(status, "[('Upgrade', 'websocket'), ('Connection', 'Upgrade')]", FORGED);
        let all = conversation(server.port(), &[get(&code, ""), get(FINE, "Connection: close\r\n")]);
        assert!(all.starts_with("HTTP/1.1 500 ") && !all.contains("forged"), "{status}: {all}");
        // httpd itself closes after 500.
        assert!(all.matches("HTTP/1.1 ").count() == 1, "{status}: {all}");
    }
}

/// A host on another port that hands everything to this one and keeps its connections.
fn proxied(builder: HttpdBuilder) -> (Httpd, u16) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("loopback").port();
    let server = builder
        .directives(&load(&["proxy", "proxy_http"]))
        .directives(&format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost *:{port}>\nProxyPass / http://127.0.0.1:@PORT@/ upgrade=ANY \
             keepalive=On\nProxyPreserveHost On\n</VirtualHost>"
        ))
        .allow_log("[proxy_http:error]")
        .allow_log("[proxy:error]")
        .start();
    (server, port)
}

/// Through mod_proxy_http: whatever an application says, who comes next on the connection behind the proxy gets what is
/// theirs, and no tunnel opens.
fn behind_a_proxy(mode: Mode) {
    if Subject::skips("status 100 gives the next client the body, and 101 a tunnel") {
        return;
    }
    let (_server, port) = proxied(wrong(mode));
    let length = |value: &str| format!("[('Content-Length', '{value}')]");
    let mut rows: Vec<(String, String, &str)> = INTERIM
        .map(|status| (status.to_owned(), "[('Upgrade', 'x'), ('Connection', 'Upgrade')]".to_owned(), FORGED))
        .into();
    for status in ["204 No Content", "205 Reset Content", "304 Not Modified"] {
        rows.push((status.to_owned(), length("44"), FORGED));
        rows.push((status.to_owned(), "[]".to_owned(), FORGED));
    }
    for value in ["", "+5", " 5", "5 ", "-5", "5, 5", "0x5", "99999999999999999999", "5\\t", "5;", "\\xb25"] {
        rows.push(("200 OK".to_owned(), length(value), FORGED));
    }
    for more in [
        "('Connection', 'Content-Length'), ('Content-Length', '5')",
        "('Connection', 'close, Transfer-Encoding, Content-Length'), ('Content-Length', '5')",
        "('Content-Length', '5'), ('Content-Length', '500')",
        "('Transfer-Encoding', 'chunked'), ('Content-Length', '5')",
        "('Transfer-Encoding', 'identity'), ('Connection', 'Transfer-Encoding')",
        "('TE', 'trailers'), ('Trailer', 'Content-Length'), ('Content-Length', '5')",
        "('Keep-Alive', 'timeout=9999, max=9999'), ('Connection', 'keep-alive')",
        "('Upgrade', 'x'), ('Connection', 'upgrade'), ('Content-Length', '5')",
        "('Proxy-Connection', 'keep-alive'), ('Content-Range', 'bytes 0-4/44')",
    ] {
        rows.push(("200 OK".to_owned(), format!("[{more}]"), FORGED));
    }
    for (status, headers, body) in &rows {
        for method in ["GET", "HEAD"] {
            let code = answers(status, headers, body);
            let attack = head(method, "Upgrade: x\r\nConnection: Upgrade, close\r\n", &code);
            let all = conversation(port, &[attack]);
            // The forged response may be a body, or part of one; it stands behind the head of the real one.
            assert!(
                !all.starts_with("HTTP/1.1 101") && !all.starts_with("HTTP/1.1 100"),
                "{status} {headers}: {all}"
            );
            for _ in 0..2 {
                let next = conversation(port, &[get(FINE, "Connection: close\r\n")]);
                assert!(
                    next.ends_with("fine") && next.starts_with("HTTP/1.1 200 "),
                    "{status} {headers}: {next}"
                );
            }
        }
    }
}

/// Without a proxy, two requests at once: the second response begins where the first ends.
fn pipelined(mode: Mode) {
    if Subject::skips("what is said about the connection is passed on") {
        return;
    }
    let server = server(mode).allow_python_errors().start();
    for (method, status, headers) in [
        ("HEAD", "200 OK", "[('Content-Length', '44')]"),
        ("HEAD", "200 OK", "[]"),
        ("GET", "204 No Content", "[('Content-Length', '44')]"),
        ("GET", "304 Not Modified", "[('Content-Length', '44')]"),
        ("GET", "200 OK", "[('Content-Length', '')]"),
        ("GET", "200 OK", "[('Content-Length', '0')]"),
        ("GET", "200 OK", "[('Content-Length', '+0')]"),
        ("GET", "200 OK", "[('Content-Length', '0'), ('Connection', 'Content-Length')]"),
    ] {
        let code = answers(status, headers, FORGED);
        let all = conversation(server.port(), &[head(method, "", &code), get(FINE, "Connection: close\r\n")]);
        assert!(all.ends_with("fine") && !all.contains("forged"), "{method} {status} {headers}: {all}");
        assert!(!all.contains("Connection: Content-Length"), "{all}");
    }
}

in_both_modes!(behind_a_proxy, interim_statuses, pipelined);
