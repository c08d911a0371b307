//! The only room of this crate with unsafe code: system calls for which nix has no safe function.

pub mod clock;
pub mod descriptors;
pub mod inheritance;
pub mod memory;
pub mod metrics;
pub mod process;
