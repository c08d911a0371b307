//! WebSockets: the frames (RFC 6455), by the crate tungstenite over two buffers, and what the coroutines call for them.

use super::channel::{AsgiChannel, ChannelState, SendStatus, answer};
use super::head;
use crate::conversation::{Conversation, ConversationInput, SwitchOutcome};
use crate::exchange::RequestOutcome;
use crate::interpreter;
use crate::log;
use crate::python::class::MethodSelf;
use crate::python::trampoline::CallArguments;
use crate::python::{
    Attached, BufferView, ExceptionKind, NumberValues, Object, Owned, Raised, Result, Stored, TextValues,
    lock,
};
use std::io::{self, Read, Write};
use tungstenite::error::Error;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Message, Utf8Bytes};
use wsgi_protocol::events;
use wsgi_protocol::response::append_header;

/// Most bytes of a message, and of a frame; longer ones are answered by 1009.
const LONGEST: usize = 16 * 1024 * 1024;
/// What a socket keeps for reading while nothing comes: there may be thousands.
const READ: usize = 4 * 1024;
/// Most bytes of the reason of a close frame.
const REASON: usize = 123;
/// The client did not say why it has closed.
const NO_STATUS: u16 = 1005;
/// The connection ended without a close frame.
const ABNORMAL: u16 = 1006;

/// The bytes on their way: no socket, so nothing ever waits.
#[derive(Debug, Default)]
struct WebSocketPipe {
    incoming: Vec<u8>,
    at: usize,
    outgoing: Vec<u8>,
}

impl Read for WebSocketPipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.incoming[self.at..];
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if self.at == self.incoming.len() {
            self.incoming.clear();
            self.at = 0;
        }
        Ok(count)
    }
}

impl Write for WebSocketPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One accepted WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket {
    context: WebSocketContext,
    pipe: WebSocketPipe,
}

/// What has come.
enum WebSocketEvent {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// A sign of life and nothing else.
    Sign,
    /// It is over, for this reason.
    Closed(u16, String),
    /// More has to be received first.
    Nothing,
}

impl WebSocket {
    fn new() -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_message_size(Some(LONGEST))
            .max_frame_size(Some(LONGEST));
        Self { context: WebSocketContext::new(Role::Server, Some(config)), pipe: WebSocketPipe::default() }
    }

    /// The next event of what has been received.
    fn next(&mut self) -> WebSocketEvent {
        let event = match self.context.read(&mut self.pipe) {
            Ok(Message::Text(text)) => return WebSocketEvent::Text(text),
            Ok(Message::Binary(bytes)) => return WebSocketEvent::Binary(bytes),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => WebSocketEvent::Sign,
            Ok(Message::Close(frame)) => match frame {
                Some(frame) => WebSocketEvent::Closed(frame.code.into(), frame.reason.to_string()),
                None => WebSocketEvent::Closed(NO_STATUS, String::new()),
            },
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return WebSocketEvent::Nothing;
            }
            Err(Error::Capacity(_)) => self.fail(1009, "message too big"),
            Err(Error::Utf8(_)) => self.fail(1007, "invalid UTF-8"),
            Err(Error::Protocol(_)) => self.fail(1002, "protocol error"),
            Err(_) => WebSocketEvent::Closed(ABNORMAL, String::new()),
        };
        // Answers to pings and to a close frame; that it is closed then is known.
        let _ = self.context.flush(&mut self.pipe);
        event
    }

    fn fail(&mut self, code: u16, reason: &str) -> WebSocketEvent {
        self.close(code, reason);
        WebSocketEvent::Closed(code, reason.to_owned())
    }

    fn close(&mut self, code: u16, reason: &str) {
        let mut end = reason.len().min(REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason[..end].into() };
        // Into memory: only a socket that is closed already refuses, and needs no second frame.
        let _ = self.context.close(&mut self.pipe, Some(frame));
    }

    fn write(&mut self, message: Message) -> bool {
        let written = self.context.write(&mut self.pipe, message);
        written.and_then(|()| self.context.flush(&mut self.pipe)).is_ok()
    }

    /// Puts what is to be sent on its way.
    fn pass(&mut self, conversation: &mut dyn Conversation) {
        if !self.pipe.outgoing.is_empty() {
            conversation.data(&self.pipe.outgoing);
            conversation.push();
            self.pipe.outgoing = Vec::new();
        }
    }
}

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
                        socket.pipe.incoming.extend_from_slice(&bytes);
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
    pub(super) fn accept<'py>(&self, py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
        let [subprotocol, headers] = arguments else {
            return Err(Raised::new(py, ExceptionKind::Type, "subprotocol and headers"));
        };
        let headers = (!headers.is_none()).then_some(*headers);
        let mut head = head::encode_upgrade(py, headers)?;
        if !subprotocol.is_none() {
            let name = super::utf8_of(py, subprotocol)?;
            let name = name.as_bytes().unwrap_or_default();
            crate::wsgi::head_rules::check_value(name)
                .map_err(|fault| Raised::new(py, ExceptionKind::Value, &fault.message(name)))?;
            append_header(&mut head, b"Sec-WebSocket-Protocol", name);
        }
        let mut state = lock(py, &self.state);
        let Some(conversation) = &mut state.conversation else { return answer(py, SendStatus::Gone) };
        conversation.upgrade(&head);
        state.socket = Some(Box::new(WebSocket::new()));
        state.stage = super::channel::ResponseStage::Streaming;
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
    pub(super) fn is_switched<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        crate::forked::end_if_forked();
        let mut state = lock(py, &self.state);
        let outcome = state.conversation.as_mut().map(|conversation| conversation.switched());
        drop(state);
        Ok(py.truth(outcome != Some(SwitchOutcome::Waiting)).own(py))
    }

    /// The next message of `receive`; True: a sign of life; None: wait until the socket is readable.
    pub(super) fn next_message<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        crate::forked::end_if_forked();
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
    pub(super) fn send_message<'py>(
        &self,
        py: Attached<'py>,
        arguments: CallArguments<'py>,
    ) -> Result<Owned<'py>> {
        let Some(message) = arguments.first() else {
            return Err(Raised::new(py, ExceptionKind::Type, "a message"));
        };
        let given = |name| Ok(super::entry(py, message, name)?.filter(|value| !value.is_none()));
        let message = match (given(&self.names.text)?, given(&self.names.bytes)?) {
            (Some(text), None) => {
                let utf8 = super::utf8_of(py, &text)?;
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
    pub(super) fn end_socket<'py>(
        &self,
        py: Attached<'py>,
        arguments: CallArguments<'py>,
    ) -> Result<Owned<'py>> {
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
    pub(super) fn ping<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
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
    pub(super) fn give_up<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
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
pub(super) fn methods(
    builder: crate::python::class::ClassBuilder<AsgiChannel>,
) -> crate::python::class::ClassBuilder<AsgiChannel> {
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
pub(super) fn utf8<'py>(py: Attached<'py>, text: &Object) -> Result<Owned<'py>> {
    if !text.is_str() {
        return Err(Raised::new(
            py,
            ExceptionKind::Type,
            &format!("text must be str, not {}", text.type_name(py)),
        ));
    }
    text.to_utf8(py)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame, masked with zeroes.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        frame
    }

    fn events(bytes: &[u8]) -> (Vec<String>, Vec<u8>) {
        let mut socket = WebSocket::new();
        socket.pipe.incoming.extend_from_slice(bytes);
        let mut seen = Vec::new();
        loop {
            match socket.next() {
                WebSocketEvent::Nothing => break,
                WebSocketEvent::Sign => seen.push("sign".to_owned()),
                WebSocketEvent::Text(text) => seen.push(format!("text {text}")),
                WebSocketEvent::Binary(bytes) => seen.push(format!("{} bytes", bytes.len())),
                WebSocketEvent::Closed(code, reason) => {
                    seen.push(format!("{code} {reason}"));
                    break;
                }
            }
        }
        (seen, socket.pipe.outgoing)
    }

    #[test]
    fn messages_fragments_and_pings() {
        let bytes = [
            frame(0x81, b"one"),
            frame(0x01, b"t"),
            frame(0x89, b"p"),
            frame(0x00, b"w"),
            frame(0x80, b"o"),
            frame(0x82, &[0, 1]),
        ]
        .concat();
        let (seen, sent) = events(&bytes);
        assert_eq!(seen, ["text one", "sign", "text two", "2 bytes"]);
        assert_eq!(sent, [0x8a, 1, b'p'], "a pong with what the ping held");
    }

    #[test]
    fn each_way_to_the_end_has_its_code() {
        for (bytes, code) in [
            (frame(0x88, &[0x03, 0xe8]), "1000 "),
            (frame(0x88, b""), "1005 "),
            (frame(0x81, b"\xff"), "1007 invalid UTF-8"),
            (frame(0x83, b""), "1002 protocol error"),
            (frame(0xc1, b"compressed"), "1002 protocol error"),
            (frame(0x09, b""), "1002 protocol error"),
            (vec![0x81, 0], "1002 protocol error"),
            (vec![0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0], "1009 message too big"),
        ] {
            let (seen, sent) = events(&bytes);
            assert_eq!(seen, [code], "{bytes:?}");
            assert_eq!(sent.first(), Some(&0x88), "a close frame");
        }
    }
}
