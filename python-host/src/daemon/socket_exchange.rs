//! [`Exchange`] over a connection: what leaves is coalesced, what comes is paid for with credit.
//!
//! Small frames that may wait are collected in one buffer; a simple response (head, block, end) leaves in
//! one call. Every call is tried without waiting first; only a full or empty socket costs the GIL.

use super::connection::HttpdConnection;
use super::os;
use super::response_memory::LARGE;
pub(super) use super::sending::{GilRelease, send_all, send_frame};
use super::stream::SocketSink;
use crate::coalesce::{BlockCoalescer, COPIED, HeldBlock, LastSend};
use crate::exchange::{BodyError, Exchange, HoldBack, RequestOutcome, SendError};
use crate::forked::is_forked;
use crate::scheduler::clock::own_tid;
use crate::thread_record::ThreadRecord;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use wsgi_protocol::frame::{BODY_CHUNK, EncodedFrame, FromDaemon, HEADER_LEN, MAX_PAYLOAD, RequestRefusal};
use wsgi_protocol::metrics::RequestAccount;
use wsgi_protocol::request::{Request, RequestFlags};

/// Writes a record that httpd does not take any more to the group's log; called with the GIL held.
pub(super) type UnsentRecord = fn(u8, &[u8]);

/// One request's way in and out over a [`HttpdConnection`].
pub(super) struct SocketExchange<'a> {
    pub(super) connection: &'a mut HttpdConnection,
    pub(super) seq: u16,
    /// Frames that may wait; empty at the start of a request.
    pub(super) out: &'a mut Vec<u8>,
    pub(super) released: GilRelease,
    pub(super) unsent: UnsentRecord,
    /// Where activity is noted, if the request counts for the inactivity timer.
    pub(super) activity: Option<&'a ThreadRecord>,
    pub(super) body: super::body::BodyReader<'a>,
    /// What the end of the response tells of its times.
    pub(super) account: Option<RequestAccount>,
    /// Something of HEAD, DATA or FILE has left.
    committed: bool,
    /// The first failure to send; every later attempt fails the same way.
    broken: Option<SendError>,
    /// Where blocks that follow each other quickly are collected.
    stream: Option<&'static Arc<BlockCoalescer<SocketSink>>>,
    last_send: LastSend,
    /// When it was last asked whether the client is gone.
    last_ask: LastSend,
}

impl Drop for SocketExchange<'_> {
    fn drop(&mut self) {
        // Whatever happened: the flusher must not write to a connection that is not this request's any more.
        if let Some(stream) = self.dirty_stream() {
            stream.forget();
        }
    }
}

impl<'a> SocketExchange<'a> {
    /// An exchange for a request with the number `seq`.
    pub(super) fn new(
        connection: &'a mut HttpdConnection,
        seq: u16,
        request: &Request<'a>,
        out: &'a mut Vec<u8>,
        (released, unsent): (GilRelease, UnsentRecord),
        activity: Option<&'a ThreadRecord>,
    ) -> Self {
        out.clear();
        connection.body_memory.begin();
        connection.memory.begin(request.head.flags.has(RequestFlags::MEMORY_IS_FREE));
        let body = super::body::BodyReader::new(request);
        Self {
            connection,
            seq,
            out,
            released,
            unsent,
            activity,
            body,
            account: None,
            committed: false,
            broken: None,
            stream: None,
            last_send: LastSend::default(),
            last_ask: LastSend::default(),
        }
    }

    /// Lets blocks be collected in the stream of a worker.
    pub(super) fn with_stream(mut self, stream: &'static Arc<BlockCoalescer<SocketSink>>) -> Self {
        self.stream = Some(stream);
        self
    }

    /// The calling thread has given the GIL up.
    pub(super) fn forget_gil(&mut self) {
        self.released = |f| f();
    }

    /// Sends what is held and `parts`, in order.
    fn transmit(&mut self, parts: &[&[u8]], file: Option<BorrowedFd<'_>>) -> Result<(), SendError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let held = self.held(file.is_none())?;
        let memory_file = if file.is_none() { self.connection.memory.take_file() } else { None };
        let file = file.or(memory_file.as_ref().map(AsFd::as_fd));
        let mut slices = [IoSlice::new(&held), IoSlice::new(self.out), IoSlice::new(&[]), IoSlice::new(&[])];
        for (slice, part) in slices[2..].iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let result = send_all(self.connection, &mut slices, file, self.released);
        self.out.clear();
        result.inspect_err(|e| self.broken = Some(e.clone()))
    }

    /// The stream, if it holds anything. A forked child leaves it alone: the lock may have been taken when it was forked.
    fn dirty_stream(&self) -> Option<&'static Arc<BlockCoalescer<SocketSink>>> {
        self.stream.filter(|stream| stream.is_dirty() && !is_forked())
    }

    /// What has been collected, which goes before everything else; through the memory, if it may.
    fn held(&mut self, may_move: bool) -> Result<Vec<u8>, SendError> {
        let Some(stream) = self.dirty_stream() else { return Ok(Vec::new()) };
        let taken = stream.take(SocketSink::is_one_frame);
        let (held, is_frame) = taken.inspect_err(|error| self.broken = Some(error.clone()))?;
        if may_move
            && is_frame
            && held.len() >= HEADER_LEN + LARGE
            && let Some(frame) = self.moved(&held[HEADER_LEN..])
        {
            return Ok(frame);
        }
        Ok(held)
    }

    /// The frame that tells of a block which is now in the memory as a whole.
    fn moved(&mut self, block: &[u8]) -> Option<Vec<u8>> {
        let memory = &mut self.connection.memory;
        let (start, _) = (memory.room() >= block.len()).then(|| memory.put(block)).flatten()?;
        Some(memory_frame(start, block.len(), self.seq).to_vec())
    }

    /// Collects a block that follows the last one quickly. False: it has to be sent now.
    fn collect(&mut self, block: &[u8]) -> Result<bool, SendError> {
        let Some(stream) = self.stream else { return Ok(false) };
        let now = os::now_ns();
        if !self.last_send.is_recent(now) || block.len() > COPIED || !self.out.is_empty() || is_forked() {
            self.last_send.note(now);
            return Ok(false);
        }
        let (socket, seq) = (self.connection.socket().as_raw_fd(), self.seq);
        let memory = &mut self.connection.memory;
        let held = stream.hold(block.len(), now, |sink, collected| {
            if collected.is_empty() {
                sink.begin(socket, seq);
            }
            sink.add(collected, block, memory);
        });
        if held.inspect_err(|error| self.broken = Some(error.clone()))? == HeldBlock::Due {
            self.last_send.note(now);
            self.transmit(&[], None)?;
        }
        Ok(true)
    }

    fn touch(&self) {
        if let Some(record) = self.activity {
            record.touch(os::now_ns());
        }
    }

    /// Says how the request ended. False: the connection is of no further use.
    pub(super) fn finish(&mut self, outcome: RequestOutcome, go_away: bool) -> bool {
        if let Some(frame) = last_frame(outcome, self.committed, self.account) {
            if matches!(frame, FromDaemon::Fail { .. } | FromDaemon::Refused(_)) {
                // A head that waits for its first block is not said any more.
                self.out.clear();
            }
            frame.encode(self.seq).put(self.out);
        }
        if go_away && !self.connection.dismissed {
            FromDaemon::GoAway.encode(self.seq).put(self.out);
            self.connection.dismissed = true;
        }
        let sent = self.transmit(&[], None).is_ok();
        let usable = self.body.give_back(self.connection);
        sent && usable
    }
}

/// The frame that says how a request ended, where `committed` says that something of its response has left; none if it goes on.
pub(super) fn last_frame(
    outcome: RequestOutcome,
    committed: bool,
    account: Option<RequestAccount>,
) -> Option<FromDaemon<'static>> {
    Some(match outcome {
        RequestOutcome::Complete => FromDaemon::End(account),
        RequestOutcome::Aborted => FromDaemon::Aborted(account),
        RequestOutcome::ForLoop => return None,
        _ if committed => FromDaemon::Aborted(account),
        RequestOutcome::Fail(status) => FromDaemon::Fail { status, account },
        RequestOutcome::Refused => FromDaemon::Refused(RequestRefusal::Restarting),
    })
}

fn memory_frame(start: usize, len: usize, seq: u16) -> EncodedFrame<'static> {
    FromDaemon::Memory { offset: start as u32, length: len as u32 }.encode(seq)
}

impl Exchange for SocketExchange<'_> {
    fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        self.touch();
        if is_forked() {
            return Err(BodyError::Terminated);
        }
        if self.dirty_stream().is_some() {
            // The client may wait for it before it sends more; and a half-sent frame must not be interrupted.
            let _ = self.transmit(&[], None);
        }
        self.body.read(self.connection, self.seq, self.released, buffer)
    }

    fn head(&mut self, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_PAYLOAD as usize {
            return Err(SendError::Failed("Argument list too long".to_owned()));
        }
        FromDaemon::Head(payload).encode(self.seq).put(self.out);
        match &self.broken {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn data(&mut self, block: &[u8], hold: HoldBack) -> Result<(), SendError> {
        self.touch();
        self.committed = true;
        if hold == HoldBack::Yes && self.out.len() + block.len() <= COPIED && self.broken.is_none() {
            self.out.extend_from_slice(FromDaemon::Data(block.len() as u32).encode(self.seq).prefix());
            self.out.extend_from_slice(block);
            return Ok(());
        }
        if hold == HoldBack::No && self.broken.is_none() && self.collect(block)? {
            return Ok(());
        }
        let mut block = block;
        if self.broken.is_none()
            && !is_forked()
            && let Some((start, len)) = self.connection.memory.put(block)
        {
            self.transmit(&[memory_frame(start, len, self.seq).prefix()], None)?;
            block = &block[len..];
        }
        for chunk in block.chunks(BODY_CHUNK) {
            let header = FromDaemon::Data(chunk.len() as u32).encode(self.seq);
            self.transmit(&[header.prefix(), chunk], None)?;
        }
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SendError> {
        self.touch();
        self.committed = true;
        let frame = FromDaemon::File { offset, length }.encode(self.seq);
        self.transmit(&[frame.prefix()], Some(file))
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        let frame = FromDaemon::Log { level, thread: own_tid().cast_unsigned(), text }.encode(self.seq);
        // Not through `transmit`: the head of the response may go on waiting for its first block. A record that
        // httpd does not take any more goes to the group's log; the next block of the response reports the failure.
        let held = if self.broken.is_none() { self.held(false).unwrap_or_default() } else { Vec::new() };
        let mut parts = [IoSlice::new(&held), IoSlice::new(frame.prefix()), IoSlice::new(frame.tail())];
        if self.broken.is_none() {
            match send_all(self.connection, &mut parts, None, self.released) {
                Ok(()) => return,
                Err(error) => self.broken = Some(error),
            }
        }
        (self.unsent)(level, text);
    }

    fn is_gone(&mut self) -> bool {
        if self.broken.is_some() || self.body.is_gone() || is_forked() {
            return true;
        }
        if self.last_send.at() != 0 {
            // Between two blocks of a quick sequence nothing is asked.
            let now = os::now_ns();
            if self.last_send.is_recent(now) || self.last_ask.is_recent(now) {
                return false;
            }
            self.last_ask.note(now);
        }
        let mut fds = [(self.connection.socket().as_raw_fd(), libc::POLLRDHUP | libc::POLLIN)];
        match os::poll(&mut fds, Some(std::time::Duration::ZERO)) {
            Ok(1) if fds[0].1 & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0 => true,
            Ok(1) => self.body.notice_abort(self.connection, self.seq),
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests;
