//! The integration suite: each module is one concern, each test writes its own small configuration.

mod hello;

/// Makes a test of a function of the mode: one for embedded, one for daemon mode.
#[macro_export]
macro_rules! in_both_modes {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(#[test] fn $name() { super::$name(integration::Mode::Embedded); })+ }
        mod daemon { $(#[test] fn $name() { super::$name(integration::Mode::Daemon); })+ }
    };
}
