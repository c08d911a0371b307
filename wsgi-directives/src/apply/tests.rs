//! Table laws, places, argument counts and the error catalogue of spec/directives.md §16.

use super::*;
use crate::config::{ConfigLayer, GlobalConfig, InterpreterSettings};
use crate::fake::FakeConfiguration;
use crate::place::{NoticeLevel, VhostId};
use std::collections::BTreeMap;

/// Whether a row's arguments are accepted in a place where it may stand.
fn accepts(row: &Directive, args: &str) -> Result<Vec<Notice>, ConfigError> {
    let mut conf = FakeConfiguration::of(&["WSGIDaemonProcess known"]);
    let line = format!("{} {args}", row.name);
    if row.contexts.has(DirectiveContexts::D) { conf.directory(&line) } else { conf.main(&line) }
}

#[test]
fn rows_are_sorted_unique_and_documented() {
    for pair in DIRECTIVES.windows(2) {
        assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
    }
    for (id, row) in DIRECTIVES.iter().enumerate() {
        assert_eq!(find(row.name), Some(id));
        assert_eq!(find(&row.name.to_uppercase()), Some(id));
        assert!(!row.doc.is_empty() && row.doc.ends_with('.'), "{}: {}", row.name, row.doc);
        assert!(!row.syntax.is_empty() && !row.since.is_empty(), "{}", row.name);
    }
    let upstream = DIRECTIVES.iter().filter(|row| row.since != "new" && !row.is_removed()).count();
    assert_eq!(upstream, 49, "mod_wsgi 6.1.1 registers 49 names");
}

#[test]
fn every_row_accepts_its_default_and_good_example_and_refuses_its_bad_one() {
    for row in DIRECTIVES {
        accepts(row, row.good).unwrap_or_else(|error| panic!("{} {}: {error}", row.name, row.good));
        if !row.default.is_empty() && !row.default.starts_with('(') {
            accepts(row, row.default).unwrap_or_else(|error| panic!("{} {}: {error}", row.name, row.default));
        }
        if let Some(bad) = row.bad {
            assert!(accepts(row, bad).is_err(), "{} {bad} is accepted", row.name);
        }
    }
}

/// A row that was copied from another, or takes the rest from one, fills its own field.
#[test]
fn each_row_fills_a_field_of_its_own() {
    let filled = |row: &Directive| {
        let (mut layer, mut global) = (ConfigLayer::default(), GlobalConfig::default());
        let mut interpreter = InterpreterSettings::default();
        match row.action {
            RowAction::LayerFlag(field) => *field(&mut layer) = Some(true),
            RowAction::LayerText(field) => *field(&mut layer) = Some(Arc::from("text")),
            RowAction::GlobalFlag(field) => *field(&mut global) = Some(true),
            RowAction::GlobalText(field) => *field(&mut global) = Some("text".to_owned()),
            RowAction::InterpreterFlag(field) => *field(&mut interpreter) = Some(true),
            RowAction::Custom(_) => return None,
        }
        Some(format!("{layer:?} {global:?} {interpreter:?}"))
    };
    let mut seen = BTreeMap::new();
    for row in DIRECTIVES {
        let other = filled(row).and_then(|records| seen.insert(records, row.name));
        assert_eq!(other, None, "{} fills the field of this", row.name);
    }
}

#[test]
fn override_classes_follow_the_contexts() {
    let class = |name| DIRECTIVES[find(name).unwrap()].override_classes();
    let expect = |rsrc_conf, access_conf, file_info, auth_config| OverrideClasses {
        rsrc_conf,
        access_conf,
        file_info,
        auth_config,
    };
    use crate::directive::OverrideClasses;
    assert_eq!(class("WSGIPythonHome"), expect(true, false, false, false));
    assert_eq!(class("WSGIScriptAlias"), expect(true, false, false, false));
    assert_eq!(class("WSGIProcessGroup"), expect(true, true, false, false));
    assert_eq!(class("WSGIErrorOverride"), expect(false, false, true, false));
    assert_eq!(class("WSGIAccessScript"), expect(false, false, false, true));
}

#[test]
fn places() {
    let mut conf = FakeConfiguration::default();
    let in_vhost = conf.vhost("WSGIPythonHome /v", 1, None).unwrap_err().to_string();
    assert_eq!(in_vhost, "WSGIPythonHome cannot occur within <VirtualHost> section");
    let section = conf.vhost("<WSGIInterpreterOptions process-group=x>", 1, None).unwrap_err().to_string();
    assert_eq!(section, "<WSGIInterpreterOptions> cannot occur within <VirtualHost> section");
    let in_directory = conf.directory("WSGIScriptAlias / /x").unwrap_err().to_string();
    assert_eq!(in_directory, "WSGIScriptAlias not allowed in <Directory> context");
    for line in ["WSGIScriptAlias / /x", "WSGIPythonHome /v", "WSGIDaemonProcess x"] {
        let error = conf.htaccess(line).unwrap_err().to_string();
        assert!(error.ends_with(" not allowed here"), "{error}");
    }
    for line in
        ["WSGIProcessGroup x", "WSGIErrorOverride On", "WSGIAccessScript /a", "WSGIHandlerScript h /p"]
    {
        conf.htaccess(line).unwrap();
    }
    assert_eq!(conf.dir.layer.settings.process_group.as_deref(), Some("x"));
}

#[test]
fn values_go_to_the_record_of_their_place() {
    let mut conf = FakeConfiguration::default();
    conf.main("WSGIErrorOverride on").unwrap();
    conf.directory("WSGIErrorOverride OFF").unwrap();
    assert_eq!(conf.server.layer.settings.error_override, Some(true));
    assert_eq!(conf.dir.layer.settings.error_override, Some(false));
    // <AuthnProviderAlias> gives a directory record without a path.
    conf.main("WSGIAuthUserScript /auth.wsgi").unwrap();
    assert_eq!(conf.dir.access.auth_user_script.as_ref().unwrap().path, "/auth.wsgi");
}

/// Lines at main server level and the text their error begins with.
const CATALOGUE: &[(&str, &str)] = &[
    ("WSGIProcessGroup", "WSGIProcessGroup takes one argument, Daemon group"),
    ("WSGIProcessGroup \"\"", "WSGIProcessGroup takes one argument, "),
    ("WSGIProcessGroup a b", "WSGIProcessGroup takes one argument, "),
    ("WSGIErrorOverride", "WSGIErrorOverride takes one argument, "),
    ("WSGIErrorOverride yes", "WSGIErrorOverride must be one of: Off | On"),
    ("WSGIMapHEADToGET 1", "WSGIMapHEADToGET must be one of: Off | On | Auto"),
    ("WSGIScriptAlias", "WSGIScriptAlias requires at least two arguments, "),
    ("WSGIScriptAlias /x", "WSGIScriptAlias requires at least two arguments, "),
    ("WSGIScriptAlias \"\" /x", "WSGIScriptAlias requires at least two arguments, "),
    ("WSGIScriptAliasMatch /x ''", "WSGIScriptAliasMatch requires at least two arguments, "),
    ("WSGIScriptAlias / /x group=y", "Invalid option to WSGI script alias definition."),
    ("WSGIScriptAlias / /x junk", "Invalid option to WSGI script alias definition."),
    ("WSGIScriptAlias / /x process-group=", "Invalid name for WSGI process group."),
    ("WSGIScriptAlias / /x application-group=''", "Invalid name for WSGI application group."),
    ("WSGIScriptAlias / /x callable-object=''", "Invalid name for WSGI callable object."),
    ("WSGIScriptAlias / /x pass-authorization=1", "Invalid value for authorization flag."),
    ("WSGIScriptAliasMatch ( /x", "Regular expression could not be compiled."),
    ("WSGIScriptAliasMatch ( /x a=b", "Invalid option to WSGI script alias definition."),
    ("WSGIScriptAlias / /x process-group=g application-group=a", "WSGI process group not yet configured."),
    ("WSGIScriptAlias / module:a..b", "Invalid WSGI module target 'module:a..b'."),
    ("WSGIScriptAlias / module:a:b callable-object=c", "Invalid name for WSGI callable object."),
    ("WSGIImportScript", "Location of import script not supplied."),
    ("WSGIImportScript /x junk=1", "Invalid option to WSGI import script definition."),
    ("WSGIImportScript /x", "Name of WSGI application group required."),
    ("WSGIImportScript /x application-group=a", "Name of WSGI process group required."),
    ("WSGIImportScript /x process-group=g application-group=a", "WSGI process group not yet configured."),
    ("WSGIDispatchScript", "Location of dispatch script not supplied."),
    ("WSGIDispatchScript /x process-group=g", "Invalid option to WSGI dispatch script definition."),
    ("WSGIAccessScript", "Location of access script not supplied."),
    ("WSGIAccessScript /x a", "Invalid option to WSGI access script definition."),
    ("WSGIAuthUserScript ''", "Location of auth user script not supplied."),
    ("WSGIAuthUserScript /x a", "Invalid option to WSGI auth user script definition."),
    ("WSGIAuthGroupScript", "Location of auth group script not supplied."),
    ("WSGIAuthGroupScript /x a=", "Invalid option to WSGI auth group script definition."),
    ("WSGIAccessScript /x application-group=", "Invalid name for WSGI application group."),
    ("WSGIHandlerScript", "Name for handler script not supplied."),
    ("WSGIHandlerScript h", "Location of handler script not supplied."),
    ("WSGIHandlerScript h /x callable-object=a", "Invalid option to WSGI handler script definition."),
    ("WSGIDaemonProcess", "Name of WSGI daemon process not supplied."),
    ("WSGISocketPrefix impossible", "Invalid WSGISocketPrefix 'impossible'."),
    (
        "WSGIAcceptMutex x",
        "Accept mutex lock mechanism 'x' is invalid. Valid accept mutex mechanisms for this platform are: default, ",
    ),
    (
        "WSGIPythonHashSeed Random",
        "WSGIPythonHashSeed must be \"random\" or an integer in range [0; 4294967295]",
    ),
    ("WSGIPythonHashSeed +1", "WSGIPythonHashSeed must be"),
    ("WSGISwitchInterval nan", "WSGISwitchInterval must be a positive number of seconds."),
    ("WSGITrustedProxies a", "Unable to parse trusted proxy IP address/subnet of \"a\"."),
    (
        "WSGITrustedProxies 1.2.3.4/0",
        "Unable to parse trusted proxy IP address/subnet of \"1.2.3.4/0\". The specified network mask is invalid.",
    ),
    (
        "WSGITrustedProxies 1.2.3.999",
        "Unable to parse trusted proxy IP address/subnet of \"1.2.3.999\". The specified IP address is invalid.",
    ),
    ("WSGITrustedProxyHeaders X_Real_IP", "Invalid trusted proxy header name \"X_Real_IP\"."),
    ("<WSGIInterpreterOptions process-group=a", "<WSGIInterpreterOptions> directive missing closing '>'"),
    ("<WSGIInterpreterOptions a>", "<WSGIInterpreterOptions>: argument 'a' is not of the form key=value"),
    (
        "<WSGIInterpreterOptions process-group=a Process-Group=b>",
        "<WSGIInterpreterOptions>: process-group given more than once",
    ),
    (
        "<WSGIInterpreterOptions application-group= application-group=b>",
        "<WSGIInterpreterOptions>: application-group given more than once",
    ),
    (
        "<WSGIInterpreterOptions X=b>",
        "<WSGIInterpreterOptions>: unknown selector 'X', expected process-group or application-group",
    ),
    ("WSGITelemetryService ''", "WSGITelemetryService takes 1-2 arguments, "),
    ("WSGITelemetryService a b c", "WSGITelemetryService takes 1-2 arguments, "),
    ("WSGITelemetryService /x", "WSGITelemetryService target must be 'unix:/path'"),
    ("WSGITelemetryService unix:/x 5", "WSGITelemetryService second argument must be 'interval=N'"),
    (
        "WSGITelemetryService unix:/x interval=0.4",
        "WSGITelemetryService interval must be at least 0.5 seconds",
    ),
    ("WSGISlowRequests -1", "WSGISlowRequests threshold must be non-negative"),
    ("WSGITelemetryOptions", "WSGITelemetryOptions: at least one flag required"),
    ("WSGITelemetryOptions +", "WSGITelemetryOptions: bare '+' / '-' is not a flag"),
    ("WSGITelemetryOptions +CaptureUserAgent All", "WSGITelemetryOptions: cannot mix +/- form"),
    ("WSGITelemetryOptions -none", "WSGITelemetryOptions: 'None' may not have a +/- prefix"),
    ("WSGITelemetryOptions +all", "WSGITelemetryOptions: 'All' may not have a +/- prefix"),
    ("WSGITelemetryOptions x", "WSGITelemetryOptions: unknown flag 'x'"),
];

#[test]
fn error_catalogue() {
    for (line, expected) in CATALOGUE {
        let text = FakeConfiguration::default().error(line);
        assert!(text.starts_with(expected), "{line}\n  gives    {text}\n  expected {expected}");
        assert!(!text.contains('\n'), "{line}: one line please");
    }
}

#[test]
fn a_refused_line_stores_nothing() {
    let mut conf = FakeConfiguration::of(&["WSGITrustedProxies 10.0.0.0/8"]);
    conf.error("WSGITrustedProxies 127.0.0.1 nonsense");
    conf.error("WSGIScriptAlias / /x process-group=g application-group=a");
    assert_eq!(conf.server.layer.settings.trusted_proxies.as_ref().unwrap().len(), 1);
    assert!(conf.server.aliases.is_empty() && conf.global.imports.is_empty());
}

#[test]
fn lists_append_within_a_scope_and_may_be_empty() {
    let conf = FakeConfiguration::of(&[
        "WSGITrustedProxies",
        "WSGITrustedProxies ::1 10.",
        "WSGITrustedProxies 1.2.3.4",
    ]);
    assert_eq!(conf.server.layer.settings.trusted_proxies.as_ref().unwrap().len(), 3);
    let conf = FakeConfiguration::of(&[
        "WSGITrustedProxyHeaders x-real-ip \"\" X-Nothing",
        "WSGITrustedProxyHeaders X-Host",
    ]);
    let headers = conf.server.layer.settings.trusted_proxy_headers.unwrap();
    assert_eq!(headers.iter().map(|h| h.key()).collect::<Vec<_>>(), ["HTTP_X_REAL_IP", "HTTP_X_HOST"]);
    let conf = FakeConfiguration::of(&["WSGIRestrictProcess a", "WSGIRestrictProcess"]);
    assert!(!conf.server.layer.settings.restrict_process.unwrap().contains(b""));
    let conf = FakeConfiguration::of(&[
        "WSGIPythonWarnings a",
        "WSGIPythonWarnings b",
        "WSGIPythonPath /a",
        "WSGIPythonPath /b:/c",
    ]);
    assert_eq!(conf.global.python_warnings, ["a", "b"]);
    assert_eq!(conf.global.interpreter.python_path.unwrap(), ["/b", "/c"]);
}

#[test]
fn notices_are_given_once_per_name() {
    let mut conf = FakeConfiguration::default();
    for nothing in ["WSGITelemetryOptions none", "WSGIFreeThreading Off", "WSGIAcceptMutex default"] {
        assert!(conf.main(nothing).unwrap().is_empty(), "{nothing}");
    }
    assert_eq!(conf.main("WSGITelemetryOptions All").unwrap().len(), 1);
    assert_eq!(conf.main("WSGITelemetryOptions None").unwrap().len(), 0);
    let old = conf.main("WSGINewRelicConfigFile /x").unwrap();
    assert_eq!(old[0].level, NoticeLevel::Warning);
    assert!(conf.main("WSGILazyInitialization On").unwrap().is_empty());
    assert_eq!(conf.main("WSGILazyInitialization Off").unwrap().len(), 1);
    assert!(conf.error("WSGIPy3kWarningFlag maybe").contains("must be one of"));
    assert_eq!(conf.main("WSGIHandlerScript MyName /x").unwrap().len(), 1);
    let underscored = conf.main("WSGITrustedProxyHeaders X-Forwarded-Fro").unwrap();
    assert!(underscored[0].text.contains("X-Forwarded-Fro"));
}

#[test]
fn python_in_children_is_a_sticky_flag() {
    let needed = |lines: &[&str]| FakeConfiguration::of(lines).global.needs_embedded_python();
    assert!(needed(&[]));
    assert!(!needed(&["WSGIRestrictEmbedded On"]));
    assert!(needed(&["WSGIRestrictEmbedded On", "WSGIRestrictEmbedded Off"]));
    assert!(needed(&["WSGIAccessScript /x", "WSGIRestrictEmbedded On"]));
    assert!(needed(&["WSGIRestrictEmbedded On", "WSGIDispatchScript /x"]));
    let embedded = "process-group=%{GLOBAL} application-group=%{GLOBAL}";
    assert!(needed(&["WSGIRestrictEmbedded On", &format!("WSGIImportScript /x {embedded}")]));
    assert!(!needed(&["WSGIRestrictEmbedded On", &format!("WSGIScriptAlias / /x {embedded}")]));
    let daemon = "WSGIImportScript /x process-group=g application-group=a";
    assert!(!needed(&["WSGIDaemonProcess g", "WSGIRestrictEmbedded On", daemon]));
}

#[test]
fn aliases_with_fixed_groups_are_preloaded() {
    let imports = |line: &str| {
        let conf = FakeConfiguration::of(&["WSGIDaemonProcess g", line]);
        conf.global
            .imports
            .iter()
            .map(|i| (i.process_group.clone(), i.application_group.clone()))
            .collect::<Vec<_>>()
    };
    let both = |p: &str, a: &str| vec![(p.to_owned(), a.to_owned())];
    assert_eq!(imports("WSGIScriptAlias / /x process-group=g application-group=%{GLOBAL}"), both("g", ""));
    assert_eq!(imports("WSGIScriptAlias / module:x process-group=g application-group=a"), both("g", "a"));
    assert!(imports("WSGIScriptAlias / /x process-group=g").is_empty());
    assert!(imports("WSGIScriptAlias / /x process-group=g application-group=%{SERVER}").is_empty());
    assert!(imports("WSGIScriptAliasMatch ^/(a) /$1 process-group=g application-group=a").is_empty());
    assert_eq!(imports("WSGIScriptAliasMatch ^/(a) /x process-group=g application-group=a"), both("g", "a"));
    // A dollar is substituted in the regex form only.
    assert_eq!(imports("WSGIScriptAlias /a /$1 process-group=g application-group=a"), both("g", "a"));
}

#[test]
fn preloads_check_the_servers_of_their_group() {
    let import = "WSGIImportScript /x process-group=g application-group=a";
    let mut conf = FakeConfiguration::default();
    conf.vhost("WSGIDaemonProcess g", 1, None).unwrap();
    // Neither has a name so far.
    conf.vhost(import, 2, None).unwrap();
    let text = conf.vhost(import, 2, Some("a")).unwrap_err().to_string();
    assert!(text.starts_with("WSGI process group not matchable."), "{text}");
    conf.machine.server_names.insert(VhostId(1), "b".into());
    let text = conf.vhost(import, 2, Some("a")).unwrap_err().to_string();
    assert!(text.starts_with("WSGI process group not accessible."), "{text}");
    conf.vhost(import, 2, Some("b")).unwrap();
    conf.vhost(import, 1, Some("z")).unwrap();
    assert!(conf.error(import).starts_with("WSGI process group not matchable."));
    conf.main("WSGIDaemonProcess main").unwrap();
    conf.vhost("WSGIImportScript /x process-group=main application-group=a", 2, Some("a")).unwrap();
}

#[test]
fn main_server_values() {
    let conf = FakeConfiguration::of(&[
        "WSGIPythonHashSeed random",
        "WSGIPythonOptimize -3",
        "WSGISocketPrefix run/wsgi",
        "WSGISlowRequests 0.5",
        "WSGITelemetryService unix:/s interval=2",
        "WSGITelemetryOptions All",
        "WSGITelemetryOptions -captureuseragent",
        "WSGISupportDirectory /usr/lib/wsgi",
        "WSGIAcceptMutex FCNTL",
    ]);
    let global = conf.global;
    assert_eq!(global.hash_seed, Some(crate::HashSeed::Random));
    assert_eq!(global.python_optimize, Some(0));
    assert_eq!(global.socket_prefix.as_deref(), Some("/etc/httpd/run/wsgi"));
    assert_eq!(global.slow_requests.unwrap().as_millis(), 500);
    assert_eq!(global.telemetry_service.unwrap().interval.as_secs(), 2);
    assert!(!global.telemetry_options.capture_user_agent);
    assert_eq!(global.support_directory.as_deref(), Some("/usr/lib/wsgi"));
    assert_eq!(
        FakeConfiguration::of(&["WSGIPythonHashSeed 0042"]).global.hash_seed,
        Some(crate::HashSeed::Fixed(42))
    );
    assert_eq!(FakeConfiguration::of(&["WSGISlowRequests 0"]).global.slow_requests, None);
}

#[test]
fn an_unknown_id_is_an_error() {
    let mut conf = FakeConfiguration::default();
    let scope = LineScope { global: Some(&mut conf.global), server: None, dir: None };
    assert!(apply(9999, "", &DirectivePlace::default(), scope, &conf.machine).is_err());
}
