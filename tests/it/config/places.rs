//! Where each directive may stand (spec/directives.md §2.6): sections, virtual hosts, `.htaccess` under each override.

use super::{ConfigJudge, is_old, key, site};
use integration::{Httpd, Mode, Subject};
use wsgi_directives::{DIRECTIVES, Directive, DirectiveContexts};

fn since_6(row: &Directive) -> bool {
    row.since.starts_with('6') || row.since == "new"
}

/// Rows that every subject has.
fn rows() -> impl Iterator<Item = &'static Directive> {
    DIRECTIVES.iter().filter(|row| {
        let is_known = !row.is_removed() && row.since != "new" && !row.is_section();
        is_known && (!is_old() || !since_6(row))
    })
}

#[test]
fn misplaced_directives_are_refused_with_httpds_words() {
    let judge = ConfigJudge::new();
    let mut wrong = Vec::new();
    let mut expect = |row: &Directive, lines: String, text: &str| {
        let said = judge.verdict(&lines);
        if said.is_ok || !said.text.contains(text) {
            wrong.push(format!("{}: expected {text:?}: {}", row.name, said.text));
        }
    };
    for row in rows() {
        let (name, line) = (row.name, format!("{} {}", row.name, row.good));
        let within = |section: &str| {
            let tag = section.split(' ').next().expect("a word");
            format!("<{section}>\n{line}\n</{tag}>")
        };
        let host = "VirtualHost 127.0.0.1:1";
        if row.contexts.has(DirectiveContexts::G) {
            expect(row, within(host), &format!("{name} cannot occur within <VirtualHost> section"));
        }
        if !row.contexts.has(DirectiveContexts::D) {
            for section in ["Directory /srv", "Location /x", "Files x", "If true"] {
                expect(row, within(section), " not allowed ");
            }
        }
        if !row.contexts.has(DirectiveContexts::V) && !row.contexts.has(DirectiveContexts::G) {
            expect(row, line.clone(), &format!("{name} not allowed"));
            expect(row, within(host), &format!("{name} not allowed"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The status of a file beside a `.htaccess` with this row, under these overrides.
fn in_htaccess(server: &Httpd, folder: &str, row: &Directive) -> u16 {
    let path = server.root().join("htdocs").join(folder).join(".htaccess");
    std::fs::write(&path, format!("{} {}\n", row.name, row.good)).expect("own folder");
    server.get(&format!("/{folder}/file.txt")).status
}

#[test]
fn htaccess_takes_what_its_overrides_allow() {
    let folders: [(&str, &str); 4] = [
        ("fileinfo", "AllowOverride FileInfo"),
        ("authconfig", "AllowOverride AuthConfig"),
        ("other", "AllowOverride Indexes Limit Options"),
        ("none", "AllowOverride None"),
    ];
    let text: Vec<String> = folders
        .iter()
        .map(|(name, allow)| format!("<Directory @ROOT@/htdocs/{name}>\n{allow}\n</Directory>"))
        .collect();
    let builder = Httpd::builder().directives(&text.join("\n")).allow_log("not allowed here");
    let server =
        folders.iter().fold(builder, |b, (name, _)| b.document(&format!("{name}/file.txt"), "x")).start();
    for row in rows() {
        // A script that does not exist is asked only by what uses it; the access script is.
        if row.name == "WSGIAccessScript" {
            continue;
        }
        let status = |allowed| if allowed { 200 } else { 500 };
        let file_info = status(row.contexts.has(DirectiveContexts::H_FILEINFO));
        let auth = status(row.contexts.has(DirectiveContexts::H_AUTHCFG));
        assert_eq!(in_htaccess(&server, "fileinfo", row), file_info, "{} in FileInfo", row.name);
        assert_eq!(in_htaccess(&server, "authconfig", row), auth, "{} in AuthConfig", row.name);
        assert_eq!(in_htaccess(&server, "other", row), 500, "{} elsewhere", row.name);
        assert_eq!(in_htaccess(&server, "none", row), 200, "{}: the file is not read", row.name);
    }
}

/// Named in AllowOverrideList, what may stand in directories may stand in `.htaccess`; the rest may not.
#[test]
fn override_list_names_directives() {
    let names: Vec<&str> = rows().map(|row| row.name).collect();
    let server = Httpd::builder()
        .directives(&format!(
            "<Directory @ROOT@/htdocs/list>\nAllowOverride None\nAllowOverrideList {}\n</Directory>",
            names.join(" ")
        ))
        .document("list/file.txt", "x")
        .allow_log("not allowed here")
        .start();
    for row in rows().filter(|row| row.name != "WSGIAccessScript") {
        let expected = if row.contexts.has(DirectiveContexts::D) { 200 } else { 500 };
        assert_eq!(in_htaccess(&server, "list", row), expected, "{}", row.name);
    }
}

/// What `.htaccess` says is in force, beside the script and above it.
#[test]
fn htaccess_settings_act() {
    let server = site("WSGIScriptAlias /app @ROOT@/app/app.wsgi\n<Directory @ROOT@/app>\nAllowOverride FileInfo\n</Directory>")
        .mode(Mode::Daemon)
        .file("app.wsgi", format!("{}\nother = application\n", super::ENVIRON))
        .file(".htaccess", "WSGIPassAuthorization On\nWSGICallableObject other\nWSGIMapHEADToGET On\n")
        .start();
    let send = || server.request("GET", "/app").header("Authorization", "Basic Zm9vOmJhcg==").send();
    let response = send();
    assert_eq!(key(&response, "HTTP_AUTHORIZATION"), "Basic Zm9vOmJhcg==");
    assert_eq!(key(&response, "mod_wsgi.callable_object"), "other");
    server.write(".htaccess", "");
    let response = send();
    assert_eq!(key(&response, "HTTP_AUTHORIZATION"), "(none)");
    assert_eq!(key(&response, "mod_wsgi.callable_object"), "application");
}

/// A line that is wrong in `.htaccess` fails the request and says why.
#[test]
fn wrong_htaccess_is_500_and_logged() {
    let server = Httpd::builder()
        .directives("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .document("x/file.txt", "x")
        .document("x/.htaccess", "WSGIPassAuthorization perhaps\n")
        .expect_log("WSGIPassAuthorization must be one of: Off | On")
        .allow_log("WSGIPassAuthorization must be one of")
        .start();
    assert_eq!(server.get("/x/file.txt").status, 500);
}

/// A directive that is none of the block's stands in it as if it stood outside (spec/directives.md §13).
#[test]
fn foreign_directives_in_a_block_act_globally() {
    if Subject::is_too_old("blocks came with 6.0") {
        return;
    }
    let judge = ConfigJudge::new();
    judge.accepted(
        "<WSGIInterpreterOptions>\nWSGIDaemonProcess site\n</WSGIInterpreterOptions>\nWSGIProcessGroup site",
    );
    judge.accepted("<WSGIInterpreterOptions>\n<IfModule mod_wsgi.c>\nWSGIRestrictStdin On\n</IfModule>\n</WSGIInterpreterOptions>");
    let said = judge.refused("<WSGIInterpreterOptions>\nWSGIAccessScript /x\n</WSGIInterpreterOptions>");
    assert!(said.contains("WSGIAccessScript not allowed"), "{said}");
}
