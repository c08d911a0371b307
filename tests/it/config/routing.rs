//! From URL to script, SCRIPT_NAME and PATH_INFO (spec/directives.md §5).

use super::{ENVIRON, key, paths, site};
use integration::{Httpd, HttpdBuilder, Mode};

/// In a daemon, with the environ application under several names.
fn mounted(lines: &str) -> HttpdBuilder {
    ["w/x.wsgi", "w/a.wsgi"].iter().fold(site(lines), |b, name| b.file(name, ENVIRON)).mode(Mode::Daemon)
}

#[test]
fn mounts_divide_the_url() {
    let server = mounted(
        "WSGIScriptAlias /app @ROOT@/app/app.wsgi\nWSGIScriptAlias /w/ @ROOT@/app/w/\n\
         WSGIScriptAliasMatch ^/m/([^/]+) @ROOT@/app/w/$1.wsgi\n\
         WSGIScriptAliasMatch ^/(admin|files) @ROOT@/app/app.wsgi/$1\nWSGIScriptAliasMatch foo @ROOT@/app/app.wsgi\n\
         WSGIScriptAlias /slash/ @ROOT@/app/app.wsgi\nWSGIScriptAlias / @ROOT@/app/app.wsgi",
    )
    .allow_log("Target WSGI script not found")
    .allow_log("maps wrong names")
    .start();
    for (url, expected) in [
        ("/", "|/"),
        ("/x/y", "|/x/y"),
        ("/app", "/app|"),
        ("/app/", "/app|/"),
        ("/app/x", "/app|/x"),
        ("/app/x%20y", "/app|/x y"),
        ("/app//x", "/app|/x"),
        ("/apple", "|/apple"),
        ("/App", "|/App"),
        ("/w/x.wsgi/y", "/w/x.wsgi|/y"),
        ("/w/a.wsgi", "/w/a.wsgi|"),
        ("/m/x/y", "/m/x|/y"),
        ("/admin/u", "|/admin/u"),
        ("/bar/foo/baz", "/bar/foo|/baz"),
        ("/slash", "|/slash"),
    ] {
        assert_eq!(paths(&server, url), expected, "{url}");
    }
    for url in ["/w/none.wsgi", "/m/none", "/slash/x"] {
        assert_eq!(server.get(url).status, 404, "{url}");
    }
}

#[test]
fn first_match_wins_and_virtual_hosts_come_first() {
    let server = mounted(
        "WSGIScriptAlias /a/b @ROOT@/app/w/x.wsgi\nWSGIScriptAlias /a @ROOT@/app/app.wsgi\n\
         WSGIScriptAlias /a/c @ROOT@/app/w/a.wsgi\nWSGIScriptAlias /both @ROOT@/app/app.wsgi\n\
         <VirtualHost 127.0.0.1:@PORT@>\nServerName one.example\nWSGIScriptAlias /both @ROOT@/app/w/x.wsgi\n</VirtualHost>\n\
         <VirtualHost 127.0.0.1:@PORT@>\nServerName two.example\n</VirtualHost>",
    )
    .allow_log("is never reached")
    .start();
    let script = |host: &str, url: &str| {
        let response = server.request("GET", url).header("Host", host).send();
        key(&response, "SCRIPT_FILENAME").rsplit('/').next().unwrap_or_default().to_owned()
    };
    for (host, url, file) in [
        ("two.example", "/a/b", "x.wsgi"),
        ("two.example", "/a/c", "app.wsgi"),
        ("two.example", "/both", "app.wsgi"),
        ("one.example", "/both", "x.wsgi"),
        ("one.example", "/a", "app.wsgi"),
    ] {
        assert_eq!(script(host, url), file, "{host}{url}");
    }
}

#[test]
fn directories_are_no_applications() {
    let server = mounted("WSGIScriptAlias /w @ROOT@/app/w")
        .expect_log("Attempt to invoke directory as WSGI application")
        .allow_log("Attempt to invoke directory")
        .allow_log("is a directory, and each file in it a script")
        .start();
    let redirect = server.get("/w");
    assert_eq!(redirect.status, 301, "mod_dir adds the slash");
    assert_eq!(server.get("/w/").status, 403);
}

#[test]
fn relative_target_is_404() {
    let server = site("WSGIScriptAlias /r app/app.wsgi")
        .allow_log("not absolute")
        .allow_log("AH00")
        .allow_log("Target WSGI script not found")
        .start();
    assert_eq!(server.get("/r").status, 404);
}

/// SetHandler, AddHandler, AddType, and a rewrite rule lead to the script; each needs ExecCGI.
#[test]
fn handler_names_lead_to_scripts() {
    let lines = "WSGIProcessGroup app\nWSGIApplicationGroup %{GLOBAL}\n\
        <Directory @ROOT@/htdocs>\nOptions +ExecCGI\nAddHandler wsgi-script .wsgi\n</Directory>\n\
        <Directory @ROOT@/htdocs/type>\nRemoveHandler .wsgi\nAddType application/x-httpd-wsgi .wsgi\n</Directory>\n\
        <Directory @ROOT@/htdocs/set>\nSetHandler wsgi-script\n</Directory>\n\
        <Directory @ROOT@/htdocs/off>\nOptions -ExecCGI\n</Directory>\n\
        RewriteEngine On\nRewriteRule ^/rewritten(.*)$ @ROOT@/htdocs/rule/a.txt$1 [H=wsgi-script]";
    let server = ["add/a.wsgi", "type/a.wsgi", "set/a.py", "off/a.wsgi", "rule/a.txt"]
        .iter()
        .fold(Httpd::builder().directives(lines), |b, name| b.document(name, ENVIRON))
        .directives("WSGIScriptAlias /aliased @ROOT@/htdocs/off/a.wsgi")
        .mode(Mode::Daemon)
        .expect_log("Options ExecCGI is off in this directory")
        .start();
    assert_eq!(paths(&server, "/add/a.wsgi/x"), "/add/a.wsgi|/x");
    assert_eq!(paths(&server, "/type/a.wsgi/x"), "/type/a.wsgi|/x");
    assert_eq!(paths(&server, "/set/a.py"), "/set/a.py|");
    assert_eq!(server.get("/rewritten/x").ok().status, 200);
    assert_eq!(server.get("/off/a.wsgi").status, 403);
    assert_eq!(paths(&server, "/aliased/x"), "/aliased|/x", "an alias needs no ExecCGI");
}

#[test]
fn accept_path_info_off_refuses_the_rest_of_the_path() {
    let server =
        mounted("WSGIScriptAlias /app @ROOT@/app/app.wsgi\n<Location /app>\nAcceptPathInfo Off\n</Location>")
            .expect_log("AcceptPathInfo off disallows user's path")
            .start();
    assert_eq!(server.get("/app").status, 200);
    assert_eq!(server.get("/app/x").status, 404);
}

/// A module instead of a file: imported by name, divided at the mount.
#[test]
fn module_targets_are_imported() {
    if integration::Subject::skips("it knows files only") {
        return;
    }
    let server = Httpd::builder()
        .file("lib/pkg/__init__.py", "")
        .file("lib/pkg/site.py", ENVIRON)
        .file("lib/pkg/other.py", format!("{ENVIRON}\nmain = application\ndel application\n"))
        .directives("WSGIScriptAlias /other module:pkg.other:main\nWSGIScriptAlias / module:pkg.site")
        .mode(Mode::Daemon)
        .daemon_options("threads=2 python-path=@ROOT@/app/lib")
        .start();
    assert_eq!(paths(&server, "/x/y"), "|/x/y");
    assert_eq!(paths(&server, "/other/y"), "/other|/y");
    let about = server.get("/other").json();
    assert_eq!(about["module"], "pkg.other");
}

/// A handler script serves resources that need not exist.
#[test]
fn handler_scripts_serve_resources() {
    let handler = format!("{ENVIRON}\nhandle_request = application\n");
    let server = Httpd::builder()
        .file("handler.py", &handler)
        .document("page.tmpl", "text")
        .directives(
            "WSGIHandlerScript template @ROOT@/app/handler.py\n<Location /t>\nSetHandler template\n</Location>\n\
             AddHandler template .tmpl",
        )
        .mode(Mode::Daemon)
        .start();
    let response = server.get("/page.tmpl");
    assert!(key(&response, "mod_wsgi.handler_script").ends_with("/app/handler.py"));
    assert!(key(&response, "SCRIPT_FILENAME").ends_with("/htdocs/page.tmpl"));
    assert_eq!(paths(&server, "/t/no/such"), "/t|/no/such");
}

#[test]
fn restricted_embedded_mode_is_500_and_says_so() {
    let server = site(
        "WSGIRestrictEmbedded On\nWSGIDaemonProcess one threads=1\nWSGIScriptAlias /in @ROOT@/app/app.wsgi\n\
         WSGIScriptAlias /out @ROOT@/app/app.wsgi process-group=one application-group=%{GLOBAL}",
    )
    .expect_log("Embedded mode of mod_wsgi disabled by runtime configuration")
    .start();
    assert_eq!(server.get("/in").status, 500);
    assert_eq!(paths(&server, "/out"), "/out|");
}

#[test]
fn missing_callable_is_404_embedded_and_500_in_a_daemon() {
    for (mode, status) in [(Mode::Embedded, 404), (Mode::Daemon, 500)] {
        let server = site("WSGIScriptAlias / @ROOT@/app/app.wsgi callable-object=missing")
            .mode(mode)
            .expect_log("does not contain WSGI application 'missing'")
            .start();
        assert_eq!(server.get("/").status, status, "{mode:?}");
    }
}
