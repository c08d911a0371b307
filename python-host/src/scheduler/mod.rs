//! What both modes need to decide how many threads may contend for one GIL (decisions.md, "As few threads contend
//! for the GIL as keep it busy"): `pace` decides, a meter
//! shows what a thread is kept from, and the admission queue lets the threads of an httpd child in. A daemon has a gate of
//! its own (`crate::daemon`), because its threads come for requests instead of with them.

pub mod admission;
pub mod clock;
mod crowd;
pub mod gate;
pub mod meter;
pub mod pace;
pub mod waits;
pub mod wakeup;

/// Keeps signals away from the calling thread, as from httpd's request threads: httpd's handlers belong to others.
pub use wsgi_system::signals::block_others as block_signals;
