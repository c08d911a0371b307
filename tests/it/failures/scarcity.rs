//! What runs out or goes away, and what is there again when the cause is gone: descriptors, names of sockets, space for
//! sockets, logs and shared memory.

use integration::{
    Httpd, HttpdBuilder, Mode, Subject, eventually, hang_before_python_serves, is_root, kill, wait_until,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const APP: &str = include_str!("../../apps/process.py");

const NO_LOOK: &str = "nobody looks at it again";

/// httpd with this limit of open files.
fn with_files(limit: u32, options: &str) -> HttpdBuilder {
    let launcher = format!(
        "import os, resource, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))\n\
         os.execv(sys.argv[1], sys.argv[1:])\n"
    );
    Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options(options).launched_by(&launcher)
}

/// No number is needed that nobody uses.
#[test]
fn few_descriptors_are_enough_for_few_processes() {
    let server = with_files(64, "threads=4").start();
    server.get("/").ok();
    if Subject::is_ours() {
        with_files(48, "threads=4 preload=on").start().get("/").ok();
    }
}

/// The daemons that there are descriptors for serve, and the lines name limit, need and fix.
#[test]
fn too_few_descriptors_are_told_with_the_fix() {
    if Subject::skips("it does not look at the limit") {
        return;
    }
    let why = "WSGI0384: The limit of open files, 64, is too low: the supervisor of all daemon processes needs 84, and";
    let verdict = with_files(64, "threads=4 processes=6").configtest();
    assert!(verdict.is_ok && verdict.text.contains(why), "{}", verdict.text);
    assert!(verdict.text.contains("LimitNOFILE="), "{}", verdict.text);
    let server = with_files(64, "threads=4 processes=6")
        .expect_log(why)
        .allow_log("Too many open files")
        .allow_log("[wsgi:")
        .start();
    server.get("/").ok();
}

fn server() -> HttpdBuilder {
    Httpd::builder().mode(Mode::Daemon).app(APP)
}

/// The status of a request that needs a connection of its own to a daemon, more often than not.
fn fresh(server: &Httpd) -> u16 {
    server.request("GET", "/").header("Connection", "close").send().status
}

fn recovers(server: &Httpd) {
    eventually("requests are served again", || (fresh(server) == 200).then_some(()));
}

fn pid(server: &Httpd) -> i32 {
    server.get("/").ok().json()["pid"].as_i64().expect("a number") as i32
}

/// Asks by many clients at a time until `is_over`, and returns how many did not get 200.
fn failures_until(server: &Httpd, is_over: impl Fn() -> bool + Sync) -> usize {
    std::thread::scope(|scope| {
        let ask = || {
            let mut failed = 0;
            while !is_over() {
                failed += usize::from(fresh(server) != 200);
            }
            failed
        };
        let clients: Vec<_> = (0..6).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().expect("no panic")).sum()
    })
}

/// The files in a folder whose names end so.
fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
}

fn controls(socket: &Path, server: &Httpd) -> bool {
    let program = server.root().join("modules/mod_wsgi/mod_wsgi-ctl");
    let asked = Command::new(program).arg("--socket").arg(socket).arg("status").output();
    asked.is_ok_and(|output| output.status.success())
}

/// A cleaner of temporary files, or an operator. No request is lost by it.
#[test]
fn removed_socket_files_are_made_again() {
    if Subject::skips(NO_LOOK) {
        return;
    }
    let server = server()
        .daemon_options("threads=4 processes=2")
        .expect_log("WSGI0385")
        .expect_log("works again")
        .start();
    recovers(&server);
    let run = server.root().join("run");
    let control = files(&run, ".control").pop().expect("a control socket");
    let sockets = files(&run, ".sock");
    assert_eq!(sockets.len(), 2);
    sockets.iter().chain([&control]).for_each(|path| fs::remove_file(path).expect("own file"));
    let is_over = || sockets.iter().chain([&control]).all(|path| path.exists());
    assert_eq!(failures_until(&server, is_over), 0);
    assert!(controls(&control, &server));
    // One name of a generation is left: the other one is another name of the same socket, and no process is replaced.
    let before = pid(&server);
    server.graceful();
    eventually("a process of the new generation serves", || (pid(&server) != before).then_some(()));
}

/// The whole directory is gone for a while.
#[test]
fn missing_socket_directory_heals() {
    if Subject::skips(NO_LOOK) {
        return;
    }
    let server = server()
        .file("sockets/here", "")
        .directives("WSGISocketPrefix @ROOT@/app/sockets/wsgi")
        .expect_log("WSGI0385")
        .expect_log("WSGI0013")
        .allow_log("WSGI0117")
        .start();
    recovers(&server);
    let folder = server.root().join("app/sockets");
    fs::remove_dir_all(&folder).expect("own folder");
    server.wait_for_log("it is tried again every few seconds");
    server.write("sockets/here", "");
    eventually("the sockets are there", || (files(&folder, ".sock").len() == 1).then_some(()));
    eventually("and the control socket", || {
        files(&folder, ".control").pop().filter(|path| controls(path, &server))
    });
    recovers(&server);
    server.logged("every few seconds", 1); // told once
}

/// httpd in a mount namespace of its own, with a small file system at `app/small`.
fn with_small(options: &str) -> Option<HttpdBuilder> {
    if !is_root() {
        println!("skipped: only root can mount");
        return None;
    }
    let launcher = format!(
        "import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n\
         place = os.environ['MOD_WSGI_TEST_ROOT'] + '/app/small'\n\
         mount = lambda *a: libc.mount(*a) and sys.exit(os.strerror(ctypes.get_errno()))\n\
         libc.unshare(0x20000) and sys.exit(os.strerror(ctypes.get_errno()))\n\
         mount(b'none', b'/', None, (1 << 18) | (1 << 14), None)\n\
         mount(b'small', place.encode(), b'tmpfs', 0, b'{options}')\n\
         os.path.isdir('/dev/shm') and mount(place.encode(), b'/dev/shm', None, 1 << 12, None)\n\
         os.execv(sys.argv[1], sys.argv[1:])\n"
    );
    Some(server().file("small/x", "").launched_by(&launcher))
}

/// The small file system as it is seen from outside.
fn small(server: &Httpd) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}/app/small", server.pid(), server.root().display()))
}

/// Uses up all names that there is room for.
fn fill_with_names(small: &Path) -> Vec<PathBuf> {
    let names = (0..10_000).map(|number| small.join(format!("name{number}")));
    names.take_while(|path| fs::write(path, "").is_ok()).collect()
}

/// The groups that serve go on over a graceful restart, and a new one starts when there is room.
#[test]
fn full_directory_of_sockets_heals() {
    if Subject::skips("a graceful restart leaves the site without daemons") {
        return;
    }
    let Some(builder) = with_small("nr_inodes=40,mode=755") else { return };
    let server = builder
        .directives("WSGISocketPrefix @ROOT@/app/small/wsgi\nInclude @ROOT@/app/more.conf")
        .file("more.conf", "")
        .expect_log("No space left on device")
        .expect_log("is started now")
        .allow_log("WSGI0117")
        .allow_log("WSGI0385")
        .start();
    let first = pid(&server);
    let filled = fill_with_names(&small(&server));
    assert!(!filled.is_empty());
    let other = "WSGIDaemonProcess other threads=2\n<Location /other>\nWSGIProcessGroup other\n</Location>\n";
    server.write("more.conf", other);
    server.graceful();
    eventually("the next process serves", || (pid(&server) != first).then_some(()));
    assert_eq!(server.get("/other").status, 503);
    filled.iter().for_each(|path| fs::remove_file(path).expect("own file"));
    eventually("the new group serves", || (server.get("/other").status == 200).then_some(()));
    recovers(&server);
    server.graceful();
    recovers(&server);
}

/// A process that writes to shared memory for which there is no room is killed by the kernel; nothing else is.
#[test]
fn full_shared_memory_costs_its_process_only() {
    let app = "import mmap, os\ndef application(environ, start_response):\n    \
               if environ['QUERY_STRING']:\n        file = os.open('/dev/shm/block', os.O_RDWR | os.O_CREAT)\n        \
               os.ftruncate(file, 1 << 20)\n        memory = mmap.mmap(file, 1 << 20)\n        \
               memory[:] = bytes(1 << 20)\n    \
               start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n";
    let Some(builder) = with_small("size=64k,mode=1777") else { return };
    let server =
        builder.file("app.wsgi", app).allow_log("WSGI01").expect_log("Fatal Python error: Bus error");
    let server = server.start();
    let first = server.get("/").ok().text();
    let place = small(&server);
    let _ = fs::write(place.join("ballast"), vec![0; 1 << 20]); // as much as there is room for
    let status = server.get("/?write").status;
    assert!(status == 502 || status == 500 && !Subject::is_ours(), "{status}");
    recovers(&server);
    assert_ne!(server.get("/").ok().text(), first);
    server.graceful();
    recovers(&server);
}

/// Lines are lost as long as there is no room for them, and are there again afterwards.
#[test]
fn full_disk_for_the_log_heals() {
    let Some(builder) = with_small("size=256k,mode=755") else { return };
    let server = builder.directives("ErrorLog @ROOT@/app/small/error.log").start();
    recovers(&server);
    let place = small(&server);
    let log = || fs::read_to_string(place.join("error.log")).unwrap_or_default();
    let ballast = place.join("ballast");
    let _ = fs::write(&ballast, vec![0; 1 << 20]);
    let mut files = (0..).map(|number| place.join(format!("more{number}")));
    // What is left of the last page of the log is used up, too.
    while fs::write(files.next().expect("no end"), "x").is_ok() {}
    for _ in 0..40 {
        server.get("/nowhere/%0");
    }
    let die = || {
        let before = pid(&server);
        kill(before);
        eventually("another process serves", || {
            (fresh(&server) == 200 && pid(&server) != before).then_some(())
        });
        before
    };
    die();
    fs::remove_file(&ballast).expect("own file");
    let died = format!("process {} of", die());
    if Subject::is_ours() {
        eventually("the log has its line", || log().contains(&died).then_some(()));
    }
}

/// A `.pth` file on a mount that does not answer: a FIFO that nobody writes to. Python does not get as far as us.
#[test]
fn hang_before_python_serves_ends_by_startup_timeout() {
    if Subject::skips("it has no interpreters of its own") {
        return;
    }
    let server = server()
        .python_home(None)
        .daemon_options("threads=2 startup-timeout=3 python-home=@ROOT@/app/home")
        .file("home/pyvenv.cfg", "home = /usr/bin\n")
        .file("home/bin/here", "")
        .expect_log("did not come up in 3 s")
        .allow_log("WSGI01")
        .allow_log("[wsgi:");
    let server = server.start();
    let home = server.root().join("app/home");
    std::os::unix::fs::symlink("/usr/bin/python3", home.join("bin/python3")).expect("a link");
    recovers(&server);
    let hanging = hang_before_python_serves(&home);
    kill(pid(&server));
    server.wait_for_log("did not come up in 3 s");
    // After four attempts in a row.
    wait_until(Duration::from_secs(90), || (fresh(&server) == 503).then_some(()))
        .expect("requests fail at once");
    fs::remove_file(&hanging).expect("own file");
    recovers(&server);
}
