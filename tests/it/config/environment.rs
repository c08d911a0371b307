//! Which of httpd's own variables daemons see: those that are named, and a start says which are not.

use super::Subject;
use integration::{Httpd, HttpdBuilder, Mode};

const APP: &str = "import json, os
def application(environ, start_response):
    body = json.dumps(dict(os.environ)).encode()
    start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
    return [body]
";

/// An httpd that was started with these, each of the value `planted`.
fn server(names: &[&str], options: &str) -> HttpdBuilder {
    let builder = Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options(options);
    names.iter().fold(builder, |builder, name| builder.env(name, "planted"))
}

/// Those of the names that the application sees, in order.
fn seen(server: &Httpd, names: &[&str]) -> String {
    let environment = server.get("/").ok().json();
    let found: Vec<&str> = names.iter().copied().filter(|name| environment[name] == "planted").collect();
    found.join(" ")
}

const NAMES: [&str; 6] = ["MW_ONE", "MW_TWO", "MW_SITE_A", "MW_SITE_B", "MW_ALONE", "MW_HELD"];

#[test]
fn what_is_named_is_passed() {
    if Subject::skips("daemons get all of httpd's environment") {
        return;
    }
    for (options, directive, expected) in [
        ("threads=2", "", ""),
        ("pass-env=MW_ONE,MW_SITE_* env=MW_ALONE", "", "MW_ONE MW_SITE_A MW_SITE_B MW_ALONE"),
        (
            "threads=2",
            "WSGIPassEnv MW_TWO MW_SITE_*\nWSGIPassEnv MW_ALONE",
            "MW_TWO MW_SITE_A MW_SITE_B MW_ALONE",
        ),
        ("pass-env=MW_ONE env=MW_ONE=own", "WSGIPassEnv *", "MW_TWO MW_SITE_A MW_SITE_B MW_ALONE MW_HELD"),
        ("preload=on pass-env=MW_ONE", "", "MW_ONE"),
    ] {
        let server = server(&NAMES, options).directives(directive).start();
        assert_eq!(seen(&server, &NAMES), expected, "{options} {directive}");
    }
}

/// A start says once, by name and never by value, what daemons lack.
#[test]
fn start_names_what_is_not_passed() {
    if Subject::skips("daemons get all of httpd's environment") {
        return;
    }
    let server = server(&NAMES, "pass-env=MW_ONE,MW_SITE_*,MW_NOWHERE env-file=@ROOT@/app/site.env")
        .file("site.env", "MW_ALONE=planted\n")
        .expect_log("httpd's environment has no MW_NOWHERE, which")
        .start();
    server.wait_for_log("which processes of daemon groups do not see");
    server.graceful();
    let log = server.error_log();
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("processes of daemon groups do not see")).collect();
    assert!(lines.len() == 1 && lines[0].contains(":notice]"), "at the start only: {log}");
    assert!(lines[0].contains("MW_HELD, MW_TWO, which") && !lines[0].contains("MW_SITE"), "{log}");
    assert!(!log.contains("planted"), "{log}");
    assert_eq!(seen(&server, &["MW_ALONE", "MW_TWO"]), "MW_ALONE");
}
