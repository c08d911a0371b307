//! `mod_wsgi.so`: httpd's side. Knows hooks, configuration glue, and a request's way out to Python and back;
//! knows nothing of Python itself and links no libpython (ARCHITECTURE.md).

#![deny(unsafe_code)]
#![allow(clippy::missing_errors_doc)]

#[allow(unsafe_code)]
mod boundary;
mod buffered;
mod callbacks;
mod child;
#[allow(unsafe_code)]
mod commands;
#[allow(unsafe_code)]
mod config;
mod daemon;
mod embedded;
mod environ;
mod generation;
mod handler;
mod host_scripts;
#[allow(unsafe_code)]
mod httpd;
mod job;
mod lifecycle;
mod messages;
mod metrics;
mod panics;
mod respond;
mod scoreboard;
mod status;
mod told;
#[allow(unsafe_code)]
mod translate;

use apr_sys as sys;
use std::ffi::c_char;
use std::ptr;
use wsgi_directives::{DirConfig, ServerConfig};

/// The one exported symbol: httpd's module record. The name is what `LoadModule wsgi_module` asks for.
#[unsafe(no_mangle)]
#[allow(unsafe_code, non_upper_case_globals, missing_docs)]
pub static mut wsgi_module: sys::module = sys::module {
    version: sys::MODULE_MAGIC_NUMBER_MAJOR as i32,
    minor_version: sys::MODULE_MAGIC_NUMBER_MINOR as i32,
    module_index: -1,
    name: c"mod_wsgi.c".as_ptr(),
    dynamic_load_handle: ptr::null_mut(),
    next: ptr::null_mut(),
    magic: sys::MODULE_MAGIC_COOKIE as u64,
    rewrite_args: None,
    create_dir_config: Some(boundary::create_config::<DirConfig, c_char>),
    merge_dir_config: Some(boundary::merge_config::<DirConfig>),
    create_server_config: Some(boundary::create_config::<ServerConfig, sys::server_rec>),
    merge_server_config: Some(boundary::merge_config::<ServerConfig>),
    cmds: (&raw const commands::TABLE).cast(),
    register_hooks: Some(boundary::register_hooks),
    flags: 0,
};

/// The module record as httpd's functions want it.
fn module_record() -> *mut sys::module {
    &raw mut wsgi_module
}
