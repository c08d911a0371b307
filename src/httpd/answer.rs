//! What a handler answers httpd.

use apr_sys as sys;
use std::ffi::c_int;

/// Status for requests we cannot handle through a fault of the server.
pub const INTERNAL_ERROR: c_int = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
/// The handler has dealt with the request.
pub const HANDLED: c_int = sys::OK as c_int;
