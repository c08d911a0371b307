//! Levels of log lines.

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
