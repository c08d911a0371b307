//! One kept-open connection to a daemon: framed reads with descriptors, complete writes, nothing of HTTP.

use super::body_memory::BodyMemory;
use super::buffer::ReadBuffer;
use super::descriptors;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use wsgi_protocol::frame::RESPONSE_MEMORY;
use wsgi_system::polling;
use wsgi_system::shared_bytes::{ByteWriter, RefusedFile, SharedBytes};
use wsgi_system::sockets::{self, WaitMode};

/// Most descriptors a daemon may have under way to us.
const MAX_FDS: usize = 8;

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillOutcome {
    /// Bytes.
    Some,
    /// Nothing is there right now.
    Again,
    /// The daemon has closed its end.
    Eof,
}

/// A connection with what has been read of it.
#[derive(Debug)]
pub struct DaemonConnection {
    fd: OwnedFd,
    buffer: ReadBuffer,
    /// Descriptors that belong to frames not yet read.
    fds: Vec<OwnedFd>,
    /// More of them came than may be under way.
    is_flooded: bool,
    /// Descriptors came that nobody wants.
    sent_unwanted: bool,
    /// The process at the other end, as the pool knows it.
    process: Option<DaemonPeer>,
    seq: u16,
    fresh: bool,
    /// What the daemon leaves parts of responses in, once it has done so.
    memory: Option<Arc<SharedBytes>>,
    /// Where it takes parts of request bodies from, once it has offered that.
    body_memory: Option<BodyMemory>,
    /// When one of the two was last used.
    memory_used_at: Option<Instant>,
    /// The daemon takes no further request on it.
    pub going_away: bool,
    /// A request ended in a state that leaves nothing under way.
    pub reusable: bool,
    /// It has carried the whole body of an earlier request.
    pub has_carried_body: bool,
    /// Part of a frame has been sent: whatever came next would be read as the rest of it.
    pub mid_frame: bool,
    /// When it was put into the pool.
    pub idle_since: Instant,
    /// How often its place had got another process when it was opened. Whoever holds the other end of one from before may be
    /// a process that was left behind.
    pub epoch: u32,
}

/// A process that has accepted a connection.
#[derive(Debug, Clone, Copy)]
pub struct DaemonPeer {
    /// Where its pool says who is not asked any more.
    banned: Option<&'static AtomicU32>,
    pid: u32,
}

impl DaemonPeer {
    /// The process of a slot, and where to say that it is not asked any more.
    pub fn new(banned: Option<&'static AtomicU32>, pid: u32) -> Self {
        Self { banned, pid }
    }

    /// This child asks the process nothing any more: it sends descriptors that cannot be closed.
    fn ban(&self) {
        self.banned.into_iter().for_each(|banned| banned.store(self.pid, Ordering::Relaxed));
    }
}

impl DaemonConnection {
    /// Wraps a connected, non-blocking socket.
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            buffer: ReadBuffer::default(),
            fds: Vec::new(),
            is_flooded: false,
            sent_unwanted: false,
            process: None,
            seq: 0,
            fresh: true,
            memory: None,
            body_memory: None,
            memory_used_at: None,
            going_away: false,
            reusable: false,
            has_carried_body: false,
            mid_frame: false,
            idle_since: Instant::now(),
            epoch: 0,
        }
    }

    /// The process that has accepted it.
    pub fn with_peer(mut self, process: DaemonPeer) -> Self {
        self.process = Some(process);
        self
    }

    /// Begins a request: next sequence number; whether HELLO has to be sent first.
    pub fn begin_request(&mut self) -> bool {
        self.seq = self.seq.wrapping_add(1);
        self.reusable = false;
        std::mem::replace(&mut self.fresh, false)
    }

    /// Number of the request under way.
    pub fn seq(&self) -> u16 {
        self.seq
    }

    /// The descriptor, to wait on.
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Whether a pooled connection is still good: open and silent.
    pub fn is_quiet(&self) -> bool {
        sockets::is_quiet(self.fd.as_fd())
    }

    /// Whether the other side has not read all that was sent.
    pub fn is_unread(&self) -> bool {
        sockets::is_unread(self.fd.as_fd())
    }

    /// Nobody reads for a while: memory with nothing in it is given back.
    pub fn rest(&mut self) {
        self.buffer.rest();
    }

    /// Becomes idle, before it is pooled.
    pub fn retire(&mut self) {
        self.buffer = ReadBuffer::default();
        self.idle_since = Instant::now();
    }

    /// Bytes read and not consumed.
    pub fn pending(&self) -> &[u8] {
        self.buffer.pending()
    }

    /// Whether nothing of a response is in the daemon's memory any more; there may be none.
    pub fn is_memory_free(&mut self) -> bool {
        self.memory.as_mut().is_none_or(|memory| Arc::get_mut(memory).is_some())
    }

    /// When memory was last used here, if there is any.
    pub fn memory_used_at(&self) -> Option<Instant> {
        self.memory_used_at
    }

    /// The daemon takes the body of this request from its memory: its descriptor comes with the first offer.
    ///
    /// # Errors
    /// It did not come, or is not what it should be.
    pub fn accept_offer(&mut self) -> Result<(), String> {
        match &mut self.body_memory {
            Some(memory) => memory.begin(),
            None => self.body_memory = Some(self.admit("OFFER", BodyMemory::admit)?),
        }
        self.memory_used_at = Some(Instant::now());
        Ok(())
    }

    /// Where the daemon takes request bodies from, if it has offered that.
    pub fn body_memory(&mut self) -> Option<&mut BodyMemory> {
        self.body_memory.as_mut()
    }

    /// The daemon's memory, which it uses now: its descriptor comes with the first use.
    ///
    /// # Errors
    /// It did not come, or is not what it should be.
    pub fn memory(&mut self) -> Result<Arc<SharedBytes>, String> {
        let admit = |file| SharedBytes::admit(file, RESPONSE_MEMORY, ByteWriter::Maker);
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => Arc::new(self.admit("MEMORY", admit)?),
        };
        self.memory_used_at = Some(Instant::now());
        Ok(self.memory.insert(memory).clone())
    }

    /// Memory whose descriptor came along with this frame.
    fn admit<T>(
        &mut self,
        frame: &str,
        admit: impl FnOnce(OwnedFd) -> Result<T, RefusedFile>,
    ) -> Result<T, String> {
        let file = self.take_fd().ok_or_else(|| format!("{frame} without descriptor"))?;
        admit(file).map_err(|(file, reason)| {
            self.refuse(file);
            reason
        })
    }

    /// The next descriptor that came along.
    pub fn take_fd(&mut self) -> Option<OwnedFd> {
        if self.fds.is_empty() { None } else { Some(self.fds.remove(0)) }
    }

    /// Gives a descriptor back that is not what it should be.
    pub fn refuse(&mut self, descriptor: OwnedFd) {
        descriptors::hand_over([descriptor]);
        self.sent_unwanted = true;
    }

    /// Whether descriptors have come that no frame has asked for yet.
    pub fn has_fds(&self) -> bool {
        !self.fds.is_empty()
    }

    /// Whether more descriptors came than may be under way.
    pub fn is_flooded(&self) -> bool {
        self.is_flooded
    }

    /// Lends the buffer, to read a frame while the connection is used; [`DaemonConnection::put_back`] ends that.
    pub fn take_buffer(&mut self) -> ReadBuffer {
        std::mem::take(&mut self.buffer)
    }

    /// See [`DaemonConnection::take_buffer`].
    pub fn put_back(&mut self, buffer: ReadBuffer) {
        self.buffer = buffer;
    }

    /// Reads what is there, without waiting. The buffer grows to hold at least `need` bytes in all.
    pub fn fill(&mut self, need: usize) -> io::Result<FillOutcome> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let got = buffer.room(need).and_then(|room| self.receive(room));
        if let Ok(Some(len)) = got {
            buffer.received(len);
        }
        self.buffer = buffer;
        got.map(|got| match got {
            None => FillOutcome::Again,
            Some(0) => FillOutcome::Eof,
            Some(_) => FillOutcome::Some,
        })
    }

    /// Reads what is there and fits into `room`; `None` if nothing is there.
    pub fn receive(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let got = descriptors::receive(self.fd.as_fd(), room, &mut self.fds);
        if self.fds.len() > MAX_FDS
            || got.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EMFILE))
        {
            self.is_flooded = true;
            self.refuse_descriptors();
        }
        got
    }

    /// Nobody wants the descriptors that have come.
    fn refuse_descriptors(&mut self) {
        if !self.fds.is_empty() {
            descriptors::hand_over(self.fds.drain(..));
            self.sent_unwanted = true;
        }
    }

    /// Sends as much as fits now.
    pub fn send_some(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        sockets::send(self.fd.as_fd(), parts, None, WaitMode::No)
    }

    /// The same with a descriptor, which arrives with the first byte.
    pub fn send_with_descriptor(
        &self,
        parts: &[IoSlice<'_>],
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<usize> {
        sockets::send(self.fd.as_fd(), parts, Some(descriptor), WaitMode::No)
    }

    /// Sends everything, waiting at most `timeout_ms` for each bit of progress.
    pub fn send_all(&self, mut bytes: &[u8], timeout_ms: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.send_some(&[IoSlice::new(bytes)]) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !wait(self.raw(), libc::POLLOUT, timeout_ms)?.0 {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for DaemonConnection {
    /// What is still queued in a socket is closed along with it: by this thread, if it is not taken out first.
    fn drop(&mut self) {
        self.refuse_descriptors();
        self.sent_unwanted |= descriptors::drain(self.fd.as_fd());
        if self.sent_unwanted && descriptors::is_stuck() {
            self.process.iter().for_each(DaemonPeer::ban);
        }
    }
}

/// Waits for one descriptor; whether it is ready, and for what.
pub fn wait(fd: RawFd, events: i16, timeout_ms: u64) -> io::Result<(bool, i16)> {
    let seen = polling::wait(fd, events, i32::try_from(timeout_ms).unwrap_or(i32::MAX))?;
    Ok((seen != 0, seen))
}

/// Waits for any of several descriptors.
pub fn wait_all(polled: &mut [libc::pollfd], timeout_ms: u64) -> io::Result<bool> {
    let ready = polling::poll_through(polled, i32::try_from(timeout_ms).unwrap_or(i32::MAX))?;
    Ok(ready > 0)
}
