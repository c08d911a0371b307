//! Turning a response head into httpd's own, and ending a response well or visibly broken.

use crate::httpd::brigade::{Brigade, Piece};
use crate::httpd::request::Request;
use apr_sys as sys;
use wsgi_protocol::response::Head;

/// Where a head comes from; the modes differ in how repeated headers are shown (spec/behaviour.md §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A daemon: repeated headers become one line, some names keep only the last value.
    Daemon,
    /// The embedded host: every header is its own line.
    Embedded,
}

/// Names of which a daemon's last value counts.
const LAST_WINS: [&str; 3] = ["location", "content-range", "last-modified"];

/// Applies status and headers to the request.
pub fn apply_head(r: Request<'_>, head: &Head<'_>, source: Source) {
    let line = (head.line.len() > 3).then_some(head.line);
    r.set_status(head.status, line);
    let (out, pool) = (r.headers_out(), r.pool());
    for (name, value) in head.headers() {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("content-type") {
            set_content_type(r, value, source);
        } else if is("www-authenticate") {
            r.err_headers_out().add(pool, name, value);
        } else if is("transfer-encoding") {
            // Framing is httpd's business: an application's own coding would corrupt it.
        } else if is("content-length") {
            out.set_copy(pool, name, value);
            set_content_length(r, value);
        } else if is("set-cookie") || source == Source::Embedded {
            out.add(pool, name, value);
        } else if LAST_WINS.iter().any(|known| is(known)) {
            out.set_copy(pool, name, value);
        } else {
            out.merge(pool, name, value.trim_ascii_start());
        }
    }
}

fn set_content_type(r: Request<'_>, value: &[u8], source: Source) {
    if source == Source::Embedded {
        r.set_content_type(value);
        return;
    }
    let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let mut lowered = value[..end].to_ascii_lowercase();
    lowered.extend_from_slice(&value[end..]);
    r.set_content_type(lowered.trim_ascii_end());
}

/// Whether a Content-Length can be sent: a number, or the empty text that counts as one (spec/behaviour.md §4.4).
pub fn is_length(value: &[u8]) -> bool {
    value.is_empty() || length(value).is_some()
}

fn length(value: &[u8]) -> Option<i64> {
    let number = std::str::from_utf8(value).ok()?.trim().parse().ok();
    number.filter(|length| *length >= 0)
}

fn set_content_length(r: Request<'_>, value: &[u8]) {
    if let Some(length) = length(value) {
        // SAFETY: a live request.
        unsafe { sys::ap_set_content_length(r.raw(), length) };
    }
}

/// Ends a complete response. When some of the request body is still to come, the response leaves at once: httpd reads
/// that rest before it flushes, and a client may wait for the answer before it sends it (spec/behaviour.md §2.5).
pub fn finish(r: Request<'_>, brigade: &mut Brigade<'_>, body_was_read: bool) {
    // SAFETY: plain field of a live request.
    if unsafe { (*r.raw()).eos_sent } == 0 {
        if !body_was_read {
            brigade.add_flush();
            if r.is_stream() && brigade.pass().is_ok() {
                drain(r);
            }
        }
        brigade.add_eos();
        // The client may have gone meanwhile; the access log keeps the application's status then.
        let _ = brigade.pass();
    }
}

/// Reads the rest of a request body to the end. mod_http2 resets a stream that ends before, and its response is lost.
fn drain(r: Request<'_>) {
    let mut rest = Brigade::new(r);
    while rest.fill(64 * 1024, true).is_ok() {
        loop {
            match rest.front() {
                Ok(Some(Piece::Data(_))) => rest.consume(0),
                Ok(None) => break,
                Ok(Some(Piece::End)) | Err(_) => return,
            }
        }
    }
}

/// Breaks the response off so that the client sees it: no final chunk, HTTP/2 reset, connection closed.
pub fn break_off(r: Request<'_>, brigade: &mut Brigade<'_>) {
    crate::metrics::note_broken();
    r.close_connection();
    // SAFETY: plain field of a live request.
    if unsafe { (*r.raw()).eos_sent } == 0 {
        brigade.add_broken();
        brigade.add_eos();
        // As above; nothing more can be done for a client that has gone.
        let _ = brigade.pass();
    }
}

/// The announced length of a body that will be sent: not for HEAD, 204 and 304.
pub fn body_length(r: Request<'_>, head: &Head<'_>) -> Option<u64> {
    if r.is_header_only() || matches!(head.status, 204 | 304) {
        return None;
    }
    std::str::from_utf8(head.last("content-length")?).ok()?.trim().parse().ok()
}

/// 200 with a local Location: httpd answers with what is there (daemon mode only, spec/behaviour.md §4.11).
pub fn is_local_redirect(head: &Head<'_>) -> bool {
    head.status == 200 && head.last("location").is_some_and(|l| l.starts_with(b"/") && !l.starts_with(b"//"))
}

/// Runs that redirect, as GET without a body.
pub fn redirect(r: Request<'_>, target: &[u8]) {
    let pool = r.pool();
    // SAFETY: a live request; the copies live in its pool. The body does not belong to the new request.
    unsafe {
        let raw = r.raw();
        (*raw).method = pool.dup(b"GET");
        (*raw).method_number = sys::mw_method_get();
        r.headers_in().unset(c"Content-Length");
        r.headers_in().unset(c"Transfer-Encoding");
        sys::ap_internal_redirect(pool.dup(target), raw);
    }
}
