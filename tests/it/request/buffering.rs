//! WSGIRequestBuffering: request bodies that httpd has received before the application is called.

use crate::asking::{EnvironAnswer, environ_server, head, load, rest};
use crate::product::examples::venv;
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, HttpdBuilder, Mode, Mpm, Subject, WireConnection, is_root, test_user};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// Says what the environ knows of the length, reads in pieces of several sizes, and sums up.
const SUM: &str = "import hashlib
def app(environ, start_response):
    digest, total, size = hashlib.sha1(), 0, 1
    while True:
        piece = input.read(size)
        if not piece: break
        digest.update(piece); total += len(piece); size = size * 7 % 70000 + 1
    return answer(start_response, '%s %s %s' % (environ.get('CONTENT_LENGTH'), total, digest.hexdigest()))";

/// What the control lacks.
const MISSING: &str = "it has no WSGIRequestBuffering";

fn buffering(mode: Mode, size: &str) -> HttpdBuilder {
    server(mode).directives(&format!("WSGIRequestBuffering {size}"))
}

/// Bytes in which no two parts are alike.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The body in chunks of odd sizes.
fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in body.chunks(9_973) {
        all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        all.extend_from_slice(chunk);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"0\r\n\r\n");
    all
}

/// What [`SUM`] answers; by Python's own arithmetic, so that a lost or repeated byte is seen.
fn sum(body: &[u8], length: Option<usize>) -> String {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", "import hashlib, sys; print(hashlib.sha1(sys.stdin.buffer.read()).hexdigest())"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    std::io::Write::write_all(&mut python.stdin.take().expect("piped"), body).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    let length = length.map_or("None".to_owned(), |length| length.to_string());
    format!("{length} {} {}", body.len(), String::from_utf8_lossy(&output.stdout).trim())
}

fn post_chunked(wire: &mut WireConnection, code: &str, body: &[u8]) {
    wire.send(head("POST", CHUNKED, code)).send(in_chunks(body));
}

/// In memory and in the file, around each border; over one connection.
fn bodies_of_all_sizes(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    let server = buffering(mode, "200K").expect_log("WSGI0371").start();
    let mut wire = server.connect();
    for len in [1, 8_000, 65_535, 65_536, 65_537, 131_072, 200_000, 204_800] {
        let body = bytes(len);
        post_chunked(&mut wire, SUM, &body);
        assert_eq!(wire.response(false).text(), sum(&body, Some(len)), "{len} in chunks");
        let length = format!("Content-Length: {len}\r\n");
        wire.send(head("POST", &length, SUM)).send(&body);
        assert_eq!(wire.response(false).text(), sum(&body, Some(len)), "{len}");
    }
    // Longer ones: the rest follows, if its length is known.
    for len in [204_801, 1_000_000] {
        let body = bytes(len);
        wire.send(head("POST", &format!("Content-Length: {len}\r\n"), SUM)).send(&body);
        assert_eq!(wire.response(false).text(), sum(&body, Some(len)), "{len}");
    }
    post_chunked(&mut wire, SUM, &bytes(204_801));
    let (text, _) = rest(&mut wire);
    assert!(text.starts_with("HTTP/1.1 413 ") && text.matches("<html>").count() == 1, "{text}");
}

/// With WSGIChunkedRequest they pass, and have no length.
fn longer_bodies_of_unknown_length_stream(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    for size in ["0", "1", "1000", "100K"] {
        let server = buffering(mode, size).directives("WSGIChunkedRequest On").start();
        let mut wire = server.connect();
        for _ in 0..2 {
            let body = bytes(1_000_000);
            post_chunked(&mut wire, SUM, &body);
            assert_eq!(wire.response(false).text(), sum(&body, None), "{size}");
        }
    }
}

/// The environ is that of a body with a length.
fn environ_of_buffered_bodies(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    let server = environ_server(mode)
        .directives("WSGIRequestBuffering 10K\n<Location /off>\nWSGIRequestBuffering Off\nWSGIChunkedRequest On\n</Location>")
        .start();
    let mut wire = server.connect();
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\n{CHUNKED}\r\n");
    for (path, body, length, coding) in
        [("/", "abc", Some("3"), None), ("/", "", Some("0"), None), ("/off", "abc", None, Some("chunked"))]
    {
        wire.send(post(path)).send(in_chunks(body.as_bytes()));
        let seen = EnvironAnswer::of(&wire.response(false));
        assert_eq!(seen.body(), body);
        seen.check(&[("CONTENT_LENGTH", length), ("HTTP_TRANSFER_ENCODING", coding)]);
    }
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EnvironAnswer::of(&wire.response(false)).check(&[("CONTENT_LENGTH", None)]);
}

/// mod_deflate's input filter: the length is that of what the application reads, and the coding is gone.
fn inflated_bodies_have_their_length(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    let server =
        buffering(mode, "1M").directives("<Location />\nSetInputFilter DEFLATE\n</Location>").start();
    // gzip of 1000 times `a`.
    let body = [
        0x1f, 0x8b, 0x8, 0x0, 0x0, 0x0, 0x0, 0x0, 0x2, 0x3, 0x4b, 0x4c, 0x1c, 0x5, 0xa3, 0x60, 0x14, 0xc,
        0x77, 0x0, 0x0, 0x3, 0xda, 0x38, 0x9a, 0xe8, 0x3, 0x0, 0x0,
    ];
    let code = "def app(environ, start_response):
    data = input.read()
    return answer(start_response, '%s %d %s %s' % (
        environ.get('CONTENT_LENGTH'), len(data), set(data), environ.get('HTTP_CONTENT_ENCODING')))";
    let request = server.snippet(code).header("Content-Encoding", "gzip").body(body);
    assert_eq!(request.send().ok().text(), "1000 1000 {97} None");
}

const DJANGO: &str = "import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from django.conf import settings
if not settings.configured:
    settings.configure(ALLOWED_HOSTS=['*'], ROOT_URLCONF='upload_urls', SECRET_KEY='only for this test')
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
";

const DJANGO_URLS: &str = "from django.http import JsonResponse
from django.urls import re_path

def upload(request):
    files = {name: [file.name, file.size, sum(file.read())] for name, file in request.FILES.items()}
    return JsonResponse({'post': request.POST, 'files': files, 'length': request.META.get('CONTENT_LENGTH')})

urlpatterns = [re_path('', upload)]
";

/// A form and a file without a length: Django takes both for empty where they are not buffered.
fn django_sees_chunked_uploads(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    let home = venv("django");
    let server = Httpd::builder()
        .mode(mode)
        .python_home(Some(&home))
        .file("upload_urls.py", DJANGO_URLS)
        .app(DJANGO)
        .directives("WSGIRequestBuffering 1M\nWSGIChunkedRequest On\n<Location /off>\nWSGIRequestBuffering Off\n</Location>")
        .start();
    let file = bytes(300_000);
    let part = |head: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n").into_bytes();
    let form = [
        part("name=\"name\""),
        b"value\r\n".to_vec(),
        part("name=\"file\"; filename=\"a.bin\""),
        file.clone(),
        b"\r\n--B--\r\n".to_vec(),
    ]
    .concat();
    let total: u64 = file.iter().map(|byte| u64::from(*byte)).sum();
    for (path, expected) in [
        (
            "/",
            serde_json::json!({"post": {"name": "value"}, "files": {"file": ["a.bin", 300_000, total]}, "length": form.len().to_string()}),
        ),
        ("/off", serde_json::json!({"post": {}, "files": {}, "length": null})),
    ] {
        let mut wire = server.connect();
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n{CHUNKED}\r\n"
        ));
        wire.send(in_chunks(&form));
        assert_eq!(wire.response(false).json(), expected, "{path}");
    }
}

/// The only thread of the group serves others while a body comes slowly, and that time is no time in the queue.
#[test]
fn slow_clients_hold_no_thread_of_python() {
    if Subject::skips(MISSING) {
        return;
    }
    let server = buffering(Mode::Daemon, "1M").daemon_options("threads=1 queue-timeout=1").start();
    for length in [6, 100_003] {
        let mut wire = server.connect();
        wire.send(head("POST", &format!("Content-Length: {length}\r\n"), SUM)).send(vec![b'x'; length - 3]);
        for _ in 0..3 {
            assert_eq!(server.evaluate("x", &["input.read()"]), ["b'x'"]);
        }
        sleep(Duration::from_millis(1_300)); // longer than queue-timeout
        wire.send("xxx");
        assert_eq!(wire.response(false).text(), sum(&vec![b'x'; length], Some(length)));
    }
}

/// An application that would say so if it were called.
const CALLED: &str = "def app(environ, start_response):
    print('CALLED')
    return answer(start_response, 'called')";

fn is_not_called(server: &Httpd) {
    assert!(!server.error_log().contains("CALLED"), "{}", server.error_log());
}

/// One line, and no application.
fn clients_that_leave_reach_no_application(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    let server = buffering(mode, "1M").start();
    for sent in [3, 100_000] {
        let mut wire = server.connect();
        wire.send(head("POST", "Content-Length: 200000\r\n", CALLED)).send(vec![b'x'; sent]);
        wire.finish();
        rest(&mut wire);
    }
    integration::eventually("both are noticed", || {
        let log = server.error_log();
        (log.matches("The client went away while its request body was read").count() == 2).then_some(())
    });
    is_not_called(&server);
}

/// Timeout, and RequestReadTimeout: 408, one line, and no application.
fn silent_clients_get_408(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    for limits in ["Timeout 1", "Timeout 300\nRequestReadTimeout body=1"] {
        let server = buffering(mode, "1M")
            .directives(&load(&["reqtimeout"]))
            .directives(limits)
            .expect_log("WSGI0126")
            .start();
        let mut wire = server.connect();
        wire.send(head("POST", "Content-Length: 1000\r\n", CALLED)).send("abc");
        assert_eq!(wire.response(false).status, 408, "{limits}");
        is_not_called(&server);
    }
}

/// LimitRequestBody, a malformed chunk: httpd's own answer, once, and no application.
fn httpd_refuses_as_ever(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    let server = buffering(mode, "1M")
        .directives("LimitRequestBody 100\n<Location /long>\nLimitRequestBody 1000000\n</Location>")
        .allow_log("AH01588")
        .allow_log("AH01589")
        .allow_log("WSGI0126")
        .expect_log("larger than LimitRequestBody")
        .start();
    let long = in_chunks(&bytes(200));
    for (headers, body, status) in [
        (CHUNKED, long, "413"),
        (CHUNKED, b"3\r\nabc\r\nxyz\r\n".to_vec(), "400"),
        ("Content-Length: 200\r\n", bytes(200), "413"),
    ] {
        let mut wire = server.connect();
        wire.send(head("POST", headers, CALLED)).send(&body);
        let (text, _) = rest(&mut wire);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert_eq!(text.matches("<html>").count(), 1, "{text}");
        assert!(text.trim_end().ends_with("</html>"), "{text}");
    }
    is_not_called(&server);
    assert_eq!(server.evaluate("x", &["input.read()"]), ["b'x'"]);
}

/// httpd invites the body itself.
fn clients_that_wait_are_invited(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    let server = buffering(mode, "1M").start();
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 3\r\nExpect: 100-continue\r\n", SUM));
    assert_eq!(wire.head().expect("an interim head").status, 100);
    assert_eq!(wire.send("abc").response(false).text(), sum(b"abc", Some(3)));
}

/// A file system for temporary files that somebody may fill.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(size: &str) -> SmallDisk {
        let folder = std::env::temp_dir().join(format!("mod-wsgi-small-{}-{}", std::process::id(), size));
        std::fs::create_dir_all(&folder).expect("a folder");
        let disk = SmallDisk(folder);
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode=1777"), "tmpfs"]);
        disk
    }

    fn grow(&self, size: &str) {
        self.run("mount", &["-o", &format!("remount,size={size}")]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = Command::new(program).args(arguments).arg(&self.0).status().expect(program);
        assert!(done.success(), "{program} {arguments:?}");
    }

    fn used(&self) -> u64 {
        nix::sys::statvfs::statvfs(&self.0).map_or(0, |facts| facts.blocks() - facts.blocks_free())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status(); // the assertion that failed says more
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// 503 and one line with the directory and what to do; nothing is left there, and it heals.
fn full_disk(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    if !is_root() {
        println!("skipped: only root can mount a small file system");
        return;
    }
    let disk = SmallDisk::mount(if mode == Mode::Daemon { "256k" } else { "260k" });
    let folder = disk.0.to_string_lossy().into_owned();
    let server = buffering(mode, "10M").env("TMPDIR", &folder).expect_log("WSGI0370").start();
    let body = bytes(1_000_000);
    let mut wire = server.connect();
    wire.send(head("POST", "Content-Length: 1000000\r\n", CALLED));
    let _ = wire.try_send(&body); // httpd closes the connection
    let (text, _) = rest(&mut wire);
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    let log = server.error_log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("WSGI0370")).collect();
    assert!(
        lines.len() == 1 && lines[0].contains(&folder) && lines[0].contains("No space left"),
        "{lines:?}"
    );
    crate::failures::mistakes::told(&server, "WSGI0370");
    is_not_called(&server);
    assert_eq!(
        server.snippet(SUM).body(&body[..100_000]).send().ok().text(),
        sum(&body[..100_000], Some(100_000))
    );
    disk.grow("4m");
    assert_eq!(server.snippet(SUM).body(&body).send().ok().text(), sum(&body, Some(1_000_000)));
    integration::eventually("its space is free again", || (disk.used() == 0).then_some(()));
}

/// What an application can do with the file that its process has been given.
const GREEDY: &str = "import errno, os
def app(environ, start_response):
    first = input.read(10)
    found = [int(fd) for fd in os.listdir('/proc/self/fd') if '(deleted)' in link(fd) and os.path.isfile('/proc/self/fd/' + fd)]
    fd, = [fd for fd in found if os.fstat(fd).st_size == 300000]
    kept['fd'] = os.dup(fd)
    return answer(start_response, repr([
        outcome(lambda: os.write(fd, b'x')), outcome(lambda: os.ftruncate(fd, 0)),
        outcome(lambda: os.open('/proc/self/fd/%d' % fd, os.O_RDWR)), outcome(lambda: os.link('/proc/self/fd/%d' % fd, '%s/linked-%d' % (os.path.dirname(link(str(fd))), os.getpid()), src_dir_fd=os.open('/', os.O_RDONLY), follow_symlinks=True)),
        os.fstat(fd).st_nlink, first + input.read() == os.pread(kept['fd'], 400000, 0)]))
def link(fd):
    try: return os.readlink('/proc/self/fd/' + fd)
    except OSError: return ''";

/// It can read it, for as long as the request lasts: not write to it, not give it a name, not keep its space.
#[test]
fn a_daemon_can_only_read_the_file() {
    if Subject::skips(MISSING) {
        return;
    }
    let user = test_user('a');
    let options =
        user.map_or("threads=2".to_owned(), |user| format!("threads=2 user={user} group={user} home=/"));
    let server = buffering(Mode::Daemon, "1M").daemon_options(&options).start();
    let text = server.snippet(GREEDY).body(bytes(300_000)).send().ok().text();
    let expected = "[\"OSError: [Errno 9] Bad file descriptor\", \"OSError: [Errno 22] Invalid argument\", \"PermissionError: [Errno 13] Permission denied";
    let text = text.replace('\'', "\"");
    assert!(!is_root() || text.starts_with(&expected.replace("\\", "")), "{text}");
    assert_eq!(text.matches("Error: [Errno ").count(), 4, "{text}");
    assert!(text.ends_with(", 0, True]"), "{text}");
    integration::eventually("its space is free again", || {
        let size = server.evaluate("", &["__import__('os').fstat(kept['fd']).st_size"]).remove(0);
        (size == "0").then_some(())
    });
}

/// An application that reads for longer than `socket-timeout`, from the file and not from httpd, which hears of it all the same.
#[test]
fn reading_for_long_is_a_sign_of_life() {
    if Subject::skips(MISSING) {
        return;
    }
    let server = buffering(Mode::Daemon, "1M").daemon_options("socket-timeout=4").start();
    let code = "import time
def app(environ, start_response):
    length = 0
    for _ in range(6):
        length += len(environ['wsgi.input'].read(40000))
        time.sleep(1)
    length += len(environ['wsgi.input'].read())
    return answer(start_response, str(length))";
    assert_eq!(server.snippet(code).body(bytes(300_000)).send().ok().text(), "300000");
}

/// Files and all in each MPM.
fn each_mpm(mode: Mode) {
    if Subject::skips(MISSING) {
        return;
    }
    for mpm in [Mpm::Worker, Mpm::Prefork] {
        let server = buffering(mode, "1M").mpm(mpm).start();
        let mut wire = server.connect();
        for len in [10, 200_000] {
            post_chunked(&mut wire, SUM, &bytes(len));
            assert_eq!(wire.response(false).text(), sum(&bytes(len), Some(len)), "{mpm:?}");
        }
    }
}

/// An event loop reads them as well.
#[test]
fn asgi_applications() {
    if Subject::skips(MISSING) {
        return;
    }
    let server = crate::asgi::applications::server()
        .directives("WSGIRequestBuffering 200K\nWSGIChunkedRequest On")
        .start();
    for len in [10, 65_537, 200_000, 1_000_000] {
        let mut wire = server.connect();
        wire.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{CHUNKED}\r\n")).send(in_chunks(&bytes(len)));
        assert!(wire.response(false).body == bytes(len), "{len}");
        assert!(server.request("POST", "/echo").body(bytes(len)).send().ok().body == bytes(len), "{len}");
    }
}

in_both_modes!(
    bodies_of_all_sizes,
    clients_that_leave_reach_no_application,
    clients_that_wait_are_invited,
    django_sees_chunked_uploads,
    each_mpm,
    environ_of_buffered_bodies,
    full_disk,
    httpd_refuses_as_ever,
    inflated_bodies_have_their_length,
    longer_bodies_of_unknown_length_stream,
    silent_clients_get_408,
);
