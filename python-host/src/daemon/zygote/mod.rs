//! A zygote (`preload=on`): imports the group's scripts once, then forks a worker each time the supervisor asks for one,
//! so that the workers share the memory of what was imported. It serves no requests and has no threads.

mod import;
mod order;
mod worker;

use super::link::{self, Word};
use super::{announce, os, title};
use crate::fork::{self, Side};
use crate::host::Host;
use order::{Order, Request};
use std::time::Duration;
use wsgi_protocol::birth::FORKER_FD;
use wsgi_protocol::launch::{self, ORDER_FD, Ready};

/// httpd's log level "error".
const ERROR: u8 = 3;

/// How often the orders are looked at again after the system refused to wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs the zygote on Python's main thread, without the GIL. Returns in each worker that it forks, and nowhere else.
pub fn raise_workers(host: &'static Host) {
    if let Some(title) = &host.launch().title {
        title::set(&[title, b" (zygote)".as_slice()].concat());
    }
    if !import::import(host) && host.launch().has_predecessor {
        announce(Ready::ImportFailed);
        os::exit_now(0);
    }
    fork::freeze();
    announce(Ready::Serving);
    loop {
        let order = next_order(host);
        // Asked before the fork: afterwards it is another process for a moment.
        let supervisor = os::parent();
        match fork::fork_away(|| worker::arrive(order.descriptors, supervisor)) {
            Ok(Side::Child) => {
                link::prepare_descriptors();
                host.be_born(order.birth);
                fork::settle();
                return;
            }
            Ok(Side::Parent) => {}
            // The supervisor sees that its descriptors are closed without a word, and asks again.
            Err(error) => host.log(ERROR, &format!("The zygote cannot fork a process: {error}.")),
        }
    }
}

/// Waits for the next order. Ends the process when there will be none. Exit handlers are for processes that serve.
fn next_order(host: &Host) -> Order {
    loop {
        let readable = libc::POLLIN;
        let mut fds = [(FORKER_FD, readable), (ORDER_FD, readable)];
        if os::poll(&mut fds, None).is_err() {
            std::thread::sleep(PAUSE);
            continue;
        }
        if fds[1].1 != 0 {
            match link::next_order(ORDER_FD) {
                Word::Order(launch::Order::Drain | launch::Order::MakeRoom | launch::Order::Stop)
                | Word::End => os::exit_now(0),
                Word::Order(_) | Word::Nothing => {}
            }
        }
        if fds[0].1 != 0 {
            match order::receive(FORKER_FD) {
                Request::Birth(order) => return order,
                Request::Nothing => {}
                Request::End => os::exit_now(0),
                Request::Unknown => host.log(ERROR, "The zygote does not understand its supervisor."),
            }
        }
    }
}
