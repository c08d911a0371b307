//! Each fault has its status and its line, and nothing else dies: what an application, an operator or the machine can
//! do to a daemon besides what `deaths` and `daemon` test.

use integration::{Httpd, HttpdBuilder, Mode, SeenProcess, Subject, eventually, is_root, kill, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const APP: &str = include_str!("../../apps/process.py");

fn server() -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).app(APP)
}

fn pid(server: &Httpd) -> i32 {
    server.get("/").json()["pid"].as_i64().expect("a number") as i32
}

/// The supervisor and httpd's parent of before are those of now.
fn unharmed(server: &Httpd, before: &SeenProcess) {
    assert!(SeenProcess::of(server.pid()).is_some_and(|parent| !parent.is_zombie), "httpd lives");
    assert!(before.is_alive(), "the supervisor lives");
}

fn supervisor(server: &Httpd) -> SeenProcess {
    let all = server.processes();
    all.into_iter().find(|process| process.command.contains("wsgi-supervisor")).expect("a supervisor runs")
}

/// Waits until the group answers.
fn recovers(server: &Httpd) {
    eventually("requests are served again", || (server.get("/").status == 200).then_some(()));
}

/// Groups that end side by side: a process that dies within a second of its start counts as one that cannot serve, so
/// no group can be asked to end more often.
const GROUPS: u32 = 32;

/// All 256 statuses, none of which stops httpd or the supervisor; each request has one line, and each death one.
#[test]
fn every_exit_status_is_502_and_told_as_such() {
    if Subject::skips("a status is reported as a signal, and 15 stops httpd") {
        return;
    }
    let mut builder = Httpd::builder()
        .file("app.wsgi", APP)
        .directives("WSGIRestrictEmbedded On")
        .allow_log("WSGI0146")
        .allow_log("has died: exit status ");
    for group in 0..GROUPS {
        builder = builder.directives(&format!(
            "WSGIDaemonProcess g{group} threads=1\n\
             WSGIScriptAlias /g{group} @ROOT@/app/app.wsgi process-group=g{group} application-group=%{{GLOBAL}}"
        ));
    }
    let server = builder.start();
    let pid = |group: u32| -> i64 {
        let ask = || Some(server.get(&format!("/g{group}"))).filter(|response| response.status == 200);
        eventually("the group serves", ask).json()["pid"].as_i64().expect("a number")
    };
    let supervisor = supervisor(&server);
    // Each client looks after some of the groups; while it sees to the others, a group's process grows old enough.
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (server, pid) = (&server, &pid);
            scope.spawn(move || {
                let groups = || (client..GROUPS).step_by(4);
                groups().for_each(|group| assert!(pid(group) > 0));
                for first in (0..256).step_by(GROUPS as usize) {
                    std::thread::sleep(Duration::from_millis(1100));
                    let before: Vec<_> = groups().map(pid).collect();
                    for group in groups() {
                        let status = first + group;
                        assert_eq!(server.get(&format!("/g{group}?exit={status}")).status, 502, "{status}");
                    }
                    for (group, before) in groups().zip(before) {
                        assert_ne!(pid(group), before, "another process after {}", first + group);
                    }
                }
            });
        }
    });
    unharmed(&server, &supervisor);
    let log = eventually("all lines are there", || {
        let log = server.error_log();
        (log.matches("WSGI0146").count() >= 256).then_some(log)
    });
    for status in 0..256 {
        let words = format!("exit status {status}");
        let names_it = |line: &&str| {
            let rest = line.split_once(&words).map(|(_, rest)| rest);
            rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
        };
        let lines: Vec<&str> = log.lines().filter(names_it).collect();
        assert_eq!(lines.iter().filter(|line| line.contains("WSGI0146")).count(), 1, "{status}: {lines:#?}");
        let verb = if status == 0 { "has ended: " } else { "has died: " };
        assert_eq!(lines.iter().filter(|line| line.contains(verb)).count(), 1, "{status}: {lines:#?}");
    }
}

#[test]
fn hang_at_import_ends_by_startup_timeout() {
    if Subject::skips("its line names no group") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app("import time\ntime.sleep(60)\n")
        .daemon_options("threads=2 startup-timeout=1 shutdown-timeout=1")
        .allow_log("[wsgi:")
        .start();
    let supervisor = supervisor(&server);
    let status = server.get("/").status;
    assert!([502, 503, 504].contains(&status), "{status}");
    server.wait_for_log("startup_timeout");
    server.write("app.wsgi", APP);
    recovers(&server);
    unharmed(&server, &supervisor);
}

#[test]
fn memory_limit_is_a_memory_error_and_the_process_lives() {
    let app = "import os\ndef application(environ, start_response):\n    \
               block = bytearray(400 << 20) if environ['QUERY_STRING'] else b''\n    \
               start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n";
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(app)
        .daemon_options("threads=2 memory-limit=209715200")
        .expect_log("MemoryError")
        .allow_log("[wsgi:error]")
        .start();
    let before = server.get("/").ok().text();
    assert_eq!(server.get("/?large").status, 500);
    assert_eq!(server.get("/").ok().text(), before, "the same process");
}

#[test]
fn unwritable_socket_directory_costs_its_group_only() {
    if Subject::skips("later groups fail too") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .document("page.txt", "static")
        .directives("WSGISocketPrefix @ROOT@/nowhere/wsgi\nAlias /page.txt @ROOT@/htdocs/page.txt")
        .expect_log("set WSGISocketPrefix")
        .allow_log("the directory of the sockets")
        .allow_log("WSGI0117")
        .allow_log("WSGI0013")
        .allow_log("mod_wsgi-ctl will not work")
        .start();
    assert_eq!(server.get("/").status, 503);
    assert_eq!(server.get("/page.txt").ok().text(), "static");
}

#[test]
fn full_disk_for_the_log_stops_nothing() {
    // A line that cannot be written cannot be expected, either.
    let server =
        server().directives("ErrorLog /dev/full\nCustomLog /dev/full plain").daemon_options("threads=2");
    let server = server.start();
    let first = pid(&server);
    let status = server.get("/?kill=9").status;
    assert!(status == 502 || status == 500 && !Subject::is_ours(), "{status}"); // 4.9 says 500
    recovers(&server);
    assert_ne!(pid(&server), first);
}

/// An account that is made for a test, and deleted with it.
struct TestAccount(String);

impl TestAccount {
    fn new() -> TestAccount {
        let account = TestAccount(format!("wsgi-gone-{}", std::process::id()));
        account.delete(); // left by a test process of the same number that was killed
        account
    }

    fn change(&self, program: &str, options: &[&str]) -> Output {
        Command::new(program).args(options).arg(&self.0).output().expect(program)
    }

    /// One program at a time may change accounts, and says so when another one does.
    fn make(&self) {
        let options = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin"];
        let mut said = None;
        let made = wait_until(Duration::from_secs(30), || {
            let output = self.change("useradd", &options);
            let is_made = output.status.success();
            said = Some(output);
            is_made.then_some(())
        });
        assert!(made.is_some(), "{said:?}");
    }

    fn delete(&self) {
        let is_gone = || nix::unistd::User::from_name(&self.0).is_ok_and(|user| user.is_none());
        wait_until(Duration::from_secs(30), || {
            (is_gone() || self.change("userdel", &["-f"]).status.success()).then_some(())
        });
    }
}

impl Drop for TestAccount {
    fn drop(&mut self) {
        self.delete();
    }
}

/// A user whose account is deleted while httpd runs: the numbers were looked up at the start, and go on working.
#[test]
fn deleted_user_serves_on() {
    if !is_root() {
        eprintln!("not run: only root can make an account");
        return;
    }
    let account = TestAccount::new();
    account.make();
    let server = server()
        .daemon_options(&format!("threads=2 user={} home=/", account.0))
        .allow_log("has died")
        .allow_log("WSGI0146")
        .allow_log("WSGI0127") // the original's words for it
        .allow_log("WSGI0147")
        .start();
    let first = pid(&server);
    account.delete();
    assert_eq!(server.get("/?kill=9").status, 502);
    recovers(&server);
    assert_ne!(pid(&server), first);
    // `httpd -k stop` reads the configuration, too.
    account.make();
    server.stop();
}

#[test]
fn deleted_interpreter_is_one_clear_line_and_comes_back() {
    if Subject::skips("there is no interpreter") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .directives("Include @ROOT@/app/more.conf")
        .file("more.conf", "")
        .expect_log("cannot execute the interpreter")
        .allow_log("has died")
        .allow_log("WSGI0117")
        .start();
    let home = server.root().join("app/home");
    fs::create_dir_all(home.join("bin")).expect("a directory");
    let real = fs::canonicalize("/usr/bin/python3").expect("a Python");
    let link = home.join("bin/python3");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    let group = format!(
        "WSGIDaemonProcess other threads=2 python-home={}\n<Location />\nWSGIProcessGroup other\n</Location>\n",
        home.display()
    );
    server.write("more.conf", &group);
    server.graceful();
    eventually("the other group serves", || (server.get("/").ok().json()["group"] == "other").then_some(()));
    let supervisor = supervisor(&server);
    let first = pid(&server);
    fs::remove_file(&link).expect("it is removed");
    kill(first);
    eventually("requests fail at once", || (server.get("/").status == 503).then_some(()));
    server.wait_for_log("cannot execute the interpreter");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    recovers(&server);
    unharmed(&server, &supervisor);
    let lines = server.error_log().matches("cannot execute the interpreter").count();
    let loud = server
        .error_log()
        .lines()
        .filter(|line| line.contains("cannot execute the interpreter") && line.contains(":alert]"))
        .count();
    assert_eq!(loud, 1, "told once at its level, {lines} times in all");
}

/// A control group of version 1 or 2 with 80 MB; none where it cannot be made.
struct ControlGroup(PathBuf);

impl ControlGroup {
    fn make() -> Option<Self> {
        let name = format!("wsgi-test-{}", std::process::id());
        for (mount, limit) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let path = Path::new(mount).join(&name);
            if fs::create_dir(&path).is_ok() {
                let group = Self(path);
                if fs::write(group.0.join(limit), "80000000").is_ok() {
                    return Some(group);
                }
            }
        }
        None
    }

    fn add(&self, pid: i32) -> bool {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).is_ok()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = eventually_removed(&self.0);
    }
}

/// It can be removed when its processes are gone.
fn eventually_removed(path: &Path) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        fs::remove_dir(path).is_ok()
    })
}

#[test]
fn kill_by_the_kernel_for_lack_of_memory_is_told_as_such() {
    if Subject::skips("it says signal 9") {
        return;
    }
    let Some(group) = ControlGroup::make() else {
        println!("skipped: no control group can be made here");
        return;
    };
    let app = "import os\ndef application(environ, start_response):\n    \
               block = bytearray(os.urandom(1 << 20) * 300) if environ['QUERY_STRING'] else b''\n    \
               start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n";
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(app)
        .daemon_options("threads=2")
        .expect_log("out of memory")
        .allow_log("signal 9 (SIGKILL)")
        .allow_log("WSGI01")
        .allow_log("Response from")
        .start();
    let supervisor = supervisor(&server);
    let daemon = || -> i32 { server.get("/").ok().text().parse().expect("a number") };
    let before = daemon();
    if !group.add(supervisor.pid) {
        println!("skipped: processes cannot be moved to a control group here");
        return;
    }
    // The next one is born there, and what was counted in the group of before is forgotten with its start.
    kill(before);
    eventually("another daemon", || (daemon() != before).then_some(()));
    assert_eq!(server.get("/?large").status, 502);
    server.wait_for_log("out of memory");
    recovers(&server);
    unharmed(&server, &supervisor);
}
