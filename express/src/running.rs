//! A server that runs, as its server root tells of it.

use crate::problem::ExpressError;
use crate::quoting;
use std::fs;
use std::path::{Path, PathBuf};
use wsgi_directives::words::LineWords;

/// A running server.
#[derive(Clone, Debug)]
pub struct RunningServer {
    /// The process id of httpd.
    pub pid: i32,
    prefix: String,
}

impl RunningServer {
    /// The server of a server root.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(root: &Path) -> Result<RunningServer, ExpressError> {
        let path = root.join("httpd.conf");
        let text = fs::read_to_string(&path).map_err(|error| ExpressError::file(&path, &error))?;
        let value = |directive: &str| value(&text, directive);
        let pid_file = value("PidFile").map_or_else(|| root.join("httpd.pid"), PathBuf::from);
        let pid = live_server(root, &pid_file);
        let pid =
            pid.ok_or_else(|| ExpressError::Machine(format!("no server runs in {}", root.display())))?;
        Ok(RunningServer { pid, prefix: value("WSGISocketPrefix").unwrap_or_default() })
    }

    /// The socket of its supervisor.
    pub fn control_socket(&self) -> String {
        format!("{}.{}.control", self.prefix, self.pid)
    }
}

/// The value of a directive with one value in a generated configuration.
pub fn value(configuration: &str, directive: &str) -> Option<String> {
    let rest =
        configuration.lines().find_map(|line| line.trim().strip_prefix(directive)?.strip_prefix(' '))?;
    let word = LineWords::new(rest).next()?;
    Some(word.replace(&format!("${{{}}}", quoting::DOLLAR), "$"))
}

/// The process of httpd that runs with this server root.
pub fn live_server(root: &Path, pid_file: &Path) -> Option<i32> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let configuration = root.join("httpd.conf");
    let mut words = words.split(|byte| *byte == 0);
    words.any(|word| word == configuration.as_os_str().as_encoded_bytes()).then_some(pid)
}
