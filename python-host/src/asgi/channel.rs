//! `mod_wsgi.AsgiChannel`: what the coroutines of one request call (`glue.py`). No method waits.

mod websocket;

use super::files::{self, PendingFile};
use super::log_scope::with_log_scope;
use super::names::ScopeNames;
use super::websocket::WebSocket;
use super::{head, scope};
use crate::conversation::{Conversation, ConversationInput, InFlightPlace, SendOutcome};
use crate::exchange::RequestOutcome;
use crate::forked;
use crate::interpreter;
use crate::log;
use crate::messages;
use crate::python;
use crate::python::class::{ClassBuilder, ClassValue, MethodSelf, OwnedClass};
use crate::python::trampoline::CallArguments;
use crate::python::{
    Attached, BufferView, Exception, ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues,
    lock,
};
use crate::wsgi::failures::{self, LogScope};
use crate::wsgi::request::RunningRequest;
use crate::wsgi::{self};
use std::os::fd::{AsFd, IntoRawFd};
use std::sync::{Arc, Mutex};
use wsgi_protocol::request::{Request, RequestFlags};

/// What `send`, `flush` and `finish` answer (`glue.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendStatus {
    /// Wait until the socket is writable, then flush.
    Full = 0,
    /// All has left.
    Sent = 1,
    /// And the response with it.
    Over = 2,
    /// Nobody takes it any more.
    Gone = 3,
}

/// How far the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseStage {
    /// No `http.response.start` yet.
    Open,
    /// It has come, and waits for the first part of the body.
    Started,
    /// Its head is on the way.
    Streaming,
    /// Its end is on the way.
    Ended,
}

struct ChannelState {
    /// Until the connection is given back.
    conversation: Option<Box<dyn Conversation>>,
    /// From then on, until the application has ended.
    place: Option<InFlightPlace>,
    stage: ResponseStage,
    /// Once it is a WebSocket.
    socket: Option<Box<WebSocket>>,
    head: Vec<u8>,
    /// A part of a file that waits for what is before it.
    file: Option<PendingFile>,
    /// The application has been told that the client is gone.
    gone: bool,
}

/// See the module's comment.
pub struct AsgiChannel {
    names: &'static ScopeNames,
    payload: Arc<Vec<u8>>,
    socket: i32,
    discards_body: bool,
    state: Mutex<ChannelState>,
    is_websocket: bool,
}

impl ClassValue for AsgiChannel {}

/// The class.
pub fn class(py: Attached<'_>) -> Result<OwnedClass<'_, AsgiChannel>> {
    let builder = ClassBuilder::<AsgiChannel>::new(c"mod_wsgi.Channel")
        .method(c"is_websocket", |py, this: MethodSelf<'_, AsgiChannel>, _| {
            Ok(py.truth(this.is_websocket).own(py))
        })
        .method(c"fileno", |py, this: MethodSelf<'_, AsgiChannel>, _| this.fileno(py))
        .method(c"application", |py, this: MethodSelf<'_, AsgiChannel>, _| this.application(py))
        .method(c"script", |py, this: MethodSelf<'_, AsgiChannel>, _| {
            this.with_request(py, |r| py.path(r.head.script))
        })
        .method(c"scope", |py, this: MethodSelf<'_, AsgiChannel>, arguments| this.scope(py, arguments))
        .method(c"receive", |py, this: MethodSelf<'_, AsgiChannel>, _| this.receive(py))
        .method(c"send", |py, this: MethodSelf<'_, AsgiChannel>, arguments| this.send(py, arguments))
        .method(c"flush", |py, this: MethodSelf<'_, AsgiChannel>, _| {
            answer(py, lock(py, &this.state).advance())
        })
        .method(c"finish", |py, this: MethodSelf<'_, AsgiChannel>, arguments| this.finish(py, arguments))
        .method(c"fail_startup", |py, this: MethodSelf<'_, AsgiChannel>, arguments| {
            this.fail_startup(py, arguments)
        })
        .method(c"release", |py, this: MethodSelf<'_, AsgiChannel>, _| this.release(py))
        .method(c"overdue", |py, this: MethodSelf<'_, AsgiChannel>, arguments| this.overdue(py, arguments))
        .method(c"leave", |py, this: MethodSelf<'_, AsgiChannel>, _| this.leave(py));
    websocket::methods(builder).build(py)
}

fn answer<'py>(py: Attached<'py>, status: SendStatus) -> Result<Owned<'py>> {
    py.int(status as i64)
}

impl ChannelState {
    /// Sends what there is to send, in order.
    fn advance(&mut self) -> SendStatus {
        forked::end_if_forked();
        let Some(conversation) = &mut self.conversation else { return SendStatus::Sent };
        loop {
            match conversation.flush() {
                SendOutcome::Full => return SendStatus::Full,
                SendOutcome::Gone => return SendStatus::Gone,
                SendOutcome::All => {}
            }
            let Some(part) = self.file.take() else { break };
            match conversation.file(part.file.as_fd(), part.offset, part.length) {
                SendOutcome::Full => {
                    self.file = Some(part);
                    return SendStatus::Full;
                }
                SendOutcome::Gone => return SendStatus::Gone,
                SendOutcome::All if part.more => conversation.push(),
                SendOutcome::All => {
                    conversation.finish(RequestOutcome::Complete);
                    self.stage = ResponseStage::Ended;
                }
            }
        }
        if self.stage == ResponseStage::Ended { SendStatus::Over } else { SendStatus::Sent }
    }

    /// Puts the head on its way, if it is not yet.
    fn begin_body(&mut self, py: Attached<'_>) -> Result<&mut Box<dyn Conversation>> {
        let Some(conversation) = self.conversation.as_mut().filter(|_| self.stage != ResponseStage::Ended)
        else {
            return Err(Raised::new(py, ExceptionKind::Runtime, "a message of a response that has ended"));
        };
        if self.file.is_some() {
            return Err(Raised::new(
                py,
                ExceptionKind::Runtime,
                "a message before the file of the last one has left",
            ));
        }
        match self.stage {
            ResponseStage::Open => {
                let text = "http.response.start must be sent before the body of a response";
                return Err(Raised::new(py, ExceptionKind::Runtime, text));
            }
            ResponseStage::Started => conversation.head(&std::mem::take(&mut self.head)),
            ResponseStage::Streaming | ResponseStage::Ended => {}
        }
        self.stage = ResponseStage::Streaming;
        Ok(conversation)
    }

    /// Ends the response in another way than the application has.
    fn end(&mut self, outcome: RequestOutcome) {
        if let Some(conversation) = self.conversation.as_mut().filter(|_| self.stage != ResponseStage::Ended)
        {
            self.file = None;
            conversation.finish(outcome);
            self.stage = ResponseStage::Ended;
        }
    }
}

impl AsgiChannel {
    /// The channel of a request.
    pub fn new(names: &'static ScopeNames, conversation: Box<dyn Conversation>) -> Self {
        let (payload, socket) = (conversation.payload(), conversation.socket());
        let flags = Request::decode(&payload).map_or(RequestFlags::default(), |request| request.head.flags);
        let state = ChannelState {
            conversation: Some(conversation),
            place: None,
            stage: ResponseStage::Open,
            socket: None,
            head: Vec::new(),
            file: None,
            gone: false,
        };
        let discards_body = flags.has(RequestFlags::HEAD_ONLY) && !flags.has(RequestFlags::HEAD_IS_FILTERED);
        let is_websocket = flags.has(RequestFlags::WEBSOCKET);
        Self { names, payload, socket, discards_body, state: Mutex::new(state), is_websocket }
    }

    fn with_request<T>(&self, py: Attached<'_>, f: impl FnOnce(&mut Request<'_>) -> Result<T>) -> Result<T> {
        let mut request = Request::decode(&self.payload).map_err(|error| {
            Raised::new(py, ExceptionKind::Value, &format!("request from httpd: {error}"))
        })?;
        let host = interpreter::main().host;
        let head = &mut request.head;
        head.script = host.inside_chroot(head.script).unwrap_or(head.script);
        head.resource = host.inside_chroot(head.resource).unwrap_or(head.resource);
        f(&mut request)
    }

    fn fileno<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        let socket = lock(py, &self.state).conversation.as_ref().map_or(self.socket, |open| open.socket());
        py.int(socket.into())
    }

    /// The callable; None if the request has been dealt with without it.
    fn application<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // Taken out while code of the script may run.
        let Some(mut conversation) = lock(py, &self.state).conversation.take() else {
            return Ok(py.none().own(py));
        };
        if !conversation.is_admitted() {
            self.refuse_socket(py, conversation);
            return Ok(py.none().own(py));
        }
        conversation.enter();
        let found = self.with_request(py, |request| {
            Ok(with_log_scope(py, &request.head, &mut *conversation, |main, state| {
                let _running = RunningRequest::begin(state);
                wsgi::find_application(py, main, state, request)
            }))
        })?;
        match found {
            Ok(application) => {
                lock(py, &self.state).conversation = Some(conversation);
                Ok(application)
            }
            Err(RequestOutcome::Refused) => {
                conversation.refuse();
                Ok(py.none().own(py))
            }
            Err(outcome) => {
                conversation.finish(outcome);
                // A status and nothing else: it fits, or nobody is there.
                let _ = conversation.flush();
                lock(py, &self.state).place = Some(conversation.release());
                Ok(py.none().own(py))
            }
        }
    }

    fn scope<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let state = arguments.first().copied().filter(|state| !state.is_none());
        self.with_request(py, |request| scope::build(py, self.names, request, state))
    }

    /// The next message of `receive`; None: wait until the socket is readable.
    fn receive<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        forked::end_if_forked();
        let mut state = lock(py, &self.state);
        let is_open = state.stage != ResponseStage::Ended && !state.gone;
        let arrived = match state.conversation.as_mut().filter(|_| is_open) {
            Some(conversation) if conversation.reads_file() => python::detached(|| conversation.receive()),
            Some(conversation) => conversation.receive(),
            None => ConversationInput::Gone,
        };
        state.gone |= arrived == ConversationInput::Gone;
        drop(state);
        let message = py.dict()?;
        let kind = |name: &crate::python::Stored| message.dict_set(self.names.kind.get(py), name.get(py));
        match arrived {
            ConversationInput::Nothing => return Ok(py.none().own(py)),
            ConversationInput::Gone => kind(&self.names.connection_gone)?,
            ConversationInput::Body(body, is_last) => {
                kind(&self.names.http_request)?;
                message.dict_set(self.names.body.get(py), &*py.bytes(&body)?)?;
                message.dict_set(self.names.more_body.get(py), py.truth(!is_last))?;
            }
        }
        Ok(message)
    }

    fn send<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let Some(message) = arguments.first() else {
            return Err(Raised::new(py, ExceptionKind::Type, "send() takes one message"));
        };
        let kind = super::entry(py, message, &self.names.kind)?;
        let kind = match &kind {
            Some(kind) if kind.is_str() => kind.lossy(py),
            _ => return Err(Raised::new(py, ExceptionKind::Type, "a message is a dict with the key 'type'")),
        };
        match kind.as_str() {
            "http.response.body" => self.send_body(py, message),
            "http.response.start" => self.send_start(py, message),
            "http.response.pathsend" | "http.response.zerocopysend" => self.send_file(py, message, &kind),
            _ => Err(Raised::new(py, ExceptionKind::Runtime, &format!("unexpected message '{kind}'"))),
        }
    }

    fn send_start<'py>(&self, py: Attached<'py>, message: &Object) -> Result<Owned<'py>> {
        let Some(status) = super::entry(py, message, &self.names.status)? else {
            return Err(Raised::new(py, ExceptionKind::Value, "http.response.start needs a status"));
        };
        let headers = super::entry(py, message, &self.names.headers)?;
        let head = head::encode(py, &status, headers.as_deref())?;
        let mut state = lock(py, &self.state);
        if state.stage != ResponseStage::Open {
            drop(state);
            return Err(Raised::new(py, ExceptionKind::Runtime, "http.response.start was sent before"));
        }
        (state.head, state.stage) = (head, ResponseStage::Started);
        answer(py, SendStatus::Sent)
    }

    fn send_body<'py>(&self, py: Attached<'py>, message: &Object) -> Result<Owned<'py>> {
        let body = super::entry(py, message, &self.names.body)?;
        let more = match super::entry(py, message, &self.names.more_body)? {
            Some(more) => more.is_true()?,
            None => false,
        };
        let copy;
        let block = match &body {
            None => &[][..],
            Some(body) => match body.as_bytes() {
                Some(bytes) => bytes,
                None => {
                    copy = BufferView::new(py, body)?.to_vec();
                    &copy
                }
            },
        };
        let mut state = lock(py, &self.state);
        let conversation = state.begin_body(py)?;
        if !self.discards_body {
            conversation.data(block);
        }
        if more {
            conversation.push();
        } else {
            conversation.finish(RequestOutcome::Complete);
            state.stage = ResponseStage::Ended;
        }
        answer(py, state.advance())
    }

    fn send_file<'py>(&self, py: Attached<'py>, message: &Object, kind: &str) -> Result<Owned<'py>> {
        let part = files::part(py, self.names, message, kind)?;
        let mut state = lock(py, &self.state);
        let conversation = state.begin_body(py)?;
        match (self.discards_body || part.length == 0, part.more) {
            (false, _) => state.file = Some(part),
            (true, true) => conversation.push(),
            (true, false) => {
                conversation.finish(RequestOutcome::Complete);
                state.stage = ResponseStage::Ended;
            }
        }
        answer(py, state.advance())
    }

    /// The application has ended, with `error` or None; `is_quiet`: which is no fault of its own; `is_overdue`: its time was
    /// over.
    fn finish<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let [error, is_quiet, is_overdue] = arguments else {
            return Err(Raised::new(py, ExceptionKind::Type, "error, is_quiet and is_overdue"));
        };
        let is_overdue = is_overdue.is_true()?;
        let error = (!error.is_none()).then(|| exception(py, error));
        let is_quiet = is_quiet.is_true()?;
        let (conversation, stage, gone) = {
            let mut state = lock(py, &self.state);
            let stage = if state.socket.is_some() { ResponseStage::Ended } else { state.stage };
            (state.conversation.take(), stage, state.gone)
        };
        let Some(mut conversation) = conversation else {
            // The request is over for httpd: what is left to say belongs to nobody's log.
            if let Some(error) = error.filter(|_| !is_quiet) {
                self.with_request(py, |request| {
                    failures::report(py, LogScope::Server, interpreter::main(), request.head.script, error);
                    Ok(())
                })?;
            }
            return answer(py, SendStatus::Sent);
        };
        let is_calm = is_quiet || (gone && error.as_ref().is_none_or(|error| has_left(py, error)));
        self.with_request(py, |request| {
            let head = &request.head;
            with_log_scope(py, head, &mut *conversation, |main, state| {
                let log_scope = LogScope::Request(state);
                match error {
                    Some(error) if is_calm => {
                        log_scope.record(py, log::INFO, &messages::asgi_cut_off(&error.name(py)));
                    }
                    Some(error) => failures::report(py, log_scope, main, head.script, error),
                    None if is_calm || stage == ResponseStage::Ended => {}
                    None => log_scope.record(
                        py,
                        log::ERROR,
                        &messages::no_response(stage == ResponseStage::Streaming),
                    ),
                }
            });
            Ok(())
        })?;
        let mut state = lock(py, &self.state);
        state.conversation = Some(conversation);
        state.end(match stage {
            ResponseStage::Streaming => RequestOutcome::Aborted,
            // A WebSocket; its close frame has said what there is to say.
            ResponseStage::Ended => RequestOutcome::Complete,
            ResponseStage::Open | ResponseStage::Started => {
                RequestOutcome::Fail(match (is_overdue, is_quiet) {
                    (true, _) => 504,
                    (false, true) => 503,
                    (false, false) => 500,
                })
            }
        });
        answer(py, state.advance())
    }

    /// Logs in the context of the request, or of the server when that is over for httpd.
    pub(super) fn log(&self, py: Attached<'_>, line: &str) {
        let mut state = lock(py, &self.state);
        match &mut state.conversation {
            Some(conversation) => conversation.log(log::WARN, line.as_bytes()),
            None => log::write(log::WARN, line),
        }
    }

    /// `overdue(seconds, stack, is_cancelled)`
    fn overdue<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        if let [seconds, stack, is_cancelled] = arguments {
            let is_cancelled = is_cancelled.is_true()?;
            self.log(py, &messages::asgi_long(&seconds.lossy(py), is_cancelled, &stack.lossy(py)));
        }
        Ok(py.none().own(py))
    }

    /// The application could not be started.
    fn fail_startup<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let text = arguments.first().map(|text| text.lossy(py)).unwrap_or_default();
        let Some(mut conversation) = lock(py, &self.state).conversation.take() else {
            return Ok(py.none().own(py));
        };
        self.with_request(py, |request| {
            let line = messages::startup_failed(request.head.script, &text);
            with_log_scope(py, &request.head, &mut *conversation, |_, state| {
                LogScope::Request(state).record(py, log::ERROR, &line);
            });
            Ok(())
        })?;
        let mut state = lock(py, &self.state);
        state.conversation = Some(conversation);
        state.end(RequestOutcome::Fail(500));
        Ok(py.none().own(py))
    }

    /// Gives the connection back; what could not be sent breaks it off. None, or a descriptor to be read from before it is closed.
    fn release<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        forked::end_if_forked();
        let mut state = lock(py, &self.state);
        let mut lingering = None;
        if let Some(mut conversation) = state.conversation.take() {
            state.stage = ResponseStage::Ended;
            lingering = conversation.linger();
            state.place = Some(conversation.release());
        }
        drop(state);
        match lingering {
            Some(socket) => py.int(socket.into_raw_fd().into()),
            None => Ok(py.none().own(py)),
        }
    }

    /// The application has ended: its place is free.
    fn leave<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        let mut state = lock(py, &self.state);
        let rest = (state.conversation.take(), state.place.take());
        drop(state);
        drop(rest);
        super::left();
        Ok(py.none().own(py))
    }
}

/// An exception object as if it had just been caught.
fn exception<'py>(py: Attached<'py>, value: &Object) -> Exception<'py> {
    value.raise().take(py)
}

/// Whether an exception only says that the client has left.
fn has_left(py: Attached<'_>, error: &Exception<'_>) -> bool {
    error.is(py, ExceptionKind::Os)
        || matches!(error.name(py).as_str(), "ClientDisconnect" | "CancelledError")
}
