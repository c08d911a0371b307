//! Scripts: loading, changing, and those that httpd asks.

mod access;
mod auth;
mod deploys;
mod dispatch;
mod exclusive;
mod loading;
mod reloading;
