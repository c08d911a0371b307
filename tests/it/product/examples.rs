//! Each folder of `examples/`, served as its README says.

use integration::{Httpd, HttpdBuilder, Mode, Mpm, Response, Subject, pythons, workspace};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the example below the ServerRoot, with the placeholders of its configuration filled in.
pub fn example(name: &str, configuration: &str, replacements: &[(&str, &Path)]) -> HttpdBuilder {
    let folder = workspace().join("examples").join(name);
    let text = std::fs::read_to_string(folder.join(configuration)).expect("its configuration");
    let text = text.replace("@EXAMPLE@", &format!("@ROOT@/app/{name}"));
    let fill = |text: String, row: &(&str, &Path)| text.replace(row.0, &row.1.to_string_lossy());
    let text = replacements.iter().fold(text, fill);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    let builder = Httpd::builder().python_home(None).directives(&text);
    files.into_iter().fold(builder, |builder, path| {
        let relative = path.strip_prefix(&folder).expect("below it").display().to_string();
        builder.file(&format!("{name}/{relative}"), std::fs::read(&path).expect("readable"))
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("an example").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true if !path.ends_with("__pycache__") => collect(&path, files),
            true => (),
            false => files.push(path),
        }
    }
}

/// The virtual environment with the packages of the example.
pub fn venv(name: &str) -> PathBuf {
    let folder = workspace().join("examples").join(name);
    let output = Command::new(workspace().join("scripts/venv.sh")).arg(folder).output().expect("venv.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

#[test]
fn hello() {
    let server = example("hello", "httpd.conf", &[]).start();
    let text = server.get("/x").ok().text();
    assert!(
        text.starts_with("Hello, world!") && text.contains("group 'hello'") && text.contains("path /x"),
        "{text}"
    );
}

#[test]
fn flask() {
    let server = example("flask", "httpd.conf", &[("@VENV@", &venv("flask"))])
        .expect_log("ValueError: this view always fails")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "<h1>Flask</h1>\n");
    assert_eq!(server.get("/hello/w%C3%B6rld%20%3C3").ok().text(), "Hello, w\u{f6}rld &lt;3!\n");
    let sum = server
        .request("POST", "/sum")
        .header("Content-Type", "application/json")
        .body(r#"{"numbers": [1, 2]}"#);
    assert_eq!(sum.send().json(), serde_json::json!({"sum": 3, "count": 2}));
    assert_eq!(server.get("/fail").status, 500);
    let missing = server.get("/nowhere");
    assert_eq!((missing.status, missing.text().as_str()), (404, "no such page: /nowhere\n"));
}

#[test]
fn two_pythons() {
    if Subject::skips("one libpython for all") {
        return;
    }
    let found = pythons();
    assert!(found.len() >= 2, "at least two Pythons are needed");
    let (a, b) = (&found[0], &found[found.len() - 1]);
    let server =
        example("two-pythons", "httpd.conf", &[("@PYTHON_A@", &a.venv), ("@PYTHON_B@", &b.base)]).start();
    assert_eq!(server.get("/a").ok().text(), format!("a runs Python {}\n", a.version));
    assert_eq!(server.get("/b").ok().text(), format!("b runs Python {}\n", b.version));
}

fn django(mpm: Mpm, mode: Mode) {
    let venv = venv("django");
    let configuration = if mode == Mode::Daemon { "httpd.conf" } else { "embedded.conf" };
    let server = example("django", configuration, &[("@VENV@", &venv)])
        .mpm(mpm)
        .writable("django/data")
        .expect_log("ValueError: this view always fails")
        .allow_log("Not Found: /nowhere")
        .allow_log("Internal Server Error: /fail")
        .allow_python_errors()
        .start();
    migrate(&server, &venv);
    form_and_template(&server);
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(server.get("/fail").status, 500);
    let style = server.get("/static/style.css").ok();
    assert!(style.text().contains("font-family") && style.header("ETag").is_some(), "httpd itself serves it");
    upload(&server);
    let download = server.get("/download").ok();
    assert_eq!(download.body.len(), 50 << 20);
    assert_eq!(download.body.iter().enumerate().find(|(at, byte)| **byte != (at % 256) as u8), None);
    server.stop();
}

pub fn migrate(server: &Httpd, venv: &Path) {
    let folder = server.root().join("app/django");
    let output = Command::new(venv.join("bin/python3"))
        .args(["-B", "manage.py", "migrate", "--verbosity", "0"])
        .current_dir(&folder)
        .output()
        .expect("manage.py");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let database = folder.join("data/notes.sqlite3");
    std::fs::set_permissions(database, std::fs::Permissions::from_mode(0o666)).expect("own file");
}

fn form_and_template(server: &Httpd) {
    let page = server.get("/").ok();
    assert!(page.text().contains("<h1>0 notes</h1>"), "{}", page.text());
    let cookie = page.header("Set-Cookie").expect("a token").split(';').next().unwrap_or_default().to_owned();
    let token = between(&page, "name=\"csrfmiddlewaretoken\" value=\"", "\"");
    let post = |body: &str| {
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        server.request("POST", "/").header(form.0, form.1).header("Cookie", &cookie).body(body).send()
    };
    let added = post(&format!("csrfmiddlewaretoken={token}&text=Kaffee+%26+Kuchen+%E2%98%95"));
    assert_eq!((added.status, added.header("Location")), (302, Some("/")), "{}", added.text());
    assert_eq!(post("text=forged").status, 403);
    assert!(
        post(&format!("csrfmiddlewaretoken={token}&text=")).ok().text().contains("This field is required")
    );
    let page = server.get("/").ok().text();
    assert!(
        page.contains("<h1>1 note</h1>") && page.contains("<li>Kaffee &amp; Kuchen \u{2615}</li>"),
        "{page}"
    );
}

fn upload(server: &Httpd) {
    let content: Vec<u8> = (0..20_u32 << 20).map(|at| (at / 7 % 256) as u8).collect();
    let mut body =
        b"--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n".to_vec();
    body.extend(&content);
    body.extend(b"\r\n--boundary--\r\n");
    let request =
        server.request("POST", "/upload").header("Content-Type", "multipart/form-data; boundary=boundary");
    let answer = request.body(&body).send().json();
    assert_eq!(answer["length"], content.len());
    assert_eq!(answer["sha256"], sha256(server, &content));
}

/// By coreutils: a digest of ours would prove less.
fn sha256(server: &Httpd, content: &[u8]) -> String {
    let path = server.root().join("run/upload");
    std::fs::write(&path, content).expect("own folder");
    let output = Command::new("sha256sum").arg(path).output().expect("sha256sum");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or_default().to_owned()
}

fn between(page: &Response, before: &str, after: &str) -> String {
    let text = page.text();
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().unwrap_or_default().to_owned()
}

macro_rules! django {
    ($($name:ident: $mpm:ident $mode:ident;)+) => {
        $(#[test] fn $name() { django(Mpm::$mpm, Mode::$mode); })+
    };
}

django! {
    django_event_daemon: Event Daemon;
    django_event_embedded: Event Embedded;
    django_prefork_daemon: Prefork Daemon;
    django_prefork_embedded: Prefork Embedded;
    django_worker_daemon: Worker Daemon;
    django_worker_embedded: Worker Embedded;
}
