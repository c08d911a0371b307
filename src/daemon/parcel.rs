//! A client's socket on its way to a daemon. It travels inside a socket of ours: so this process has let go of it before anybody
//! else can have it, and its close here, which is never the last one, cannot sleep (see `descriptors`). Nor can that of
//! the wrapping: nobody can put anything into it any more.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use wsgi_system::descriptors::replace;
use wsgi_system::sockets::{self, WaitMode};

/// See the module's comment.
pub struct SocketParcel(OwnedFd);

impl SocketParcel {
    /// Takes `socket` out of this process: what httpd still does with its number meets the end of a pipe, which cannot be
    /// shut down, so that it closes the number at once.
    ///
    /// # Errors
    /// Out of descriptors or memory; nothing has changed then.
    pub fn pack(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let dead = dead_end()?;
        let (inner, outer) = sockets::stream_pair()?;
        sockets::send(inner.as_fd(), &[IoSlice::new(b"s")], Some(socket), WaitMode::No)?;
        replace(socket, dead);
        Ok(Self(outer))
    }

    /// What is to be sent.
    pub fn wrapping(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// It was not sent: the number of `socket` is what it was before.
    ///
    /// # Errors
    /// Out of descriptors: the client's connection is lost.
    pub fn unpack(self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let mut client = None;
        sockets::recv_with_descriptor(self.0.as_fd(), &mut [0], WaitMode::No, &mut client)?;
        replace(socket, client.ok_or(io::ErrorKind::UnexpectedEof)?.as_fd());
        Ok(())
    }
}

/// A pipe without a writer.
fn dead_end() -> io::Result<BorrowedFd<'static>> {
    static END: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(end) = END.get() {
        return Ok(end.as_fd());
    }
    let (reader, _) = io::pipe()?;
    Ok(END.get_or_init(|| reader.into()).as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn what_is_packed_is_gone_here_and_whole_there() {
        let (mut client, server) = pair();
        let parcel = SocketParcel::pack(server.as_fd()).unwrap();
        assert!(server.shutdown(std::net::Shutdown::Write).is_err());
        // As httpd reads, not by recv(2).
        let mut number = std::fs::File::from(OwnedFd::from(server));
        assert_eq!(number.read(&mut [0; 9]).unwrap(), 0, "an end, at once");
        drop(number);
        let mut found = None;
        sockets::recv_with_descriptor(parcel.0.as_fd(), &mut [0], WaitMode::No, &mut found).unwrap();
        drop(parcel);
        let mut taken = TcpStream::from(found.unwrap());
        taken.write_all(b"there").unwrap();
        client.write_all(b"back").unwrap();
        let (mut there, mut back) = ([0; 5], [0; 4]);
        client.read_exact(&mut there).unwrap();
        taken.read_exact(&mut back).unwrap();
        assert_eq!((&there, &back), (b"there", b"back"));
    }

    #[test]
    fn what_was_not_sent_comes_back() {
        let (mut client, mut server) = pair();
        SocketParcel::pack(server.as_fd()).unwrap().unpack(server.as_fd()).unwrap();
        server.write_all(b"there").unwrap();
        let mut there = [0; 5];
        client.read_exact(&mut there).unwrap();
        assert_eq!(&there, b"there");
    }
}
