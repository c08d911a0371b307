//! Tables: a configuration and a folder, and what is said or started.

mod checks;
pub(crate) mod fake;
mod files;
mod homes;
mod plans;
mod site;
mod survey;
