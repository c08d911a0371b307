//! An error log that the supervisor writes to itself, in httpd's default ErrorLogFormat. Never blocks.

use crate::log_level::LogLevel;
use crate::messages;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use wsgi_system::clock::{LocalTime, local_now};

/// An open error log.
#[derive(Debug)]
pub struct LogFile {
    fd: OwnedFd,
    is_pipe: bool,
    dropped: Cell<u64>,
}

/// Most bytes that a pipe takes in one piece, and that it surely takes when it is writable.
const PIPE_BYTES: usize = 4096;

impl LogFile {
    /// Takes over the descriptor of an error log: a file, a pipe to a logger, or a device.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        let is_file = fstat(&fd).is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFREG);
        if is_file {
            // Several processes write to it; httpd opens it for appending itself.
            if let Ok(flags) = fcntl(&fd, FcntlArg::F_GETFL) {
                let flags = OFlag::from_bits_truncate(flags) | OFlag::O_APPEND;
                let _ = fcntl(&fd, FcntlArg::F_SETFL(flags));
            }
        }
        Self { fd, is_pipe: !is_file, dropped: Cell::new(0) }
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Path and present length, if it is a file.
    #[must_use]
    pub fn place(&self) -> Option<(Vec<u8>, u64)> {
        if self.is_pipe {
            return None;
        }
        let length = fstat(&self.fd).ok()?.st_size;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", self.fd.as_raw_fd())).ok()?;
        Some((path.into_os_string().into_vec(), u64::try_from(length).ok()?))
    }

    /// One line, in one write. Lines a stuck logger does not take are counted, and the count is logged.
    fn write(&self, level: LogLevel, pid: i32, text: &[u8]) {
        if self.is_pipe && !self.is_writable() {
            self.dropped.set(self.dropped.get() + 1);
            return;
        }
        let line = format_line(&local_now(), level, pid, text);
        if self.is_pipe && line.len() > PIPE_BYTES && text.len() > 1 {
            let (head, tail) = text.split_at(text.len() / 2);
            self.write(level, pid, head);
            self.write(level, pid, tail);
            return;
        }
        // A full disk is no reason to stop supervising.
        let _ = nix::unistd::write(&self.fd, &line);
        let dropped = self.dropped.replace(0);
        if dropped > 0 {
            let line = messages::lines_lost(dropped);
            self.write(line.level(), std::process::id().cast_signed(), line.text().as_bytes());
        }
    }

    fn is_writable(&self) -> bool {
        let mut polled = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
        let _ = poll(&mut polled, PollTimeout::ZERO);
        polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT))
    }
}

/// Writes a line to a log file, or to standard error.
pub fn write_to(file: Option<&LogFile>, level: LogLevel, pid: i32, text: &[u8]) {
    match file {
        Some(file) => file.write(level, pid, text),
        None => {
            let line = format_line(&local_now(), level, pid, text);
            let _ = nix::unistd::write(std::io::stderr(), &line);
        }
    }
}

/// A whole line with its line feed; `text` is escaped.
#[must_use]
pub fn format_line(time: &LocalTime, level: LogLevel, pid: i32, text: &[u8]) -> Vec<u8> {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut line = format!(
        "[{} {} {:02} {:02}:{:02}:{:02}.{:06} {}] [wsgi:{}] [pid {pid}:tid {pid}] ",
        DAYS[time.weekday],
        MONTHS[time.month],
        time.day,
        time.hour,
        time.minute,
        time.second,
        time.micros,
        time.year,
        level.name()
    )
    .into_bytes();
    escape(text, &mut line);
    line.push(b'\n');
    line
}

/// Escapes as httpd does in error logs: control characters, backslashes and bytes beyond ASCII.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(byte),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x0b => out.extend_from_slice(b"\\v"),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: LocalTime = LocalTime {
        year: 2026,
        month: 10,
        day: 21,
        weekday: 6,
        hour: 9,
        minute: 9,
        second: 28,
        micros: 123_456,
    };

    #[test]
    fn line_looks_like_httpds() {
        let line = format_line(&TIME, LogLevel::ERROR, 12, b"a\tb\\c\x1b[0m\xc3\xa9 \"q\"\n");
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "[Sat Nov 21 09:09:28.123456 2026] [wsgi:error] [pid 12:tid 12] a\\tb\\\\c\\x1b[0m\\xc3\\xa9 \"q\"\\n\n"
        );
    }

    #[test]
    fn day_has_two_digits_as_in_httpd() {
        let line = format_line(&LocalTime { day: 3, ..TIME }, LogLevel(9), 1, b"");
        assert!(line.starts_with(b"[Sat Nov 03 09:09:28.123456 2026] [wsgi:trace2] "));
    }
}
