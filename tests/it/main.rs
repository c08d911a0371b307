//! The integration suite: each folder holds one concern, each test writes its own small configuration.

/// Makes a test of each function of the mode: one for embedded, one for daemon mode.
macro_rules! in_both_modes {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(#[test] fn $name() { super::$name(integration::Mode::Embedded); })+ }
        mod daemon { $(#[test] fn $name() { super::$name(integration::Mode::Daemon); })+ }
    };
}

mod asgi;
mod asking;
mod config;
mod failures;
mod operators;
mod processes;
mod product;
mod python;
mod request;
mod scripts;
mod snippets;
