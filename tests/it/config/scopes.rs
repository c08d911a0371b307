//! Which value is in force: merging, precedence, and what `%{…}` becomes (spec/directives.md §3, §4, §6).

use super::{groups, key, site};
use integration::{Httpd, Mode, Response, Subject};

fn from(server: &Httpd, host: &str, url: &str) -> Response {
    server.request("GET", url).header("Host", host).send()
}

const GROUPS: &str =
    "WSGIDaemonProcess one threads=2\nWSGIDaemonProcess two threads=2\nWSGIRestrictEmbedded On\n";

/// Alias over directory over virtual host over main server.
#[test]
fn precedence_of_group_settings() {
    let server = site(&format!(
        "{GROUPS}WSGIProcessGroup one\nWSGIApplicationGroup main\nWSGICallableObject application\n\
         WSGIScriptAlias /plain @ROOT@/app/app.wsgi\nWSGIScriptAlias /located @ROOT@/app/app.wsgi\n\
         WSGIScriptAlias /alias @ROOT@/app/app.wsgi process-group=two application-group=alias\n\
         WSGIScriptAlias /both @ROOT@/app/app.wsgi application-group=alias\n\
         <Location ~ ^/(located|alias|both)>\nWSGIApplicationGroup located\n</Location>\n\
         <VirtualHost 127.0.0.1:@PORT@>\nServerName main.example\n</VirtualHost>\n\
         <VirtualHost 127.0.0.1:@PORT@>\nServerName own.example\nWSGIProcessGroup two\nWSGIApplicationGroup own\n\
         </VirtualHost>"
    ))
    .start();
    for (host, url, expected) in [
        ("main.example", "/plain", "one|main"),
        ("main.example", "/located", "one|located"),
        ("main.example", "/alias", "two|alias"),
        ("main.example", "/both", "one|alias"),
        ("own.example", "/plain", "two|own"),
        // A section of the main server beats what the virtual host says at server level.
        ("own.example", "/located", "two|located"),
        ("own.example", "/alias", "two|alias"),
    ] {
        assert_eq!(groups(&from(&server, host, url)), expected, "{host}{url}");
    }
}

#[test]
fn more_specific_directories_win_field_by_field() {
    let server = site(
        "WSGIScriptAlias /a @ROOT@/app/app.wsgi\nWSGIScriptAlias /a-in @ROOT@/app/in/app.wsgi\n\
         <Directory @ROOT@/app>\nWSGIApplicationGroup outer\nWSGIPassAuthorization On\n</Directory>\n\
         <Directory @ROOT@/app/in>\nWSGIApplicationGroup inner\n</Directory>\n\
         <Files app.wsgi>\nWSGICallableObject other\n</Files>\n<If \"%{QUERY_STRING} == 'if'\">\nWSGIApplicationGroup if\n</If>",
    )
    .file("in/app.wsgi", format!("{}\nother = application\n", super::ENVIRON))
    .file("app.wsgi", format!("{}\nother = application\n", super::ENVIRON))
    .mode(Mode::Daemon)
    .start();
    let send = |url: &str| server.request("GET", url).header("Authorization", "Basic eDp5").send();
    for (url, group) in [("/a", "outer"), ("/a-in", "inner"), ("/a-in?if", "if")] {
        let response = send(url);
        assert_eq!(key(&response, "mod_wsgi.application_group"), group, "{url}");
        assert_eq!(key(&response, "mod_wsgi.callable_object"), "other", "{url}");
        assert_eq!(key(&response, "HTTP_AUTHORIZATION"), "Basic eDp5", "{url}");
    }
}

/// Options of an alias win over everything, also to switch off.
#[test]
fn pass_authorization_of_an_alias_wins() {
    let server = site(
        "WSGIPassAuthorization On\nWSGIScriptAlias /off @ROOT@/app/app.wsgi pass-authorization=Off\n\
         WSGIScriptAlias /on @ROOT@/app/app.wsgi\n<Location />\nWSGIPassAuthorization On\n</Location>",
    )
    .mode(Mode::Daemon)
    .start();
    let seen = |url| {
        let response = server.request("GET", url).header("Authorization", "Basic eDp5").send();
        key(&response, "HTTP_AUTHORIZATION")
    };
    assert_eq!((seen("/on").as_str(), seen("/off").as_str()), ("Basic eDp5", "(none)"));
}

/// Lists replace what they inherit; an empty list forbids everything.
#[test]
fn restrict_process_lists_what_may_be_chosen() {
    let server = site(&format!(
        "{GROUPS}WSGIApplicationGroup %{{GLOBAL}}\nWSGIRestrictProcess ONE\n\
         WSGIScriptAlias /one @ROOT@/app/app.wsgi process-group=one\n\
         WSGIScriptAlias /two @ROOT@/app/app.wsgi process-group=two\n\
         WSGIScriptAlias /replaced @ROOT@/app/app.wsgi process-group=two\n\
         WSGIScriptAlias /empty @ROOT@/app/app.wsgi process-group=one\n\
         <Location /replaced>\nWSGIRestrictProcess two\n</Location>\n<Location /empty>\nWSGIRestrictProcess\n</Location>"
    ))
    .expect_log("cannot be accessed by this WSGI application as not a member of allowed groups")
    .start();
    let status = |url| server.get(url).status;
    assert_eq!([status("/one"), status("/two"), status("/replaced"), status("/empty")], [200, 500, 200, 500]);
}

/// A group belongs to its virtual host, and to others of the same ServerName.
#[test]
fn groups_of_virtual_hosts_are_their_own() {
    let host = |name: &str, alias: &str, lines: &str| {
        format!(
            "<VirtualHost 127.0.0.1:@PORT@>\nServerName {name}\nServerAlias {alias}\n{lines}\n\
             WSGIScriptAlias / @ROOT@/app/app.wsgi process-group=own\n</VirtualHost>\n"
        )
    };
    let server = site(&format!(
        "WSGIRestrictEmbedded On\nWSGIApplicationGroup %{{GLOBAL}}\n{}{}{}\
         WSGIScriptAlias /nowhere @ROOT@/app/app.wsgi process-group=nowhere",
        host("a.example", "alias.a.example", "WSGIDaemonProcess own threads=2"),
        host("b.example", "alias.b.example", ""),
        // A second host of the same name, found by its alias only.
        host("a.example", "second.a.example", ""),
    ))
    .expect_log("Daemon process called 'own' cannot be accessed by this WSGI application")
    .allow_log("belongs to a virtual host with another ServerName")
    .allow_log("no WSGIDaemonProcess nowhere is defined")
    .start();
    let status = |name| from(&server, name, "/").status;
    assert_eq!([status("a.example"), status("second.a.example"), status("b.example")], [200, 200, 500]);
}

#[test]
fn unknown_group_is_500_and_says_so() {
    let server = site(
        "WSGIScriptAlias / @ROOT@/app/app.wsgi process-group=nowhere\nWSGIDaemonProcess other threads=1",
    )
    .expect_log("No WSGI daemon process called 'nowhere' has been configured")
    .allow_log("no WSGIDaemonProcess nowhere is defined")
    .allow_log("nothing names this group")
    .start();
    assert_eq!(server.get("/").status, 500);
}

/// Names of interpreters; ports that nobody configured are left out by ours only.
#[test]
fn tokens_become_names() {
    let server = site(&format!(
        "{GROUPS}WSGIProcessGroup one\n\
         <VirtualHost 127.0.0.1:@PORT@>\nServerName www.example.com\nServerAlias other.example\n\
         WSGIScriptAlias /default @ROOT@/app/app.wsgi\n\
         WSGIScriptAlias /server @ROOT@/app/app.wsgi application-group=%{{SERVER}}\n\
         WSGIScriptAlias /host @ROOT@/app/app.wsgi application-group=%{{HOST}}\n\
         WSGIScriptAlias /resource @ROOT@/app/app.wsgi application-group=%{{RESOURCE}}\n\
         WSGIScriptAlias /global @ROOT@/app/app.wsgi application-group=%{{GLOBAL}}\n\
         WSGIScriptAlias /literal @ROOT@/app/app.wsgi application-group=%{{server}}\n\
         WSGIScriptAlias /part @ROOT@/app/app.wsgi application-group=x-%{{SERVER}}\n\
         WSGIScriptAlias /env @ROOT@/app/app.wsgi application-group=%{{ENV:NAME}}\n\
         WSGIScriptAlias /unset @ROOT@/app/app.wsgi application-group=%{{ENV:UNSET}}\n\
         WSGIScriptAlias /again @ROOT@/app/app.wsgi application-group=%{{ENV:TOKEN}}\n\
         SetEnv NAME of-env\nSetEnv TOKEN %{{GLOBAL}}\n</VirtualHost>"
    ))
    .allow_log("nothing names this group")
    .start();
    let group = |url: &str| key(&from(&server, "www.example.com", url), "mod_wsgi.application_group");
    for (url, expected) in [
        ("/default", "www.example.com|/default"),
        ("/default/x", "www.example.com|/default"),
        ("/server", "www.example.com"),
        ("/host", "www.example.com"),
        ("/resource/x", "www.example.com|/resource"),
        ("/global", ""),
        ("/literal", "%{server}"),
        ("/part", "x-%{SERVER}"),
        ("/env", "of-env"),
        ("/unset", "%{ENV:UNSET}"),
        ("/again", ""),
    ] {
        assert_eq!(group(url), expected, "{url}");
    }
    let other = from(&server, "other.example", "/host");
    assert_eq!(key(&other, "mod_wsgi.application_group"), "other.example");
    let other = from(&server, "other.example", "/server");
    assert_eq!(key(&other, "mod_wsgi.application_group"), "www.example.com");
    let port = format!("www.example.com:{}", server.port());
    assert_eq!(
        key(&from(&server, &port, "/server"), "mod_wsgi.application_group"),
        port,
        "a port we listen on"
    );
    if Subject::is_ours() {
        let invented = key(&from(&server, "www.example.com:4711", "/server"), "mod_wsgi.application_group");
        assert_eq!(invented, "www.example.com", "a client cannot make interpreters");
    }
}

/// The process group and the callable of the environment of the request.
#[test]
fn process_group_and_callable_come_from_the_environment() {
    let server = site(&format!(
        "{GROUPS}WSGIApplicationGroup %{{GLOBAL}}\nWSGIProcessGroup %{{ENV:GROUP}}\nWSGICallableObject %{{ENV:CALLABLE}}\n\
         SetEnvIf Request_URI ^/one GROUP=one\nSetEnvIf Request_URI ^/two GROUP=two CALLABLE=other\n\
         WSGIScriptAlias / @ROOT@/app/app.wsgi"
    ))
    .file("app.wsgi", format!("{}\nother = application\n", super::ENVIRON))
    .start();
    assert_eq!(groups(&server.get("/one")), "one|");
    assert_eq!(key(&server.get("/one"), "mod_wsgi.callable_object"), "application");
    assert_eq!(groups(&server.get("/two")), "two|");
    assert_eq!(key(&server.get("/two"), "mod_wsgi.callable_object"), "other");
}

/// Trusted proxies: the environ changes, and only for the proxies named.
#[test]
fn trusted_proxies_rewrite_the_environ() {
    let server = site(
        "WSGIScriptAlias /trust @ROOT@/app/app.wsgi\nWSGIScriptAlias /distrust @ROOT@/app/app.wsgi\n\
         WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Script-Name\n\
         WSGITrustedProxies 10.0.0.1\n<Location /trust>\nWSGITrustedProxies 127.0.0.1 10.0.0.0/8\n</Location>",
    )
    .mode(Mode::Daemon)
    .start();
    let send = |url| {
        server
            .request("GET", url)
            .header("X-Forwarded-For", "6.6.6.6, 192.0.2.7, 10.1.1.1")
            .header("X-Forwarded-Host", "shop.example")
            .header("X-Forwarded-Proto", "https")
            .header("X-Real-IP", "6.6.6.6")
            .header("X-Script-Name", "/shop")
            .send()
    };
    let trusted = send("/trust");
    for (name, value) in [
        ("REMOTE_ADDR", "192.0.2.7"),
        ("HTTP_X_FORWARDED_FOR", "192.0.2.7, 10.1.1.1"),
        ("HTTP_HOST", "shop.example"),
        ("wsgi.url_scheme", "https"),
        ("SCRIPT_NAME", "/shop"),
        ("mod_wsgi.mount_point", "/shop"),
        ("HTTP_X_REAL_IP", "(none)"),
    ] {
        assert_eq!(key(&trusted, name), value, "{name}");
    }
    let distrusted = send("/distrust");
    for (name, value) in [
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_X_FORWARDED_FOR", "(none)"),
        ("HTTP_X_FORWARDED_HOST", "(none)"),
        ("wsgi.url_scheme", "http"),
        ("SCRIPT_NAME", "/distrust"),
    ] {
        assert_eq!(key(&distrusted, name), value, "{name}");
    }
}
