//! Deploys that go wrong, in daemon mode: what is broken keeps its old code, and holds nothing else up.

use crate::operators::control::done;
use integration::{Httpd, HttpdBuilder, Mode, Subject, eventually, wait_until};
use std::time::{Duration, SystemTime};

const REASON: &str = "the process ends when its script has changed, and what is broken is 500";

fn saying(text: &str) -> String {
    format!(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{text}']\n"
    )
}

/// What says the text of the module `part`, in `folder` of the application's.
fn saying_of_part(folder: &str) -> String {
    let import =
        format!("import sys\nsys.path.insert(0, __file__.rpartition('/')[0] + '{folder}')\nimport part\n");
    import + &saying("X").replace("b'X'", "part.TEXT")
}

/// Writes a file of the application with another modification time for each call.
fn change(server: &Httpd, name: &str, source: &str, seconds: u64) {
    let path = server.write(name, source);
    let file = std::fs::File::options().write(true).open(path).expect("own file");
    file.set_modified(SystemTime::now() + Duration::from_secs(seconds)).expect("own file");
}

/// Scripts `a` and `b` of one group, in these application groups.
fn two(a: &str, b: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .file("a.wsgi", saying("a1"))
        .file("b.wsgi", saying("b1"))
        .directives(&format!(
            "WSGIScriptAlias /a @ROOT@/app/a.wsgi process-group=app application-group={a}\n\
             WSGIScriptAlias /b @ROOT@/app/b.wsgi process-group=app application-group={b}"
        ))
        .allow_python_errors()
}

fn becomes(server: &Httpd, path: &str, text: &str) {
    eventually(&format!("{path} answers {text}"), || (server.get(path).ok().text() == text).then_some(()));
}

#[test]
fn broken_script_holds_no_other_up() {
    if Subject::skips(REASON) {
        return;
    }
    for (a, b, options) in [("%{GLOBAL}", "%{GLOBAL}", ""), ("a", "b", ""), ("%{GLOBAL}", "b", "preload=on")]
    {
        let server = two(a, b).daemon_options(&format!("threads=2 {options}")).start();
        for (path, text) in [("/a", "a1"), ("/b", "b1")] {
            assert_eq!(server.get(path).ok().text(), text);
        }
        change(&server, "b.wsgi", "def application(environ start_response): pass\n", 5);
        assert_eq!(server.get("/b").ok().text(), "b1");
        for round in 2..=3 {
            change(&server, "a.wsgi", &saying(&format!("a{round}")), 5 * round);
            becomes(&server, "/a", &format!("a{round}"));
            assert_eq!(server.get("/b").ok().text(), "b1", "its old code serves on");
        }
        change(&server, "b.wsgi", &saying("b2"), 30);
        becomes(&server, "/b", "b2");
        assert_eq!(server.get("/a").ok().text(), "a3");
    }
}

/// Each of them comes to the new code, whichever notices first.
#[test]
fn broken_script_holds_no_process_of_its_group_up() {
    if Subject::skips(REASON) {
        return;
    }
    let server = two("a", "b").daemon_options("threads=1 processes=3").start();
    let all = |path: &str, text: &str| {
        let same = |_| server.request("GET", path).header("Connection", "close").send().ok().text() == text;
        eventually(&format!("all answer {text}"), || (0..24).all(same).then_some(()));
    };
    all("/a", "a1");
    all("/b", "b1");
    change(&server, "b.wsgi", "import nowhere\n", 5);
    all("/b", "b1");
    change(&server, "a.wsgi", &saying("a2"), 10);
    all("/a", "a2");
    all("/b", "b1");
    change(&server, "b.wsgi", &saying("b2"), 15);
    all("/b", "b2");
}

/// Without its modules the old code of a script is worth nothing: all keep what they have until those are mended.
#[test]
fn broken_module_of_another_script_takes_nobody_down() {
    if Subject::skips(REASON) {
        return;
    }
    let server = two("a", "b").file("b.wsgi", saying_of_part("")).file("part.py", "TEXT = b'b1'\n").start();
    for (path, text) in [("/a", "a1"), ("/b", "b1")] {
        assert_eq!(server.get(path).ok().text(), text);
    }
    change(&server, "part.py", "raise RuntimeError('not yet')\n", 5);
    change(&server, "a.wsgi", &saying("a2"), 5);
    for (path, text) in [("/a", "a1"), ("/b", "b1"), ("/a", "a1")] {
        assert_eq!(server.get(path).ok().text(), text);
    }
    change(&server, "part.py", "TEXT = b'b2'\n", 10);
    becomes(&server, "/a", "a2");
    assert_eq!(server.get("/b").ok().text(), "b2");
}

/// The successor that finds out which of them is broken is tried again without it.
#[test]
fn two_changes_at_once_and_one_is_broken() {
    if Subject::skips(REASON) {
        return;
    }
    let server = two("a", "b").start();
    for (path, text) in [("/a", "a1"), ("/b", "b1")] {
        assert_eq!(server.get(path).ok().text(), text);
    }
    change(&server, "b.wsgi", "import nowhere\n", 5);
    change(&server, "a.wsgi", &saying("a2"), 5);
    assert_eq!(server.get("/a").ok().text(), "a2", "the request that noticed sees the new code");
    assert_eq!(server.get("/b").ok().text(), "b1");
}

/// Half of a file, another name for the callable.
#[test]
fn broken_is_more_than_a_syntax_error() {
    if Subject::skips(REASON) {
        return;
    }
    let sources = ["", &saying("renamed").replace("application", "app"), "application = None\n"];
    for source in sources {
        let server = Httpd::builder()
            .mode(Mode::Daemon)
            .app(&saying("good"))
            .expect_log("WSGI0089")
            .allow_python_errors();
        let server = server.start();
        assert_eq!(server.get("/").ok().text(), "good");
        change(&server, "app.wsgi", source, 5);
        for _ in 0..3 {
            assert_eq!(server.get("/").ok().text(), "good");
        }
        server.wait_for_log("WSGI0365");
        change(&server, "app.wsgi", &saying("mended"), 10);
        becomes(&server, "/", "mended");
    }
}

/// Says so, and does not come back.
const HANGING: &str = "import sys, time\nprint('hanging', file=sys.stderr, flush=True)\ntime.sleep(600)\n";

fn hanging(options: &str) -> Httpd {
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .daemon_options(options)
        .app(&saying("good"))
        .allow_log("hanging")
        .allow_log("did not end in time and was killed")
        .allow_log("WSGI0366")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "good");
    change(&server, "app.wsgi", HANGING, 5);
    server
}

/// Whoever mends a script that hangs does not wait for what hangs, and nobody is held for long.
#[test]
fn mended_script_does_not_wait_for_a_hanging_import() {
    if Subject::skips(REASON) {
        return;
    }
    for options in ["threads=2", "threads=2 preload=on"] {
        let server = hanging(options);
        std::thread::scope(|scope| {
            let held = scope.spawn(|| server.get("/").ok().text());
            server.wait_for_log("hanging");
            assert_eq!(server.get("/").ok().text(), "good", "others are not held");
            change(&server, "app.wsgi", &saying("mended"), 10);
            becomes(&server, "/", "mended");
            let text = held.join().expect("no panic");
            assert!(["good", "mended"].contains(&&*text), "{text}");
        });
    }
}

/// Nor where what hangs is the successor that a graceful restart has started.
#[test]
fn mended_script_does_not_wait_for_an_import_that_hangs_since_a_graceful_restart() {
    if Subject::skips(REASON) {
        return;
    }
    for options in ["threads=2", "threads=2 preload=on"] {
        let server = hanging(options);
        server.graceful();
        server.wait_for_log("hanging");
        assert_eq!(server.get("/").ok().text(), "good");
        change(&server, "app.wsgi", &saying("mended"), 10);
        becomes(&server, "/", "mended");
    }
}

/// Nor where it hangs in a module: what is mended is no script, and nothing tells of it but where the import is.
#[test]
fn mended_module_does_not_wait_for_a_hanging_import() {
    if Subject::skips(REASON) {
        return;
    }
    let app = saying_of_part("");
    for options in ["threads=2", "threads=2 preload=on"] {
        let server = Httpd::builder()
            .mode(Mode::Daemon)
            .daemon_options(options)
            .app(&app)
            .file("part.py", "TEXT = b'good'\n")
            .allow_log("hanging")
            .allow_log("did not end in time and was killed")
            .allow_log("WSGI0366")
            .allow_python_errors()
            .expect_log("part.py' has changed while")
            .start();
        assert_eq!(server.get("/").ok().text(), "good");
        change(&server, "part.py", HANGING, 5);
        change(&server, "app.wsgi", &app, 5);
        std::thread::scope(|scope| {
            scope.spawn(|| server.get("/").ok());
            server.wait_for_log("hanging");
            assert_eq!(server.get("/").ok().text(), "good");
            mend_until(&server, "part.py", "TEXT = b'mended'\n", || server.get("/").ok().text() == "mended");
        });
    }
}

/// Nor the very first process, whom no predecessor tells.
#[test]
fn mended_script_does_not_wait_for_the_first_import() {
    if Subject::skips("the import script holds its process up") {
        return;
    }
    for options in ["threads=2", "threads=2 preload=on"] {
        let server = Httpd::builder()
            .mode(Mode::Daemon)
            .daemon_options(options)
            .app(HANGING)
            .directives("WSGIImportScript @ROOT@/app/app.wsgi process-group=app application-group=%{GLOBAL}")
            .allow_log("hanging")
            .start();
        server.wait_for_log("hanging");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| server.get("/").ok().text());
            mend_until(&server, "app.wsgi", &saying("mended"), || waiting.is_finished());
            assert_eq!(waiting.join().expect("no panic"), "mended");
        });
    }
}

/// Changes what an import is in, until it is noticed: only a file that was seen there before has changed.
fn mend_until(server: &Httpd, name: &str, source: &str, is_mended: impl Fn() -> bool) {
    let noticed = (10..30).any(|seconds| {
        change(server, name, source, seconds);
        wait_until(Duration::from_secs(2), || is_mended().then_some(())).is_some()
    });
    assert!(noticed, "{name}");
}

/// Nor does an operator.
#[test]
fn operator_restart_does_not_wait_for_a_hanging_import() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = hanging("threads=2");
    std::thread::scope(|scope| {
        scope.spawn(|| server.get("/").ok());
        server.wait_for_log("hanging");
        // With the time of what hangs: nothing but the operator tells that it is another file.
        let time = std::fs::metadata(server.root().join("app/app.wsgi")).and_then(|facts| facts.modified());
        let path = server.write("app.wsgi", &saying("mended"));
        let file = std::fs::File::options().write(true).open(path).expect("own file");
        file.set_modified(time.expect("it is there")).expect("own file");
        done(&server, &["restart", "app"]);
        becomes(&server, "/", "mended");
    });
}

/// A successor hangs in one script; another one has the change of the other without it.
#[test]
fn hanging_script_holds_no_other_up() {
    if Subject::skips(REASON) {
        return;
    }
    for options in ["threads=2", "threads=2 preload=on"] {
        let server = two("%{GLOBAL}", "b")
            .daemon_options(options)
            .allow_log("did not end in time and was killed")
            .allow_log("WSGI0366")
            .start();
        for (path, text) in [("/a", "a1"), ("/b", "b1")] {
            assert_eq!(server.get(path).ok().text(), text);
        }
        change(&server, "a.wsgi", HANGING, 5);
        change(&server, "b.wsgi", &saying("b2"), 5);
        // The request that notices is held until it is clear that nothing comes.
        assert_eq!(server.get("/a").ok().text(), "a1");
        becomes(&server, "/b", "b2");
        assert_eq!(server.get("/a").ok().text(), "a1");
        change(&server, "a.wsgi", &saying("a2"), 10);
        becomes(&server, "/a", "a2");
    }
}

/// What was broken was not the script.
#[test]
fn repair_of_a_module_is_noticed() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(&saying_of_part(""))
        .file("part.py", "TEXT = b'first'\n")
        .expect_log("WSGI0365")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "first");
    change(&server, "part.py", "TEXT = b'second'\nraise RuntimeError('not yet')\n", 5);
    change(&server, "app.wsgi", &saying_of_part(""), 5);
    for _ in 0..3 {
        assert_eq!(server.get("/").ok().text(), "first");
    }
    server.wait_for_log("RuntimeError: not yet");
    change(&server, "part.py", "TEXT = b'second'\n", 10);
    becomes(&server, "/", "second");
}

/// It may come while what is broken is being loaded.
#[test]
fn repair_of_a_module_during_its_load_is_noticed() {
    if Subject::skips(REASON) {
        return;
    }
    let app = saying_of_part("/parts");
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(&app)
        .writable("parts")
        .file("parts/part.py", "TEXT = b'first'\n")
        .expect_log("WSGI0365")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "first");
    let broken = "import os\nwith open(__file__ + '.new', 'w') as file:\n    file.write(\"TEXT = b'second'\\n\")\n\
                  os.replace(__file__ + '.new', __file__)\nraise RuntimeError('not yet')\n";
    change(&server, "parts/part.py", broken, 5);
    // A change leaves the folder to its owner again.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(server.root().join("app/parts"), everybody).expect("own folder");
    change(&server, "app.wsgi", &app, 5);
    becomes(&server, "/", "second");
}

/// A file of the traceback that each load writes looks as if it were mended each time.
#[test]
fn script_that_writes_what_it_fails_in_is_not_tried_without_end() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(&saying("first"))
        .writable("parts")
        .expect_log("WSGI0365")
        .allow_log("a try")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "first");
    let writing = "import sys\nprint('a try', file=sys.stderr, flush=True)\n\
                   parts = __file__.rpartition('/')[0] + '/parts'\nsys.path.insert(0, parts)\n\
                   sys.dont_write_bytecode = True\n\
                   with open(parts + '/part.py', 'w') as file:\n    file.write('1 / 0\\n')\nimport part\n";
    change(&server, "app.wsgi", writing, 5);
    for _ in 0..100 {
        assert_eq!(server.get("/").ok().text(), "first");
        std::thread::sleep(Duration::from_millis(60));
    }
    let tries = server.error_log().matches("a try").count();
    assert!((1..=6).contains(&tries), "{tries} tries before the first pause was over");
    change(&server, "app.wsgi", &saying("mended"), 10);
    becomes(&server, "/", "mended");
}

#[test]
fn failed_change_is_explained_in_the_log_of_its_virtual_host() {
    if Subject::skips(REASON) {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .file("app.wsgi", saying("good"))
        .directives(
            "<VirtualHost *:@PORT@>\nServerName vhost.test\nErrorLog @ROOT@/logs/vhost.log\n\
             WSGIScriptAlias / @ROOT@/app/app.wsgi\n</VirtualHost>",
        )
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "good");
    change(&server, "app.wsgi", "def broken():\n    raise RuntimeError('broken')\nbroken()\n", 5);
    assert_eq!(server.get("/").ok().text(), "good");
    let log = eventually("it is explained", || {
        Some(server.log_of("vhost.log")).filter(|log| log.contains("WSGI0365"))
    });
    let parts = [
        "Traceback (most recent call last)",
        "in broken",
        "RuntimeError: broken",
        "mod_wsgi-ctl restart app",
    ];
    let places: Vec<_> =
        parts.iter().map(|part| log.find(part).unwrap_or_else(|| panic!("{part}: {log}"))).collect();
    assert!(places.is_sorted(), "{log}");
    assert!(!server.log_of("error.log").contains("RuntimeError: broken"), "{}", server.log_of("error.log"));
}

/// Nobody waits for such a script, so nobody would say where it is.
#[test]
fn hanging_import_says_where_it_is() {
    if Subject::skips("a hang at import is silent") {
        return;
    }
    let app = "import time\ndef run():\n    time.sleep(3)\nrun()\n".to_owned() + &saying("late");
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(&app)
        .directives(
            "WSGISlowRequests 1\n\
             WSGIImportScript @ROOT@/app/app.wsgi process-group=app application-group=%{GLOBAL}",
        )
        .expect_log("WSGI0368")
        .expect_log("in run")
        .allow_log("app.wsgi\", line")
        .allow_log("time.sleep(3)")
        .allow_log("[wsgi:warn]")
        .start();
    assert_eq!(server.get("/").ok().text(), "late");
}

fn refusing_modules_are_named_with_both_remedies(mode: Mode) {
    if Subject::skips("the traceback alone") {
        return;
    }
    let refusing = "raise ImportError('module _refusing does not support loading in subinterpreters', name='_refusing')\n";
    let app = format!(
        "import sys\nsys.path.insert(0, __file__.rpartition('/')[0])\nimport refusing\n{}",
        saying("x")
    );
    let group = if mode == Mode::Daemon { "process-group=app " } else { "" };
    let server = Httpd::builder()
        .mode(mode)
        .file("app.wsgi", &app)
        .file("refusing.py", refusing)
        .directives(&format!("WSGIScriptAlias / @ROOT@/app/app.wsgi {group}application-group=sub"))
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").status, 500);
    let log = server.error_log();
    let line = log.lines().find(|line| line.contains("WSGI0369")).unwrap_or_else(|| panic!("{log}"));
    for part in ["'_refusing'", "application-group=%{GLOBAL}", "WSGIDaemonProcess"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

in_both_modes!(refusing_modules_are_named_with_both_remedies);

/// `%{GLOBAL}` for one group leaves the others their main interpreters.
#[test]
fn first_application_has_the_main_interpreter_in_each_group() {
    if Subject::skips("each application has a sub-interpreter, unless it asks for the main one") {
        return;
    }
    let server = Httpd::builder()
        .file("a.wsgi", saying("a"))
        .file("b.wsgi", saying("b"))
        .directives(
            "WSGIDaemonProcess a\nWSGIDaemonProcess b\n\
             WSGIScriptAlias /a @ROOT@/app/a.wsgi process-group=a application-group=%{GLOBAL}\n\
             WSGIScriptAlias /b @ROOT@/app/b.wsgi process-group=b",
        )
        .start();
    for path in ["/a", "/b"] {
        server.get(path).ok();
    }
    for group in ["a", "b"] {
        let text = format!("{group}.wsgi' into main interpreter of daemon process '{group}'");
        assert!(server.error_log().contains(&text), "{text}: {}", server.error_log());
    }
}
