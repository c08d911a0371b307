//! What is logged, and where to.

use super::{OptionGroup, OptionState, ValueKind, flag, row, text};

const NAME: &[&str] = &["NAME"];

pub(super) const LOGGING: OptionGroup = OptionGroup {
    heading: "Logging",
    rows: &[
        text(
            "log-directory",
            &["DIRECTORY"],
            "(SERVER-ROOT)",
            "ErrorLog, CustomLog",
            "The folder for log files; --log-to-terminal then has no effect.",
        ),
        flag("log-to-terminal", "ErrorLog, CustomLog", "Log to standard error and standard output."),
        text(
            "log-level",
            &["LEVEL"],
            "warn",
            "LogLevel",
            "As httpd's LogLevel, e.g. info, or \"warn wsgi:debug\".",
        ),
        flag("access-log", "CustomLog", "Log each request."),
        text(
            "access-log-format",
            &["FORMAT"],
            "common",
            "LogFormat",
            "common, combined, or a format of httpd's.",
        ),
        text("error-log-format", &["FORMAT"], "(httpd's)", "ErrorLogFormat", "A format of httpd's."),
        text("error-log-name", NAME, "error_log", "ErrorLog", "The name of the error log."),
        text("access-log-name", NAME, "access_log", "CustomLog", "The name of the access log."),
        text("startup-log-name", NAME, "startup_log", "apachectl", "The name of the startup log."),
        flag("startup-log", "httpd -E", "Log what goes wrong while httpd starts in a file of its own."),
        flag("rotate-logs", "ErrorLog, CustomLog", "Begin new log files when they grow too large."),
        row(
            "max-log-size",
            ValueKind::Int(1, 1 << 20),
            &["MB"],
            "5",
            "rotatelogs",
            "The size at which --rotate-logs does so.",
        ),
        text(
            "rotatelogs-executable",
            &["FILE"],
            "(the one that is installed)",
            "rotatelogs",
            "The rotatelogs program.",
        ),
        flag("verbose-debugging", "", "Log more.").state(OptionState::Hidden),
    ],
};
