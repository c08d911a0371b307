//! What was lost is made again without anybody's help: supervisors that cannot be started, are stopped or killed.

use integration::{Httpd, HttpdBuilder, Mode, SeenProcess, Subject, copy_program, eventually, signal};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

const APP: &str = include_str!("../../apps/process.py");

const NO_SUPERVISOR: &str = "there is no supervisor";

fn server() -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).app(APP)
}

fn supervisor(server: &Httpd) -> Option<SeenProcess> {
    let is_one = |process: &SeenProcess| process.command.contains("wsgi-supervisor") && !process.is_zombie;
    server.processes().into_iter().find(is_one)
}

fn recovers(server: &Httpd) {
    eventually("requests are served again", || (server.get("/").status == 200).then_some(()));
}

/// Where the supervisor's program lies, and a name that it is put aside under.
fn program(server: &Httpd) -> (PathBuf, PathBuf) {
    let folder = server.root().join("modules/mod_wsgi");
    (folder.join("wsgi-supervisor"), folder.join("wsgi-supervisor.aside"))
}

#[test]
fn missing_supervisor_program_is_told_at_once_and_heals() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server =
        server().expect_log("WSGI0304").expect_log("WSGI0305").expect_log("could not be started").start();
    recovers(&server);
    let (program, aside) = program(&server);
    fs::rename(&program, &aside).expect("it is put aside");
    signal(supervisor(&server).expect("it runs").pid, Signal::SIGKILL);
    eventually("requests fail at once", || (server.get("/").status == 503).then_some(()));
    server.wait_for_log("the supervisor of the daemon processes could not be started");
    // As if the module's package was just being upgraded when httpd read its configuration again.
    server.graceful();
    assert_eq!(server.get("/").status, 503);
    fs::rename(&aside, &program).expect("it is back");
    recovers(&server);
}

/// Whoever copies a program has it open to write, and so may a process that he is about to start; until then nobody can execute
/// it.
#[test]
fn supervisor_program_that_is_still_being_written_is_waited_for() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = server().expect_log("WSGI0305").allow_log("WSGI0065").start();
    recovers(&server);
    let (program, aside) = program(&server);
    fs::rename(&program, &aside).expect("it is put aside");
    copy_program(&aside, &program);
    let writer = fs::OpenOptions::new().append(true).open(&program).expect("nobody executes it");
    signal(supervisor(&server).expect("it runs").pid, Signal::SIGKILL);
    let told = || server.error_log().matches("WSGI0305").count();
    // A child of httpd that has a session of its own, and sleeps.
    let waits = |process: SeenProcess| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
        let fields =
            stat.rsplit(") ").next().unwrap_or_default().split(' ').take(4).collect::<Vec<_>>().join(" ");
        fields.starts_with(&format!("S {} ", server.pid()))
            && fields.ends_with(&format!(" {0} {0}", process.pid))
    };
    eventually("it has been tried", || {
        (told() > 1 || server.children().into_iter().any(waits)).then_some(())
    });
    drop(writer);
    recovers(&server);
    assert_eq!(told(), 1, "{}", server.error_log());
}

/// It dies in its first milliseconds, several times in a row, also when a configuration waits for its answer.
#[test]
fn supervisor_that_dies_at_its_start_is_tried_again() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = server()
        .expect_log("WSGI0305")
        .allow_log("WSGI0304")
        .allow_log("WSGI0065")
        .allow_log("could not be started")
        .start();
    let (program, aside) = program(&server);
    let die = |times: u32| {
        if !aside.exists() {
            fs::rename(&program, &aside).expect("it is put aside");
        }
        let count = server.write("count", &"x".repeat(times as usize));
        let script = format!(
            "#!/bin/sh\nif [ -s {count} ]; then sed -i s/x// {count}; kill -9 $$; fi\nexec {aside} \"$@\"\n",
            count = count.display(),
            aside = aside.display()
        );
        copy_program(&server.write("script", &script), &program);
    };
    die(2);
    signal(supervisor(&server).expect("it runs").pid, Signal::SIGKILL);
    server.wait_for_log("WSGI0305");
    recovers(&server);
    die(1);
    signal(supervisor(&server).expect("it runs").pid, Signal::SIGKILL);
    server.graceful();
    recovers(&server);
}

#[test]
fn log_at_its_size_limit_costs_lines_and_nothing_else() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    const LIMIT: u64 = 400_000;
    let server = server().allow_log("WSGI0146").start();
    let first = server.get("/").ok().json()["pid"].clone();
    let supervisor = supervisor(&server).expect("it runs");
    let log = server.root().join("logs/error.log");
    let mut text = fs::read(&log).expect("it is there");
    text.resize(LIMIT as usize, b'\n');
    fs::write(&log, text).expect("own file");
    let limited = Command::new("prlimit")
        .args([format!("--pid={}", supervisor.pid), format!("--fsize={LIMIT}")])
        .status()
        .expect("util-linux is there");
    assert!(limited.success());
    assert_eq!(server.get("/?kill=9").status, 502);
    recovers(&server);
    assert_ne!(server.get("/").json()["pid"], first);
    assert!(supervisor.is_alive());
}

#[test]
fn stopped_supervisor_does_not_hold_a_restart_up_and_is_ended() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = server().expect_log("WSGI0380").allow_log("WSGI01").allow_log("WSGI0065").start();
    recovers(&server);
    let stopped = supervisor(&server).expect("it runs");
    signal(stopped.pid, Signal::SIGSTOP);
    server.graceful(); // waits as long as a machine needs, and not as long as a stopped process is patient
    eventually("it is ended", || (!stopped.is_alive()).then_some(()));
    recovers(&server);
    server.graceful();
    recovers(&server);
}

/// A stop does not wait for one that is stopped, and what it leaves is removed.
#[test]
fn stopped_supervisor_does_not_outlive_httpd() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = server().start();
    recovers(&server);
    let all = server.processes();
    signal(supervisor(&server).expect("it runs").pid, Signal::SIGSTOP);
    signal(server.pid(), Signal::SIGTERM);
    eventually("all are gone", || all.iter().all(|process| !process.is_alive()).then_some(()));
}

/// What many clients get who ask at the same time, `count` times each; `meanwhile` runs beside them.
fn crowd(server: &Httpd, clients: usize, count: usize, meanwhile: impl FnOnce()) -> BTreeMap<u16, usize> {
    let statuses = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                for _ in 0..count {
                    let status = server.request("GET", "/").header("Connection", "close").send().status;
                    *statuses.lock().expect("no panic while held").entry(status).or_insert(0) += 1;
                }
            });
        }
        meanwhile();
    });
    statuses.into_inner().expect("no panic while held")
}

/// Each process serves one request, and the others wait for the next one.
#[test]
fn nobody_is_refused_while_processes_are_replaced() {
    const CLIENTS: usize = 6;
    const COUNT: usize = 6;
    let options = "threads=1 processes=1 maximum-requests=1";
    let all = [options.to_owned(), format!("{options} preload=on")];
    for options in if Subject::is_ours() { &all[..] } else { &all[..1] } {
        let server = server().daemon_options(options).start();
        let statuses = crowd(&server, CLIENTS, COUNT, || ());
        assert_eq!(statuses, BTreeMap::from([(200, CLIENTS * COUNT)]), "{options}");
    }
}

/// The process ends, and the next one comes: quicker after one another than a process can be called stable.
#[test]
fn immediate_reload_refuses_nobody() {
    let options = if Subject::is_ours() { "threads=4 reload=immediate" } else { "threads=4" };
    let server = server().daemon_options(options).start();
    recovers(&server);
    let statuses = crowd(&server, 8, 60, || {
        for round in 0..8 {
            server.write("app.wsgi", &format!("{APP}# {round}\n"));
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
    });
    assert_eq!(statuses, BTreeMap::from([(200, 8 * 60)]));
}

/// Whose request kills its process costs nobody else more than a moment.
#[test]
fn crashing_request_does_not_take_the_group_away() {
    let server =
        server().daemon_options("threads=4 processes=1").allow_log("has died").allow_log("WSGI01").start();
    let statuses = crowd(&server, 4, 60, || {
        for _ in 0..12 {
            server.get("/?kill=9");
        }
    });
    let refused: usize = [503, 504].iter().filter_map(|status| statuses.get(status)).sum();
    assert_eq!(refused, 0, "{statuses:?}");
    assert!(statuses[&200] > 120, "{statuses:?}");
}

/// A download that takes longer than graceful-timeout and shutdown-timeout together.
#[test]
fn download_outlives_its_process_being_replaced() {
    if Subject::skips("it is cut off") {
        return;
    }
    let app = "import os, time\ndef application(environ, start_response):\n    \
               start_response('200 OK', [('X-Pid', str(os.getpid()))])\n    \
               if environ['QUERY_STRING']:\n        print('here it sleeps', file=environ['wsgi.errors'], flush=True)\n        for n in range(24):\n            time.sleep(0.2)\n            yield b'x' * 1000\n";
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(app)
        .daemon_options("threads=4 graceful-timeout=1 shutdown-timeout=1")
        .start();
    let pid = || server.get("/").ok().header("X-Pid").expect("present").to_owned();
    let first = pid();
    let download = std::thread::scope(|scope| {
        let download = scope.spawn(|| server.get("/?long"));
        server.wait_for_log("here it sleeps");
        server.write("app.wsgi", &format!("{app}# changed\n"));
        eventually("another process serves", || (pid() != first).then_some(()));
        download.join().expect("no panic")
    });
    assert_eq!(download.ok().text().len(), 24_000);
}

/// An interpreter that is not there when httpd reads its configuration: the old processes serve on, and it is looked for
/// again until it is there.
#[test]
fn missing_python_home_heals() {
    if Subject::skips("it has no interpreters of its own") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .python_home(None)
        .directives("Include @ROOT@/app/home.conf")
        .file("home.conf", "")
        .expect_log("cannot execute the interpreter")
        .allow_log("WSGI0117")
        .allow_log("cannot be started")
        .allow_log("with the new configuration")
        .start();
    recovers(&server);
    let home = server.root().join("app/home");
    let group = format!(
        "WSGIDaemonProcess other threads=2 python-home={}\n<Location />\nWSGIProcessGroup other\n</Location>\n",
        home.display()
    );
    let make = || {
        fs::create_dir_all(home.join("bin")).expect("a directory");
        let real = fs::canonicalize("/usr/bin/python3").expect("a Python");
        std::os::unix::fs::symlink(real, home.join("bin/python3")).expect("a link");
    };
    // A start without it.
    server.write("home.conf", &group);
    server.graceful();
    eventually("its requests fail at once", || (server.get("/").status == 503).then_some(()));
    make();
    recovers(&server);
    let first = server.get("/").json()["pid"].clone();
    // Removed, as by a virtual environment that is made anew.
    fs::remove_dir_all(&home).expect("it is removed");
    server.graceful();
    server.wait_for_log("cannot be started with the new configuration");
    assert_eq!(server.get("/").ok().json()["pid"], first, "the old process serves");
    make();
    eventually("a new process serves", || (server.get("/").ok().json()["pid"] != first).then_some(()));
}

/// The action runs in the application, with `os` and `environ`.
fn doing(action: &str) -> String {
    format!(
        "import os\nkept = []\ndef application(environ, start_response):\n    if environ['QUERY_STRING'] == 'act':\n        \
         {action}\n    body = str(os.getpid()).encode()\n    \
         start_response('200 OK', [('Content-Length', str(len(body)))])\n    return [body]\n"
    )
}

#[test]
fn closed_descriptors_cost_their_process_only() {
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(&doing("os.closerange(3, 4096)"))
        .directives("Timeout 5")
        .allow_log("WSGI0")
        .allow_log("has ended as told, but not in order")
        .allow_log("has died");
    let server = if Subject::is_ours() { server.expect_log("WSGI0383") } else { server }.start();
    let first = server.get("/").ok().text();
    let status = server.get("/?act").status;
    assert!([200, 500, 502, 504].contains(&status), "{status}");
    eventually("another process serves", || {
        let response = server.request("GET", "/").header("Connection", "close").send();
        (response.status == 200 && response.text() != first).then_some(())
    });
    if Subject::is_ours() {
        server.wait_for_log(&format!("process {first} of group 'app' has"));
        assert!(server.error_log().matches("WSGI0311").count() <= 4, "told once in a while");
    }
}

#[test]
fn process_without_descriptors_is_replaced() {
    if Subject::skips("it waits for a descriptor for ever") {
        return;
    }
    let take_all =
        "\n        try:\n            while True: kept.append(os.dup(0))\n        except OSError: pass";
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(&doing(take_all))
        .daemon_options("threads=4")
        .allow_log("WSGI01")
        .expect_log("Unable to accept a connection")
        .start();
    let first = server.get("/").ok().text();
    let first = first.as_str();
    server.get("/?act").ok();
    // More connections than httpd keeps open already.
    let server = &server;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                eventually("another process serves", || {
                    let response = server.request("GET", "/").header("Connection", "close").send();
                    (response.status == 200 && response.text() != first).then_some(())
                })
            });
        }
    });
    assert!(server.error_log().matches("Unable to accept").count() <= 2, "told once in a while");
}

/// A request outlives the supervisor, and the next one's processes take over.
#[test]
fn killed_supervisor_takes_no_request_along() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = server().allow_log("WSGI0305").allow_log("WSGI0065").start();
    let first = server.get("/").ok().json()["pid"].clone();
    let long = std::thread::scope(|scope| {
        let long = scope.spawn(|| server.get("/?sleep=3"));
        server.wait_for_log("here it sleeps");
        signal(supervisor(&server).expect("it runs").pid, Signal::SIGKILL);
        // Within the same second: what the dead one has left goes, too.
        server.graceful();
        eventually("another process serves", || {
            (server.request("GET", "/").header("Connection", "close").send().ok().json()["pid"] != first)
                .then_some(())
        });
        long.join().expect("no panic")
    });
    assert_eq!(long.ok().json()["pid"], first);
}
