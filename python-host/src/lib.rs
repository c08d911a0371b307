//! WSGI inside CPython: one library for every version from 3.9, loaded by a daemon's own interpreter or into an
//! httpd child that runs Python itself (design.md §1, §5).

mod exchange;
pub mod host;
mod python;
