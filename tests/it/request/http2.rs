//! HTTP/2 and TLS: mod_http2 and mod_ssl in front of applications, asked by curl, nghttp and h2load
//! (spec/behaviour.md).

use crate::asking::{ENVIRON, EnvironAnswer, load};
use crate::snippets::{base64, server};
use integration::{Httpd, HttpdBuilder, Mode, Response, Subject};
use std::path::PathBuf;
use std::process::Command;

const H2: &str = "Protocols h2 h2c http/1.1\nLogLevel http2:info";

/// Plain HTTP/2 with prior knowledge.
fn h2c(mode: Mode) -> HttpdBuilder {
    server(mode).directives(&load(&["http2"])).directives(H2).allow_log("AH10034")
}

/// What curl saw.
pub struct CurlAnswer {
    /// Its exit status: 92 is a reset stream, 18 a short body.
    pub exit: i32,
    /// The version of HTTP.
    pub version: String,
    pub response: Response,
}

pub fn curl(server: &Httpd, url: &str, arguments: &[&str]) -> CurlAnswer {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "30", "--noproxy", "*"])
        .args(["--write-out", "\n%{stderr}%{http_version} %{http_code}", "--output"])
        .arg(server.root().join("run/curl.out"))
        .args(arguments)
        .arg(url)
        .output()
        .expect("curl is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.lines().last().unwrap_or_default().to_owned();
    let (version, status) = last.split_once(' ').unwrap_or_default();
    let response = Response {
        status: status.parse().unwrap_or(0),
        reason: String::new(),
        headers: Vec::new(),
        body: std::fs::read(server.root().join("run/curl.out")).unwrap_or_default(),
    };
    CurlAnswer { exit: output.status.code().unwrap_or(-1), version: version.to_owned(), response }
}

fn snippet(server: &Httpd, code: &str, arguments: &[&str]) -> CurlAnswer {
    let header = format!("X-Code: {}", base64(code.as_bytes()));
    curl(server, &server.url("/"), &[&["--http2-prior-knowledge", "-H", &header], arguments].concat())
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

/// §1.5: what a request looks like that came over HTTP/2.
fn environ_over_http2(mode: Mode) {
    let server =
        Httpd::builder().mode(mode).app(ENVIRON).directives(&load(&["http2"])).directives(H2).start();
    let answer = curl(
        &server,
        &server.url("/a%20b?q"),
        &["--http2-prior-knowledge", "-H", "Cookie: a=1", "-H", "X-Two: 1", "-H", "x-two: 2", "-d", "body"],
    );
    assert_eq!((answer.exit, answer.version.as_str()), (0, "2"));
    let seen = EnvironAnswer::of(&answer.response);
    seen.check(&[
        ("SERVER_PROTOCOL", Some("HTTP/2.0")),
        ("PATH_INFO", Some("/a b")),
        ("QUERY_STRING", Some("q")),
        ("HTTP_HOST", Some(&format!("localhost:{}", server.port()))),
        ("HTTP_COOKIE", Some("a=1")),
        ("HTTP_X_TWO", Some("1, 2")),
        ("CONTENT_LENGTH", Some("4")),
        ("wsgi.url_scheme", Some("http")),
    ]);
    assert_eq!(seen.body(), "body");
}

/// Bodies of all kinds, in both directions.
fn bodies(mode: Mode) {
    let server = h2c(mode).directives("WSGIChunkedRequest On").start();
    let file = server.root().join("run/upload");
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 249) as u8).collect();
    std::fs::write(&file, &body).expect("own folder");
    let echo = "def app(environ, start_response):
    parts = list(iter(lambda: input.read(50000), b''))
    start_response('200 OK', [])
    return parts";
    let upload = format!("@{}", file.display());
    let answer = snippet(&server, echo, &["--data-binary", &upload]);
    assert_eq!((answer.exit, answer.version.as_str()), (0, "2"));
    assert!(answer.response.body == body, "{} bytes came back", answer.response.body.len());
    let empty = snippet(&server, "def app(e, s):\n    s('200 OK', [])\n    return []", &[]);
    assert_eq!((empty.exit, empty.response.status, empty.response.body.len()), (0, 200, 0));
    let head = snippet(
        &server,
        "def app(e, s):\n    s('200 OK', [('Content-Length', '5')])\n    return [b'hello']",
        &["--head"],
    );
    assert_eq!((head.exit, head.response.status), (0, 200));
    for status in ["204 No Content", "304 Not Modified", "418 Teapot"] {
        let code = format!("def app(e, s):\n    s('{status}', [])\n    return [b'x']");
        let answer = snippet(&server, &code, &[]);
        assert_eq!((answer.exit, answer.response.status.to_string().as_str()), (0, &status[..3]));
    }
}

/// §1.1 #7, §4.14: an upload without a length needs no `Transfer-Encoding` in HTTP/2. The control loses it.
fn upload_without_a_length(mode: Mode) {
    if Subject::skips("a body without a length is taken for none") {
        return;
    }
    for (directive, seen) in
        [("WSGIChunkedRequest On", "100000 None"), ("WSGIRequestBuffering 1M", "100000 100000")]
    {
        let server = h2c(mode).directives(directive).start();
        let file = server.root().join("run/upload");
        std::fs::write(&file, vec![b'u'; 100_000]).expect("own folder");
        let code = "def app(environ, start_response):
    return answer(start_response, '%d %s' % (len(input.read()), environ.get('CONTENT_LENGTH')))";
        let upload = file.display().to_string();
        let answer = snippet(&server, code, &["-H", "Transfer-Encoding: chunked", "-T", &upload]);
        assert_eq!((answer.exit, answer.response.text().as_str()), (0, seen));
        let answer = snippet(&server, code, &[]);
        assert_eq!((answer.exit, answer.response.text().as_str()), (0, "0 None"), "{directive}: no body");
    }
}

/// mod_http2 says *chunked* of a stream whose headers do not end it, also if nothing follows.
fn streams_that_end_late_may_be_empty(mode: Mode) {
    if Subject::skips("411, although there is no body") {
        return;
    }
    let server = h2c(mode).start();
    let file = server.root().join("run/upload");
    std::fs::write(&file, "").expect("own folder");
    let code = "def app(environ, start_response):
    return answer(start_response, '%d %s %s' % (
        len(input.read()), environ.get('CONTENT_LENGTH'), environ.get('HTTP_TRANSFER_ENCODING')))";
    let upload = file.display().to_string();
    for method in ["GET", "POST"] {
        let arguments = ["-H", "Transfer-Encoding: chunked", "-T", &upload, "-X", method];
        let answer = snippet(&server, code, &arguments);
        assert_eq!((answer.exit, answer.response.text().as_str()), (0, "0 None None"), "{method}");
    }
}

/// An early answer to an upload that goes on.
fn early_answer(mode: Mode) {
    let server = h2c(mode).start();
    let file = server.root().join("run/upload");
    std::fs::write(&file, vec![b'u'; 2_000_000]).expect("own folder");
    let code = "def app(e, s):\n    s('401 No', [('Content-Length', '2')])\n    return [b'no']";
    let answer = snippet(&server, code, &["--data-binary", &format!("@{}", file.display())]);
    if mode == Mode::Daemon || Subject::is_ours() {
        // mod_http2 resets a stream whose upload nobody reads; the control's embedded mode loses its answer to that.
        assert_eq!((answer.response.status, answer.response.text().as_str()), (401, "no"), "{}", answer.exit);
    }
}

/// Errors that come before the upload has ended: a refusal, and a failure of the application.
fn early_errors(mode: Mode) {
    if Subject::skips("mod_http2 resets the stream; a daemon's failures arrive, as its upload is read first")
    {
        return;
    }
    let server = h2c(mode).allow_python_errors().start();
    let file = server.root().join("run/upload");
    std::fs::write(&file, vec![b'u'; 2_000_000]).expect("own folder");
    let upload = format!("@{}", file.display());
    for _ in 0..5 {
        let length = ["-H", "Transfer-Encoding: chunked", "-T", &upload[1..]];
        let answer = snippet(&server, "def app(e, s): return answer(s, 'fine')", &length);
        assert_eq!((answer.exit, answer.response.status), (0, 411));
    }
    for _ in 0..5 {
        let answer = snippet(&server, "def app(e, s): raise ValueError()", &["--data-binary", &upload]);
        assert_eq!((answer.exit, answer.response.status), (0, 500));
    }
}

/// A response that breaks off resets its stream. The control ends it as if it were whole.
fn truncation_resets_the_stream(mode: Mode) {
    if Subject::skips("truncated responses look complete") {
        return;
    }
    let server = h2c(mode).expect_log("WSGI0174").allow_python_errors().start();
    for headers in ["[]", "[('Content-Length', '100')]"] {
        let code =
            format!("def app(e, s):\n    s('200 OK', {headers})\n    yield b'part'\n    raise ValueError()");
        let answer = snippet(&server, &code, &[]);
        assert_eq!(answer.exit, 92, "{headers}: RST_STREAM"); // it may come before the head does
    }
    let short = snippet(
        &server,
        "def app(e, s):\n    s('200 OK', [('Content-Length', '9')])\n    return [b'part']",
        &[],
    );
    assert_ne!(short.exit, 0, "fewer bytes than announced");
    let fine = snippet(&server, "def app(e, s): return answer(s, 'fine')", &[]);
    assert_eq!((fine.exit, fine.response.text().as_str()), (0, "fine"));
}

/// Many streams of few connections.
fn many_streams(mode: Mode) {
    if !installed("h2load") {
        return;
    }
    let server =
        Httpd::builder().mode(mode).app(ENVIRON).directives(&load(&["http2"])).directives(H2).start();
    let output = Command::new("h2load")
        .args(["-n", "500", "-c", "4", "-m", "20"])
        .arg(format!("http://127.0.0.1:{}/", server.port()))
        .output()
        .expect("h2load");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("500 succeeded, 0 failed, 0 errored, 0 timeout"), "{text}");
}

/// Several resources over one connection by another client.
fn nghttp(mode: Mode) {
    if !installed("nghttp") {
        return;
    }
    let server =
        Httpd::builder().mode(mode).app(ENVIRON).directives(&load(&["http2"])).directives(H2).start();
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.port());
    let output = Command::new("nghttp")
        .args(["-s", "-n"])
        .args([url("/1"), url("/2"), url("/3")])
        .output()
        .expect("nghttp");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text.matches(" 200 ").count(), 3, "{text}");
}

/// A server with a TLS host on a second port of its own.
fn tls(mode: Mode, app: &str, more: &str) -> (Httpd, u16) {
    let (builder, port) = tls_builder(mode, app, more);
    (builder.start(), port)
}

/// See [`tls`].
pub fn tls_builder(mode: Mode, app: &str, more: &str) -> (HttpdBuilder, u16) {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("loopback").port();
    let (certificate, key) = certificate();
    let builder = Httpd::builder()
        .mode(mode)
        .file("cert.pem", certificate)
        .file("key.pem", key)
        .file("app.wsgi", app)
        .file("access.py", ACCESS)
        .directives(&load(&["socache_shmcb", "ssl", "http2"]))
        .allow_log("[ssl:warn]") // about the certificate and the session cache
        .allow_log_of_control("OSError") // a file over HTTP/2 ends with an error in its embedded mode
        .allow_log_of_control("WSGI0174")
        .directives(&format!(
            "{H2}\nListen 127.0.0.1:{port}\nWSGIScriptAlias / @ROOT@/app/app.wsgi\n<VirtualHost *:{port}>\n\
             ServerName localhost\nSSLEngine On\nSSLCertificateFile @ROOT@/app/cert.pem\n\
             SSLCertificateKeyFile @ROOT@/app/key.pem\n{more}\n</VirtualHost>"
        ));
    (builder, port)
}

/// Lets those in whom mod_ssl knows.
const ACCESS: &str = "def allow_access(environ, host):
    lookup = environ['mod_ssl.var_lookup']
    return environ['mod_ssl.is_https']() == 1 and lookup('SSL_PROTOCOL').startswith('TLSv1.') and lookup(b'NONE') == ''
";

/// §1.10, §7.1: what host scripts and the object behind start_response can ask mod_ssl.
fn mod_ssl_is_asked(mode: Mode) {
    let app = "def application(environ, start_response):
    ask = start_response.__self__
    start_response('200 OK', [])
    return [repr((ask.ssl_is_https(), bool(ask.ssl_var_lookup('SSL_PROTOCOL')))).encode()]\n";
    let section = "<Location />\nWSGIAccessScript @ROOT@/app/access.py\n</Location>";
    let (server, port) = tls(mode, app, section);
    let root = server.root().join("app/cert.pem").display().to_string();
    let answer = curl(&server, &format!("https://localhost:{port}/"), &["--cacert", &root]);
    let expected = if mode == Mode::Embedded { "(1, True)" } else { "(0, False)" };
    assert_eq!((answer.response.status, answer.response.text().as_str()), (200, expected));
}

/// A certificate for localhost that signs itself, and its key.
fn certificate() -> (Vec<u8>, Vec<u8>) {
    let folder = std::env::temp_dir().join(format!(
        "mod-wsgi-it-tls-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let file = |name: &str| -> PathBuf { folder.join(name) };
    let status = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(file("key"))
        .arg("-out")
        .arg(file("cert"))
        .output()
        .expect("openssl is installed");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let read = |name: &str| std::fs::read(file(name)).expect("openssl wrote it");
    let made = (read("cert"), read("key"));
    let _ = std::fs::remove_dir_all(&folder); // a temporary folder that stays does no harm
    made
}

/// §1.5, §1.12: the scheme, the port, and `SSL_*` where StdEnvVars asks for them; HTTP/1.1 and HTTP/2.
fn tls_environ(mode: Mode) {
    let options = "<Location /vars>\nSSLOptions +StdEnvVars\n</Location>\n<Location /proxied>\n\
                   WSGITrustedProxyHeaders X-Forwarded-Proto\nWSGITrustedProxies 127.0.0.1\n</Location>";
    let (server, port) = tls(mode, ENVIRON, options);
    let root = server.root().join("app/cert.pem").display().to_string();
    let url = |path: &str| format!("https://localhost:{port}{path}");
    for (version, protocol) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2.0")] {
        let ask = |path: &str, more: &[&str]| {
            let answer = curl(&server, &url(path), &[&["--cacert", &root, version], more].concat());
            assert_eq!(answer.exit, 0, "{path} {version}");
            EnvironAnswer::of(&answer.response)
        };
        ask("/plain", &[]).check(&[
            ("SERVER_PROTOCOL", Some(protocol)),
            ("wsgi.url_scheme", Some("https")),
            ("REQUEST_SCHEME", Some("https")),
            ("HTTPS", None),
            ("SSL_PROTOCOL", None),
            ("SERVER_PORT", Some(&port.to_string())),
            ("mod_wsgi.listener_port", Some(&port.to_string())),
        ]);
        let seen = ask("/vars", &["-d", "secret"]);
        assert!(seen.get("SSL_PROTOCOL").is_some_and(|value| value.starts_with("TLSv1.")));
        assert!(seen.get("SSL_CIPHER").is_some());
        assert_eq!(seen.body(), "secret");
        seen.check(&[
            ("HTTPS", None),
            ("wsgi.url_scheme", Some("https")),
            ("SSL_SERVER_S_DN_CN", Some("localhost")),
        ]);
        // A trusted proxy's word beats the connection it uses itself.
        let seen = ask("/proxied", &["-H", "X-Forwarded-Proto: http"]);
        seen.check(&[("wsgi.url_scheme", Some("http")), ("REQUEST_SCHEME", Some("https"))]);
    }
    let (plain, host) = (server.get("/plain"), format!("localhost:{}", server.port()));
    EnvironAnswer::of(&plain).check(&[("wsgi.url_scheme", Some("http")), ("HTTP_HOST", Some(&host))]);
}

/// §1.10: methods of the object behind start_response; files, and large bodies through TLS.
fn tls_bodies(mode: Mode) {
    let app = "import os, tempfile
file = tempfile.TemporaryFile()
file.write(bytes(range(256)) * 8000)
def application(environ, start_response):
    data = environ['wsgi.input'].read()
    start_response('200 OK', [('X-Length', str(len(data)))])
    if environ['PATH_INFO'] == '/file':
        copy = os.fdopen(os.dup(file.fileno()), 'rb')
        copy.seek(0)
        return environ['wsgi.file_wrapper'](copy)
    return [data]\n";
    let (server, port) = tls(mode, app, "");
    let root = server.root().join("app/cert.pem").display().to_string();
    let upload = server.root().join("run/upload");
    let body: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 247) as u8).collect();
    std::fs::write(&upload, &body).expect("own folder");
    for version in ["--http1.1", "--http2"] {
        let arguments = ["--cacert", &root, version];
        let file = curl(&server, &format!("https://localhost:{port}/file"), &arguments);
        let is_right = file.response.body.iter().enumerate().all(|(at, byte)| *byte == at as u8);
        assert!(file.exit == 0 && file.response.body.len() == 2_048_000 && is_right, "{version}");
        let data = format!("@{}", upload.display());
        let echo = curl(
            &server,
            &format!("https://localhost:{port}/"),
            &[&arguments[..], &["--data-binary", &data]].concat(),
        );
        assert!(echo.exit == 0 && echo.response.body == body, "{version}: {}", echo.exit);
    }
}

in_both_modes!(
    bodies,
    early_answer,
    early_errors,
    environ_over_http2,
    many_streams,
    mod_ssl_is_asked,
    nghttp,
    streams_that_end_late_may_be_empty,
    tls_bodies,
    tls_environ,
    truncation_resets_the_stream,
    upload_without_a_length,
);
