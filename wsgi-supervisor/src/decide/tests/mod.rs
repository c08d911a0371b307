//! Each rule of the state machine, tried without a process: tables, random histories, and all histories of a small model.

mod crowding;
mod generations;
mod histories;
mod invariants;
mod key;
mod model;
mod slots;
mod world;
mod zygotes;
