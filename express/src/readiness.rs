//! Whether the application is loaded: its processes say so in files of the folder `state`.

use crate::plan::ServerPlan;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How far a start has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartState {
    /// Not yet there.
    Starting,
    /// Requests are served.
    Ready,
    /// The application could not be loaded; its traceback.
    Failed(String),
}

/// Most that is read of what a process says.
const LONGEST: u64 = 256 << 10;

/// Looks once.
pub fn look(plan: &ServerPlan) -> StartState {
    let folder = plan.root.join("state");
    let names: Vec<String> = fs::read_dir(&folder)
        .map(|entries| {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    let of = |state: &str| {
        names
            .iter()
            .filter(|name| name.starts_with(state) && !name.ends_with(".part"))
            .cloned()
            .collect::<Vec<_>>()
    };
    if let Some(name) = of("failed-").first() {
        return StartState::Failed(read(&folder.join(name)));
    }
    let wanted = if !plan.is_preloaded() || !plan.has_daemon() { 0 } else { plan.demand().processes };
    let is_ready = of("loaded-").len() as i64 >= wanted && listens(plan);
    if is_ready { StartState::Ready } else { StartState::Starting }
}

/// What a process of the application wrote. It may be anything, so it is read up to a length and made harmless.
pub fn read(path: &Path) -> String {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let mut bytes = Vec::new();
    if let Ok(file) = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
        && file.metadata().is_ok_and(|facts| facts.is_file())
    {
        let _ = file.take(LONGEST).read_to_end(&mut bytes); // what could be read is shown
    }
    harmless(&String::from_utf8_lossy(&bytes))
}

/// Control characters could do things to a terminal.
pub fn harmless(text: &str) -> String {
    let show = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(show).collect()
}

fn listens(plan: &ServerPlan) -> bool {
    let host = plan.values.text("host").filter(|host| !matches!(*host, "0.0.0.0" | "::" | "[::]" | "*"));
    let host = host.unwrap_or("127.0.0.1").trim_matches(['[', ']']);
    let port = u16::try_from(plan.values.int("port")).unwrap_or_default();
    let addresses: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    addresses.iter().any(|address| TcpStream::connect_timeout(address, Duration::from_millis(500)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_says_does_nothing_to_a_terminal() {
        assert_eq!(harmless("a\tb\n\u{1b}[31mred\u{9b}"), "a\tb\n\\u{1b}[31mred\\u{9b}");
    }
}
