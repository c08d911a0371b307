//! Merge laws of spec/directives.md §3.2, by property.

use super::*;
use crate::fake::FakeConfiguration;
use proptest::prelude::*;

/// A line that may stand at server level and in directories.
fn layer_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "WSGI(ProcessGroup|ApplicationGroup|CallableObject|DispatchScript) [ab]",
        "WSGI(ErrorOverride|PassAuthorization|ChunkedRequest|ScriptReloading) (On|Off)",
        "WSGI(IgnoreActivity|EnableSendfile|PassApacheRequest) (On|Off)",
        "WSGIMapHEADToGET (On|Off|Auto)",
        "WSGIRestrictProcess( [ab]){0,2}",
        "WSGITrustedProxies( 10[.]0[.]0[.][1-4]){0,2}",
        "WSGITrustedProxyHeaders( X-Host| X-Real-IP){0,2}",
        "WSGIHandlerScript [abc] /[xy]",
    ]
}

fn server() -> impl Strategy<Value = ServerConfig> {
    let alias = "WSGIScriptAlias /[ab] /[xyz]";
    prop::collection::vec(prop_oneof![3 => layer_line(), 1 => alias], 0..6).prop_map(|lines| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        FakeConfiguration::of(&lines).server
    })
}

fn dir() -> impl Strategy<Value = DirConfig> {
    let access = "WSGI(AccessScript|AuthUserScript|AuthGroupScript) /[xy]|WSGIGroupAuthoritative (On|Off)";
    prop::collection::vec(prop_oneof![3 => layer_line(), 1 => access], 0..6).prop_map(|lines| {
        let mut conf = FakeConfiguration::default();
        for line in lines {
            conf.directory(&line).unwrap();
        }
        conf.dir
    })
}

/// Handler scripts as a set: their order has no meaning.
fn same_layer(a: &ConfigLayer, b: &ConfigLayer) -> bool {
    let sorted = |layer: &ConfigLayer| {
        let mut list: Vec<_> =
            layer.handler_scripts.iter().map(|s| (s.handler.clone(), s.path.clone())).collect();
        list.sort();
        list
    };
    a.settings == b.settings && sorted(a) == sorted(b)
}

fn targets(server: &ServerConfig) -> Vec<String> {
    server.aliases.iter().map(|alias| format!("{} {:?}", alias.form.text(), alias.target)).collect()
}

proptest! {
    #[test]
    fn nothing_written_changes_nothing(one in dir()) {
        let none = DirConfig::default();
        prop_assert!(DirConfig::merge(&one, &none) == one);
        prop_assert!(DirConfig::merge(&none, &one) == one);
    }

    #[test]
    fn merging_is_associative(a in dir(), b in dir(), c in dir()) {
        let left = DirConfig::merge(&DirConfig::merge(&a, &b), &c);
        let right = DirConfig::merge(&a, &DirConfig::merge(&b, &c));
        prop_assert!(left.access == right.access && same_layer(&left.layer, &right.layer));
    }

    #[test]
    fn a_record_is_made_only_where_both_say_something(a in dir(), b in dir(), main in server(), host in server()) {
        let merged = DirConfig::merge(&a, &b);
        match DirConfig::merged(&a, &b) {
            MergedRecord::Base => prop_assert!(merged == a && b == DirConfig::default()),
            MergedRecord::Child => prop_assert!(merged == b && a == DirConfig::default()),
            MergedRecord::New(new) => {
                prop_assert!(new == merged && a != DirConfig::default() && b != DirConfig::default());
            }
        }
        let none = ServerConfig::default();
        prop_assert!(matches!(ServerConfig::merged(&main, &none), MergedRecord::Base));
        let merged = ServerConfig::merged(&none, &host);
        prop_assert!(matches!(merged, MergedRecord::Child) || targets(&host).is_empty());
        if let MergedRecord::New(new) = ServerConfig::merged(&main, &host) {
            prop_assert_eq!(targets(&new), targets(&ServerConfig::merge(&main, &host)));
        }
    }

    #[test]
    fn merging_twice_is_merging_once(a in dir(), b in dir()) {
        let once = DirConfig::merge(&a, &b);
        prop_assert!(same_layer(&DirConfig::merge(&once, &b).layer, &once.layer));
    }

    #[test]
    fn the_child_wins_where_it_speaks(a in dir(), b in dir()) {
        let merged = DirConfig::merge(&a, &b).layer.settings;
        let (a, b) = (a.layer.settings, b.layer.settings);
        prop_assert_eq!(&merged.process_group, b.process_group.as_ref().map_or(&a.process_group, |_| &b.process_group));
        prop_assert_eq!(merged.trusted_proxies, b.trusted_proxies.or(a.trusted_proxies));
        prop_assert_eq!(merged.restrict_process, b.restrict_process.or(a.restrict_process));
        prop_assert_eq!(merged.error_override, b.error_override.or(a.error_override));
    }

    #[test]
    fn a_virtual_host_is_searched_first(main in server(), host in server()) {
        let merged = ServerConfig::merge(&main, &host);
        prop_assert_eq!(targets(&merged), [targets(&host), targets(&main)].concat());
        prop_assert!(same_layer(&merged.layer, &ConfigLayer::merge(&main.layer, &host.layer)));
    }

    #[test]
    fn effective_settings_are_those_of_one_merge(base in server(), over in dir()) {
        let merged = ConfigLayer::merge(&base.layer, &over.layer);
        let config = crate::effective(&base, &over, None);
        prop_assert_eq!(config.process_group, merged.settings.process_group.as_deref());
        prop_assert_eq!(config.error_override, merged.settings.error_override.unwrap_or(false));
        for name in [&b"a"[..], b"b", b"c"] {
            let found = crate::request::effective::handler_script(&base, &over, name);
            prop_assert_eq!(found, merged.handler_script(name));
        }
    }
}
