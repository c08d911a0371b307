//! A daemon without request threads (`threads=0`, spec/daemon.md §2.2): the supervisor's orders become SIGTERM,
//! because the scripts run on the main thread and nothing else could end them.

use super::link::{self, SupervisorMessage};
use super::os::{self, DaemonDescriptor};
use std::thread;
use std::time::Duration;
use wsgi_protocol::launch::{DaemonOrder, ORDER_FD, ReadyByte};

/// Announces the service and watches for orders. Called before the scripts of the service are run. A service
/// that has not ended `shutdown` after it was told to is ended by force; zero waits for ever.
pub fn attend_service(shutdown: Duration) {
    link::prepare_descriptors();
    link::say(ReadyByte::Serving);
    // Without the thread the service still ends by signals.
    let _ = thread::Builder::new().name("wsgi-orders".into()).spawn(move || {
        loop {
            let mut fds = [(ORDER_FD, libc::POLLIN)];
            if os::poll(&mut fds, None).is_err() {
                return;
            }
            match link::next_order(DaemonDescriptor::Order.borrow()) {
                SupervisorMessage::Order(DaemonOrder::Drain | DaemonOrder::MakeRoom | DaemonOrder::Stop)
                | SupervisorMessage::End => break,
                SupervisorMessage::Order(DaemonOrder::Stacks) => link::dump_stacks(),
                SupervisorMessage::Order(DaemonOrder::Keep | DaemonOrder::Renew)
                | SupervisorMessage::Nothing => {}
            }
        }
        // Python's handler turns it into SystemExit.
        wsgi_system::process::signal_self(libc::SIGTERM);
        if !shutdown.is_zero() {
            thread::sleep(shutdown);
            os::exit_now(super::FORCED_STATUS);
        }
    });
}
