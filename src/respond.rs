//! Turning a response head into httpd's own, and ending a response well or visibly broken.

use crate::httpd::brigade::{Brigade, BrigadePiece};
use crate::httpd::request::Request;
use crate::httpd::websocket::is_websocket;
use crate::{messages, told};
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use wsgi_protocol::response::{ResponseHead, content_length};

/// Where a head comes from; the modes differ in how repeated headers are shown (spec/behaviour.md §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadSource {
    /// A daemon: repeated headers become one line, some names keep only the last value.
    Daemon,
    /// The embedded host: every header is its own line.
    Embedded,
}

/// Names of which a daemon's last value counts.
const LAST_WINS: [&str; 3] = ["location", "content-range", "last-modified"];

/// What an application may say in a Connection header. Any other word is the name of a header that the next proxy is to take
/// away, and one that took Content-Length away would not know any more where the response ends.
const CONNECTION_WORDS: [&str; 3] = ["close", "keep-alive", "upgrade"];

/// Up to so many headers are compared with each other; more are looked up.
const FEW: usize = 32;

/// Says that no application has seen the request, so that whoever sent it may do so again. An application cannot say it.
const UNSEEN: &str = "Mod-WSGI-Not-Run";

/// Seconds after which it may be worth it.
const AGAIN: &[u8] = b"1";

/// The request was refused, and no application code has seen it.
pub fn invite_again(r: Request<'_>) {
    let (out, pool) = (r.err_headers_out(), r.pool());
    out.add(pool, b"Retry-After", AGAIN);
    out.add(pool, UNSEEN.as_bytes(), b"1");
}

/// Says so when an application refuses a request whose Authorization header it was not shown.
pub fn note_refusal(r: Request<'_>, status: u16) {
    let is_refusal = matches!(status, 401 | 403);
    if !is_refusal || r.headers_in().get(c"Authorization").is_none() {
        return;
    }
    let was_shown = r.subprocess_env().get(c"HTTP_AUTHORIZATION").is_some();
    if !was_shown && told::may_tell(r.filename(), std::time::Instant::now()) {
        let (event, text) = messages::authorization_withheld(r.filename(), status);
        r.log_event(event, &text);
    }
}

/// Applies status and headers to the request.
pub fn apply_head(r: Request<'_>, head: &ResponseHead<'_>, source: HeadSource) {
    let line = (head.line.len() > 3).then_some(head.line);
    r.set_status(head.status, line);
    let (out, pool) = (r.headers_out(), r.pool());
    let mut ordinary = Vec::new();
    for (name, value) in head.headers() {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("content-type") {
            set_content_type(r, value, source);
        } else if is("www-authenticate") {
            r.err_headers_out().add(pool, name, value);
        } else if is(UNSEEN) {
            // One has, now.
        } else if is("transfer-encoding") {
            // Framing is httpd's business: an application's own coding would corrupt it.
        } else if is("content-length") {
            set_content_length(r, value);
        } else if is("connection") {
            let words = connection_words(value);
            if !words.is_empty() {
                out.merge(pool, name, &words);
            }
        } else if is("set-cookie") || source == HeadSource::Embedded {
            out.add(pool, name, value);
        } else if LAST_WINS.iter().any(|known| is(known)) {
            out.set_copy(pool, name, value);
        } else {
            ordinary.push((name, value.trim_ascii_start()));
        }
    }
    for (name, value) in join(ordinary) {
        out.merge(pool, name, &value);
    }
}

type HeaderLine<'h, V> = (&'h [u8], V);

/// Repeated headers as one, where the first of them stands. All values are joined at once: httpd's own function copies what
/// it has for each value that it adds.
fn join<'h>(headers: Vec<HeaderLine<'h, &'h [u8]>>) -> Vec<HeaderLine<'h, Cow<'h, [u8]>>> {
    let is_again = |at: usize| headers[..at].iter().any(|(name, _)| name.eq_ignore_ascii_case(headers[at].0));
    if headers.len() <= FEW && !(0..headers.len()).any(is_again) {
        return headers.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect();
    }
    let mut places = HashMap::with_capacity(headers.len());
    let mut joined: Vec<HeaderLine<'h, Cow<'h, [u8]>>> = Vec::new();
    for (name, value) in headers {
        match places.entry(name.to_ascii_lowercase()) {
            Entry::Vacant(place) => {
                place.insert(joined.len());
                joined.push((name, Cow::Borrowed(value)));
            }
            Entry::Occupied(place) => {
                let all = joined[*place.get()].1.to_mut();
                all.extend_from_slice(b", ");
                all.extend_from_slice(value);
            }
        }
    }
    joined
}

/// The words of a Connection header that may stand there.
fn connection_words(value: &[u8]) -> Vec<u8> {
    let words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let is_known =
        |word: &&[u8]| CONNECTION_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
    words.filter(is_known).collect::<Vec<_>>().join(&b", "[..])
}

fn set_content_type(r: Request<'_>, value: &[u8], source: HeadSource) {
    if source == HeadSource::Embedded {
        r.set_content_type(value);
        return;
    }
    let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let mut lowered = value[..end].to_ascii_lowercase();
    lowered.extend_from_slice(&value[end..]);
    r.set_content_type(lowered.trim_ascii_end());
}

/// Decoding has refused what is no number; the last of several counts.
fn set_content_length(r: Request<'_>, value: &[u8]) {
    if let Some(length) = content_length(value).and_then(|length| i64::try_from(length).ok()) {
        r.set_content_length(length);
    }
}

/// Ends a complete response. When some of the request body is still to come, the response leaves at once: httpd reads
/// that rest before it flushes, and a client may wait for the answer before it sends it (spec/behaviour.md §2.5).
pub fn finish(r: Request<'_>, brigade: &mut Brigade<'_>, body_was_read: bool) {
    if !r.is_sent() {
        if !body_was_read {
            brigade.add_flush();
            if r.is_stream() && brigade.pass().is_ok() {
                drain(r, u64::MAX);
            }
        }
        brigade.add_eos();
        // The client may have gone meanwhile; the access log keeps the application's status then.
        let _ = brigade.pass();
    }
    if brigade.is_cut() {
        r.close_connection();
    }
}

/// Most bytes of a body that are read for an answer that needs none of them.
const UNWANTED: u64 = 64 * 1024 * 1024;

/// Lets an error page of httpd's arrive: over HTTP/2 the rest of the request body is read before it is sent.
pub fn prepare_error(r: Request<'_>) {
    // What the client of a WebSocket sends has no end that it would wait for.
    if r.is_stream() && !r.expects_continue() && !is_websocket(r) {
        drain(r, UNWANTED);
    }
}

/// Reads the rest of a request body to the end, or until more than `limit` bytes have come. mod_http2 resets a stream
/// that ends before, and its response is lost.
fn drain(r: Request<'_>, limit: u64) {
    let mut rest = Brigade::new(r);
    let mut read = 0;
    while read <= limit && rest.fill(64 * 1024, true).is_ok() {
        loop {
            match rest.front() {
                Ok(Some(BrigadePiece::Data(data))) => {
                    read += data.len() as u64;
                    rest.drop_front();
                }
                Ok(Some(BrigadePiece::Metadata)) => rest.drop_front(),
                Ok(None) => break,
                Ok(Some(BrigadePiece::End)) | Err(_) => return,
            }
        }
    }
}

/// Breaks the response off so that the client sees it: no final chunk, HTTP/2 reset, connection closed.
pub fn break_off(r: Request<'_>, brigade: &mut Brigade<'_>) {
    crate::metrics::note_broken();
    r.close_connection();
    if !r.is_sent() {
        brigade.add_broken();
        brigade.add_eos();
        // As above; nothing more can be done for a client that has gone.
        let _ = brigade.pass();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_headers_are_joined_where_the_first_stands() {
        let texts = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            join(headers).iter().map(|(name, value)| (text(name), text(value))).collect::<Vec<_>>()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(texts(&[("A", "1"), ("B", "2")]), [pair("A", "1"), pair("B", "2")]);
        assert_eq!(
            texts(&[("A", "1"), ("B", ""), ("a", "3"), ("A", "")]),
            [pair("A", "1, 3, "), pair("B", "")]
        );
        let many: Vec<_> =
            (0..100).map(|number| (if number % 2 == 0 { "Even" } else { "oDD" }, "x")).collect();
        assert_eq!(texts(&many), [pair("Even", &["x"; 50].join(", ")), pair("oDD", &["x"; 50].join(", "))]);
    }

    #[test]
    fn words_of_a_connection_header() {
        assert_eq!(connection_words(b"Close"), b"Close");
        assert_eq!(connection_words(b"Content-Length, keep-alive,transfer-encoding"), b"keep-alive");
        assert_eq!(connection_words(b"upgrade , x, CLOSE"), b"upgrade, CLOSE");
        assert!(connection_words(b"Content-Length").is_empty() && connection_words(b"").is_empty());
    }
}
