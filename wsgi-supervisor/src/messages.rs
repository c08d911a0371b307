//! The numbered messages of this crate, in one table (numbers as in spec/daemon.md).

use crate::log::Level;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
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
    /// The interpreter could not be started.
    Interpreter,
}

/// One row: the message, its number, its level.
const TABLE: &[(Message, Option<u16>, Level)] = &[
    (Message::Chroot, Some(3), Level::ALERT),
    (Message::SetGroup, Some(4), Level::ALERT),
    (Message::SetGroups, Some(5), Level::ALERT),
    (Message::InitGroups, Some(6), Level::ALERT),
    (Message::SetUser, Some(7), Level::ALERT),
    (Message::Home, Some(9), Level::ALERT),
    (Message::PasswdHome, Some(10), Level::ALERT),
    (Message::NoPasswdHome, Some(11), Level::ALERT),
    (Message::Socket, Some(12), Level::ALERT),
    (Message::Bind, Some(13), Level::ALERT),
    (Message::Listen, Some(14), Level::ALERT),
    (Message::SocketOwner, Some(15), Level::ALERT),
    (Message::Fork, Some(24), Level::ALERT),
    (Message::SetUp, Some(25), Level::ALERT),
    (Message::CoreDumps, Some(61), Level::WARN),
    (Message::PathTooLong, Some(64), Level::ALERT),
    (Message::StaleSocket, Some(65), Level::WARN),
    (Message::Unlink, Some(73), Level::WARN),
    (Message::Priority, Some(75), Level::WARN),
    (Message::LimitCpu, Some(76), Level::WARN),
    (Message::LimitData, Some(77), Level::WARN),
    (Message::LimitAddressSpace, Some(78), Level::WARN),
    // The original has no number for it: its daemons are not started by exec.
    (Message::Interpreter, None, Level::ALERT),
];

impl Message {
    /// The level of its line.
    #[must_use]
    pub fn level(self) -> Level {
        self.row().2
    }

    /// `WSGInnnn: `, or nothing for a message without a number.
    #[must_use]
    pub fn prefix(self) -> String {
        self.row().1.map(|number| format!("WSGI{number:04}: ")).unwrap_or_default()
    }

    fn row(self) -> &'static (Self, Option<u16>, Level) {
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_every_message_has_its_row() {
        let mut numbers: Vec<_> = TABLE.iter().filter_map(|row| row.1).collect();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert!(numbers.is_sorted());
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(TABLE.iter().position(|other| other.0 == row.0), Some(index));
        }
        assert_eq!(Message::Interpreter.prefix(), "");
        assert_eq!(Message::SetUser.prefix(), "WSGI0007: ");
    }
}
