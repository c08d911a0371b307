//! Addresses, names, HTTPS, and how many processes and threads serve.

use super::{OptionGroup, OptionState, ValueKind, count, flag, row, text};

const PORT: ValueKind = ValueKind::Int(1, 65535);

pub(super) const LISTENING: OptionGroup = OptionGroup {
    heading: "Listening",
    rows: &[
        text("host", &["ADDRESS"], "(all addresses)", "Listen", "The address to listen on."),
        row("port", PORT, &["NUMBER"], "8000", "Listen", "The port for HTTP."),
        flag("http2", "Protocols", "Speak HTTP/2 too."),
        text(
            "server-name",
            &["NAME"],
            "",
            "<VirtualHost>, ServerName",
            "Serve requests for this host name only. With www. in front, requests without it are redirected.",
        ),
        text("server-alias", &["NAME"], "", "ServerAlias", "Another host name; * and ? are wildcards.")
            .list(),
        flag(
            "allow-localhost",
            "Require",
            "With --server-name: requests for other names are answered when they come from this machine.",
        ),
        count(
            "server-backlog",
            &["NUMBER"],
            "500",
            "ListenBacklog",
            "How many connections the kernel queues.",
        ),
        count(
            "keep-alive-timeout",
            &["SECONDS"],
            "2",
            "KeepAliveTimeout",
            "How long an idle connection is kept; 0 closes it after each response.",
        ),
        count(
            "limit-request-body",
            &["BYTES"],
            "10485760",
            "LimitRequestBody",
            "The largest request body; a larger one is answered with 413. 0 means no limit.",
        ),
    ],
};

pub(super) const CAPACITY: OptionGroup = OptionGroup {
    heading: "Processes and threads",
    rows: &[
        row(
            "processes",
            ValueKind::Int(1, 10_000),
            &["NUMBER"],
            "(1)",
            "WSGIDaemonProcess processes=",
            "Daemon processes. Giving it at all makes wsgi.multiprocess true.",
        ),
        row(
            "threads",
            ValueKind::Int(1, 10_000),
            &["NUMBER"],
            "5",
            "WSGIDaemonProcess threads=",
            "Threads of each daemon process.",
        ),
        row(
            "max-clients",
            ValueKind::Int(1, 200_000),
            &["NUMBER"],
            "(10 + max(10, 1.5 x processes x threads))",
            "MaxRequestWorkers",
            "Connections that httpd handles at once; never fewer than processes x threads.",
        ),
        row(
            "initial-workers",
            ValueKind::Number(0.0, 1.0),
            &["FRACTION"],
            "",
            "StartServers",
            "The part of httpd's workers that is started at once.",
        ),
        row(
            "minimum-spare-workers",
            ValueKind::Number(0.0, 1.0),
            &["FRACTION"],
            "",
            "MinSpareThreads",
            "The part of httpd's workers that is kept idle at least.",
        ),
        row(
            "maximum-spare-workers",
            ValueKind::Number(0.0, 1.0),
            &["FRACTION"],
            "",
            "MaxSpareThreads",
            "The part of httpd's workers that is kept idle at most.",
        ),
        row(
            "server-mpm",
            ValueKind::Word(&["event", "worker", "prefork"]),
            &["NAME"],
            "(the first that is installed: event, worker, prefork)",
            "LoadModule",
            "An MPM that may be used.",
        )
        .list(),
    ],
};

pub(super) const TLS: OptionGroup = OptionGroup {
    heading: "HTTPS",
    rows: &[
        row(
            "https-port",
            PORT,
            &["NUMBER"],
            "",
            "Listen",
            "The port for HTTPS; needs a certificate and a key.",
        ),
        row("ssl-port", PORT, &["NUMBER"], "", "Listen", "The same as --https-port.")
            .state(OptionState::Hidden),
        text("ssl-certificate-file", &["FILE"], "", "SSLCertificateFile", "The certificate, in PEM form."),
        text(
            "ssl-certificate-key-file",
            &["FILE"],
            "",
            "SSLCertificateKeyFile",
            "Its private key, in PEM form.",
        ),
        text(
            "ssl-certificate",
            &["PREFIX"],
            "",
            "SSLCertificateFile, SSLCertificateKeyFile",
            "Both at once: PREFIX.crt and PREFIX.key.",
        ),
        text(
            "ssl-certificate-chain-file",
            &["FILE"],
            "",
            "SSLCertificateChainFile",
            "Certificates between the server's and that of the authority.",
        ),
        text(
            "ssl-ca-certificate-file",
            &["FILE"],
            "",
            "SSLCACertificateFile",
            "Authorities for the certificates of clients; clients must then have one.",
        ),
        text(
            "ssl-verify-client",
            &["URL-PATH"],
            "(the whole site)",
            "SSLVerifyClient",
            "Ask for a client certificate below this path only.",
        )
        .list(),
        flag("ssl-environment", "SSLOptions", "Put the SSL_ variables into the environ of the application."),
        flag("https-only", "Redirect", "Redirect HTTP to HTTPS."),
        text(
            "hsts-policy",
            &["VALUE"],
            "",
            "Header",
            "With --https-only: the Strict-Transport-Security header, e.g. \"max-age=31536000\".",
        ),
    ],
};
