//! What the coroutines of a WebSocket call (`websocket.py`).

use super::{AsgiChannel, ChannelState, ResponseStage, SendStatus, answer};
use crate::asgi::websocket::{ABNORMAL, WebSocket, WebSocketEvent};
use crate::asgi::{entry, head};
use crate::conversation::{Conversation, ConversationInput, SwitchOutcome};
use crate::exchange::RequestOutcome;
use crate::forked;
use crate::interpreter;
use crate::log;
use crate::python::class::{ClassBuilder, MethodSelf};
use crate::python::trampoline::CallArguments;
use crate::python::{
    Attached, BufferView, ExceptionKind, NumberValues, Object, Owned, Raised, Result, Stored, TextValues,
    lock,
};
use crate::wsgi::head_rules;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message};
use wsgi_protocol::events;
use wsgi_protocol::response::append_header;

impl ChannelState {
    /// The next event, after what has to be received for it.
    fn next_event(&mut self) -> WebSocketEvent {
        let (Some(socket), Some(conversation)) = (&mut self.socket, &mut self.conversation) else {
            return WebSocketEvent::Closed(ABNORMAL, String::new());
        };
        loop {
            let mut event = socket.next();
            if matches!(event, WebSocketEvent::Nothing) {
                match conversation.receive() {
                    ConversationInput::Body(bytes, false) => {
                        socket.feed(&bytes);
                        continue;
                    }
                    ConversationInput::Nothing => {}
                    ConversationInput::Body(_, true) | ConversationInput::Gone => {
                        event = WebSocketEvent::Closed(ABNORMAL, String::new())
                    }
                }
            }
            socket.pass(&mut **conversation);
            if matches!(event, WebSocketEvent::Closed(..)) {
                self.gone = true;
                self.end(RequestOutcome::Complete);
            }
            return event;
        }
    }

    fn send_message(&mut self, py: Attached<'_>, message: Message) -> Result<SendStatus> {
        let (Some(socket), Some(conversation)) = (&mut self.socket, &mut self.conversation) else {
            return Ok(SendStatus::Gone);
        };
        if !socket.write(message) {
            return Err(Raised::new(py, ExceptionKind::Runtime, "a message behind the end of the WebSocket"));
        }
        socket.pass(&mut **conversation);
        Ok(self.advance())
    }
}

impl AsgiChannel {
    /// `accept(subprotocol, headers)`
    fn accept<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let [subprotocol, headers] = arguments else {
            return Err(Raised::new(py, ExceptionKind::Type, "subprotocol and headers"));
        };
        let headers = (!headers.is_none()).then_some(*headers);
        let mut head = head::encode_upgrade(py, headers)?;
        if !subprotocol.is_none() {
            let name = utf8(py, subprotocol)?;
            let name = name.as_bytes().unwrap_or_default();
            head_rules::check_value(name)
                .map_err(|fault| Raised::new(py, ExceptionKind::Value, &fault.message(name)))?;
            append_header(&mut head, b"Sec-WebSocket-Protocol", name);
        }
        let mut state = lock(py, &self.state);
        let Some(conversation) = &mut state.conversation else { return answer(py, SendStatus::Gone) };
        conversation.upgrade(&head);
        state.socket = Some(Box::new(WebSocket::new()));
        state.stage = ResponseStage::Streaming;
        answer(py, state.advance())
    }

    /// The process has as many WebSockets as it may.
    pub(super) fn refuse_socket(&self, py: Attached<'_>, mut conversation: Box<dyn Conversation>) {
        let most = interpreter::main().host.launch().websockets;
        let line = events::SOCKETS_FULL
            .line(format!("Too many WebSockets (max-websockets={most} or the limit of open files)."));
        conversation.log(log::WARN, line.as_bytes());
        conversation.finish(RequestOutcome::Fail(503));
        // A status and nothing else: it fits, or nobody is there.
        let _ = conversation.flush();
        lock(py, &self.state).place = Some(conversation.release());
    }

    /// Whether httpd has answered that; `fileno` may be another one then.
    fn is_switched<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        forked::end_if_forked();
        let mut state = lock(py, &self.state);
        let outcome = state.conversation.as_mut().map(|conversation| conversation.switched());
        drop(state);
        Ok(py.truth(outcome != Some(SwitchOutcome::Waiting)).own(py))
    }

    /// The next message of `receive`; True: a sign of life; None: wait until the socket is readable.
    fn next_message<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        forked::end_if_forked();
        let event = lock(py, &self.state).next_event();
        let message = py.dict()?;
        let put = |name: &Stored, value: &Object| message.dict_set(name.get(py), value);
        let names = self.names;
        match event {
            WebSocketEvent::Nothing => return Ok(py.none().own(py)),
            WebSocketEvent::Sign => return Ok(py.truth(true).own(py)),
            WebSocketEvent::Text(text) => {
                put(&names.kind, names.websocket_receive.get(py))?;
                put(&names.text, &*py.text(text.as_str())?)?;
            }
            WebSocketEvent::Binary(bytes) => {
                put(&names.kind, names.websocket_receive.get(py))?;
                put(&names.bytes, &*py.bytes(&bytes)?)?;
            }
            WebSocketEvent::Closed(code, reason) => {
                put(&names.kind, names.websocket_disconnect.get(py))?;
                put(&names.code, &*py.int(code.into())?)?;
                put(&names.reason, &*py.text(&reason)?)?;
            }
        }
        Ok(message)
    }

    /// `send_message(message)`: a `websocket.send`.
    fn send_message<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let Some(message) = arguments.first() else {
            return Err(Raised::new(py, ExceptionKind::Type, "a message"));
        };
        let given = |name| Ok(entry(py, message, name)?.filter(|value| !value.is_none()));
        let message = match (given(&self.names.text)?, given(&self.names.bytes)?) {
            (Some(text), None) => {
                let utf8 = utf8(py, &text)?;
                let utf8 = String::from_utf8_lossy(utf8.as_bytes().unwrap_or_default()).into_owned();
                Message::Text(utf8.into())
            }
            (None, Some(bytes)) => Message::Binary(match bytes.as_bytes() {
                Some(bytes) => Bytes::copy_from_slice(bytes),
                None => BufferView::new(py, &bytes)?.to_vec().into(),
            }),
            _ => {
                return Err(Raised::new(
                    py,
                    ExceptionKind::Value,
                    "websocket.send needs either text or bytes",
                ));
            }
        };
        let status = lock(py, &self.state).send_message(py, message)?;
        answer(py, status)
    }

    /// `end_socket(code, reason)`: a close frame.
    fn end_socket<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let [code, reason] = arguments else {
            return Err(Raised::new(py, ExceptionKind::Type, "code and reason"));
        };
        let code = u16::try_from(code.index(py)?).ok().filter(|code| CloseCode::from(*code).is_allowed());
        let code = code.ok_or_else(|| Raised::new(py, ExceptionKind::Value, "no code of a close frame"))?;
        let reason = if reason.is_none() { String::new() } else { reason.lossy(py) };
        let mut state = lock(py, &self.state);
        let state = &mut *state;
        if let (Some(socket), Some(conversation)) = (&mut state.socket, &mut state.conversation) {
            socket.close(code, &reason);
            socket.pass(&mut **conversation);
        }
        answer(py, state.advance())
    }

    /// A ping; its pong is a sign of life.
    fn ping<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        let status = lock(py, &self.state).send_message(py, Message::Ping(Bytes::new()));
        answer(
            py,
            status.unwrap_or_else(|raised| {
                raised.clear(py);
                SendStatus::Sent
            }),
        )
    }

    /// The other side does not answer any more: the connection is given up.
    fn give_up<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        let mut state = lock(py, &self.state);
        state.gone = true;
        if let Some(conversation) = &mut state.conversation {
            conversation.give_up();
        }
        state.end(RequestOutcome::Complete);
        answer(py, state.advance())
    }
}

/// Adds the methods of a WebSocket to the class of channels.
pub(super) fn methods(builder: ClassBuilder<AsgiChannel>) -> ClassBuilder<AsgiChannel> {
    builder
        .method(c"accept", |py, this: MethodSelf<'_, AsgiChannel>, arguments| this.accept(py, arguments))
        .method(c"is_switched", |py, this: MethodSelf<'_, AsgiChannel>, _| this.is_switched(py))
        .method(c"next_message", |py, this: MethodSelf<'_, AsgiChannel>, _| this.next_message(py))
        .method(c"send_message", |py, this: MethodSelf<'_, AsgiChannel>, arguments| {
            this.send_message(py, arguments)
        })
        .method(c"end_socket", |py, this: MethodSelf<'_, AsgiChannel>, arguments| {
            this.end_socket(py, arguments)
        })
        .method(c"ping", |py, this: MethodSelf<'_, AsgiChannel>, _| this.ping(py))
        .method(c"give_up", |py, this: MethodSelf<'_, AsgiChannel>, _| this.give_up(py))
}

/// A str as bytes.
fn utf8<'py>(py: Attached<'py>, text: &Object) -> Result<Owned<'py>> {
    if !text.is_str() {
        return Err(Raised::new(
            py,
            ExceptionKind::Type,
            &format!("text must be str, not {}", text.type_name(py)),
        ));
    }
    text.to_utf8(py)
}
