//! The generated httpd.conf (spec/express.md §6).

mod access;
mod documents;
mod hosts;
mod logging;
mod proxies;
mod python;
mod services;
#[cfg(test)]
mod tests;

use crate::configuration::Configuration;
use crate::machine::httpd::Mpm;
use crate::plan::{RunMode, ServerPlan};
use crate::problem::ExpressError;
use crate::quoting;

/// The whole configuration.
///
/// # Errors
/// When a module of httpd is needed that is not installed.
pub fn configuration(plan: &ServerPlan) -> Result<Configuration, ExpressError> {
    let mut conf = Configuration::default();
    conf.fixed(&format!("Define {} $", quoting::DOLLAR));
    defines(&mut conf, plan);
    modules(&mut conf, plan)?;
    server(&mut conf, plan);
    requests(&mut conf, plan);
    workers(&mut conf, plan);
    logging::lines(&mut conf, plan);
    python::lines(&mut conf, plan);
    documents::lines(&mut conf, plan);
    access::lines(&mut conf, plan);
    proxies::mount_points(&mut conf, plan);
    hosts::lines(&mut conf, plan);
    proxies::virtual_hosts(&mut conf, plan);
    services::lines(&mut conf, plan);
    for file in plan.values.list("include-file") {
        conf.from("include-file").line("Include", &[&crate::paths::absolute_text(file)]);
    }
    conf.check()?;
    Ok(conf)
}

/// Names that files given with `--include-file` may ask for in `<IfDefine>`.
fn defines(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    let options: [(&'static str, &str); 18] = [
        ("server-name", "VIRTUAL_HOST"),
        ("http2", "WITH_HTTP2"),
        ("https-port", "WITH_HTTPS"),
        ("https-only", "HTTPS_ONLY"),
        ("server-metrics", "SERVER_METRICS"),
        ("server-status", "SERVER_STATUS"),
        ("directory-index", "DIRECTORY_INDEX"),
        ("directory-listing", "DIRECTORY_LISTING"),
        ("access-log", "ACCESS_LOG"),
        ("rotate-logs", "ROTATE_LOGS"),
        ("compress-responses", "COMPRESS_RESPONSES"),
        ("processes", "MULTIPROCESS"),
        ("error-override", "ERROR_OVERRIDE"),
        ("host-access-script", "HOST_ACCESS"),
        ("auth-user-script", "AUTH_USER"),
        ("chunked-request", "CHUNKED_REQUEST"),
        ("disable-reloading", "DISABLE_RELOADING"),
        ("enable-sendfile", "ENABLE_SENDFILE"),
    ];
    for (option, name) in options {
        if values.is_given(option) {
            conf.from(option).fixed(&format!("Define MOD_WSGI_{name}"));
        }
    }
    match plan.mode {
        RunMode::Embedded => conf.from("embedded-mode").fixed("Define EMBEDDED_MODE"),
        RunMode::Static => conf.from("application-type").fixed("Define MOD_WSGI_STATIC_ONLY"),
        RunMode::Daemon | RunMode::Debug => conf,
    }
    .always();
}

/// Modules of httpd, with the option that needs them.
fn wanted_modules(plan: &ServerPlan) -> Vec<(&'static str, &'static str)> {
    let always = [
        "access_compat",
        "unixd",
        "authn_core",
        "authz_core",
        "authz_host",
        "mime",
        "rewrite",
        "alias",
        "dir",
        "env",
        "headers",
        "filter",
        "reqtimeout",
    ];
    let mut wanted: Vec<_> = always.iter().map(|name| ("", *name)).collect();
    let mut when = |is_wanted: bool, option: &'static str, names: &[&'static str]| {
        wanted.extend(names.iter().filter(|_| is_wanted).map(|name| (option, *name)));
    };
    let given = |option: &str| plan.values.is_given(option);
    when(given("http2"), "http2", &["http2"]);
    when(given("directory-listing"), "directory-listing", &["autoindex"]);
    when(given("compress-responses"), "compress-responses", &["deflate"]);
    when(given("auth-user-script"), "auth-user-script", &["auth_basic", "auth_digest", "authz_user"]);
    for option in ["proxy-mount-point", "proxy-url-alias", "proxy-virtual-host"] {
        when(given(option), option, &["proxy", "proxy_http"]);
    }
    when(given("server-status"), "server-status", &["status"]);
    when(given("server-metrics"), "server-metrics", &["status"]);
    let cgi = if plan.httpd.has("cgid") { "cgid" } else { "cgi" };
    when(given("with-cgi"), "with-cgi", &[cgi]);
    when(given("access-log"), "access-log", &["log_config"]);
    when(plan.https.is_some(), "https-port", &["socache_shmcb", "ssl"]);
    let mut seen = std::collections::BTreeSet::new();
    wanted.retain(|(_, name)| seen.insert(*name));
    wanted
}

fn modules(conf: &mut Configuration, plan: &ServerPlan) -> Result<(), ExpressError> {
    let mpm = format!("mpm_{}", plan.mpm.name());
    let mut wanted = vec![("server-mpm", mpm.as_str())];
    wanted.extend(wanted_modules(plan));
    for (option, name) in wanted {
        let file = plan.httpd.module_file(name);
        if plan.httpd.is_built_in(name) || plan.httpd.is_built_in(plan.mpm.name()) && name == mpm {
            continue;
        }
        if !file.exists() {
            let needs = if option.is_empty() { String::new() } else { format!("--{option}: ") };
            let package = match name {
                "ssl" => crate::machine::package("apache2-bin", "mod_ssl"),
                "http2" => crate::machine::package("apache2-bin", "mod_http2"),
                _ => crate::machine::package("apache2-bin", "httpd"),
            };
            return Err(ExpressError::Machine(format!(
                "{needs}httpd has no module {name} in {} ({package})",
                plan.httpd.modules.display()
            )));
        }
        let path = crate::paths::text(&file);
        if option.is_empty() {
            conf.always()
        } else {
            conf.from(option)
        };
        conf.line("LoadModule", &[&format!("{name}_module"), &path]);
    }
    conf.always().line("LoadModule", &["wsgi_module", &crate::paths::text(&plan.module.file)]);
    Ok(())
}

fn server(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    let root = crate::paths::text(&plan.root);
    // httpd would take what follows the first colon of an IPv6 address for a port.
    let name = if plan.host.contains(':') { "localhost" } else { &plan.host };
    conf.from("host").line("ServerName", &[name]);
    conf.from("server-root").line("ServerRoot", &[&root]).line("DefaultRuntimeDir", &[&root]);
    conf.from("pid-file").line("PidFile", &[&plan.path_or("pid-file", "httpd.pid")]);
    conf.always().fixed("ServerTokens ProductOnly").fixed("ServerSignature Off");
    conf.from("user").fixed("User \"${MOD_WSGI_USER}\"").from("group").fixed("Group \"${MOD_WSGI_GROUP}\"");
    let port = values.text("port").unwrap_or_default();
    let address = match values.text("host") {
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        Some(host) => format!("{host}:{port}"),
        None => port.to_owned(),
    };
    conf.from("port host").line("Listen", &[&address]);
    if let Some(https) = &plan.https {
        let address = address.strip_suffix(port).unwrap_or_default();
        conf.from("https-port host").line("Listen", &[&format!("{address}{}", https.port), "https"]);
    }
    if values.flag("http2") {
        conf.from("http2").fixed("Protocols h2 h2c http/1.1");
    }
    conf.from("server-backlog").line("ListenBacklog", &[values.text("server-backlog").unwrap_or_default()]);
    conf.from("stop-timeout")
        .line("GracefulShutdownTimeout", &[values.text("stop-timeout").unwrap_or_default()]);
    conf.always().fixed("HostnameLookups Off").fixed("MaxMemFree 64").fixed("AccessFileName .htaccess");
    let known = [
        "/etc/mime.types",
        "/etc/httpd/mime.types",
        "/etc/httpd/conf/mime.types",
        "/etc/apache/mime.types",
        "/etc/apache2/mime.types",
        "/usr/local/etc/httpd/conf/mime.types",
        "/usr/local/lib/netscape/mime.types",
    ];
    let known = known.into_iter().find(|path| std::path::Path::new(path).exists()).unwrap_or("/dev/null");
    conf.from("mime-types")
        .line("TypesConfig", &[&plan.path("mime-types").unwrap_or_else(|| known.to_owned())]);
    conf.always().section("Directory", "/", |conf| {
        conf.fixed("AllowOverride None").fixed("Require all denied");
    });
}

fn requests(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    let text = |name: &str| values.text(name).unwrap_or_default().to_owned();
    conf.from("socket-timeout").line("Timeout", &[&text("socket-timeout")]);
    conf.from("header-timeout body-timeout").fixed(&format!("RequestReadTimeout{}", read_timeouts(plan)));
    conf.from("limit-request-body").line("LimitRequestBody", &[&text("limit-request-body")]);
    conf.from("keep-alive-timeout");
    if values.int("keep-alive-timeout") == 0 {
        conf.fixed("KeepAlive Off");
    } else {
        conf.fixed("KeepAlive On").line("KeepAliveTimeout", &[&text("keep-alive-timeout")]);
    }
    let most = match (plan.mpm, plan.mode) {
        (Mpm::Event, _) => "0",
        (_, RunMode::Embedded) => "100",
        _ => "500",
    };
    conf.always().line("MaxKeepAliveRequests", &[most]);
    if values.flag("enable-sendfile") {
        conf.from("enable-sendfile").fixed("EnableSendfile On");
    }
    for (status, page) in values.pairs("error-document") {
        conf.from("error-document").line("ErrorDocument", &[status, page]);
    }
    if values.flag("compress-responses") {
        conf.from("compress-responses").fixed(
            "AddOutputFilterByType DEFLATE text/plain text/html text/xml text/css text/javascript \
             application/xhtml+xml application/javascript application/json",
        );
    }
}

/// A limit of 0 leaves the part out: then httpd's own default holds.
fn read_timeouts(plan: &ServerPlan) -> String {
    let mut out = String::new();
    for part in ["header", "body"] {
        let int = |name: &str| plan.values.int(&format!("{part}-{name}"));
        let (start, most, rate) = (int("timeout"), int("max-timeout"), int("min-rate"));
        if start > 0 {
            let most = if most > start { format!("-{most}") } else { String::new() };
            let rate = if rate > 0 { format!(",MinRate={rate}") } else { String::new() };
            out.push_str(&format!(" {part}={start}{most}{rate}"));
        }
    }
    out
}

fn workers(conf: &mut Configuration, plan: &ServerPlan) {
    let sizing = plan.sizing;
    let mut number = |name: &str, value: i64| {
        conf.line(name, &[&value.to_string()]);
    };
    number("ServerLimit", sizing.servers);
    if plan.mpm == Mpm::Prefork {
        number("StartServers", sizing.start);
        number("MaxRequestWorkers", sizing.workers);
        number("MinSpareServers", sizing.minimum_spare);
        number("MaxSpareServers", sizing.maximum_spare);
    } else {
        number("ThreadLimit", sizing.threads);
        number("ThreadsPerChild", sizing.threads);
        number("StartServers", sizing.start);
        number("MaxRequestWorkers", sizing.workers);
        number("MinSpareThreads", sizing.minimum_spare);
        number("MaxSpareThreads", sizing.maximum_spare);
        number("ThreadStackSize", 262_144);
    }
    let recycle = if plan.mode == RunMode::Embedded { plan.values.int("maximum-requests") } else { 0 };
    number("MaxConnectionsPerChild", recycle);
}
