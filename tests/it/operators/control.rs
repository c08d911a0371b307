//! `mod_wsgi-ctl`: status, restart, scale, stop, start and stacks of a running server, without losing a request.

use integration::{Httpd, Mode, Subject, WireConnection, eventually, kill};
use serde_json::Value;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const APP: &str = include_str!("../../apps/process.py");

/// The control socket of a server.
pub fn control_socket(server: &Httpd) -> PathBuf {
    let list = std::fs::read_to_string("/proc/net/unix").expect("it can be read");
    let end = format!(".{}.control", server.pid());
    let line = list.lines().find(|line| line.ends_with(&end)).expect("a control socket");
    PathBuf::from(line.split_whitespace().nth(7).expect("a path"))
}

/// Runs mod_wsgi-ctl for a server.
fn ctl(server: &Httpd, arguments: &[&str]) -> Output {
    let module = Subject::module_path();
    let program = module.with_file_name("mod_wsgi").join("mod_wsgi-ctl");
    Command::new(program)
        .arg("--socket")
        .arg(control_socket(server))
        .args(arguments)
        .output()
        .expect("mod_wsgi-ctl runs")
}

#[track_caller]
pub fn done(server: &Httpd, arguments: &[&str]) -> String {
    let output = ctl(server, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
pub fn refused(server: &Httpd, arguments: &[&str]) -> String {
    let output = ctl(server, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn group(server: &Httpd) -> Value {
    let status: Value = serde_json::from_str(&done(server, &["--json", "status"])).expect("JSON");
    status["groups"][0].clone()
}

/// Process ids that serve.
pub fn serving(server: &Httpd) -> Vec<i64> {
    let group = group(server);
    let rows = group["processes"].as_array().expect("a list");
    let serving = rows.iter().filter(|row| row["state"] == "serving");
    serving.map(|row| row["pid"].as_i64().expect("a number")).collect()
}

/// Keeps requests coming on kept-open and fresh connections while `work` runs; every one must be answered 200.
pub fn under_load(server: &Httpd, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = |path: &'static str| {
            let over = &over;
            scope.spawn(move || {
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    let mut wire: WireConnection = server.connect();
                    wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
                    assert_eq!(wire.response(false).status, 200);
                    count += 1;
                }
                count
            })
        };
        let clients = [client("/"), client("/"), client("/?sleep=0.05"), client("/?sleep=0.3")];
        // Also when it panics, or the requests would go on for ever.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let done = Over(&over);
        work();
        drop(done);
        let served: u32 = clients.map(|client| client.join().expect("every request was served")).iter().sum();
        assert!(served > 10, "{served} requests");
    });
}

#[test]
fn status_tells_what_runs() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .daemon_options("processes=2 threads=3")
        .allow_log("has died")
        .allow_log("last output")
        .start();
    let pid = server.get("/").json()["pid"].as_i64().expect("a number");
    let facts = std::fs::symlink_metadata(control_socket(&server)).expect("it is there");
    assert!(facts.file_type().is_socket());
    assert_eq!(facts.mode() & 0o777, 0o600, "nobody else may connect");
    eventually("both serve", || (serving(&server).len() == 2).then_some(()));
    let before = group(&server);
    assert_eq!(
        (&before["threads"], &before["stopped"], &before["import_failed"]),
        (&3.into(), &false.into(), &false.into())
    );
    let table = done(&server, &["status"]);
    assert!(table.contains(&pid.to_string()) && table.contains("serving"), "{table}");
    kill(pid as i32);
    eventually("the death is told", || {
        let rows = group(&server)["processes"].clone();
        let row = rows.as_array()?.iter().find(|row| row["last_death"]["pid"] == pid)?.clone();
        (row["state"] == "serving"
            && row["restarts"] == 1
            && row["last_death"]["cause"].as_str()?.contains("SIGKILL"))
        .then_some(())
    });
    let output = refused(&server, &["restart", "unheard-of"]);
    assert!(output.contains("no daemon process group 'unheard-of'"), "{output}");
}

#[test]
fn restart_replaces_all_and_loses_nothing() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options("processes=3 threads=4").start();
    server.get("/").ok();
    eventually("all serve", || (serving(&server).len() == 3).then_some(()));
    under_load(&server, || {
        for _ in 0..2 {
            let before = serving(&server);
            let name = group(&server)["name"].as_str().expect("a name").to_owned();
            done(&server, &["restart", &name]);
            let after = serving(&server);
            assert_eq!(after.len(), 3);
            assert!(!after.iter().any(|pid| before.contains(pid)), "{before:?} {after:?}");
        }
    });
}

#[test]
fn scale_up_and_down_loses_nothing() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options("processes=2 threads=4").start();
    server.get("/").ok();
    let name = group(&server)["name"].as_str().expect("a name").to_owned();
    under_load(&server, || {
        for count in ["5", "1", "4", "2"] {
            done(&server, &["scale", &name, count]);
            assert_eq!(serving(&server).len().to_string(), count);
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    assert!(refused(&server, &["scale", &name, "33"]).contains("raise processes="));
    assert!(refused(&server, &["scale", &name, "0"]).contains("at least one"));
    done(&server, &["scale", &name, "3"]);
    server.graceful();
    eventually("the configured number is back", || (serving(&server).len() == 2).then_some(()));
}

#[test]
fn lone_process_is_not_scaled() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options("threads=4").start();
    server.get("/").ok();
    let name = group(&server)["name"].as_str().expect("a name").to_owned();
    assert!(refused(&server, &["scale", &name, "2"]).contains("write processes=1"));
}

#[test]
fn stopped_group_answers_503_until_it_is_started() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .daemon_options("processes=2 threads=4")
        .expect_log("it has been stopped; 'mod_wsgi-ctl start")
        .start();
    server.get("/").ok();
    let name = group(&server)["name"].as_str().expect("a name").to_owned();
    std::thread::scope(|scope| {
        let long = scope.spawn(|| server.get("/?sleep=2"));
        server.wait_for_log("here it sleeps");
        done(&server, &["stop", &name]);
        long.join().expect("no panic").ok();
    });
    assert_eq!(server.get("/").status, 503);
    assert!(refused(&server, &["restart", &name]).contains("is stopped"));
    server.graceful();
    assert_eq!(server.get("/").status, 503, "a new configuration does not start it");
    assert!(done(&server, &["status"]).contains("is stopped"));
    done(&server, &["start", &name]);
    server.get("/").ok();
    assert!(refused(&server, &["start", &name]).contains("not stopped"));
}

#[test]
fn stacks_are_shown() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .daemon_options("processes=1 threads=2")
        .expect_log("most recent call first")
        .allow_log("File \"")
        .allow_log("Thread 0x")
        .start();
    server.get("/").ok();
    let name = group(&server)["name"].as_str().expect("a name").to_owned();
    std::thread::scope(|scope| {
        scope.spawn(|| server.get("/?sleep=5").ok());
        server.wait_for_log("here it sleeps");
        let stacks = done(&server, &["stacks", &name]);
        assert!(stacks.contains("app.wsgi\", line") && stacks.contains("in application"), "{stacks}");
    });
}

#[test]
fn counts_of_a_killed_child_are_taken_back() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .daemon_options("threads=4")
        .allow_log("signal")
        .allow_log("did not end in time")
        .start();
    server.get("/").ok();
    let in_flight = || group(&server)["processes"][0]["in_flight"].as_u64().expect("a number");
    let mut wire = server.connect();
    wire.send("GET /?sleep=20 HTTP/1.1\r\nHost: x\r\n\r\n");
    eventually("it is under way", || (in_flight() == 1).then_some(()));
    for child in server.children() {
        if !child.command.contains("supervisor") && !child.command.contains("python") {
            kill(child.pid);
        }
    }
    eventually("nobody has it any more", || (in_flight() == 0).then_some(()));
}

/// Binds sockets as its user, under names that look like those of a supervisor, and answers with a pipe.
const IMPOSTOR: &str = r#"
import os, socket, sys
folder = sys.argv[1]
os.mkfifo(folder + "/pipe")
pipe = os.open(folder + "/pipe", os.O_RDWR)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(folder + "/evil\x1b[31m.1.control")
listener.listen(8)
forger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.chdir(folder)
line = "line\n0: 00000002 00000000 00010000 0005 01 " + sys.argv[2] + " "
os.mkdir(line)
forger.bind(line + "/forged.1.control")
forger.listen(8)
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    if peer.recv(4096):
        socket.send_fds(peer, [b"."], [pipe])
"#;

/// A process of another user that a test has started; it ends with it.
struct Impostor(std::process::Child);

impl Drop for Impostor {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

#[test]
fn sockets_of_others_are_not_believed() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let Some(user) = integration::test_user('a') else {
        println!("skipped: only root can have other users");
        return;
    };
    let server = Httpd::builder().mode(Mode::Daemon).app(APP).writable("evil").start();
    let folder = server.root().join("app/evil");
    let real = control_socket(&server);
    let list = std::fs::read_to_string("/proc/net/unix").expect("it can be read");
    let line = list.lines().find(|line| line.ends_with(real.to_str().expect("text"))).expect("a socket");
    let inode = line.split_whitespace().nth(6).expect("a number");
    let account =
        nix::unistd::User::from_name(&user).expect("the user database").expect("made by the set-up");
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", IMPOSTOR, folder.to_str().expect("text"), inode])
        .uid(account.uid.as_raw())
        .gid(account.gid.as_raw())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut ready).expect("it says so");
    let impostor = Impostor(child);
    let program = Subject::module_path().with_file_name("mod_wsgi").join("mod_wsgi-ctl");
    let run = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(&program).args(arguments).output().expect("mod_wsgi-ctl runs");
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.contains(&0x1b), "raw: {}", String::from_utf8_lossy(&text).escape_debug());
        (output.status.success(), String::from_utf8(text).expect("UTF-8"))
    };
    // Other tests may have servers of root's, so that it may ask which one.
    let (_, said) = run(&["status".as_ref()]);
    assert!(!said.contains("evil") && !said.contains("forged"), "{said}");
    assert!(
        said.contains(&real.display().to_string()) || said.contains(&format!("httpd {}", server.pid())),
        "{said}"
    );
    // Who names it gets an error: a pipe is no answer.
    let evil = folder.join("evil\u{1b}[31m.1.control");
    let (is_done, said) = run(&["status".as_ref(), "--socket".as_ref(), evil.as_os_str()]);
    assert!(
        !is_done && said.contains("no answer of the supervisor") && said.contains("\\u001b[31m"),
        "{said}"
    );
    drop(impostor);
    std::fs::remove_dir_all(&folder).expect("root may");
}
