//! What can go wrong, with the exit status that says so.

use std::fmt;

/// An error that ends the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpressError {
    /// The command line asks for something that cannot be.
    Usage(String),
    /// This machine lacks something.
    Machine(String),
    /// The application cannot be loaded.
    Application(String),
    /// httpd ended with this status; what is to be said has been said.
    Httpd(u8),
}

impl ExpressError {
    /// Of the whole command.
    pub fn exit_status(&self) -> u8 {
        match self {
            ExpressError::Usage(_) => 2,
            ExpressError::Machine(_) => 4,
            ExpressError::Application(_) => 5,
            ExpressError::Httpd(status) => *status,
        }
    }

    /// A file or folder that could not be read or written.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> ExpressError {
        ExpressError::Machine(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for ExpressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpressError::Usage(text) | ExpressError::Machine(text) | ExpressError::Application(text) => {
                f.write_str(text)
            }
            ExpressError::Httpd(status) => write!(f, "httpd ended with status {status}"),
        }
    }
}
