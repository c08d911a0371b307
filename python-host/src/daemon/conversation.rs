//! [`Conversation`] over a connection that a worker has read a request from: its user is the event loop now. A WebSocket may go on
//! over the client's own socket, and the connection back to the workers before it ends.

mod records;
mod socket;

use super::application::Application;
use super::body::{WINDOW, body_of};
use super::body_file::BodyFile;
use super::connection::HttpdConnection;
use super::os::{self, WaitMode};
use super::pool::{CONNECTION_EVENTS, PoolPhase, WorkerPool};
use super::registry::ClaimedConnection;
use super::reload;
use super::socket_exchange::last_frame;
use super::tunnel::{SwitchAnswer, TunnelWay};
use crate::conversation::{Conversation, ConversationInput, InFlightPlace, SendOutcome, SwitchOutcome};
use crate::exchange::RequestOutcome;
use crate::forked::is_forked;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use wsgi_protocol::frame::{BODY_CHUNK, FrameHeader, FromDaemon, FromHttpd, HEADER_LEN};
use wsgi_protocol::metrics::RequestAccount;
use wsgi_protocol::request::{Request, RequestFlags};

/// Most bytes of the body in one message to the application.
const PART: usize = 64 * 1024;

/// Blocks from this size on are sent from where they are as far as the socket takes them.
const LARGE: usize = 16 * 1024;

/// See the module's comment.
pub(super) struct SocketConversation<A: Application> {
    pool: &'static WorkerPool<A>,
    /// Until it is given back.
    connection: Option<ClaimedConnection>,
    seq: u16,
    payload: Arc<Vec<u8>>,
    /// Where in `payload` the next unread byte of the body is.
    at: usize,
    /// All of the body has come, and the application knows it.
    complete: bool,
    told: bool,
    /// What httpd has buffered of it.
    file: BodyFile,
    /// Received, and not looked at yet.
    buffer: Vec<u8>,
    /// Granted, and not received yet.
    credit: usize,
    /// Bytes of the current BODY frame that are still to come.
    left: usize,
    /// What is to be sent, and how much of it has been.
    out: Vec<u8>,
    sent: usize,
    /// httpd has been asked to say when the client goes.
    watching: bool,
    /// The client has gone.
    gone: bool,
    /// The connection is of no further use.
    broken: bool,
    began: u64,
    over: bool,
    /// How the bytes of a WebSocket travel.
    way: TunnelWay,
    /// The request opens a WebSocket; it has been counted as one.
    is_socket: bool,
    is_counted: bool,
    /// The response has ended; on the client's own socket nothing else says so.
    has_ended: bool,
    /// Where in `out` its end is, as long as it is there.
    end_at: usize,
    /// Records that came behind it and wait before it.
    late: Vec<(u8, Vec<u8>)>,
}

impl<A: Application> SocketConversation<A> {
    /// Takes a connection over, from which `request` was read at `began` (monotonic ns): its number and payload.
    pub(super) fn new(
        pool: &'static WorkerPool<A>,
        mut connection: ClaimedConnection,
        (seq, payload): (u16, &[u8]),
        request: &Request<'_>,
        began: u64,
    ) -> Self {
        let (body, complete, file) = body_of(request);
        let at = payload.len() - body.len();
        let payload = Arc::new(payload.to_vec());
        let buffer = std::mem::take(&mut connection.partial);
        Self {
            pool,
            connection: Some(connection),
            seq,
            payload,
            at,
            complete,
            told: false,
            file,
            buffer,
            credit: 0,
            left: 0,
            out: Vec::new(),
            sent: 0,
            watching: false,
            gone: false,
            broken: false,
            began,
            over: false,
            way: TunnelWay::None,
            is_socket: request.head.flags.has(RequestFlags::WEBSOCKET),
            is_counted: false,
            has_ended: false,
            end_at: 0,
            late: Vec::new(),
        }
    }

    fn connection(&mut self) -> &mut HttpdConnection {
        // Nothing asks for it after it has been given back.
        self.connection.as_mut().expect("not given back")
    }

    fn fd(&self) -> BorrowedFd<'static> {
        let number = match &self.way {
            TunnelWay::Own(socket) => socket.get().map(AsRawFd::as_raw_fd),
            _ => self.connection.as_ref().map(|connection| connection.socket().as_raw_fd()),
        };
        // SAFETY: the client's own socket is open as long as it is here, and the connection, claimed, until it is given back.
        unsafe { BorrowedFd::borrow_raw(number.unwrap_or(-1)) }
    }

    fn is_own(&self) -> bool {
        matches!(self.way, TunnelWay::Own(_))
    }

    fn put(&mut self, frame: FromDaemon<'_>) {
        frame.encode(self.seq).put(&mut self.out);
    }

    /// Sends what waits, and `block` behind it; what the socket does not take waits.
    fn send(&mut self, mut block: &[u8]) {
        while !self.broken && (self.sent < self.out.len() || !block.is_empty()) {
            if is_forked() {
                self.broken = true;
                return;
            }
            let waiting = &self.out[self.sent..];
            let parts = [IoSlice::new(waiting), IoSlice::new(block)];
            match os::send(self.fd(), &parts, None, WaitMode::No) {
                Ok(taken) => {
                    let old = taken.min(waiting.len());
                    self.sent += old;
                    block = &block[taken - old..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.out.extend_from_slice(block);
                    return;
                }
                Err(_) => (self.broken, self.gone) = (true, true),
            }
        }
        self.out.clear();
        self.sent = 0;
        if !self.broken {
            self.late.clear();
        }
    }

    /// Tops the credit up when half of it is used.
    fn grant(&mut self) {
        if self.complete || self.credit >= WINDOW / 2 {
            return;
        }
        if self.file.is_expected() {
            os::take_descriptors(self.fd());
        }
        let more = (WINDOW - self.credit) as u32;
        self.credit = WINDOW;
        self.put(FromDaemon::WantBody(more));
        self.send(&[]);
    }

    /// Acts on complete frames in the buffer, up to the first byte of a body.
    fn frames(&mut self) {
        while self.left == 0 && !self.gone && !self.broken {
            let header = match FrameHeader::decode(&self.buffer) {
                Ok(Some(header)) => header,
                Ok(None) => return,
                Err(_) => return self.break_off(),
            };
            let Ok(needed) = FromHttpd::needs(header) else { return self.break_off() };
            let Some(payload) = self.buffer.get(HEADER_LEN..HEADER_LEN + needed) else { return };
            let frame = FromHttpd::decode(header, payload);
            let is_own = header.seq == self.seq;
            match frame {
                Ok(FromHttpd::Body(len)) if is_own && !self.complete && len as usize <= self.credit => {
                    self.left = len as usize;
                }
                Ok(FromHttpd::BodyFile(length)) if is_own && self.file.announce(length) => {}
                Ok(FromHttpd::BodyEnd) if is_own => self.complete = true,
                Ok(FromHttpd::Abort(_)) => self.gone = true,
                _ => return self.break_off(),
            }
            self.buffer.drain(..HEADER_LEN + needed);
        }
    }

    /// Receives what is there; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        let socket = self.fd();
        if self.file.is_expected() {
            let mut beginning = [0; HEADER_LEN + 8];
            let got = self.file.receive(socket, &mut beginning, WaitMode::No)?;
            self.buffer.extend_from_slice(&beginning[..got]);
            return Ok(got);
        }
        self.buffer.reserve(PART + HEADER_LEN);
        os::recv_append(socket, &mut self.buffer, WaitMode::No)
    }

    fn break_off(&mut self) {
        (self.gone, self.broken) = (true, true);
    }

    /// The next part of the file. Nobody else waits for the disk meanwhile: the GIL is not held.
    fn part_of_file(&mut self) -> Option<Vec<u8>> {
        if !self.file.is_open() {
            return None;
        }
        let mut part = vec![0; PART];
        match self.file.read(&mut part, WaitMode::Yes)? {
            Ok(n) if n > 0 => {
                part.truncate(n);
                Some(part)
            }
            _ => {
                self.break_off();
                None
            }
        }
    }

    /// A part of the body that has been received.
    fn part(&mut self) -> Option<Vec<u8>> {
        let len = self.left.min(self.buffer.len()).min(PART);
        if len == 0 {
            return None;
        }
        let part = self.buffer.drain(..len).collect();
        self.left -= len;
        self.credit -= len;
        Some(part)
    }

    /// Gives the connection back to the pool, or closes it.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.tell_late();
        if self.is_own() {
            return;
        }
        let (buffer, left) = (std::mem::take(&mut self.buffer), self.left);
        let is_usable = !self.broken && self.sent == self.out.len();
        let Some(mut connection) = self.connection.take() else { return };
        connection.partial = buffer;
        connection.skip = left;
        if is_usable {
            self.pool.arm(connection.unclaim(), CONNECTION_EVENTS);
        } else {
            self.pool.close(connection);
        }
    }
}

impl<A: Application> Conversation for SocketConversation<A> {
    fn payload(&self) -> Arc<Vec<u8>> {
        self.payload.clone()
    }

    fn socket(&self) -> RawFd {
        self.fd().as_raw_fd()
    }

    fn is_admitted(&mut self) -> bool {
        self.is_counted = self.is_socket && self.pool.in_loop.open_socket();
        self.is_counted || !self.is_socket
    }

    fn enter(&mut self) {
        let was_held = std::mem::take(&mut self.connection().was_held);
        reload::begin_request(was_held);
    }

    fn receive(&mut self) -> ConversationInput {
        if self.is_own() {
            return self.receive_own();
        }
        if self.at < self.payload.len() {
            self.told = self.complete;
            let part = self.payload[self.at..].to_vec();
            self.at = self.payload.len();
            return ConversationInput::Body(part, self.complete);
        }
        loop {
            if let Some(part) = self.part_of_file() {
                return ConversationInput::Body(part, false);
            }
            self.frames();
            if let Some(part) = self.part() {
                self.frames();
                self.told = self.complete;
                return ConversationInput::Body(part, self.complete);
            }
            if self.complete && !std::mem::replace(&mut self.told, true) {
                return ConversationInput::Body(Vec::new(), true);
            }
            if self.gone || self.broken {
                return ConversationInput::Gone;
            }
            self.grant();
            if self.complete && !std::mem::replace(&mut self.watching, true) {
                self.put(FromDaemon::Watch);
                self.send(&[]);
            }
            match self.fill() {
                Ok(0) => self.break_off(),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ConversationInput::Nothing,
                Err(_) => self.break_off(),
            }
        }
    }

    fn reads_file(&self) -> bool {
        self.file.is_open()
    }

    fn head(&mut self, payload: &[u8]) {
        self.put(FromDaemon::Head(payload));
    }

    fn upgrade(&mut self, payload: &[u8]) {
        if self.gone {
            self.put(FromDaemon::Upgrade(payload));
            self.way = TunnelWay::Relayed;
        } else {
            os::take_descriptors(self.fd());
            self.put(FromDaemon::TakeOver(payload));
            self.way = TunnelWay::Asked(SwitchAnswer::default());
        }
        // The other side begins anew, too.
        (self.complete, self.told, self.credit) = (false, false, 0);
    }

    fn switched(&mut self) -> SwitchOutcome {
        self.look_for_switch()
    }

    fn give_up(&mut self) {
        if self.is_own() {
            self.break_off();
        }
    }

    fn linger(&mut self) -> Option<OwnedFd> {
        self.lingering()
    }

    fn data(&mut self, block: &[u8]) {
        if self.is_own() {
            return self.send(block);
        }
        for chunk in block.chunks(BODY_CHUNK) {
            self.put(FromDaemon::Data(chunk.len() as u32));
            if chunk.len() < LARGE {
                self.out.extend_from_slice(chunk);
            } else {
                self.send(chunk);
            }
        }
    }

    fn push(&mut self) {
        if !self.is_own() {
            self.put(FromDaemon::Flush);
        }
    }

    fn flush(&mut self) -> SendOutcome {
        self.send(&[]);
        match (self.broken, self.sent == self.out.len()) {
            (true, _) => SendOutcome::Gone,
            (false, true) => {
                if let (true, TunnelWay::Own(socket)) = (self.has_ended, &self.way) {
                    socket.get().inspect(|socket| os::end_sending(socket.as_fd()));
                }
                SendOutcome::All
            }
            (false, false) => SendOutcome::Full,
        }
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> SendOutcome {
        if self.flush() != SendOutcome::All {
            return self.flush();
        }
        let frame = FromDaemon::File { offset, length }.encode(self.seq);
        match os::send(self.fd(), &[IoSlice::new(frame.prefix())], Some(file), WaitMode::No) {
            Ok(taken) => {
                // The descriptor has gone with the first byte.
                self.out.extend_from_slice(&frame.prefix()[taken..]);
                SendOutcome::All
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => SendOutcome::Full,
            Err(_) => {
                self.break_off();
                SendOutcome::Gone
            }
        }
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.record(level, text);
    }

    fn finish(&mut self, outcome: RequestOutcome) {
        self.has_ended = true;
        match self.way {
            TunnelWay::None | TunnelWay::Relayed => {}
            // The connection may be another request's already.
            TunnelWay::Asked(_) => return self.break_off(),
            TunnelWay::Own(_) => return,
        }
        self.end_at = self.out.len();
        let account = Some(RequestAccount::on_loop(self.began, os::now_ns()));
        self.put(last_frame(outcome, false, account).unwrap_or(FromDaemon::Aborted(account)));
        let is_leaving = self.pool.phase() != PoolPhase::Serving;
        if is_leaving && !std::mem::replace(&mut self.connection().dismissed, true) {
            self.put(FromDaemon::GoAway);
        }
    }

    fn release(mut self: Box<Self>) -> InFlightPlace {
        let pool = self.pool;
        pool.finished();
        self.settle();
        self.uncount();
        let is_own = self.is_own();
        InFlightPlace::new(move || pool.left_loop(is_own))
    }

    fn refuse(mut self: Box<Self>) {
        if !self.pool.reload.take_hold() {
            self.finish(RequestOutcome::Refused);
            self.send(&[]);
            self.settle();
            return self.pool.left_loop(false);
        }
        self.over = true;
        let (pool, connection) = (self.pool, self.connection.take());
        pool.left_loop(false);
        if let Some(mut connection) = connection {
            connection.partial = std::mem::take(&mut self.buffer);
            connection.unread(self.seq, &self.payload);
            connection.was_held = true;
            pool.hold(connection);
        }
    }
}

impl<A: Application> Drop for SocketConversation<A> {
    fn drop(&mut self) {
        self.uncount();
        if !self.over {
            self.broken = true;
            self.settle();
            self.pool.left_loop(self.is_own());
        }
    }
}

#[cfg(test)]
mod tests;
