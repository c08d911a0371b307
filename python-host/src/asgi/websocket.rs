//! The frames of a WebSocket (RFC 6455), by the crate tungstenite over two buffers.

use crate::conversation::Conversation;
use std::io::{self, Read, Write};
use tungstenite::error::Error;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Message, Utf8Bytes};

/// Most bytes of a message, and of a frame; longer ones are answered by 1009.
const LONGEST: usize = 16 * 1024 * 1024;
/// What a socket keeps for reading while nothing comes: there may be thousands.
const READ: usize = 4 * 1024;
/// Most bytes of the reason of a close frame.
const REASON: usize = 123;
/// The client did not say why it has closed.
const NO_STATUS: u16 = 1005;
/// The connection ended without a close frame.
pub(super) const ABNORMAL: u16 = 1006;

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
pub(super) enum WebSocketEvent {
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
    /// One that has just been accepted.
    pub(super) fn new() -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_message_size(Some(LONGEST))
            .max_frame_size(Some(LONGEST));
        Self { context: WebSocketContext::new(Role::Server, Some(config)), pipe: WebSocketPipe::default() }
    }

    /// More has been received.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.pipe.incoming.extend_from_slice(bytes);
    }

    /// The next event of what has been received.
    pub(super) fn next(&mut self) -> WebSocketEvent {
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

    /// Puts a close frame behind what is to be sent.
    pub(super) fn close(&mut self, code: u16, reason: &str) {
        let mut end = reason.len().min(REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason[..end].into() };
        // Into memory: only a socket that is closed already refuses, and needs no second frame.
        let _ = self.context.close(&mut self.pipe, Some(frame));
    }

    /// Puts a message there; false: behind the end.
    pub(super) fn write(&mut self, message: Message) -> bool {
        let written = self.context.write(&mut self.pipe, message);
        written.and_then(|()| self.context.flush(&mut self.pipe)).is_ok()
    }

    /// Puts what is to be sent on its way.
    pub(super) fn pass(&mut self, conversation: &mut dyn Conversation) {
        if !self.pipe.outgoing.is_empty() {
            conversation.data(&self.pipe.outgoing);
            conversation.push();
            self.pipe.outgoing = Vec::new();
        }
    }
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
