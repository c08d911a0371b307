//! A server without requests sleeps: nothing in the supervisor or a daemon looks at anything by the clock.

use integration::{Httpd, Mode, Subject, wait_until};
use std::fs;
use std::time::Duration;

/// How long nobody wakes up.
const QUIET: Duration = Duration::from_secs(5);
/// After all that follows a request, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(25);

/// Options of a group, and its application.
const GROUPS: [(&str, &str); 6] = [
    ("", WSGI),
    ("processes=2 preload=on", WSGI),
    ("inactivity-timeout=300 restart-interval=3000 request-timeout=60", WSGI),
    ("server-metrics=On", WSGI),
    ("interface=asgi", ASGI),
    ("", ASGI),
];

/// A process takes its GIL ten times within deadlock-timeout: that may not come in here.
const COMMON: &str = "threads=2 deadlock-timeout=3000";

const WSGI: &str = "def application(environ, start_response):
    start_response('200 OK', [])
    return [b'x' * 262144]
";

const ASGI: &str = "async def application(scope, receive, send):
    if scope['type'] == 'lifespan':
        for end in 'startup', 'shutdown':
            await receive()
            await send({'type': f'lifespan.{end}.complete'})
        return
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'x' * 262144})
";

/// How often the threads of supervisor and daemons have gone to sleep so far, by process.
fn sleeps(server: &Httpd) -> Vec<(String, u64)> {
    let others = server.processes().into_iter().filter(|process| !process.command.contains("apache2"));
    let count = |pid: i32| -> u64 {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let of = |status: String| -> Option<u64> {
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()
        };
        threads.filter_map(|thread| of(fs::read_to_string(thread.path().join("status")).ok()?)).sum()
    };
    others.map(|process| (format!("{} {}", process.pid, process.command), count(process.pid))).collect()
}

/// Once all is done that follows a request (memory of large bodies goes after two seconds), nobody wakes for five.
#[test]
fn nobody_wakes_without_a_reason() {
    if Subject::skips("its daemons look at the clock once a second") {
        return;
    }
    let server = |(options, app)| {
        let options = format!("{COMMON} {options}");
        Httpd::builder().mode(Mode::Daemon).app(app).daemon_options(&options).start()
    };
    let servers: Vec<Httpd> = GROUPS.into_iter().map(server).collect();
    for server in &servers {
        // As many as have an event loop read requests itself.
        (0..40).for_each(|_| _ = server.get("/").ok());
    }
    let mut last = Vec::new();
    let is_quiet = wait_until(PATIENCE, || {
        let before: Vec<_> = servers.iter().flat_map(sleeps).collect();
        std::thread::sleep(QUIET);
        let after: Vec<_> = servers.iter().flat_map(sleeps).collect();
        assert!(before.len() >= GROUPS.len() * 2, "{before:?}");
        last = after.iter().filter(|process| !before.contains(process)).cloned().collect();
        last.is_empty().then_some(())
    });
    assert!(is_quiet.is_some(), "woken: {last:?}");
}
