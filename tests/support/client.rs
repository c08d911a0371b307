//! Ordinary HTTP requests, sent by `ureq`.

use serde_json::Value;
use std::time::Duration;

/// A response read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The three digits.
    pub status: u16,
    /// The reason phrase, when the response came over a [`crate::WireConnection`].
    pub reason: String,
    /// In the order they came.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The values of all headers of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not, or the status is not 200.
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The response itself, when its status is 200.
    ///
    /// # Panics
    /// When it is not.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }
}

/// A request to send.
#[derive(Debug)]
pub struct Request<'a> {
    agent: &'a ureq::Agent,
    builder: ureq::http::request::Builder,
    body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(agent: &'a ureq::Agent, method: &str, url: &str) -> Self {
        Request { agent, builder: ureq::http::Request::builder().method(method).uri(url), body: Vec::new() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// The body; sent with a `Content-Length`.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_owned();
        self
    }

    /// Sends it and reads the response.
    ///
    /// # Panics
    /// When no complete response came.
    pub fn send(self) -> Response {
        self.try_send().unwrap_or_else(|error| panic!("no complete response: {error}"))
    }

    /// Sends it; an error when no complete response came.
    pub fn try_send(self) -> Result<Response, ureq::Error> {
        let method = self.builder.method_ref().map_or("", |method| method.as_str());
        let expects_body = matches!(method, "POST" | "PUT" | "PATCH"); // ureq sends `()` for these in chunks
        let response = if self.body.is_empty() && !expects_body {
            self.agent.run(self.builder.body(()).expect("a valid request"))?
        } else {
            self.agent.run(self.builder.body(self.body).expect("a valid request"))?
        };
        let (parts, mut body) = response.into_parts();
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Response {
            status: parts.status.as_u16(),
            reason: String::new(),
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: body.with_config().limit(u64::MAX).read_to_vec()?,
        })
    }
}

/// An agent that takes every status as an answer, follows no redirect and gives up after a minute.
///
/// It keeps no connection: httpd may close a kept one at any time, as when a child of the event MPM has no idle
/// thread or ends (RFC 9112 §9.3.1), and ureq sends nothing again. Tests of kept connections are on `wire`.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(60)))
        .max_idle_connections(0)
        .build()
        .new_agent()
}
