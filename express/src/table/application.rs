//! Which application is served, and in which interpreter.

use super::{OptionGroup, OptionRow, OptionState, ValueKind, flag, row, text};

pub(super) const APPLICATION: OptionGroup = OptionGroup {
    heading: "Application",
    rows: &[
        text(
            "entry-point",
            &["FILE|MODULE"],
            "",
            "handler.wsgi",
            "The application; the same as the argument without a name.",
        ),
        row(
            "application-type",
            ValueKind::Word(&["script", "module", "paste", "static"]),
            &["TYPE"],
            "(by the entry point: a file is a script, *.ini is paste, a folder is static, else a module)",
            "handler.wsgi",
            "What the entry point is: script (a Python file), module (a dotted name), paste (an ini file) or static (a folder of files, no Python).",
        ),
        text(
            "callable-object",
            &["NAME"],
            "application",
            "WSGICallableObject",
            "The name of the WSGI callable in the script or module.",
        ),
        text(
            "application-group",
            &["NAME"],
            "(%{GLOBAL}, the main interpreter)",
            "WSGIHandlerScript",
            "The interpreter that runs the application.",
        ),
        text(
            "process-group",
            &["NAME"],
            "(HOST:PORT)",
            "WSGIDaemonProcess",
            "The name of the daemon process group, also shown in the title of its processes.",
        ),
        text(
            "mount-point",
            &["URL-PATH"],
            "/",
            "RewriteRule, SCRIPT_NAME",
            "The URL path below which the application is found.",
        ),
        row(
            "map-head-to-get",
            ValueKind::Word(&["Auto", "On", "Off"]),
            &["Auto|On|Off"],
            "Auto",
            "WSGIMapHEADToGET",
            "Whether the application sees GET for a HEAD request, so that output filters see its body.",
        ),
        flag("chunked-request", "WSGIChunkedRequest", "Accept requests whose body has no announced length."),
        text(
            "request-buffering",
            &["SIZE"],
            "",
            "WSGIRequestBuffering",
            "Receive request bodies up to this size (as 10M) before the application is called: their length is known then, and \
             slow clients hold no thread.",
        )
        .state(OptionState::New),
        EMBEDDED,
        flag(
            "orphan-interpreter",
            "WSGIDestroyInterpreter",
            "Do not tear down Python when a process ends: atexit functions do not run.",
        ),
        flag(
            "free-threading",
            "WSGIFreeThreading",
            "Run a free-threaded Python without its GIL; refused for other builds of Python.",
        ),
        row(
            "switch-interval",
            ValueKind::Number(0.000_001, 3600.0),
            &["SECONDS"],
            "",
            "WSGISwitchInterval",
            "How long a thread keeps the GIL while another one waits for it.",
        ),
        flag("disable-reloading", "WSGIScriptReloading", "Do not look whether the entry point has changed."),
        flag(
            "reload-on-changes",
            "inotify, mod_wsgi-ctl restart",
            "Replace the processes when a file of the application changes; code that cannot be imported leaves the old processes at work.",
        ),
        flag("enable-docs", "", "Serve the documentation at /__wsgi__/docs.").state(OptionState::NoEffect(
            "this package brings no documentation to serve; see docs/express.md of the project",
        )),
    ],
};

const EMBEDDED: OptionRow = flag(
    "embedded-mode",
    "WSGIHandlerScript process-group=%{GLOBAL}",
    "Run the application in httpd's own processes instead of daemon processes; nothing is reloaded.",
);
