//! Messages between the httpd parent and the supervisor: one per SOCK_SEQPACKET record, `launch::encode`d.
//!
//! The parent sends; the supervisor answers each `Configure` with one `SupervisorAnswer`. Large messages travel in a
//! memory file whose descriptor is the first of the record's SCM_RIGHTS list.

use crate::launch::Launch;
use serde::{Deserialize, Serialize};

/// Descriptor of the control socket in the supervisor.
pub const CONTROL_FD: i32 = 3;

/// Order of the descriptors that accompany a `Configure` record: the memory file with the message, the status
/// memory ([`crate::status`]), the lifeline (read end of a pipe whose write ends only httpd's parent and the
/// children of this generation hold: end of file means they are all gone), the metrics memory
/// ([`crate::metrics`]; any other file when there is none), the copy of the scoreboard for daemons (likewise), then the log
/// files in the order of their indices. With [`Configuration::log_writer`] the socket of httpd's log writer stands before the
/// log files.
pub const CONFIGURE_FIXED_FDS: usize = 5;

/// Most log descriptors in one record (the kernel allows 253 in all).
pub const MAX_LOG_FDS: usize = 240;

/// How one error log is written: by httpd's log writer ([`crate::record`]), or by the supervisor itself, which formats
/// lines like httpd does by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct LogTarget {
    /// Index into the log descriptors of the record.
    pub index: u32,
    /// LogLevel of the wsgi module there: httpd's numbers, 0 emerg … 7 debug, 8 trace1.
    pub level: u32,
    /// Number of the server in httpd's list by which the log writer writes; `None`: the supervisor writes.
    pub server: Option<u32>,
}

/// The identity a daemon takes (spec/daemon.md §1.4 steps 5 to 11). Only applied when running as root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DaemonIdentity {
    /// User id, never 0.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Login name, for initgroups and messages.
    pub user: Vec<u8>,
    /// The user's home directory from the passwd entry, if there is an entry.
    pub passwd_home: Option<Vec<u8>>,
    /// Explicit supplementary groups; `None` takes the user's memberships.
    pub supplementary: Option<Vec<u32>>,
    /// Octal umask, `None` inherits.
    pub umask: Option<u32>,
    /// Directory to chroot to.
    pub chroot: Option<Vec<u8>>,
    /// Working directory; `None`: the passwd home when the uid differs from httpd's, else the current one.
    pub home: Option<Vec<u8>>,
    /// Whether `uid` differs from httpd's `User`.
    pub differs_from_httpd: bool,
    /// Nice value, 0 = unchanged.
    pub cpu_priority: i32,
    /// `no-new-privileges=Off`: set-user-id programs gain theirs.
    pub may_gain_privileges: bool,
}

/// Resource limits; 0 = unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ResourceLimits {
    /// RLIMIT_CPU soft limit, seconds.
    pub cpu_seconds: u64,
    /// RLIMIT_DATA, bytes.
    pub data: u64,
    /// RLIMIT_AS, bytes.
    pub address_space: u64,
    /// RLIMIT_NPROC: processes and threads of the user.
    pub tasks: u64,
    /// `CoreDumpDirectory` is set: allow core dumps.
    pub core_dumps: bool,
}

/// The listening sockets of a group, one per process it can be scaled to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct GroupSockets {
    /// Path per slot.
    pub paths: Vec<Vec<u8>>,
    /// Owner of the socket files; applied when root.
    pub owner: u32,
    /// listen() backlog.
    pub backlog: u32,
    /// SO_SNDBUF, 0 = system.
    pub send_buffer: u32,
    /// SO_RCVBUF, 0 = system.
    pub receive_buffer: u32,
}

/// One daemon group, completely resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct GroupSpec {
    /// Unique name.
    pub name: Vec<u8>,
    /// First slot of this group in the status memory; as many slots as socket paths follow each other.
    pub first_slot: u32,
    /// `processes=`; the group may have as many as there are socket paths.
    pub processes: u32,
    /// Path of the interpreter to exec, e.g. `/srv/venv/bin/python3`.
    pub interpreter: Vec<u8>,
    /// What the interpreter is told to be (its `argv[0]`), where that is not its path; else empty.
    pub argument_zero: Vec<u8>,
    /// Interpreter flags before `-c` (`-B`, `-O`, `-W …`, `-X …`).
    pub flags: Vec<Vec<u8>>,
    /// Environment built from scratch: `KEY=VALUE` entries.
    pub environment: Vec<Vec<u8>>,
    /// Identity.
    pub identity: DaemonIdentity,
    /// Limits.
    pub limits: ResourceLimits,
    /// Sockets.
    pub sockets: GroupSockets,
    /// Log of the server that declared the group.
    pub log: LogTarget,
    /// `end-session=`: what a process leaves in its session is ended with it.
    pub ends_session: bool,
    /// `log-rate=`: lines of output per second, 0 = unlimited.
    pub log_rate: u32,
    /// `preload=on`: processes are forked from a zygote.
    pub preload: bool,
    /// `reload=exclusive` or `immediate`: a process ends before its successor starts.
    pub exclusive: bool,
    /// Its number in the metrics memory.
    pub metrics: Option<u32>,
    /// What the host is told; `slot` is filled in per process.
    pub launch: Launch,
}

/// A whole configuration generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Configuration {
    /// httpd's generation number.
    pub generation: u32,
    /// Path of `python-host.abi3.so`.
    pub host_library: Vec<u8>,
    /// All groups in configuration order.
    pub groups: Vec<GroupSpec>,
    /// Log of the main server, for the supervisor's own lines.
    pub log: LogTarget,
    /// Path of the operator's socket ([`crate::operator`]); empty for none.
    pub operator_socket: Vec<u8>,
    /// The socket of the log writer accompanies the record.
    pub log_writer: bool,
}

/// parent → supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ParentCommand {
    /// Take over this configuration: start its groups beside the old ones, then let the old ones drain.
    Configure,
    /// httpd is stopping: end all daemons within their shutdown limits, then exit.
    Stop,
    /// To a supervisor that was just started, before its first `Configure`, oldest first: the configuration of an earlier
    /// generation that may still have children, with the same descriptors, but of the logs only the main server's. Not
    /// answered.
    Inherit,
}

/// supervisor → parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SupervisorAnswer {
    /// All sockets of the generation are listening; processes are being started.
    Listening {
        /// The generation answered for.
        generation: u32,
        /// Groups whose sockets could not be set up, by name, each with the reason as one sentence.
        failed: Vec<(Vec<u8>, String)>,
    },
    /// The message could not be read (another version after an upgrade): start another supervisor.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{decode, encode};

    #[test]
    fn configuration_round_trips() {
        let c = Configuration {
            generation: 3,
            groups: vec![GroupSpec { name: b"a".to_vec(), ..GroupSpec::default() }],
            ..Configuration::default()
        };
        assert_eq!(decode::<Configuration>(&encode(&c).unwrap()).unwrap(), c);
    }
}
