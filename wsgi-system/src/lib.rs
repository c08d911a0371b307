//! The only room for system calls: what nix has no safe function for is made safe here, for module, supervisor and host.
//! Nothing in it knows httpd or Python.

pub mod accounts;
pub mod clock;
pub mod descriptors;
pub mod eventfd;
pub mod inheritance;
pub mod limits;
pub mod memory;
pub mod options;
pub mod polling;
pub mod process;
pub mod shared_bytes;
pub mod signals;
pub mod sockets;
pub mod stat;
