//! `SetHandler wsgi-status` and `SetHandler wsgi-health`: answered by httpd's child from shared memory, without Python, so
//! also while every process of every group is stuck.

mod collect;
mod sections;

pub use sections::{asks_for, find as find_sections};

use crate::config;
use crate::httpd::answer::{HANDLED, INTERNAL_ERROR};
use crate::httpd::brigade::{BehindBytes, Brigade};
use crate::httpd::request::Request;
use apr_sys as sys;
use std::ffi::c_int;
use std::sync::atomic::Ordering::Relaxed;
use wsgi_status::access::{is_controlled, is_loopback};
use wsgi_status::{ExpositionFormat, ReportFormat, ReportQuery, brief, expose, health, json, page};

/// The pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPage {
    /// `wsgi-status`
    Status,
    /// `wsgi-health`
    Health,
}

/// The page that a request is for.
pub fn asked(r: Request<'_>) -> Option<StatusPage> {
    match r.handler() {
        b"wsgi-status" => Some(StatusPage::Status),
        b"wsgi-health" => Some(StatusPage::Health),
        _ => None,
    }
}

/// Answers.
pub fn answer(r: Request<'_>, page: StatusPage) -> c_int {
    let Some(state) = config::state() else { return INTERNAL_ERROR };
    let Some(runtime) = state.runtime.as_ref() else { return sys::HTTP_SERVICE_UNAVAILABLE as c_int };
    if !may_look(r, &runtime.status_sections) {
        return sys::HTTP_FORBIDDEN as c_int;
    }
    if !matches!(r.method(), b"GET" | b"HEAD") {
        return sys::HTTP_METHOD_NOT_ALLOWED as c_int;
    }
    let query = ReportQuery::read(r.args(), r.headers_in().get(c"Accept").unwrap_or_default());
    let report = collect::report(state, runtime);
    match page {
        StatusPage::Health => {
            let (is_fit, value) = health::health(&report, query.group.as_deref());
            if !is_fit && !query.is_liveness {
                r.set_status(503, None);
            }
            send(r, ReportFormat::Json, &format!("{value}\n"))
        }
        StatusPage::Status => {
            let text = match query.format {
                ReportFormat::Html => self::page(&report, &query),
                ReportFormat::Json => format!("{}\n", json(&report, &query)),
                ReportFormat::OpenMetrics => expose(&report, &query, ExpositionFormat::OpenMetrics),
                ReportFormat::Prometheus => expose(&report, &query, ExpositionFormat::Text),
            };
            send(r, query.format, &text)
        }
    }
}

/// While an operator drains the server, each connection ends with its request, so that balancers let go of it.
pub fn let_go(r: Request<'_>) {
    let memory = config::state().and_then(|state| state.runtime.as_ref()?.metrics);
    if memory.is_some_and(|memory| memory.view().header.drained_us.load(Relaxed) != 0) {
        r.close_connection();
    }
}

/// Flag of mod_status for `?auto`.
const SHORT: c_int = 1;

/// Writes our section of mod_status' page.
pub fn section(r: Request<'_>, flags: c_int) -> c_int {
    let found = config::state().and_then(|state| Some((state, state.runtime.as_ref()?)));
    if let Some((state, runtime)) = found {
        let report = collect::report(state, runtime);
        let text = if flags & SHORT != 0 { brief::lines(&report) } else { brief::table(&report) };
        r.append(text.as_bytes());
    }
    HANDLED
}

/// Access control that was written for the page decides; without any, only this machine may look, and not through a
/// proxy that may speak for others.
fn may_look(r: Request<'_>, sections: &[wsgi_status::access::StatusSection]) -> bool {
    if is_controlled(sections, &String::from_utf8_lossy(r.uri())) {
        return true;
    }
    let is_own = |address: &[u8]| std::str::from_utf8(address).is_ok_and(is_loopback);
    let forwarded =
        [c"X-Forwarded-For", c"Forwarded", c"Via"].iter().any(|name| r.headers_in().get(name).is_some());
    is_own(r.client_address()) && is_own(r.peer_address()) && !forwarded
}

fn send(r: Request<'_>, format: ReportFormat, text: &str) -> c_int {
    r.set_content_type(format.content_type().as_bytes());
    let headers = [
        (&b"Cache-Control"[..], &b"no-store"[..]),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Referrer-Policy", b"no-referrer"),
        (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ];
    for (name, value) in headers {
        // Also on a 503.
        r.err_headers_out().add(r.pool(), name, value);
    }
    r.set_content_length(text.len() as i64);
    let mut out = Brigade::new(r);
    // Whoever does not read it any more has gone.
    let _ = out.pass_bytes(text.as_bytes(), BehindBytes::End);
    HANDLED
}
