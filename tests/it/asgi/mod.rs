//! ASGI applications.

pub mod applications;
mod examples;
mod frames;
pub mod frameworks;
mod lifespan;
mod status;
pub mod websocket;
