//! The directives of mod_wsgi.

use crate::configuration::Configuration;
use crate::entry::EntryKind;
use crate::paths;
use crate::plan::{RunMode, ServerPlan};

/// Options of `WSGIDaemonProcess` with the name of their option here; those that are 0 by default are left out then.
const NUMBERS: [(&str, &str); 21] = [
    ("maximum-requests", "maximum-requests"),
    ("listen-backlog", "daemon-backlog"),
    ("queue-timeout", "queue-timeout"),
    ("socket-timeout", "socket-timeout"),
    ("connect-timeout", "connect-timeout"),
    ("request-timeout", "request-timeout"),
    ("interrupt-timeout", "interrupt-timeout"),
    ("inactivity-timeout", "inactivity-timeout"),
    ("startup-timeout", "startup-timeout"),
    ("deadlock-timeout", "deadlock-timeout"),
    ("graceful-timeout", "graceful-timeout"),
    ("eviction-timeout", "eviction-timeout"),
    ("restart-interval", "restart-interval"),
    ("cpu-time-limit", "cpu-time-limit"),
    ("shutdown-timeout", "shutdown-timeout"),
    ("send-buffer-size", "send-buffer-size"),
    ("receive-buffer-size", "receive-buffer-size"),
    ("header-buffer-size", "header-buffer-size"),
    ("response-buffer-size", "response-buffer-size"),
    ("response-socket-timeout", "response-socket-timeout"),
    ("response-flush-delay", "response-flush-delay"),
];

pub(super) fn lines(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    if let Some(python) = &plan.python {
        conf.from("python-home").line("WSGIPythonHome", &[&python.home]);
    }
    conf.from("socket-prefix").line("WSGISocketPrefix", &[&plan.socket_prefix()]);
    conf.always().fixed("WSGISocketRotation Off");
    let destroy = if values.flag("orphan-interpreter") { "Off" } else { "On" };
    conf.from("orphan-interpreter").line("WSGIDestroyInterpreter", &[destroy]);
    if values.flag("free-threading") {
        conf.from("free-threading").fixed("WSGIFreeThreading On");
    }
    if let Some(seconds) = values.text("switch-interval") {
        conf.from("switch-interval").line("WSGISwitchInterval", &[seconds]);
    }
    if matches!(plan.mode, RunMode::Daemon | RunMode::Static) {
        conf.always().fixed("WSGIRestrictEmbedded On");
    } else {
        let mut folders = vec![plan.working_directory()];
        folders.extend(values.list("python-path").iter().map(|folder| paths::absolute_text(folder)));
        conf.from("python-path").line("WSGIPythonPath", &[&folders.join(":")]);
    }
    for filter in values.list("python-warnings") {
        conf.from("python-warnings").line("WSGIPythonWarnings", &[filter]);
    }
    if plan.has_daemon() {
        daemon(conf, plan);
    }
    switches(conf, plan);
    if plan.mode == RunMode::Debug {
        conf.from("debug-mode").fixed("WSGIRestrictStdin Off");
    }
}

fn daemon(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    let title = if values.is_given("process-group") {
        format!("(wsgi:{})", plan.group())
    } else {
        format!("(wsgi:{}:{})", plan.address(), nix::unistd::geteuid())
    };
    let mut pairs = vec![("display-name", title), ("home", plan.working_directory())];
    if values.is_given("processes") {
        pairs.push(("processes", values.int("processes").to_string()));
    }
    pairs.push(("threads", values.int("threads").to_string()));
    pairs.extend(environment(plan, crate::environment::FILE));
    for (name, option) in NUMBERS {
        let value = values.int(option);
        if value != 0 || values.is_given(option) {
            pairs.push((name, value.to_string()));
        }
    }
    if values.flag("server-metrics") {
        pairs.push(("server-metrics", "On".to_owned()));
    }
    if let Some(seconds) = values.text("switch-interval") {
        pairs.push(("switch-interval", seconds.to_owned()));
    }
    conf.from("processes threads working-directory python-path locale");
    conf.pairs("WSGIDaemonProcess", &[&plan.group()], &pairs);
}

/// What every Python process has: search path, eggs, locale.
pub(super) fn environment(plan: &ServerPlan, file: &str) -> Vec<(&'static str, String)> {
    let folders: Vec<String> =
        plan.values.list("python-path").iter().map(|folder| paths::absolute_text(folder)).collect();
    let mut pairs = Vec::new();
    if !folders.is_empty() {
        pairs.push(("python-path", folders.join(":")));
    }
    pairs.push(("python-eggs", plan.path_or("python-eggs", "python-eggs")));
    pairs.push(("env-file", plan.file(file)));
    pairs.push(("lang", plan.locale.clone()));
    pairs.push(("locale", plan.locale.clone()));
    pairs
}

fn switches(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    conf.from("callable-object").line("WSGICallableObject", &[&plan.entry.callable]);
    conf.always().fixed("WSGIPassAuthorization On");
    conf.from("map-head-to-get")
        .line("WSGIMapHEADToGET", &[values.text("map-head-to-get").unwrap_or_default()]);
    let on = [
        ("server-metrics", "WSGIServerMetrics On"),
        ("chunked-request", "WSGIChunkedRequest On"),
        ("error-override", "WSGIErrorOverride On"),
        ("enable-sendfile", "WSGIEnableSendfile On"),
        ("disable-reloading", "WSGIScriptReloading Off"),
    ];
    for (option, line) in on.into_iter().filter(|(option, _)| values.flag(option)) {
        conf.from(option).fixed(line);
    }
    if let Some(size) = values.text("request-buffering") {
        conf.from("request-buffering").line("WSGIRequestBuffering", &[size]);
    }
    let proxies = values.list("trust-proxy");
    if !proxies.is_empty() {
        conf.from("trust-proxy").line("WSGITrustedProxies", &proxies);
    }
    let headers = values.list("trust-proxy-header");
    if !headers.is_empty() {
        conf.from("trust-proxy-header").line("WSGITrustedProxyHeaders", &headers);
    }
    if let Some(target) = values.text("telemetry-service") {
        let interval = ("interval", values.text("telemetry-interval").unwrap_or_default().to_owned());
        conf.from("telemetry-service telemetry-interval").pairs(
            "WSGITelemetryService",
            &[target],
            &[interval],
        );
    }
    for options in values.list("telemetry-options") {
        let words: Vec<&str> = options.split_whitespace().collect();
        conf.from("telemetry-options").line("WSGITelemetryOptions", &words);
    }
    if let Some(seconds) = values.text("slow-requests") {
        conf.from("slow-requests").line("WSGISlowRequests", &[seconds]);
    }
    for path in values.list("ignore-activity") {
        conf.from("ignore-activity").section("Location", &crate::quoting::section(path), |conf| {
            conf.fixed("WSGIIgnoreActivity On");
        });
    }
}

/// The scripts that requests are handed to, and the preloading of the application.
pub(super) fn handlers(conf: &mut Configuration, plan: &ServerPlan) {
    let place =
        |group: &str| vec![("process-group", plan.target_group()), ("application-group", group.to_owned())];
    if plan.entry.is_application() {
        let origin = if plan.entry.kind == EntryKind::Welcome {
            ""
        } else {
            "entry-point application-group process-group"
        };
        conf.from(origin);
        let script = plan.file("handler.wsgi");
        conf.pairs("WSGIHandlerScript", &["wsgi-handler", &script], &place(plan.application_group()));
        if plan.is_preloaded() {
            conf.pairs("WSGIImportScript", &[&script], &place(plan.application_group()));
        }
    }
    if plan.values.is_given("add-handler") {
        let script = plan.file("resource.wsgi");
        conf.from("add-handler").pairs("WSGIHandlerScript", &["wsgi-resource", &script], &place("%{GLOBAL}"));
        for (extension, _) in plan.values.pairs("add-handler") {
            conf.line("AddHandler", &["wsgi-resource", extension]);
        }
    }
    conf.always();
}
