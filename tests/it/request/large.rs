//! Large parts of bodies, which go between httpd's child and a daemon in memory that both share.

use crate::asking::load;
use crate::request::http2::curl;
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};

/// Blocks of the sizes in the query, after their letter, in which each place has its number.
const APP: &str = "
def application(environ, start_response):
    if environ['REQUEST_METHOD'] == 'POST':
        return echo(environ, start_response)
    return send(environ, start_response)

def echo(environ, start_response):
    # So many bytes with each call, so many in all; negative: all.
    stream, (step, most) = environ['wsgi.input'], map(int, environ['QUERY_STRING'].split(','))
    data = b''
    while len(data) < most or most < 0:
        more = stream.read(step)
        data += more
        if not more or step < 0:
            break
    start_response('200 OK', [('Content-Length', str(len(data)))])
    return [data]

def send(environ, start_response):
    letter, sizes = environ['QUERY_STRING'].split('=')
    sizes, done = [int(size) for size in sizes.split(',')], 0
    text = ''.join('%s%07d' % (letter, n) for n in range(sum(sizes) // 8 + 1)).encode()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    for size in sizes:
        yield text[done:done + size]
        done += size
";

const MIB: usize = 1 << 20;

fn expected(letter: char, len: usize) -> String {
    let mut text: String = (0..=len / 8).map(|n| format!("{letter}{n:07}")).collect();
    text.truncate(len);
    text
}

fn server() -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .directives("StartServers 1\nServerLimit 1\nKeepAliveTimeout 60")
}

fn path(letter: char, sizes: &[usize]) -> String {
    format!("/?{letter}={}", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(","))
}

fn ask(letter: char, sizes: &[usize]) -> String {
    format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path(letter, sizes))
}

/// Processes that have such memory: a daemon and a child, as long as any is in use.
fn sharing(server: &Httpd) -> usize {
    server.processes().iter().filter(|process| process.maps().contains("memfd:wsgi body")).count()
}

#[test]
fn what_goes_through_memory_arrives_as_it_is() {
    let server = server().start();
    let mut wire = server.connect();
    let mut shared = 0;
    let few: [&[usize]; 10] = [
        &[MIB],
        &[MIB],
        &[MIB + 1],
        &[3 * MIB],
        &[32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1],
        &[100, 500_000, 7, 500_000, 100_000],
        &[65_536; 20],
        &[4096; 300],
        &[2999; 600],
        &[5, MIB - 40_000, 39_999, 40_001],
    ];
    for (turn, sizes) in [few, few].concat().iter().enumerate() {
        let letter = char::from(b'a' + turn as u8);
        let body = wire.send(ask(letter, sizes)).response(false).ok().text();
        assert!(body == expected(letter, sizes.iter().sum()), "{sizes:?}: {} bytes", body.len());
        shared = shared.max(sharing(&server));
    }
    if Subject::is_ours() {
        assert_eq!(shared, 2);
        eventually("the memory is given back", || (sharing(&server) == 0).then_some(()));
    }
    assert!(wire.send(ask('z', &[MIB])).response(false).ok().text() == expected('z', MIB));
}

fn post(step: i64, most: i64, body: &str) -> String {
    let length = body.len();
    format!("POST /?{step},{most} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn uploads_arrive_as_they_are() {
    let server = server().start();
    let mut wire = server.connect();
    let mut shared = 0;
    let ways = [
        (65_536, -1, 300_000),
        (-1, -1, MIB),
        (1000, -1, 200_000),
        (3_000_000, -1, 3 * MIB),
        (65_536, -1, 2 * MIB),
    ];
    for (turn, (step, most, len)) in [ways, ways, ways].concat().into_iter().enumerate() {
        let body = expected(char::from(b'a' + turn as u8), len);
        let mut sender = wire.sender();
        let seen = std::thread::scope(|scope| {
            scope.spawn(|| sender.send(post(step, most, &body)));
            wire.response(false).ok().text()
        });
        assert!(seen == body, "{step} {len}: {} bytes", seen.len());
        shared = shared.max(sharing(&server));
    }
    if Subject::is_ours() {
        assert_eq!(shared, 2);
        eventually("the memory is given back", || (sharing(&server) == 0).then_some(()));
    }
}

/// What an application leaves of a body is nobody's.
#[test]
fn uploads_that_nobody_reads_to_their_end() {
    let server = server().start();
    for turn in 0..12 {
        let body = expected(char::from(b'a' + turn), 2 * MIB);
        let most = i64::from(turn % 4) * 190_000;
        let mut wire = server.connect();
        let mut sender = wire.sender();
        let seen = std::thread::scope(|scope| {
            // httpd may close before it has read everything.
            scope.spawn(|| sender.try_send(post(65_536, most, &body).as_bytes()).is_ok());
            wire.response(false).ok().text()
        });
        assert!(seen.len() >= most as usize && body.starts_with(&seen), "{most}: {} bytes", seen.len());
        let whole = server.request("POST", "/?65536,-1").body(&body).send().ok().text();
        assert!(whole == body, "after {most}: {} bytes", whole.len());
    }
}

/// A client that stops in the middle gets its own response all the same when others come after it.
#[test]
fn what_waits_for_a_slow_client_is_not_written_over() {
    let server = server().directives("SendBufferSize 65536").start();
    let mut others = server.connect();
    for pause in (0..8).map(|part| part * 140_000) {
        for _ in 0..3 {
            assert!(others.send(ask('o', &[MIB])).response(false).ok().text() == expected('o', MIB));
        }
        let mut slow = server.connect();
        slow.send(ask('s', &[MIB]).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        let mut seen = slow.exactly(pause).expect("the beginning");
        for _ in 0..3 {
            assert!(others.send(ask('n', &[MIB])).response(false).ok().text() == expected('n', MIB));
        }
        seen.extend(slow.read_to_end());
        let seen = String::from_utf8_lossy(&seen).into_owned();
        let text: String =
            seen.split_once("\r\n\r\n").expect("a head").1.lines().filter(|line| line.len() > 8).collect();
        assert!(text == expected('s', MIB), "paused after {pause}: {} bytes", text.len());
    }
}

/// Filters read a copy.
#[test]
fn filters_and_streams_get_the_same() {
    let builder = server().directives(&load(&["http2", "deflate", "filter"]));
    let server =
        builder.directives("Protocols h2c http/1.1\nSetOutputFilter DEFLATE").allow_log("AH10034").start();
    for turn in 0..4 {
        let letter = char::from(b'a' + turn);
        for arguments in [&["--http1.1"][..], &["--compressed"], &["--http2-prior-knowledge"]] {
            let answer = curl(&server, &server.url(&path(letter, &[MIB, 70_000])), arguments);
            assert!(answer.response.text() == expected(letter, MIB + 70_000), "{arguments:?}");
        }
    }
}
