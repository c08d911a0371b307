//! The test harness: starts a real httpd with the module under test, talks to it, and when it is stopped insists that
//! nothing is left: no process, no socket, no shared memory, no log line that the test did not ask for.
#![forbid(unsafe_code)]

mod apache;
mod builder;
mod client;
mod error_log;
mod express;
mod processes;
mod pythons;
mod residue;
mod server;
mod server_root;
mod subject;
mod waiting;
mod wire;

pub use apache::{Apache, Mpm, compile_module};
pub use builder::{HttpdBuilder, Mode, free_port as unused_port};
pub use client::{Request, Response};
pub use express::ExpressServer;
pub use processes::{SeenProcess, kill, signal};
pub use pythons::{PythonHome, hang_before_python_serves, pythons, test_user};
pub use server::{Httpd, HttpdContainer, HttpdVerdict};
pub use server_root::{copy_program, write_at_once};
pub use subject::Subject;
pub use waiting::{eventually, wait_until};
pub use wire::WireConnection;

/// True when the tests run as root, so that daemons can become other users.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The top folder of this workspace.
pub fn workspace() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
