//! `preload=on`: one import per group, workers that share its memory, and nothing that is lost by it.

use crate::operators::control::done;
use crate::product::examples::{example, migrate, venv};
use integration::{Httpd, HttpdBuilder, Mode, SeenProcess, Subject, eventually, kill, pythons};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Notes its imports in a file, and says what it is asked for.
pub const APP: &str = r#"
import os
import random
import time
from urllib.parse import parse_qs

with open(os.path.join(os.environ["FOLDER"], "imports"), "a") as file:
    file.write("%d\n" % os.getpid())
# AT IMPORT


def application(environ, start_response):
    query = {key: value[0] for key, value in parse_qs(environ["QUERY_STRING"]).items()}
    time.sleep(float(query.get("sleep", "0")))
    text = repr(eval(query["eval"])) if "eval" in query else "first"
    start_response("200 OK", [("X-Pid", str(os.getpid())), ("X-Parent", str(os.getppid()))])
    return [text.encode()]
"#;

/// The path that evaluates a Python expression, in a worker that is busy with it for a while.
fn evaluating(expression: &str) -> String {
    let code: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/?sleep=0.3&eval={code}")
}

/// What the original does with the option.
pub const UNKNOWN: &str = "preload= is not known";

pub fn server_of(app: &str, options: &str) -> HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .app(app)
        .daemon_options(&format!("preload=on display-name=%{{GROUP}} env=FOLDER=@ROOT@/app/data {options}"))
        .writable("data")
}

fn server(options: &str) -> HttpdBuilder {
    server_of(APP, options)
}

/// Lines that tell of processes that a test kills.
pub fn allowing_death(builder: HttpdBuilder) -> HttpdBuilder {
    builder.allow_log("signal").allow_log("SIGKILL")
}

/// The processes that have imported the script, in order.
pub fn imports(server: &Httpd) -> Vec<i32> {
    let text = std::fs::read_to_string(server.root().join("app/data/imports")).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

/// Supervisor, zygotes, workers.
pub fn family(server: &Httpd) -> (i32, Vec<i32>, BTreeSet<i32>) {
    let all = server.processes();
    let is_supervisor = |p: &&SeenProcess| p.parent == server.pid() && p.command.contains("wsgi-supervisor");
    let supervisor = all.iter().find(is_supervisor).map_or(0, |process| process.pid);
    let named = |p: &&SeenProcess| p.parent == supervisor && p.command.contains("wsgi:app") && !p.is_zombie;
    let (zygotes, workers): (Vec<&SeenProcess>, Vec<&SeenProcess>) =
        all.iter().filter(named).partition(|process| process.command.contains("zygote"));
    (supervisor, zygotes.iter().map(|p| p.pid).collect(), workers.iter().map(|p| p.pid).collect())
}

/// The one zygote and so many workers, once all are there.
pub fn settled(server: &Httpd, count: usize) -> (i32, BTreeSet<i32>) {
    eventually("one zygote and all workers are there", || {
        let (_, zygotes, workers) = family(server);
        (zygotes.len() == 1 && workers.len() == count).then(|| (zygotes[0], workers))
    })
}

/// Answers of so many different workers at least: each gets a request while the others are busy.
fn answers(server: &Httpd, path: &str, count: usize) -> Vec<(i32, String)> {
    eventually("different workers answer", || {
        let ask = || {
            let response = server.get(path).ok();
            let pid = response.header("X-Pid").expect("present").parse().expect("a number");
            (pid, response.text())
        };
        let mut all: Vec<(i32, String)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("answered")).collect()
        });
        all.sort();
        all.dedup_by_key(|answer| answer.0);
        (all.len() == count).then_some(all)
    })
}

/// Writes the script with another modification time.
pub fn change(server: &Httpd, source: &str, seconds: u64) {
    let path = server.write("app.wsgi", source);
    let file = std::fs::File::options().write(true).open(path).expect("own file");
    file.set_modified(SystemTime::now() + Duration::from_secs(seconds)).expect("own file");
}

/// Sends requests all the time while `action` runs; each must be answered with 200.
pub fn under_load(server: &Httpd, action: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for path in ["/", "/?sleep=0.02", "/?sleep=0.2"] {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // A connection of its own: httpd closes idle ones at a graceful restart, as it may.
                    let response = server.request("GET", path).header("Connection", "close").send();
                    assert_eq!(response.status, 200, "{path}: {}", response.text());
                }
            });
        }
        // Also when it panics, or the requests would go on for ever.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _done = Done(&done);
        action();
    });
}

#[test]
fn workers_are_forked_from_one_import() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = server("processes=4 threads=2").start();
    let (zygote, workers) = settled(&server, 4);
    let (supervisor, ..) = family(&server);
    assert_eq!(imports(&server), [zygote]);
    let seen = answers(
        &server,
        &evaluating("os.getuid(), os.getgid(), os.getsid(0) == os.getpid(), os.getppid()"),
        4,
    );
    assert_eq!(seen.iter().map(|answer| answer.0).collect::<BTreeSet<_>>(), workers);
    let ids = std::fs::metadata(format!("/proc/{zygote}")).expect("it runs");
    let ids = {
        use std::os::unix::fs::MetadataExt;
        (ids.uid(), ids.gid())
    };
    for (pid, text) in seen {
        assert_eq!(text, format!("({}, {}, True, {supervisor})", ids.0, ids.1), "{pid}");
    }
    assert_eq!(imports(&server).len(), 1);
    assert!(server.processes().iter().all(|process| !process.is_zombie), "those in between are reaped");
}

/// What a worker has open is what a process that was exec'ed has open: 0 to 4, 6, 7, and its own.
#[test]
fn a_worker_has_no_descriptor_of_its_zygote() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let count = |server: &Httpd| {
        let response = server.get(&evaluating("sorted(os.listdir('/proc/self/fd'), key=int)")).ok();
        response.text()
    };
    let forked = server("threads=1").start();
    let (zygote, _) = settled(&forked, 1);
    let own = count(&forked);
    forked.stop();
    let usual = server("threads=1 preload=off").start();
    let expected = count(&usual);
    assert!(zygote > 0 && own.matches(',').count() <= expected.matches(',').count(), "{own} {expected}");
}

#[test]
fn workers_work_in_each_python() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    for python in pythons() {
        let home = format!("processes=3 threads=3 python-home={}", python.venv.display());
        let app = APP.replace("# AT IMPORT", "import gc, hashlib, json, logging, ssl, subprocess, threading");
        let server = server_of(&app, &home).start();
        let (zygote, _) = settled(&server, 3);
        let version = &python.version;
        let numbers: BTreeSet<String> =
            answers(&server, &evaluating("random.random()"), 3).into_iter().map(|row| row.1).collect();
        assert_eq!(numbers.len(), 3, "{version}: each worker has its own random numbers");
        for (expression, expected) in [
            ("gc.get_freeze_count()>1000", "True"),
            ("gc.isenabled()", "True"),
            ("subprocess.check_output(['echo','x'])", "b'x\\n'"),
            ("threading.main_thread().is_alive()", "True"),
            ("[t.start() or t.join() for t in [threading.Thread()]]", "[None]"),
            ("len(ssl.RAND_bytes(8))", "8"),
            ("os.getpid()!=int(open(os.environ['FOLDER'] + '/imports').read())", "True"),
        ] {
            let text = server.get(&evaluating(expression)).ok().text();
            assert_eq!(text, expected, "{version}: {expression}");
        }
        assert_eq!(imports(&server), [zygote], "{version}");
    }
}

#[test]
fn killed_worker_is_replaced_without_an_import() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = allowing_death(server("processes=3 threads=2")).start();
    let (zygote, before) = settled(&server, 3);
    for _ in 0..3 {
        let victim: i32 = server.get("/").ok().header("X-Pid").expect("present").parse().expect("a number");
        kill(victim);
        assert_eq!(server.get("/").ok().text(), "first");
    }
    eventually("others serve", || {
        let (now, workers) = settled(&server, 3);
        (now == zygote && workers != before).then_some(())
    });
    assert_eq!(imports(&server), [zygote]);
}

#[test]
fn killed_zygote_is_replaced_and_its_workers_stay() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = allowing_death(server("processes=3 threads=2")).start();
    let (zygote, workers) = settled(&server, 3);
    under_load(&server, || {
        kill(zygote);
        let next = eventually("another zygote", || {
            let (_, zygotes, now) = family(&server);
            assert_eq!(now, workers, "workers stay");
            zygotes.first().copied().filter(|pid| *pid != zygote && imports(&server).contains(pid))
        });
        assert_eq!(imports(&server), [zygote, next]);
    });
    server.wait_for_log(&format!("zygote {zygote} of group 'app' has died"));
    let victim = *workers.first().expect("three");
    kill(victim);
    eventually("another worker takes its place", || {
        let (_, now) = settled(&server, 3);
        (!now.contains(&victim)).then_some(())
    });
    assert_eq!(server.get("/").ok().text(), "first");
    assert_eq!(imports(&server).len(), 2);
}

#[test]
fn recycled_workers_come_from_the_zygote() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = server("processes=2 threads=2 maximum-requests=5").start();
    let (zygote, before) = settled(&server, 2);
    under_load(&server, || {
        eventually("all are recycled", || {
            let (_, _, now) = family(&server);
            now.is_disjoint(&before).then_some(())
        });
    });
    assert_eq!(imports(&server), [zygote]);
}

#[test]
fn changed_script_is_imported_once_and_reaches_all_workers() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = server("processes=3 threads=2").start();
    let (first, before) = settled(&server, 3);
    under_load(&server, || {
        change(&server, &APP.replace("\"first\"", "\"second\""), 5);
        eventually("all have the new code", || {
            let (_, zygotes, now) = family(&server);
            (now.is_disjoint(&before) && now.len() == 3 && zygotes.len() == 1).then_some(())
        });
    });
    for (_, text) in answers(&server, "/?sleep=0.3", 3) {
        assert_eq!(text, "second");
    }
    let (second, _) = settled(&server, 3);
    assert_eq!(imports(&server), [first, second]);
}

#[test]
fn broken_deployment_keeps_the_old_code_everywhere() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = server("processes=3 threads=2")
        .expect_log("keeps serving")
        .expect_log("WSGI0106")
        .allow_python_errors()
        .start();
    let (zygote, workers) = settled(&server, 3);
    under_load(&server, || {
        change(&server, "def application(:\n", 5);
        server.wait_for_log("keeps serving");
    });
    assert_eq!(answers(&server, "/?sleep=0.3", 3).iter().filter(|row| row.1 == "first").count(), 3);
    assert_eq!(settled(&server, 3), (zygote, workers.clone()));
    under_load(&server, || {
        change(&server, &APP.replace("\"first\"", "\"mended\""), 10);
        eventually("all have the new code", || family(&server).2.is_disjoint(&workers).then_some(()));
    });
    assert_eq!(server.get("/").ok().text(), "mended");
}

#[test]
fn graceful_restart_loses_nothing_and_takes_the_option_along() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = server("processes=3 threads=2").start();
    let (mut zygote, mut workers) = settled(&server, 3);
    under_load(&server, || {
        for round in 1..=3 {
            server.graceful();
            let next = eventually("the next generation", || {
                let (_, zygotes, now) = family(&server);
                let is_new = now.is_disjoint(&workers) && zygotes.len() == 1 && zygotes[0] != zygote;
                (is_new && now.len() == 3).then(|| (zygotes[0], now))
            });
            (zygote, workers) = next;
            assert_eq!(imports(&server).len(), round + 1);
        }
    });
}

/// Restarting by hand means importing anew; scaling and stopping are about workers, and a stopped group has no zygote.
#[test]
fn operator_restarts_scales_and_stops() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = server("processes=2 threads=2").start();
    let (first, before) = settled(&server, 2);
    under_load(&server, || {
        done(&server, &["restart", "app"]);
        let (second, now) = settled(&server, 2);
        assert!(second != first && now.is_disjoint(&before));
        done(&server, &["scale", "app", "4"]);
        settled(&server, 4);
        assert_eq!(imports(&server), [first, second]);
        done(&server, &["scale", "app", "1"]);
        settled(&server, 1);
    });
    assert_eq!(done(&server, &["status"]).matches("zygote").count(), 1);
    done(&server, &["stop", "app"]);
    eventually("nobody is left", || {
        let (_, zygotes, workers) = family(&server);
        (zygotes.is_empty() && workers.is_empty()).then_some(())
    });
    done(&server, &["start", "app"]);
    settled(&server, 2);
    assert_eq!(server.get("/").ok().text(), "first");
}

#[test]
fn threads_of_an_import_are_named_as_lost() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let app = APP.replace(
        "# AT IMPORT",
        "import threading\nthreading.Thread(target=time.sleep, args=(1000,), name='poller', daemon=True).start()",
    );
    let server =
        server_of(&app, "processes=2 threads=2").expect_log("app.wsgi' of daemon process 'app' has started");
    let server = server.start();
    server.wait_for_log("'poller'");
    for (_, text) in answers(&server, &evaluating("[t.name for t in threading.enumerate()]"), 2) {
        assert!(!text.contains("poller"), "{text}");
    }
    assert_eq!(imports(&server).len(), 1);
}

#[test]
fn scripts_of_sub_interpreters_are_left_to_the_workers() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let server = server("processes=2 threads=2")
        .file("named.wsgi", APP)
        .directives("WSGIImportScript @ROOT@/app/named.wsgi process-group=app application-group=named")
        .start();
    let (zygote, workers) = settled(&server, 2);
    eventually("each worker has imported it", || {
        let importers: BTreeSet<i32> = imports(&server).into_iter().filter(|pid| *pid != zygote).collect();
        (importers == workers).then_some(())
    });
    assert_eq!(imports(&server).len(), 3, "the other script was imported once");
}

/// Proportional set size in KiB of all processes of the example's group, fresh and after some hundred requests.
fn memory_of_django(options: &str) -> (u64, u64) {
    let venv = venv("django");
    let replacements = [("@VENV@", venv.as_path()), ("processes=2", Path::new(options))];
    let server = example("django", "httpd.conf", &replacements).writable("django/data").start();
    migrate(&server, &venv);
    let group = || -> Vec<SeenProcess> {
        server.processes().into_iter().filter(|process| process.command.contains("(wsgi:notes)")).collect()
    };
    let sum = || group().iter().map(|process| process.memory("Pss")).sum::<u64>();
    // Each on a connection of its own: httpd may close an idle one at any time.
    let get = || server.request("GET", "/").header("Connection", "close").send().ok();
    let visit = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..count).for_each(|_| _ = get()));
            }
        });
    };
    // Without the option a worker imports the application at its first request.
    eventually("all workers have the application", || {
        visit(2);
        let processes = group();
        (processes.len() >= 8 && processes.iter().all(|process| process.memory("Rss") > 30_000)).then_some(())
    });
    let fresh = sum();
    visit(40);
    (fresh, sum())
}

#[test]
fn eight_django_workers_take_at_least_forty_percent_less_memory() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let (usual, usual_later) = memory_of_django("processes=8");
    let (forked, forked_later) = memory_of_django("processes=8 preload=on");
    let text =
        format!("{usual} KiB, preload=on {forked}; after 640 requests {usual_later} and {forked_later}");
    println!("{text}");
    assert!(forked * 10 <= usual * 6 && forked_later * 10 <= usual_later * 6, "{text}");
}
