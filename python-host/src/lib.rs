//! WSGI inside CPython: one library for every version from 3.9, loaded by a daemon's own interpreter or into an
//! httpd child that runs Python itself (decisions.md, "No libpython in the module").

mod asgi;
mod boundary;
mod coalesce;
mod conversation;
mod daemon;
mod embedded;
mod entry;
pub mod exchange;
mod fork;
mod forked;
pub mod host;
mod host_scripts;
mod interpreter;
mod log;
mod messages;
mod python;
mod scheduler;
mod thread_end;
mod waits;
mod worker;
mod wsgi;
