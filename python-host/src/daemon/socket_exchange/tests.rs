//! The exchange over a socketpair, with the test as httpd.

use super::*;
use crate::daemon::os::WaitMode;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use wsgi_protocol::frame::{FrameHeader, FrameKind, HEADER_LEN, put_frame};
use wsgi_protocol::request::{Request, RequestFlags, RequestHead, RequestWriter};

fn now(f: &mut dyn FnMut()) {
    f();
}

fn payload(flags: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let head = RequestHead { flags: RequestFlags(flags), ..RequestHead::default() };
    let mut w = RequestWriter::begin(&mut out, &head);
    w.pair(b"PATH_INFO", b"/");
    w.finish();
    out.extend_from_slice(body);
    out
}

fn pair() -> (HttpdConnection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    (HttpdConnection::new(ours.into()), theirs)
}

/// Reads one frame.
fn frame(peer: &mut UnixStream) -> (FrameKind, Vec<u8>) {
    let mut header = [0; HEADER_LEN];
    peer.read_exact(&mut header).unwrap();
    let header = FrameHeader::decode(&header).unwrap().unwrap();
    let mut payload = vec![0; header.len as usize];
    peer.read_exact(&mut payload).unwrap();
    (header.kind, payload)
}

#[test]
fn a_simple_response_leaves_in_one_piece() {
    let (mut c, mut peer) = pair();
    let (p, mut out) = (payload(0, b""), Vec::new());
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    e.head(b"head").unwrap();
    e.data(b"block", HoldBack::Yes).unwrap();
    peer.set_nonblocking(true).unwrap();
    assert!(peer.read(&mut [0; 1]).is_err(), "nothing leaves before the end");
    assert!(e.finish(RequestOutcome::Complete, false));
    let mut all = [0; 100];
    let n = peer.read(&mut all).unwrap();
    let mut expected = Vec::new();
    put_frame(&mut expected, FrameKind::Head, 1, b"head");
    put_frame(&mut expected, FrameKind::Data, 1, b"block");
    put_frame(&mut expected, FrameKind::End, 1, b"");
    assert_eq!(&all[..n], expected);
}

#[test]
fn large_blocks_are_cut_and_survive_a_full_socket() {
    let (mut c, mut peer) = pair();
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        loop {
            let (kind, payload) = frame(&mut peer);
            match kind {
                FrameKind::Data => {
                    assert!(payload.len() <= BODY_CHUNK);
                    got.extend_from_slice(&payload);
                }
                FrameKind::End => return got,
                _ => {}
            }
        }
    });
    let block: Vec<u8> = (0..3 * BODY_CHUNK + 17).map(|i| i as u8).collect();
    let (p, mut out) = (payload(0, b""), Vec::new());
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    e.head(b"head").unwrap();
    e.data(&block, HoldBack::Yes).unwrap();
    assert!(e.finish(RequestOutcome::Complete, false));
    assert!(reader.join().unwrap() == block);
}

#[test]
fn outcomes_by_what_has_left() {
    for (send, outcome, kind) in [
        (false, RequestOutcome::Fail(500), FrameKind::Fail),
        (true, RequestOutcome::Fail(500), FrameKind::Aborted),
        (true, RequestOutcome::Aborted, FrameKind::Aborted),
        (false, RequestOutcome::Refused, FrameKind::Refused),
    ] {
        let (mut c, mut peer) = pair();
        let (p, mut out) = (payload(0, b""), Vec::new());
        let mut e =
            SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
        e.head(b"head").unwrap();
        if send {
            e.data(b"x", HoldBack::No).unwrap();
        }
        assert!(e.finish(outcome, true));
        if send {
            assert_eq!(frame(&mut peer).0, FrameKind::Head);
            assert_eq!(frame(&mut peer).0, FrameKind::Data);
        }
        assert_eq!(frame(&mut peer).0, kind);
        assert_eq!(frame(&mut peer).0, FrameKind::GoAway);
    }
}

#[test]
fn a_file_travels_with_its_frame() {
    let (mut c, peer) = pair();
    let (p, mut out) = (payload(0, b""), Vec::new());
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    e.head(b"head").unwrap();
    e.file(file.as_fd(), 3, 9).unwrap();
    let mut bytes = [0u8; 100];
    let mut control = [0u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = 64;
    use std::os::fd::AsRawFd;
    // SAFETY: all buffers live through the call.
    let n = unsafe { libc::recvmsg(peer.as_raw_fd(), &raw mut message, 0) };
    assert_eq!(n as usize, HEADER_LEN + 4 + HEADER_LEN + 16);
    assert_eq!(message.msg_controllen as usize, 24, "one descriptor came along");
    assert_eq!(bytes[12], FrameKind::File as u8);
}

#[test]
fn body_first_bytes_then_credit_then_end() {
    let (mut c, mut peer) = pair();
    let (p, mut out) = (payload(RequestFlags::BODY_FOLLOWS, b"abc"), Vec::new());
    let sender = std::thread::spawn(move || {
        let (kind, credit) = frame(&mut peer);
        assert_eq!((kind, credit.len()), (FrameKind::WantBody, 4));
        let mut bytes = Vec::new();
        put_frame(&mut bytes, FrameKind::Body, 1, b"defgh");
        put_frame(&mut bytes, FrameKind::Body, 1, b"");
        put_frame(&mut bytes, FrameKind::Body, 1, b"i");
        put_frame(&mut bytes, FrameKind::BodyEnd, 1, b"");
        for byte in bytes {
            peer.write_all(&[byte]).unwrap();
        }
        peer
    });
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    let mut all = Vec::new();
    let mut buffer = [0; 4];
    loop {
        match e.read_body(&mut buffer).unwrap() {
            0 => break,
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
    assert_eq!(all, b"abcdefghi");
    assert_eq!(e.read_body(&mut buffer), Ok(0));
    assert!(e.finish(RequestOutcome::Complete, false));
    sender.join().unwrap();
}

#[test]
fn reading_exactly_what_is_there_grants_no_credit() {
    let (mut c, mut peer) = pair();
    let (p, mut out) = (payload(RequestFlags::BODY_FOLLOWS, b"abc"), Vec::new());
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    assert_eq!(e.read_body(&mut [0; 3]), Ok(3));
    assert!(e.finish(RequestOutcome::Complete, false));
    assert_eq!(frame(&mut peer).0, FrameKind::End);
}

#[test]
fn what_the_application_left_is_skipped_before_the_next_request() {
    let (mut c, mut peer) = pair();
    let mut hello = Vec::new();
    put_frame(&mut hello, FrameKind::Hello, 0, &wsgi_protocol::PROTOCOL_VERSION.to_le_bytes());
    peer.write_all(&hello).unwrap();
    let mut buffer = Vec::new();
    c.read(&mut buffer).unwrap();
    let (p, mut out) = (payload(RequestFlags::BODY_FOLLOWS, b""), Vec::new());
    let mut bytes = Vec::new();
    put_frame(&mut bytes, FrameKind::Body, 1, b"0123456789");
    put_frame(&mut bytes, FrameKind::Body, 1, b"more");
    put_frame(&mut bytes, FrameKind::BodyEnd, 1, b"");
    put_frame(&mut bytes, FrameKind::Request, 2, b"next");
    for read in [1, 4, 10, 11, 14] {
        peer.write_all(&bytes).unwrap();
        let mut e =
            SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
        let mut left = read;
        while left > 0 {
            left -= e.read_body(&mut vec![0; left]).unwrap();
        }
        assert!(e.finish(RequestOutcome::Complete, false));
        drop(e);
        let super::super::connection::ConnectionInput::Request { seq: 2, payload } =
            c.read(&mut buffer).unwrap()
        else {
            panic!("after reading {read}");
        };
        assert_eq!(&buffer[payload], b"next");
    }
}

#[test]
fn abort_and_close_end_the_body_with_an_error() {
    let partial = Err(BodyError::Failed("Partial results are valid but processing is incomplete".into()));
    for close in [false, true] {
        let (mut c, mut peer) = pair();
        let (p, mut out) = (payload(RequestFlags::BODY_FOLLOWS, b""), Vec::new());
        let mut bytes = Vec::new();
        put_frame(&mut bytes, FrameKind::Abort, 1, &[1]);
        peer.write_all(&bytes).unwrap();
        let mut e =
            SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
        if close {
            drop(peer);
        }
        assert_eq!(e.read_body(&mut [0; 3]), partial);
        assert_eq!(e.read_body(&mut [0; 3]), partial);
        assert!(e.is_gone());
    }
}

#[test]
fn gone_is_noticed_without_reading() {
    let (mut c, mut peer) = pair();
    let (p, mut out) = (payload(RequestFlags::BODY_FOLLOWS, b""), Vec::new());
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    assert!(!e.is_gone());
    let mut bytes = Vec::new();
    put_frame(&mut bytes, FrameKind::Abort, 1, &[1]);
    peer.write_all(&bytes).unwrap();
    assert!(e.is_gone());

    drop(e);
    let (mut c, peer) = pair();
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    drop(peer);
    assert!(e.is_gone());
    e.head(b"h").unwrap();
    assert_eq!(e.data(b"x", HoldBack::No), Err(SendError::ClientGone));
    assert!(!e.finish(RequestOutcome::Aborted, false));
}

#[test]
fn bytes_without_credit_break_the_connection() {
    let (mut c, mut peer) = pair();
    let (p, mut out) = (payload(RequestFlags::BODY_FOLLOWS, b""), Vec::new());
    let mut bytes = Vec::new();
    put_frame(&mut bytes, FrameKind::Body, 1, &vec![0; 9_000_000]);
    std::thread::spawn(move || peer.write_all(&bytes));
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    assert!(e.read_body(&mut [0; 3]).is_err());
    assert!(!e.finish(RequestOutcome::Complete, false));
}

#[test]
fn quick_blocks_leave_together_and_in_order() {
    let stream: &'static _ = Box::leak(Box::new(BlockCoalescer::new(SocketSink::default(), |f| f())));
    let (mut c, mut peer) = pair();
    let (p, mut out) = (payload(0, b""), Vec::new());
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None)
            .with_stream(stream);
    e.head(b"head").unwrap();
    e.data(b"first", HoldBack::No).unwrap();
    assert_eq!(frame(&mut peer).0, FrameKind::Head);
    assert_eq!(frame(&mut peer), (FrameKind::Data, b"first".to_vec()), "the first one does not wait");
    let mut expected = Vec::new();
    for n in 0..100u8 {
        e.data(&[n; 100], HoldBack::No).unwrap();
        expected.extend_from_slice(&[n; 100]);
    }
    e.log(6, b"text");
    e.data(b"last", HoldBack::No).unwrap();
    assert!(e.finish(RequestOutcome::Complete, false));
    let (mut got, mut frames) = (Vec::new(), 0);
    loop {
        match frame(&mut peer) {
            (FrameKind::Data, data) => got.extend_from_slice(&data),
            (FrameKind::Log, text) => {
                let expected_text =
                    [&b"\x06"[..], &crate::scheduler::clock::own_tid().to_le_bytes(), b"text"].concat();
                assert_eq!((&text, &got), (&expected_text, &expected));
            }
            (kind, _) => {
                assert_eq!(kind, FrameKind::End);
                break;
            }
        }
        frames += 1;
    }
    expected.extend_from_slice(b"last");
    assert_eq!(got, expected);
    assert!(frames < 50, "{frames} frames for 101 blocks");
}

/// A file without a name, as httpd makes one.
fn file(contents: &[u8]) -> std::fs::File {
    let path = std::env::temp_dir().join(format!("wsgi-body-{}-{}", std::process::id(), contents.len()));
    std::fs::write(&path, contents).unwrap();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

fn send_file(peer: &UnixStream, file: Option<&std::fs::File>, length: u64) {
    let header = FrameHeader::new(FrameKind::BodyFile, 1, 8).encode();
    let length = length.to_le_bytes();
    let parts = [IoSlice::new(&header), IoSlice::new(&length)];
    os::send(peer.as_fd(), &parts, file.map(AsFd::as_fd), WaitMode::No).unwrap();
}

const IN_FILE: u32 = RequestFlags::BODY_FOLLOWS | RequestFlags::BODY_IN_FILE;

#[test]
fn a_body_comes_from_a_file_and_goes_on_in_frames() {
    let (mut c, mut peer) = pair();
    let (p, mut out) = (payload(IN_FILE, b""), Vec::new());
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    let kept = file(b"0123456789 and what does not belong to it");
    send_file(&peer, Some(&kept), 10);
    let mut frames = Vec::new();
    put_frame(&mut frames, FrameKind::Body, 1, b"abc");
    put_frame(&mut frames, FrameKind::BodyEnd, 1, b"");
    peer.write_all(&frames).unwrap();
    let (mut all, mut piece) = (Vec::new(), [0; 4]);
    loop {
        let n = e.read_body(&mut piece).unwrap();
        if n == 0 {
            break;
        }
        all.extend_from_slice(&piece[..n]);
    }
    assert_eq!(all, b"0123456789abc");
    assert_eq!(frame(&mut peer).0, FrameKind::WantBody, "asked for before anything was read");
    assert!(e.finish(RequestOutcome::Complete, false), "the connection goes on");
}

#[test]
fn a_file_that_is_emptied_or_missing_is_a_broken_body() {
    let (mut c, peer) = pair();
    let (p, mut out) = (payload(IN_FILE, b""), Vec::new());
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    let kept = file(b"0123456789");
    send_file(&peer, Some(&kept), 10);
    assert_eq!(e.read_body(&mut [0; 4]).unwrap(), 4);
    kept.set_len(0).unwrap();
    assert!(e.read_body(&mut [0; 4]).is_err());
    assert!(e.read_body(&mut [0; 4]).is_err(), "for good");
    let (mut c, peer) = pair();
    let mut out = Vec::new();
    let mut e =
        SocketExchange::new(&mut c, 1, &Request::decode(&p).unwrap(), &mut out, (now, |_, _| ()), None);
    send_file(&peer, None, 10);
    assert!(e.read_body(&mut [0; 4]).is_err());
    assert!(!e.finish(RequestOutcome::Complete, false));
}
