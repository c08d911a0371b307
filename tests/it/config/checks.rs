//! What the config test finds out about the machine: as the identity that will run, each line with directive, place
//! and fix; what a start would go on over is a warning, unless the test is told to be strict.

use super::modules;
use super::{ConfigJudge, ENVIRON};
use integration::{Httpd, Subject, is_root, test_user};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).expect("own file");
}

/// The lines of a verdict that hold `text`.
fn lines<'v>(verdict: &'v str, text: &str) -> Vec<&'v str> {
    verdict.lines().filter(|line| line.contains(text)).collect()
}

/// The only line about `subject` is a warning with place and all of `texts`.
#[track_caller]
fn is_warning(verdict: &str, subject: &str, texts: &[&str]) {
    let found = lines(verdict, subject);
    assert_eq!(found.len(), 1, "{subject}: {verdict}");
    assert!(found[0].contains("[wsgi:warn]") && found[0].contains("more.conf:"), "{verdict}");
    for text in texts {
        assert!(found[0].contains(text), "no {text:?}: {verdict}");
    }
}

#[test]
fn a_usual_site_is_not_commented_on() {
    let said = ConfigJudge::new().accepted(
        "WSGIDaemonProcess site home=@ROOT@/app python-path=@ROOT@/app:@ROOT@/htdocs\n\
         WSGIScriptAlias /one @ROOT@/app/app.wsgi process-group=site application-group=%{GLOBAL}\n\
         WSGIScriptAlias /files/ @ROOT@/app/\nWSGIScriptAliasMatch ^/(x+) @ROOT@/app/$1.wsgi\n\
         WSGIHandlerScript py @ROOT@/app/app.wsgi\n\
         WSGIImportScript @ROOT@/app/app.wsgi process-group=site application-group=two\n\
         <Directory @ROOT@/htdocs>\nWSGIAccessScript @ROOT@/app/app.wsgi\n</Directory>",
    );
    // What does not act yet says so.
    let said: Vec<&str> = said.lines().filter(|line| !line.contains(":notice]")).collect();
    assert_eq!(said, ["Syntax OK"]);
}

#[test]
fn missing_files_are_warnings() {
    if Subject::skips("it does not look at files") {
        return;
    }
    let said = ConfigJudge::new().accepted(
        "WSGIDaemonProcess site home=@ROOT@/app/home python-path=@ROOT@/app:@ROOT@/app/lib\n\
         WSGIScriptAlias /one @ROOT@/app/no.wsgi process-group=site\n\
         WSGIScriptAlias /two /no/such/folder/two.wsgi\n\
         WSGIHandlerScript py @ROOT@/app/handler.py\nWSGIDispatchScript @ROOT@/app/dispatch.py\n\
         WSGIImportScript @ROOT@/app/import.py process-group=site application-group=%{GLOBAL}\n\
         WSGIPythonPath @ROOT@/app/global\n\
         <Directory @ROOT@/htdocs>\nWSGIAuthUserScript @ROOT@/app\n</Directory>\n\
         WSGIScriptAlias /three @ROOT@/app/no.wsgi process-group=site",
    );
    let create = "does not exist; create it or correct the path";
    is_warning(&said, "WSGIDaemonProcess site home=", &["/app/home'", create, "more.conf:1"]);
    is_warning(&said, "WSGIDaemonProcess site python-path=", &["/app/lib'", create, "more.conf:1"]);
    is_warning(&said, "WSGIScriptAlias /one", &["/app/no.wsgi'", create, "more.conf:2", "at 1 more places"]);
    is_warning(
        &said,
        "WSGIScriptAlias /two",
        &["/no/such/folder/two.wsgi'", "there is no '/no'", "more.conf:3"],
    );
    is_warning(&said, "WSGIHandlerScript:", &["/app/handler.py'", create, "more.conf:4"]);
    is_warning(&said, "WSGIDispatchScript:", &["/app/dispatch.py'", create, "more.conf:5"]);
    is_warning(&said, "WSGIImportScript:", &["/app/import.py'", create, "more.conf:6"]);
    is_warning(&said, "WSGIPythonPath:", &["/app/global'", create, "more.conf:7"]);
    is_warning(&said, "WSGIAuthUserScript: script", &["is a directory; name a file", "more.conf:9"]);
}

/// Root could read everything: what counts is who will.
#[test]
fn permissions_are_those_of_the_identity_that_runs() {
    if Subject::skips("it does not look at files") {
        return;
    }
    let (Some(a), Some(b)) = (test_user('a'), test_user('b')) else {
        println!("skipped: only root can look as others");
        return;
    };
    let judge = ConfigJudge::new();
    let root = judge.server.root();
    for name in ["private/app.wsgi", "open/secret.wsgi"] {
        judge.server.write(name, "application = None\n");
    }
    let (private, secret) = (root.join("app/private"), root.join("app/open/secret.wsgi"));
    mode(&private, 0o700);
    mode(&secret, 0o600);
    let said = judge.accepted(&format!(
        "WSGIDaemonProcess a user={a} group={a} home=@ROOT@/app/private\n\
         WSGIDaemonProcess b user={b} group={b} home=@ROOT@/app\n\
         WSGIScriptAlias /p @ROOT@/app/private/app.wsgi process-group=b\n\
         WSGIScriptAlias /s @ROOT@/app/open/secret.wsgi process-group=b\n\
         WSGIScriptAlias /e @ROOT@/app/open/secret.wsgi process-group=%{{GLOBAL}}"
    ));
    let search = format!("who may not search '{0}'; allow it (chmod o+x '{0}')", private.display());
    is_warning(&said, "WSGIDaemonProcess a home=", &[&a, "chmod o+x", "more.conf:1"]);
    let about: Vec<&str> = lines(&said, "WSGIScriptAlias /p");
    assert_eq!(about.len(), 2, "httpd has to find it, the group has to read it: {said}");
    assert!(about.iter().all(|line| line.contains(&search)), "{said}");
    assert!(about.iter().any(|line| line.contains("'www-data'")), "{said}");
    assert!(about.iter().any(|line| line.contains(&format!("'{b}'"))), "{said}");
    let read = format!("(chmod o+r '{}')", secret.display());
    is_warning(&said, "WSGIScriptAlias /s", &[&b, &read, "more.conf:4"]);
    is_warning(&said, "WSGIScriptAlias /e", &["www-data", &read, "more.conf:5"]);
    // Who owns it may: httpd's user still has to find it.
    fs::set_permissions(&private, Permissions::from_mode(0o711)).expect("own folder");
    let user = std::process::Command::new("/bin/chown").arg(&a).arg(&secret).status();
    assert!(user.expect("chown").success());
    let said = judge.accepted(&format!(
        "WSGIDaemonProcess a user={a} group={a} home=@ROOT@/app/private\n\
         WSGIScriptAlias /s @ROOT@/app/open/secret.wsgi process-group=a"
    ));
    assert!(lines(&said, "wsgi:warn").is_empty(), "{said}");
}

/// Where sections choose the group, a script that only its group reads is no reason to complain.
#[test]
fn what_only_a_request_tells_is_not_guessed() {
    if Subject::skips("it does not look at files") || !is_root() {
        return;
    }
    let judge = ConfigJudge::new();
    let path = judge.server.write("own.wsgi", "application = None\n");
    mode(&path, 0o600);
    let alias = "WSGIScriptAlias /own @ROOT@/app/own.wsgi\n";
    is_warning(&judge.accepted(alias), "WSGIScriptAlias /own", &["www-data"]);
    let section = "WSGIDaemonProcess other\n<Location /own>\nWSGIProcessGroup other\n</Location>";
    assert!(lines(&judge.accepted(&format!("{alias}{section}")), "wsgi:warn").is_empty());
    let named = "WSGIScriptAlias /own @ROOT@/app/own.wsgi process-group=%{ENV:GROUP}";
    assert!(lines(&judge.accepted(named), "wsgi:warn").is_empty());
}

#[test]
fn what_cannot_work_is_a_warning_and_an_error_if_strict() {
    if Subject::skips("it does not look at files") {
        return;
    }
    let judge = ConfigJudge::new();
    let folder = format!("@ROOT@/{}", "long-".repeat(20));
    for (lines, texts) in [
        (
            "WSGIDaemonProcess site python-home=/no/such/home".to_owned(),
            &["more.conf:1", "'site'", "/no/such/home", "give the directory of a virtual environment"][..],
        ),
        (
            "WSGIDaemonProcess site python-home=@ROOT@/app".to_owned(),
            &["no usable interpreter", "bin/python3", "give the directory of a virtual environment"],
        ),
        (
            format!("WSGISocketPrefix {folder}/wsgi\nWSGIDaemonProcess site"),
            &["more.conf:1", "WSGISocketPrefix", "107", "shorter"],
        ),
    ] {
        // One site's mistake must not keep certbot, logrotate and the others from reloading httpd.
        let said = judge.accepted(&lines);
        for text in texts {
            assert!(said.contains(text), "no {text:?}: {said}");
        }
        assert!(said.contains("[wsgi:warn]") && !said.contains("[wsgi:error]"), "{said}");
        let said = judge.refused(&format!("{lines}\nDefine WSGI_STRICT"));
        for text in texts {
            assert!(said.contains(text), "no {text:?}: {said}");
        }
        assert!(said.contains("[wsgi:error]"), "{said}");
    }
    if is_root() {
        let said = judge.accepted("WSGIDaemonProcess site env-file=@ROOT@/app/no.env");
        assert!(said.contains("no.env") && said.contains("more.conf:1"), "{said}");
    }
}

/// An interpreter behind a closed directory cannot be executed by the user of the group.
#[test]
fn interpreter_must_be_executable_by_the_user() {
    if Subject::skips("it does not look at files") {
        return;
    }
    let Some(user) = test_user('a') else {
        println!("skipped: only root can look as others");
        return;
    };
    let judge = ConfigJudge::new();
    judge.server.write("venv/bin/python3", "");
    let home = judge.server.root().join("app/venv");
    mode(&home.join("bin/python3"), 0o755);
    mode(&home, 0o700);
    let lines =
        format!("WSGIDaemonProcess site user={user} group={user} home=/ python-home={}", home.display());
    let said = judge.accepted(&lines);
    for text in
        [&user, "python3' cannot be executed", &home.display().to_string(), "chmod o+x", "more.conf:1"]
    {
        assert!(said.contains(text), "no {text:?}: {said}");
    }
}

#[test]
fn socket_directory_is_looked_at() {
    if Subject::skips("it does not look at files") {
        return;
    }
    let judge = ConfigJudge::new();
    let root = judge.server.root();
    let group = "WSGIDaemonProcess site\n";
    let said = judge.accepted(&format!("{group}WSGISocketPrefix @ROOT@/no/wsgi"));
    is_warning(&said, "WSGISocketPrefix", &["the directory of the sockets", "does not exist", "more.conf:2"]);
    let said = judge.accepted(&format!("{group}WSGISocketPrefix @ROOT@/app/more.conf/wsgi"));
    is_warning(&said, "WSGISocketPrefix", &["is no directory"]);
    judge.server.write("sockets/x", "");
    mode(&root.join("app/sockets"), 0o777);
    let said = judge.accepted(&format!("{group}WSGISocketPrefix @ROOT@/app/sockets/wsgi"));
    is_warning(&said, "WSGISocketPrefix", &["every user may write", "choose a directory of root's"]);
    if is_root() {
        mode(&root.join("app/sockets"), 0o700);
        let said = judge.accepted(&format!("{group}WSGISocketPrefix @ROOT@/app/sockets/wsgi"));
        is_warning(&said, "WSGISocketPrefix", &["www-data", "cannot be entered", "chmod o+x"]);
    }
    // Without a group there is no socket.
    let said = judge.accepted("WSGISocketPrefix @ROOT@/no/wsgi");
    assert!(lines(&said, "wsgi:warn").is_empty(), "{said}");
}

/// Without `home=` processes of another user go to that user's home directory.
#[test]
fn home_of_the_user_must_exist() {
    if Subject::skips("it does not look at files") || !is_root() {
        return;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the user database");
    let homeless = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        fields.len() > 6 && fields[2] != "0" && fields[0] != "www-data" && !Path::new(fields[5]).exists()
    });
    let Some(fields) = homeless else {
        println!("skipped: every user has a home directory");
        return;
    };
    let judge = ConfigJudge::new();
    let line = format!("WSGIDaemonProcess site user={}", fields[0]);
    let said = judge.accepted(&line);
    is_warning(&said, "WSGIDaemonProcess site user=", &[fields[5], "set home=", "more.conf:1"]);
    let said = judge.accepted(&format!("{line} home=@ROOT@\nWSGIProcessGroup site"));
    assert!(lines(&said, "wsgi:warn").is_empty(), "{said}");
}

/// What looks wrong as a whole: hidden aliases, unknown groups, headers that anybody may send.
#[test]
fn configuration_as_a_whole_is_looked_at() {
    if Subject::skips("it does not") {
        return;
    }
    let said = ConfigJudge::new().accepted(
        "WSGIScriptAlias / @ROOT@/app/app.wsgi\nWSGIScriptAlias /x @ROOT@/app/app.wsgi process-group=nowhere\n\
         WSGITrustedProxyHeaders X-Forwarded-For\n<VirtualHost 127.0.0.1:1>\nServerName a.example\n\
         WSGIProcessGroup elsewhere\n</VirtualHost>",
    );
    for text in [
        "WSGIScriptAlias /x is never reached: WSGIScriptAlias / at ",
        "no WSGIDaemonProcess nowhere is defined, there is no group at all; define it or correct the name",
        "WSGIProcessGroup elsewhere: no WSGIDaemonProcess elsewhere is defined",
        "name the addresses of your proxies with WSGITrustedProxies",
    ] {
        assert_eq!(lines(&said, text).len(), 1, "{text}: {said}");
    }
}

/// A real start says the same and stops for nothing: files may come later.
#[test]
fn start_says_what_the_test_says_and_goes_on() {
    let server = Httpd::builder()
        .directives("WSGIDaemonProcess site home=@ROOT@\nWSGIScriptAlias /x /no/x.wsgi process-group=site")
        .document("index.html", "here")
        .expect_log("Target WSGI script not found or unable to stat")
        .allow_log("script '/no/x.wsgi' does not exist")
        .start();
    assert_eq!(server.get("/index.html").ok().text(), "here");
    assert_eq!(server.get("/x").status, 404);
    if Subject::is_ours() {
        let text = "WSGIScriptAlias /x: script '/no/x.wsgi' does not exist, there is no '/no'";
        assert_eq!(lines(&server.error_log(), text).len(), 1, "once, although httpd reads its files twice");
    }
}

/// What pages on the web get wrong or leave out, and what is said of it.
const USUAL_MISTAKES: &str = "WSGIDaemonProcess html
WSGIDaemonProcess used env=KEY=${MW_UNSET}
WSGIDaemonProcess threads=5
WSGIScriptAlias / @ROOT@/app/app.wsgi
WSGIReloadMechanism Process
<VirtualHost 127.0.0.1:1>
ServerName a.example
<Location /x>
WSGIProcessGroup nowhere
</Location>
</VirtualHost>
<Location /used>
WSGIProcessGroup used
WSGIAuthGroupScript @ROOT@/app/app.wsgi
AuthBasicProvider wsgi
</Location>";

const SAID: [&str; 7] = [
    "WSGIDaemonProcess html: nothing names this group: write WSGIProcessGroup html, or process-group=html at WSGIScriptAlias /",
    "env=KEY: ${MW_UNSET} is set nowhere",
    "write WSGIDaemonProcess NAME threads=5",
    "WSGIProcessGroup nowhere (in the section /x): no WSGIDaemonProcess nowhere is defined, there is html, used, threads=5",
    "WSGIAuthGroupScript: nothing asks this script: write Require wsgi-group",
    "the provider wsgi has no script to ask",
    "WSGIReloadMechanism is no longer supported",
];

#[test]
fn usual_mistakes_are_told_at_the_test_and_at_each_start() {
    if Subject::skips("it says nothing of them") {
        return;
    }
    let site = || {
        Httpd::builder()
            .directives(&modules(&["authn_core", "auth_basic"]))
            .file("app.wsgi", ENVIRON)
            .directives(USUAL_MISTAKES)
            .allow_log("[wsgi:warn]")
            .allow_log("MW_UNSET")
    };
    let verdict = site().configtest();
    assert!(verdict.is_ok, "{}", verdict.text);
    for text in SAID {
        let found = lines(&verdict.text, text);
        assert!(found.len() == 1 && found[0].contains("[wsgi:warn]"), "{text}: {}", verdict.text);
        assert!(found[0].contains("httpd.conf:"), "{}", found[0]);
    }
    let server = site().start();
    let count = |text: &str| server.error_log().matches(text).count();
    SAID.iter().for_each(|text| assert_eq!(count(text), 1, "{text}"));
    server.graceful();
    SAID.iter().for_each(|text| assert_eq!(count(text), 2, "{text}"));
}
