//! Files and directories that root looks at and another user has made: none of them holds httpd up, at a test, a start or
//! a restart, and what they are is said.

use super::ENVIRON;
use integration::{Httpd, Mode, SeenProcess, Subject, is_root, pythons, test_user, wait_until};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Puts something in the place of a file.
type FileTrap = fn(&Path);

/// What a user may put there.
const TRAPS: [(&str, FileTrap); 5] = [
    ("pipe", |name| nix::unistd::mkfifo(name, nix::sys::stat::Mode::S_IRWXU).expect("a pipe")),
    ("device", |name| symlink("/dev/zero", name).expect("a link")),
    ("huge", |name| File::create(name).and_then(|file| file.set_len(1 << 40)).expect("a file with a hole")),
    ("folder", |name| fs::create_dir(name).expect("a folder")),
    ("socket", |name| drop(std::os::unix::net::UnixListener::bind(name).expect("a socket"))),
];

/// An honest group beside others; `more.conf` is theirs.
fn server() -> integration::HttpdBuilder {
    Httpd::builder()
        .mode(Mode::Daemon)
        .app(ENVIRON)
        .directives("Include @ROOT@/app/more.conf")
        .file("more.conf", "")
}

fn own(path: &Path, user: &str) {
    let uid = nix::unistd::User::from_name(user).expect("the user database").expect("made by the set-up").uid;
    chown(path, Some(uid.as_raw()), None).expect("root may");
}

/// A virtual environment of a user, with a trap for its `pyvenv.cfg`.
fn trapped_home(root: &Path, name: &str, trap: FileTrap, user: &str) -> PathBuf {
    let home = root.join("app").join(name);
    fs::create_dir_all(home.join("bin")).expect("own folder");
    symlink(pythons()[0].base.join("bin/python3"), home.join("bin/python3")).expect("a link");
    trap(&home.join("pyvenv.cfg"));
    own(&home, user);
    home
}

#[test]
fn traps_for_root_are_named_and_stop_nothing() {
    if Subject::skips("daemons open them, and hang") {
        return;
    }
    let Some(user) = test_user('a') else {
        println!("skipped: only root can have other users");
        return;
    };
    let server = server()
        .expect_log("must be a plain file")
        .allow_log("WSGI0303")
        .allow_log("nothing names this group")
        .start();
    let mut lines = String::new();
    for (name, trap) in TRAPS {
        let home = trapped_home(server.root(), name, trap, &user);
        let file = server.root().join(format!("app/{name}.env"));
        trap(&file);
        lines += &format!(
            "WSGIDaemonProcess home-{name} user={user} home=/ python-home={}\n\
             WSGIDaemonProcess file-{name} user={user} home=/ env-file={}\n",
            home.display(),
            file.display()
        );
    }
    server.write("more.conf", &lines);
    let verdict = server.configtest();
    assert!(verdict.is_ok, "{}", verdict.text);
    server.graceful();
    assert_eq!(server.get("/").ok().status, 200);
    for text in [verdict.text, server.error_log()] {
        for (name, _) in TRAPS {
            for part in [format!("/{name}/pyvenv.cfg' must be"), format!("/{name}.env' must be")] {
                let about: Vec<&str> = text.lines().filter(|line| line.contains(&part)).collect();
                assert_eq!(about.len(), 1, "{part}: {text}");
                assert!(about[0].contains("more.conf:") && about[0].contains("WSGI0303"), "{about:?}");
            }
        }
    }
    // The harness would take them for leftovers.
    for name in ["pipe/pyvenv.cfg", "socket/pyvenv.cfg", "pipe.env", "socket.env"] {
        fs::remove_file(server.root().join("app").join(name)).expect("own file");
    }
}

/// Whoever may change what httpd runs with its own rights is as good as httpd.
#[test]
fn code_of_httpd_that_others_may_change_is_named() {
    if Subject::skips("it does not look at files") {
        return;
    }
    let Some(user) = test_user('a') else {
        println!("skipped: only root can have other users");
        return;
    };
    let server = server().start();
    let root = server.root();
    let modules = root.join("modules");
    let warned = |lines: &str, part: &Path, what: &str| {
        server.write("more.conf", &lines.replace("@ROOT@", &root.display().to_string()));
        let verdict = server.configtest();
        server.write("more.conf", "");
        let start = format!("other users may change '{}', and so replace {what}", part.display());
        let about: Vec<&str> = verdict.text.lines().filter(|line| line.contains("other users")).collect();
        assert!(verdict.is_ok && about.len() == 1 && about[0].contains(&start), "{start}: {}", verdict.text);
        assert!(about[0].contains("[wsgi:warn]") && about[0].contains("chmod go-w"), "{about:?}");
    };
    fs::set_permissions(&modules, Permissions::from_mode(0o777)).expect("own folder");
    warned("", &modules, "the module");
    fs::set_permissions(&modules, Permissions::from_mode(0o755)).expect("own folder");
    let program = modules.join("mod_wsgi/wsgi-supervisor");
    own(&program, &user);
    warned("", &program, "the supervisor");
    own(&program, "root");
    let elsewhere = root.join("app/support");
    fs::create_dir(&elsewhere).expect("own folder");
    fs::copy(modules.join("mod_wsgi/python-host.abi3.so"), elsewhere.join("python-host.abi3.so"))
        .expect("a copy");
    own(&elsewhere, &user);
    warned("WSGISupportDirectory @ROOT@/app/support", &elsewhere, "the supervisor");
    let home = root.join("app/home");
    fs::create_dir_all(home.join("bin")).expect("own folder");
    symlink(pythons()[0].venv.join("bin/python3"), home.join("bin/python3")).expect("a link");
    let config = format!("home = {}/bin\nversion = {}\n", pythons()[0].base.display(), pythons()[0].version);
    fs::write(home.join("pyvenv.cfg"), config).expect("own file");
    own(&home, &user);
    let lines = "WSGIPythonHome @ROOT@/app/home\nWSGIRestrictEmbedded Off";
    warned(lines, &home, "the home of embedded Python");
    server.write("more.conf", "");
    let verdict = server.configtest();
    assert!(!verdict.text.contains("other users"), "{}", verdict.text);
}

/// A file system whose server has read what it was asked, and keeps silent: who waits there cannot even be killed.
struct SilentMount {
    path: PathBuf,
    device: Option<File>,
}

impl SilentMount {
    fn new(path: &Path) -> Option<SilentMount> {
        fs::create_dir_all(path).expect("own folder");
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").ok()?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        mount(Some("silent"), path, Some("fuse"), MsFlags::empty(), Some(options.as_str())).ok()?;
        let mut greeting = vec![0; 1 << 18];
        let mut channel = &device;
        channel.read(&mut greeting).ok().filter(|length| *length > 16)?;
        let mut answer = [0u8; 80];
        answer[..4].copy_from_slice(&80u32.to_le_bytes());
        answer[8..16].copy_from_slice(&greeting[8..16]); // which question it is
        answer[16..24].copy_from_slice(&[7, 0, 0, 0, 31, 0, 0, 0]); // the version of the protocol
        answer[36..40].copy_from_slice(&4096u32.to_le_bytes()); // most bytes of a write
        channel.write_all(&answer).ok()?;
        let mut listener = device.try_clone().expect("own file");
        std::thread::spawn(move || {
            let mut question = vec![0; 1 << 18];
            while listener.read(&mut question).is_ok_and(|length| length > 0) {}
        });
        Some(SilentMount { path: path.to_owned(), device: Some(device) })
    }

    /// Whoever waits gets an error.
    fn end(&mut self) {
        if self.device.take().is_some() {
            let _ = umount2(&self.path, MntFlags::MNT_FORCE);
            let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        }
    }
}

impl Drop for SilentMount {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn mount_that_never_answers_delays_and_stops_nothing() {
    if Subject::skips("it does not look at files") {
        return;
    }
    let Some(user) = test_user('a').filter(|_| is_root()) else {
        println!("skipped: only root can mount");
        return;
    };
    // What waited for the mount ends with it, and comes to httpd's parent.
    let server = server().allow_log("silent").allow_log("AH00488").start();
    let folder = server.root().join("app/silent");
    let Some(mut silent) = SilentMount::new(&folder) else {
        println!("skipped: no FUSE here");
        return;
    };
    let place = folder.display();
    let lines = format!(
        "WSGIDaemonProcess silent user={user} home=/ python-home={place}/venv\n\
         WSGIScriptAlias /silent {place}/app.wsgi process-group=silent\n"
    );
    server.write("more.conf", &lines);
    let verdict = server.configtest();
    assert!(verdict.is_ok, "{}", verdict.text);
    assert!(verdict.text.contains("did not answer within 5 s"), "{}", verdict.text);
    server.graceful();
    assert_eq!(server.get("/").ok().status, 200);
    server.wait_for_log("did not answer within 2 s");
    assert_eq!(server.get("/").ok().status, 200, "the supervisor and the other group live on");
    server.write("more.conf", "");
    silent.end();
    let waits = |process: &SeenProcess| process.command.contains("silent");
    wait_until(Duration::from_secs(10), || (!server.processes().iter().any(waits)).then_some(()));
}
