//! Configurations of deployment guides, told in our own words in `tests/data/guides`: each passes the config test
//! without a remark, and serves small stand-ins for the applications.

use super::{ENVIRON, groups, is_old, key, paths};
use integration::{Apache, Httpd, HttpdBuilder, test_user};

/// `LoadModule` lines for modules that the harness does not load.
pub(crate) fn modules(names: &[&str]) -> String {
    let folder = Apache::installed().modules.display().to_string();
    let line = |name: &&str| format!("LoadModule {name}_module {folder}/mod_{name}.so\n");
    names.iter().map(line).collect()
}

/// What guides with `AuthType Basic` need.
const AUTHENTICATION: [&str; 4] = ["authn_core", "auth_basic", "authn_file", "authz_user"];

/// The guide with these files below `app/site`, each the environ application unless text is given.
fn guide(text: &str, scripts: &[&str], documents: &[&str]) -> HttpdBuilder {
    let identity = test_user('a').map_or(String::new(), |user| format!("user={user} group={user}"));
    let text = text.replace("@SITE@", "@ROOT@/app/site").replace("@IDENTITY@", &identity);
    let builder = Httpd::builder().directives(&modules(&AUTHENTICATION)).directives(&text);
    let builder = scripts.iter().fold(builder, |b, name| b.file(&format!("site/{name}"), ENVIRON));
    documents.iter().fold(builder, |b, name| b.file(&format!("site/{name}"), *name))
}

/// Starts it, after the config test of the same text had nothing to remark.
fn served(builder: impl Fn() -> HttpdBuilder) -> Httpd {
    let verdict = builder().configtest();
    let remarks: Vec<&str> = verdict.text.lines().filter(|line| !line.contains(":notice]")).collect();
    assert!(verdict.is_ok && remarks == ["Syntax OK"], "{}", verdict.text);
    builder().start()
}

#[test]
fn django() {
    let text = include_str!("../../data/guides/django.conf");
    let files = ["static/robots.txt", "static/site.css", "media/photo.txt"];
    let server = served(|| guide(text, &["mysite/wsgi.py"], &files));
    let get = |url: &str| server.request("GET", url).header("Host", "django.example").send();
    assert_eq!(get("/robots.txt").ok().text(), "static/robots.txt");
    assert_eq!(get("/static/site.css").ok().text(), "static/site.css");
    assert_eq!(get("/media/photo.txt").ok().text(), "media/photo.txt");
    let page = get("/admin/");
    assert_eq!((key(&page, "SCRIPT_NAME").as_str(), key(&page, "PATH_INFO").as_str()), ("", "/admin/"));
    assert_eq!(groups(&page), "django.example|django.example|");
}

#[test]
fn django_embedded() {
    if is_old() {
        println!("skipped: a child of the 4.9 series with a sub-interpreter does not end");
        return;
    }
    let text = include_str!("../../data/guides/django-embedded.conf");
    let app = "import settings\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
               return [settings.NAME]\n";
    let server = served(|| {
        guide(text, &[], &[]).file("site/mysite/wsgi.py", app).file("site/settings.py", "NAME = b'mine'\n")
    });
    assert_eq!(server.get("/").ok().text(), "mine");
}

#[test]
fn flask() {
    let text = include_str!("../../data/guides/flask.conf");
    let script = "from hello import app as application\n";
    let server = served(|| {
        guide(text, &[], &[])
            .file("site/wsgi.py", script)
            .file("site/hello.py", format!("{ENVIRON}\napp = application\n"))
    });
    let request = server.request("GET", "/items/1").header("Host", "flask.example");
    let page = request.header("Authorization", "Bearer token").send();
    assert_eq!(groups(&page), "hello|");
    assert_eq!(key(&page, "HTTP_AUTHORIZATION"), "Bearer token");
    assert_eq!(key(&page, "PATH_INFO"), "/items/1");
}

#[test]
fn pyramid() {
    let text = include_str!("../../data/guides/pyramid.conf");
    let script = "from pasted import application\n";
    let server = served(|| {
        guide(text, &[], &[]).file("site/pyramid.wsgi", script).file("site/packages/pasted.py", ENVIRON)
    });
    assert_eq!(paths(&server, "/myapp/view"), "/myapp|/view");
    assert_eq!(groups(&server.get("/myapp")), "pyramid|");
    assert_eq!(server.get("/elsewhere").status, 404);
}

#[test]
fn trac() {
    let text = include_str!("../../data/guides/trac.conf");
    let scripts = ["cgi-bin/one.wsgi", "cgi-bin/two.wsgi"];
    let server = served(|| {
        guide(text, &scripts, &["htdocs/common/trac.css"])
            .file("site/trac.htpasswd", "admin:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    });
    assert_eq!(server.get("/projects/one/chrome/common/trac.css").ok().text(), "htdocs/common/trac.css");
    assert_eq!(paths(&server, "/projects/one/wiki"), "/projects/one|/wiki");
    assert_eq!(paths(&server, "/projects/two"), "/projects/two|");
    assert_eq!(groups(&server.get("/projects/two/timeline")), "trac|");
    assert_eq!(server.get("/projects/two/login").status, 401);
    let login =
        server.request("GET", "/projects/two/login").header("Authorization", "Basic YWRtaW46c2VjcmV0").send();
    assert_eq!(key(&login, "REMOTE_USER"), "admin");
    assert_eq!(key(&login, "HTTP_AUTHORIZATION"), "(none)");
}

#[test]
fn moin() {
    let text = include_str!("../../data/guides/moin.conf");
    let server = served(|| guide(text, &["server/moin.wsgi", "server/other.wsgi"], &["htdocs/common.css"]));
    assert_eq!(server.get("/moin_static1911/common.css").ok().text(), "htdocs/common.css");
    assert_eq!(paths(&server, "/mywiki/FrontPage"), "/mywiki|/FrontPage");
    assert_eq!(groups(&server.get("/mywiki/FrontPage")), "moin|");
    assert_eq!(groups(&server.get("/otherwiki")), format!("moin|localhost:{}|/otherwiki", server.port()));
    assert_eq!(key(&server.get("/mywiki"), "wsgi.multiprocess"), "True");
}
