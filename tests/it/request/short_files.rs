//! Files of which fewer bytes leave than were announced: they were cut meanwhile, or their size is a lie. The client sees a broken
//! connection, whatever stands between the file and its socket.

use crate::asking::{head, load};
use crate::request::http2::{curl, tls_builder};
use crate::snippets::server;
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Much more than all buffers between httpd and a client hold.
const SIZE: usize = 48 << 20;
/// What is left of it.
const REST: u64 = 1 << 20;

/// Sends the file that is named; and says something else where there is none.
const APP: &str = "def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    name = environ['QUERY_STRING']
    return environ['wsgi.file_wrapper'](open(name, 'rb')) if name else [b'the next response']
";

/// Ways from a file to a client: modules, directives.
const WAYS: [(&[&str], &str); 6] = [
    (&[], ""),
    (&[], "EnableSendfile Off\nEnableMMAP Off"),
    (&["filter", "deflate"], "SetOutputFilter DEFLATE"),
    (&["substitute"], "SetOutputFilter SUBSTITUTE\nSubstitute s/never-there/x/n"),
    (&["ext_filter"], "ExtFilterDefine cat mode=output cmd=/bin/cat\nSetOutputFilter cat"),
    (&["buffer"], "SetOutputFilter BUFFER"),
];

/// Sizes that are lies: files of sysfs say 4096.
const LIAR: &str = "/sys/kernel/uevent_seqnum";

fn builder(mode: Mode, (modules, directives): (&[&str], &str)) -> HttpdBuilder {
    Httpd::builder()
        .mode(mode)
        .app(APP)
        .directives(&load(modules))
        .directives(directives)
        .allow_python_errors()
        .allow_log("[deflate:error]")
        .allow_log("[ext_filter:error]")
        .allow_log("[substitute:error]")
        .allow_log("[core:error]")
}

/// A file that does not shrink when it is compressed, with lines; no two tests share it.
fn large_file(server: &Httpd) -> String {
    let path = server.root().join("app/large");
    let mut bytes = vec![0; SIZE];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .expect("random bytes");
    for line in bytes.chunks_mut(1000) {
        line[0] = b'\n';
    }
    std::fs::write(&path, bytes).expect("own folder");
    path.display().to_string()
}

fn requests(name: &str) -> String {
    let request =
        |name: &str| format!("GET /?{name} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    [request(name), request("")].concat()
}

/// Reads a little, has the file cut, and reads what else comes until the connection ends.
fn read_and_cut(mut from: impl Read, name: &str) -> Vec<u8> {
    let mut all = vec![0; 100_000];
    from.read_exact(&mut all).expect("the response begins");
    OpenOptions::new().write(true).open(name).and_then(|file| file.set_len(REST)).expect("own file");
    let _ = from.read_to_end(&mut all); // a reset ends it as well
    all
}

/// It has begun, is not whole, and nothing follows.
fn assert_broken(all: &[u8], way: &str) {
    let text = String::from_utf8_lossy(all);
    assert!(
        text.starts_with("HTTP/1.1 200 ") || text.is_empty() || text.starts_with("HTTP/1.1 50"),
        "{way}: {text:.200}"
    );
    assert!(
        !text.contains("the next response") && !text.ends_with("\r\n0\r\n\r\n"),
        "{way}: {} bytes",
        all.len()
    );
    assert!(all.len() < SIZE, "{way}");
}

/// Cut in the middle of its way, over each way.
fn cut_while_it_is_sent(mode: Mode) {
    if Subject::skips("through a filter that reads the connection stays open") {
        return;
    }
    // mod_ext_filter reads all of a file before it sends any of it.
    for way in WAYS.into_iter().filter(|way| !way.1.contains("ExtFilter")) {
        let server = builder(mode, way).start();
        let name = large_file(&server);
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("httpd listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
        stream.write_all(requests(&name).as_bytes()).expect("httpd reads");
        assert_broken(&read_and_cut(&mut stream, &name), way.1);
        assert_eq!(server.get("/").ok().text(), "the next response", "{}", way.1);
    }
}

/// A process that reads a mapping of a file which is cut gets SIGBUS, but the kernel only an error: so nothing else is given one.
#[test]
fn mapped_where_only_the_kernel_reads_it() {
    if Subject::skips("filters read mappings, too") {
        return;
    }
    for (way, is_mapped) in [(WAYS[0], true), (WAYS[1], false), (WAYS[3], false)] {
        let server = builder(Mode::Embedded, way).start();
        let name = large_file(&server);
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("httpd listens");
        stream.write_all(requests(&name).as_bytes()).expect("httpd reads");
        // More than that waits before the client's socket, where it stays.
        stream.read_exact(&mut [0; 100_000]).expect("the response begins");
        let has_mapped = || server.children().iter().any(|child| child.maps().contains(&name));
        if is_mapped {
            eventually("the file is mapped", || has_mapped().then_some(()));
        } else {
            assert!(!has_mapped(), "{}", way.1);
        }
        drop(stream);
        assert_eq!(server.get("/").ok().text(), "the next response", "{}", way.1);
    }
}

/// A size that is a lie from the beginning.
fn size_that_is_a_lie(mode: Mode) {
    if Subject::skips("through a filter that reads the connection stays open") {
        return;
    }
    for way in WAYS {
        let server = builder(mode, way).start();
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("httpd listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
        stream.write_all(requests(LIAR).as_bytes()).expect("httpd reads");
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all); // a reset ends it as well
        assert_broken(&all, way.1);
        assert_eq!(server.get("/").ok().text(), "the next response", "{}", way.1);
    }
}

/// The other end of a TLS connection.
struct TlsPeer(Child);

impl TlsPeer {
    fn connect(server: &Httpd, port: u16) -> Self {
        let child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-CAfile"])
            .arg(server.root().join("app/cert.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("openssl is installed"))
    }
}

impl Drop for TlsPeer {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

/// Over TLS, where no file is sent by the system.
fn over_tls(mode: Mode) {
    if Subject::skips("the connection stays open, and the next response is read as the missing bytes") {
        return;
    }
    let (builder, port) = tls_builder(mode, APP, "");
    let server = builder.allow_python_errors().start();
    let name = large_file(&server);
    let mut client = TlsPeer::connect(&server, port);
    client.0.stdin.as_mut().expect("piped").write_all(requests(&name).as_bytes()).expect("openssl reads");
    assert_broken(&read_and_cut(client.0.stdout.take().expect("piped"), &name), "TLS");
    let mut client = TlsPeer::connect(&server, port);
    client.0.stdin.as_mut().expect("piped").write_all(requests(LIAR).as_bytes()).expect("openssl reads");
    let mut all = Vec::new();
    client.0.stdout.take().expect("piped").read_to_end(&mut all).expect("a pipe");
    assert_broken(&all, "TLS");
    let root = server.root().join("app/cert.pem").display().to_string();
    let url = |name: &str| format!("https://localhost:{port}/?{name}");
    let lie = curl(&server, &url(LIAR), &["--cacert", &root, "--http2"]);
    assert!(lie.exit != 0 || lie.response.status >= 500, "HTTP/2: {} {}", lie.exit, lie.response.status);
    let fine = curl(&server, &url(""), &["--cacert", &root, "--http2"]);
    assert_eq!((fine.exit, fine.response.text().as_str()), (0, "the next response"));
}

/// Descriptors that can only be written, or not even that.
fn descriptors_that_cannot_be_read(mode: Mode) {
    if Subject::skips("the head, and nothing more") {
        return;
    }
    let server = server(mode).allow_python_errors().file("letters.txt", "abc").start();
    for flags in ["os.O_PATH", "os.O_WRONLY"] {
        let code = format!(
            "import os\ndef app(environ, start_response):
    class File:
        def __init__(self): self.name = '/tmp/mod-wsgi-it-%d' % os.getpid()
        def fileno(self): return self.number
        def tell(self): return 0
        def read(self, size=-1): return os.read(self.number, 10)
    file = File()
    open(file.name, 'w').write('x' * 20000)
    file.number = os.open(file.name, {flags})
    os.chmod(file.name, 0)
    os.unlink(file.name)
    start_response('200 OK', [])
    return environ['wsgi.file_wrapper'](file)\n"
        );
        let mut wire = server.connect();
        wire.send(head("GET", "", &code));
        let answer = wire.try_response(false);
        assert!(
            answer.as_ref().map_or(true, |answer| answer.status == 500 || answer.body.len() == 20_000),
            "{flags}: {answer:?}"
        );
    }
}

in_both_modes!(cut_while_it_is_sent, descriptors_that_cannot_be_read, over_tls, size_that_is_a_lie);
