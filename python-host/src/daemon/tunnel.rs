//! The way of a WebSocket's bytes: over httpd's connection as BODY and DATA, or the client's own socket once httpd has handed
//! that over. The answer to TAKE_OVER is read here, and not a byte behind it: what follows may be another request.

use super::os::{self, WaitMode};
use super::registry::ClientSocket;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wsgi_protocol::frame::{FrameHeader, FromHttpd, HEADER_LEN, SwitchWay};

/// Where the bytes go.
#[derive(Debug)]
pub(super) enum TunnelWay {
    /// There is no WebSocket.
    None,
    /// httpd has not said yet. Nothing more may be sent over its connection, which may be the next request's already.
    Asked(SwitchAnswer),
    /// Over httpd's connection.
    Relayed,
    /// Over this socket.
    Own(ClientSocket),
}

/// What has come of httpd's answer.
#[derive(Debug, Default)]
pub(super) struct SwitchAnswer {
    /// The socket that has the client's inside.
    parcel: Option<OwnedFd>,
}

/// What it says.
#[derive(Debug)]
pub(super) enum SwitchInput {
    /// Nothing yet.
    Nothing,
    /// The bytes are relayed.
    Relayed,
    /// The client's socket, and what was read from it before.
    HandedOver(OwnedFd, Vec<u8>),
    /// The client has gone.
    Gone,
    /// The connection is of no further use.
    Broken,
}

impl SwitchAnswer {
    /// Reads on into `buffer`, which has the beginning of it.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, seq: u16, buffer: &mut Vec<u8>) -> SwitchInput {
        loop {
            let needed = match FrameHeader::decode(buffer) {
                Ok(None) => HEADER_LEN,
                Ok(Some(header)) => match FromHttpd::needs(header) {
                    Ok(len) if buffer.len() >= HEADER_LEN + len => return self.decode(header, seq, buffer),
                    Ok(len) => HEADER_LEN + len,
                    Err(_) => return SwitchInput::Broken,
                },
                Err(_) => return SwitchInput::Broken,
            };
            let have = buffer.len();
            buffer.resize(needed, 0);
            let got = os::recv_with_descriptor(socket, &mut buffer[have..], WaitMode::No, &mut self.parcel);
            buffer.truncate(have + *got.as_ref().unwrap_or(&0));
            match got {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return SwitchInput::Nothing,
                Ok(0) | Err(_) => return SwitchInput::Broken,
            }
        }
    }

    fn decode(&mut self, header: FrameHeader, seq: u16, buffer: &mut Vec<u8>) -> SwitchInput {
        let len = HEADER_LEN + FromHttpd::needs(header).unwrap_or(0);
        let payload = &buffer[HEADER_LEN..len];
        let input = match FromHttpd::decode(header, payload) {
            Ok(FromHttpd::Switched(SwitchWay::Relayed, _)) if header.seq == seq => SwitchInput::Relayed,
            Ok(FromHttpd::Switched(SwitchWay::HandedOver, early)) if header.seq == seq => {
                match self.parcel.take().and_then(|parcel| unpack(parcel).ok()) {
                    Some(client) => SwitchInput::HandedOver(client, early.to_vec()),
                    None => SwitchInput::Broken,
                }
            }
            Ok(FromHttpd::Abort(_)) => SwitchInput::Gone,
            _ => SwitchInput::Broken,
        };
        buffer.drain(..len);
        input
    }
}

/// Takes the client's socket out of the one that it came in.
fn unpack(parcel: OwnedFd) -> io::Result<OwnedFd> {
    let mut found = None;
    os::take_descriptors(parcel.as_fd());
    os::recv_with_descriptor(parcel.as_fd(), &mut [0], WaitMode::No, &mut found)?;
    let client = found.ok_or(io::ErrorKind::UnexpectedEof)?;
    os::set_nonblocking(client.as_fd())?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{IoSlice, Read, Write};
    use std::os::unix::net::UnixStream;
    use wsgi_protocol::frame::AbortReason;

    fn send(to: &UnixStream, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) {
        assert_eq!(
            os::send(to.as_fd(), &[IoSlice::new(bytes)], descriptor, WaitMode::No).unwrap(),
            bytes.len()
        );
    }

    #[test]
    fn the_socket_comes_with_what_was_read_and_nothing_behind_it_is() {
        let (ours, httpd) = UnixStream::pair().unwrap();
        let (mut client, server) = UnixStream::pair().unwrap();
        let (parcel, inner) = UnixStream::pair().unwrap();
        send(&inner, b"s", Some(server.as_fd()));
        drop((server, inner));
        let frame = FromHttpd::Switched(SwitchWay::HandedOver, b"early").encode(7).to_vec();
        send(&httpd, &frame[..3], Some(parcel.as_fd()));
        drop(parcel);
        let (mut answer, mut buffer) = (SwitchAnswer::default(), Vec::new());
        assert!(matches!(answer.receive(ours.as_fd(), 7, &mut buffer), SwitchInput::Nothing));
        send(&httpd, &[&frame[3..], b"next request"].concat(), None);
        let SwitchInput::HandedOver(socket, early) = answer.receive(ours.as_fd(), 7, &mut buffer) else {
            panic!("no socket")
        };
        assert_eq!((&*early, &*buffer), (&b"early"[..], &b""[..]));
        send(&UnixStream::from(socket), b"to the client", None);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "to the client");
        let mut next = [0; 12];
        (&ours).read_exact(&mut next).unwrap();
        assert_eq!(&next, b"next request");
    }

    #[test]
    fn other_answers() {
        let of = |frame: FromHttpd<'_>, seq| {
            let (ours, mut httpd) = UnixStream::pair().unwrap();
            httpd.write_all(&frame.encode(seq).to_vec()).unwrap();
            SwitchAnswer::default().receive(ours.as_fd(), 7, &mut Vec::new())
        };
        let relayed = FromHttpd::Switched(SwitchWay::Relayed, b"");
        assert!(matches!(of(relayed, 7), SwitchInput::Relayed));
        assert!(matches!(of(FromHttpd::Abort(AbortReason::ClientGone), 7), SwitchInput::Gone));
        for (frame, seq) in
            [(relayed, 6), (FromHttpd::Switched(SwitchWay::HandedOver, b""), 7), (FromHttpd::BodyEnd, 7)]
        {
            assert!(matches!(of(frame, seq), SwitchInput::Broken), "{frame:?}");
        }
    }
}
