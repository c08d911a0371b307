//! The REQUEST payload: what a daemon (or the embedded host) needs to run one request.
//!
//! Layout, little-endian: fixed part, seven byte strings, pair count, pairs, then the first body bytes to
//! the end of the payload. A pair's key is one byte (index + 1 into [`crate::keys`]) or 0 and a string.

use crate::ProtocolError;
use crate::codec::{FieldReader, put_bytes, put_u32, put_u64};
use crate::keys;

/// Most environ pairs of one request.
pub const MAX_PAIRS: u32 = 20_000;
/// Longest single environ value, and longest path.
pub const MAX_VALUE: usize = 15 * 1024 * 1024;

/// Per-request switches, a bit set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestFlags(pub u32);

impl RequestFlags {
    /// WSGIScriptReloading is on for this request.
    pub const SCRIPT_RELOADING: u32 = 1;
    /// WSGIEnableSendfile is on.
    pub const ENABLE_SENDFILE: u32 = 1 << 1;
    /// WSGIIgnoreActivity is on.
    pub const IGNORE_ACTIVITY: u32 = 1 << 2;
    /// A request body may follow beyond the first bytes in this payload.
    pub const BODY_FOLLOWS: u32 = 1 << 3;
    /// `wsgi.url_scheme` is https.
    pub const HTTPS: u32 = 1 << 4;
    /// The script was chosen by WSGIHandlerScript: no callable lookup by configuration.
    pub const HANDLER_SCRIPT: u32 = 1 << 5;
    /// httpd sends no response body (HEAD): the host may skip sending data but must run the application.
    pub const HEAD_ONLY: u32 = 1 << 6;
    /// Filters of httpd want the body all the same: what they make of the headers depends on it.
    pub const HEAD_IS_FILTERED: u32 = 1 << 8;

    /// httpd has received the body, or as much of it as WSGIRequestBuffering allows, before it looked for a process: the
    /// request has been waiting since [`RequestHead::queue_start_us`].
    pub const BUFFERED: u32 = 1 << 12;
    /// What httpd has received comes as a file ([`crate::frame::FrameKind::BodyFile`]).
    pub const BODY_IN_FILE: u32 = 1 << 13;

    /// Large parts of the response may come through the connection's memory: nothing of an earlier response is in it any more.
    pub const MEMORY_IS_FREE: u32 = 1 << 14;

    /// httpd wants to know the CPU time of the request, which costs the daemon two system calls.
    pub const MEASURE_CPU: u32 = 1 << 7;

    /// `interface=asgi` is in force.
    pub const ASGI: u32 = 1 << 9;
    /// `interface=wsgi` is in force.
    pub const WSGI: u32 = 1 << 10;

    /// It is the opening handshake of a WebSocket, and httpd can answer 101.
    pub const WEBSOCKET: u32 = 1 << 11;

    /// Clears a bit in an encoded payload, which begins with the flags.
    pub(crate) fn clear_encoded(payload: &mut [u8], bit: u32) {
        if let Some(field) = payload.first_chunk_mut::<4>() {
            *field = (u32::from_le_bytes(*field) & !bit).to_le_bytes();
        }
    }

    /// Sets a bit there.
    pub(crate) fn set_encoded(payload: &mut [u8], bit: u32) {
        if let Some(field) = payload.first_chunk_mut::<4>() {
            *field = (u32::from_le_bytes(*field) | bit).to_le_bytes();
        }
    }

    /// Whether `bit` is set.
    #[must_use]
    pub fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }
}

/// Everything of a request but its environ pairs and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestHead<'a> {
    /// Per-request switches.
    pub flags: RequestFlags,
    /// When httpd received the request, µs since the epoch.
    pub request_start_us: u64,
    /// When httpd first tried to reach a daemon, µs since the epoch; 0 in embedded mode.
    pub queue_start_us: u64,
    /// How often httpd connected or re-sent for this request, counting this one.
    pub connects: u32,
    /// How often a daemon refused it because it was restarting.
    pub restarts: u32,
    /// httpd's own modification time of the script, µs since the epoch; 0 if unknown.
    pub script_mtime_us: u64,
    /// LogLevel of the wsgi module for this request (httpd's 0 emerg … 7 debug, 8 trace1 …).
    pub log_level: u32,
    /// The file to load: the WSGI script or the handler script, or `module:package.name:attribute`.
    pub script: &'a [u8],
    /// The file the request was mapped to (differs for handler scripts); for `reload_required`.
    pub resource: &'a [u8],
    /// Application group; empty is the main interpreter.
    pub application_group: &'a [u8],
    /// Name of the callable.
    pub callable: &'a [u8],
    /// httpd's log id of the request (`%L`), empty if none.
    pub request_id: &'a [u8],
    /// Process id of the httpd child, decimal.
    pub server_pid: &'a [u8],
    /// Opaque address for `apache.request_rec` in embedded mode, decimal; empty otherwise.
    pub request_rec: &'a [u8],
}

/// Writes a REQUEST payload piece by piece.
#[derive(Debug)]
pub struct RequestWriter<'o> {
    out: &'o mut Vec<u8>,
    count_at: usize,
    count: u32,
}

impl<'o> RequestWriter<'o> {
    /// Appends the head; pairs and body follow.
    #[must_use]
    pub fn begin(out: &'o mut Vec<u8>, head: &RequestHead<'_>) -> Self {
        put_u32(out, head.flags.0);
        put_u64(out, head.request_start_us);
        put_u64(out, head.queue_start_us);
        put_u32(out, head.connects);
        put_u32(out, head.restarts);
        put_u64(out, head.script_mtime_us);
        put_u32(out, head.log_level);
        for field in [
            head.script,
            head.resource,
            head.application_group,
            head.callable,
            head.request_id,
            head.server_pid,
            head.request_rec,
        ] {
            put_bytes(out, field);
        }
        let count_at = out.len();
        put_u32(out, 0);
        Self { out, count_at, count: 0 }
    }

    /// Appends one environ pair, bytes as httpd has them (latin-1 by PEP 3333).
    #[inline]
    pub fn pair(&mut self, key: &[u8], value: &[u8]) {
        match keys::index_of(key) {
            Some(index) => self.out.push(index + 1),
            None => {
                self.out.push(0);
                put_bytes(self.out, key);
            }
        }
        put_bytes(self.out, value);
        self.count += 1;
    }

    /// Ends the pairs. Whatever the caller appends to the buffer afterwards is the first part of the body.
    pub fn finish(self) {
        self.out[self.count_at..self.count_at + 4].copy_from_slice(&self.count.to_le_bytes());
    }
}

/// The key of an environ pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironKey<'a> {
    /// Index into [`keys::KNOWN_KEYS`].
    Known(u8),
    /// Any other name.
    Name(&'a [u8]),
}

impl<'a> EnvironKey<'a> {
    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Known(i) => keys::KNOWN_KEYS[i as usize].as_bytes(),
            Self::Name(name) => name,
        }
    }
}

/// A decoded REQUEST payload; borrows from it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The fixed part.
    pub head: RequestHead<'a>,
    pairs: FieldReader<'a>,
    count: u32,
}

impl<'a> Request<'a> {
    /// Reads the head and the number of pairs; pairs are read by [`Request::pairs`].
    ///
    /// # Errors
    /// A field that is missing, too long or out of range.
    pub fn decode(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut r = FieldReader::new(payload);
        let head = RequestHead {
            flags: RequestFlags(r.u32("flags")?),
            request_start_us: r.u64("request_start")?,
            queue_start_us: r.u64("queue_start")?,
            connects: r.u32("connects")?,
            restarts: r.u32("restarts")?,
            script_mtime_us: r.u64("script_mtime")?,
            log_level: r.u32("log_level")?,
            script: r.bytes(MAX_VALUE, "script")?,
            resource: r.bytes(MAX_VALUE, "resource")?,
            application_group: r.bytes(MAX_VALUE, "application_group")?,
            callable: r.bytes(MAX_VALUE, "callable")?,
            request_id: r.bytes(MAX_VALUE, "request_id")?,
            server_pid: r.bytes(MAX_VALUE, "server_pid")?,
            request_rec: r.bytes(MAX_VALUE, "request_rec")?,
        };
        let count = r.u32("pair count")?;
        if count > MAX_PAIRS {
            return Err(ProtocolError::Field("pair count"));
        }
        Ok(Self { head, pairs: r, count })
    }

    /// The environ pairs in order; afterwards [`EnvironPairs::body`] is the first part of the body.
    #[must_use]
    pub fn pairs(&self) -> EnvironPairs<'a> {
        EnvironPairs { reader: self.pairs.clone(), left: self.count }
    }
}

/// Iterator over environ pairs. Stops after an error.
#[derive(Debug, Clone)]
pub struct EnvironPairs<'a> {
    reader: FieldReader<'a>,
    left: u32,
}

impl<'a> EnvironPairs<'a> {
    #[inline]
    fn read(&mut self) -> Result<(EnvironKey<'a>, &'a [u8]), ProtocolError> {
        let key = match self.reader.u8("key")? {
            0 => EnvironKey::Name(self.reader.bytes(MAX_VALUE, "key name")?),
            n if usize::from(n) <= keys::KNOWN_KEYS.len() => EnvironKey::Known(n - 1),
            _ => return Err(ProtocolError::Field("key")),
        };
        Ok((key, self.reader.bytes(MAX_VALUE, "value")?))
    }

    /// The body bytes behind the pairs; meaningful once the iterator has ended without an error.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.reader.rest()
    }
}

impl<'a> Iterator for EnvironPairs<'a> {
    type Item = Result<(EnvironKey<'a>, &'a [u8]), ProtocolError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let item = self.read();
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample<'a>() -> RequestHead<'a> {
        RequestHead {
            flags: RequestFlags(RequestFlags::SCRIPT_RELOADING | RequestFlags::HTTPS),
            request_start_us: 1,
            queue_start_us: 2,
            connects: 3,
            restarts: 4,
            script_mtime_us: 5,
            log_level: 4,
            script: b"/srv/a.wsgi",
            resource: b"/srv/a.wsgi",
            application_group: b"",
            callable: b"application",
            request_id: b"abc",
            server_pid: b"42",
            request_rec: b"",
        }
    }

    #[test]
    fn round_trip_with_body() {
        let mut out = Vec::new();
        let mut w = RequestWriter::begin(&mut out, &sample());
        w.pair(b"PATH_INFO", b"/x");
        w.pair(b"HTTP_X_OTHER", b"\xe9");
        w.finish();
        out.extend_from_slice(b"body");
        let request = Request::decode(&out).unwrap();
        assert_eq!(request.head, sample());
        let mut pairs = request.pairs();
        let read: Vec<_> = pairs.by_ref().map(|p| p.map(|(k, v)| (k.as_bytes(), v)).unwrap()).collect();
        assert_eq!(read, [(&b"PATH_INFO"[..], &b"/x"[..]), (b"HTTP_X_OTHER", b"\xe9")]);
        assert_eq!(pairs.body(), b"body");
    }

    #[test]
    fn no_two_flags_have_the_same_bit() {
        let bits =
            include_str!("request.rs").lines().filter_map(|line| line.trim().strip_prefix("pub const "));
        let bits = bits.filter_map(|rest| rest.split_once(": u32 = 1 << ")).map(|(_, bit)| bit);
        let mut seen = std::collections::BTreeSet::new();
        assert!(bits.inspect(|bit| assert!(seen.insert(*bit), "1 << {bit}")).count() > 10);
    }

    #[test]
    fn a_flag_is_changed_in_place() {
        let mut out = Vec::new();
        RequestWriter::begin(&mut out, &sample()).finish();
        RequestFlags::clear_encoded(&mut out, RequestFlags::HTTPS);
        assert_eq!(Request::decode(&out).unwrap().head.flags, RequestFlags(RequestFlags::SCRIPT_RELOADING));
        RequestFlags::set_encoded(&mut out, RequestFlags::BODY_IN_FILE);
        assert!(Request::decode(&out).unwrap().head.flags.has(RequestFlags::BODY_IN_FILE));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(request) = Request::decode(&bytes) {
                for pair in request.pairs() { let _ = pair; }
            }
        }

        #[test]
        fn any_pairs_round_trip(pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..20)) {
            let mut out = Vec::new();
            let mut w = RequestWriter::begin(&mut out, &sample());
            for (k, v) in &pairs { w.pair(k, v); }
            w.finish();
            let request = Request::decode(&out).unwrap();
            let back: Vec<_> = request.pairs().map(|p| p.map(|(k, v)| (k.as_bytes().to_vec(), v.to_vec())).unwrap()).collect();
            prop_assert_eq!(back, pairs);
        }
    }
}
