//! Group selection of spec/directives.md §6.

use super::*;
use crate::checks::ServerView;
use crate::config::{DirConfig, ServerConfig};
use crate::fake::FakeConfiguration;
use crate::request::effective;

fn conf() -> FakeConfiguration {
    let mut conf = FakeConfiguration::of(&["WSGIDaemonProcess main"]);
    conf.vhost("WSGIDaemonProcess first", 1, Some("a")).unwrap();
    conf.vhost("WSGIDaemonProcess twice", 1, Some("a")).unwrap();
    conf.vhost("WSGIDaemonProcess twice", 3, Some("A")).unwrap();
    conf.machine.server_names.extend([(VhostId(1), "a".into()), (VhostId(3), "A".into())]);
    let record = ServerConfig::default();
    conf.global.finish(&[ServerView { host: None, name: None, config: &record }], &conf.machine);
    conf
}

fn choose(conf: &FakeConfiguration, group: &str, host: Option<u32>, name: Option<&str>) -> String {
    let dir = DirConfig::default();
    let request = effective::effective(&conf.server, &dir, None);
    match select_group(&conf.global, &request, group.as_bytes(), host.map(VhostId), name) {
        GroupChoice::Embedded => "embedded".into(),
        GroupChoice::Daemon(group) => group.name.clone(),
        GroupChoice::Refused(refusal) => refusal.number().to_string(),
    }
}

#[test]
fn groups_belong_to_servers() {
    let conf = conf();
    assert_eq!(choose(&conf, "", None, None), "embedded");
    assert_eq!(choose(&conf, "main", Some(9), Some("z")), "main");
    assert_eq!(choose(&conf, "first", Some(1), Some("a")), "first");
    assert_eq!(choose(&conf, "first", Some(2), Some("a")), "first");
    assert_eq!(choose(&conf, "first", Some(2), Some("A")), "152");
    assert_eq!(choose(&conf, "first", None, None), "152");
    assert_eq!(choose(&conf, "twice", Some(4), Some("A")), "twice");
    assert_eq!(choose(&conf, "First", Some(1), Some("a")), "151");
    assert_eq!(choose(&FakeConfiguration::default(), "x", None, None), "150");
}

#[test]
fn restriction_comes_first_and_ignores_case() {
    let mut conf = conf();
    conf.main("WSGIRestrictProcess FIRST nowhere").unwrap();
    assert_eq!(choose(&conf, "", None, None), "149");
    assert_eq!(choose(&conf, "main", None, None), "149");
    assert_eq!(choose(&conf, "first", Some(1), Some("a")), "first");
    assert_eq!(choose(&conf, "nowhere", None, None), "151");
    conf.main("WSGIRestrictProcess %{GLOBAL}").unwrap();
    assert_eq!(choose(&conf, "", None, None), "embedded");
}

#[test]
fn messages_are_those_log_monitors_know() {
    let text = GroupRefusal::NotConfigured.message(b"x");
    assert_eq!(text, "No WSGI daemon process called 'x' has been configured");
    assert!(GroupRefusal::NotAllowed.message(b"x").ends_with("as not a member of allowed groups"));
    let text = GroupRefusal::NotAccessible.message(b"x");
    assert_eq!(text, "Daemon process called 'x' cannot be accessed by this WSGI application");
}
