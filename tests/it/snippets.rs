//! Python written inside a test and run by `apps/snippet.py`: applications as modules, and lists of expressions.

use integration::{Httpd, HttpdBuilder, Mode, Request, Response};

/// A server whose application runs snippets.
pub fn server(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(include_str!("../apps/snippet.py"))
}

/// Sending snippets.
pub trait SendSnippets {
    /// A request to the application that this Python defines as `app`.
    fn snippet(&self, code: &str) -> Request<'_>;

    /// The response to GET of that application.
    fn run(&self, code: &str) -> Response;

    /// What a snippet waits for in `released(environ, text)`: the test has seen what it sent before.
    fn release(&self);

    /// Each expression's repr, or `Type: text` of its exception; the body of the request is `body`.
    fn evaluate(&self, body: &str, expressions: &[&str]) -> Vec<String>;

    /// Evaluates the first of each row and compares with the second.
    fn check(&self, body: &str, rows: &[(&str, &str)]);
}

impl SendSnippets for Httpd {
    fn snippet(&self, code: &str) -> Request<'_> {
        self.request("GET", "/").header("X-Code", &base64(code.as_bytes()))
    }

    fn run(&self, code: &str) -> Response {
        self.snippet(code).send()
    }

    fn release(&self) {
        std::fs::write(self.root().join("app/released"), "").expect("own folder");
    }

    fn evaluate(&self, body: &str, expressions: &[&str]) -> Vec<String> {
        let code = serde_json::to_string(expressions).expect("strings");
        let request = self.request("POST", "/").header("X-Eval", &base64(code.as_bytes())).body(body);
        serde_json::from_value(request.send().json()).expect("a list of strings")
    }

    #[track_caller]
    fn check(&self, body: &str, rows: &[(&str, &str)]) {
        let expressions: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let results = self.evaluate(body, &expressions);
        for ((expression, expected), result) in rows.iter().zip(results) {
            assert_eq!(result, *expected, "{expression}");
        }
    }
}

/// RFC 4648 §4, for headers that a test writes.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for index in 0..4 {
            let digit = char::from(ALPHABET[number >> (18 - 6 * index) & 63]);
            text.push(if index > group.len() { '=' } else { digit });
        }
    }
    text
}

/// A server whose application fails: WSGI0174 and tracebacks are expected.
pub fn failing(mode: Mode) -> HttpdBuilder {
    server(mode).expect_log("WSGI0174").allow_python_errors()
}
