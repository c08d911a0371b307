//! Option tables: laws, every WSGIDaemonProcess option, error texts of spec/directives.md §7, duplicates.

use super::*;
use crate::config::{DaemonOptions, NamedAccount, ReloadMode};
use crate::docs::options_of;
use crate::fake::FakeConfiguration;
use crate::place::{NoticeLevel, VhostId};
use std::collections::BTreeMap;

/// The options of `WSGIDaemonProcess x <text>`, or the error text.
fn daemon(text: &str) -> Result<DaemonOptions, String> {
    let mut conf = FakeConfiguration::default();
    conf.main(&format!("WSGIDaemonProcess x {text}")).map_err(|error| error.to_string())?;
    Ok(conf.global.groups.get("x").unwrap().options.clone())
}

#[test]
fn tables_are_sorted_unique_and_documented() {
    for directive in crate::DIRECTIVES {
        let options = options_of(directive.name);
        for pair in options.windows(2) {
            assert!(pair[0].name < pair[1].name, "{}: {} {}", directive.name, pair[0].name, pair[1].name);
        }
        for option in options {
            assert!(option.doc.ends_with('.'), "{}", option.name);
            assert!(!option.range.is_empty() && !option.since.is_empty(), "{}", option.name);
        }
    }
    let upstream = DAEMON_OPTIONS
        .iter()
        .filter(|row| row.info.since != "new" && !matches!(row.info.effect, crate::RowEffect::Legacy(_)));
    assert_eq!(upstream.count(), 44, "options of mod_wsgi 6.1.1");
}

#[test]
fn every_daemon_option_has_a_good_and_a_bad_example() {
    for row in DAEMON_OPTIONS {
        let OptionInfo { name, good, bad, .. } = row.info;
        daemon(&format!("{name}='{good}'")).unwrap_or_else(|error| panic!("{name}={good}: {error}"));
        if let Some(bad) = bad {
            let error = daemon(&format!("{name}='{bad}'")).expect_err(name);
            assert!(!error.contains('\n'));
        }
    }
}

#[test]
fn defaults_are_those_of_the_table() {
    for row in DAEMON_OPTIONS {
        let OptionInfo { name, default, .. } = row.info;
        if default.is_empty() || default.starts_with('(') {
            continue;
        }
        let mut parsed = daemon(&format!("{name}={default}")).unwrap();
        if name == "processes" {
            assert!(parsed.multiprocess() && parsed.process_count() == 1);
            parsed.processes = None;
        }
        assert_eq!(parsed, DaemonOptions::default(), "{name}={default}");
    }
}

/// A row that was copied from another fills its own field.
#[test]
fn each_option_fills_a_field_of_its_own() {
    let mut seen = BTreeMap::from([(format!("{:?}", DaemonOptions::default()), "nothing")]);
    for row in DAEMON_OPTIONS.iter().filter(|row| row.info.effect == crate::RowEffect::Acts) {
        let OptionInfo { name, good, .. } = row.info;
        let parsed = daemon(&format!("{name}='{good}'")).unwrap();
        let other = seen.insert(format!("{parsed:?}"), name);
        assert_eq!(other, None, "{name}={good} does the same as this");
    }
}

#[test]
fn options_of_other_directives() {
    for directive in crate::DIRECTIVES.iter().filter(|row| row.name != "WSGIDaemonProcess") {
        for option in options_of(directive.name).iter().filter(|_| !directive.is_section()) {
            let (head, rest) = match directive.name {
                "WSGIScriptAlias" | "WSGIScriptAliasMatch" => ("/ /x", ""),
                "WSGIHandlerScript" => ("h /x", ""),
                "WSGIImportScript" if option.name == "process-group" => ("/x", "application-group=a"),
                "WSGIImportScript" => ("/x", "process-group=%{GLOBAL}"),
                _ => ("/x", ""),
            };
            let line = |value: &str| format!("{} {head} {rest} {}='{value}'", directive.name, option.name);
            FakeConfiguration::of(&[&line(option.good)]);
            if let Some(bad) = option.bad {
                FakeConfiguration::default().error(&line(bad));
            }
        }
    }
}

/// Option texts and how their error begins (spec/directives.md §7).
const ERRORS: &[(&str, &str)] = &[
    ("nonsense=1", "Invalid option to WSGI daemon process definition. "),
    (
        "thread=1",
        "Invalid option to WSGI daemon process definition. 'thread' is not an option here; did you mean threads=?",
    ),
    ("threads", "Invalid option to WSGI daemon process definition. Write threads=VALUE"),
    ("threads =5", "Invalid option to WSGI daemon process definition. Write threads=VALUE without a blank"),
    ("\"user=joe\"", "Invalid option to WSGI daemon process definition."),
    ("=5", "Invalid option to WSGI daemon process definition."),
    ("Threads=5", "Invalid option to WSGI daemon process definition."),
    ("processes=0", "Invalid process count for WSGI daemon process."),
    ("threads=", "Invalid thread count for WSGI daemon process."),
    ("threads=many", "Invalid thread count for WSGI daemon process."),
    ("threads=5x", "Invalid thread count for WSGI daemon process."),
    ("user=", "Invalid user for WSGI daemon process."),
    ("user=root", "WSGI process blocked from running as root."),
    ("user=#0", "WSGI process blocked from running as root."),
    ("user=#77", "Couldn't determine user name from uid."),
    ("user=#x", "Invalid user for WSGI daemon process."),
    ("user=nobody-here", "bad user name nobody-here"),
    ("group=nobody-here", "bad group name nobody-here"),
    ("supplementary-groups=joe,nobody-here", "bad group name nobody-here"),
    ("supplementary-groups=#1,#2,#3,#4,#5", "Too many supplementary groups WSGI daemon process"),
    ("umask=8", "Invalid umask for WSGI daemon process."),
    ("umask=0x1", "Invalid umask for WSGI daemon process."),
    ("home=x", "Invalid home directory for WSGI daemon process."),
    ("chroot=x", "Invalid chroot directory for WSGI daemon process."),
    ("switch-interval=inf", "Invalid switch interval for WSGI daemon process."),
    ("stack-size=0", "Invalid stack size for WSGI daemon process."),
    ("cpu-priority=", "Invalid CPU priority for WSGI daemon process."),
    ("memory-limit=-1", "Invalid memory limit for WSGI daemon process."),
    ("server-metrics=1", "Invalid server metrics flag for WSGI daemon process."),
    ("maximum-requests=-1", "Invalid request count for WSGI daemon process."),
    ("send-buffer-size=511", "Send buffer size must be >= 512 bytes, or 0 for system default."),
    ("receive-buffer-size=1", "Receive buffer size must be >= 512 bytes, or 0 for system default."),
    ("header-buffer-size=8191", "Header buffer size must be >= 8192 bytes, or 0 for default."),
    ("response-buffer-size=65535", "Response buffer size must be >= 65536 bytes, or 0 for default."),
    (
        "send-buffer-size=-1",
        "Send buffer size must be >= 512 bytes, or 0 for system default. send-buffer-size=-1 is not",
    ),
    ("send-buffer-size=", "Invalid send buffer size for WSGI daemon process."),
    ("header-buffer-size=", "Invalid header buffer size for WSGI daemon process."),
    ("script-user=", "Invalid script user for WSGI daemon process."),
    ("script-user=#77", "Couldn't determine uid from script user."),
    ("script-group=#77", "Couldn't determine gid from script group."),
    ("script-user=joe script-group=joe", "Only one of script-user and script-group allowed."),
    ("socket-user=#77", "Couldn't determine user name from socket user."),
    ("request-timeout=1m", "Invalid request timeout for WSGI daemon process."),
];

#[test]
fn error_texts() {
    for (option, expected) in ERRORS {
        let text = daemon(option).expect_err(option);
        assert!(text.starts_with(expected), "{option}\n  gives    {text}\n  expected {expected}");
    }
}

#[test]
fn every_timeout_is_named_in_its_error() {
    for (option, thing) in [
        ("restart-interval", "restart interval"),
        ("inactivity-timeout", "inactivity timeout"),
        ("request-timeout", "request timeout"),
        ("interrupt-timeout", "interrupt timeout"),
        ("startup-timeout", "startup timeout"),
        ("deadlock-timeout", "deadlock timeout"),
        ("graceful-timeout", "graceful timeout"),
        ("eviction-timeout", "eviction timeout"),
        ("shutdown-timeout", "shutdown timeout"),
        ("connect-timeout", "connect timeout"),
        ("socket-timeout", "socket timeout"),
        ("queue-timeout", "queue timeout"),
        ("listen-backlog", "listen backlog"),
        ("response-socket-timeout", "response socket timeout"),
        ("response-flush-delay", "response flush delay"),
        ("cpu-time-limit", "CPU time limit"),
        ("virtual-memory-limit", "virtual memory limit"),
    ] {
        for value in ["-1", "''"] {
            let text = daemon(&format!("{option}={value}")).expect_err(option);
            assert!(text.starts_with(&format!("Invalid {thing} for WSGI daemon process.")), "{text}");
        }
    }
}

#[test]
fn values() {
    let who = |name: &str, id| Some(NamedAccount { name: name.into(), id });
    assert_eq!(daemon("user=joe group=#33").unwrap().user, who("joe", 1000));
    assert_eq!(daemon("user=#1000").unwrap().user, who("joe", 1000));
    assert_eq!(daemon("group=#4711").unwrap().group, who("#4711", 4711));
    assert_eq!(daemon("umask=02770").unwrap().umask.unwrap().bits(), 0o770);
    assert_eq!(daemon("umask=+22").unwrap().umask.unwrap().bits(), 0o22);
    assert_eq!(daemon("memory-limit=1G").unwrap().memory_limit.unwrap().get(), 1 << 30);
    assert_eq!(daemon("threads=3 threads=4").unwrap().threads, 4);
    assert_eq!(daemon("python-path=/a:/b").unwrap().python_path.unwrap(), ["/a", "/b"]);
    assert_eq!(daemon("python-path=''").unwrap().python_path, None);
    assert_eq!(daemon("deadlock-timeout=0").unwrap().deadlock_timeout, None);
    assert_eq!(daemon("request-timeout=2min").unwrap().request_timeout.unwrap().as_secs(), 120);
    assert_eq!(daemon("response-flush-delay=7").unwrap().response_flush_delay.as_millis(), 7);
    assert_eq!(daemon("header-buffer-size=0").unwrap().header_buffer_size.get(), 32768);
    assert_eq!(daemon("reload=Immediate").unwrap().reload, ReloadMode::Immediate);
    assert_eq!(daemon("env=A=1 env='B=x y' env=C=").unwrap().env.len(), 3);
    assert_eq!(daemon("env-file=/a env-file=/b").unwrap().env_files, ["/a", "/b"]);
    assert!(daemon("threads=1 maximum-requests=1").unwrap().run_once());
    assert!(daemon("threads=0").unwrap().is_service());
    assert_eq!(daemon("supplementary-groups=joe,,www-data,").unwrap().supplementary_groups.unwrap().len(), 2);
    assert_eq!(daemon("supplementary-groups=,joe").unwrap().supplementary_groups.unwrap().len(), 0);
}

#[test]
fn display_name_of_the_group() {
    let conf = FakeConfiguration::of(&["WSGIDaemonProcess site display-name='%{GROUP}'"]);
    assert_eq!(conf.global.groups.get("site").unwrap().display_name(), "(wsgi:site)");
    assert_eq!(
        FakeConfiguration::of(&["WSGIDaemonProcess x"]).global.groups.get("x").unwrap().display_name(),
        "(wsgi:x)"
    );
}

#[test]
fn chroot_needs_root() {
    let mut conf = FakeConfiguration::default();
    conf.machine.root = false;
    let text = conf.error("WSGIDaemonProcess x chroot=/jail");
    assert!(text.starts_with("Cannot chroot WSGI daemon process when not root."), "{text}");
}

#[test]
fn equal_definitions_are_one_group() {
    let mut conf = FakeConfiguration::of(&["WSGIDaemonProcess x user=joe threads=2"]);
    let notices = conf.main("WSGIDaemonProcess x threads=2 user=joe").unwrap();
    assert_eq!(notices[0].level, NoticeLevel::Notice);
    assert!(notices[0].text.contains("test.conf:1"), "{}", notices[0].text);
    assert_eq!(conf.global.groups.len(), 1);
    assert_eq!(conf.global.groups.get("x").unwrap().also.len(), 1);
    let text = conf.error("WSGIDaemonProcess x threads=3 user=joe");
    assert!(
        text.starts_with("Name duplicates previous WSGI daemon definition. 'x' was defined at test.conf:1")
    );
    assert!(text.contains("(option threads)") && text.contains("test.conf:3"), "{text}");
    conf.main("WSGIDaemonProcess X threads=9").unwrap();
    assert_eq!(conf.global.groups.len(), 2);
}

/// Clones of a virtual host share a group; two sites with one copied line do not.
#[test]
fn groups_are_shared_by_servers_of_one_name() {
    let line = "WSGIDaemonProcess x threads=2";
    let mut conf = FakeConfiguration::default();
    conf.vhost(line, 1, Some("a.example")).unwrap();
    conf.vhost(line, 2, Some("A.example")).unwrap();
    let text = conf.vhost(line, 3, Some("b.example")).unwrap_err().to_string();
    for part in ["Name duplicates previous WSGI daemon definition.", "test.conf:1 (ServerName a.example)"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("test.conf:3 (ServerName b.example): rename one of them"), "{text}");
    let text = conf.error("WSGIDaemonProcess x");
    assert!(text.contains("(main server)"), "{text}");
    // The names may stand behind the groups.
    let mut conf = FakeConfiguration::default();
    conf.vhost(line, 1, None).unwrap();
    conf.vhost(line, 2, None).unwrap();
    assert_eq!(conf.global.shared_group(&conf.machine), None);
    for (host, name) in [(1, "a.example"), (2, "b.example")] {
        conf.machine.server_names.insert(VhostId(host), name.to_owned());
    }
    let text = conf.global.shared_group(&conf.machine).map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("test.conf:2 (ServerName b.example)"), "{text}");
}

#[test]
fn old_options_are_warned_about_once() {
    let mut conf = FakeConfiguration::default();
    let notices = conf.main("WSGIDaemonProcess a newrelic-config-file=/x newrelic-environment=y").unwrap();
    assert_eq!(notices.iter().filter(|notice| notice.level == NoticeLevel::Warning).count(), 2);
    assert!(conf.main("WSGIDaemonProcess b newrelic-config-file=/x").unwrap().is_empty());
    conf.main("WSGIDaemonProcess c proxy-buffer-size=70000").unwrap();
    assert_eq!(conf.global.groups.get("c").unwrap().options.response_buffer_size.get(), 70000);
}

/// Lines that say something else than what they look like.
#[test]
fn names_and_values_that_look_wrong_are_warned_about() {
    let mut conf = FakeConfiguration::default();
    for (line, text) in [
        ("WSGIDaemonProcess threads=5", "write WSGIDaemonProcess NAME threads=5."),
        ("WSGIDaemonProcess a env=KEY=${X}", "env=KEY: ${X} is set nowhere"),
    ] {
        let notices = conf.main(line).unwrap();
        assert!(notices.len() == 1 && notices[0].text.contains(text), "{line}: {notices:?}");
    }
    for line in ["WSGIDaemonProcess b=c threads=5", "WSGIDaemonProcess d env=KEY=$X env=K={} env=L=${}"] {
        assert!(conf.main(line).unwrap().is_empty(), "{line}");
    }
}
