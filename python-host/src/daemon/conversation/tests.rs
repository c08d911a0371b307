//! A conversation with the test as httpd.

use super::*;
use crate::daemon::connection::ConnectionInput;
use crate::daemon::tests::{FakeApplication, UNSENT, resting_pool};
use crate::log::WARN;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use wsgi_protocol::PROTOCOL_VERSION;
use wsgi_protocol::frame::{FrameKind, put_frame};
use wsgi_protocol::request::{RequestHead, RequestWriter};

/// More than a socket takes.
const BODY: usize = 4 << 20;

/// A conversation about a request without a body, and httpd's end.
fn conversation() -> (SocketConversation<FakeApplication>, UnixStream) {
    let pool = resting_pool();
    let (ours, mut httpd) = UnixStream::pair().unwrap();
    httpd.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut payload = Vec::new();
    RequestWriter::begin(&mut payload, &RequestHead::default()).finish();
    let mut bytes = Vec::new();
    put_frame(&mut bytes, FrameKind::Hello, 0, &PROTOCOL_VERSION.to_le_bytes());
    put_frame(&mut bytes, FrameKind::Request, 1, &payload);
    httpd.write_all(&bytes).unwrap();
    let mut connection = pool.registry.insert(HttpdConnection::new(ours.into())).claim();
    let mut buffer = Vec::new();
    let Ok(ConnectionInput::Request { seq, payload }) = connection.read(&mut buffer) else { panic!("none") };
    let payload = &buffer[payload];
    let request = Request::decode(payload).unwrap();
    (SocketConversation::new(pool, connection, (seq, payload), &request, 0), httpd)
}

/// The kinds of the frames up to the end of the response, one for each row of blocks.
fn kinds(httpd: &mut UnixStream) -> Vec<FrameKind> {
    let mut kinds = Vec::new();
    while kinds.last() != Some(&FrameKind::End) {
        let mut header = [0; HEADER_LEN];
        httpd.read_exact(&mut header).unwrap();
        let header = FrameHeader::decode(&header).unwrap().unwrap();
        httpd.read_exact(&mut vec![0; header.len as usize]).unwrap();
        if kinds.last() != Some(&header.kind) {
            kinds.push(header.kind);
        }
    }
    kinds
}

fn unsent() -> Vec<String> {
    UNSENT.take()
}

#[test]
fn a_record_behind_the_end_that_has_not_left_goes_before_it() {
    let (mut conversation, mut httpd) = conversation();
    conversation.head(b"head");
    conversation.data(&vec![b'x'; BODY]);
    conversation.finish(RequestOutcome::Complete);
    assert_eq!(conversation.flush(), SendOutcome::Full);
    conversation.log(WARN, b"one");
    conversation.log(WARN, b"two");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| kinds(&mut httpd));
        while conversation.flush() != SendOutcome::All {
            std::thread::yield_now();
        }
        use FrameKind::{Data, End, Head, Log};
        assert_eq!(reader.join().unwrap(), [Head, Data, Log, End]);
    });
    // Nothing comes behind it.
    conversation.log(WARN, b"three");
    httpd.set_nonblocking(true).unwrap();
    assert!(httpd.read(&mut [0]).is_err());
    let registry = &conversation.pool.registry;
    drop(Box::new(conversation).release());
    assert_eq!((registry.len(), unsent()), (1, vec!["three".to_owned()]));
}

#[test]
fn what_httpd_does_not_get_is_logged_by_the_process() {
    let (mut conversation, httpd) = conversation();
    conversation.data(&vec![b'x'; BODY]);
    conversation.finish(RequestOutcome::Complete);
    conversation.log(WARN, b"one");
    drop(httpd);
    assert_eq!(conversation.flush(), SendOutcome::Gone);
    assert_eq!(unsent(), [""; 0]);
    conversation.log(WARN, b"two");
    drop(conversation);
    assert_eq!(unsent(), ["two", "one"]);
}
