//! Beside other modules: what a mount at `/` leaves to Alias, ProxyPass, `<Location>` handlers and ACME challenges,
//! and the ways out where it does not (docs/coexistence.md).

use super::guides::modules;
use super::{ENVIRON, key, paths};
use integration::{Httpd, HttpdBuilder, Mode};

fn root_mount(modules_to_load: &[&str], lines: &str) -> HttpdBuilder {
    Httpd::builder()
        .directives(&modules(modules_to_load))
        .directives(lines)
        .file("app.wsgi", ENVIRON)
        .mode(Mode::Daemon)
}

const MOUNT: &str = "WSGIScriptAlias / @ROOT@/app/app.wsgi\n";

#[test]
fn alias_beats_a_mount_at_the_root_in_any_order() {
    let server = root_mount(
        &[],
        &format!(
            "{MOUNT}Alias /static @ROOT@/htdocs/files\nAliasMatch ^/m/(.*)$ @ROOT@/htdocs/files/$1\n\
             Redirect /old /new\n<Location /located>\nAlias @ROOT@/htdocs/files/a.txt\n</Location>"
        ),
    )
    .document("files/a.txt", "a file")
    .start();
    for url in ["/static/a.txt", "/m/a.txt", "/located"] {
        assert_eq!(server.get(url).ok().text(), "a file", "{url}");
    }
    assert_eq!(server.get("/old").status, 302);
    assert_eq!(paths(&server, "/files/a.txt"), "|/files/a.txt", "DocumentRoot is behind the mount");
}

/// An ACME client puts its answers below one directory; no DocumentRoot is needed.
#[test]
fn acme_challenges_are_served_beside_a_mount_at_the_root() {
    let server =
        root_mount(&[], &format!("{MOUNT}Alias /.well-known/acme-challenge/ @ROOT@/htdocs/challenges/"))
            .document("challenges/token", "token.thumbprint")
            .start();
    assert_eq!(server.get("/.well-known/acme-challenge/token").ok().text(), "token.thumbprint");
    assert_eq!(paths(&server, "/.well-known/other"), "|/.well-known/other");
}

#[test]
fn proxied_paths_beat_the_mount_and_can_be_given_back() {
    let server = root_mount(
        &["proxy", "proxy_http"],
        &format!(
            "{MOUNT}ProxyPass /back/mine !\nProxyPass /back http://127.0.0.1:@PORT@/target\n\
             <Location /backend>\nProxyPass http://127.0.0.1:@PORT@/located\n</Location>"
        ),
    )
    .start();
    assert_eq!(paths(&server, "/back/x"), "|/target/x");
    assert_eq!(paths(&server, "/backend"), "|/located");
    assert_eq!(paths(&server, "/back/mine/x"), "|/back/mine/x");
}

/// A handler that a section sets wins over the one that the mount chose.
#[test]
fn handlers_of_sections_beat_the_mount() {
    let server =
        root_mount(&[], &format!("{MOUNT}<Location /server-status>\nSetHandler server-status\n</Location>"))
            .start();
    assert!(server.get("/server-status?auto").ok().text().contains("Total Accesses"));
    assert_eq!(paths(&server, "/server-statuses"), "|/server-statuses");
}

/// mod_userdir translates after us: a mount at `/` hides it. Two ways out.
#[test]
fn user_directories_are_hidden_by_a_mount_at_the_root_unless_left_out() {
    let users = "UserDir @ROOT@/htdocs/homes\n";
    let get = |mount: &str| {
        let server = root_mount(&["userdir"], &format!("{users}{mount}"))
            .document("homes/joe/index.txt", "joe's page")
            .allow_log("matches URLs that")
            .start();
        (server.get("/~joe/index.txt"), server.get("/x/y"))
    };
    let (hidden, _) = get(MOUNT);
    assert_eq!(key(&hidden, "PATH_INFO"), "/~joe/index.txt");
    for way_out in [
        "WSGIScriptAliasMatch ^/(?!~) @ROOT@/app/app.wsgi/\n".to_owned(),
        format!("AliasMatch ^/~([^/]+)(.*)$ @ROOT@/htdocs/homes/$1$2\n{MOUNT}"),
    ] {
        let (page, other) = get(&way_out);
        assert_eq!(page.ok().text(), "joe's page", "{way_out}");
        assert_eq!(
            (key(&other, "SCRIPT_NAME").as_str(), key(&other, "PATH_INFO").as_str()),
            ("", "/x/y"),
            "{way_out}"
        );
    }
}

/// A file that exists under DocumentRoot first, the application for the rest.
#[test]
fn existing_files_first_by_rewriting() {
    let server = root_mount(
        &[],
        "WSGIScriptAlias /app.wsgi @ROOT@/app/app.wsgi\n<Directory @ROOT@/htdocs>\nRewriteEngine On\n\
         RewriteBase /\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ /app.wsgi/$1 [QSA,PT,L]\n</Directory>",
    )
    .document("a.txt", "a file")
    .start();
    assert_eq!(server.get("/a.txt").ok().text(), "a file");
    assert_eq!(paths(&server, "/x/y"), "/app.wsgi|/x/y");
}
