//! The process around an application (spec/behaviour.md §10).

use crate::snippets::{SendSnippets, server};
use integration::{Httpd, Mode, eventually};
use std::fs;

/// §10: directives about Python act in both modes.
fn python_settings(mode: Mode) {
    let server = server(mode)
        .directives(
            "WSGIPythonOptimize 1\nWSGIPythonHashSeed 0\nWSGIDontWriteBytecode On\nWSGIPythonWarnings ignore",
        )
        .start();
    let sys = "__import__('sys')";
    server.check(
        "",
        &[
            (&format!("{sys}.flags.optimize"), "1"),
            (&format!("{sys}.flags.hash_randomization"), "0"),
            (&format!("{sys}.dont_write_bytecode"), "True"),
            (&format!("{sys}.warnoptions[-1:]"), "['ignore']"),
            (&format!("{sys}.stdin is {sys}.__stdin__"), "True"),
            ("__import__('threading').current_thread().name[:6]", "'Dummy-'"),
            ("__import__('gc').isenabled()", "True"),
        ],
    );
}

/// §10: the egg cache is named by a directive of its own in each mode.
fn egg_cache(mode: Mode) {
    let server = match mode {
        Mode::Daemon => server(mode).daemon_options("threads=2 python-eggs=/var/tmp").start(),
        Mode::Embedded => server(mode).directives("WSGIPythonEggs /var/tmp").start(),
    };
    server.check("", &[("__import__('os').environ.get('PYTHON_EGG_CACHE')", "'/var/tmp'")]);
}

/// §10: exit handlers run when a process ends in order, in the main interpreter and in others.
fn exit_handlers(mode: Mode) {
    let code = "import atexit, os
def application(environ, start_response):
    name = environ['mod_wsgi.application_group'] or 'main'
    folder = os.path.join(os.path.dirname(environ['SCRIPT_FILENAME']), 'out')
    path = os.path.join(folder, name + '.' + str(os.getpid()))
    atexit.register(lambda: open(path, 'w').close())
    if environ['QUERY_STRING'] == 'end': os.kill(os.getpid(), 15)
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']\n";
    let server = Httpd::builder()
        .mode(mode)
        .app(code)
        .directives("<Location /other>\nWSGIApplicationGroup other\n</Location>")
        .writable("out")
        .start();
    server.get("/").ok();
    server.get("/other").ok();
    let found = || {
        let entries = fs::read_dir(server.root().join("app/out")).expect("own folder");
        let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter_map(|n| Some(n.split_once('.')?.0.to_owned())).collect();
        names.sort();
        names.dedup();
        names
    };
    assert!(found().is_empty());
    match mode {
        Mode::Daemon => drop(server.get("/?end").ok()),
        Mode::Embedded => server.restart(),
    }
    eventually("exit handlers ran", || (found() == ["main", "other"]).then_some(()));
}

/// §10: a child that the application forks can end as it likes; the process itself goes on.
fn forked_children(mode: Mode) {
    let server = server(mode).start();
    let code = "import os
def app(environ, start_response):
    child = os.fork()
    if child == 0: os._exit(7)
    return answer(start_response, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))";
    let pid = server.evaluate("", &["__import__('os').getpid()"]);
    for _ in 0..3 {
        assert_eq!(server.run(code).ok().text(), "7");
    }
    assert_eq!(server.evaluate("", &["__import__('os').getpid()"]), pid);
}

/// §10: LANG, LC_ALL and the locale of the process, which decide the encoding of files.
#[test]
fn language_and_locale() {
    let server = server(Mode::Daemon).daemon_options("threads=2 lang=C.UTF-8 locale=C.UTF-8").start();
    server.check(
        "",
        &[
            (
                "__import__('os').environ['LANG'], __import__('os').environ['LC_ALL']",
                "('C.UTF-8', 'C.UTF-8')",
            ),
            ("__import__('locale').setlocale(__import__('locale').LC_CTYPE)", "'C.UTF-8'"),
            ("__import__('sys').getfilesystemencoding()", "'utf-8'"),
        ],
    );
}

/// §10: a locale that the system lacks is a warning, and the process serves.
#[test]
fn unknown_locale_is_a_warning() {
    let server =
        server(Mode::Daemon).daemon_options("threads=2 locale=xx_YY.UTF-8").expect_log("WSGI0079").start();
    server.check("", &[("__import__('os').environ['LC_ALL']", "'xx_YY.UTF-8'")]);
}

/// §10: the umask, and the working directory of a daemon.
#[test]
fn umask_and_folder() {
    let server = server(Mode::Daemon).daemon_options("threads=2 umask=0027 home=@ROOT@/app").start();
    let root = server.root().display().to_string();
    server.check(
        "",
        &[
            ("oct(__import__('os').umask(0o27))", "'0o27'"),
            ("__import__('os').getcwd()", &format!("'{root}/app'")),
            ("__import__('sys').path[0]", &format!("'{root}/app'")),
        ],
    );
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

in_both_modes!(egg_cache, exit_handlers, forked_children, process_details, python_settings,);
