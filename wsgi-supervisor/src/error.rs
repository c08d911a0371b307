//! What can go wrong in the supervisor itself, by what was attempted.

use nix::errno::Errno;
use wsgi_protocol::ProtocolError;

/// An error of the supervisor.
#[derive(Debug)]
pub enum SupervisorError {
    /// Descriptor 3 is no control socket: not started by httpd.
    ControlSocket(Errno),
    /// Setting up signals failed.
    Signals(Errno),
    /// Waiting for events failed.
    Wait(Errno),
    /// Reading a control record failed.
    Receive(Errno),
    /// A record or its descriptors did not fit.
    Truncated,
    /// A `Configure` record came with too few descriptors.
    Descriptors(usize),
    /// The message could not be read from its memory file.
    MessageFile(std::io::Error),
    /// The message is of another version, or damaged.
    Message(ProtocolError),
    /// The status memory could not be mapped.
    StatusMemory(Errno),
}

impl std::fmt::Display for SupervisorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ControlSocket(errno) => {
                write!(f, "no control socket, only httpd starts this program: {errno}")
            }
            Self::Signals(errno) => write!(f, "setting up signals failed: {errno}"),
            Self::Wait(errno) => write!(f, "waiting for events failed: {errno}"),
            Self::Receive(errno) => write!(f, "reading from httpd failed: {errno}"),
            Self::Truncated => f.write_str("a record from httpd is too long"),
            Self::Descriptors(count) => write!(f, "a configuration came with only {count} descriptors"),
            Self::MessageFile(error) => write!(f, "reading the configuration failed: {error}"),
            Self::Message(error) => write!(f, "the configuration cannot be understood: {error}"),
            Self::StatusMemory(errno) => write!(f, "mapping the status memory failed: {errno}"),
        }
    }
}

impl std::error::Error for SupervisorError {}
