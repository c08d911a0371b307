//! Thin safe wrappers over httpd's objects; each carries the lifetime of the pool or request it lives in.

pub mod answer;
pub mod block;
pub mod brigade;
pub mod bucket;
pub mod command;
pub mod facts;
pub mod log;
pub mod origin;
pub mod other_child;
pub mod parent;
pub mod pattern;
pub mod pool;
pub mod record;
pub mod request;
pub mod server;
pub mod table;
pub mod temporary_file;
pub mod tree;
pub mod websocket;
