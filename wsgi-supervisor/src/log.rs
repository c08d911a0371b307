//! Log lines: given to httpd's log writer where the log needs it, else written in httpd's default ErrorLogFormat. Neither
//! ever blocks the supervisor.

use crate::log_file::{LogFile, write_to};
use crate::log_level::LogLevel;
use crate::log_line::LogLine;
use crate::log_writer::{LogWriter, WriterLine};
use std::rc::Rc;

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
        self.file.as_ref()?.place()
    }

    /// A line of the supervisor.
    pub fn tell(&self, line: &LogLine) {
        self.write_as(line.level(), std::process::id().cast_signed(), line.text().as_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use wsgi_protocol::events;

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
