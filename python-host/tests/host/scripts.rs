//! Scripts, interpreters and the `mod_wsgi` module (spec/behaviour.md §6, §8; spec/daemon.md §5).

use crate::process::{RunningDaemon, ScriptFolder, launch};
use crate::pythons;
use crate::snippets::{each, each_with};
use crate::wire::{End, GetRequest};
use std::path::Path;
use std::time::{Duration, SystemTime};
use wsgi_protocol::launch::{DaemonOrder, InterpreterRule, Launch, PreloadScript};
use wsgi_protocol::request::RequestFlags;

fn saying(text: &str) -> String {
    format!(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{text}']\n"
    )
}

fn touch(path: &Path, seconds: i64) {
    let time = SystemTime::now().checked_add_signed(seconds);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

trait AddSigned {
    fn checked_add_signed(self, seconds: i64) -> SystemTime;
}

impl AddSigned for SystemTime {
    fn checked_add_signed(self, seconds: i64) -> SystemTime {
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { self - by } else { self + by }
    }
}

#[test]
fn loading() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("loading-{}", python.minor));
        let daemon = RunningDaemon::serving(&python, &launch());
        let mut connection = daemon.connect();
        let broken = folder.write("broken.wsgi", "def application(environ start_response): pass\n");
        let answer = connection.run(&GetRequest::new(&broken));
        assert_eq!(answer.end, End::Fail(500));
        assert!(answer.log().contains("] WSGI0105: "), "{}", answer.log());
        assert!(answer.log().contains("WSGI0174: [script ") && answer.log().contains("SyntaxError: "));
        let missing = folder.path().join("missing.wsgi");
        let answer = connection.run(&GetRequest::new(&missing));
        assert_eq!(answer.end, End::Fail(500));
        assert!(answer.log().contains("<3>(2)No such file or directory: [script "), "{}", answer.log());
        assert!(answer.log().contains("FileNotFoundError: [Errno 2] No such file or directory: "));
        let raising = folder.write("raising.wsgi", "print('attempt')\nraise RuntimeError('not today')\n");
        for _ in 0..2 {
            let answer = connection.run(&GetRequest::new(&raising));
            assert_eq!(answer.end, End::Fail(500));
            assert!(answer.log().contains("Unable to execute Python script file"), "{}", answer.log());
            assert!(answer.log().contains("RuntimeError: not today"));
        }
        let exiting = folder.write("exiting.wsgi", "import sys; sys.exit(15)\n");
        let answer = connection.run(&GetRequest::new(&exiting));
        assert!(answer.log().contains("WSGI0107") && answer.log().contains("WSGI0175"), "{}", answer.log());
        let empty = folder.write("empty.wsgi", "app = None\n");
        let answer = connection.run(&GetRequest::new(&empty));
        assert_eq!(answer.end, End::Fail(500));
        assert!(answer.log().contains("] WSGI0089: "), "{}", answer.log());
        let path = empty.display();
        let text = format!(
            "<6>[script {path}] Loading WSGI script '{path}' into main interpreter of daemon process"
        );
        assert!(answer.log().contains(&text), "{}", answer.log());
        let (status, log) = daemon.stop();
        assert_eq!(status, 0, "{log}");
        assert_eq!(log.matches("<3>attempt\n").count(), 2, "{log}");
    }
}

#[test]
fn namespace() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("namespace-{}", python.minor));
        let source = "# -*- coding: latin-1 -*-\nimport sys, os\ndef application(environ, start_response):
    start_response('200 OK', [])
    module = sys.modules[__name__]
    return [repr([__name__[:10], len(__name__), __file__ == environ['SCRIPT_FILENAME'], type(__mtime__).__name__,
        __mtime__ == os.stat(__file__).st_mtime_ns // 1000, type(__loader__).__name__, __spec__.name == __name__,
        os.path.dirname(__file__) in sys.path, '' in sys.path, sys.argv]).encode()]\n";
        let script = folder.write("\u{e9}.wsgi", source);
        let mut daemon = RunningDaemon::serving(&python, &launch());
        let name: String = script.to_str().unwrap().bytes().map(char::from).collect();
        let get = GetRequest::new(&script).pair("SCRIPT_FILENAME", &name);
        assert_eq!(
            daemon.connect().run(&get).ok().text(),
            "['_mod_wsgi_', 42, True, 'int', True, 'SourceFileLoader', True, False, False, ['mod_wsgi']]"
        );
        daemon.order(DaemonOrder::Stop);
        assert_eq!(daemon.ended().0, 0);
    }
}

/// `reload=immediate`: the process that notices refuses the request and ends.
#[test]
fn changed_script_is_refused() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("reload-{}", python.minor));
        let script = folder.write("app.wsgi", &saying("first"));
        let launch = Launch { reload_immediate: true, ..launch() };
        let daemon = RunningDaemon::serving(&python, &launch);
        let mut connection = daemon.connect();
        assert_eq!(connection.run(&GetRequest::new(&script)).ok().text(), "first");
        folder.write("app.wsgi", &saying("second"));
        touch(&script, -50);
        let mut get = GetRequest::new(&script);
        get.head.flags.0 &= !RequestFlags::SCRIPT_RELOADING;
        assert_eq!(connection.run(&get).ok().text(), "first", "WSGIScriptReloading Off");
        let answer = connection.run(&GetRequest::new(&script));
        assert_eq!(answer.end, End::Refused(1), "{answer:?}");
        let (status, log) = daemon.ended();
        assert_eq!(status, 0, "{log}");
    }
}

#[test]
fn hook_asks_for_a_reload() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("hook-{}", python.minor));
        let hook = "def reload_required(path):\n    if path != __file__: raise ValueError(path)\n    return wanted\nwanted = False\n";
        let want = format!("{hook}{}", saying("x"))
            .replace("start_response('2", "global wanted; wanted = True; start_response('2");
        let script = folder.write("app.wsgi", &want);
        let daemon = RunningDaemon::serving(&python, &Launch { reload_immediate: true, ..launch() });
        let mut connection = daemon.connect();
        connection.run(&GetRequest::new(&script)).ok();
        let mut get = GetRequest::new(&script);
        get.head.resource = b"/other";
        let answer = connection.run(&get).ok();
        assert!(answer.log().contains("ValueError: /other"), "{}", answer.log());
        assert_eq!(connection.run(&GetRequest::new(&script)).end, End::Refused(1));
        assert_eq!(daemon.ended().0, 0);
    }
}

#[test]
fn module_targets() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("module-{}", python.minor));
        folder.write("lib/pack/__init__.py", "");
        folder.write("lib/pack/web.py", &saying("module").replace("application", "app"));
        let path = folder.path().join("lib").into_os_string().into_encoded_bytes();
        let daemon = RunningDaemon::serving(&python, &Launch { python_path: Some(path), ..launch() });
        let target = Path::new("module:pack.web:app");
        assert_eq!(daemon.connect().run(&GetRequest::new(target)).ok().text(), "module");
        let mut get = GetRequest::new(Path::new("module:pack.web"));
        get.head.callable = b"app";
        assert_eq!(daemon.connect().run(&get).ok().text(), "module");
        let answer = daemon.connect().run(&GetRequest::new(Path::new("module:pack.none")));
        assert!(
            answer.log().contains("ModuleNotFoundError: No module named 'pack.none'"),
            "{}",
            answer.log()
        );
        assert_eq!(daemon.stop().0, 0);
    }
}

#[test]
fn interpreters() {
    let rules = vec![
        InterpreterRule { restrict_stdin: Some(true), ..InterpreterRule::default() },
        InterpreterRule {
            application_group: Some(b"one".to_vec()),
            restrict_stdout: Some(true),
            ..InterpreterRule::default()
        },
    ];
    each_with("interpreters", Launch { rules, home: Some(b"/home".to_vec()), ..launch() }, |snippets| {
        let code = "import sys, mod_wsgi, signal, threading\ndef app(environ, start_response):
    kept['n'] = kept.get('n', 0) + 1
    local = kept.setdefault('local', threading.local())
    local.n = getattr(local, 'n', 0) + 1
    return answer(start_response, repr([mod_wsgi.application_group, mod_wsgi.process_group, mod_wsgi.version,
        mod_wsgi.threads_per_process, kept['n'], outcome(lambda: sys.stdin.read), outcome(lambda: print()),
        type(sys.stdin).__module__ + type(sys.stdin).__name__, sys.path[0], sys.path[-1] == '/home',
        signal.signal(signal.SIGTERM, 5), threading.current_thread().daemon, type(threading.current_thread()).__name__,
        list(mod_wsgi.active_requests), mod_wsgi.active_requests['id-1'] is mod_wsgi.request_data()]))";
        for (group, numbers) in [("", [1, 2]), ("one", [1, 2]), ("two", [1, 2]), ("one", [3, 4])] {
            for number in numbers {
                let get = snippets.request(code).group(group);
                let answer = snippets.daemon.connect().run(&get).ok();
                let print = match group {
                    "one" => "'OSError: sys.stdout access restricted by mod_wsgi'",
                    _ => "'None'",
                };
                let thread = if number > 0 { "'_DummyThread'" } else { "" };
                assert_eq!(
                    answer.text().replace("'_MainThread'", "'_DummyThread'").replace("5, False", "5, True"),
                    format!(
                        "['{group}', 'test', (6, 1, 1), 2, {number}, \
                     'OSError: sys.stdin access restricted by mod_wsgi', {print}, 'mod_wsgiRestricted', \
                     '/home', False, 5, True, {thread}, ['id-1'], True]"
                    )
                );
            }
        }
        snippets.daemon.wait_for_log("Ignoring Python signal handler registration for signal 15.");
    });
}

/// Without `%{GLOBAL}` in the configuration the first group gets the main interpreter under its own name.
#[test]
fn first_group_lives_in_the_main_interpreter() {
    let launch = Launch { names_global: false, ..launch() };
    each_with("first-group", launch, |snippets| {
        let code = "import mod_wsgi, threading, ctypes\ndef app(environ, start_response):
    return answer(start_response, repr((mod_wsgi.application_group, __import__('_thread')._get_main_thread_ident()
        == threading.main_thread().ident if hasattr(__import__('_thread'), '_get_main_thread_ident') else True)))";
        let get = snippets.request(code).group("first");
        assert_eq!(snippets.daemon.connect().run(&get).ok().text(), "('first', True)");
        let get = snippets.request(code).group("second");
        let answer = snippets.daemon.connect().run(&get).ok();
        assert!(answer.text().starts_with("('second'"));
        snippets.daemon.wait_for_log("Using the main Python interpreter for application group 'first'.");
        snippets.daemon.wait_for_log("Creating Python interpreter for application group 'second'.");
    });
}

#[test]
fn own_gil() {
    let rules = vec![InterpreterRule { own_gil: Some(true), ..InterpreterRule::default() }];
    let launch = Launch { rules, threads: 3, ..launch() };
    each_with("own-gil", launch, |snippets| {
        let code = "def app(environ, start_response): return answer(start_response, 'x')";
        for group in ["a", "b", "", "a", "b"] {
            let get = snippets.request(code).group(group);
            assert_eq!(snippets.daemon.connect().run(&get).ok().text(), "x");
        }
        let text = if snippets.python.minor >= 12 { "with its own GIL" } else { "WSGI0198" };
        snippets.daemon.wait_for_log(text);
    });
}

#[test]
fn preloads_and_the_end() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("preload-{}", python.minor));
        let script = folder.write(
            "app.wsgi",
            &format!(
                "import atexit, mod_wsgi, threading
print('loaded by', threading.current_thread().name)
atexit.register(print, 'exit handler of', mod_wsgi.application_group)
mod_wsgi.subscribe_shutdown(lambda name, **keywords: print(name, sorted(keywords.items())))
mod_wsgi.subscribe_events(lambda name, **keywords: print('event', name))
{}",
                saying("x")
            ),
        );
        let preload = |group: &[u8]| PreloadScript {
            script: script.as_os_str().as_encoded_bytes().to_vec(),
            application_group: group.to_vec(),
        };
        let launch = Launch { preloads: vec![preload(b""), preload(b"sub")], ..launch() };
        let daemon = RunningDaemon::serving(&python, &launch);
        daemon.connect().run(&GetRequest::new(&script)).ok();
        daemon.connect().run(&GetRequest::new(&script).group("sub")).ok();
        let (status, log) = daemon.stop();
        assert_eq!(status, 0, "{log}");
        assert_eq!(log.matches("<3>loaded by MainThread\n").count(), 2, "{log}");
        let stopping = "<3>process_stopping [('shutdown_reason', 'shutdown_signal')]\n";
        assert_eq!(log.matches(stopping).count(), 2, "{log}");
        let sub = log.find("exit handler of sub").unwrap_or_else(|| panic!("{log}"));
        let main = log.find("exit handler of \n").unwrap_or_else(|| panic!("{log}"));
        assert!(log.find("event process_stopping").is_some_and(|event| event < sub) && sub < main, "{log}");
        assert_eq!(log.matches("event request_started").count(), 0, "those went to the requests' logs");
    }
}

#[test]
fn events() {
    each("events", |snippets| {
        snippets.check("", &[(
            "__import__('mod_wsgi').subscribe_events(lambda name, **k: kept.setdefault('seen', []).append((name, k)) \
             or {'merged': name}) is not None", "True")]);
        snippets.run("def app(e, s):\n    s('201 Made', [('A', 'b')])\n    return [b'abc']");
        snippets.run("def app(e, s): raise KeyError(1)");
        snippets.check("", &[
            ("[name for name, k in kept['seen']][2:8]",
                "['request_started', 'response_started', 'request_finished', 'request_started', 'request_exception', 'request_finished']"),
            ("sorted(kept['seen'][2][1])",
                "['application_object', 'application_start', 'callable_object', 'daemon_connects', 'daemon_restarts', \
                 'daemon_start', 'queue_start', 'request_data', 'request_environ', 'request_id', 'request_start', \
                 'server_pid', 'thread_id']"),
            ("[kept['seen'][4][1][k] for k in ('status', 'output_length', 'output_writes', 'input_reads', 'server_pid')]",
                "[201, 3, 1, 0, 42]"),
            ("[k for k in ('cpu_time', 'gil_wait_time', 'application_time') if k not in kept['seen'][4][1]]", "[]"),
            ("kept['seen'][7][1]['status'], kept['seen'][6][1]['exception_info'][0]", "(500, <class 'KeyError'>)"),
            ("kept['seen'][3][1]['response_status'], kept['seen'][3][1]['response_headers']", "('201 Made', [('A', 'b')])"),
        ]);
        let answer = snippets
            .run(
                "import mod_wsgi
def other(e, s):
    s('200 OK', [])
    return [b'other']
def replace(name, **keywords):
    if name == 'request_started': return {'application_object': other}
    if name == 'request_finished': raise ValueError('in a callback')
def app(e, s):
    mod_wsgi.event_callbacks[:] = [replace]
    return answer(s, 'own')",
            )
            .ok();
        assert_eq!(answer.text(), "own");
        assert_eq!(snippets.run("def app(e, s): return answer(s, 'own')").ok().text(), "other");
        snippets
            .daemon
            .wait_for_log("WSGI0112: ValueError exception raised by event callback for 'request_finished'");
    });
}
