//! Whether a request opens a WebSocket.

use super::request::Request;
use wsgi_protocol::websocket::WebSocketOpening;

/// The key of a request that is an opening handshake, over a connection that can become a tunnel.
pub fn key_of(r: Request<'_>) -> Option<&[u8]> {
    let headers = r.headers_in();
    let get = |name| headers.get(name).unwrap_or_default();
    let opening = WebSocketOpening {
        method: r.method(),
        protocol: r.protocol(),
        upgrade: get(c"Upgrade"),
        connection: get(c"Connection"),
        version: get(c"Sec-WebSocket-Version"),
        key: get(c"Sec-WebSocket-Key"),
        is_stream: r.is_stream(),
    };
    (opening.is_handshake() && r.is_main() && r.tunnel_fd().is_some()).then_some(opening.key)
}

/// Whether a request is one.
pub fn is_websocket(r: Request<'_>) -> bool {
    r.headers_in().get(c"Upgrade").is_some() && key_of(r).is_some()
}
