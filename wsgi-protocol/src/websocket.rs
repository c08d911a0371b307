//! The opening handshake of a WebSocket (RFC 6455 §4.2): which requests are one. Asked by
//! httpd's child, which says so to the process that runs the application, and before it sends 101 to anybody.

use base64::prelude::{BASE64_STANDARD as STANDARD, Engine};

/// What a request says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebSocketOpening<'a> {
    /// The method.
    pub method: &'a [u8],
    /// `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// The header Upgrade.
    pub upgrade: &'a [u8],
    /// The header Connection.
    pub connection: &'a [u8],
    /// The header Sec-WebSocket-Version.
    pub version: &'a [u8],
    /// The header Sec-WebSocket-Key.
    pub key: &'a [u8],
    /// It is a stream of HTTP/2: mod_http2 makes such a request of an extended CONNECT (RFC 8441), and of nothing else, as clients may
    /// send neither Upgrade nor Connection there.
    pub is_stream: bool,
}

impl WebSocketOpening<'_> {
    /// Whether it is the opening handshake of a WebSocket, in the only version that there is.
    #[must_use]
    pub fn is_handshake(&self) -> bool {
        self.method == b"GET"
            && self.protocol == if self.is_stream { &b"HTTP/2.0"[..] } else { b"HTTP/1.1" }
            && has_token(self.upgrade, b"websocket")
            && has_token(self.connection, b"upgrade")
            && self.version == b"13"
            && is_key(self.key)
    }
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(token))
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit)
}

/// The value of Sec-WebSocket-Accept for a client's key (RFC 6455 §4.2.2).
#[must_use]
pub fn accept(key: &[u8]) -> String {
    const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = sha1_smol::Sha1::from([key, MAGIC].concat()).digest().bytes();
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: WebSocketOpening<'_> = WebSocketOpening {
        method: b"GET",
        protocol: b"HTTP/1.1",
        upgrade: b"WebSocket",
        connection: b"keep-alive, Upgrade",
        version: b"13",
        key: b"dGhlIHNhbXBsZSBub25jZQ==",
        is_stream: false,
    };

    /// The example of RFC 6455 §1.3.
    #[test]
    fn accept_is_that_of_the_standard() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_a_whole_handshake_counts() {
        assert!(REAL.is_handshake());
        assert!(WebSocketOpening { protocol: b"HTTP/2.0", is_stream: true, ..REAL }.is_handshake());
        for wrong in [
            WebSocketOpening { method: b"POST", ..REAL },
            WebSocketOpening { protocol: b"HTTP/1.0", ..REAL },
            WebSocketOpening { protocol: b"HTTP/2.0", ..REAL },
            WebSocketOpening { is_stream: true, ..REAL },
            WebSocketOpening { upgrade: b"h2c", ..REAL },
            WebSocketOpening { upgrade: b"websockets", ..REAL },
            WebSocketOpening { connection: b"keep-alive", ..REAL },
            WebSocketOpening { version: b"8", ..REAL },
            WebSocketOpening { key: b"", ..REAL },
            WebSocketOpening { key: b"dGhlIHNhbXBsZSBub25jZQ=", ..REAL },
            WebSocketOpening { key: b"dGhlIHNhbXBsZSBub25j\r\n==", ..REAL },
        ] {
            assert!(!wrong.is_handshake(), "{wrong:?}");
        }
    }
}
