//! An httpd child in miniature: sends requests over a connection and collects the frames that come back.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use wsgi_protocol::PROTOCOL_VERSION;
use wsgi_protocol::frame::{FrameHeader, FrameKind, HEADER_LEN, put_frame};
use wsgi_protocol::request::{RequestFlags, RequestHead, RequestWriter};
use wsgi_protocol::response::ResponseHead;

/// A request to a script.
#[derive(Debug, Clone)]
pub struct GetRequest<'a> {
    pub head: RequestHead<'a>,
    pub pairs: Vec<(&'a str, String)>,
    pub body: &'a [u8],
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Complete,
    Aborted,
    Fail(u16),
    Refused(u8),
}

/// What came back.
#[derive(Debug, Clone)]
pub struct DaemonAnswer {
    pub end: End,
    pub status: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Level and text.
    pub logs: Vec<(u8, String)>,
    /// Offsets and lengths of files.
    pub files: Vec<(u64, u64)>,
    /// Read calls that it took.
    pub reads: usize,
}

impl DaemonAnswer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!((&self.end, self.status.as_str()), (&End::Complete, "200 OK"), "{self:?}");
        self
    }

    pub fn log(&self) -> String {
        self.logs.iter().map(|(level, text)| format!("<{level}>{text}\n")).collect()
    }
}

impl<'a> GetRequest<'a> {
    pub fn new(script: &'a Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let script = script.as_os_str().as_bytes();
        let head = RequestHead {
            flags: RequestFlags(RequestFlags::SCRIPT_RELOADING),
            request_start_us: 1_700_000_000_000_000,
            queue_start_us: 1_700_000_000_500_000,
            connects: 1,
            log_level: 7,
            script,
            resource: script,
            callable: b"application",
            request_id: b"id-1",
            server_pid: b"42",
            ..RequestHead::default()
        };
        let pairs = [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/"),
            ("QUERY_STRING", ""),
            ("SERVER_NAME", "localhost"),
            ("SERVER_PORT", "80"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("HTTP_HOST", "localhost"),
            ("mod_wsgi.request_id", "id-1"),
        ];
        let pairs = pairs.into_iter().map(|(key, value)| (key, value.to_owned())).collect();
        Self { head, pairs, body: b"" }
    }

    pub fn pair(mut self, key: &'a str, value: &str) -> Self {
        self.pairs.retain(|(known, _)| *known != key);
        self.pairs.push((key, value.to_owned()));
        self
    }

    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    pub fn group(mut self, group: &'a str) -> Self {
        self.head.application_group = group.as_bytes();
        self
    }

    pub fn flag(mut self, flag: u32) -> Self {
        self.head.flags.0 |= flag;
        self
    }

    /// The payload, body included.
    pub fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        let mut writer = RequestWriter::begin(&mut payload, &self.head);
        for (key, value) in &self.pairs {
            let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
            writer.pair(key.as_bytes(), &value);
        }
        writer.finish();
        payload.extend_from_slice(self.body);
        payload
    }
}

/// A connection to a daemon.
pub struct DaemonConnection {
    stream: UnixStream,
    buffer: Vec<u8>,
    seq: u16,
}

impl DaemonConnection {
    pub fn new(mut stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("socket");
        let mut hello = Vec::new();
        put_frame(&mut hello, FrameKind::Hello, 0, &PROTOCOL_VERSION.to_le_bytes());
        stream.write_all(&hello).expect("socket");
        Self { stream, buffer: Vec::new(), seq: 0 }
    }

    pub fn send(&mut self, get: &GetRequest<'_>) {
        self.seq += 1;
        let mut frame = Vec::new();
        put_frame(&mut frame, FrameKind::Request, self.seq, &get.payload());
        self.stream.write_all(&frame).expect("socket");
    }

    /// Sends a request and waits for its end.
    pub fn run(&mut self, get: &GetRequest<'_>) -> DaemonAnswer {
        self.send(get);
        self.answer()
    }

    pub fn answer(&mut self) -> DaemonAnswer {
        let mut answer = DaemonAnswer {
            end: End::Aborted,
            status: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            logs: Vec::new(),
            files: Vec::new(),
            reads: 0,
        };
        loop {
            let (header, payload) = self.frame(&mut answer.reads);
            match header.kind {
                FrameKind::Head => {
                    let head = ResponseHead::decode(&payload).expect("a valid head");
                    let latin1 = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
                    answer.status = latin1(head.line);
                    answer.headers = head.headers().map(|(n, v)| (latin1(n), latin1(v))).collect();
                }
                FrameKind::Data => answer.body.extend_from_slice(&payload),
                FrameKind::File => {
                    let number = |at: usize| u64::from_le_bytes(payload[at..at + 8].try_into().expect("8"));
                    answer.files.push((number(0), number(8)));
                }
                FrameKind::Log => {
                    let text = String::from_utf8_lossy(&payload[5..]).into_owned();
                    answer.logs.extend(text.split('\n').map(|line| (payload[0], line.to_owned())));
                }
                FrameKind::End => answer.end = End::Complete,
                FrameKind::Aborted => answer.end = End::Aborted,
                FrameKind::Fail => answer.end = End::Fail(u16::from_le_bytes([payload[0], payload[1]])),
                FrameKind::Refused => answer.end = End::Refused(payload[0]),
                FrameKind::WantBody | FrameKind::Flush | FrameKind::GoAway => continue,
                other => panic!("{other:?} is not for httpd"),
            }
            if matches!(
                header.kind,
                FrameKind::End | FrameKind::Aborted | FrameKind::Fail | FrameKind::Refused
            ) {
                return answer;
            }
        }
    }

    fn frame(&mut self, reads: &mut usize) -> (FrameHeader, Vec<u8>) {
        loop {
            if let Some(header) = FrameHeader::decode(&self.buffer).expect("a valid frame") {
                let end = HEADER_LEN + header.len as usize;
                if self.buffer.len() >= end {
                    let payload = self.buffer[HEADER_LEN..end].to_vec();
                    self.buffer.drain(..end);
                    return (header, payload);
                }
            }
            let mut chunk = vec![0; 64 * 1024];
            let got = self.stream.read(&mut chunk).expect("the daemon answers");
            assert!(got > 0, "the daemon closed the connection");
            self.buffer.extend_from_slice(&chunk[..got]);
            *reads += 1;
        }
    }
}
