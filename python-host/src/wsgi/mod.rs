//! WSGI: environ, input, response, errors, scripts, and the `mod_wsgi` module (spec/behaviour.md §1 to §8).

mod adapter;
mod body;
pub mod clock;
pub mod early;
pub mod environ;
pub mod events;
mod exclusive;
pub mod failures;
mod file_wrapper;
mod furnishing;
pub mod head_rules;
mod input;
mod iterate;
pub mod kit;
mod lines;
mod load_fault;
mod loading;
pub mod log_object;
pub mod metrics;
mod module;
#[allow(unsafe_code)]
pub mod request;
mod response;
mod response_state;
mod run;
pub mod script;
pub mod script_table;
pub mod telemetry;
mod transfer;

pub use kit::InterpreterKit;
pub use run::{USUAL_ASGI, find_application, run};
