//! Daemon processes: who they are, what happens when they die, and who may not be reached (spec/daemon.md §1).

use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually, is_root, test_user};
use serde_json::Value;
use std::collections::BTreeSet;

const APP: &str = include_str!("../../apps/process.py");

fn server() -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).app(APP)
}

/// What is logged of a process that dies: the control says it at level info, ours in one line that names the signal.
fn allowing_death(builder: HttpdBuilder) -> HttpdBuilder {
    let texts = ["signal", "exit status", "WSGI0121", "WSGI0125", "WSGI0127", "WSGI0146", "WSGI0147"];
    texts.into_iter().fold(builder, HttpdBuilder::allow_log)
}

fn pid(server: &Httpd) -> i64 {
    server.get("/").json()["pid"].as_i64().expect("a number")
}

#[test]
fn killed_daemon_is_replaced_and_no_request_fails() {
    let server = allowing_death(server()).start();
    for _ in 0..3 {
        let before = pid(&server);
        integration::kill(before as i32);
        let after = pid(&server);
        assert_ne!(before, after);
    }
}

#[test]
fn daemon_killed_within_a_request_costs_that_request_only() {
    if Subject::is_too_old("it answers 500") {
        return;
    }
    let server = allowing_death(server()).start();
    let before = pid(&server);
    assert_eq!(server.get("/?kill=9").status, 502);
    assert_ne!(pid(&server), before);
}

#[test]
fn exit_within_a_request_costs_that_request_only() {
    if Subject::is_too_old("it answers 500") {
        return;
    }
    let server = allowing_death(server()).start();
    for status in [0, 1, 7] {
        assert_eq!(server.get(&format!("/?exit={status}")).status, 502);
        pid(&server);
    }
}

/// Status 15 of any child makes httpd's parent stop the whole server (spec/daemon.md §8.3, 33).
#[test]
fn exit_status_15_does_not_stop_httpd() {
    if Subject::skips("os._exit(15) stops httpd") {
        return;
    }
    let server = allowing_death(server()).start();
    for _ in 0..3 {
        assert_eq!(server.get("/?exit=15").status, 502);
        pid(&server);
    }
}

#[test]
fn daemons_run_as_httpds_user() {
    let server = server().start();
    let about = server.get("/").json();
    if is_root() {
        assert_eq!(
            (user_of(&about), about["gid"].as_u64()),
            (id_of("www-data", "-u"), Some(id_of("www-data", "-g")))
        );
    } else {
        assert_eq!(user_of(&about), u64::from(nix::unistd::getuid().as_raw()));
    }
}

#[test]
fn two_groups_two_users() {
    let (Some(a), Some(b)) = (test_user('a'), test_user('b')) else {
        println!("skipped: only root can become other users");
        return;
    };
    let server = Httpd::builder()
        .script("/a", "a.wsgi", APP)
        .script("/b", "b.wsgi", APP)
        .directives(&format!(
            "WSGIRestrictEmbedded On\nWSGIDaemonProcess a user={a} group={a} home=@ROOT@/app threads=2\n\
             WSGIDaemonProcess b user={b} group={b} home=@ROOT@/htdocs threads=2\n\
             <Location /a>\nWSGIProcessGroup a\n</Location>\n<Location /b>\nWSGIProcessGroup b\n</Location>"
        ))
        .start();
    let root = server.root().display().to_string();
    for (path, user, folder) in [("/a", &a, "app"), ("/b", &b, "htdocs")] {
        let about = server.get(path).json();
        assert_eq!(user_of(&about), id_of(user, "-u"));
        assert_eq!(about["gid"].as_u64(), Some(id_of(user, "-g")));
        assert_eq!(about["groups"], serde_json::json!([id_of(user, "-g")]));
        assert_eq!(about["group"], path[1..]);
        assert_eq!(about["cwd"], format!("{root}/{folder}"));
        assert_eq!(about["path"][0], format!("{root}/{folder}"), "home= is the first entry of sys.path");
    }
    assert_ne!(server.get("/a").json()["pid"], server.get("/b").json()["pid"]);
}

#[test]
fn python_path_is_searched_first() {
    let options = "threads=2 python-path=@ROOT@/app/one:@ROOT@/app/two";
    let server = server()
        .daemon_options(options)
        .file("one/.keep", "")
        .file("two/linked.pth", "../three\n")
        .file("three/.keep", "")
        .start();
    let about = server.get("/").json();
    let root = server.root().display().to_string();
    let path: Vec<&str> =
        about["path"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(path[..2], [format!("{root}/app/one"), format!("{root}/app/two")]);
    assert!(path.iter().any(|entry| entry.ends_with("app/three")), "site processes .pth files: {path:?}");
    assert!(!path.contains(&format!("{root}/app").as_str()), "the script's folder is not searched: {path:?}");
}

#[test]
fn display_name_is_shown() {
    let server = server().daemon_options("threads=2 display-name=%{GROUP}").start();
    let command = server.get("/").json()["command"].as_str().expect("text").to_owned();
    // The control has only the room of httpd's own argv[0]: at least its beginning shows.
    assert!(command.contains("(wsgi:app"), "{command}");
}

/// What the interpreter was started with is a program of ours, and no use to anybody.
#[test]
fn group_is_the_default_of_the_display_name() {
    if Subject::skips("the command is httpd's") {
        return;
    }
    let about = server().daemon_options("threads=2 python-path=''").start().get("/").json();
    assert!(about["command"].as_str().is_some_and(|command| command.starts_with("(wsgi:app)")), "{about}");
    if !about["orig_argv"].is_null() {
        assert_eq!(about["orig_argv"], serde_json::json!(["(wsgi:app)"]));
    }
}

/// Users of services often have a home directory that is nowhere.
#[test]
fn home_directory_that_is_not_there_is_told_at_once() {
    if Subject::skips("clients wait for 504") || !is_root() {
        return;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("the user database");
    let homeless = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        let is_other = fields.len() > 6 && fields[2] != "0" && fields[0] != "www-data";
        is_other && !std::path::Path::new(fields[5]).exists()
    });
    let Some(fields) = homeless else {
        println!("skipped: every user has a home directory");
        return;
    };
    let server = server()
        .daemon_options(&format!("threads=2 user={}", fields[0]))
        .allow_log("the home directory of the user")
        .expect_log("set home= to a directory that this user may enter")
        .expect_log("WSGI0117")
        .start();
    assert_eq!(server.get("/").status, 503);
}

#[test]
fn threads_serve_at_the_same_time() {
    // Each waits for the three others.
    let app = "import threading
barrier = threading.Barrier(4)
def application(environ, start_response):
    barrier.wait(20)
    start_response('200 OK', [('Content-Length', '3')])
    return [b'met']
";
    let server = Httpd::builder().mode(Mode::Daemon).app(app).daemon_options("threads=4").start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(server.get("/").ok().text(), "met"));
        }
    });
}

#[test]
fn processes_share_the_load() {
    let server = server().daemon_options("processes=3 threads=1").start();
    pid(&server);
    let pids = in_parallel(&server, 6, "/?sleep=0.7");
    assert_eq!(pids.len(), 3, "{pids:?}");
}

#[test]
fn more_requests_than_threads_wait_their_turn() {
    let server = server().daemon_options("threads=1").start();
    in_parallel(&server, 12, "/?sleep=0.1");
}

#[test]
fn unknown_group_is_500() {
    let server =
        Httpd::builder().app(APP).directives("WSGIProcessGroup nowhere").expect_log("nowhere").start();
    assert_eq!(server.get("/").status, 500);
}

#[test]
fn restricted_embedded_mode_is_500() {
    let server =
        Httpd::builder().app(APP).directives("WSGIRestrictEmbedded On").expect_log("app.wsgi").start();
    assert_eq!(server.get("/").status, 500);
}

#[test]
fn group_of_another_virtual_host_is_500() {
    let server = Httpd::builder()
        .file("app.wsgi", APP)
        .directives(
            "WSGIRestrictEmbedded On\nWSGIScriptAlias / @ROOT@/app/app.wsgi\nWSGIProcessGroup inner\n\
             <VirtualHost *:@PORT@>\nServerName owner.test\nWSGIDaemonProcess inner threads=2\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName other.test\n</VirtualHost>",
        )
        .expect_log("inner")
        .start();
    let get = |host: &str| server.request("GET", "/").header("Host", host).send();
    assert_eq!(get("owner.test").json()["group"], "inner");
    assert_eq!(get("other.test").status, 500);
}

#[test]
fn group_that_is_named_twice_is_a_configuration_error() {
    let verdict = Httpd::builder()
        .directives("WSGIDaemonProcess twice\nWSGIDaemonProcess twice threads=2")
        .configtest();
    assert!(!verdict.is_ok, "{}", verdict.text);
    assert!(verdict.text.contains("twice") || !Subject::is_ours(), "ours names the group: {}", verdict.text);
}

#[test]
fn application_groups_are_separate_and_global_is_the_main_interpreter() {
    if Subject::is_too_old("it hangs at the end of interpreters on Python 3.11") {
        return;
    }
    let app = "import threading\ncount = 0\ndef application(environ, start_response):\n    global count\n    \
               count += 1\n    start_response('200 OK', [])\n    \
               return [('%s %d' % (environ['mod_wsgi.application_group'], count)).encode()]\n";
    for mode in Mode::ALL {
        let server = Httpd::builder()
            .mode(mode)
            .file("app.wsgi", app)
            .directives(
                "WSGIScriptAlias /one @ROOT@/app/app.wsgi\nWSGIScriptAlias /two @ROOT@/app/app.wsgi\n\
                 WSGIScriptAlias /main @ROOT@/app/app.wsgi\n<Location /one>\nWSGIApplicationGroup one\n</Location>\n\
                 <Location /two>\nWSGIApplicationGroup two\n</Location>",
            )
            .start();
        let rows =
            [("/one", "one 1"), ("/two", "two 1"), ("/main", " 1"), ("/one", "one 2"), ("/main", " 2")];
        for (path, text) in rows {
            assert_eq!(server.get(path).ok().text(), text, "{mode:?}");
        }
    }
}

#[test]
fn default_application_group_is_the_mount_point() {
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .script("/mounted", "app.wsgi", include_str!("../../apps/environ.py"))
        .directives("WSGIApplicationGroup %{RESOURCE}")
        .start();
    let group = server.get("/mounted/x").json()["environ"]["mod_wsgi.application_group"][1].clone();
    assert_eq!(group, format!("localhost:{}|/mounted", server.port()));
}

/// Sends `count` requests at once; the process ids that answered.
fn in_parallel(server: &Httpd, count: usize, path: &str) -> BTreeSet<i64> {
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..count).map(|_| scope.spawn(|| server.get(path).json()["pid"].as_i64())).collect();
        clients.into_iter().filter_map(|client| client.join().expect("no panic")).collect()
    })
}

fn user_of(about: &Value) -> u64 {
    about["uid"].as_u64().expect("a number")
}

fn id_of(user: &str, option: &str) -> u64 {
    let output = std::process::Command::new("id").args([option, user]).output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("no user {user}"))
}

/// The client that gave up must not keep a thread busy or cost the next request.
#[test]
fn client_that_gives_up_leaves_the_daemon_usable() {
    let server = server().daemon_options("threads=1").start();
    for _ in 0..3 {
        let mut wire = server.connect();
        wire.send("GET /?sleep=0.3 HTTP/1.1\r\nHost: x\r\n\r\n");
        drop(wire);
    }
    eventually("the daemon answers", || server.request("GET", "/").try_send().ok()).ok();
}
