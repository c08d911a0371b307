//! Checkers of PEP 3333 and a framework behind a real httpd: `wsgiref.validate`, `webtest.lint`, Werkzeug.

use integration::{Httpd, HttpdBuilder, Mode, workspace};
use std::path::PathBuf;
use std::process::Command;

const APP: &str = include_str!("../../apps/linted/app.wsgi");

fn venv() -> PathBuf {
    let folder = workspace().join("tests/apps/linted");
    let output = Command::new(workspace().join("scripts/venv.sh")).arg(folder).output().expect("venv.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn server(mode: Mode) -> Httpd {
    builder(mode).start()
}

fn builder(mode: Mode) -> HttpdBuilder {
    Httpd::builder()
        .mode(mode)
        .python_home(Some(&venv()))
        .directives("WSGIChunkedRequest On\nWSGIMapHEADToGET Off")
        .script("/deep/mount", "app.wsgi", APP)
}

/// No checker has anything to say: each complaint would be a 500 and a line in the error log.
fn checkers_are_content(mode: Mode) {
    let server = server(mode);
    let numbers: String = (0..100).map(|number| format!("{number}\n")).collect();
    for checker in ["wsgiref", "webtest", "werkzeug"] {
        let url = |path: &str| format!("/deep/mount{path}?{checker}&more=1");
        let long = "line\n".repeat(2000);
        let rows = [
            ("GET", "/", "", 200, "hello"),
            ("GET", "", "", 200, "hello"),
            ("HEAD", "/", "", 200, ""),
            ("HEAD", "/stream", "", 200, ""),
            ("OPTIONS", "/", "", 200, "hello"),
            ("DELETE", "/", "", 200, "hello"),
            ("POST", "/", "not read", 200, "hello"),
            ("POST", "/read", &long, 200, &long),
            ("PUT", "/read", "", 200, ""),
            ("POST", "/lines", "one\ntwo\nthree", 200, "one\n|two\n|three|"),
            ("GET", "/stream", "", 200, &numbers),
            ("GET", "/error", "", 404, "nothing"),
            ("GET", "/none", "", 204, ""),
        ];
        for (method, path, body, status, text) in rows {
            if checker == "werkzeug" && ["/lines", "/none"].contains(&path) {
                continue; // it warns of every `readline`, and of a 204 without a length
            }
            let response = server.request(method, &url(path)).body(body).send();
            assert_eq!(
                (response.status, response.text().as_str()),
                (status, text),
                "{checker} {method} {path}"
            );
        }
        if checker != "werkzeug" {
            assert_eq!(server.get(&url("/write")).ok().text(), "written and returned");
        }
    }
}

/// Chunked uploads and pipelined requests through a checker.
fn checkers_are_content_with_raw_clients(mode: Mode) {
    let server = server(mode);
    for checker in ["wsgiref", "webtest"] {
        let mut wire = server.connect();
        let head = format!(
            "POST /deep/mount/read?{checker} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        wire.send(format!("{head}3\r\nabc\r\n0\r\n\r\n{head}2\r\nde\r\n0\r\n\r\n"));
        assert_eq!(wire.response(false).text(), "abc");
        assert_eq!(wire.response(false).text(), "de");
    }
}

/// Forms, uploads, JSON, URLs, cookies and files as Werkzeug sees them.
fn werkzeug(mode: Mode) {
    let server = server(mode);
    let url = |path: &str| format!("/deep/mount{path}?framework");
    let part = "x".repeat(100_000);
    let form = format!(
        "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nf\u{fc}r\r\n--B\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{part}\r\n--B--\r\n"
    );
    let request =
        server.request("POST", &url("/form")).header("Content-Type", "multipart/form-data; boundary=B");
    assert_eq!(request.body(form).send().ok().text(), "f\u{fc}r a b.txt 100000");
    let request = server.request("PUT", &url("/json")).header("Content-Type", "application/json");
    assert_eq!(request.body("{\"numbers\": [1, 2, 3]}").send().ok().text(), "6");
    let file = server.get(&url("/file")).ok();
    assert_eq!(file.text(), APP);
    assert_eq!(file.header("Content-Length"), Some(APP.len().to_string().as_str()));
    assert_eq!(server.get(&url("/memory")).ok().text(), "memory");
    let cookies = server.request("GET", &url("/cookie")).header("Cookie", "a=\"quoted\"; x=y").send().ok();
    assert_eq!((cookies.text().as_str(), cookies.all("Set-Cookie").len()), ("quoted", 2));
    let response = server.request("POST", &url("/w%C3%B6rld")).body("data").send().ok();
    let expected =
        format!("http://localhost:{}/deep/mount/w\u{f6}rld?framework|/deep/mount|POST|data", server.port());
    assert_eq!(response.text(), expected);
}

/// WebTest's own test application, behind both checkers at once: every shape of request its suite has for it.
fn debug_application(mode: Mode) {
    let server = server(mode);
    let url = |query: &str| format!("/deep/mount/some/path?debug&{query}");
    for (method, body) in
        [("GET", ""), ("POST", "a=1&b=2"), ("PUT", "data"), ("DELETE", ""), ("PATCH", "x"), ("OPTIONS", "")]
    {
        let request = server.request(method, &url("x=%C3%BC")).header("X-Odd", "\u{fc}");
        let text =
            request.header("Content-Type", "application/x-www-form-urlencoded").body(body).send().ok().text();
        for line in [
            &format!("REQUEST_METHOD: {method}\n"),
            "SCRIPT_NAME: /deep/mount\n",
            "PATH_INFO: /some/path\n",
            "QUERY_STRING: debug&x=%C3%BC\n",
            "wsgi.version: (1, 0)\n",
        ] {
            assert!(text.contains(line), "{method}: {line:?} is not in {text}");
        }
        assert!(body.is_empty() || text.ends_with(&format!("-- Body ----------\n{body}")), "{text}");
    }
    assert_eq!(server.request("HEAD", &url("")).send().ok().text(), "");
    for status in
        ["201%20Created", "302%20Found", "404%20Not%20Found", "418%20Teapot", "500%20Oh%20no", "599%20Last"]
    {
        let response = server.get(&url(&format!("status={status}&header-x-one=1")));
        assert_eq!(response.status.to_string(), status[..3]);
        assert_eq!(response.header("X-One"), Some("1"));
    }
    let form = server.get("/deep/mount/form.html?debug").ok();
    assert!(
        form.text().contains("<form")
            && form.header("Content-Type").is_some_and(|t| t.starts_with("text/html"))
    );
    // WebOb puts longer ones into a file, and leaves it open.
    let upload = "line\n".repeat(2000);
    assert!(server.request("POST", &url("")).body(&upload).send().ok().text().ends_with(&upload));
    let page = server.get("/deep/mount/?testapp").ok().text();
    assert!(page.contains("wsgi.multithread") && page.contains("mod_wsgi.version"), "{page}");
}

/// What an application writes to `wsgi.errors`, and what it raises, through the checkers.
fn debug_application_fails(mode: Mode) {
    let server = builder(mode)
        .expect_log("written by request")
        .expect_log("Exception requested")
        .allow_python_errors()
        .start();
    server.get("/deep/mount/?debug&errorlog=written%20by%20request").ok();
    assert_eq!(server.get("/deep/mount/?debug&error=1").status, 500);
    server.get("/deep/mount/?debug").ok();
}

in_both_modes!(
    checkers_are_content,
    checkers_are_content_with_raw_clients,
    debug_application,
    debug_application_fails,
    werkzeug
);
