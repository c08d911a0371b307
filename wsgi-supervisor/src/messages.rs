//! What this crate logs with a number: which row of the error map (`wsgi_protocol::events`) each message is.

use crate::log::LogLevel;
use wsgi_protocol::events::{self, LogEvent};

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineSubject {
    /// chroot failed.
    Chroot,
    /// setgid failed.
    SetGroup,
    /// setgroups failed.
    SetGroups,
    /// initgroups failed.
    InitGroups,
    /// setuid failed.
    SetUser,
    /// chdir to `home=` failed.
    Home,
    /// chdir to the user's home directory failed.
    PasswdHome,
    /// The user has no home directory to change to.
    NoPasswdHome,
    /// A listening socket could not be created.
    Socket,
    /// bind failed.
    Bind,
    /// listen failed.
    Listen,
    /// chown of a socket failed.
    SocketOwner,
    /// fork failed.
    Fork,
    /// Core dumps could not be enabled.
    CoreDumps,
    /// A socket path is too long.
    PathTooLong,
    /// A stale socket was removed.
    StaleSocket,
    /// A socket could not be removed.
    Unlink,
    /// setpriority failed.
    Priority,
    /// RLIMIT_CPU was refused.
    LimitCpu,
    /// RLIMIT_DATA was refused.
    LimitData,
    /// RLIMIT_AS was refused.
    LimitAddressSpace,
    /// Any other step before the exec failed.
    SetUp,
    /// The host library is not there for the process, or not for its user.
    HostLibrary,
    /// The interpreter could not be started.
    Interpreter,
    /// A zygote could not be started.
    NoZygote,
    /// A zygote was asked for a process, and there was none.
    BarrenZygote,
    /// Zygotes keep failing.
    PreloadGivenUp,
    /// oom_score_adj could not be set.
    OomScore,
    /// RLIMIT_NPROC was refused.
    LimitTasks,
    /// A group writes more than log-rate=.
    LogRate,
    /// A process says more than it has to say.
    Chatter,
    /// An application has shut its listening socket down.
    Shut,
    /// Somebody has removed its socket's file.
    Removed,
    /// A process has closed descriptors that it needs.
    DescriptorsLost,
    /// Two processes of a group cannot live beside each other.
    Conflict,
    /// Killed processes of a group do not end.
    Clogged,
    /// What only one process can have is somebody else's.
    StaysTaken,
}

impl LineSubject {
    /// The level of its line.
    #[must_use]
    pub fn level(self) -> LogLevel {
        LogLevel(self.event().level as u32)
    }

    /// `WSGInnnn: `.
    #[must_use]
    pub fn prefix(self) -> String {
        self.event().line("")
    }

    fn event(self) -> &'static LogEvent {
        match self {
            Self::Chroot => &events::CHROOT,
            Self::SetGroup => &events::SET_GROUP,
            Self::SetGroups => &events::SET_GROUPS,
            Self::InitGroups => &events::INIT_GROUPS,
            Self::SetUser => &events::SET_USER,
            Self::Home => &events::HOME,
            Self::PasswdHome => &events::PASSWD_HOME,
            Self::NoPasswdHome => &events::NO_PASSWD_HOME,
            Self::Socket => &events::SOCKET,
            Self::Bind => &events::BIND,
            Self::Listen => &events::LISTEN,
            Self::SocketOwner => &events::SOCKET_OWNER,
            Self::Fork => &events::FORK,
            Self::SetUp => &events::SET_UP,
            Self::CoreDumps => &events::CORE_DUMPS,
            Self::PathTooLong => &events::PATH_TOO_LONG,
            Self::StaleSocket => &events::STALE_SOCKET,
            Self::Unlink => &events::UNLINK,
            Self::Priority => &events::PRIORITY,
            Self::LimitCpu => &events::LIMIT_CPU,
            Self::LimitData => &events::LIMIT_DATA,
            Self::LimitAddressSpace => &events::LIMIT_ADDRESS_SPACE,
            Self::HostLibrary => &events::NO_HOST_LIBRARY,
            Self::NoZygote => &events::NO_ZYGOTE,
            Self::BarrenZygote => &events::BARREN_ZYGOTE,
            Self::PreloadGivenUp => &events::PRELOAD_GIVEN_UP,
            Self::OomScore => &events::OOM_SCORE,
            Self::LimitTasks => &events::LIMIT_TASKS,
            Self::LogRate => &events::LOG_RATE,
            Self::Chatter => &events::CHATTER,
            Self::Shut => &events::SOCKET_SHUT,
            Self::Removed => &events::SOCKET_REMOVED,
            Self::DescriptorsLost => &events::DESCRIPTORS_LOST,
            Self::Conflict => &events::CONFLICT,
            Self::Clogged => &events::GROUP_CLOGGED,
            Self::StaysTaken => &events::STAYS_TAKEN,
            Self::Interpreter => &events::NO_PYTHON_PROGRAM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_levels_are_those_of_the_map() {
        assert_eq!(LineSubject::SetUser.prefix(), "WSGI0007: ");
        assert_eq!(
            (LineSubject::Fork.level(), LineSubject::Unlink.level()),
            (LogLevel::ALERT, LogLevel::WARN)
        );
    }
}
