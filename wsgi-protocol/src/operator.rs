//! What an operator's `mod_wsgi-ctl` asks of the supervisor, and the answers.
//!
//! One SOCK_SEQPACKET record each way, `launch::encode`d. The answer travels in a memory file whose descriptor
//! comes with the record, so that the supervisor never waits for somebody who does not read.

use crate::metrics::{GroupTotals, RunningRequest};
use serde::{Deserialize, Serialize};

/// Most bytes of a question.
pub const QUESTION_BYTES: usize = 4096;
/// Most bytes of an answer.
pub const ANSWER_BYTES: usize = 8 << 20;
/// How the name of an operator's socket ends: `<WSGISocketPrefix>.<pid of httpd>.control`.
pub const SOCKET_SUFFIX: &str = ".control";
/// At least so many processes can a group be scaled to.
pub const SCALE_LIMIT: u32 = 32;

/// operator → supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatorQuestion {
    /// Everything about all groups.
    Status,
    /// What httpd's children count.
    Metrics,
    /// Replace the processes of a group one by one, each by a successor that serves first.
    Restart {
        /// Its name.
        group: Vec<u8>,
    },
    /// Give a group another number of processes until the next configuration.
    Scale {
        /// Its name.
        group: Vec<u8>,
        /// How many, from 1.
        processes: u32,
    },
    /// End the processes of a group after their requests; new requests get 503.
    Stop {
        /// Its name.
        group: Vec<u8>,
    },
    /// Start a stopped group again.
    Start {
        /// Its name.
        group: Vec<u8>,
    },
    /// Have the processes of a group log the Python stacks of their threads.
    Stacks {
        /// Its name.
        group: Vec<u8>,
    },
    /// Have `wsgi-health` say *draining*, and connections closed after their request; or undo it.
    Drain {
        /// Whether it shall be so.
        on: bool,
    },
}

/// supervisor → operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatorReply {
    /// To [`OperatorQuestion::Status`].
    Status(ServerStatus),
    /// To [`OperatorQuestion::Metrics`].
    Metrics(Vec<GroupMetrics>),
    /// It has been begun.
    Begun,
    /// It is not done; one sentence says why and what to do.
    Refused(String),
    /// To [`OperatorQuestion::Stacks`].
    Stacks {
        /// The log in which they appear, if it is a file; its length before they do.
        log: Option<(Vec<u8>, u64)>,
        /// The processes that were asked.
        pids: Vec<i32>,
    },
}

/// All there is to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ServerStatus {
    /// Process id of httpd's parent.
    pub httpd: i32,
    /// Process id of the supervisor.
    pub supervisor: i32,
    /// httpd's number of the current configuration.
    pub generation: u32,
    /// Since when an operator drains the server, µs since the epoch; 0: nobody does.
    pub drained_us: u64,
    /// Groups by name.
    pub groups: Vec<GroupStatus>,
}

/// What is counted for a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct GroupMetrics {
    /// Its name.
    pub name: Vec<u8>,
    /// Counters.
    pub totals: GroupTotals,
    /// WebSockets that are open.
    pub websockets: u32,
    /// Requests under way, oldest first; age in ms, process id or 0.
    pub running: Vec<(u64, i32, RunningRequest)>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct GroupStatus {
    /// Its name.
    pub name: Vec<u8>,
    /// `processes=` as configured.
    pub configured: u32,
    /// Processes it shall have now.
    pub wanted: u32,
    /// Threads of each; 0 for a service.
    pub threads: u32,
    /// Requests that each can run at once: threads, or what its event loop takes (ASGI).
    pub at_once: u32,
    /// Stopped by an operator.
    pub stopped: bool,
    /// The changed code of its script could not be imported: the code from before serves.
    pub import_failed: bool,
    /// Its processes, also those that are about to end.
    pub processes: Vec<ProcessStatus>,
}

/// A process, or the place for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ProcessStatus {
    /// Place in the group, from 1; 0 for a zygote.
    pub place: u32,
    /// Process id; 0: none at the moment.
    pub pid: i32,
    /// What it does.
    pub state: ProcessState,
    /// Since its start, milliseconds.
    pub age: u64,
    /// Requests under way there, as httpd's children count them.
    pub in_flight: u32,
    /// WebSockets that it has on their own sockets.
    pub sockets: u32,
    /// Requests completed at this place in this generation.
    pub requests: u32,
    /// How many processes were started at this place after the first one.
    pub restarts: u32,
    /// httpd's number of the configuration it was started with.
    pub generation: u32,
    /// Process id and cause of the last death at this place that nobody asked for.
    pub last_death: Option<(i32, String)>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum ProcessState {
    /// There is none; the next start is delayed because the last ones failed.
    #[default]
    Waiting,
    /// It is not serving yet.
    Starting,
    /// It serves.
    Serving,
    /// It is the successor of one that serves.
    Succeeding,
    /// It ends the requests under way, then itself.
    Draining,
    /// `threads=0`: it takes no requests.
    Service,
    /// `preload=on`: workers are forked from it. Its place is 0.
    Zygote,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{decode, encode};

    #[test]
    fn questions_fit_and_answers_round_trip() {
        let question = OperatorQuestion::Scale { group: vec![b'x'; 2000], processes: u32::MAX };
        let bytes = encode(&question).unwrap();
        assert!(bytes.len() < QUESTION_BYTES);
        assert_eq!(decode::<OperatorQuestion>(&bytes).unwrap(), question);
        let group = GroupStatus { processes: vec![ProcessStatus::default()], ..GroupStatus::default() };
        let reply = OperatorReply::Status(ServerStatus { groups: vec![group], ..ServerStatus::default() });
        assert_eq!(decode::<OperatorReply>(&encode(&reply).unwrap()).unwrap(), reply);
    }
}
