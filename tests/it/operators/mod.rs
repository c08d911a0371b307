//! What operators see and do.

pub mod control;
mod control_terminal;
mod drain;
mod log_records;
mod observability;
mod server_metrics;
mod slow;
pub mod status;
mod telemetry;
