//! Precedence of spec/directives.md §3.3.

use super::*;
use crate::fake::FakeConfiguration;

fn conf(server: &[&str], dir: &[&str]) -> FakeConfiguration {
    let mut conf = FakeConfiguration::of(server);
    for line in dir {
        conf.directory(line).unwrap();
    }
    conf
}

#[test]
fn defaults() {
    let conf = conf(&[], &[]);
    let config = effective(&conf.server, &conf.dir, None);
    assert_eq!((config.process_group, config.application_group), (None, None));
    assert_eq!(config.callable, CallableName::Expand(None));
    assert_eq!(config.map_head_to_get, MapHead::Auto);
    assert!(config.script_reloading && !config.error_override && !config.pass_authorization);
    assert!(config.trusted_proxies.headers.is_empty() && config.trusted_proxies.peers.is_none());
}

#[test]
fn directory_over_server_and_alias_over_both() {
    let conf = conf(
        &[
            "WSGIProcessGroup s",
            "WSGICallableObject s",
            "WSGIPassAuthorization On",
            "WSGIScriptReloading Off",
        ],
        &[
            "WSGIProcessGroup d",
            "WSGICallableObject %{ENV:D}",
            "WSGIPassAuthorization Off",
            "WSGIApplicationGroup d",
        ],
    );
    let config = effective(&conf.server, &conf.dir, None);
    assert_eq!(config.process_group, Some("d"));
    assert_eq!(config.callable, CallableName::Expand(Some("%{ENV:D}")));
    assert!(!config.pass_authorization && !config.script_reloading);
    let options = AliasOptions {
        process_group: Some(String::new()),
        callable_object: Some("%{ENV:X}".into()),
        pass_authorization: Some(true),
        interface: Some(ApplicationInterface::Asgi),
        ..AliasOptions::default()
    };
    let config = effective(&conf.server, &conf.dir, Some(&options));
    assert_eq!(config.process_group, Some(""));
    assert_eq!(config.application_group, Some("d"));
    assert_eq!(config.callable, CallableName::Verbatim("%{ENV:X}"));
    assert!(config.pass_authorization);
    assert_eq!(config.interface, Some(ApplicationInterface::Asgi));
}

#[test]
fn proxy_lists_replace_across_scopes_and_empty_counts() {
    let lines = ["WSGITrustedProxyHeaders X-Host", "WSGITrustedProxies 10.0.0.0/8"];
    let conf = conf(&lines, &["WSGITrustedProxyHeaders", "WSGITrustedProxies"]);
    let config = effective(&conf.server, &conf.dir, None);
    assert!(config.trusted_proxies.headers.is_empty());
    assert_eq!(config.trusted_proxies.peers, Some(&[][..]));
}

#[test]
fn handler_scripts_unite_by_name() {
    let conf = conf(
        &["WSGIHandlerScript a /server-a", "WSGIHandlerScript b /server-b", "WSGIHandlerScript b /again"],
        &["WSGIHandlerScript a /dir-a"],
    );
    let path = |name: &[u8]| handler_script(&conf.server, &conf.dir, name).map(|script| script.path.as_str());
    assert_eq!(path(b"a"), Some("/dir-a"));
    assert_eq!(path(b"b"), Some("/again"));
    assert_eq!(path(b"A"), None);
}
