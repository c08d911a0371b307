//! What one reading of the configuration has made and httpd's children share: groups, memories, counts.

pub mod board;
pub mod ledger;
pub mod metrics;
pub mod runtime;
pub mod status;
