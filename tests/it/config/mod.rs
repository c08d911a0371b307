//! The configuration surface: what is accepted and refused, what the config test says, and what settings mean for
//! requests (spec/directives.md).

mod checks;
mod coexistence;
mod environment;
mod errors;
mod guides;
mod ownership;
mod places;
mod routing;
mod scale;
mod scopes;
mod table;
mod users_files;

pub(crate) use guides::modules;
use integration::{Httpd, HttpdBuilder, HttpdVerdict, Response, Subject};
use serde_json::Value;

/// Answers with what it was given, as JSON.
const ENVIRON: &str = include_str!("../../apps/environ.py");

/// A running server whose `more.conf` is rewritten for each configuration to be judged: no module is copied again.
struct ConfigJudge {
    server: Httpd,
}

impl ConfigJudge {
    fn new() -> ConfigJudge {
        let server = Httpd::builder()
            .file("more.conf", "")
            .file("site.env", "KEY=value\n")
            .file("app.wsgi", ENVIRON)
            .directives("Include @ROOT@/app/more.conf");
        ConfigJudge { server: server.start() }
    }

    /// What `apache2 -t` says of these lines; `@ROOT@` and `@PYTHON@` are filled in.
    fn verdict(&self, lines: &str) -> HttpdVerdict {
        let root = self.server.root().display().to_string();
        let lines = lines.replace("@ROOT@", &root).replace("@PYTHON@", &python());
        self.server.write("more.conf", &format!("{lines}\n"));
        let verdict = self.server.configtest();
        self.server.write("more.conf", "");
        verdict
    }

    /// What it says of lines that are accepted.
    #[track_caller]
    fn accepted(&self, lines: &str) -> String {
        let verdict = self.verdict(lines);
        assert!(verdict.is_ok, "{lines}\n{}", verdict.text);
        verdict.text
    }

    /// What it says of lines that are refused.
    #[track_caller]
    fn refused(&self, lines: &str) -> String {
        let verdict = self.verdict(lines);
        assert!(!verdict.is_ok, "accepted: {lines}\n{}", verdict.text);
        verdict.text
    }
}

/// A Python home that exists.
fn python() -> String {
    let first = integration::pythons().first().expect("a Python");
    first.venv.display().to_string()
}

/// A server with the environ application as `app.wsgi`, in no mode: the lines say everything.
fn site(lines: &str) -> HttpdBuilder {
    Httpd::builder().file("app.wsgi", ENVIRON).directives(lines)
}

/// A key of the environ that the application saw.
#[track_caller]
fn key(response: &Response, name: &str) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    match &response.clone().json()["environ"][name] {
        Value::Array(pair) => pair[1].as_str().unwrap_or_default().to_owned(),
        _ => "(none)".to_owned(),
    }
}

/// `SCRIPT_NAME|PATH_INFO` as the application saw them.
#[track_caller]
fn paths(server: &Httpd, url: &str) -> String {
    let response = server.get(url);
    assert_eq!(response.status, 200, "{url}: {}", response.text());
    format!("{}|{}", key(&response, "SCRIPT_NAME"), key(&response, "PATH_INFO"))
}

/// `process group|application group` of the request.
#[track_caller]
fn groups(response: &Response) -> String {
    format!("{}|{}", key(response, "mod_wsgi.process_group"), key(response, "mod_wsgi.application_group"))
}

/// Whether an older subject lacks what the test is about.
fn is_old() -> bool {
    Subject::under_test() == Subject::Original49
}
