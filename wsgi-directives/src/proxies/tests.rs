//! The trusted-proxy algorithm of spec/directives.md §11 and the scheme of spec/behaviour.md §1.12.

use super::*;
use crate::fake::FakeConfiguration;
use crate::request::effective;
use std::collections::BTreeMap;

#[derive(Default)]
struct TestEnvironment(BTreeMap<String, Vec<u8>>);

impl EnvTable for TestEnvironment {
    fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }
    fn set(&mut self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), value.to_vec());
    }
    fn unset(&mut self, key: &str) {
        self.0.remove(key);
    }
}

/// Runs a request through two directives; the environ is given and returned as `KEY=value` words, where `^`
/// stands for a blank. REMOTE_ADDR is 10.0.0.1 unless given.
fn run(headers: &str, proxies: Option<&str>, env: &str) -> String {
    let mut conf = FakeConfiguration::of(&[&format!("WSGITrustedProxyHeaders {headers}")]);
    if let Some(proxies) = proxies {
        conf.main(&format!("WSGITrustedProxies {proxies}")).unwrap();
    }
    let mut table = TestEnvironment::default();
    table.set("REMOTE_ADDR", b"10.0.0.1");
    for pair in env.split(' ').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap();
        table.set(key, value.replace('^', " ").as_bytes());
    }
    effective(&conf.server, &conf.dir, None).trusted_proxies.apply(&mut table);
    let text = |value: &[u8]| String::from_utf8_lossy(value).replace(' ', "^");
    table.0.iter().map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(" ")
}

const ANY: Option<&str> = None;
const TEN: Option<&str> = Some("10.0.0.0/8");

#[test]
fn without_headers_nothing_happens() {
    let env = "HTTP_X_REAL_IP=1.1.1.1 REMOTE_ADDR=2.2.2.2";
    assert_eq!(run("", TEN, env), env);
}

#[test]
fn forwarded_for_with_trusted_proxies() {
    let run = |value: &str| run("X-Forwarded-For", TEN, &format!("HTTP_X_FORWARDED_FOR={value}"));
    let result = |client: &str, list: &str| format!("HTTP_X_FORWARDED_FOR={list} REMOTE_ADDR={client}");
    assert_eq!(run("1.1.1.1"), result("1.1.1.1", "1.1.1.1"));
    assert_eq!(run("9.9.9.9,^1.1.1.1"), result("1.1.1.1", "1.1.1.1"));
    assert_eq!(run("9.9.9.9,1.1.1.1,,^10.0.0.2"), result("1.1.1.1", "1.1.1.1,^10.0.0.2"));
    assert_eq!(run("8.8.8.8,1.1.1.1,10.0.0.3,10.0.0.2"), result("1.1.1.1", "1.1.1.1,^10.0.0.3,^10.0.0.2"));
    assert_eq!(run("10.0.0.3,10.0.0.2"), result("10.0.0.3", "10.0.0.3,^10.0.0.2"));
    assert_eq!(run("1.1.1.1,host.name,::ffff:10.0.0.2"), result("host.name", "host.name,^::ffff:10.0.0.2"));
    assert_eq!(run("10.0.0.2:80"), result("10.0.0.2:80", "10.0.0.2:80"));
    assert_eq!(run(",^,"), result("10.0.0.1", ",^,"));
}

#[test]
fn forwarded_for_from_anyone() {
    let run = |value: &str| run("X-Forwarded-For", ANY, &format!("HTTP_X_FORWARDED_FOR={value}"));
    assert_eq!(run(",^9.9.9.9,1.1.1.1"), "HTTP_X_FORWARDED_FOR=,^9.9.9.9,1.1.1.1 REMOTE_ADDR=9.9.9.9");
    assert_eq!(run(","), "HTTP_X_FORWARDED_FOR=, REMOTE_ADDR=10.0.0.1");
}

#[test]
fn an_untrusted_peer_loses_the_headers_of_listed_categories() {
    let env = "HTTP_HOST=h HTTP_X_FORWARDED_FOR=1.1.1.1 HTTP_X_HOST=x HTTP_X_REAL_IP=2 REMOTE_ADDR=9.9.9.9";
    assert_eq!(run("X-Forwarded-For", TEN, env), "HTTP_HOST=h HTTP_X_HOST=x REMOTE_ADDR=9.9.9.9");
    assert_eq!(
        run("X-Host", Some(""), env),
        "HTTP_HOST=h HTTP_X_FORWARDED_FOR=1.1.1.1 HTTP_X_REAL_IP=2 REMOTE_ADDR=9.9.9.9"
    );
}

#[test]
fn the_last_listed_header_of_a_category_wins() {
    let env = "HTTP_X_CLIENT_IP=1.1.1.1 HTTP_X_FORWARDED_FOR=3.3.3.3 HTTP_X_REAL_IP=2.2.2.2";
    assert_eq!(run("X-Real-IP X-Client-IP", TEN, env), "HTTP_X_CLIENT_IP=1.1.1.1 REMOTE_ADDR=1.1.1.1");
    assert_eq!(run("X-Client-IP X-Real-IP", TEN, env), "HTTP_X_REAL_IP=2.2.2.2 REMOTE_ADDR=2.2.2.2");
    // Listed but absent: the others of its category go all the same.
    assert_eq!(run("X-Forwarded-For", TEN, "HTTP_X_REAL_IP=2.2.2.2"), "REMOTE_ADDR=10.0.0.1");
}

#[test]
fn values_are_taken_verbatim() {
    assert_eq!(run("X-Real-IP", ANY, "HTTP_X_REAL_IP=junk:1"), "HTTP_X_REAL_IP=junk:1 REMOTE_ADDR=junk:1");
    assert_eq!(run("X-Real-IP", ANY, "HTTP_X_REAL_IP="), "HTTP_X_REAL_IP= REMOTE_ADDR=");
    let env = "HTTP_HOST=h HTTP_X_FORWARDED_HOST=f:1 HTTP_X_FORWARDED_PORT=2 HTTP_X_FORWARDED_SERVER=s";
    assert_eq!(
        run("X-Forwarded-Host X-Forwarded-Port X-Forwarded-Server", ANY, env),
        "HTTP_HOST=f:1 HTTP_X_FORWARDED_HOST=f:1 HTTP_X_FORWARDED_PORT=2 HTTP_X_FORWARDED_SERVER=s \
         REMOTE_ADDR=10.0.0.1 SERVER_NAME=s SERVER_PORT=2"
    );
    assert_eq!(
        run("X-Script-Name", ANY, "HTTP_X_SCRIPT_NAME=/m SCRIPT_NAME=/a"),
        "HTTP_X_SCRIPT_NAME=/m REMOTE_ADDR=10.0.0.1 SCRIPT_NAME=/m mod_wsgi.mount_point=/m"
    );
}

/// `wsgi.url_scheme` for headers of a trusted peer.
fn scheme(headers: &str, env: &[(&str, &str)], tls: bool) -> &'static str {
    let conf = FakeConfiguration::of(&[&format!("WSGITrustedProxyHeaders {headers}")]);
    let mut table = TestEnvironment::default();
    for (key, value) in env {
        table.set(key, value.as_bytes());
    }
    let applied = effective(&conf.server, &conf.dir, None).trusted_proxies.apply(&mut table);
    let scheme = url_scheme(&mut table, applied, || tls);
    assert!(table.get("HTTPS").is_none());
    scheme
}

#[test]
fn schemes() {
    assert_eq!(scheme("", &[], false), "http");
    assert_eq!(scheme("", &[], true), "https");
    assert_eq!(scheme("", &[("HTTPS", "On")], false), "https");
    assert_eq!(scheme("", &[("HTTPS", "yes")], false), "http");
    let proto = "X-Forwarded-Proto";
    assert_eq!(scheme(proto, &[("HTTP_X_FORWARDED_PROTO", "HTTPS")], false), "https");
    assert_eq!(scheme(proto, &[("HTTP_X_FORWARDED_PROTO", "http")], true), "http");
    assert_eq!(scheme(proto, &[("HTTP_X_FORWARDED_PROTO", "https,http")], true), "http");
    assert_eq!(scheme(proto, &[("HTTP_X_FORWARDED_PROTO", "on")], false), "http");
    assert_eq!(scheme(proto, &[], true), "https");
    for (value, expected) in
        [("On", "https"), ("TRUE", "https"), ("1", "https"), ("off", "http"), ("0", "http")]
    {
        assert_eq!(
            scheme("X-Forwarded-SSL", &[("HTTP_X_FORWARDED_SSL", value), ("HTTPS", "on")], true),
            expected
        );
    }
    // An unknown value counts as applied and leaves what was there.
    assert_eq!(scheme("X-HTTPS", &[("HTTP_X_HTTPS", "maybe"), ("HTTPS", "1")], false), "https");
    // A later header of the category that says nothing leaves the earlier one's effect.
    let both = [("HTTP_X_FORWARDED_PROTO", "https"), ("HTTP_X_SCHEME", "ftp")];
    assert_eq!(scheme("X-Forwarded-Proto X-Scheme", &both, false), "https");
}
