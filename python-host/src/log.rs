//! Records outside of any request: on fd 2 of a daemon, which its supervisor reads, or through httpd's table.

use crate::httpd_table;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// httpd's levels that this library uses.
pub const CRIT: u8 = 2;
/// An error.
pub const ERROR: u8 = 3;
/// A warning.
pub const WARN: u8 = 4;
/// What the operator should know, though nothing is wrong.
pub const NOTICE: u8 = 5;
/// What the operator may want to know.
pub const INFO: u8 = 6;

/// How something is run without the GIL, once there is one: this file is used without Python as well.
static RELEASED: OnceLock<fn(&mut dyn FnMut())> = OnceLock::new();

/// The LogLevel of the server that the process belongs to.
static LEVEL: AtomicU32 = AtomicU32::new(INFO as u32);

/// Full pipes are waited for by `released` from now on.
pub fn wait_with(released: fn(&mut dyn FnMut())) {
    // A second call brings the same function.
    let _ = RELEASED.set(released);
}

/// Sets the least important level that is written.
pub fn set_level(level: u32) {
    LEVEL.store(level, Relaxed);
}

/// Whether a record of this level would be written.
pub fn wants(level: u8) -> bool {
    u32::from(level) <= LEVEL.load(Relaxed)
}

/// Writes one record.
pub fn write(level: u8, text: &str) {
    write_bytes(level, text.as_bytes());
}

/// Writes one record that need not be UTF-8. Line feeds separate its lines, between which no other record comes.
pub fn write_bytes(level: u8, text: &[u8]) {
    if !wants(level) {
        return;
    }
    if httpd_table::log(level, text) {
        return;
    }
    let line = lines(level, text);
    // A pipe takes up to PIPE_BUF bytes whole, so records of several threads do not mix.
    match RELEASED.get() {
        Some(released) if !is_writable() => released(&mut || write_all(&line)),
        _ => write_all(&line),
    }
}

/// `<level>text` for each line.
fn lines(level: u8, text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len() + 64);
    for line in text.split(|byte| *byte == b'\n') {
        lines.extend_from_slice(&[b'<', b'0' + level.min(7), b'>']);
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines
}

/// Whether fd 2 takes some bytes without waiting.
fn is_writable() -> bool {
    matches!(wsgi_system::polling::poll(&mut [(2, libc::POLLOUT)], Some(std::time::Duration::ZERO)), Ok(1))
}

fn write_all(bytes: &[u8]) {
    // Without std's lock, which a thread may have held when the application forked. Where nobody listens there is no other
    // place to complain.
    let _ = wsgi_system::descriptors::write_all(std::io::stderr().as_fd(), bytes);
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_line_has_its_level() {
        assert_eq!(super::lines(9, b"a\nb\0c\xff"), b"<7>a\n<7>b\0c\xff\n");
        assert_eq!(super::lines(3, b""), b"<3>\n");
    }
}
