//! Headers of trusted proxies (spec/behaviour.md §1).

use crate::asking::{EnvironAnswer, environ_server, get_with};
use integration::Mode;

/// §1.11: every peer is trusted for the listed headers when no proxy is named.
fn trusted_headers_without_a_list_of_proxies(mode: Mode) {
    let server = environ_server(mode)
        .directives(
            "WSGITrustedProxyHeaders X-Forwarded-For X-Host X-Forwarded-Host X-Forwarded-Server X-Forwarded-Port\n\
             WSGITrustedProxyHeaders X-Script-Name X-Forwarded-Proto X-Forwarded-HTTPS",
        )
        .allow_log("WSGITrustedProxyHeaders")
        .start();
    let seen = EnvironAnswer::of(&get_with(
        &server,
        "/x",
        &[
            ("X-Forwarded-For", " , 1.2.3.4, 5.6.7.8"),
            ("X-Real-IP", "9.9.9.9"),
            ("X-Host", "first.test"),
            ("X-Forwarded-Host", "second.test:81"),
            ("X-Forwarded-Server", "server.test"),
            ("X-Forwarded-Port", "444"),
            ("X-Script-Name", "/mount//point"),
            ("X-Forwarded-Proto", "HTTPS"),
            ("X-Scheme", "http"),
        ],
    ));
    seen.check(&[
        ("REMOTE_ADDR", Some("1.2.3.4")),
        ("HTTP_X_FORWARDED_FOR", Some(", 1.2.3.4, 5.6.7.8")),
        ("HTTP_X_REAL_IP", None),
        ("HTTP_HOST", Some("second.test:81")),
        ("HTTP_X_HOST", None),
        ("HTTP_X_FORWARDED_HOST", Some("second.test:81")),
        ("SERVER_NAME", Some("server.test")),
        ("SERVER_PORT", Some("444")),
        ("SCRIPT_NAME", Some("/mount//point")),
        ("mod_wsgi.mount_point", Some("/mount//point")),
        ("mod_wsgi.script_name", Some("")),
        ("wsgi.url_scheme", Some("https")),
        ("REQUEST_SCHEME", Some("http")),
        ("HTTP_X_SCHEME", None),
    ]);
    let off = [("X-Forwarded-Proto", "https"), ("X-Forwarded-HTTPS", "Off"), ("X-Forwarded-Server", "s")];
    let seen = EnvironAnswer::of(&get_with(&server, "/", &off));
    seen.check(&[("wsgi.url_scheme", Some("http")), ("HTTP_X_FORWARDED_PROTO", None)]);
}

/// §1.11, the algorithm with a list of proxies.
fn forwarded_for_with_trusted_proxies(mode: Mode) {
    let server = environ_server(mode)
        .directives("WSGITrustedProxies 127.0.0.1 10.0.0.0/8\nWSGITrustedProxyHeaders X-Forwarded-For")
        .start();
    let rows = [
        ("1.2.3.4, 10.0.0.1", "1.2.3.4", "1.2.3.4, 10.0.0.1"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.1, 10.0.0.2", "1.2.3.4", "1.2.3.4, 10.0.0.1, 10.0.0.2"),
        ("10.0.0.3, 10.0.0.1", "10.0.0.3", "10.0.0.3, 10.0.0.1"),
        ("10.0.0.1, 1.2.3.4", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1, unknown", "unknown", "unknown"),
        (" , ", "127.0.0.1", ","),
    ];
    for (header, address, left) in rows {
        EnvironAnswer::of(&get_with(
            &server,
            "/",
            &[("X-Forwarded-For", header), ("X-Forwarded-Host", "kept")],
        ))
        .check(&[
            ("REMOTE_ADDR", Some(address)),
            ("HTTP_X_FORWARDED_FOR", Some(left)),
            ("HTTP_X_FORWARDED_HOST", Some("kept")),
        ]);
    }
}

/// §1.11: an untrusted peer's headers vanish, for the listed categories only; a more specific context replaces the list.
fn untrusted_peer(mode: Mode) {
    let server = environ_server(mode)
        .directives(
            "WSGITrustedProxies 10.0.0.0/8\nWSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto\n\
             <Location /trusted>\nWSGITrustedProxies 127.0.0.0/8\n</Location>",
        )
        .start();
    let headers = [
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Client-IP", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Host", "kept"),
    ];
    EnvironAnswer::of(&get_with(&server, "/", &headers)).check(&[
        ("REMOTE_ADDR", Some("127.0.0.1")),
        ("HTTP_X_FORWARDED_FOR", None),
        ("HTTP_X_CLIENT_IP", None),
        ("HTTP_X_FORWARDED_PROTO", None),
        ("wsgi.url_scheme", Some("http")),
        ("HTTP_X_HOST", Some("kept")),
    ]);
    EnvironAnswer::of(&get_with(&server, "/trusted", &headers))
        .check(&[("REMOTE_ADDR", Some("1.2.3.4")), ("wsgi.url_scheme", Some("https"))]);
}

/// §1.12 step 4: which values of HTTPS count.
fn https_entry(mode: Mode) {
    let server = environ_server(mode).directives("SetEnvIf X-Set \"(.*)\" HTTPS=$1").start();
    for (value, scheme) in [("1", "https"), ("oN", "https"), ("yes", "http"), ("0", "http")] {
        EnvironAnswer::of(&get_with(&server, "/", &[("X-Set", value)]))
            .check(&[("wsgi.url_scheme", Some(scheme)), ("HTTPS", None)]);
    }
}

in_both_modes!(
    forwarded_for_with_trusted_proxies,
    https_entry,
    trusted_headers_without_a_list_of_proxies,
    untrusted_peer,
);
