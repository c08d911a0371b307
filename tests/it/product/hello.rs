//! The smallest application, in both modes, under each MPM.

use integration::{Httpd, Mode, Mpm};

fn says_hello(mpm: Mpm, mode: Mode) {
    let server = Httpd::builder().mpm(mpm).mode(mode).app(include_str!("../../apps/hello.py")).start();
    for _ in 0..20 {
        let response = server.get("/some/where").ok();
        assert_eq!(response.text(), "Hello, world!\n");
        assert_eq!(response.header("Content-Type"), Some("text/plain"));
        assert_eq!(response.header("Content-Length"), Some("14"));
    }
    server.stop();
}

macro_rules! hello {
    ($($name:ident: $mpm:ident $mode:ident;)+) => {
        $(#[test] fn $name() { says_hello(Mpm::$mpm, Mode::$mode); })+
    };
}

hello! {
    event_daemon: Event Daemon;
    event_embedded: Event Embedded;
    prefork_daemon: Prefork Daemon;
    prefork_embedded: Prefork Embedded;
    worker_daemon: Worker Daemon;
    worker_embedded: Worker Embedded;
}
