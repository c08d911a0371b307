//! Warnings about a configuration as a whole.

use super::*;
use crate::fake::Conf;

/// Warnings for a server that consists of these lines.
fn warnings(lines: &[&str]) -> Vec<String> {
    let mut conf = Conf::of(lines);
    let view = ServerView { host: None, name: Some("example.com"), config: &conf.server };
    let notices = conf.global.finish(&[view], &conf.machine);
    notices.iter().map(ToString::to_string).collect()
}

#[test]
fn a_usual_configuration_is_silent() {
    let lines = [
        "WSGIDaemonProcess site processes=2",
        "WSGIScriptAlias /app /srv/app.wsgi process-group=site application-group=%{GLOBAL}",
        "WSGIScriptAlias /w/ /srv/w/",
        "WSGIScriptAlias / /srv/site.wsgi",
        "WSGIProcessGroup site",
        "WSGITrustedProxyHeaders X-Forwarded-For",
        "WSGITrustedProxies 127.0.0.1",
    ];
    assert_eq!(warnings(&lines), Vec::<String>::new());
}

#[test]
fn each_warning_names_place_and_fix() {
    for (lines, expected) in [
        (
            &["WSGIScriptAlias / /a", "WSGIScriptAlias /b /b"][..],
            "test.conf:2: WSGIScriptAlias /b is never reached: WSGIScriptAlias / at test.conf:1 matches first",
        ),
        (
            &["WSGIScriptAlias /a a.wsgi"],
            "test.conf:1: WSGIScriptAlias /a a.wsgi: the target is not absolute",
        ),
        (&["WSGIScriptAlias /a/ /a.wsgi"], "test.conf:1: WSGIScriptAlias /a/ /a.wsgi maps wrong names"),
        (
            &["WSGIScriptAlias /a /a.wsgi process-group=x"],
            "test.conf:1: WSGIScriptAlias /a: no WSGIDaemonProcess x is defined",
        ),
        (&["WSGIProcessGroup x"], "WSGIProcessGroup: no WSGIDaemonProcess x is defined"),
        (
            &["WSGITrustedProxyHeaders X-Host"],
            "WSGITrustedProxyHeaders without WSGITrustedProxies (server example.com)",
        ),
        (&["WSGIPythonHome /a:/b"], "WSGIPythonHome /a:/b contains ':'"),
        (
            &["<WSGIInterpreterOptions process-group=x>"],
            "test.conf:1: <WSGIInterpreterOptions process-group=x> matches nothing",
        ),
        (
            &["WSGIDaemonProcess x interrupt-timeout=5"],
            "test.conf:1: WSGIDaemonProcess x: interrupt-timeout has no effect",
        ),
        (&[&format!("WSGISocketPrefix /{}", "x".repeat(90))], "WSGISocketPrefix /xxx"),
    ] {
        let found = warnings(lines);
        assert_eq!(found.len(), 1, "{lines:?}: {found:?}");
        assert!(found[0].starts_with(expected), "{}", found[0]);
    }
}

#[test]
fn inherited_problems_are_told_once() {
    let mut conf = Conf::of(&["WSGIProcessGroup x", "WSGITrustedProxyHeaders X-Host"]);
    let views: Vec<ServerView<'_>> = (0..2000_u32)
        .map(|n| ServerView { host: n.checked_sub(1).map(VhostId), name: None, config: &conf.server })
        .collect();
    assert_eq!(conf.global.finish(&views, &conf.machine).len(), 2);
}

#[test]
fn groups_of_another_host_are_told() {
    let mut conf = Conf::default();
    conf.vhost("WSGIDaemonProcess x", 1, Some("a")).unwrap();
    conf.vhost("WSGIScriptAlias / /a process-group=x", 2, Some("b")).unwrap();
    conf.machine.server_names.insert(VhostId(1), "a".into());
    let view = ServerView { host: Some(VhostId(2)), name: Some("b"), config: &conf.server };
    let notices = conf.global.finish(&[view], &conf.machine);
    assert!(notices[0].text.contains("belongs to a virtual host with another ServerName"), "{}", notices[0]);
}
