//! What both modes need to decide how many threads may contend for one GIL (design.md §4): `pace` decides, a meter
//! shows what a thread is kept from, and the turnstile lets the threads of an httpd child in. A daemon has a gate of
//! its own (`crate::daemon`), because its threads come for requests instead of with them.

pub mod bell;
pub mod clock;
pub mod meter;
pub mod pace;
pub mod turnstile;
