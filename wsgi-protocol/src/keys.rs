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

/// Places of the hash table: few enough keys share one that the first look nearly always settles it.
const PLACES: usize = 256;

/// Index + 1 into [`KNOWN_KEYS`] by hash, with linear probing; 0 is an empty place.
static TABLE: [u8; PLACES] = {
    let mut table = [0; PLACES];
    let mut index = 0;
    while index < KNOWN_KEYS.len() {
        let mut place = place_of(KNOWN_KEYS[index].as_bytes());
        while table[place] != 0 {
            place = (place + 1) % PLACES;
        }
        index += 1;
        table[place] = index as u8;
    }
    table
};

/// Where a key is looked for first. Length, and letters in which keys of one length differ.
const fn place_of(key: &[u8]) -> usize {
    if key.is_empty() {
        return 0;
    }
    let (length, last) = (key.len(), key[key.len() - 1] as usize);
    (length * 37 + last * 5 + key[length / 2] as usize * 3 + key[length / 4] as usize) % PLACES
}

/// The index of `key` in [`KNOWN_KEYS`], if it is one of them.
#[must_use]
#[inline]
pub fn index_of(key: &[u8]) -> Option<u8> {
    let mut place = place_of(key);
    loop {
        let index = TABLE[place].checked_sub(1)?;
        if KNOWN_KEYS[usize::from(index)].as_bytes() == key {
            return Some(index);
        }
        place = (place + 1) % PLACES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_unique_and_few() {
        assert!(KNOWN_KEYS.windows(2).all(|w| w[0] < w[1]));
        assert!(KNOWN_KEYS.len() < 255);
        for (index, key) in KNOWN_KEYS.iter().enumerate() {
            assert_eq!(index_of(key.as_bytes()).map(usize::from), Some(index), "{key}");
        }
        assert_eq!(index_of(b""), None);
        assert_eq!(index_of(b"nope"), None);
    }

    #[test]
    fn few_keys_share_a_place() {
        let mut places: Vec<_> = KNOWN_KEYS.iter().map(|key| place_of(key.as_bytes())).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() * 10 >= KNOWN_KEYS.len() * 8, "{} of {}", places.len(), KNOWN_KEYS.len());
    }
}
