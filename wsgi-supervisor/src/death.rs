//! Why a process ended, from the number that waitpid gives.

use nix::sys::signal::Signal;

/// The cause of a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It left with this status (0 is orderly).
    Exit(i32),
    /// A signal ended it.
    Signal {
        /// Number of the signal.
        number: i32,
        /// A core file was written.
        core: bool,
    },
}

impl Cause {
    /// Decodes a raw wait status.
    #[must_use]
    pub fn from_raw(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal { number: libc::WTERMSIG(status), core: libc::WCOREDUMP(status) }
        } else {
            Self::Exit(libc::WEXITSTATUS(status))
        }
    }

    /// Whether the process ended of its own accord and in order.
    #[must_use]
    pub fn is_orderly(self) -> bool {
        self == Self::Exit(0)
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Exit(status) => write!(f, "exit status {status}"),
            Self::Signal { number, core } => {
                write!(f, "signal {number}")?;
                if let Ok(signal) = Signal::try_from(number) {
                    write!(f, " ({})", signal.as_str())?;
                }
                f.write_str(if core { ", core dumped" } else { "" })?;
                f.write_str(meaning(number))
            }
        }
    }
}

/// What an operator should think of.
fn meaning(signal: i32) -> &'static str {
    match signal {
        libc::SIGKILL => ", from outside: kill -9, or the kernel for lack of memory",
        libc::SIGXCPU => ", cpu-time-limit exceeded",
        libc::SIGSEGV | libc::SIGBUS => ", a crash in C code: an extension module, or the stack is too small",
        libc::SIGABRT => ", abort: the interpreter or a C library gave up",
        libc::SIGSYS => ", a forbidden system call",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_status_is_decoded() {
        let rows: [(i32, Cause, &str); 6] = [
            (0, Cause::Exit(0), "exit status 0"),
            (3 << 8, Cause::Exit(3), "exit status 3"),
            (255 << 8, Cause::Exit(255), "exit status 255"),
            (15, Cause::Signal { number: 15, core: false }, "signal 15 (SIGTERM)"),
            (0x80 | 3, Cause::Signal { number: 3, core: true }, "signal 3 (SIGQUIT), core dumped"),
            (40, Cause::Signal { number: 40, core: false }, "signal 40"),
        ];
        for (raw, cause, text) in rows {
            assert_eq!(Cause::from_raw(raw), cause);
            assert_eq!(cause.to_string(), text);
            assert_eq!(cause.is_orderly(), raw == 0);
        }
        assert!(Cause::from_raw(9).to_string().starts_with("signal 9 (SIGKILL), from outside"));
    }
}
