//! The seam between ASGI and the way a request came in: frames in and out, without ever waiting. Nothing here touches
//! Python objects.

use crate::exchange::RequestOutcome;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

/// What has come from httpd.
#[derive(Debug, PartialEq, Eq)]
pub enum ConversationInput {
    /// A part of the body; whether it was the last one.
    Body(Vec<u8>, bool),
    /// Nothing yet: wait until the socket is readable.
    Nothing,
    /// The client has gone, or httpd has.
    Gone,
}

/// What has become of that which was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// All has left.
    All,
    /// Wait until the socket is writable.
    Full,
    /// Nobody takes it any more.
    Gone,
}

/// How httpd has answered [`Conversation::upgrade`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchOutcome {
    /// Not yet: wait until the socket is readable.
    Waiting,
    /// The WebSocket is open. Its socket may be another one from now on.
    Open,
}

/// A request's place among those in flight.
pub struct InFlightPlace(Option<Box<dyn FnOnce() + Send>>);

impl InFlightPlace {
    /// `leave` is called when it is given up.
    pub fn new(leave: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(leave)))
    }
}

impl Drop for InFlightPlace {
    fn drop(&mut self) {
        if let Some(leave) = self.0.take() {
            leave();
        }
    }
}

/// One request of an ASGI application; given back by [`Conversation::release`], or broken off by dropping it.
pub trait Conversation: Send {
    /// The encoded request (`wsgi_protocol::request`).
    fn payload(&self) -> Arc<Vec<u8>>;

    /// The socket, to be waited for.
    fn socket(&self) -> RawFd;

    /// Whether there is room for it; asked once, first.
    fn is_admitted(&mut self) -> bool;

    /// The script is looked for next, on the calling thread.
    fn enter(&mut self);

    /// The next part of the body; behind the last one, whether the client is still there.
    fn receive(&mut self) -> ConversationInput;

    /// Whether that comes from a file.
    fn reads_file(&self) -> bool;

    /// Puts the head of the response behind what is to be sent.
    fn head(&mut self, payload: &[u8]);

    /// The same with the answer to the opening handshake of a WebSocket. From then on the body is what its client sends.
    fn upgrade(&mut self, payload: &[u8]);

    /// Whether that has been answered; nothing else is called before.
    fn switched(&mut self) -> SwitchOutcome;

    /// Nobody is at the other end of a WebSocket any more: what waits to be sent is dropped.
    fn give_up(&mut self);

    /// The client's socket, of a WebSocket that has it and has ended: to be read from for a while before it is closed, so that the
    /// client gets what was sent last.
    fn linger(&mut self) -> Option<OwnedFd>;

    /// The same with a block of its body; large ones are sent as far as they can be.
    fn data(&mut self, block: &[u8]);

    /// Has httpd send what it has got at once.
    fn push(&mut self);

    /// Sends what can be sent.
    fn flush(&mut self) -> SendOutcome;

    /// Sends `length` bytes of a regular file from `offset`, if nothing waits to be sent.
    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> SendOutcome;

    /// Logs one record in the request's context; `level` is httpd's number.
    fn log(&mut self, level: u8, text: &[u8]);

    /// The response has ended in this way: says so behind what is to be sent.
    fn finish(&mut self, outcome: RequestOutcome);

    /// The connection is httpd's again for the next request. What has not been sent breaks it off. The application may
    /// go on, and occupies its place until that is dropped.
    fn release(self: Box<Self>) -> InFlightPlace;

    /// Another process shall run the request, or this one later; on the thread that called [`Conversation::enter`].
    fn refuse(self: Box<Self>);
}

/// Where requests come from that the event loop reads by itself, once it is known that all are its own.
pub trait RequestSource: Sync {
    /// The descriptor that is readable when there are any; `None`: it is not the loop that reads them now.
    fn descriptor(&self) -> Option<RawFd>;

    /// The next one, without waiting. Its application is called before another is asked for: what stays in its socket
    /// is not lost with the process.
    fn take(&'static self) -> Option<Box<dyn Conversation>>;

    /// The loop has not come by for a while, or does again. Others read meanwhile, unless all requests are for the loop.
    fn set_blocked(&self, is_blocked: bool);

    /// The loop reads no more, ever.
    fn end(&self);
}
