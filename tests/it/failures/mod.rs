//! What goes wrong, and what becomes of it.

mod deaths;
mod fault_table;
mod floods;
mod healing;
pub mod hostile;
pub mod hostile_descriptors;
mod memory;
pub mod mistakes;
mod panics;
mod scarcity;
