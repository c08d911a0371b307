//! Loading scripts, and failing to (spec/behaviour.md §6, §9, §10).

use super::reloading::{TAIL, change, saying, with};
use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, Subject, is_root};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Those who waited for another one's attempt take its outcome.
fn one_failure_is_logged_once(mode: Mode) {
    if Subject::skips("each request that waited imports the script again") {
        return;
    }
    let source = "import time\ntime.sleep(1)\nraise RuntimeError('not today')\n";
    let server = with(mode, source).expect_log("has just been tried").allow_python_errors().start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(server.get("/").status, 500));
        }
    });
    let log = server.error_log();
    assert_eq!(log.matches("RuntimeError: not today").count(), 1, "{log}");
    assert_eq!(log.matches("Unable to execute Python script file").count(), 4, "a line for each: {log}");
}

/// What failed is not what they have come for.
fn who_comes_after_a_repair_is_served(mode: Mode) {
    let source = "import time\ntime.sleep(1.5)\nraise RuntimeError('not today')\n";
    let server = with(mode, source).allow_python_errors().start();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.get("/").status);
        std::thread::sleep(Duration::from_millis(500));
        change(&server, &saying("repaired"), 5);
        assert_eq!(server.get("/").ok().text(), "repaired");
        assert_eq!(first.join().expect("no panic"), 500);
    });
}

/// RequestTimeout is about one request, not about the script.
#[test]
fn who_waited_for_an_interrupted_import_tries_again() {
    if Subject::is_too_old("it has no interrupt-timeout") {
        return;
    }
    let first_time = "import sys, time\nif not hasattr(sys, 'tried'):\n    sys.tried = True\n    \
                      for _ in range(600):\n        time.sleep(0.05)\n";
    let server = with(Mode::Daemon, &(first_time.to_owned() + &saying("served")))
        .daemon_options("threads=2 request-timeout=2 interrupt-timeout=20")
        .allow_log("WSGI0313")
        .allow_python_errors()
        .start();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.get("/").status);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(server.get("/").ok().text(), "served");
        assert_eq!(first.join().expect("no panic"), 500);
    });
}

fn exit_while_loading_is_500(mode: Mode) {
    let server =
        with(mode, "import sys\nsys.exit(15)\n").expect_log("WSGI0175").allow_python_errors().start();
    assert_eq!(server.get("/").status, 500);
    assert_eq!(server.get("/").status, 500);
}

fn missing_callable(mode: Mode) {
    let server = with(mode, "app = None\n").expect_log("WSGI0089").start();
    let status = if mode == Mode::Embedded { 404 } else { 500 };
    assert_eq!(server.get("/").status, status);
    assert_eq!(server.get("/").status, status);
}

fn object_that_is_not_callable(mode: Mode) {
    let server = with(mode, "application = 3\n").expect_log("WSGI0174").allow_python_errors().start();
    assert_eq!(server.get("/").status, 500);
}

fn callable_object_is_named(mode: Mode) {
    let source = saying("named").replace("application", "other");
    let server = with(mode, &source).directives("WSGICallableObject other").start();
    assert_eq!(server.get("/").ok().text(), "named");
}

fn missing_script(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .directives("WSGIScriptAlias / @ROOT@/app/nowhere.wsgi")
        .allow_log("nowhere.wsgi' does not exist")
        .expect_log("WSGI0135")
        .start();
    assert_eq!(server.get("/").status, 404);
}

fn unreadable_script(mode: Mode) {
    if !is_root() {
        println!("skipped: httpd runs as the same user as the test and can read everything");
        return;
    }
    let server = with(mode, saying("x")).expect_log("WSGI0105").allow_python_errors().start();
    let path = server.root().join("app/app.wsgi");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("own file");
    assert_eq!(server.get("/").status, 500);
}

fn script_without_alias_needs_execcgi(mode: Mode) {
    let server = Httpd::builder()
        .mode(mode)
        .file("site/yes/app.wsgi", saying("handled"))
        .file("site/no/app.wsgi", saying("handled"))
        .directives(
            "Alias /site @ROOT@/app/site\n<Directory @ROOT@/app/site>\nAddHandler wsgi-script .wsgi\n</Directory>\n\
             <Directory @ROOT@/app/site/yes>\nOptions ExecCGI\n</Directory>\n\
             <Directory @ROOT@/app/site/no>\nOptions None\n</Directory>",
        )
        .expect_log("WSGI0134")
        .start();
    assert_eq!(server.get("/site/yes/app.wsgi/more").ok().text(), "handled");
    assert_eq!(server.get("/site/no/app.wsgi").status, 403);
}

fn one_script_mounted_twice_is_loaded_once(mode: Mode) {
    if Subject::is_too_old("it logs loading in other words") {
        return;
    }
    let server = with(mode, saying("x"))
        .script("/again", "again.wsgi", &saying("y"))
        .allow_log("is never reached")
        .start();
    // WSGIScriptAlias / came first and wins: first match, not longest.
    assert_eq!(server.get("/again").ok().text(), "x");
    assert_eq!(server.get("/").ok().text(), "x");
    server.logged("Loading WSGI script", 1);
}

/// §6.1: what a script's module holds, and what does not surround it.
fn identity(mode: Mode) {
    let source = format!(
        "import os, sys
def answer():
    me = sys.modules[__name__]
    mtime = os.stat(__file__).st_mtime_ns // 1000
    return (me.__dict__ is globals(), __mtime__ == mtime, type(__mtime__), __spec__ and __spec__.name == __name__,
            type(__loader__).__name__, os.path.dirname(__file__) in sys.path,
            '__pycache__' in os.listdir(os.path.dirname(__file__))){TAIL}"
    );
    let server = with(mode, source).start();
    let text = server.get("/").ok().text();
    assert!(text.starts_with("(True, True, <class 'int'>, "), "{text}");
    assert!(text.ends_with("'SourceFileLoader', False, False)"), "{text}");
}

/// §6.1: encodings and line ends of the source.
fn source_encodings(mode: Mode) {
    let body = format!("text = '\u{fc}'\ndef answer(): return [hex(ord(c)) for c in text]{TAIL}");
    let latin: Vec<u8> = format!("# -*- coding: latin-1 -*-\n{body}").chars().map(|c| c as u8).collect();
    let marked = [b"\xef\xbb\xbf".to_vec(), body.clone().into_bytes()].concat();
    let lines = body.replace('\n', "\r\n").into_bytes();
    for source in [latin, marked, lines] {
        assert_eq!(with(mode, source).start().get("/").ok().text(), "['0xfc']");
    }
}

/// §6.5: an alias option beats the directive; §6.2 8: a plain name, no dotted path.
fn callable_of_an_alias(mode: Mode) {
    let source = "def make(text):
    def app(environ, start_response):
        start_response('200 OK', [])
        return [text.encode()]
    return app
one, two = make('one'), make('two')\n";
    let server = Httpd::builder()
        .mode(mode)
        .file("app.wsgi", source)
        .directives("WSGICallableObject one\nWSGIScriptAlias /two @ROOT@/app/app.wsgi callable-object=two")
        .directives("WSGIScriptAlias /dotted @ROOT@/app/app.wsgi callable-object=one.real")
        .directives("WSGIScriptAlias / @ROOT@/app/app.wsgi")
        .expect_log("WSGI0089")
        .start();
    assert_eq!(server.get("/").ok().text(), "one");
    assert_eq!(server.get("/two").ok().text(), "two");
    assert!(matches!(server.get("/dotted").status, 404 | 500));
}

/// §6.6: preloaded before any request, on the main thread; a failing one is tried again by the first request.
fn preload(mode: Mode) {
    let group = if mode == Mode::Daemon { "app" } else { "%{GLOBAL}" };
    let source = format!(
        "import threading\nprint('PRELOADED', threading.current_thread().name)\ndef answer(): return 1{TAIL}"
    );
    let server = Httpd::builder()
        .mode(mode)
        .file("app.wsgi", source)
        .file("broken.wsgi", "raise KeyError('BROKEN')\n")
        .directives(&format!(
            "WSGIScriptAlias / @ROOT@/app/app.wsgi\n\
             WSGIImportScript @ROOT@/app/broken.wsgi process-group={group} application-group=%{{GLOBAL}}\n\
             WSGIImportScript @ROOT@/app/app.wsgi process-group={group} application-group=%{{GLOBAL}}"
        ))
        .expect_log("PRELOADED MainThread")
        .expect_log("KeyError: 'BROKEN'")
        .allow_python_errors()
        .start();
    server.wait_for_log("PRELOADED MainThread");
    assert_eq!(server.get("/").ok().text(), "1");
}

/// §10: thread-local data stays with the thread, and the thread keeps its name.
fn threads_keep_their_state(mode: Mode) {
    let code = "import threading
local = kept.setdefault('local', threading.local())
def app(environ, start_response):
    thread = threading.current_thread()
    first = getattr(local, 'first', None)
    if first is None: first = local.first = (thread.name, threading.get_ident())
    return answer(start_response, str(first == (thread.name, threading.get_ident())))";
    let server = server(mode).start();
    for _ in 0..10 {
        assert_eq!(server.run(code).ok().text(), "True");
    }
}

/// §9.3, §4.3 9: whatever is raised, the process goes on.
fn nothing_raised_ends_the_process(mode: Mode) {
    let server = server(mode).expect_log("WSGI0174").expect_log("WSGI0175").allow_python_errors().start();
    let pid = server.evaluate("", &["__import__('os').getpid()"]);
    for error in [
        "SystemExit(1)",
        "KeyboardInterrupt()",
        "GeneratorExit()",
        "StopIteration()",
        "MemoryError()",
        "BaseException('x')",
    ] {
        assert_eq!(server.run(&format!("def app(e, s): raise {error}")).status, 500, "{error}");
    }
    assert_eq!(server.run("def app(e, s): return app(e, s)").status, 500, "endless recursion");
    if mode == Mode::Daemon {
        assert_eq!(server.evaluate("", &["__import__('os').getpid()"]), pid);
    }
}

in_both_modes!(
    callable_object_is_named,
    callable_of_an_alias,
    exit_while_loading_is_500,
    identity,
    missing_callable,
    missing_script,
    nothing_raised_ends_the_process,
    object_that_is_not_callable,
    one_failure_is_logged_once,
    one_script_mounted_twice_is_loaded_once,
    preload,
    script_without_alias_needs_execcgi,
    source_encodings,
    threads_keep_their_state,
    unreadable_script,
    who_comes_after_a_repair_is_served,
);
