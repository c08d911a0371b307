//! Warnings about a configuration as a whole.

use super::*;
use crate::fake::FakeConfiguration;
use crate::place::{DirectivePlace, NeighbourDirectives, SourceLocation};

/// Warnings for a server that consists of these lines.
fn warnings(lines: &[&str]) -> Vec<String> {
    let mut conf = FakeConfiguration::of(lines);
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
        "WSGIScriptAlias /x /srv/x.py/",
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
        (
            &["WSGIProcessGroup x"],
            "test.conf:1: WSGIProcessGroup x: no WSGIDaemonProcess x is defined, there is no group at all",
        ),
        (
            &["WSGIHandlerScript h /h process-group=x"],
            "test.conf:1: WSGIHandlerScript process-group=x: no WSGIDaemonProcess x is defined",
        ),
        (
            &["WSGIScriptAlias / /srv/html.wsgi", "WSGIDaemonProcess html"],
            "test.conf:2: WSGIDaemonProcess html: nothing names this group: write WSGIProcessGroup html, or \
             process-group=html at WSGIScriptAlias / (test.conf:1), which",
        ),
        (
            &["WSGIDaemonProcess x"],
            "test.conf:1: WSGIDaemonProcess x: nothing names this group: write WSGIPro",
        ),
        (
            &["WSGIDaemonProcess x threads=0"],
            "test.conf:1: WSGIDaemonProcess x: nothing names this group: write WSGIImp",
        ),
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
            &["WSGIProcessGroup x", "WSGIDaemonProcess x interrupt-timeout=5"],
            "test.conf:2: WSGIDaemonProcess x: interrupt-timeout has no effect",
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
    let mut conf = FakeConfiguration::of(&["WSGIProcessGroup x", "WSGITrustedProxyHeaders X-Host"]);
    let views: Vec<ServerView<'_>> = (0..2000_u32)
        .map(|n| ServerView { host: n.checked_sub(1).map(VhostId), name: None, config: &conf.server })
        .collect();
    assert_eq!(conf.global.finish(&views, &conf.machine).len(), 2);
}

#[test]
fn groups_of_another_host_are_told() {
    let mut conf = FakeConfiguration::default();
    conf.vhost("WSGIDaemonProcess x", 1, Some("a")).unwrap();
    conf.vhost("WSGIScriptAlias / /a process-group=x", 2, Some("b")).unwrap();
    conf.machine.server_names.insert(VhostId(1), "a".into());
    let view = ServerView { host: Some(VhostId(2)), name: Some("b"), config: &conf.server };
    let notices = conf.global.finish(&[view], &conf.machine);
    assert!(notices[0].text.contains("belongs to a virtual host with another ServerName"), "{}", notices[0]);
}

/// A name that only a request tells may be that of any group.
#[test]
fn groups_that_requests_may_name_are_in_use() {
    for line in
        ["WSGIProcessGroup %{ENV:GROUP}", "WSGIDispatchScript /d", "WSGIHandlerScript h /h process-group=x"]
    {
        assert_eq!(warnings(&["WSGIDaemonProcess x", line]), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn names_in_sections_are_looked_at() {
    let mut conf = FakeConfiguration::of(&["WSGIDaemonProcess main"]);
    conf.vhost("WSGIDaemonProcess other", 1, Some("a")).unwrap();
    for (name, host) in [("main", 2), ("other", 1), ("other", 2), ("nowhere", 2)] {
        let virtual_host = Some(VhostId(host));
        let place = DirectivePlace { virtual_host, directory: Some("/srv"), ..DirectivePlace::default() };
        conf.at(&format!("WSGIProcessGroup {name}"), place).unwrap();
    }
    let notices = conf.global.finish(&[], &conf.machine);
    let notices: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(
        notices[0].starts_with(
            "test.conf:5: WSGIProcessGroup other (in the section /srv): the group 'other' belongs"
        )
    );
    assert!(notices[1].contains("nowhere is defined, there is main, other;"), "{}", notices[1]);
}

#[test]
fn authentication_scripts_and_what_asks_them_belong_together() {
    let origin = || Some(SourceLocation { file: "auth.conf".into(), line: 9, virtual_host: None });
    let warned = |lines: &[&str], provider: bool, required: bool, overrides: bool| -> Vec<String> {
        let mut conf = FakeConfiguration::default();
        lines.iter().for_each(|line| drop(conf.directory(line).unwrap()));
        let (provider, group_required) = (origin().filter(|_| provider), origin().filter(|_| required));
        conf.machine.neighbours = NeighbourDirectives { provider, group_required, overrides };
        conf.global.finish(&[], &conf.machine).iter().map(ToString::to_string).collect()
    };
    let (user, group) = ("WSGIAuthUserScript /u", "WSGIAuthGroupScript /g");
    assert_eq!(warned(&[user, group], true, true, false), Vec::<String>::new());
    for (lines, provider, required, text) in [
        (
            &[user][..],
            false,
            false,
            "test.conf:1: WSGIAuthUserScript: nothing asks this script: write AuthBasic",
        ),
        (&[], true, false, "auth.conf:9: the provider wsgi has no script to ask, and lets nobody in"),
        (
            &[user, group],
            true,
            false,
            "test.conf:2: WSGIAuthGroupScript: nothing asks this script: write Require",
        ),
        (&[], false, true, "auth.conf:9: Require wsgi-group has no script to ask, and lets nobody in"),
    ] {
        let found = warned(lines, provider, required, false);
        assert!(found.len() == 1 && found[0].starts_with(text), "{text}: {found:?}");
        assert!(warned(lines, provider, required, true)[0].contains("unless a .htaccess does"));
    }
}
