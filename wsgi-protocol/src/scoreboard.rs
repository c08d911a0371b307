//! A copy of httpd's scoreboard, on its way from an httpd child to the Python inside it (spec/observability.md §2.4).

use crate::ProtocolError;
use serde::{Deserialize, Serialize};

/// Bytes before the encoded scoreboard in the file that daemons read: `u64` version, odd while it is written; `u64` length; 16
/// bytes for writers.
pub const FILE_HEADER: usize = 32;

/// All slots, used or not. Times are µs since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Scoreboard {
    /// Most child processes.
    pub server_limit: u32,
    /// Most threads of one.
    pub thread_limit: u32,
    /// Number of the generation that serves.
    pub generation: i32,
    /// When httpd was started or restarted.
    pub restart_us: u64,
    /// As many as `server_limit`.
    pub processes: Vec<ChildProcess>,
}

/// A child process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ChildProcess {
    /// Process id, 0 if the slot is free.
    pub pid: i32,
    /// The generation it belongs to.
    pub generation: i32,
    /// It is ending gracefully.
    pub quiescing: bool,
    /// As many as `thread_limit`.
    pub workers: Vec<ChildThread>,
}

/// A request thread of a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ChildThread {
    /// httpd's number of the thread.
    pub thread: i32,
    /// The generation it belongs to.
    pub generation: i32,
    /// What it does, as one of httpd's numbers.
    pub status: u8,
    /// Requests served.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// When its last request began.
    pub start_us: u64,
    /// When that ended.
    pub stop_us: u64,
    /// When it last did anything.
    pub used_us: u64,
    /// Client, request line and virtual host of its last request, cut by httpd; from the client, hence not to be trusted.
    pub client: Vec<u8>,
    /// See `client`.
    pub request: Vec<u8>,
    /// See `client`.
    pub host: Vec<u8>,
}

impl ChildThread {
    /// The character that mod_status shows for `status`.
    #[must_use]
    pub fn letter(&self) -> char {
        const LETTERS: [char; 11] = ['.', 'S', '_', 'R', 'W', 'K', 'L', 'D', 'C', 'G', 'I'];
        LETTERS.get(usize::from(self.status)).copied().unwrap_or('?')
    }
}

impl Scoreboard {
    /// The bytes for [`crate::abi::HttpdTable::scoreboard`].
    ///
    /// # Errors
    /// [`ProtocolError::Message`] when the serializer refuses (it does not for these types).
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        postcard::to_allocvec(self).map_err(|_| ProtocolError::Message("encode"))
    }

    /// Reads what [`Scoreboard::encode`] wrote.
    ///
    /// # Errors
    /// [`ProtocolError::Message`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        postcard::from_bytes(bytes).map_err(|_| ProtocolError::Message("scoreboard"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let worker = ChildThread { thread: 3, status: 4, client: b"::1".to_vec(), ..ChildThread::default() };
        let process =
            ChildProcess { pid: 42, quiescing: true, workers: vec![worker], ..ChildProcess::default() };
        let board = Scoreboard { server_limit: 1, processes: vec![process], ..Scoreboard::default() };
        assert_eq!(Scoreboard::decode(&board.encode().unwrap()).unwrap(), board);
        assert!(Scoreboard::decode(b"\xff").is_err());
    }

    #[test]
    fn letters() {
        let letter = |status| ChildThread { status, ..ChildThread::default() }.letter();
        assert_eq!([0, 2, 4, 10, 99].map(letter), ['.', '_', 'W', 'I', '?']);
    }
}
