//! Tables: a configuration and a folder, and what is said or started.

pub(crate) mod fake;
