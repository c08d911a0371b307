//! When processes are replaced, how long things may take, and how data is moved.

use super::{OptionGroup, OptionState, ValueKind, count, flag, row, text};

const S: &[&str] = &["SECONDS"];
const N: &[&str] = &["NUMBER"];
const B: &[&str] = &["BYTES"];

pub(super) const LIFECYCLE: OptionGroup = OptionGroup {
    heading: "Lifecycle and timeouts",
    rows: &[
        count(
            "maximum-requests",
            N,
            "0",
            "maximum-requests=",
            "Replace a process after so many requests; 0: never.",
        ),
        count(
            "restart-interval",
            S,
            "0",
            "restart-interval=",
            "Replace a process after this time; 0: never.",
        ),
        count(
            "cpu-time-limit",
            S,
            "0",
            "cpu-time-limit=",
            "Replace a process after so much CPU time; 0: never.",
        ),
        count(
            "inactivity-timeout",
            S,
            "0",
            "inactivity-timeout=",
            "Replace a process that was idle so long; 0: never.",
        ),
        text(
            "ignore-activity",
            &["URL-PATH"],
            "",
            "WSGIIgnoreActivity",
            "Requests below this path do not count as activity.",
        )
        .list(),
        count(
            "startup-timeout",
            S,
            "15",
            "startup-timeout=",
            "The time to load the application in; then the process is replaced.",
        ),
        count(
            "shutdown-timeout",
            S,
            "5",
            "shutdown-timeout=",
            "The time a process has to end once it takes no more requests.",
        ),
        count(
            "graceful-timeout",
            S,
            "15",
            "graceful-timeout=",
            "How long a process that is to be replaced goes on with its requests.",
        ),
        count(
            "eviction-timeout",
            S,
            "0",
            "eviction-timeout=",
            "The same after SIGUSR1; 0: as --graceful-timeout.",
        ),
        count(
            "deadlock-timeout",
            S,
            "60",
            "deadlock-timeout=",
            "Replace a process whose GIL was not free for so long; 0: never.",
        ),
        count(
            "request-timeout",
            S,
            "60",
            "request-timeout=",
            "The time a request may take; with several threads longer, depending on the others. 0: any.",
        ),
        count(
            "interrupt-timeout",
            S,
            "0",
            "interrupt-timeout=",
            "First raise an exception in a request that takes too long, and answer 504; replace the process after this time. 0: do not.",
        ),
        count(
            "queue-timeout",
            S,
            "45",
            "queue-timeout=",
            "Answer 504 to a request that has waited so long; 0: never.",
        ),
        count(
            "connect-timeout",
            S,
            "15",
            "connect-timeout=",
            "How long httpd tries to reach a daemon process.",
        ),
        count(
            "socket-timeout",
            S,
            "60",
            "Timeout, socket-timeout=",
            "How long httpd waits for data of a client or of a daemon process.",
        ),
        count(
            "response-socket-timeout",
            S,
            "0",
            "response-socket-timeout=",
            "How long httpd waits until a client takes data; 0: as --socket-timeout.",
        ),
        row(
            "proxy-timeout",
            ValueKind::Int(1, i32::MAX as i64),
            S,
            "",
            "ProxyTimeout",
            "How long httpd waits for a server behind a proxy option.",
        ),
        count(
            "header-timeout",
            S,
            "15",
            "RequestReadTimeout",
            "The time for the headers of a request; 0: httpd's default.",
        ),
        count(
            "header-max-timeout",
            S,
            "30",
            "RequestReadTimeout",
            "The longest this grows to while data comes at --header-min-rate.",
        ),
        count(
            "header-min-rate",
            B,
            "500",
            "RequestReadTimeout",
            "Bytes that give the headers another second.",
        ),
        count(
            "body-timeout",
            S,
            "15",
            "RequestReadTimeout",
            "The time for the first bytes of a body; 0: httpd's default.",
        ),
        count("body-max-timeout", S, "0", "RequestReadTimeout", "The longest this grows to; 0: any."),
        count("body-min-rate", B, "500", "RequestReadTimeout", "Bytes that give the body another second."),
        count(
            "stop-timeout",
            S,
            "8",
            "GracefulShutdownTimeout",
            "How long running requests may go on after SIGTERM; 0: until they end.",
        )
        .state(OptionState::New),
    ],
};

pub(super) const TRANSFER: OptionGroup = OptionGroup {
    heading: "Buffers and transfer",
    rows: &[
        count(
            "daemon-backlog",
            N,
            "100",
            "listen-backlog=",
            "Requests that the kernel queues before a daemon process.",
        ),
        count(
            "send-buffer-size",
            B,
            "0",
            "send-buffer-size=",
            "Socket buffer between httpd and a daemon process; 0: the system's.",
        ),
        count("receive-buffer-size", B, "0", "receive-buffer-size=", "The same in the other direction."),
        count(
            "header-buffer-size",
            B,
            "0",
            "header-buffer-size=",
            "Room for the headers of a response; 0: 32768.",
        ),
        count(
            "response-buffer-size",
            B,
            "0",
            "response-buffer-size=",
            "Bytes of a response that httpd holds at most for a slow client; 0: 8388608.",
        ),
        count(
            "response-flush-delay",
            &["MILLISECONDS"],
            "5",
            "response-flush-delay=",
            "How long httpd waits for more of a response before it sends what it has; 0: not at all.",
        ),
        flag("enable-sendfile", "EnableSendfile, WSGIEnableSendfile", "Send files by sendfile()."),
        text(
            "socket-prefix",
            &["DIRECTORY"],
            "(the server root)",
            "WSGISocketPrefix",
            "The folder for the sockets of the daemon processes.",
        ),
    ],
};
