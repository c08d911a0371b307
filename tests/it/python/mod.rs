//! Python around the application.

mod contention;
mod forks;
mod leaving;
mod parallel;
mod process;
mod python_module;
mod pythons;
