//! The error catalogue of spec/directives.md §7, §9, §11 to §16: each condition has its text, in ours and in the
//! original.

use super::{ConfigJudge, groups, is_old, paths, site};
use integration::{HttpdBuilder, Subject};

/// Lines, and what is said of them; names of options and values stand as in the original.
const CATALOGUE: &[(&str, &str)] = &[
    ("WSGIScriptAlias", "WSGIScriptAlias requires at least two arguments"),
    ("WSGIScriptAlias /x", "WSGIScriptAlias requires at least two arguments"),
    ("WSGIScriptAlias \"\" /x", "WSGIScriptAlias requires at least two arguments"),
    ("WSGIScriptAliasMatch ^/x", "WSGIScriptAliasMatch requires at least two arguments"),
    ("WSGIScriptAlias /x /x unheard-of=1", "Invalid option to WSGI script alias definition."),
    ("WSGIScriptAlias /x /x process-group", "Invalid option to WSGI script alias definition."),
    ("WSGIScriptAlias /x /x process-group =a", "Invalid option to WSGI script alias definition."),
    ("WSGIScriptAlias /x /x \"process-group=a\"", "Invalid option to WSGI script alias definition."),
    ("WSGIScriptAlias /x /x application-group=", "Invalid name for WSGI application group."),
    ("WSGIScriptAlias /x /x process-group=''", "Invalid name for WSGI process group."),
    ("WSGIScriptAlias /x /x callable-object=", "Invalid name for WSGI callable object."),
    ("WSGIScriptAlias /x /x pass-authorization=1", "Invalid value for authorization flag."),
    ("WSGIScriptAliasMatch ( /x", "Regular expression could not be compiled."),
    (
        "WSGIScriptAlias /x /x process-group=a application-group=%{GLOBAL}",
        "WSGI process group not yet configured.",
    ),
    ("WSGIImportScript", "Location of import script not supplied."),
    ("WSGIImportScript /x unheard-of=1", "Invalid option to WSGI import script definition."),
    ("WSGIImportScript /x process-group=%{GLOBAL}", "Name of WSGI application group required."),
    ("WSGIImportScript /x application-group=%{GLOBAL}", "Name of WSGI process group required."),
    ("WSGIImportScript /x process-group=a application-group=a", "WSGI process group not yet configured."),
    (
        "<VirtualHost 127.0.0.1:1>\nServerName a.example\nWSGIDaemonProcess a\n</VirtualHost>\n\
         <VirtualHost 127.0.0.1:1>\nServerName b.example\nWSGIImportScript /x process-group=a application-group=a\n\
         </VirtualHost>",
        "WSGI process group not accessible.",
    ),
    (
        "<VirtualHost 127.0.0.1:1>\nServerName a.example\nWSGIDaemonProcess a\n</VirtualHost>\n\
         <VirtualHost 127.0.0.1:1>\nWSGIImportScript /x process-group=a application-group=a\nServerName a.example\n\
         </VirtualHost>",
        "WSGI process group not matchable.",
    ),
    ("WSGIDispatchScript", "Location of dispatch script not supplied."),
    ("WSGIDispatchScript /x process-group=a", "Invalid option to WSGI dispatch script definition."),
    ("WSGIDispatchScript /x application-group=", "Invalid name for WSGI application group."),
    ("<Location />\nWSGIAccessScript\n</Location>", "Location of access script not supplied."),
    (
        "<Location />\nWSGIAccessScript /x a=b\n</Location>",
        "Invalid option to WSGI access script definition.",
    ),
    ("<Location />\nWSGIAuthUserScript\n</Location>", "Location of auth user script not supplied."),
    (
        "<Location />\nWSGIAuthUserScript /x a=b\n</Location>",
        "Invalid option to WSGI auth user script definition.",
    ),
    ("<Location />\nWSGIAuthGroupScript\n</Location>", "Location of auth group script not supplied."),
    (
        "<Location />\nWSGIAuthGroupScript /x a=b\n</Location>",
        "Invalid option to WSGI auth group script definition.",
    ),
    ("WSGIHandlerScript", "Name for handler script not supplied."),
    ("WSGIHandlerScript name", "Location of handler script not supplied."),
    ("WSGIHandlerScript name /x a=b", "Invalid option to WSGI handler script definition."),
    ("WSGIHandlerScript name /x process-group=", "Invalid name for WSGI process group."),
    ("WSGIDaemonProcess", "Name of WSGI daemon process not supplied."),
    ("WSGIDaemonProcess \"\"", "Name of WSGI daemon process not supplied."),
    ("WSGIDaemonProcess a b", "Invalid option to WSGI daemon process definition."),
    (
        "WSGIDaemonProcess a\nWSGIDaemonProcess a threads=2",
        "Name duplicates previous WSGI daemon definition.",
    ),
    ("WSGIDaemonProcess a processes=0", "Invalid process count for WSGI daemon process."),
    ("WSGIDaemonProcess a processes=", "Invalid process count for WSGI daemon process."),
    ("WSGIDaemonProcess a threads=-1", "Invalid thread count for WSGI daemon process."),
    ("WSGIDaemonProcess a threads=65534", "Invalid thread count for WSGI daemon process."),
    ("WSGIDaemonProcess a user=", "Invalid user for WSGI daemon process."),
    ("WSGIDaemonProcess a user=root", "WSGI process blocked from running as root."),
    ("WSGIDaemonProcess a user=#4000000", "Couldn't determine user name from uid."),
    ("WSGIDaemonProcess a user=no-such-user", "bad user name no-such-user"),
    ("WSGIDaemonProcess a group=", "Invalid group for WSGI daemon process."),
    ("WSGIDaemonProcess a group=no-such-group", "bad group name no-such-group"),
    ("WSGIDaemonProcess a supplementary-groups=no-such-group", "bad group name no-such-group"),
    ("WSGIDaemonProcess a umask=8", "Invalid umask for WSGI daemon process."),
    ("WSGIDaemonProcess a home=relative", "Invalid home directory for WSGI daemon process."),
    ("WSGIDaemonProcess a stack-size=0", "Invalid stack size for WSGI daemon process."),
    ("WSGIDaemonProcess a cpu-priority=", "Invalid CPU priority for WSGI daemon process."),
    ("WSGIDaemonProcess a cpu-time-limit=-1", "Invalid CPU time limit for WSGI daemon process."),
    ("WSGIDaemonProcess a memory-limit=-1", "Invalid memory limit for WSGI daemon process."),
    ("WSGIDaemonProcess a virtual-memory-limit=-1", "Invalid virtual memory limit for WSGI daemon process."),
    ("WSGIDaemonProcess a server-metrics=1", "Invalid server metrics flag for WSGI daemon process."),
    ("WSGIDaemonProcess a maximum-requests=-1", "Invalid request count for WSGI daemon process."),
    ("WSGIDaemonProcess a restart-interval=-1", "Invalid restart interval for WSGI daemon process."),
    ("WSGIDaemonProcess a inactivity-timeout=-1", "Invalid inactivity timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a request-timeout=-1", "Invalid request timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a startup-timeout=-1", "Invalid startup timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a deadlock-timeout=-1", "Invalid deadlock timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a graceful-timeout=-1", "Invalid graceful timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a eviction-timeout=-1", "Invalid eviction timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a shutdown-timeout=-1", "Invalid shutdown timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a connect-timeout=-1", "Invalid connect timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a socket-timeout=-1", "Invalid socket timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a queue-timeout=-1", "Invalid queue timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a listen-backlog=-1", "Invalid listen backlog for WSGI daemon process."),
    ("WSGIDaemonProcess a socket-user=", "Invalid socket user for WSGI daemon process."),
    ("WSGIDaemonProcess a socket-user=#4000000", "Couldn't determine user name from socket user."),
    (
        "WSGIDaemonProcess a send-buffer-size=511",
        "Send buffer size must be >= 512 bytes, or 0 for system default.",
    ),
    ("WSGIDaemonProcess a receive-buffer-size=1", "Receive buffer size must be >= 512 bytes, or 0"),
    (
        "WSGIDaemonProcess a header-buffer-size=8191",
        "Header buffer size must be >= 8192 bytes, or 0 for default.",
    ),
    (
        "WSGIDaemonProcess a response-buffer-size=65535",
        "Response buffer size must be >= 65536 bytes, or 0 for default.",
    ),
    (
        "WSGIDaemonProcess a response-socket-timeout=-1",
        "Invalid response socket timeout for WSGI daemon process.",
    ),
    ("WSGIDaemonProcess a script-user=", "Invalid script user for WSGI daemon process."),
    ("WSGIDaemonProcess a script-user=#4000000", "Couldn't determine uid from script user."),
    ("WSGIDaemonProcess a script-group=#4000000", "Couldn't determine gid from script group."),
    (
        "WSGIDaemonProcess a script-user=#0 script-group=#0",
        "Only one of script-user and script-group allowed.",
    ),
    ("WSGIPassAuthorization yes", "WSGIPassAuthorization must be one of: Off | On"),
    ("WSGIScriptReloading 1", "WSGIScriptReloading must be one of: Off | On"),
    ("WSGIMapHEADToGET yes", "WSGIMapHEADToGET must be one of: Off | On | Auto"),
    ("WSGIAcceptMutex spinlock", "Accept mutex lock mechanism 'spinlock' is invalid."),
    (
        "WSGIPythonHashSeed 4294967296",
        "WSGIPythonHashSeed must be \"random\" or an integer in range [0; 4294967295]",
    ),
    ("WSGITrustedProxies localhost", "Unable to parse trusted proxy IP address/subnet of \"localhost\"."),
    ("WSGITrustedProxies ::FFFF", "Unable to parse trusted proxy IP address/subnet of \"::FFFF\"."),
    ("WSGITrustedProxies 10.0.0.0/33", "The specified network mask is invalid."),
    ("WSGIProcessGroup", "WSGIProcessGroup takes one argument"),
    ("WSGIProcessGroup a b", "WSGIProcessGroup takes one argument"),
    ("WSGIProcessGroup \"\"", "WSGIProcessGroup takes one argument"),
    ("WSGINoSuchThing On", "Invalid command 'WSGINoSuchThing', perhaps misspelled"),
];

/// What came with 6.0.
const CATALOGUE_6: &[(&str, &str)] = &[
    ("WSGIDaemonProcess a interrupt-timeout=-1", "Invalid interrupt timeout for WSGI daemon process."),
    ("WSGIDaemonProcess a switch-interval=0", "Invalid switch interval for WSGI daemon process."),
    ("WSGIDaemonProcess a response-flush-delay=-1", "Invalid response flush delay for WSGI daemon process."),
    ("WSGISwitchInterval 0", "WSGISwitchInterval must be a positive number of seconds."),
    ("WSGISlowRequests -1", "WSGISlowRequests threshold must be non-negative"),
    ("WSGITelemetryService udp:1", "target must be 'unix:/path'"),
    ("WSGITelemetryService unix:/x interval=0.1", "interval must be at least 0.5 seconds"),
    ("WSGITelemetryService unix:/x every=1", "second argument must be 'interval=N'"),
    ("WSGITelemetryService \"\"", "takes 1-2 arguments"),
    ("WSGITelemetryOptions", "WSGITelemetryOptions: at least one flag required"),
    ("WSGITelemetryOptions +", "WSGITelemetryOptions: bare '+' / '-' is not a flag"),
    ("WSGITelemetryOptions +CaptureUserAgent CaptureUserAgent", "cannot mix +/- form with absolute names"),
    ("WSGITelemetryOptions +None", "'None' may not have a +/- prefix"),
    ("WSGITelemetryOptions -All", "'All' may not have a +/- prefix"),
    ("WSGITelemetryOptions Everything", "WSGITelemetryOptions: unknown flag 'Everything'"),
    (
        "<WSGIInterpreterOptions process-group=a\n</WSGIInterpreterOptions>",
        "<WSGIInterpreterOptions> directive missing closing '>'",
    ),
    (
        "<WSGIInterpreterOptions a>\n</WSGIInterpreterOptions>",
        "<WSGIInterpreterOptions>: argument 'a' is not of the form key=value",
    ),
    (
        "<WSGIInterpreterOptions process-group=a Process-Group=b>\n</WSGIInterpreterOptions>",
        "process-group given more than once",
    ),
    (
        "<WSGIInterpreterOptions application-group=a application-group=b>\n</WSGIInterpreterOptions>",
        "application-group given more than once",
    ),
    (
        "<WSGIInterpreterOptions user=a>\n</WSGIInterpreterOptions>",
        "unknown selector 'user', expected process-group or application-group",
    ),
];

#[test]
fn each_condition_has_its_text() {
    let judge = ConfigJudge::new();
    let new = CATALOGUE_6.iter().filter(|_| !is_old());
    let wrong: Vec<String> = CATALOGUE
        .iter()
        .chain(new)
        .filter_map(|(lines, text)| {
            let verdict = judge.verdict(lines);
            let fits = !verdict.is_ok && verdict.text.contains(text);
            (!fits).then(|| format!("{lines}\n   expected: {text}\n   said: {}", verdict.text))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Ours says in the same line what to write, and where.
#[test]
fn refusals_name_the_fix() {
    if Subject::skips("it does not") {
        return;
    }
    let judge = ConfigJudge::new();
    for (lines, fix) in [
        ("WSGIDaemonProcess a thread=5", "did you mean threads=?"),
        ("WSGIDaemonProcess a threads=many", "a number from 0 to 65533"),
        ("WSGIDaemonProcess a threads =5", "without a blank before '='"),
        ("WSGIDaemonProcess a \"user=joe\"", "Quote only the value"),
        ("WSGIDaemonProcess a user=nobody-here", "correct user= or create it first"),
        (
            "WSGIDaemonProcess a\nWSGIDaemonProcess a threads=2",
            "more.conf:1 and again, differently (option threads)",
        ),
        ("WSGIImportScript /x process-group=a application-group=a", "Put WSGIDaemonProcess a earlier"),
        ("WSGIScriptAliasMatch ( /x", "Correct the pattern '('"),
        ("WSGITrustedProxyHeaders X_Real_IP", "write it as sent, for example X-Forwarded-For"),
    ] {
        let text = judge.refused(lines);
        assert!(text.contains(fix) && text.contains("on line "), "{lines}: {text}");
    }
}

/// What certbot makes of a virtual host: the same group once more, word by word.
#[test]
fn equal_groups_of_cloned_virtual_hosts_are_one() {
    if Subject::skips("it refuses the second") {
        return;
    }
    let host = |port: &str| {
        format!(
            "<VirtualHost 127.0.0.1:{port}>\nServerName a.example\nWSGIDaemonProcess a threads=2\n\
             WSGIScriptAlias / @ROOT@/app/app.wsgi process-group=a application-group=%{{GLOBAL}}\n</VirtualHost>"
        )
    };
    ConfigJudge::new().accepted(&format!("LogLevel notice\n{}\n{}", host("1"), host("2")));
    let server = site(&host("@PORT@")).start();
    assert_eq!(groups(&server.get("/")), "a|");
}

/// Two sites with one copied line: the second must not answer as the first.
#[test]
fn equal_groups_of_two_sites_are_an_error() {
    let host = |name: &str, late: bool| {
        let name = format!("ServerName {name}\n");
        let (before, behind) = if late { ("", name.as_str()) } else { (name.as_str(), "") };
        format!("<VirtualHost 127.0.0.1:1>\n{before}WSGIDaemonProcess a threads=2\n{behind}</VirtualHost>\n")
    };
    let judge = ConfigJudge::new();
    let group = "WSGIDaemonProcess a threads=2\n";
    for (lines, first, again) in [
        (host("a.example", false) + &host("b.example", false), "3 (ServerName a", "7 (ServerName b"),
        (host("a.example", true) + &host("b.example", true), "2 (ServerName a", "6 (ServerName b"),
        (group.to_owned() + &host("b.example", false), "1 (main server)", "4 (ServerName b"),
    ] {
        let text = judge.refused(&lines);
        let places = [format!("more.conf:{first}"), format!("more.conf:{again}"), "rename one".to_owned()];
        assert!(text.contains("Name duplicates previous WSGI daemon definition."), "{text}");
        assert!(!Subject::is_ours() || places.iter().all(|place| text.contains(place)), "{text}");
    }
}

/// A configuration of 4.9 that uses what was removed since: it starts, and says once what to do about each.
#[test]
fn configuration_of_4_9_starts_with_warnings() {
    if Subject::under_test() == Subject::Original {
        println!("skipped: 6.1.1 refuses it");
        return;
    }
    let lines = "WSGILazyInitialization On\nWSGINewRelicConfigFile /etc/newrelic.ini\n\
                 WSGINewRelicEnvironment production\nWSGIVerboseDebugging Off\nWSGIAcceptMutex default\n\
                 WSGIDaemonProcess a newrelic-config-file=/etc/n.ini newrelic-environment=x inactivity-timeout=60s\n\
                 WSGIDaemonProcess b newrelic-config-file=/etc/n.ini\nWSGIScriptAlias / @ROOT@/app/app.wsgi";
    let judge = ConfigJudge::new();
    let text = judge.accepted(lines);
    if is_old() {
        return;
    }
    let warned = ["no longer supported", "WSGILazyInitialization", "nothing names this group"];
    let server = warned.into_iter().fold(site(lines), HttpdBuilder::allow_log).start();
    assert_eq!(paths(&server, "/x"), "|/x", "it serves");
    for name in
        ["WSGINewRelicConfigFile", "WSGINewRelicEnvironment", "newrelic-config-file", "newrelic-environment"]
    {
        let about: Vec<&str> =
            text.lines().filter(|line| line.contains(&format!("{name} is no longer"))).collect();
        assert_eq!(about.len(), 1, "{name}: {text}");
        assert!(about[0].contains("more.conf:"), "{}", about[0]);
    }
    let off = judge.accepted("WSGILazyInitialization Off");
    assert!(off.contains("WSGILazyInitialization"), "{off}");
    let old = judge.accepted("WSGIDaemonProcess a proxy-buffer-size=131072");
    assert!(old.contains("response-buffer-size"), "{old}");
}
