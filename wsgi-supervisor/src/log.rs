//! Log lines: given to httpd's log writer where the log needs it, else written in httpd's default ErrorLogFormat. Neither
//! ever blocks the supervisor.

use crate::log_line::LogLine;
use crate::log_writer::{LogWriter, WriterLine};
use crate::messages;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use wsgi_system::clock::{LocalTime, local_now};

/// A log level, numbered as in httpd: 0 emerg … 7 debug, 8 trace1 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(pub u32);

impl LogLevel {
    /// An error.
    pub const ERROR: Self = Self(3);
    /// A warning.
    pub const WARN: Self = Self(4);
    /// What an operator did.
    pub const NOTICE: Self = Self(5);
    /// What happens in normal operation.
    pub const INFO: Self = Self(6);
    /// What developers look for.
    pub const DEBUG: Self = Self(7);

    /// The name httpd prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 16] = [
            "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "trace1", "trace2",
            "trace3", "trace4", "trace5", "trace6", "trace7", "trace8",
        ];
        NAMES[(self.0 as usize).min(NAMES.len() - 1)]
    }
}

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

/// Where the lines of one group go, and which of them.
#[derive(Debug, Clone)]
pub struct GroupLog {
    file: Option<Rc<LogFile>>,
    level: LogLevel,
    /// httpd's log writer, and the number of the server there.
    writer: Option<(Rc<LogWriter>, u32)>,
}

impl GroupLog {
    /// A log that takes levels up to `level`; without a file, lines go to standard error.
    #[must_use]
    pub fn new(file: Option<Rc<LogFile>>, level: u32) -> Self {
        Self { file, level: LogLevel(level), writer: None }
    }

    /// The same log, written by httpd's log writer for the server of this number.
    #[must_use]
    pub fn by_httpd(self, writer: Rc<LogWriter>, server: u32) -> Self {
        Self { writer: Some((writer, server)), ..self }
    }

    /// Whether no more output should be read for this log, because its writer is behind.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.writer.as_ref().is_some_and(|(writer, _)| writer.is_congested())
    }

    /// Path and present length of the log, if it is a file.
    #[must_use]
    pub fn place(&self) -> Option<(Vec<u8>, u64)> {
        use std::os::unix::ffi::OsStringExt;
        let file = self.file.as_ref().filter(|file| !file.is_pipe)?;
        let length = fstat(&file.fd).ok()?.st_size;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.fd.as_raw_fd())).ok()?;
        Some((path.into_os_string().into_vec(), u64::try_from(length).ok()?))
    }

    /// A line of the supervisor.
    pub fn tell(&self, line: &LogLine) {
        if line.level() <= self.level {
            self.write_as(line.level(), std::process::id().cast_signed(), line.text().as_bytes());
        }
    }

    /// A line of the process `pid`.
    pub fn write_as(&self, level: LogLevel, pid: i32, text: &[u8]) {
        if level > self.level {
            return;
        }
        match &self.writer {
            Some((writer, server)) => {
                let (file, text) = (self.file.clone(), text.to_vec());
                writer.write(WriterLine { file, server: *server, level, pid, text });
            }
            None => write_to(self.file.as_deref(), level, pid, text),
        }
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
    use std::io::{Read, Seek};
    use wsgi_protocol::events;

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

    #[test]
    fn levels_above_the_configured_one_are_left_out() {
        let fd = nix::sys::memfd::memfd_create("log", nix::sys::memfd::MFdFlags::empty()).unwrap();
        let mut copy = std::fs::File::from(fd.try_clone().unwrap());
        let log = GroupLog::new(Some(Rc::new(LogFile::new(fd))), 4);
        log.tell(&LogLine::info("not this"));
        log.tell(&LogLine::of(&events::LOG_LINES_LOST, "this"));
        let mut text = String::new();
        copy.rewind().unwrap();
        copy.read_to_string(&mut text).unwrap();
        assert!(text.ends_with("] WSGI0345: this\n") && !text.contains("not"), "{text}");
    }

    #[test]
    fn stuck_logger_loses_lines_but_never_blocks() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let log = GroupLog::new(Some(Rc::new(LogFile::new(writer))), 7);
        for _ in 0..40 {
            log.write_as(LogLevel::ERROR, 1, &[b'x'; 8000]);
        }
        let mut buffer = vec![0; 65_536];
        nix::unistd::read(&reader, &mut buffer).unwrap();
        log.tell(&LogLine::of(&events::DAEMON_DIED, "again"));
        let got = nix::unistd::read(&reader, &mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..got]).into_owned();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].ends_with("] WSGI0348: again")
                && lines[1].ends_with("lines were lost because the logger did not read")
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn long_line_reaches_a_pipe_in_pieces() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        GroupLog::new(Some(Rc::new(LogFile::new(writer))), 7).write_as(LogLevel::ERROR, 1, &[b'x'; 8192]);
        let mut buffer = vec![0; 65_536];
        let got = nix::unistd::read(&reader, &mut buffer).unwrap();
        let pieces: Vec<_> = buffer[..got].split(|byte| *byte == b'\n').collect();
        assert_eq!(buffer[..got].iter().filter(|byte| **byte == b'x').count(), 8192);
        assert_eq!(pieces.len(), 5); // four, and nothing after the last line feed
    }
}
