//! One request on its way to Python: what is known of it before it is known where it runs, and how it is written.

use crate::httpd::request::Request;
use crate::httpd::server::now_us;
use crate::httpd::websocket::is_websocket;
use crate::{child, environ, messages};
use std::sync::Arc;
use wsgi_directives::{
    ApplicationInterface, BodyLength, DirConfig, HandlerScript, RequestConfig, ServerConfig,
};
use wsgi_protocol::events::LogEvent;
use wsgi_protocol::request::{RequestFlags, RequestHead, RequestWriter};

/// The records in force for a request.
pub fn records<'r>(r: Request<'r>) -> (&'r ServerConfig, &'r DirConfig) {
    (r.server().own(), r.own())
}

/// One request on its way to Python.
pub struct RequestJob<'r> {
    /// The request.
    pub r: Request<'r>,
    /// Effective configuration.
    pub config: RequestConfig<'r>,
    /// What is loaded: script, handler script, or `module:…`.
    pub script: Vec<u8>,
    /// The bound handler script, if the handler name is one.
    pub handler_script: Option<&'r Arc<HandlerScript>>,
    /// Callable of a module target.
    pub target_callable: Option<&'r str>,
    /// What body was announced.
    pub body: BodyLength,
    /// When as much of the body as is to be buffered had come, µs since the epoch.
    pub buffered_at: Option<u64>,
    /// `wsgi.url_scheme`.
    pub https: bool,
}

impl RequestJob<'_> {
    /// Logs an error about this request.
    pub fn fail(&self, event: &LogEvent, text: &str) {
        self.r.log_event(event, &messages::about(&self.script, event, text));
    }

    /// Whether a request body may come that has not been read yet.
    pub fn has_body(&self) -> bool {
        match self.body {
            BodyLength::Known(length) => length > 0,
            BodyLength::Chunked => true,
            // HTTP/2 needs neither header to announce a body. That of a request that leads here is not this one's.
            BodyLength::None => self.r.is_stream() && self.r.is_main() && !is_websocket(self.r),
        }
    }

    /// Since when it has been waiting for a process, µs since the epoch: the time that its body took does not count.
    pub fn waiting_since(&self) -> u64 {
        self.buffered_at.unwrap_or_else(|| self.r.start_us())
    }

    /// Encodes the request for daemon or host; body bytes may be appended behind it.
    pub fn encode(&self, out: &mut Vec<u8>, application: &[u8], callable: &[u8], request_rec: &[u8]) {
        let r = self.r;
        let pid = environ::decimal(u64::from(child::child_pid()));
        let queue_start = if request_rec.is_empty() { now_us() } else { 0 };
        let head = RequestHead {
            flags: self.flags(),
            request_start_us: r.start_us(),
            queue_start_us: queue_start,
            connects: 1,
            restarts: 0,
            script_mtime_us: if self.handler_script.is_none() { r.mtime_us() } else { 0 },
            log_level: r.log_level(),
            script: &self.script,
            resource: r.filename(),
            application_group: application,
            callable,
            request_id: r.log_id(),
            server_pid: pid.as_bytes(),
            request_rec: if self.config.pass_apache_request { request_rec } else { b"" },
        };
        let mut writer = RequestWriter::begin(out, &head);
        for (key, value) in r.subprocess_env().iter() {
            if !environ::is_reserved(key) {
                writer.pair(key, value);
            }
        }
        writer.finish();
    }

    fn flags(&self) -> RequestFlags {
        let config = &self.config;
        let bits = [
            (RequestFlags::SCRIPT_RELOADING, config.script_reloading),
            (RequestFlags::ENABLE_SENDFILE, config.enable_sendfile),
            (RequestFlags::IGNORE_ACTIVITY, config.ignore_activity),
            (RequestFlags::BODY_FOLLOWS, self.has_body()),
            (RequestFlags::HTTPS, self.https),
            (RequestFlags::HANDLER_SCRIPT, self.handler_script.is_some()),
            (RequestFlags::HEAD_ONLY, self.r.is_header_only()),
            (RequestFlags::MEASURE_CPU, crate::metrics::wants_cpu()),
            (RequestFlags::ASGI, config.interface == Some(ApplicationInterface::Asgi)),
            (RequestFlags::WSGI, config.interface == Some(ApplicationInterface::Wsgi)),
            (RequestFlags::WEBSOCKET, is_websocket(self.r) && !self.has_body()),
            (RequestFlags::BUFFERED, self.buffered_at.is_some()),
            (RequestFlags::HEAD_IS_FILTERED, self.r.is_header_only() && self.r.is_filtered()),
        ];
        RequestFlags(bits.iter().filter(|(_, on)| *on).fold(0, |all, (bit, _)| all | bit))
    }
}

/// Panics if the request's `X-Fault` header names this place.
#[cfg(feature = "fault-injection")]
pub fn inject_fault(r: Request<'_>, place: &str) {
    assert_ne!(r.headers_in().get(c"X-Fault"), Some(place.as_bytes()), "injected fault");
}
