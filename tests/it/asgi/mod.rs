//! ASGI applications.

pub mod applications;
mod examples;
mod lifespan;
mod websocket;
