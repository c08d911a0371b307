//! Scripts and processes: what spec/behaviour.md §6, §9 and §10 say beyond `scripts.rs`, `daemon.rs` and `lifecycle.rs`.

use crate::snippets::{SendSnippets, server};
use integration::{Httpd, HttpdBuilder, Mode};
use std::time::{Duration, SystemTime};

fn with(mode: Mode, source: impl AsRef<[u8]>) -> HttpdBuilder {
    Httpd::builder().mode(mode).file("app.wsgi", source).directives("WSGIScriptAlias / @ROOT@/app/app.wsgi")
}

fn touch(server: &Httpd, source: &str, seconds: u64) {
    let path = server.write("app.wsgi", source);
    let file = std::fs::File::options().write(true).open(path).expect("own file");
    file.set_modified(SystemTime::now() + Duration::from_secs(seconds)).expect("own file");
}

const TAIL: &str = "\ndef application(environ, start_response):
    start_response('200 OK', [])
    return [repr(answer()).encode()]\n";

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

/// §6.3: the hook gets a path; what it raises is logged and means no.
fn reload_hook(mode: Mode) {
    let source = format!(
        "import os, sys
flag = os.path.join(os.path.dirname(__file__), 'data', 'flag')
made = os.path.exists(flag)
open(flag + '.count', 'a').write('x')
def reload_required(path):
    if path != __file__ or type(path) is not str: raise TypeError(path)
    if os.path.exists(flag + '.raise'): raise KeyError('HOOK')
    return os.path.exists(flag) != made
def answer(): return os.path.getsize(flag + '.count'){TAIL}"
    );
    let server =
        with(mode, source).writable("data").expect_log("KeyError: 'HOOK'").allow_python_errors().start();
    assert_eq!(server.get("/").ok().text(), "1");
    assert_eq!(server.get("/").ok().text(), "1");
    let flag = |name: &str| server.root().join("app/data").join(name);
    std::fs::write(flag("flag"), "").expect("own folder");
    assert_eq!(server.get("/").ok().text(), "2", "loaded again");
    assert_eq!(server.get("/").ok().text(), "2");
    std::fs::write(flag("flag.raise"), "").expect("own folder");
    assert_eq!(server.get("/").ok().text(), "2", "a hook that fails");
}

/// §6.3: no stat, no hook, no restart.
fn reloading_off(mode: Mode) {
    let source =
        |text: &str| format!("def reload_required(path): return True\ndef answer(): return {text:?}{TAIL}");
    let server = with(mode, source("first")).directives("WSGIScriptReloading Off").start();
    assert_eq!(server.get("/").ok().text(), "'first'");
    touch(&server, &source("second"), 5);
    assert_eq!(server.get("/").ok().text(), "'first'");
}

/// §6.3, §12 7: a module without its time is loaded again.
fn missing_time_forces_a_reload(mode: Mode) {
    let source =
        format!("import os\ndef answer():\n    global __mtime__\n    del __mtime__\n    return 1{TAIL}");
    let server = with(mode, source).start();
    for _ in 0..3 {
        assert_eq!(server.get("/").ok().text(), "1", "`del` works each time: the module is new");
    }
}

/// §6.4: a missing callable is mended by a change of the file.
fn callable_appears(mode: Mode) {
    let server = with(mode, "other = 1\n").expect_log("WSGI0089").start();
    assert!(matches!(server.get("/").status, 404 | 500));
    touch(&server, &format!("def answer(): return 'here'{TAIL}"), 5);
    assert_eq!(server.get("/").ok().text(), "'here'");
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

/// §10: what an application sees of its process.
fn process_details(mode: Mode) {
    let server = server(mode).start();
    server.check(
        "",
        &[
            ("__import__('sys').argv", "['mod_wsgi']"),
            ("__import__('threading').current_thread().daemon", "True"),
            ("__import__('threading').current_thread() is __import__('threading').main_thread()", "False"),
            ("__import__('threading').main_thread().name", "'MainThread'"),
            ("kept.__setitem__('handler', object()) or True", "True"),
            ("__import__('signal').signal(10, kept['handler']) is kept['handler']", "True"),
            ("__import__('signal').getsignal(10) is kept['handler']", "False"),
            ("__import__('subprocess').run(['/bin/echo', 'x'], capture_output=True).stdout", r"b'x\n'"),
            ("__import__('os').waitstatus_to_exitcode(__import__('os').system('exit 3'))", "3"),
            ("__import__('sys').flags.isolated, __import__('sys').flags.ignore_environment", "(0, 0)"),
            ("__import__('os').getcwd() in __import__('sys').path", "False"),
        ],
    );
    server.wait_for_log("Ignoring Python signal handler registration for signal 10");
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
    callable_appears,
    callable_of_an_alias,
    identity,
    missing_time_forces_a_reload,
    nothing_raised_ends_the_process,
    preload,
    process_details,
    reload_hook,
    reloading_off,
    source_encodings,
    threads_keep_their_state,
);

/// §6.3 [E]: a request that still runs in the old module is not disturbed.
#[test]
fn old_module_lives_as_long_as_its_requests() {
    let source = |text: &str| {
        format!(
            "import time\ndef answer(): return {text:?}\ndef application(environ, start_response):
    time.sleep(float(environ['QUERY_STRING'] or 0))
    start_response('200 OK', [])
    return [repr(answer()).encode()]\n"
        )
    };
    let server = with(Mode::Embedded, source("old")).start();
    server.get("/").ok();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/?1"));
        std::thread::sleep(Duration::from_millis(200));
        touch(&server, &source("new"), 5);
        assert_eq!(server.get("/").ok().text(), "'new'");
        assert_eq!(waiting.join().expect("no panic").ok().text(), "'old'");
    });
    server.wait_for_log("Reloading WSGI script");
}

/// §9.1: a group that does not exist, one that is not in the list, and embedded mode where it is forbidden.
#[test]
fn groups_that_may_not_be_used() {
    let location = |path: &str, lines: &str| format!("<Location {path}>\n{lines}\n</Location>\n");
    let server = server(Mode::Daemon)
        .directives(&location("/unknown", "WSGIProcessGroup nowhere"))
        .directives(&location("/restricted", "WSGIRestrictProcess other"))
        .directives(&location("/embedded", "WSGIProcessGroup %{GLOBAL}"))
        .expect_log("WSGI0149")
        .expect_log("WSGI0143")
        .allow_log("no WSGIDaemonProcess nowhere is defined")
        .allow_log("WSGI015")
        .start();
    for path in ["/unknown", "/restricted", "/embedded"] {
        assert_eq!(server.get(path).status, 500, "{path}");
    }
}

/// §9.2: a header line over the limit of the group.
#[test]
fn header_line_over_the_limit() {
    let server = server(Mode::Daemon)
        .daemon_options("threads=2 header-buffer-size=8192")
        .expect_log("WSGI0144")
        .allow_log("[wsgi:error]")
        .start();
    let code = |length: u32| {
        format!("def app(e, s):\n    s('200 OK', [('X-Long', 'x' * {length})])\n    return [b'x']")
    };
    assert_eq!(server.run(&code(8000)).status, 200);
    assert_eq!(server.run(&code(9000)).status, 500);
    assert_eq!(server.run(&code(10)).status, 200);
}

/// §4.6, §9.2: nothing within socket-timeout is 504; the application keeps running.
#[test]
fn slow_application_is_504() {
    let server =
        server(Mode::Daemon).daemon_options("threads=2 socket-timeout=1").expect_log("WSGI0145").start();
    let code = "import time
def app(e, s):
    time.sleep(2)
    kept['finished'] = True
    return answer(s, 'late')";
    assert_eq!(server.run(code).status, 504);
    integration::eventually("the application finishes", || {
        (server.evaluate("", &["kept.get('finished')"]) == ["True"]).then_some(())
    });
}

/// §6.9: a dispatch script chooses group and callable; what it raises is a 500, and one that cannot be loaded is ignored.
#[test]
fn dispatch_script() {
    let script = "def application_group(environ):
    if environ['PATH_INFO'] == '/raise': raise KeyError('DISPATCH')
    if environ['PATH_INFO'] == '/type': return 3
    return environ.get('GROUP') or None
def callable_object(environ):
    return 'other' if environ['PATH_INFO'] == '/other' else None\n";
    let app = "def make(name):
    def app(environ, start_response):
        start_response('200 OK', [])
        return [repr((name, environ['mod_wsgi.application_group'], environ['mod_wsgi.callable_object'])).encode()]
    return app
application, other = make('application'), make('other')\n";
    let server = Httpd::builder()
        .mode(Mode::Embedded)
        .app(app)
        .file("dispatch.py", script)
        .file("broken.py", "raise KeyError('BROKEN')\n")
        .directives(
            "WSGIDispatchScript @ROOT@/app/dispatch.py\nSetEnvIf X-Group (.+) GROUP=$1\n\
             <Location /broken>\nWSGIDispatchScript @ROOT@/app/broken.py\n</Location>",
        )
        .expect_log("KeyError: 'DISPATCH'")
        .allow_python_errors()
        .start();
    assert_eq!(server.get("/").ok().text(), "('application', '', 'application')");
    assert_eq!(server.get("/other").ok().text(), "('other', '', 'other')");
    let named = server.request("GET", "/").header("X-Group", "named").send().ok();
    assert_eq!(named.text(), "('application', 'named', 'application')");
    assert_eq!((server.get("/raise").status, server.get("/type").status), (500, 500));
    assert_eq!(server.get("/broken").ok().text(), "('application', '', 'application')");
}
