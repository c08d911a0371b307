//! httpd's children from before a graceful restart know only the sockets of their own configuration: they are served also when
//! the supervisor that made those is gone, whatever comes first.

use integration::{Httpd, HttpdBuilder, Mode, Mpm, SeenProcess, Subject, WireConnection, eventually, signal};
use nix::sys::signal::Signal;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const NO_SUPERVISOR: &str = "there is no supervisor";
const APP: &str = include_str!("../../apps/process.py");

fn server(mpm: Mpm) -> Httpd {
    builder(mpm).start()
}

fn builder(mpm: Mpm) -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .mpm(mpm)
        .app(APP)
        .directives("WSGIRequestBuffering 1M\nGracefulShutdownTimeout 60\nKeepAliveTimeout 60")
        .allow_log("WSGI0305")
        .allow_log("WSGI0065")
        .allow_log("WSGI0380")
}

fn supervisor(server: &Httpd) -> SeenProcess {
    let is_one = |process: &SeenProcess| process.command.contains("wsgi-supervisor") && !process.is_zombie;
    eventually("a supervisor runs", || server.processes().into_iter().find(is_one))
}

fn recovers(server: &Httpd) {
    eventually("requests are served", || (server.get("/").status == 200).then_some(()));
}

/// A request that a child has begun, and for which it has not asked any process: its body is still to come.
fn begun(server: &Httpd) -> WireConnection {
    let mut wire = server.connect();
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(wire.head().expect("an interim head").status, 100);
    wire
}

fn finish(mut wire: WireConnection) {
    wire.send("body").response(false).ok();
}

/// Ends the load also when something else has failed.
struct EndOfLoad<'a>(&'a AtomicBool);

impl Drop for EndOfLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `strike` under load, while requests have begun in children of the generation from before.
fn strike_under_load(server: &Httpd, strike: impl FnOnce(&SeenProcess)) {
    recovers(server);
    let old = supervisor(server);
    let (is_over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    let waiting = [begun(server), begun(server)];
    std::thread::scope(|scope| {
        let _end = EndOfLoad(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    server.request("GET", "/").header("Connection", "close").send().ok();
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        strike(&old);
        eventually("another supervisor runs", || (supervisor(server).pid != old.pid).then_some(()));
        recovers(server);
        waiting.into_iter().for_each(finish);
    });
    assert!(asked.load(Ordering::Relaxed) > 0);
}

const MPMS: [Mpm; 2] = [Mpm::Event, Mpm::Prefork];

#[test]
fn supervisor_dies_after_a_graceful_restart() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    for mpm in MPMS {
        let server = server(mpm);
        strike_under_load(&server, |old| {
            server.graceful();
            signal(old.pid, Signal::SIGKILL);
        });
    }
}

#[test]
fn supervisor_dies_before_a_graceful_restart() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    for mpm in MPMS {
        let server = server(mpm);
        strike_under_load(&server, |old| {
            signal(old.pid, Signal::SIGKILL);
            server.graceful();
        });
    }
}

/// The one that is given up has got the order for the new configuration, and its successor only that.
#[test]
fn supervisor_is_given_up_over_a_graceful_restart() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    for mpm in MPMS {
        let server = server(mpm);
        strike_under_load(&server, |old| {
            signal(old.pid, Signal::SIGSTOP);
            server.graceful();
        });
    }
}

/// Two configurations back, and a supervisor that died between them.
#[test]
fn several_generations_are_served() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    for mpm in MPMS {
        let server = server(mpm);
        recovers(&server);
        let first = begun(&server);
        server.graceful();
        recovers(&server);
        let second = begun(&server);
        signal(supervisor(&server).pid, Signal::SIGKILL);
        server.graceful();
        let old = supervisor(&server);
        signal(old.pid, Signal::SIGKILL);
        eventually("another supervisor runs", || (supervisor(&server).pid != old.pid).then_some(()));
        recovers(&server);
        finish(second);
        finish(first);
    }
}

/// A group that the new configuration does not have any more is still there for the children of the old one.
#[test]
fn group_that_is_gone_is_served_to_who_knows_it() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    for mpm in MPMS {
        let server = server(mpm);
        recovers(&server);
        let waiting = begun(&server);
        let file = server.root().join("httpd.conf");
        let text = std::fs::read_to_string(&file).expect("it is there");
        let other = text.replace("WSGIDaemonProcess app ", "WSGIDaemonProcess another ");
        assert_ne!(text, other);
        std::fs::write(&file, other.replace("WSGIProcessGroup app\n", "WSGIProcessGroup another\n"))
            .expect("own file");
        server.graceful();
        let old = supervisor(&server);
        signal(old.pid, Signal::SIGKILL);
        eventually("another supervisor runs", || (supervisor(&server).pid != old.pid).then_some(()));
        recovers(&server);
        finish(waiting);
    }
}
