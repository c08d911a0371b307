//! The log of a request of the event loop, for code that is shared with WSGI and wants a whole [`Exchange`].

use crate::conversation::Conversation;
use crate::exchange::{BodyError, Exchange, HoldBack, SendError};
use crate::interpreter::{self, Interpreter};
use crate::python::Attached;
use crate::wsgi::request::RequestState;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use wsgi_protocol::request::RequestHead;

/// See the module's comment.
struct LogOnly<'c>(&'c mut dyn Conversation);

impl Exchange for LogOnly<'_> {
    fn read_body(&mut self, _: &mut [u8]) -> std::result::Result<usize, BodyError> {
        Err(BodyError::Terminated)
    }

    fn head(&mut self, _: &[u8]) -> std::result::Result<(), SendError> {
        Err(SendError::ClientGone)
    }

    fn data(&mut self, _: &[u8], _: HoldBack) -> std::result::Result<(), SendError> {
        Err(SendError::ClientGone)
    }

    fn file(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> std::result::Result<(), SendError> {
        Err(SendError::ClientGone)
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.0.log(level, text);
    }

    fn is_gone(&mut self) -> bool {
        false
    }
}

/// Runs `f` with the log of a request.
pub fn with_log_scope<T>(
    py: Attached<'_>,
    head: &RequestHead<'_>,
    conversation: &mut dyn Conversation,
    f: impl FnOnce(&'static Interpreter, &Arc<RequestState>) -> T,
) -> T {
    let main = interpreter::main();
    let named = if head.resource.is_empty() { head.script } else { head.resource };
    let mut exchange = LogOnly(conversation);
    let state = Arc::new(RequestState::new(main, 0, (head.log_level, head.flags), named, &mut exchange));
    let result = f(main, &state);
    state.end(py);
    result
}
