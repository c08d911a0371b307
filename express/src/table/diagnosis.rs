//! Metrics, further processes, and tools to find out what an application does.

use super::{OptionGroup, OptionState, ValueKind, flag, row, text};

const DIRECTORY: &[&str] = &["DIRECTORY"];

pub(super) const METRICS: OptionGroup = OptionGroup {
    heading: "Metrics",
    rows: &[
        flag(
            "server-status",
            "<Location /server-status>",
            "Show httpd's status at /server-status to this machine.",
        ),
        flag("server-metrics", "WSGIServerMetrics, server-metrics=", "Let applications ask for metrics."),
        text(
            "telemetry-service",
            &["unix:PATH"],
            "",
            "WSGITelemetryService",
            "The socket of a service that takes metrics.",
        ),
        flag("enable-telemetry", "", "Start such a service.").state(OptionState::NoEffect(
            "this package brings no telemetry service; name one with --telemetry-service",
        )),
        row(
            "telemetry-ui-port",
            ValueKind::Int(1, 65535),
            &["NUMBER"],
            "8888",
            "",
            "The port of that service's pages.",
        )
        .state(OptionState::NoEffect("this package brings no telemetry service")),
        row(
            "telemetry-interval",
            ValueKind::Number(0.5, 86_400.0),
            &["SECONDS"],
            "1.0",
            "WSGITelemetryService interval=",
            "The time between two samples.",
        ),
        text(
            "telemetry-options",
            &["OPTIONS"],
            "",
            "WSGITelemetryOptions",
            "Further settings, as in the directive.",
        )
        .list(),
        row(
            "slow-requests",
            ValueKind::Number(0.0, 86_400.0),
            &["SECONDS"],
            "",
            "WSGISlowRequests",
            "Log requests that take longer, with the place where they are.",
        ),
    ],
};

pub(super) const SERVICES: OptionGroup = OptionGroup {
    heading: "Services",
    rows: &[
        text(
            "service-script",
            &["NAME", "SCRIPT"],
            "",
            "WSGIDaemonProcess, WSGIImportScript",
            "Run a Python script in a process of its own.",
        )
        .list(),
        text("service-user", &["NAME", "USER"], "", "user=", "The user of that process.").list(),
        text("service-group", &["NAME", "GROUP"], "", "group=", "Its group.").list(),
        text(
            "service-log-file",
            &["NAME", "FILE"],
            "",
            "ErrorLog",
            "Its own log file, in the folder for logs.",
        )
        .list(),
    ],
};

pub(super) const DEBUGGING: OptionGroup = OptionGroup {
    heading: "Debugging",
    rows: &[
        flag(
            "debug-mode",
            "httpd -DONE_PROCESS",
            "Run everything in one process on the terminal, one request at a time.",
        ),
        flag("enable-debugger", "", "Open pdb when the application fails; implies --debug-mode."),
        flag("debugger-startup", "", "Open pdb before the application is loaded; needs --enable-debugger."),
        flag("enable-coverage", "", "Write a report of coverage.py at the end; implies --debug-mode."),
        text("coverage-directory", DIRECTORY, "(SERVER-ROOT/htmlcov)", "", "The folder for it."),
        flag("enable-profiler", "", "Write a cProfile dump at the end; implies --debug-mode."),
        text("profiler-directory", DIRECTORY, "(SERVER-ROOT/pstats)", "", "The folder for it."),
        flag("enable-recorder", "", "Record each request and its response; implies --debug-mode."),
        text("recorder-directory", DIRECTORY, "(SERVER-ROOT/archive)", "", "The folder for them."),
        flag("enable-gdb", "", "Run httpd under gdb; implies --debug-mode."),
        text("gdb-executable", &["FILE"], "gdb", "", "The gdb program."),
    ],
};
