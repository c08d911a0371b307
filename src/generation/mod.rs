//! What one reading of the configuration has made and httpd's children share: groups, memories, counts.

#[allow(unsafe_code)]
pub mod board;
pub mod ledger;
#[allow(unsafe_code)]
pub mod metrics;
pub mod runtime;
pub mod status;
