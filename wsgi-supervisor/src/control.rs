//! The control socket: records from httpd's parent, answers to it.

use crate::error::SupervisorError;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use wsgi_protocol::control::{
    CONFIGURE_FIXED_FDS, Configuration, MAX_LOG_FDS, ParentCommand, SupervisorAnswer,
};
use wsgi_protocol::launch::{decode, encode};
use wsgi_system::sockets::{ReceivedMessage, WaitMode, control_words, receive_with_descriptors};

/// Most bytes of a record; large content travels in memory files.
const RECORD_BYTES: usize = 4096;
/// Most bytes of a configuration.
const MESSAGE_BYTES: u64 = 64 << 20;
/// Most bytes of an answer, well below any socket buffer.
const ANSWER_BYTES: usize = 64 * 1024;

/// A `Configure` record with what came along.
#[derive(Debug)]
pub struct ConfigureDelivery {
    /// The configuration.
    pub configuration: Configuration,
    /// Memory file of the status memory.
    pub status: OwnedFd,
    /// Read end of the generation's lifeline.
    pub lifeline: OwnedFd,
    /// The metrics memory.
    pub metrics: OwnedFd,
    /// The scoreboard for daemons.
    pub board: OwnedFd,
    /// Socket of httpd's log writer, if some log needs one.
    pub log_writer: Option<OwnedFd>,
    /// Error logs by index.
    pub logs: Vec<OwnedFd>,
}

/// What has arrived.
#[derive(Debug)]
pub enum ReceivedRecord {
    /// A new generation.
    Configure(Box<ConfigureDelivery>),
    /// A generation from before this supervisor.
    Inherit(Box<ConfigureDelivery>),
    /// One that cannot be taken over, as after an upgrade of the package: nothing waits for an answer.
    LostInheritance(SupervisorError),
    /// httpd stops.
    Stop,
    /// The other end is closed.
    Closed,
    /// Nothing yet.
    Nothing,
}

/// The supervisor's end.
#[derive(Debug)]
pub struct ControlSocket {
    fd: OwnedFd,
}

impl ControlSocket {
    /// Takes over the socket.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Whether the other end is closed, whatever may still be read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let mut polled = [PollFd::new(self.fd.as_fd(), PollFlags::empty())];
        let _ = poll(&mut polled, PollTimeout::ZERO);
        polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }

    /// Reads one record.
    ///
    /// # Errors
    /// The record cannot be used: answer [`SupervisorAnswer::Refused`].
    pub fn receive(&self) -> Result<ReceivedRecord, SupervisorError> {
        let mut bytes = [0; RECORD_BYTES];
        let (message, fds) = match self.record(&mut bytes) {
            Ok(record) => record,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(ReceivedRecord::Nothing),
            Err(Errno::ECONNRESET) => return Ok(ReceivedRecord::Closed),
            Err(errno) => return Err(SupervisorError::Receive(errno)),
        };
        let (length, is_cut) = (message.length, message.is_cut || message.has_lost);
        if length == 0 && !is_cut {
            return Ok(ReceivedRecord::Closed);
        }
        let command = decode(&bytes[..length]);
        if is_cut {
            let is_inherit = matches!(command, Ok(ParentCommand::Inherit));
            let lost = ReceivedRecord::LostInheritance(SupervisorError::Truncated);
            return if is_inherit { Ok(lost) } else { Err(SupervisorError::Truncated) };
        }
        match command.map_err(SupervisorError::Message)? {
            ParentCommand::Stop => Ok(ReceivedRecord::Stop),
            ParentCommand::Configure => {
                deliver(fds, true).map(|delivery| ReceivedRecord::Configure(Box::new(delivery)))
            }
            ParentCommand::Inherit => Ok(match deliver(fds, false) {
                Ok(delivery) => ReceivedRecord::Inherit(Box::new(delivery)),
                Err(error) => ReceivedRecord::LostInheritance(error),
            }),
        }
    }

    fn record(&self, bytes: &mut [u8]) -> Result<(ReceivedMessage, Vec<OwnedFd>), Errno> {
        const ROOM: usize = control_words(CONFIGURE_FIXED_FDS + 1 + MAX_LOG_FDS);
        let (mut parts, mut fds) = ([IoSliceMut::new(bytes)], Vec::new());
        let socket = self.fd.as_fd();
        let message = receive_with_descriptors::<ROOM>(socket, &mut parts, &mut fds, WaitMode::No);
        Ok((message.map_err(|error| errno(&error))?, fds))
    }

    /// Answers. A parent that does not read its answers is not waited for.
    pub fn answer(&self, answer: &SupervisorAnswer) {
        let Ok(bytes) = encode(answer) else { return };
        let bytes =
            if bytes.len() > ANSWER_BYTES { encode(&shortened(answer)).unwrap_or_default() } else { bytes };
        let _ = send(self.fd.as_raw_fd(), &bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The same answer without its reasons (they are in the logs too).
fn shortened(answer: &SupervisorAnswer) -> SupervisorAnswer {
    match answer {
        SupervisorAnswer::Refused => SupervisorAnswer::Refused,
        SupervisorAnswer::Listening { generation, failed } => SupervisorAnswer::Listening {
            generation: *generation,
            failed: failed.iter().map(|(name, _)| (name.clone(), "see the error log".to_owned())).collect(),
        },
    }
}

fn deliver(fds: Vec<OwnedFd>, with_log_writer: bool) -> Result<ConfigureDelivery, SupervisorError> {
    let count = fds.len();
    let mut fds = fds.into_iter();
    let (Some(message), Some(status), Some(lifeline), Some(metrics), Some(board)) =
        (fds.next(), fds.next(), fds.next(), fds.next(), fds.next())
    else {
        return Err(SupervisorError::Descriptors(count));
    };
    let bytes = read_all(&File::from(message)).map_err(SupervisorError::MessageFile)?;
    let configuration: Configuration = decode(&bytes).map_err(SupervisorError::Message)?;
    let log_writer = if configuration.log_writer && with_log_writer {
        Some(fds.next().ok_or(SupervisorError::Descriptors(count))?)
    } else {
        None
    };
    Ok(ConfigureDelivery { configuration, status, lifeline, metrics, board, log_writer, logs: fds.collect() })
}

fn read_all(file: &File) -> std::io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > MESSAGE_BYTES {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, ControlMessage, SockFlag, SockType, sendmsg, socketpair};
    use std::io::{IoSlice, Write};

    fn pair() -> (OwnedFd, ControlSocket) {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        (ours, ControlSocket::new(theirs))
    }

    fn send_with(socket: &OwnedFd, bytes: &[u8], fds: &[std::os::fd::RawFd]) {
        let rights = [ControlMessage::ScmRights(fds)];
        let parts = [IoSlice::new(bytes)];
        sendmsg::<()>(socket.as_raw_fd(), &parts, &rights, MsgFlags::empty(), None).unwrap();
    }

    fn file(bytes: &[u8]) -> File {
        let fd = nix::sys::memfd::memfd_create("x", nix::sys::memfd::MFdFlags::empty()).unwrap();
        let mut file = File::from(fd);
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn configuration_arrives_with_its_descriptors() {
        let (ours, control) = pair();
        assert!(matches!(control.receive(), Ok(ReceivedRecord::Nothing)));
        let configuration = Configuration { generation: 5, ..Configuration::default() };
        let message = file(&encode(&configuration).unwrap());
        send_with(
            &ours,
            &encode(&ParentCommand::Configure).unwrap(),
            &[message.as_raw_fd(), 0, 0, 0, 0, 1, 2],
        );
        let Ok(ReceivedRecord::Configure(delivery)) = control.receive() else { panic!("no configuration") };
        assert_eq!((delivery.configuration, delivery.logs.len()), (configuration, 2));
        assert!(!control.is_closed());
        send_with(&ours, &encode(&ParentCommand::Stop).unwrap(), &[]);
        drop(ours);
        assert!(control.is_closed());
        assert!(matches!(control.receive(), Ok(ReceivedRecord::Stop)));
        assert!(matches!(control.receive(), Ok(ReceivedRecord::Closed)));
    }

    #[test]
    fn other_versions_and_damaged_records_are_refused() {
        let (ours, control) = pair();
        let mut command = encode(&ParentCommand::Configure).unwrap();
        send_with(&ours, &command, &[0]);
        assert!(matches!(control.receive(), Err(SupervisorError::Descriptors(1))));
        let damaged = file(b"\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff");
        send_with(&ours, &command, &[damaged.as_raw_fd(), 0, 0, 0, 0]);
        assert!(matches!(control.receive(), Err(SupervisorError::Message(_))));
        command[0] ^= 0x40;
        send_with(&ours, &command, &[0, 0, 0]);
        assert!(matches!(control.receive(), Err(SupervisorError::Message(_))));
        send_with(&ours, &[0; RECORD_BYTES + 1], &[]);
        assert!(matches!(control.receive(), Err(SupervisorError::Truncated)));
    }
}
