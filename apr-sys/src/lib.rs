//! Raw httpd and APR: bindgen output for the installed headers, the C shim, and ported macros.
//! Knows nothing of WSGI. Safe wrappers live in `src/httpd/` of the module.

#![allow(missing_docs)]

#[allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    unused,
    dead_code
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindgen.rs"));
}

pub use bindings::*;
