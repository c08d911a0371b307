//! What no application has seen is lost neither with its process nor behind a loop that is blocked.

use crate::asgi::applications::REASON;
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually, pythons};
use nix::sys::signal::Signal;
use std::time::Duration;

/// Enough for the loop to begin to read, whatever came before.
const MANY: usize = 150;

const APP: &str = "
import asyncio, ctypes, os, sys, time, urllib.request

bad = False


def refuse(loop):
    add = loop.add_reader

    def add_reader(fd, callback, *arguments):
        if 'eventpoll' in os.readlink('/proc/self/fd/%d' % fd):
            raise OSError(28, 'no further set may be watched')
        return add(fd, callback, *arguments)

    loop.add_reader = add_reader


def make_task(loop, coroutine, **options):
    global bad
    if bad:
        bad = False
        coroutine.close()
        raise RuntimeError('no task today')
    return asyncio.Task(coroutine, loop=loop, **options)


async def application(scope, receive, send):
    global bad
    if scope['type'] == 'lifespan':
        return
    path, loop, body = scope['path'], asyncio.get_running_loop(), b'%d' % os.getpid()
    if path.endswith('/block'):
        print('here it is blocked', flush=True)
        time.sleep(100)
    elif path.endswith('/pause'):
        print('here is a pause', flush=True)
        time.sleep(0.6)
    elif path.endswith('/die'):
        os._exit(3)
    elif path.endswith('/keep'):
        # Nobody else has the GIL until it is over, not for a moment.
        sys.setswitchinterval(100)
        print('here it is kept', flush=True)
        ctypes.PyDLL(None).sleep(1)
        ctypes.PyDLL(None)._exit(3)
    elif path.endswith('/doom'):
        await asyncio.sleep(0)
        sys.setswitchinterval(100)
        [on_requests] = [key.data[0]._callback for key in loop._selector.get_map().values()
            if 'eventpoll' in os.readlink('/proc/self/fd/%d' % key.fd)]
        # By far not for so long that workers read requests: one of theirs would have begun.
        print('here it is kept', flush=True)
        ctypes.PyDLL(None).usleep(50000)
        # As if the loop came by, but for the moment in which it waits without the GIL.
        on_requests()
        ctypes.PyDLL(None)._exit(3)
    elif path.endswith('/later'):
        loop.call_later(0.1, time.sleep, 100)
    elif path.endswith('/call'):
        body = urllib.request.urlopen('http://%s:%s/wsgi' % tuple(scope['server'])).read()
    elif path.endswith('/refuse'):
        refuse(loop)
    elif path.endswith('/bad'):
        loop.set_task_factory(make_task)
        print('here is a pause', flush=True)
        time.sleep(0.6)
        bad = True
    elif path.endswith('/slow'):
        time.sleep(0.8)
        await asyncio.sleep(0.7)
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': body})
";

const WSGI: &str = "
import os

def application(environ, start_response):
    start_response('200 OK', [])
    return [b'%d' % os.getpid()]
";

fn asgi(options: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .script("/asgi", "app.py", APP)
        .daemon_options(options)
        .allow_log("WSGI0")
        .allow_log("[wsgi:error]")
}

fn mixed() -> HttpdBuilder {
    asgi("processes=1 threads=3 shutdown-timeout=2").script("/wsgi", "other.py", WSGI)
}

/// The process after so many requests that its loop reads them itself.
fn read_by_loop(server: &Httpd, path: &str) -> String {
    let pid = server.get(path).ok().text();
    for _ in 0..MANY {
        assert_eq!(server.get(path).ok().text(), pid);
    }
    pid
}

fn signal(pid: &str, signal: Signal) {
    integration::signal(pid.parse().expect("a number"), signal);
}

fn sent(server: &Httpd, paths: &[&str]) -> Vec<integration::WireConnection> {
    let send = |path: &&str| {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        client
    };
    paths.iter().map(send).collect()
}

/// Where both kinds are served, workers read again while a coroutine blocks the loop.
#[test]
fn wsgi_is_served_beside_a_blocked_loop() {
    if Subject::skips(REASON) {
        return;
    }
    let server = mixed().start();
    let pid = read_by_loop(&server, "/asgi");
    assert_eq!(server.get("/asgi/call").ok().text(), pid, "it calls its own process");
    // Until the watch has seen that the loop comes by again.
    std::thread::sleep(Duration::from_millis(600));
    read_by_loop(&server, "/asgi");
    let mut blocking = sent(&server, &["/asgi/block"]);
    server.wait_for_log("here it is blocked");
    (0..40).for_each(|_| assert_eq!(server.get("/wsgi").ok().text(), pid));
    // Nobody waits for its end.
    signal(&pid, Signal::SIGKILL);
    assert_ne!(blocking[0].response(false).status, 200);
}

/// The same if what blocks the loop is no request.
#[test]
fn wsgi_is_served_beside_a_blocked_background() {
    if Subject::skips(REASON) {
        return;
    }
    let server = mixed().start();
    let pid = read_by_loop(&server, "/asgi");
    server.get("/asgi/later").ok();
    std::thread::sleep(Duration::from_millis(500));
    (0..40).for_each(|_| assert_eq!(server.get("/wsgi").ok().text(), pid));
}

/// The application is called for a request before the next one is read.
#[test]
fn those_behind_a_fatal_request_are_sent_again() {
    if Subject::skips(REASON) {
        return;
    }
    for python in pythons() {
        fatal(asgi("processes=1 threads=3 interface=asgi").python_home(Some(&python.venv)));
    }
}

/// So is one for a WSGI application that comes while a coroutine keeps the GIL, whoever would read it.
#[test]
fn wsgi_behind_a_fatal_request_is_sent_again() {
    if Subject::skips(REASON) {
        return;
    }
    for python in pythons() {
        for (before, path) in
            [(&[][..], "/asgi/keep"), (&["/wsgi"], "/asgi/keep"), (&["/asgi"; MANY], "/asgi/doom")]
        {
            // Of other loops it is not known whom they call for a socket.
            let builder = mixed().daemon_options("processes=1 threads=3 shutdown-timeout=2 loop=asyncio");
            let server = builder.python_home(Some(&python.venv)).start();
            before.iter().for_each(|path| _ = server.get(path).ok());
            let pid = server.get("/asgi").ok().text();
            assert_eq!(server.get("/asgi").ok().text(), pid);
            let _fatal = sent(&server, &[path]);
            server.wait_for_log("here it is kept");
            let mut behind = sent(&server, &["/wsgi"]);
            let answer = behind[0].response(false).ok().text();
            assert_ne!(answer, pid, "{} {path} {}", python.version, before.len());
        }
    }
}

fn fatal(builder: HttpdBuilder) {
    let server = builder.start();
    let pid = read_by_loop(&server, "/asgi");
    let mut pausing = sent(&server, &["/asgi/pause"]);
    server.wait_for_log("here is a pause");
    let mut fatal = sent(&server, &["/asgi/die"]);
    std::thread::sleep(Duration::from_millis(100));
    let mut others = sent(&server, &["/asgi"; 10]);
    // In what order httpd's threads have sent them is not known.
    let pids: Vec<_> = others.iter_mut().map(|client| client.response(false).ok().text()).collect();
    assert!(pids.iter().any(|new| *new != pid), "{pids:?}");
    assert_eq!(pausing[0].response(false).ok().text(), pid);
    assert_ne!(fatal[0].response(false).status, 200);
}

/// What waits for a loop that does not come back is refused when the process ends.
#[test]
fn those_handed_to_a_blocked_loop_are_sent_again() {
    if Subject::skips(REASON) {
        return;
    }
    let server = mixed().start();
    let pid = server.get("/wsgi").ok().text();
    assert_eq!(server.get("/asgi").ok().text(), pid);
    let _blocking = sent(&server, &["/asgi/block"]);
    server.wait_for_log("WSGI0509");
    let mut waiting = sent(&server, &["/asgi"; 4]);
    std::thread::sleep(Duration::from_millis(500));
    signal(&pid, Signal::SIGTERM);
    for client in &mut waiting {
        assert_ne!(client.response(false).ok().text(), pid);
    }
}

/// A loop that cannot wait for the workers' set leaves the reading to them.
#[test]
fn a_loop_that_cannot_wait_for_requests() {
    if Subject::skips(REASON) {
        return;
    }
    let server = asgi("processes=1 threads=3 loop=asyncio").start();
    let pid = server.get("/asgi/refuse").ok().text();
    (0..2 * MANY).for_each(|_| assert_eq!(server.get("/asgi").ok().text(), pid));
}

/// A request that cannot be begun is the only one that fails.
#[test]
fn a_request_that_cannot_be_begun() {
    if Subject::skips(REASON) {
        return;
    }
    for options in ["processes=1 threads=3 interface=asgi loop=asyncio", "processes=1 threads=3 loop=asyncio"]
    {
        let server = asgi(options).expect_log("no task today").start();
        let count = if options.contains("interface") { MANY } else { 4 };
        (0..count).for_each(|_| _ = server.get("/asgi").ok());
        let mut bad = sent(&server, &["/asgi/bad"]);
        server.wait_for_log("here is a pause");
        let mut others = sent(&server, &["/asgi"; 4]);
        let statuses = others.iter_mut().map(|client| client.response(false).status);
        let failed = statuses.filter(|status| *status != 200).count();
        bad[0].response(false).ok();
        assert_eq!(failed, 1, "{options}");
        server.get("/asgi").ok();
    }
}

/// Its first step is a part of the time that a request may take.
#[test]
fn the_first_step_counts() {
    if Subject::skips(REASON) {
        return;
    }
    for python in pythons() {
        let builder = asgi("processes=1 threads=3 request-timeout=1").python_home(Some(&python.venv));
        let server = builder.start();
        (0..3).for_each(|_| _ = server.get("/asgi").ok());
        assert_eq!(server.get("/asgi/slow").status, 504, "{}", python.version);
    }
}

/// What is replaced or told to go while its loop reads loses nothing.
#[test]
fn a_process_that_reads_in_its_loop_is_replaced() {
    if Subject::skips(REASON) {
        return;
    }
    let server = mixed().start();
    let mut pid = read_by_loop(&server, "/asgi");
    let changes: [&dyn Fn(&str); 2] =
        [&|_| _ = server.write("app.py", &format!("{APP}\n# changed\n")), &|pid| {
            signal(pid, Signal::SIGUSR1)
        }];
    for change in changes {
        change(&pid);
        eventually("the successor serves", || {
            // Fewer than httpd has threads: it would close idle connections, and the next request comes over one.
            let mut clients = sent(&server, &["/asgi"; 4]);
            let pids: Vec<_> = clients.iter_mut().map(|client| client.response(false).ok().text()).collect();
            pids.iter().all(|new| *new != pid).then_some(())
        });
        pid = read_by_loop(&server, "/asgi");
    }
}
