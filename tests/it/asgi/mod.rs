//! ASGI applications.

pub mod applications;
mod examples;
mod lifespan;
mod status;
pub mod websocket;
