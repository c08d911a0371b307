//! HTTP requests and their answers.

mod borders;
mod buffering;
mod environ;
mod files;
mod framing;
mod headers;
mod http;
pub mod http2;
mod input;
mod large;
mod logging;
mod malformed;
mod prechecks;
mod proxies;
mod response;
mod short_files;
mod start_response;
mod streams;
