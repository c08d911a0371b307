//! The directive table: every directive once, sorted by name as registered with httpd.

mod daemon;
mod interpreters;
mod legacy;
mod python;
mod routing;
mod scripts;
mod switches;
mod telemetry;

use crate::directive::Directive;

/// All directives, sorted by name. The index is the id handed to httpd as `cmd_data`.
pub static DIRECTIVES: &[Directive] = &[
    interpreters::INTERPRETER_OPTIONS,
    daemon::ACCEPT_MUTEX,
    scripts::ACCESS_SCRIPT,
    routing::APPLICATION_GROUP,
    scripts::AUTH_GROUP_SCRIPT,
    scripts::AUTH_USER_SCRIPT,
    routing::CALLABLE_OBJECT,
    python::CASE_SENSITIVITY,
    switches::CHUNKED_REQUEST,
    daemon::DAEMON_PROCESS,
    python::DESTROY_INTERPRETER,
    scripts::DISPATCH_SCRIPT,
    python::DONT_WRITE_BYTECODE,
    switches::ENABLE_SENDFILE,
    switches::ERROR_OVERRIDE,
    interpreters::FREE_THREADING,
    scripts::GROUP_AUTHORITATIVE,
    scripts::HANDLER_SCRIPT,
    switches::IGNORE_ACTIVITY,
    scripts::IMPORT_SCRIPT,
    legacy::LAZY_INITIALIZATION,
    switches::MAP_HEAD_TO_GET,
    legacy::NEW_RELIC_CONFIG_FILE,
    legacy::NEW_RELIC_ENVIRONMENT,
    legacy::OUTPUT_BUFFERING,
    switches::PASS_APACHE_REQUEST,
    switches::PASS_AUTHORIZATION,
    daemon::PASS_ENV,
    interpreters::PER_INTERPRETER_GIL,
    routing::PROCESS_GROUP,
    legacy::PY3K_WARNING_FLAG,
    python::EGGS,
    legacy::PYTHON_EXECUTABLE,
    python::HASH_SEED,
    python::HOME,
    python::OPTIMIZE,
    interpreters::PYTHON_PATH,
    python::WARNINGS,
    legacy::RELOAD_MECHANISM,
    switches::REQUEST_BUFFERING,
    routing::RESTRICT_EMBEDDED,
    routing::RESTRICT_PROCESS,
    interpreters::RESTRICT_SIGNAL,
    interpreters::RESTRICT_STDIN,
    interpreters::RESTRICT_STDOUT,
    routing::SCRIPT_ALIAS,
    routing::SCRIPT_ALIAS_MATCH,
    switches::SCRIPT_RELOADING,
    telemetry::SERVER_METRICS,
    telemetry::SLOW_REQUESTS,
    daemon::SOCKET_PREFIX,
    daemon::SOCKET_ROTATION,
    daemon::SUPPORT_DIRECTORY,
    interpreters::SWITCH_INTERVAL,
    telemetry::TELEMETRY_OPTIONS,
    telemetry::TELEMETRY_SERVICE,
    switches::TRUSTED_PROXIES,
    switches::TRUSTED_PROXY_HEADERS,
    legacy::USER_AUTHORITATIVE,
    legacy::VERBOSE_DEBUGGING,
];
