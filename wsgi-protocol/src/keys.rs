//! The keys of the environ, in one table: those that travel from httpd as one byte, and those that the host sets itself.

/// Declares the keys that travel as one byte. `usual` are those that nearly every request has: the host keeps a place
/// for them in the dictionary that it copies for each request, so that filling them in does not grow the copy.
macro_rules! known_keys {
    ($($kind:ident $key:literal,)*) => {
        /// Keys by number; the wire carries index + 1. Sorted; the host keeps a Python string for each of them. Both sides
        /// count, so a change of this list needs another [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION).
        pub const KNOWN_KEYS: &[&str] = &[$($key,)*];

        /// Those of [`KNOWN_KEYS`] that nearly every request has, as a bit set.
        pub const USUAL_KEYS: u128 = {
            let is_usual = [$(known_keys!($kind),)*];
            assert!(is_usual.len() <= 128);
            let (mut bits, mut index) = (0, 0);
            while index < is_usual.len() {
                bits |= (is_usual[index] as u128) << index;
                index += 1;
            }
            bits
        };
    };
    (usual) => { true };
    (rare) => { false };
}

known_keys! {
    rare "AUTH_TYPE",
    rare "CONTENT_LENGTH",
    rare "CONTENT_TYPE",
    usual "CONTEXT_DOCUMENT_ROOT",
    usual "CONTEXT_PREFIX",
    usual "DOCUMENT_ROOT",
    rare "HTTP_ACCEPT",
    rare "HTTP_ACCEPT_ENCODING",
    rare "HTTP_ACCEPT_LANGUAGE",
    rare "HTTP_AUTHORIZATION",
    rare "HTTP_CACHE_CONTROL",
    rare "HTTP_CONNECTION",
    rare "HTTP_COOKIE",
    rare "HTTP_EXPECT",
    usual "HTTP_HOST",
    rare "HTTP_IF_MODIFIED_SINCE",
    rare "HTTP_IF_NONE_MATCH",
    rare "HTTP_ORIGIN",
    rare "HTTP_PRAGMA",
    rare "HTTP_RANGE",
    rare "HTTP_REFERER",
    rare "HTTP_SEC_CH_UA",
    rare "HTTP_SEC_CH_UA_MOBILE",
    rare "HTTP_SEC_CH_UA_PLATFORM",
    rare "HTTP_SEC_FETCH_DEST",
    rare "HTTP_SEC_FETCH_MODE",
    rare "HTTP_SEC_FETCH_SITE",
    rare "HTTP_SEC_FETCH_USER",
    rare "HTTP_TE",
    rare "HTTP_TRANSFER_ENCODING",
    rare "HTTP_UPGRADE_INSECURE_REQUESTS",
    rare "HTTP_USER_AGENT",
    rare "HTTP_X_FORWARDED_FOR",
    rare "HTTP_X_FORWARDED_HOST",
    rare "HTTP_X_FORWARDED_PROTO",
    rare "HTTP_X_REQUESTED_WITH",
    usual "PATH_INFO",
    usual "QUERY_STRING",
    rare "REDIRECT_STATUS",
    rare "REDIRECT_URL",
    usual "REMOTE_ADDR",
    usual "REMOTE_PORT",
    rare "REMOTE_USER",
    usual "REQUEST_METHOD",
    usual "REQUEST_SCHEME",
    usual "REQUEST_URI",
    usual "SCRIPT_FILENAME",
    usual "SCRIPT_NAME",
    usual "SERVER_ADDR",
    rare "SERVER_ADMIN",
    usual "SERVER_NAME",
    usual "SERVER_PORT",
    usual "SERVER_PROTOCOL",
    usual "SERVER_SOFTWARE",
    rare "SSL_CIPHER",
    rare "SSL_PROTOCOL",
    rare "UNIQUE_ID",
    usual "mod_wsgi.application_group",
    usual "mod_wsgi.callable_object",
    rare "mod_wsgi.connection_id",
    usual "mod_wsgi.handler_script",
    usual "mod_wsgi.listener_host",
    usual "mod_wsgi.listener_port",
    usual "mod_wsgi.path_info",
    usual "mod_wsgi.process_group",
    usual "mod_wsgi.request_handler",
    usual "mod_wsgi.request_id",
    usual "mod_wsgi.script_name",
    usual "mod_wsgi.server_pid",
}

/// `mod_wsgi.version`, a tuple of three integers.
pub const VERSION: &str = "mod_wsgi.version";
/// `mod_wsgi.thread_id`, an integer.
pub const THREAD_ID: &str = "mod_wsgi.thread_id";
/// `mod_wsgi.request_start`, seconds since 1970.
pub const REQUEST_START: &str = "mod_wsgi.request_start";
/// `mod_wsgi.queue_start`, seconds since 1970.
pub const QUEUE_START: &str = "mod_wsgi.queue_start";
/// `mod_wsgi.daemon_start`, seconds since 1970; 0 in embedded mode.
pub const DAEMON_START: &str = "mod_wsgi.daemon_start";
/// `mod_wsgi.application_start`, seconds since 1970.
pub const APPLICATION_START: &str = "mod_wsgi.application_start";

/// Keys that the host sets itself: what SetEnv says of them does not count (spec/behaviour.md §1.6).
pub const HOST_KEYS: [&str; 6] =
    [VERSION, THREAD_ID, REQUEST_START, QUEUE_START, DAEMON_START, APPLICATION_START];

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
        assert!(HOST_KEYS.iter().all(|key| index_of(key.as_bytes()).is_none()));
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
