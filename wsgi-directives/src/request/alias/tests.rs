//! The examples and matching rules of spec/directives.md §5.2.

use super::*;
use crate::fake::FakeConfiguration;
use proptest::prelude::*;

/// The file a URI is mapped to by aliases in this order.
fn file(lines: &[&str], uri: &str) -> Option<String> {
    let conf = FakeConfiguration::of(lines);
    let found = find_alias(&conf.server.aliases, uri.as_bytes())?;
    match found.target(uri.as_bytes()) {
        MappedUri::File(name) => Some(String::from_utf8(name).unwrap()),
        MappedUri::Module { .. } => panic!("a module"),
    }
}

#[test]
fn examples_of_the_spec() {
    let map = |line: &str, uri: &str| file(&[line], uri);
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(map("WSGIScriptAlias / /srv/a.wsgi", "/"), is("/srv/a.wsgi/"));
    assert_eq!(map("WSGIScriptAlias / /srv/a.wsgi", "/x/y"), is("/srv/a.wsgi/x/y"));
    assert_eq!(map("WSGIScriptAlias /app /srv/a.wsgi", "/app"), is("/srv/a.wsgi"));
    assert_eq!(map("WSGIScriptAlias /app /srv/a.wsgi", "/app/x"), is("/srv/a.wsgi/x"));
    assert_eq!(map("WSGIScriptAlias /app /srv/a.wsgi", "/apple"), None);
    assert_eq!(map("WSGIScriptAlias /app /srv/a.wsgi", "/App"), None);
    assert_eq!(map("WSGIScriptAlias /w/ /srv/d/", "/w/x.wsgi/y"), is("/srv/d/x.wsgi/y"));
    assert_eq!(map("WSGIScriptAlias /w/ /srv/d/", "/w"), None);
    assert_eq!(map("WSGIScriptAlias /w/ /srv/a.wsgi", "/w/x"), is("/srv/a.wsgix"));
    let regex = r"WSGIScriptAliasMatch ^/w/([^/]+) /srv/d/$1.wsgi";
    assert_eq!(map(regex, "/w/x/y"), is("/srv/d/x.wsgi/y"));
    assert_eq!(
        map(r"WSGIScriptAliasMatch ^/(admin|files) /srv/h.py/$1", "/admin/u"),
        is("/srv/h.py/admin/u")
    );
}

#[test]
fn slash_runs_match_slash_runs() {
    assert_eq!(match_prefix(b"/a//b", b"/a/b"), Some(4));
    assert_eq!(match_prefix(b"/a/b", b"//a///b/c"), Some(7));
    assert_eq!(match_prefix(b"/a/", b"/a"), None);
    assert_eq!(match_prefix(b"/a/", b"/a//x"), Some(4));
    assert_eq!(match_prefix(b"a", b"/a"), None);
}

#[test]
fn first_match_wins() {
    let lines = ["WSGIScriptAlias /a /one", "WSGIScriptAlias /a/b /two"];
    assert_eq!(file(&lines, "/a/b"), Some("/one/b".into()));
    let lines = ["WSGIScriptAliasMatch .* /one", "WSGIScriptAlias / /two"];
    // A match that ends at offset 0 is none.
    assert_eq!(
        file(&["WSGIScriptAliasMatch x* /one", "WSGIScriptAlias / /two"], "/y"),
        Some("/two/y".into())
    );
    assert_eq!(file(&lines, "/y"), Some("/one".into()));
    assert_eq!(file(&lines, "y"), None);
    assert_eq!(file(&lines, ""), None);
}

#[test]
fn the_end_of_an_unanchored_match_counts() {
    let conf = FakeConfiguration::of(&["WSGIScriptAliasMatch foo /t"]);
    let uri = b"/bar/foo/baz";
    let found = find_alias(&conf.server.aliases, uri).unwrap();
    assert_eq!(found.consumed, 8);
    assert_eq!(found.target(uri), MappedUri::File(b"/t/baz".to_vec()));
    // A regex whose match is exactly "/" mounts at the root.
    assert_eq!(file(&["WSGIScriptAliasMatch ^/ /t"], "/x"), Some("/t/x".into()));
}

#[test]
fn only_what_is_surely_path_info_is_split_off() {
    let split = |line: &str, uri: &str| {
        let conf = FakeConfiguration::of(&[line]);
        let found = find_alias(&conf.server.aliases, uri.as_bytes()).unwrap();
        let MappedUri::File(name) = found.target(uri.as_bytes()) else { panic!("a module") };
        let len = found.alias.plain_target(&name);
        assert!(
            len.is_none_or(|len| found.alias.is_at(len, &name) && !found.alias.is_at(len, b"/other/a.wsgi"))
        );
        len.map(|len| String::from_utf8(name[len..].to_vec()).unwrap())
    };
    assert_eq!(split("WSGIScriptAlias / /srv/a.wsgi", "/x/y").as_deref(), Some("/x/y"));
    assert_eq!(split("WSGIScriptAlias /m /srv/a.wsgi", "/m").as_deref(), Some(""));
    assert_eq!(split("WSGIScriptAlias /m /srv/a.wsgi", "/m/x").as_deref(), Some("/x"));
    for (line, uri) in [
        ("WSGIScriptAlias / /srv/a.wsgi", "/x//y"),
        ("WSGIScriptAlias / /srv/a.wsgi", "/x/./y"),
        ("WSGIScriptAlias / /srv/../a.wsgi", "/x"),
        ("WSGIScriptAlias / a.wsgi", "/x"),
        ("WSGIScriptAlias /m/ /srv/", "/m/x"),
        ("WSGIScriptAlias /m/ /srv/a.wsgi", "/m/x"),
        ("WSGIScriptAliasMatch ^/m /srv/a.wsgi", "/m/x"),
    ] {
        assert_eq!(split(line, uri), None, "{line} {uri}");
    }
}

#[test]
fn substitution() {
    let sub = |target: &str| file(&[&format!("WSGIScriptAliasMatch ^/(a)(b)? '{target}'")], "/a").unwrap();
    assert_eq!(sub("/$0/$1/$2/$9"), "//a/a//");
    assert_eq!(sub(r"/\$1/$x/$"), "/$1/$x/$");
}

#[test]
fn modules_split_at_the_mount() {
    let split = |line: &str, uri: &str| {
        let conf = FakeConfiguration::of(&[line]);
        let found = find_alias(&conf.server.aliases, uri.as_bytes()).unwrap();
        match found.target(uri.as_bytes()) {
            MappedUri::Module { module, callable, script_end } => {
                (module.to_owned(), callable.map(str::to_owned), uri[script_end..].to_owned())
            }
            MappedUri::File(_) => panic!("a file"),
        }
    };
    let result = |callable: Option<&str>, rest: &str| {
        ("pkg.wsgi".to_owned(), callable.map(str::to_owned), rest.to_owned())
    };
    assert_eq!(split("WSGIScriptAlias / module:pkg.wsgi", "/x/y"), result(None, "/x/y"));
    assert_eq!(split("WSGIScriptAlias /a module:pkg.wsgi:app", "/a/y"), result(Some("app"), "/y"));
    assert_eq!(split("WSGIScriptAlias /a/ module:pkg.wsgi:app", "/a/y"), result(Some("app"), "/y"));
    assert_eq!(split("WSGIScriptAlias /a module:pkg.wsgi", "/a"), result(None, ""));
}

proptest! {
    #[test]
    fn a_prefix_ends_at_a_component(prefix in "(/[ab]{0,2}){1,3}", uri in "[/ab]{0,8}") {
        if let Some(end) = match_prefix(prefix.as_bytes(), uri.as_bytes()) {
            let rest = &uri[end..];
            prop_assert!(rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'));
            let squeeze = |text: &str| crate::collapse_slashes(text.as_bytes()).into_owned();
            prop_assert_eq!(squeeze(&prefix), squeeze(&uri[..end]));
        }
    }

    #[test]
    fn path_info_is_found_again(script in "(/[ab]{1,2}){0,3}", info in "(/[ab]{1,2}){1,3}") {
        let uri = format!("{script}{info}");
        prop_assert_eq!(crate::find_path_info(uri.as_bytes(), info.as_bytes()), script.len());
    }
}
