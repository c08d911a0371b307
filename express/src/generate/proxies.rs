//! URLs and host names that other servers answer.

use crate::configuration::Configuration;
use crate::plan::ServerPlan;
use crate::quoting;

pub(super) fn mount_points(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    let is_used = ["proxy-mount-point", "proxy-url-alias", "proxy-virtual-host"]
        .iter()
        .any(|name| values.is_given(name));
    if let Some(seconds) = values.text("proxy-timeout").filter(|_| is_used) {
        conf.from("proxy-timeout").line("ProxyTimeout", &[seconds]);
    }
    for option in ["proxy-mount-point", "proxy-url-alias"] {
        for (url, target) in values.pairs(option) {
            mount_point(conf.from(option), url, target);
        }
    }
    conf.always();
}

fn mount_point(conf: &mut Configuration, url: &str, target: &str) {
    let bare = format!("/{}", url.trim_matches('/'));
    let bare = if bare == "/" { String::new() } else { bare };
    let slashed = format!("{bare}/");
    let target =
        if url.ends_with('/') || target.ends_with('/') { target.to_owned() } else { format!("{target}/") };
    if !bare.is_empty() {
        // A path without a host: the client stays with the scheme it came by.
        let pattern = format!("^{}$", quoting::regex(&bare));
        conf.line("RedirectMatch", &["302", &pattern, &slashed]);
    }
    pass(conf, &slashed, &target);
    conf.section("Location", &quoting::section(&slashed), |conf| {
        if !bare.is_empty() {
            conf.line("RequestHeader set X-Forwarded-Prefix", &[&quoting::without_format(&bare)]);
        }
        forwarded(conf);
    });
}

fn pass(conf: &mut Configuration, url: &str, target: &str) {
    conf.line("ProxyPass", &[url, target, "upgrade=websocket"]);
    conf.line("ProxyPassReverse", &[url, target]);
}

fn forwarded(conf: &mut Configuration) {
    conf.fixed("RequestHeader set X-Forwarded-Port \"expr=%{SERVER_PORT}\"");
    conf.fixed("RequestHeader set X-Forwarded-Scheme https \"expr=%{HTTPS} == 'on'\"");
}

pub(super) fn virtual_hosts(conf: &mut Configuration, plan: &ServerPlan) {
    for (name, target) in plan.values.pairs("proxy-virtual-host") {
        let target = if target.ends_with('/') { target.to_owned() } else { format!("{target}/") };
        let mut host = |address: String, https: bool| {
            conf.from("proxy-virtual-host").section("VirtualHost", &address, |conf| {
                conf.line("ServerName", &[name]);
                if https {
                    super::hosts::certificate(conf, plan);
                    conf.from("proxy-virtual-host");
                }
                pass(conf, "/", &target);
                forwarded(conf);
            });
        };
        host(format!("*:{}", plan.values.int("port")), false);
        if let Some(https) = &plan.https {
            host(format!("*:{}", https.port), true);
        }
    }
    conf.always();
}
