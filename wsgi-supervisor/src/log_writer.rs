//! httpd's log writer as the supervisor sees it: a socket that takes one record per line. The writer is a process that httpd's
//! parent forks, so lines have httpd's format and go where its log goes (syslog, a piped logger). A writer that has
//! died is replaced and finds in the socket what the last one has not written; one that is stuck for long is done
//! without: then the supervisor writes to the log's descriptor itself.

use crate::log_file::{LogFile, write_to};
use crate::log_level::LogLevel;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::record::LogRecord;

/// Above so many bytes of waiting lines the output of processes is not read: they wait, as httpd's children do.
const QUEUE_BYTES: usize = 256 * 1024;
/// How long a writer may take no line before it is done without.
const PATIENCE: Duration = Duration::from_secs(10);

/// A line for the writer, and the log it goes to without one.
#[derive(Debug)]
pub struct WriterLine {
    /// Log file, for want of a writer.
    pub file: Option<Rc<LogFile>>,
    /// httpd's number of the server.
    pub server: u32,
    /// Level.
    pub level: LogLevel,
    /// Process whose line it is.
    pub pid: i32,
    /// Text.
    pub text: Vec<u8>,
}

impl WriterLine {
    fn write_here(&self) {
        write_to(self.file.as_deref(), self.level, self.pid, &self.text);
    }
}

/// What is known of the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriterState {
    /// It takes lines, or will soon.
    Good,
    /// It has taken none for long; each line asks again.
    Stuck,
    /// There is none, and no other will come.
    Gone,
}

/// The socket to the log writer of one generation.
#[derive(Debug)]
pub struct LogWriter {
    socket: OwnedFd,
    state: Cell<WriterState>,
    queue: RefCell<VecDeque<WriterLine>>,
    bytes: Cell<usize>,
    /// Since when it takes nothing.
    waiting: Cell<Option<Instant>>,
}

impl LogWriter {
    /// Takes over the socket.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        let (queue, bytes) = (RefCell::default(), Cell::default());
        Self { socket, state: Cell::new(WriterState::Good), queue, bytes, waiting: Cell::default() }
    }

    /// Gives it a line, which waits in a queue if the writer is behind.
    pub fn write(&self, line: WriterLine) {
        if self.queue.borrow().is_empty() {
            match self.offer(&line) {
                Ok(()) => return,
                Err(Errno::EAGAIN) if self.state.get() == WriterState::Good => {}
                Err(_) => return line.write_here(),
            }
            self.waiting.set(Some(Instant::now()));
        }
        self.bytes.set(self.bytes.get() + line.text.len());
        self.queue.borrow_mut().push_back(line);
    }

    fn offer(&self, line: &WriterLine) -> Result<(), Errno> {
        if self.state.get() == WriterState::Gone {
            return Err(Errno::EPIPE);
        }
        let record = LogRecord {
            server: line.server,
            level: u8::try_from(line.level.0).unwrap_or(u8::MAX),
            pid: line.pid.cast_unsigned(),
            tid: line.pid.cast_unsigned(),
            text: &line.text,
        };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let sent = loop {
            match send(self.socket.as_raw_fd(), &record.encode(), flags) {
                Err(Errno::EINTR) => {}
                other => break other,
            }
        };
        match sent {
            Ok(_) => self.state.set(WriterState::Good),
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => return Err(Errno::EAGAIN),
            Err(_) => self.state.set(WriterState::Gone),
        }
        sent.map(drop)
    }

    /// Whether so much waits that no more output should be read.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.bytes.get() > QUEUE_BYTES
    }

    /// Whether lines wait.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// Gives it what waits. Returns when to give up, if it does not take everything.
    pub fn advance(&self, now: Instant) -> Option<Instant> {
        loop {
            let line = self.queue.borrow_mut().pop_front()?;
            match self.offer(&line) {
                Ok(()) => self.waiting.set(Some(now)),
                Err(Errno::EAGAIN) if self.state.get() == WriterState::Good => {
                    let limit = self.waiting.get().unwrap_or(now) + PATIENCE;
                    if now < limit {
                        self.queue.borrow_mut().push_front(line);
                        return Some(limit);
                    }
                    self.state.set(WriterState::Stuck);
                    line.write_here();
                }
                Err(_) => line.write_here(),
            }
            self.bytes.set(self.bytes.get().saturating_sub(line.text.len()));
        }
    }

    /// Nothing else is to be done any more: waits until all lines are gone, one way or the other.
    pub fn finish(&self) {
        while let Some(limit) = self.advance(Instant::now()) {
            let left = limit.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
            let _ = poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO));
        }
    }
}

impl AsFd for LogWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, recv, socketpair};
    use std::fs::File;
    use std::io::{Read, Seek};

    struct Rig {
        reader: OwnedFd,
        writer: LogWriter,
        file: Rc<LogFile>,
        copy: File,
    }

    fn rig() -> Rig {
        let (reader, socket) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let fd = memfd_create("log", MFdFlags::empty()).unwrap();
        let copy = File::from(fd.try_clone().unwrap());
        Rig { reader, writer: LogWriter::new(socket), file: Rc::new(LogFile::new(fd)), copy }
    }

    impl Rig {
        fn say(&self, text: &str) {
            let (file, text) = (Some(Rc::clone(&self.file)), text.as_bytes().to_vec());
            self.writer.write(WriterLine { file, server: 2, level: LogLevel::ERROR, pid: 9, text });
        }

        fn take(&self) -> Option<String> {
            let mut bytes = vec![0; 16_384];
            let got = recv(self.reader.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT).ok()?;
            let record = LogRecord::decode(&bytes[..got]).unwrap();
            assert_eq!((record.server, record.level, record.pid), (2, 3, 9));
            Some(String::from_utf8(record.text.to_vec()).unwrap())
        }

        /// What the supervisor has written itself.
        fn own(&mut self) -> String {
            let mut text = String::new();
            self.copy.rewind().unwrap();
            self.copy.read_to_string(&mut text).unwrap();
            text
        }
    }

    #[test]
    fn slow_writer_gets_every_line_in_order() {
        let mut rig = rig();
        let mut said = 0;
        while !rig.writer.is_congested() {
            rig.say(&format!("{said} {}", "x".repeat(1000)));
            said += 1;
        }
        let mut heard = 0;
        while rig.writer.is_waiting() || heard < said {
            while let Some(text) = rig.take() {
                assert_eq!(text.split(' ').next(), Some(heard.to_string().as_str()));
                heard += 1;
            }
            rig.writer.advance(Instant::now());
        }
        assert_eq!((heard, rig.own().as_str(), rig.writer.is_congested()), (said, "", false));
    }

    #[test]
    fn stuck_writer_is_done_without_until_it_reads_again() {
        let mut rig = rig();
        while !rig.writer.is_waiting() {
            rig.say(&"x".repeat(1000));
        }
        rig.say("waits");
        assert!(rig.writer.advance(Instant::now()).is_some());
        assert_eq!(rig.writer.advance(Instant::now() + 2 * PATIENCE), None);
        assert!(rig.own().ends_with("[wsgi:error] [pid 9:tid 9] waits\n"), "{}", rig.own());
        rig.say("at once");
        assert!(rig.own().ends_with("] at once\n"));
        while rig.take().is_some() {}
        rig.say("again");
        assert_eq!(rig.take().as_deref(), Some("again"));
    }

    #[test]
    fn without_any_writer_lines_are_written_here() {
        let mut rig = rig();
        rig.reader = memfd_create("none", MFdFlags::empty()).unwrap();
        rig.say("one");
        rig.say("two");
        assert!(rig.own().contains("] one\n") && rig.own().ends_with("] two\n"));
        assert!(!rig.writer.is_waiting());
    }
}
