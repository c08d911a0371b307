//! What can go wrong, with the exit status that says so.

use std::fmt;

/// An error that ends the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The command line asks for something that cannot be.
    Usage(String),
    /// This machine lacks something.
    Machine(String),
    /// The application cannot be loaded.
    Application(String),
    /// httpd ended with this status; what is to be said has been said.
    Httpd(u8),
}

impl Problem {
    /// Of the whole command.
    pub fn exit_status(&self) -> u8 {
        match self {
            Problem::Usage(_) => 2,
            Problem::Machine(_) => 4,
            Problem::Application(_) => 5,
            Problem::Httpd(status) => *status,
        }
    }

    /// A file or folder that could not be read or written.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Problem {
        Problem::Machine(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Usage(text) | Problem::Machine(text) | Problem::Application(text) => f.write_str(text),
            Problem::Httpd(status) => write!(f, "httpd ended with status {status}"),
        }
    }
}
