//! What is built, installed and shown, as a whole.

mod binary;
mod cluster;
pub mod examples;
mod express;
mod express_options;
mod express_places;
mod express_python;
mod frameworks;
mod fuzz;
mod harness;
mod hello;
mod installing;
mod migration;
mod packages;
mod soak;
