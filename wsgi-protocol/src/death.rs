//! Why a daemon process ended, as the supervisor finds out and httpd's children tell in the log of the request that
//! was hit: wait status, what the process said of itself, and its last Python stack.

use crate::wire_enum::wire_enum;

/// Longest Python stack that is passed on, in bytes.
pub const MAX_STACK: usize = 3040;

/// Exit status of a daemon that had to end itself by force.
pub const FORCED_STATUS: i32 = 255;

wire_enum! {
    /// Why a process was to end. A daemon says it with one byte before it stops (`launch::READY_FD`); it is only ever
    /// shown to people.
    pub enum EndReason: u8 {
        /// SIGTERM, SIGINT, or the supervisor's order.
        ShutdownSignal = b'a',
        /// SIGUSR1.
        GracefulSignal = b'b',
        /// SIGUSR1 with an eviction-timeout of its own.
        EvictionSignal = b'c',
        /// `maximum-requests`.
        MaximumRequests = b'd',
        /// `restart-interval`.
        RestartInterval = b'e',
        /// `inactivity-timeout`.
        InactivityTimeout = b'f',
        /// `maximum-rss`.
        MaximumRss = b'g',
        /// A changed script.
        ScriptReload = b'h',
        /// `request-timeout`.
        RequestTimeout = b'i',
        /// `startup-timeout`.
        StartupTimeout = b'j',
        /// `deadlock-timeout`.
        DeadlockTimeout = b'k',
        /// `cpu-time-limit`.
        CpuTimeLimit = b'l',
        /// It could not accept connections any more.
        NoDescriptors = b'm',
        /// The kernel killed it for lack of memory: found out by the supervisor, never said by a daemon.
        OutOfMemory = b'A',
    }
}

/// Number of reasons.
pub const REASON_COUNT: usize = 14;

/// Reason, its name for subscribers (spec/daemon.md §2.5), and what an operator reads.
const REASONS: [(EndReason, &str, &str); REASON_COUNT] = [
    (EndReason::ShutdownSignal, "shutdown_signal", "it was told to stop"),
    (EndReason::GracefulSignal, "graceful_signal", "SIGUSR1 told it to end"),
    (EndReason::EvictionSignal, "eviction_signal", "SIGUSR1 told it to end"),
    (EndReason::MaximumRequests, "maximum_requests", "maximum-requests was reached"),
    (EndReason::RestartInterval, "restart_interval", "restart-interval was over"),
    (EndReason::InactivityTimeout, "inactivity_timeout", "inactivity-timeout was over"),
    (EndReason::MaximumRss, "maximum_rss", "maximum-rss was exceeded"),
    (EndReason::ScriptReload, "script_reload", "its script has changed"),
    (EndReason::RequestTimeout, "request_timeout", "request-timeout: a request ran longer than it allows"),
    (EndReason::StartupTimeout, "startup_timeout", "startup-timeout: no script was loaded in time"),
    (
        EndReason::DeadlockTimeout,
        "deadlock_timeout",
        "deadlock-timeout: nothing could get Python's lock (GIL), or the event loop did not come back; C code that keeps it, or a deadlock",
    ),
    (EndReason::CpuTimeLimit, "cpu_time_limit", "cpu-time-limit was exceeded"),
    (
        EndReason::NoDescriptors,
        "no_descriptors",
        "it could not accept connections: out of file descriptors; the application leaks them, or raise the limit",
    ),
    (
        EndReason::OutOfMemory,
        "out_of_memory",
        "out of memory: killed by the kernel; raise the limit, or lower threads= or processes=",
    ),
];

impl EndReason {
    fn row(self) -> &'static (Self, &'static str, &'static str) {
        // Every variant has its row (see the tests); the first one stands in otherwise.
        REASONS.iter().find(|row| row.0 == self).unwrap_or(&REASONS[0])
    }

    /// The reason that a byte from a daemon stands for.
    #[must_use]
    pub fn said_by_daemon(byte: u8) -> Option<Self> {
        Self::from_number(byte).filter(|reason| *reason != Self::OutOfMemory)
    }

    /// The reason that subscribers know by `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        REASONS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The name that subscribers know.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its place among all reasons.
    #[must_use]
    pub fn index(self) -> usize {
        REASONS.iter().position(|row| row.0 == self).unwrap_or(0)
    }

    /// The reason at a place.
    #[must_use]
    pub fn by_index(index: usize) -> Option<Self> {
        REASONS.get(index).map(|row| row.0)
    }

    /// What an operator reads.
    #[must_use]
    pub fn text(self) -> &'static str {
        self.row().2
    }
}

/// Signals by number (Linux), with what an operator should think of.
const SIGNALS: [(i32, &str, &str); 16] = [
    (1, "SIGHUP", ""),
    (2, "SIGINT", ""),
    (3, "SIGQUIT", ""),
    (4, "SIGILL", ", a crash in C code: built for another processor?"),
    (5, "SIGTRAP", ""),
    (6, "SIGABRT", ", abort: the interpreter or a C library gave up"),
    (7, "SIGBUS", ", a crash in C code, or a mapped file that was cut"),
    (8, "SIGFPE", ", a crash in C code"),
    (9, "SIGKILL", ", from outside: kill -9, or the kernel for lack of memory"),
    (10, "SIGUSR1", ""),
    (11, "SIGSEGV", ", a crash in C code: an extension module, or the stack is too small"),
    (13, "SIGPIPE", ""),
    (14, "SIGALRM", ""),
    (15, "SIGTERM", ""),
    (24, "SIGXCPU", ", cpu-time-limit exceeded"),
    (31, "SIGSYS", ", a forbidden system call"),
];

/// How a process ended, from the number that waitpid gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeathCause {
    /// It left with this status.
    Exit(i32),
    /// A signal ended it.
    Signal {
        /// Number of the signal.
        number: i32,
        /// A core file was written.
        core: bool,
    },
}

impl DeathCause {
    /// Decodes a raw wait status (Linux).
    #[must_use]
    pub fn from_raw(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Exit(status >> 8 & 0xff),
            number => Self::Signal { number, core: status & 0x80 != 0 },
        }
    }

    /// Whether the process left with status 0.
    #[must_use]
    pub fn is_orderly(self) -> bool {
        self == Self::Exit(0)
    }

    /// Number and name only.
    #[must_use]
    pub fn short(self) -> String {
        match self {
            Self::Exit(status) => format!("exit status {status}"),
            Self::Signal { number, core } => {
                let name = SIGNALS.iter().find(|row| row.0 == number);
                let name = name.map(|row| format!(" ({})", row.1)).unwrap_or_default();
                format!("signal {number}{name}{}", if core { ", core dumped" } else { "" })
            }
        }
    }
}

impl std::fmt::Display for DeathCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.short())?;
        match *self {
            Self::Signal { number, .. } => {
                f.write_str(SIGNALS.iter().find(|row| row.0 == number).map_or("", |row| row.2))
            }
            Self::Exit(_) => Ok(()),
        }
    }
}

/// All that is known about the end of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessDeath {
    /// Process id.
    pub pid: u32,
    /// As waitpid gave it.
    pub status: i32,
    /// What the process said, or the supervisor found out.
    pub reason: Option<EndReason>,
    /// The supervisor killed it, because it did not end in time.
    pub killed: bool,
    /// The last Python stack as `faulthandler` wrote it: bytes of the daemon, for people to read. Perhaps empty.
    pub stack: Vec<u8>,
}

impl ProcessDeath {
    /// How it ended.
    #[must_use]
    pub fn cause(&self) -> DeathCause {
        DeathCause::from_raw(self.status)
    }

    /// It was to end, and did so in order.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        self.cause().is_orderly() && (self.reason.is_some() || self.killed)
    }

    /// The stack as part of a line; `None` if there is none.
    #[must_use]
    pub fn stack_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.stack);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join(" | "))
    }
}

/// The cause, without the stack.
impl std::fmt::Display for ProcessDeath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cause = self.cause();
        match (self.reason, cause) {
            (Some(EndReason::OutOfMemory), _) => {
                write!(f, "{} ({})", EndReason::OutOfMemory.text(), cause.short())
            }
            (Some(reason), _) if self.killed => {
                write!(f, "{}, and it did not end in time, so it was killed", reason.text())
            }
            (None, DeathCause::Signal { number: 9, .. }) if self.killed => {
                f.write_str("it did not end in time, so it was killed")
            }
            (Some(reason), DeathCause::Exit(FORCED_STATUS)) => {
                write!(f, "{}, and it did not end within shutdown-timeout ({})", reason.text(), cause.short())
            }
            (Some(reason), _) => write!(f, "{} ({})", reason.text(), cause.short()),
            (None, cause) => cause.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(status: i32, reason: Option<EndReason>, killed: bool) -> ProcessDeath {
        ProcessDeath { pid: 7, status, reason, killed, stack: Vec::new() }
    }

    #[test]
    fn wait_status_is_decoded() {
        let rows: [(i32, DeathCause, &str); 6] = [
            (0, DeathCause::Exit(0), "exit status 0"),
            (3 << 8, DeathCause::Exit(3), "exit status 3"),
            (255 << 8, DeathCause::Exit(255), "exit status 255"),
            (15, DeathCause::Signal { number: 15, core: false }, "signal 15 (SIGTERM)"),
            (0x80 | 3, DeathCause::Signal { number: 3, core: true }, "signal 3 (SIGQUIT), core dumped"),
            (40, DeathCause::Signal { number: 40, core: false }, "signal 40"),
        ];
        for (raw, cause, text) in rows {
            assert_eq!(DeathCause::from_raw(raw), cause);
            assert_eq!(cause.to_string(), text);
            assert_eq!(cause.is_orderly(), raw == 0);
        }
        assert!(DeathCause::from_raw(9).to_string().starts_with("signal 9 (SIGKILL), from outside"));
    }

    #[test]
    fn each_reason_has_byte_name_and_text() {
        for (reason, name, text) in REASONS {
            assert_eq!(EndReason::from_number(reason as u8), Some(reason));
            assert_eq!(EndReason::from_name(name), Some(reason));
            assert_eq!((EndReason::by_index(reason.index()), reason.name()), (Some(reason), name));
            assert_eq!(reason.text(), text);
            assert!(crate::launch::ReadyByte::from_number(reason as u8).is_none(), "{name}");
        }
        assert_eq!(EndReason::said_by_daemon(EndReason::OutOfMemory as u8), None);
    }

    #[test]
    fn causes_read_well() {
        let rows = [
            (death(0, None, false), "exit status 0"),
            (
                death(255 << 8, Some(EndReason::CpuTimeLimit), false),
                "cpu-time-limit was exceeded, and it did not end within shutdown-timeout (exit status 255)",
            ),
            (death(9, None, true), "it did not end in time, so it was killed"),
            (
                death(9, Some(EndReason::CpuTimeLimit), false),
                "cpu-time-limit was exceeded (signal 9 (SIGKILL))",
            ),
        ];
        for (death, text) in rows {
            assert_eq!(death.to_string(), text);
        }
        assert!(death(0, Some(EndReason::ScriptReload), false).is_orderly());
        assert!(!death(0, None, false).is_orderly(), "os._exit(0)");
    }

    #[test]
    fn a_stack_becomes_one_line() {
        let stack = b"Fatal Python error: Aborted\n\nStack:\n  File \"a\", line 1 in f\r\n\xff".to_vec();
        let death = ProcessDeath { stack, ..death(6, None, false) };
        assert_eq!(
            death.stack_line().unwrap(),
            "Fatal Python error: Aborted | Stack: | File \"a\", line 1 in f | \u{fffd}"
        );
        assert_eq!(ProcessDeath { stack: b"\n".to_vec(), ..death }.stack_line(), None);
    }
}
