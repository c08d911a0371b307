//! What a daemon does besides answering: services, successors, timeouts, metrics, chroot paths.

use crate::process::{RunningDaemon, ScriptFolder, launch};
use crate::pythons;
use crate::snippets::{each, each_with};
use crate::wire::{End, GetRequest};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use wsgi_protocol::launch::{DaemonOrder, DaemonTimers, Launch, PreloadScript};

fn preload(script: &Path, group: &[u8]) -> PreloadScript {
    PreloadScript { script: script.as_os_str().as_bytes().to_vec(), application_group: group.to_vec() }
}

/// `threads=0`: the script runs until it is told to stop, by an exception that lets it clean up.
#[test]
fn services_end_by_an_exception() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("service-{}", python.minor));
        let script = folder.write(
            "service.py",
            "import time
try:
    print('service runs')
    while True: time.sleep(0.05)
finally:
    print('service cleans up')
",
        );
        let launch = Launch { threads: 0, preloads: vec![preload(&script, b"")], ..launch() };
        let daemon = RunningDaemon::serving(&python, &launch);
        daemon.wait_for_log("<3>service runs\n");
        let (status, log) = daemon.stop();
        assert_eq!(status, 0, "{log}");
        assert!(log.contains("<3>service cleans up\n") && !log.contains("SystemExit"), "{log}");
        let quick = folder.write("quick.py", "print('done')\n");
        let launch = Launch { preloads: vec![preload(&quick, b"named")], ..launch };
        let mut daemon = RunningDaemon::start(&python, &launch);
        daemon.ready();
        let (status, log) = daemon.ended();
        assert_eq!((status, log.contains("<3>done\n")), (0, true), "{log}");
    }
}

/// The request that notices a change waits for the supervisor's decision.
#[test]
fn successors_are_asked_for() {
    let source = |text: &str| {
        format!(
            "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{text}']\n"
        )
    };
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("successor-{}", python.minor));
        let script = folder.write("app.wsgi", &source("old"));
        let change = |seconds: u64| {
            folder.write("app.wsgi", &source("new"));
            let file = std::fs::File::options().write(true).open(&script).expect("own file");
            file.set_modified(SystemTime::now() + Duration::from_secs(seconds)).expect("own file");
        };
        let mut daemon = RunningDaemon::serving(&python, &launch());
        let (mut one, mut two) = (daemon.connect(), daemon.connect());
        assert_eq!(one.run(&GetRequest::new(&script)).ok().text(), "old");
        change(5);
        one.send(&GetRequest::new(&script));
        assert_eq!(daemon.ready(), Some(b'T'));
        assert_eq!(two.run(&GetRequest::new(&script)).ok().text(), "old", "others are served meanwhile");
        daemon.order(DaemonOrder::Keep);
        assert_eq!(one.answer().ok().text(), "old");
        change(10);
        one.send(&GetRequest::new(&script));
        assert_eq!(daemon.ready(), Some(b'T'));
        daemon.order(DaemonOrder::Drain);
        assert_eq!(one.answer().end, End::Refused(1));
        let (status, log) = daemon.ended();
        assert_eq!(status, 0, "{log}");
    }
}

#[test]
fn long_requests_are_interrupted() {
    let timers = DaemonTimers { request: 300, interrupt: 5000, ..DaemonTimers::default() };
    let launch = Launch { timers, threads: 1, ..launch() };
    each_with("interrupted", launch, |snippets| {
        for group in ["", "sub"] {
            let code = "def app(environ, start_response):
    import time
    try:
        while True: time.sleep(0.01)
    except Exception: pass
    return answer(start_response, 'swallowed')";
            let get = snippets.request(code).group(group);
            let answer = snippets.daemon.connect().run(&get);
            assert_eq!((&answer.end, answer.status.as_str()), (&End::Complete, "504 Gateway Timeout"));
            assert!(answer.log().contains("thread recovered."), "{}", answer.log());
            assert!(
                answer.log().contains("request-timeout") && answer.log().contains(" in app"),
                "{}",
                answer.log()
            );
            let get = snippets.request("def app(e, s): return answer(s, 'next')").group(group);
            assert_eq!(snippets.daemon.connect().run(&get).ok().text(), "next");
        }
        snippets.daemon.wait_for_log("Injected RequestTimeout into thread 1.");
    });
}

#[test]
fn metrics() {
    each("metrics", |snippets| {
        snippets.check(
            "",
            &[
                (
                    "__import__('mod_wsgi').request_metrics(), __import__('mod_wsgi').process_metrics()",
                    "(None, None)",
                ),
                ("__import__('mod_wsgi').server_metrics()", "None"),
                ("__import__('mod_wsgi').start_recording_metrics()", "None"),
            ],
        );
        snippets.run("def app(e, s):\n    s('404 No', [])\n    return [b'abc', b'd']");
        snippets.check("", &[
            ("kept.__setitem__('m', __import__('mod_wsgi').request_metrics())", "None"),
            ("[kept['m'][k] for k in ('request_count', 'status_4xx', 'output_bytes', 'output_writes')]", "[1, 1, 4, 2]"),
            ("[kept['m'][k] for k in ('request_threads_maximum', 'request_threads_active', 'request_threads_started')]",
                "[2, 1, 1]"),
            ("sum(kept['m']['application_time_buckets']), len(kept['m']['queue_time_buckets'])", "(1, 65)"),
            ("kept['m']['queue_time'] > 0, kept['m']['memory_rss'] > 1000000, kept['m']['sample_period'] > 0",
                "(True, True, True)"),
            ("len(kept['m'])", "66"),
            ("__import__('mod_wsgi').request_metrics()['request_count']", "0"),
            ("__import__('mod_wsgi').process_metrics()['request_count']", "1"),
            ("sorted(__import__('mod_wsgi').process_metrics())",
                "['active_requests', 'cpu_system_time', 'cpu_time', 'cpu_user_time', 'current_time', 'memory_max_rss', \
                 'memory_rss', 'pid', 'request_busy_time', 'request_count', 'request_threads', 'restart_time', \
                 'running_time', 'threads']"),
        ]);
    });
}

#[test]
fn chroot_directory_is_stripped() {
    for python in pythons::all() {
        let folder = ScriptFolder::new(&format!("chroot-{}", python.minor));
        let script = folder.write(
            "app.wsgi",
            "def application(environ, start_response):
    start_response('200 OK', [])
    return [repr((environ['SCRIPT_FILENAME'] == __file__, environ.get('DOCUMENT_ROOT'))).encode()]\n",
        );
        let outer = Path::new("/jail").join(script.strip_prefix("/").expect("absolute"));
        let named = outer.to_str().expect("ASCII").as_bytes().to_vec();
        let preloads = vec![PreloadScript { script: named, application_group: Vec::new() }];
        let daemon = RunningDaemon::serving(
            &python,
            &Launch { chroot: Some(b"/jail".to_vec()), preloads, ..launch() },
        );
        let get = GetRequest::new(&outer).pair("SCRIPT_FILENAME", outer.to_str().expect("ASCII"));
        let answer = daemon.connect().run(&get.clone().pair("DOCUMENT_ROOT", "/jail/www")).ok();
        assert_eq!(answer.text(), "(True, '/www')");
        assert_eq!(daemon.connect().run(&get.pair("DOCUMENT_ROOT", "/www")).ok().text(), "(True, None)");
        let answer = daemon.connect().run(&GetRequest::new(&script));
        assert_eq!(answer.end, End::Fail(502));
        assert!(answer.log().contains("WSGI0081"), "{}", answer.log());
        let (status, log) = daemon.stop();
        assert!(status == 0 && !log.contains("WSGI0106"), "{log}");
    }
}
