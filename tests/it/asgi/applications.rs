//! ASGI applications in daemon mode: scope, bodies both ways, disconnects, failures, and what they are told apart by.

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually};
use serde_json::json;

pub const APP: &str = include_str!("../../apps/asgi.py");
pub const REASON: &str = "it runs WSGI applications only";

pub fn server() -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).script("/", "app.py", APP).allow_log("[wsgi:error]")
}

fn release(server: &Httpd) {
    server.write("released", "");
}

#[test]
fn scope() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/deep/mount", "deep.py", APP)
        .directives("SetEnv SITE main")
        .allow_log("[wsgi:error]")
        .expect_log("is an ASGI application; it runs in the main interpreter of daemon process 'app'")
        .start();
    let request = server.request("GET", "/deep/mount/a%20b/%C3%BC?x=%20&y");
    let scope = request.header("X-Many-Words", "one").header("Cookie", "a=b").send().json();
    assert_eq!(scope["type"], "http");
    assert_eq!(scope["asgi"], json!({"version": "3.0", "spec_version": "2.5"}));
    assert_eq!(
        (&scope["http_version"], &scope["method"], &scope["scheme"]),
        (&"1.1".into(), &"GET".into(), &"http".into())
    );
    assert_eq!(scope["path"], "/deep/mount/a b/\u{fc}");
    assert_eq!(scope["raw_path"], "/deep/mount/a%20b/%C3%BC");
    assert_eq!((&scope["query_string"], &scope["root_path"]), (&"x=%20&y".into(), &"/deep/mount".into()));
    assert_eq!(scope["client"][0], "127.0.0.1");
    assert!(scope["client"][1].as_u64().is_some_and(|port| port > 0));
    assert_eq!(scope["server"], json!(["127.0.0.1", server.port()]));
    let headers = scope["headers"].as_array().expect("a list");
    for header in [json!(["x-many-words", "one"]), json!(["cookie", "a=b"])] {
        assert!(headers.contains(&header), "{headers:?}");
    }
    assert_eq!(scope["state"], json!({"made": "at startup"}));
    let own = &scope["extensions"]["mod_wsgi"];
    assert_eq!((&own["process_group"], &own["application_group"]), (&"app".into(), &"".into()));
    assert_eq!(
        (&own["environ"]["SITE"], &own["environ"]["PATH_INFO"]),
        (&"main".into(), &"/a b/\u{c3}\u{bc}".into())
    );
    assert!(own["request_start"].as_f64().is_some_and(|start| start > 1e9));
    assert!(scope["extensions"]["http.response.pathsend"].is_object());
}

#[test]
fn bodies() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().directives("WSGIChunkedRequest On").start();
    let long: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    for body in [&b""[..], b"short", &long[..100_000], &long] {
        let length = body.len();
        assert!(server.request("POST", "/echo").body(body).send().ok().body == body, "echo of {length}");
        let many = if length > 64 * 1024 { "many" } else { "one" };
        assert_eq!(
            server.request("POST", "/count").body(body).send().ok().text(),
            format!("{length} {many}")
        );
        // One that nobody reads is in nobody's way.
        assert_eq!(server.request("POST", "/fail").body(body).send().status, 500, "{length}");
    }
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let head = client.head().expect("a head before the body is complete");
    assert_eq!((head.status, client.exactly(8).expect("a chunk")), (200, b"3\r\nabc\r\n".to_vec()));
    client.send("2\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.exactly(12).expect("the rest"), b"2\r\nde\r\n0\r\n\r\n");
    client.send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.response(true).status, 200);
    client.send("GET /count HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.response(false).text(), "0 one");
}

#[test]
fn each_message_leaves_at_once() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("threads=1 response-flush-delay=60000").start();
    let mut client = server.connect();
    client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    client.head().expect("a head");
    assert_eq!(client.exactly(10).expect("a chunk"), b"5\r\nfirst\r\n");
    release(&server);
    assert_eq!(client.exactly(14).expect("the rest"), b"4\r\nlast\r\n0\r\n\r\n");
}

/// Many at once, on one thread; more than may be in flight wait.
#[test]
fn requests_are_concurrent() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("threads=1 max-requests-in-flight=20").start();
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients[..19] {
        client.send("GET /meet?20 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    clients[19].send("GET /meet?20 HTTP/1.1\r\nHost: x\r\n\r\n");
    for client in &mut clients {
        assert_eq!(client.response(false).text(), "met");
    }
}

#[test]
fn executor_has_as_many_threads_as_the_group() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("threads=3").start();
    assert_eq!(server.get("/thread?3").ok().text(), "3");
}

#[test]
fn clients_that_leave() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    let mut client = server.connect();
    client.send("GET /left HTTP/1.1\r\nHost: x\r\n\r\n");
    client.head().expect("a head");
    drop(client);
    server.wait_for_log("the client has left");
    let mut client = server.connect();
    client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    client.exactly(1_000_000).expect("much of it");
    drop(client);
    server.wait_for_log("send raised ClientDisconnected");
    server.wait_for_log("The request was cut off");
    let mut client = server.connect();
    client.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf");
    drop(client);
    server.wait_for_log("no whole body");
    assert!(!server.error_log().contains("Traceback"), "{}", server.error_log());
}

#[test]
fn application_goes_on_behind_its_response() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    assert_eq!(server.get("/background").ok().text(), "answered");
    assert!(!server.error_log().contains("afterwards"));
    release(&server);
    server.wait_for_log("afterwards http.disconnect");
}

#[test]
fn files() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    assert_eq!(server.get("/path").ok().text(), APP);
    assert_eq!(server.get("/copy").ok().text(), "23456789".to_owned() + "0!");
    assert_eq!(server.request("HEAD", "/path").send().ok().text(), "");
    assert_eq!(server.get("/pipe").ok().text(), "not a regular file");
}

#[test]
fn failures() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server()
        .expect_log("WSGI0506")
        .expect_log("WSGI0507")
        .expect_log("WSGI0508")
        .expect_log("ValueError: before the response")
        .start();
    assert_eq!(server.get("/fail").status, 500);
    assert_eq!(server.get("/nothing").status, 500);
    for path in ["/break", "/half"] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(client.try_response(false).is_err(), "{path} is visibly broken");
    }
    server.wait_for_log("ValueError: in the midst of it");
    let errors =
        "RuntimeError ValueError TypeError ValueError ValueError TypeError ValueError RuntimeError TypeError";
    assert_eq!(server.get("/bad").ok().text(), errors);
    assert_eq!(server.get("/leave").ok().text(), "still here");
    assert_eq!(server.get("/count").ok().text(), "0 one");
}

/// What keeps the loop is named once, in the log of the request whose task it is.
#[test]
fn blocked_loop() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().expect_log("WSGI0509").start();
    server.get("/count").ok();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| server.get("/block").ok().text());
        server.wait_for_log("The event loop has been blocked for");
        release(&server);
        assert_eq!(blocked.join().expect("no panic"), "unblocked");
    });
    let log = server.error_log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("WSGI0509")).collect();
    assert!(
        lines.len() == 1 && lines[0].contains("in block") && lines[0].contains("[client 127.0.0.1"),
        "{lines:?}"
    );
}

/// A process that a coroutine forks off ends where it comes back to the loop, and takes no request along.
#[test]
fn forked_child_is_no_server() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().expect_log("the child has ended with 255").start();
    assert_eq!(server.get("/fork").ok().text(), "1");
    for _ in 0..20 {
        assert_eq!(server.get("/count").ok().text(), "0 one");
    }
}

/// An application that stops the loop does not end the service.
#[test]
fn stopped_loop_goes_on() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().expect_log("has left the event loop by loop.stop()").start();
    assert_eq!(server.get("/stop").ok().text(), "still here");
    assert_eq!(server.get("/count").ok().text(), "0 one");
}

/// Without its loop a process is replaced, and requests that it has not begun go elsewhere.
#[test]
fn ruined_loop_is_replaced() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("threads=2 loop=asyncio").expect_log("WSGI0503").start();
    assert_eq!(server.get("/ruin").ok().text(), "last words");
    server.wait_for_log("WSGI0503");
    for _ in 0..5 {
        assert_eq!(server.get("/count").ok().text(), "0 one");
    }
    server.logged("startup", 2); // in another process
}

/// request-timeout cancels the task: 504, or a broken response, and the process lives on.
#[test]
fn overdue_requests() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("threads=2 request-timeout=1").expect_log("WSGI0313").start();
    assert_eq!(server.get("/sleep").status, 504);
    let mut client = server.connect();
    client.send("GET /sleep?begun HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.try_response(false).is_err());
    let log = server.error_log();
    let mut lines = log.lines().filter(|line| line.contains("WSGI0313"));
    assert!(lines.all(|line| line.contains("in sleep |") && line.contains("in application |")), "{log}");
    assert_eq!(server.get("/count").ok().text(), "0 one");
    server.logged("startup", 1); // the same process
}

/// What the application starts, from the loop or from its executor, can be told to end.
#[test]
fn programs_have_no_signal_blocked() {
    if Subject::skips(REASON) {
        return;
    }
    let app = "
import asyncio, subprocess
async def application(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    words = ['grep', 'SigBlk', '/proc/self/status']
    child = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    seen = (await child.communicate())[0]
    loop = asyncio.get_running_loop()
    seen += await loop.run_in_executor(None, subprocess.check_output, words)
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': seen})
";
    let server = Httpd::builder().mode(Mode::Daemon).script("/", "app.py", app).start();
    let text = server.get("/").ok().text();
    assert_eq!(text, "SigBlk:\t0000000000000000\n".repeat(2));
}

/// Tracebacks stand in the log of the virtual host.
#[test]
fn failures_stand_in_the_log_of_their_host() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server()
        .directives(
            "<VirtualHost *>\nServerName first\n</VirtualHost>\n<VirtualHost *>\nServerName other\n\
             ErrorLog @ROOT@/logs/other.log\n</VirtualHost>",
        )
        .start();
    assert_eq!(server.request("GET", "/fail").header("Host", "other").send().status, 500);
    eventually("the traceback is there", || {
        server.log_of("other.log").contains("ValueError: before the response").then_some(())
    });
    assert!(!server.log_of("error.log").contains("ValueError"));
}

const WSGI: &str =
    "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'wsgi']\n";
const BOTH: &str = "class Both:
    async def __call__(self, scope, receive, send):
        await send({'type': 'http.response.start', 'status': 200})
        await send({'type': 'http.response.body', 'body': b'asgi'})
app = Both()
def factory(*arguments):
    return app(*arguments) if len(arguments) == 3 else b'no'
";

/// How an application is called: by its looks, by its alias, or by its group; and both in one process.
#[test]
fn interfaces() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .file("both.py", BOTH)
        .script("/wsgi", "wsgi.py", WSGI)
        .directives(
            "WSGIDaemonProcess only threads=2 interface=asgi
WSGIScriptAlias /looks @ROOT@/app/both.py callable-object=app
WSGIScriptAlias /usual @ROOT@/app/both.py
WSGIScriptAlias /alias @ROOT@/app/both.py callable-object=factory interface=asgi
WSGIScriptAlias /wrong @ROOT@/app/both.py callable-object=app interface=wsgi
WSGIScriptAlias /group @ROOT@/app/both.py callable-object=factory process-group=only
WSGIScriptAlias /own @ROOT@/app/wsgi.py interface=wsgi process-group=only",
        )
        .expect_log("missing 1 required positional argument: 'send'")
        .allow_python_errors()
        .start();
    for _ in 0..3 {
        for (path, text) in [
            ("/wsgi", "wsgi"),
            ("/looks", "asgi"),
            ("/usual", "asgi"),
            ("/alias", "asgi"),
            ("/group", "asgi"),
            ("/own", "wsgi"),
        ] {
            assert_eq!(server.get(path).ok().text(), text, "{path}");
        }
        assert_eq!(server.get("/wrong").status, 500);
    }
}

#[test]
fn places_without_an_event_loop() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .file("app.py", BOTH)
        .directives(
            "WSGIDaemonProcess app threads=2
WSGIScriptAlias /embedded @ROOT@/app/app.py callable-object=app
WSGIScriptAlias /sub @ROOT@/app/app.py callable-object=app process-group=app application-group=sub
WSGIScriptAlias /main @ROOT@/app/app.py callable-object=app process-group=app application-group=%{GLOBAL}
WSGIScriptAlias /chosen @ROOT@/app/app.py callable-object=app process-group=app interface=asgi",
        )
        .expect_log("WSGI0500")
        .expect_log("WSGI0501")
        .start();
    assert_eq!(server.get("/embedded").status, 500);
    assert_eq!(server.get("/sub").status, 500);
    assert_eq!(server.get("/main").ok().text(), "asgi");
    assert_eq!(server.get("/chosen").ok().text(), "asgi");
}

#[test]
fn loops() {
    if Subject::skips(REASON) {
        return;
    }
    for (kind, line) in [("asyncio", "The event loop of asyncio runs"), ("uvloop", "WSGI0502")] {
        let server = server().daemon_options(&format!("threads=2 loop={kind}")).expect_log(line).start();
        server.get("/count").ok();
    }
    for option in ["loop=trio", "interface=cgi", "max-requests-in-flight=0"] {
        let verdict = Httpd::builder().directives(&format!("WSGIDaemonProcess x {option}")).configtest();
        assert!(!verdict.is_ok && verdict.text.contains(option.split('=').next().unwrap_or_default()));
    }
}
