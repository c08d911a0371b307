//! WSGI: environ, input, response, errors, scripts, and the `mod_wsgi` module (spec/behaviour.md §1 to §8).

#[allow(unsafe_code)]
mod adapter;
mod body;
pub mod clock;
pub mod early;
#[allow(unsafe_code)]
pub mod environ;
pub mod events;
mod exclusive;
pub mod failures;
#[allow(unsafe_code)]
mod file_wrapper;
pub mod head_rules;
#[allow(unsafe_code)]
mod input;
mod iterate;
#[allow(unsafe_code)]
mod kit;
mod lines;
mod load_fault;
mod loading;
#[allow(unsafe_code)]
pub mod log_object;
pub mod metrics;
#[allow(unsafe_code)]
mod module;
#[allow(unsafe_code)]
pub mod request;
mod response;
mod run;
#[allow(unsafe_code)]
pub mod script;
pub mod telemetry;
#[allow(unsafe_code)]
mod transfer;

pub use kit::InterpreterKit;
pub use run::{USUAL_ASGI, find_application, run};
