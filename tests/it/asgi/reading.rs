//! The event loop reads its requests itself once many in a row were for it; workers do again when another kind comes.

use crate::asgi::applications::REASON;
use crate::product::examples::venv;
use integration::{Httpd, HttpdBuilder, Mode, Subject, kill, pythons};

/// Enough for the loop to begin to read, whatever came before.
const MANY: usize = 150;

const APP: &str = "
import os, time

async def application(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    if scope['path'].endswith('/block'):
        print('here it is blocked', flush=True)
        time.sleep(60)
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'%d' % os.getpid()})
";

const WSGI: &str = "
import os

def application(environ, start_response):
    start_response('200 OK', [])
    return [b'%d' % os.getpid()]
";

/// What waits for a loop that is blocked has not been read: it is not lost when that process dies.
#[test]
fn what_has_not_been_read_is_not_lost() {
    if Subject::skips(REASON) {
        return;
    }
    none_is_lost(Httpd::builder());
}

/// Where it is installed uvloop is the loop.
#[test]
fn uvloop_reads_requests_too() {
    if Subject::skips(REASON) {
        return;
    }
    let venv = venv("fastapi");
    none_is_lost(
        Httpd::builder().python_home(Some(venv.as_ref())).expect_log("The event loop of uvloop runs"),
    );
}

fn none_is_lost(builder: HttpdBuilder) {
    let server = builder
        .mode(Mode::Daemon)
        .script("/", "app.py", APP)
        .daemon_options("processes=1 threads=2 interface=asgi")
        .expect_log("WSGI0509")
        .allow_log("WSGI0")
        .allow_log("[wsgi:error]")
        .start();
    let pid = server.get("/").ok().text();
    for _ in 0..MANY {
        assert_eq!(server.get("/").ok().text(), pid);
    }
    let mut blocking = server.connect();
    blocking.send("GET /block HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    server.wait_for_log("here it is blocked");
    let mut waiting: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    server.wait_for_log("WSGI0509");
    kill(pid.parse().expect("a process id"));
    for client in &mut waiting {
        let answer = client.response(false);
        assert_eq!(answer.status, 200);
        assert_ne!(answer.text(), pid);
    }
    assert_ne!(blocking.response(false).status, 200);
}

/// A process may run both kinds, in whatever order they come.
#[test]
fn another_kind_of_application_comes() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/asgi", "app.py", APP)
        .script("/wsgi", "other.py", WSGI)
        .daemon_options("processes=1 threads=3")
        .start();
    let pid = server.get("/wsgi").ok().text();
    for round in 1..=3 {
        for _ in 0..MANY {
            assert_eq!(server.get("/asgi").ok().text(), pid, "round {round}");
        }
        for _ in 0..round {
            assert_eq!(server.get("/wsgi").ok().text(), pid, "round {round}");
        }
    }
    // Both at once, over connections that are kept.
    let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
    for turn in 0..90 {
        for (number, client) in clients.iter_mut().enumerate() {
            let kind = if number == turn % 6 { "wsgi" } else { "asgi" };
            client.send(format!("GET /{kind} HTTP/1.1\r\nHost: x\r\n\r\n"));
        }
        for client in &mut clients {
            assert_eq!(client.response(false).text(), pid);
        }
    }
}

/// No more are read than may be in flight, and the next ones when there is room.
#[test]
fn no_more_than_may_be_in_flight() {
    if Subject::skips(REASON) {
        return;
    }
    let app = "
import asyncio
running = 0

async def application(scope, receive, send):
    global running
    if scope['type'] == 'lifespan':
        return
    running += 1
    most = running
    await asyncio.sleep(0.005)
    most = max(most, running)
    running -= 1
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'%d' % most})
";
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/", "app.py", app)
        .daemon_options("processes=1 threads=1 interface=asgi max-requests-in-flight=2")
        .start();
    let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
    let mut most = 0;
    for _ in 0..20 {
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for client in &mut clients {
            most = most.max(client.response(false).ok().text().parse().expect("a number"));
        }
    }
    assert_eq!(most, 2);
}

const TASKS: &str = "
import asyncio, contextvars, sys

path = contextvars.ContextVar('path', default='')
waiting = []

async def application(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    mine = asyncio.current_task()
    assert mine is not None and mine in asyncio.all_tasks()
    assert path.get() == ''
    path.set(scope['path'])
    if scope['path'] == '/await':
        await asyncio.sleep(0.001)
    if scope['path'] == '/meet':
        waiting.append(asyncio.get_running_loop().create_future())
        if len(waiting) == 2:
            [one.set_result(None) for one in waiting]
        await waiting[-1]
    if scope['path'] == '/exit':
        sys.exit(3)
    assert asyncio.current_task() is mine and path.get() == scope['path']
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': path.get().encode()})
";

/// From Python 3.12 on a request makes its first step without a turn of the loop: nothing about its task is other than usual.
#[test]
fn tasks_are_what_they_are_elsewhere() {
    if Subject::skips(REASON) {
        return;
    }
    for python in pythons() {
        let server = Httpd::builder()
            .mode(Mode::Daemon)
            .python_home(Some(&python.venv))
            .script("/", "app.py", TASKS)
            .daemon_options("processes=1 threads=2 interface=asgi")
            .expect_log("SystemExit")
            .allow_log("[wsgi:error]")
            .start();
        for _ in 0..40 {
            for path in ["/", "/await"] {
                assert_eq!(server.get(path).ok().text(), path, "{}", python.version);
            }
        }
        assert_eq!(server.get("/exit").status, 500);
        let mut clients = [server.connect(), server.connect()];
        for client in &mut clients {
            client.send("GET /meet HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.response(false).text(), "/meet", "{}", python.version);
        }
    }
}
