//! Virtual hosts: for host names, for HTTPS, and the redirects between them.

use crate::configuration::Configuration;
use crate::paths;
use crate::plan::{HttpsSettings, ServerPlan, authority};
use crate::quoting;

pub(super) fn lines(conf: &mut Configuration, plan: &ServerPlan) {
    if plan.https.is_some() {
        let cache = format!("shmcb:{}(512000)", plan.file("tls_sessions"));
        conf.from("https-port").line("SSLSessionCache", &[&cache]);
    }
    let port = plan.values.int("port");
    match plan.values.text("server-name") {
        None => {
            conf.always().section("VirtualHost", &format!("_default_:{port}"), |conf| {
                if plan.values.flag("https-only") {
                    to_https(conf, plan, None);
                }
            });
            if let Some(https) = &plan.https {
                conf.from("https-port").section(
                    "VirtualHost",
                    &format!("_default_:{}", https.port),
                    |conf| secure(conf, plan),
                );
            }
        }
        Some(name) => {
            others(conf, plan, port, false);
            named(conf, plan, name);
            if let Some(https) = &plan.https {
                others(conf, plan, https.port, true);
                named_secure(conf, plan, name, https);
            }
        }
    }
    conf.always();
}

/// Requests for names that were not given.
fn others(conf: &mut Configuration, plan: &ServerPlan, port: i64, is_secure: bool) {
    conf.from("server-name").section("VirtualHost", &format!("_default_:{port}"), |conf| {
        conf.fixed("ServerName _wsgi_");
        if is_secure {
            certificate(conf, plan);
        }
        let rule = if plan.values.flag("allow-localhost") { "Require local" } else { "Require all denied" };
        conf.from("server-name allow-localhost").section("Location", "/", |conf| {
            conf.fixed(rule);
        });
    });
}

fn named(conf: &mut Configuration, plan: &ServerPlan, name: &str) {
    let port = plan.values.int("port");
    let address = format!("*:{port}");
    conf.from("server-name").section("VirtualHost", &address, |conf| {
        names(conf, plan, name);
        if plan.values.flag("https-only") {
            to_https(conf, plan, Some(name));
        }
    });
    if let Some(parent) = name.strip_prefix("www.") {
        let url = format!("http://{}/", authority(name, port, 80));
        conf.section("VirtualHost", &address, |conf| {
            conf.line("ServerName", &[parent]).line("Redirect", &["permanent", "/", &url]);
        });
    }
}

fn named_secure(conf: &mut Configuration, plan: &ServerPlan, name: &str, https: &HttpsSettings) {
    let address = format!("*:{}", https.port);
    conf.from("server-name https-port").section("VirtualHost", &address, |conf| {
        names(conf, plan, name);
        secure(conf, plan);
    });
    if let Some(parent) = name.strip_prefix("www.") {
        let url = format!("https://{}/", authority(name, https.port, 443));
        conf.section("VirtualHost", &address, |conf| {
            conf.line("ServerName", &[parent]);
            certificate(conf, plan);
            conf.from("server-name").line("Redirect", &["permanent", "/", &url]);
        });
    }
}

fn names(conf: &mut Configuration, plan: &ServerPlan, name: &str) {
    conf.line("ServerName", &[name]);
    for alias in plan.values.list("server-alias") {
        conf.from("server-alias").line("ServerAlias", &[alias]);
    }
    conf.from("server-name");
}

/// The challenges of ACME authorities are answered over HTTP: a certificate may be missing or expired.
fn to_https(conf: &mut Configuration, plan: &ServerPlan, name: Option<&str>) {
    let Some(https) = &plan.https else { return };
    let port = if https.port == 443 { String::new() } else { format!(":{}", https.port) };
    let host = name.map_or_else(|| "%{SERVER_NAME}".to_owned(), |name| name.replace(['\\', '$', '%'], ""));
    let target = format!("https://{host}{port}%{{REQUEST_URI}}");
    let origin = "https-only";
    conf.from(origin).fixed("UseCanonicalName Off").fixed("RewriteEngine On");
    conf.fixed("RewriteCond %{REQUEST_URI} !^/\\.well-known/acme-challenge/");
    conf.line("RewriteRule", &["^", &target]);
    // The flags are a word of their own: permanent, also for methods other than GET.
    conf.amend(" [R=308,L]");
    conf.from("server-name");
}

/// The certificate of a virtual host.
pub(super) fn certificate(conf: &mut Configuration, plan: &ServerPlan) {
    let Some(https) = &plan.https else { return };
    conf.from("https-port").fixed("SSLEngine On");
    conf.from("ssl-certificate-file").line("SSLCertificateFile", &[&https.certificate]);
    conf.from("ssl-certificate-key-file").line("SSLCertificateKeyFile", &[&https.key]);
    if let Some(chain) = plan.path("ssl-certificate-chain-file") {
        conf.from("ssl-certificate-chain-file").line("SSLCertificateChainFile", &[&chain]);
    }
}

fn secure(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    certificate(conf, plan);
    if let Some(authorities) = values.text("ssl-ca-certificate-file") {
        let paths_below = values.list("ssl-verify-client");
        conf.from("ssl-ca-certificate-file")
            .line("SSLCACertificateFile", &[&paths::absolute_text(authorities)]);
        conf.fixed("SSLVerifyClient none");
        let everywhere = if paths_below.is_empty() { vec!["/"] } else { paths_below };
        for path in everywhere {
            conf.from("ssl-verify-client").section("Location", &quoting::section(path), |conf| {
                conf.fixed("SSLVerifyClient require").fixed("SSLVerifyDepth 1");
            });
        }
    }
    if values.flag("ssl-environment") {
        conf.from("ssl-environment").fixed("SSLOptions +StdEnvVars");
    }
    if let Some(policy) = values.text("hsts-policy").filter(|_| values.flag("https-only")) {
        let policy = quoting::without_format(policy);
        conf.from("hsts-policy").line("Header always set Strict-Transport-Security", &[&policy]);
    }
    conf.from("https-port");
}
