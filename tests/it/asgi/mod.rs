//! ASGI applications.

pub mod applications;
mod examples;
mod frames;
pub mod frameworks;
mod lifespan;
mod reading;
mod sockets;
mod status;
mod timers;
mod unseen;
pub mod websocket;
mod websocket_http2;
