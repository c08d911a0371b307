//! What several tests share: what an application saw, requests with headers of their own, httpd's modules.

use crate::snippets::base64;
use integration::{Apache, Httpd, HttpdBuilder, Mode, Response, WireConnection};
use serde_json::Value;

/// An application that answers with its environ.
pub const ENVIRON: &str = include_str!("../apps/environ.py");

/// A server with that application at `/`.
pub fn environ_server(mode: Mode) -> HttpdBuilder {
    Httpd::builder().mode(mode).app(ENVIRON)
}

/// The environ in an answer of [`ENVIRON`].
pub struct EnvironAnswer(Value);

impl EnvironAnswer {
    /// From the answer.
    pub fn of(response: &Response) -> EnvironAnswer {
        EnvironAnswer(response.json())
    }

    /// The text of a key, or the repr of what is no text.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0["environ"].get(key).map(|pair| pair[1].as_str().expect("text"))
    }

    /// The name of its type.
    pub fn kind(&self, key: &str) -> Option<&str> {
        self.0["environ"].get(key).map(|pair| pair[0].as_str().expect("text"))
    }

    /// The request body that the application read; only for POST.
    pub fn body(&self) -> &str {
        self.0["body"].as_str().expect("text")
    }

    /// Compares with keys, names of types and texts.
    #[track_caller]
    pub fn check_kinds(&self, rows: &[(&str, &str, &str)]) {
        for (key, kind, value) in rows {
            assert_eq!((self.kind(key), self.get(key)), (Some(*kind), Some(*value)), "{key}");
        }
    }

    /// Insists that these keys are absent.
    #[track_caller]
    pub fn lacks(&self, keys: &[&str]) {
        for key in keys {
            assert_eq!(self.get(key), None, "{key}");
        }
    }

    /// Compares; `None` for a key that must be absent.
    #[track_caller]
    pub fn check(&self, rows: &[(&str, Option<&str>)]) {
        for (key, value) in rows {
            assert_eq!(self.get(key), *value, "{key}");
        }
    }
}

/// The answer to GET with these headers.
pub fn get_with(server: &Httpd, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = server.request("GET", path);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

/// `LoadModule` lines for modules of httpd that the harness does not load, those first that others need.
pub fn load(names: &[&str]) -> String {
    let modules = &Apache::installed().modules;
    let line = |name: &&str| {
        let file = modules.join(format!("mod_{name}.so"));
        let text =
            format!("<IfModule !mod_{name}.c>\nLoadModule {name}_module {}\n</IfModule>\n", file.display());
        if file.exists() { text } else { String::new() }
    };
    names.iter().map(line).collect()
}

/// The head of a request to the snippet application; `headers` are whole lines, each with its end.
pub fn head(method: &str, headers: &str, code: &str) -> String {
    let code = base64(code.as_bytes());
    format!("{method} / HTTP/1.1\r\nHost: localhost\r\nX-Code: {code}\r\n{headers}\r\n")
}

/// The answer of a snippet as it is on the wire.
pub fn raw(server: &Httpd, method: &str, code: &str) -> Response {
    let mut wire = server.connect();
    wire.send(head(method, "", code));
    wire.response(method == "HEAD")
}

/// All bytes until the server closes the connection, and the seconds that took.
pub fn rest(wire: &mut WireConnection) -> (String, f64) {
    let asked = std::time::Instant::now();
    let bytes = wire.read_to_end();
    (String::from_utf8_lossy(&bytes).into_owned(), asked.elapsed().as_secs_f64())
}
