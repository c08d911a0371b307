//! WSGITelemetryService: the datagrams that mod_wsgi's telemetry program reads, decoded as its wire format is specified.

use integration::{Httpd, Mode, eventually};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

const APP: &str = r#"
import mod_wsgi, os
def application(environ, start_response):
    body = environ['wsgi.input'].read()
    status = environ['QUERY_STRING'].replace('+', ' ') or '200 OK'
    text = ('%d %r' % (os.getpid(), mod_wsgi.request_metrics())).encode()
    start_response(status, [('Content-Length', str(len(text)))])
    return [text]
"#;

/// A value of a record.
#[derive(Debug, Clone, PartialEq)]
enum RecordValue {
    Integer(u64),
    Float(f64),
    Text(String),
    Integers(Vec<i32>),
    Floats(Vec<f64>),
}

/// A datagram.
#[derive(Debug, Clone)]
struct TelemetryDatagram {
    kind: u8,
    pid: u32,
    sequence: u32,
    records: BTreeMap<u16, RecordValue>,
}

/// Reads from the front.
struct RecordReader<'a>(&'a [u8]);

impl RecordReader<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (front, rest) = self.0.split_first_chunk::<N>().expect("as long as announced");
        self.0 = rest;
        *front
    }

    fn many<const N: usize, T>(&mut self, convert: fn([u8; N]) -> T) -> Vec<T> {
        let count = u16::from_le_bytes(self.bytes());
        (0..count).map(|_| convert(self.bytes())).collect()
    }
}

fn decode(bytes: &[u8]) -> TelemetryDatagram {
    let mut reader = RecordReader(bytes);
    assert_eq!(&reader.bytes::<4>(), b"WSGI");
    let [version, kind, ..] = reader.bytes::<4>();
    assert_eq!(version, 1);
    let (pid, sequence) = (u32::from_le_bytes(reader.bytes()), u32::from_le_bytes(reader.bytes()));
    assert!(f64::from_le_bytes(reader.bytes()) > 1.6e9, "a time stamp");
    let mut records = BTreeMap::new();
    while !reader.0.is_empty() {
        let id = u16::from_le_bytes(reader.bytes());
        let value = match reader.bytes::<1>()[0] {
            1 => RecordValue::Integer(u64::from_le_bytes(reader.bytes())),
            2 => RecordValue::Float(f64::from_le_bytes(reader.bytes())),
            3 => RecordValue::Integer(u64::from_le_bytes(reader.bytes())),
            4 => RecordValue::Text(String::from_utf8(reader.many(|[byte]| byte)).expect("UTF-8")),
            5 => RecordValue::Integers(reader.many(i32::from_le_bytes)),
            6 => RecordValue::Floats(reader.many(f64::from_le_bytes)),
            other => panic!("type {other} of record {id}"),
        };
        assert_eq!(records.insert(id, value), None, "record {id} comes once");
    }
    TelemetryDatagram { kind, pid, sequence, records }
}

impl TelemetryDatagram {
    fn integer(&self, id: u16) -> u64 {
        match self.records.get(&id) {
            Some(RecordValue::Integer(value)) => *value,
            other => panic!("record {id} is {other:?}"),
        }
    }

    fn text(&self, id: u16) -> &str {
        match self.records.get(&id) {
            Some(RecordValue::Text(value)) => value,
            other => panic!("record {id} is {other:?}"),
        }
    }

    fn float(&self, id: u16) -> f64 {
        match self.records.get(&id) {
            Some(RecordValue::Float(value)) => *value,
            other => panic!("record {id} is {other:?}"),
        }
    }

    /// Sum of a histogram, or of what threads did.
    fn sum(&self, id: u16) -> i32 {
        match self.records.get(&id) {
            Some(RecordValue::Integers(values)) => values.iter().sum(),
            other => panic!("record {id} is {other:?}"),
        }
    }
}

/// The program's side of the socket, and all that has come.
struct TelemetryListener {
    socket: UnixDatagram,
    heard: Mutex<Vec<TelemetryDatagram>>,
    folder: PathBuf,
}

impl TelemetryListener {
    fn new() -> (Self, String) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let folder = PathBuf::from(format!("/var/tmp/wsgi-telemetry-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder of its own");
        let path = folder.join("t.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a plain option");
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("own");
        };
        open(&folder, 0o755);
        open(&path, 0o666);
        let name = path.display().to_string();
        (Self { socket, heard: Mutex::default(), folder }, name)
    }

    /// Everything until now.
    fn all(&self) -> Vec<TelemetryDatagram> {
        let mut heard = self.heard.lock().expect("no panic while held");
        let mut buffer = [0; 16384];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            heard.push(decode(&buffer[..length]));
        }
        heard.clone()
    }

    fn of(&self, kind: u8) -> Vec<TelemetryDatagram> {
        self.all().into_iter().filter(|datagram| datagram.kind == kind).collect()
    }
}

impl Drop for TelemetryListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // it is a few bytes
    }
}

fn datagrams(mode: Mode) {
    let (listener, path) = TelemetryListener::new();
    let service = format!("WSGITelemetryService unix:{path} interval=0.5");
    let server =
        Httpd::builder().mode(mode).app(APP).daemon_options("processes=1 threads=3").directives(&service);
    let server = server.start();
    let text = server.get("/").ok().text();
    let (pid, metrics) = text.split_once(' ').expect("two words");
    let pid: u32 = pid.parse().expect("a number");
    assert_eq!(metrics, "None", "there is one reader only");
    for query in ["?404+No", "?500+No"] {
        server.get(&format!("/{query}"));
    }
    server.request("POST", "/").body([b'x'; 1000]).send().ok();
    let samples = || listener.of(2).into_iter().filter(|sample| sample.pid == pid).collect::<Vec<_>>();
    let count = |id: u16| samples().iter().map(|sample| sample.integer(id)).sum::<u64>();
    if mode == Mode::Daemon {
        eventually("all requests are reported", || (count(20) == 4).then_some(()));
        assert_eq!((count(121), count(123), count(124), count(100)), (2, 1, 1, 1000));
    } else {
        // The requests are spread over the children.
        eventually("requests are reported", || (count(20) > 0).then_some(()));
    }
    let busy = samples().into_iter().find(|sample| sample.integer(20) > 0).expect("counted before");
    let group = (mode == Mode::Daemon).then(|| RecordValue::Text("app".to_owned()));
    assert_eq!(busy.records.get(&6), group.as_ref(), "embedded mode is no group");
    assert!(busy.text(2).starts_with("3.") && busy.text(3).contains("Apache") && !busy.text(5).is_empty());
    assert!(busy.float(10) >= 0.4 && busy.float(11) == 0.5 && busy.integer(40) > 1 << 20);
    assert_eq!(u64::try_from(busy.sum(94)).expect("a count"), busy.integer(20), "the histogram has all");
    assert_eq!(u64::try_from(busy.sum(110)).expect("a count"), busy.integer(20), "the threads have all");
    assert_eq!(busy.records.contains_key(&61), mode == Mode::Daemon, "embedded mode has no queue");
    server.stop();
    let last: Vec<TelemetryDatagram> =
        listener.all().into_iter().filter(|datagram| datagram.pid == pid).collect();
    let sequences: Vec<u32> = last.iter().map(|datagram| datagram.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u32).collect::<Vec<_>>(), "none is lost");
    if mode == Mode::Daemon {
        let one = |kind: u8| last.iter().find(|datagram| datagram.kind == kind).expect("told");
        assert_eq!(one(5).text(4), "event");
        assert_eq!((one(6).text(130), one(7).text(130)), ("shutdown_signal", "shutdown_signal"));
        assert_eq!((one(7).integer(132), one(7).integer(134)), (4, 0));
    }
}

in_both_modes!(datagrams);

#[test]
fn nobody_listens() {
    let (listener, path) = TelemetryListener::new();
    drop(listener);
    let service = format!("WSGITelemetryService unix:{path} interval=0.5");
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).directives(&service).start();
    assert!(server.get("/").ok().text().ends_with(" None"));
    assert_eq!(server.get("/?404+No").status, 404);
}
