//! Sending on a connection, and what is said when that fails.

use super::connection::HttpdConnection;
use super::os::{self, WaitMode};
use crate::exchange::SendError;
use crate::forked::is_forked;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use wsgi_protocol::frame::FromDaemon;

/// Gives the GIL up around a call that may block.
pub(super) type GilRelease = fn(&mut dyn FnMut());

/// Sends `parts` completely, giving the GIL up only if the socket is full.
pub(super) fn send_all(
    connection: &HttpdConnection,
    mut parts: &mut [IoSlice<'_>],
    mut file: Option<BorrowedFd<'_>>,
    released: GilRelease,
) -> Result<(), SendError> {
    if is_forked() {
        return Err(SendError::ClientGone);
    }
    IoSlice::advance_slices(&mut parts, 0);
    if parts.is_empty() {
        return Ok(());
    }
    match os::send(connection.socket(), parts, file, WaitMode::No) {
        Ok(n) => {
            IoSlice::advance_slices(&mut parts, n);
            if parts.is_empty() {
                return Ok(());
            }
            file = None;
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
        Err(e) => return Err(send_error(&e)),
    }
    let mut result = Ok(());
    released(&mut || {
        let mut parts = std::mem::take(&mut parts);
        let mut file = file.take();
        while !parts.is_empty() {
            match os::send(connection.socket(), parts, file, WaitMode::Yes) {
                Ok(n) => IoSlice::advance_slices(&mut parts, n),
                Err(e) => {
                    result = Err(send_error(&e));
                    return;
                }
            }
            file = None;
        }
    });
    result
}

/// Sends one frame outside of any request; never waits. False if it could not be sent.
pub(super) fn send_frame(connection: &HttpdConnection, frame: FromDaemon<'_>, seq: u16) -> bool {
    let frame = frame.encode(seq);
    let parts = [IoSlice::new(frame.prefix()), IoSlice::new(frame.tail())];
    let length = frame.prefix().len() + frame.tail().len();
    os::send(connection.socket(), &parts, None, WaitMode::No).is_ok_and(|n| n == length)
}

/// What an application is told of a failed send.
pub(super) fn send_error(error: &io::Error) -> SendError {
    match error.raw_os_error() {
        Some(libc::EPIPE | libc::ECONNRESET) => SendError::ClientGone,
        _ => SendError::Failed(error_text(error)),
    }
}

/// The text of a system error as httpd's libraries word it.
pub(super) fn error_text(error: &io::Error) -> String {
    // A socket's own timeout shows as EAGAIN; APR calls that "The timeout specified has expired".
    if error.kind() == io::ErrorKind::WouldBlock {
        return "The timeout specified has expired".to_owned();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
