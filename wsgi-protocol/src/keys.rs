//! Environ keys that travel as one byte. The host keeps a Python string for each of them.

/// Keys by number; the wire carries index + 1. Append only within one protocol version.
pub const KNOWN_KEYS: &[&str] = &[
    "AUTH_TYPE",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "DOCUMENT_ROOT",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_AUTHORIZATION",
    "HTTP_CACHE_CONTROL",
    "HTTP_CONNECTION",
    "HTTP_COOKIE",
    "HTTP_EXPECT",
    "HTTP_HOST",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_ORIGIN",
    "HTTP_PRAGMA",
    "HTTP_RANGE",
    "HTTP_REFERER",
    "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE",
    "HTTP_SEC_CH_UA_PLATFORM",
    "HTTP_SEC_FETCH_DEST",
    "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_SEC_FETCH_USER",
    "HTTP_TE",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_UPGRADE_INSECURE_REQUESTS",
    "HTTP_USER_AGENT",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REQUESTED_WITH",
    "PATH_INFO",
    "QUERY_STRING",
    "REDIRECT_STATUS",
    "REDIRECT_URL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SERVER_ADDR",
    "SERVER_ADMIN",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "SSL_CIPHER",
    "SSL_PROTOCOL",
    "UNIQUE_ID",
    "mod_wsgi.application_group",
    "mod_wsgi.callable_object",
    "mod_wsgi.connection_id",
    "mod_wsgi.handler_script",
    "mod_wsgi.listener_host",
    "mod_wsgi.listener_port",
    "mod_wsgi.path_info",
    "mod_wsgi.process_group",
    "mod_wsgi.request_handler",
    "mod_wsgi.request_id",
    "mod_wsgi.script_name",
    "mod_wsgi.server_pid",
];

/// The index of `key` in [`KNOWN_KEYS`], if it is one of them.
#[must_use]
#[inline]
pub fn index_of(key: &[u8]) -> Option<u8> {
    // Fewer than 256 entries, checked by a test.
    KNOWN_KEYS.binary_search_by(|known| known.as_bytes().cmp(key)).ok().map(|i| i as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_unique_and_few() {
        assert!(KNOWN_KEYS.windows(2).all(|w| w[0] < w[1]));
        assert!(KNOWN_KEYS.len() < 255);
        assert_eq!(index_of(b"PATH_INFO").map(|i| KNOWN_KEYS[i as usize]), Some("PATH_INFO"));
        assert_eq!(index_of(b"nope"), None);
    }
}
