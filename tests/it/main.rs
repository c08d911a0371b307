//! The integration suite: each module is one concern, each test writes its own small configuration.

/// Makes a test of each function of the mode: one for embedded, one for daemon mode.
macro_rules! in_both_modes {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(#[test] fn $name() { super::$name(integration::Mode::Embedded); })+ }
        mod daemon { $(#[test] fn $name() { super::$name(integration::Mode::Daemon); })+ }
    };
}

mod access_scripts;
mod asgi;
mod asgi_examples;
mod asgi_lifecycle;
mod asgi_websocket;
mod auth_scripts;
mod binary;
mod borders;
mod buffering;
mod cluster;
mod config;
mod contention;
mod control;
mod control_terminal;
mod daemon;
mod deaths;
mod deploys;
mod dispatch_scripts;
mod drain;
mod environ;
mod examples;
mod exclusive;
mod express;
mod express_options;
mod express_places;
mod express_python;
mod fault_table;
mod faults;
mod file_wrapper;
mod floods;
mod forks;
mod frameworks;
mod fuzz;
mod harness;
mod healing;
mod hello;
mod hostile;
mod hostile_descriptors;
mod http;
mod http2;
mod inherited;
mod input;
mod installing;
mod jail;
mod leaving;
mod leftovers;
mod lifecycle;
mod log_records;
mod logging;
mod malformed;
mod migration;
mod mistakes;
mod observability;
mod packages;
mod parallel;
mod preload;
mod preload_failing;
mod python_module;
mod pythons;
mod response;
mod scarcity;
mod scripts;
mod semantics;
mod semantics_environ;
mod semantics_files;
mod semantics_handover;
mod semantics_input;
mod semantics_logging;
mod semantics_process;
mod semantics_response;
mod semantics_scripts;
mod server_metrics;
mod short_files;
mod shutdown;
mod slow;
mod snippets;
mod soak;
mod start_response;
mod status;
mod supervisor_trust;
mod telemetry;
mod timers;
mod trust;
