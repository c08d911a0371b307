//! Python strings that each request of the event loop uses, made once.

use crate::python::{Attached, Result, Stored, TextValues};
use wsgi_protocol::keys::KNOWN_KEYS;

macro_rules! names {
    ($($field:ident = $text:literal),* $(,)?) => {
        /// See the module's comment.
        #[derive(Debug)]
        pub struct ScopeNames {
            $(#[doc = $text] pub $field: Stored,)*
            /// For each key that travels as a number: the header's name as bytes, the part behind `mod_wsgi.`, or the key.
            pub keys: Vec<Stored>,
        }

        impl ScopeNames {
            /// Makes them.
            pub fn new(py: Attached<'_>) -> Result<Self> {
                Ok(Self { $($field: py.interned($text)?.store(),)* keys: keys(py)? })
            }
        }
    };
}

names! {
    asgi = "asgi",
    asgi_three = "3.0",
    asgi_two_five = "2.5",
    body = "body",
    bytes = "bytes",
    client = "client",
    code = "code",
    connection_gone = "http.disconnect",
    count = "count",
    denial = "websocket.http.response",
    environ = "environ",
    extensions = "extensions",
    file = "file",
    headers = "headers",
    http = "http",
    http_request = "http.request",
    http_version = "http_version",
    https = "https",
    method = "method",
    mod_wsgi = "mod_wsgi",
    more_body = "more_body",
    offset = "offset",
    path = "path",
    pathsend = "http.response.pathsend",
    query_string = "query_string",
    queue_start = "queue_start",
    raw_path = "raw_path",
    reason = "reason",
    request_start = "request_start",
    root_path = "root_path",
    scheme = "scheme",
    server = "server",
    spec_version = "spec_version",
    state = "state",
    status = "status",
    subprotocols = "subprotocols",
    text = "text",
    kind = "type",
    version = "version",
    websocket = "websocket",
    websocket_disconnect = "websocket.disconnect",
    websocket_receive = "websocket.receive",
    ws = "ws",
    wss = "wss",
    zerocopysend = "http.response.zerocopysend",
}

fn keys(py: Attached<'_>) -> Result<Vec<Stored>> {
    let key = |key: &&str| match (header_of(key.as_bytes()), key.strip_prefix("mod_wsgi.")) {
        (Some(header), _) => Ok(py.bytes(&header)?.store()),
        (None, name) => Ok(py.interned(name.unwrap_or(key))?.store()),
    };
    KNOWN_KEYS.iter().map(key).collect()
}

/// The name of the header behind a CGI variable, as HTTP/2 writes it.
pub fn header_of(key: &[u8]) -> Option<Vec<u8>> {
    let name = match key {
        b"CONTENT_TYPE" | b"CONTENT_LENGTH" => key,
        _ => key.strip_prefix(b"HTTP_")?,
    };
    let lower = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    Some(name.iter().map(lower).collect())
}

#[cfg(test)]
mod tests {
    use super::header_of;

    #[test]
    fn variables_are_headers_or_not() {
        assert_eq!(header_of(b"HTTP_X_REQUESTED_WITH").unwrap(), b"x-requested-with");
        assert_eq!(header_of(b"CONTENT_TYPE").unwrap(), b"content-type");
        assert_eq!(header_of(b"HTTPS"), None);
        assert_eq!(header_of(b"PATH_INFO"), None);
    }
}
