//! A zygote (`preload=on`): imports the group's scripts once, then forks a worker each time the supervisor asks for one,
//! so that the workers share the memory of what was imported. It serves no requests and has no threads.

mod import;
mod order;
mod worker;

use super::link::{self, SupervisorMessage};
use super::os::DaemonDescriptor;
use super::{announce, os};
use crate::fork::{self, ForkSide};
use crate::host::Host;
use order::{ForkOrder, ZygoteRequest};
use std::time::Duration;
use wsgi_protocol::birth::FORKER_FD;
use wsgi_protocol::launch::{self, ORDER_FD, ReadyByte};

/// httpd's log level "error".
const ERROR: u8 = 3;

/// How often the orders are looked at again after the system refused to wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs the zygote on Python's main thread, without the GIL. Returns in each worker that it forks, and nowhere else.
pub fn raise_workers(host: &'static Host) {
    if let Some(title) = &host.launch().title {
        wsgi_system::process::set_title(&[title, b" (zygote)".as_slice()].concat());
    }
    if !import::import(host) && host.launch().has_predecessor {
        announce(ReadyByte::ImportFailed);
        os::exit_now(0);
    }
    fork::freeze();
    announce(ReadyByte::Serving);
    loop {
        let order = next_order(host);
        // Asked before the fork: afterwards it is another process for a moment.
        let supervisor = os::parent();
        match fork::fork_away(|| worker::arrive(order.descriptors, supervisor)) {
            Ok(ForkSide::Child) => {
                link::prepare_descriptors();
                host.be_born(order.birth);
                fork::settle();
                return;
            }
            Ok(ForkSide::Parent) => {}
            // The supervisor sees that its descriptors are closed without a word, and asks again.
            Err(error) => host.log(ERROR, &format!("The zygote cannot fork a process: {error}.")),
        }
    }
}

/// Waits for the next order. Ends the process when there will be none. Exit handlers are for processes that serve.
fn next_order(host: &Host) -> ForkOrder {
    loop {
        let readable = libc::POLLIN;
        let mut fds = [(FORKER_FD, readable), (ORDER_FD, readable)];
        if os::poll(&mut fds, None).is_err() {
            std::thread::sleep(PAUSE);
            continue;
        }
        if fds[1].1 != 0 {
            match link::next_order(DaemonDescriptor::Order.borrow()) {
                SupervisorMessage::Order(
                    launch::DaemonOrder::Drain | launch::DaemonOrder::MakeRoom | launch::DaemonOrder::Stop,
                )
                | SupervisorMessage::End => os::exit_now(0),
                SupervisorMessage::Order(_) | SupervisorMessage::Nothing => {}
            }
        }
        if fds[0].1 != 0 {
            match order::receive(DaemonDescriptor::Listener.borrow()) {
                ZygoteRequest::Birth(order) => return order,
                ZygoteRequest::Nothing => {}
                ZygoteRequest::End => os::exit_now(0),
                ZygoteRequest::Unknown => host.log(ERROR, "The zygote does not understand its supervisor."),
            }
        }
    }
}
