//! WSGI inside CPython: one library for every version from 3.9, loaded by a daemon's own interpreter or into an
//! httpd child that runs Python itself (decisions.md, "No libpython in the module").

#![deny(unsafe_code)]

mod asgi;
mod boundary;
mod coalesce;
mod conversation;
mod daemon;
mod embedded;
#[allow(unsafe_code)]
mod entry;
pub mod exchange;
#[allow(unsafe_code)]
mod fork;
mod forked;
pub mod host;
mod host_scripts;
#[allow(unsafe_code)]
mod httpd_table;
#[allow(unsafe_code)]
mod interpreter;
mod log;
mod messages;
#[allow(unsafe_code)]
mod python;
#[allow(unsafe_code)]
mod reserve;
mod scheduler;
#[allow(unsafe_code)]
mod thread_end;
mod thread_record;
mod waits;
mod worker;
mod wsgi;
