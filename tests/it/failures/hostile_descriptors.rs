//! A daemon that sends descriptors of every kind with every frame: a child of httpd takes what it has asked for, and nothing that it
//! closes holds one of its threads.

use crate::failures::hostile::ClientAnswer::{self, Body, Broken, Status};
use crate::failures::hostile::{check, read, request, server, start};
use integration::{Httpd, Subject, eventually};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// All that `DESCRIPTORS` of apps/hostile.py can make, but for files; those that sleep in close(2) first.
const KINDS: [&str; 12] = [
    "linger",
    "nested",
    "accepting",
    "pipe",
    "directory",
    "path of a directory",
    "device",
    "terminal",
    "event",
    "process",
    "poll",
    "udp",
];
const FILES: [&str; 3] = ["memory", "path", "write-only"];

/// Frames that bring no descriptor.
const FRAMES: [&str; 5] = ["DATA, b'x'", "LOG, b'\\6text'", "FLUSH", "WANT_BODY, bytes(4)", "GO_AWAY"];

/// Takes connections and reads nothing from them.
pub struct DeafPeer(TcpListener);

impl DeafPeer {
    /// On a port of its own.
    pub fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("loopback"))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }
}

/// Open descriptors of the one child.
fn descriptors(server: &Httpd) -> usize {
    let children = server.children();
    children
        .iter()
        .filter_map(|child| std::fs::read_dir(format!("/proc/{}/fd", child.pid)).ok())
        .map(Iterator::count)
        .sum()
}

/// Codes as `check` wants them.
fn run(server: &Httpd, rows: &[(String, ClientAnswer, &'static str)]) {
    let rows: Vec<_> = rows.iter().map(|(code, answer, number)| (code.as_str(), *answer, *number)).collect();
    check(server, &rows);
}

/// One descriptor of each kind where none is expected, and where a file is.
#[test]
fn of_every_kind_with_every_frame() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let (server, deaf) = (start(server("")), DeafPeer::new());
    let port = deaf.port();
    let before = descriptors(&server);
    let mut rows = Vec::new();
    for kind in KINDS {
        let give = |frame: &str| format!("give({kind:?}, 1, {port}, {frame})");
        let head = "send(HEAD, head())";
        rows.push((format!("{head}; {}; send(END)", give("FILE, bytes(16)")), Broken, "WSGI0308"));
        rows.push((format!("{}; send(END)", give("HEAD, head()")), Broken, "WSGI0308"));
        rows.push((format!("{head}; {}", give("END")), Broken, "WSGI0308"));
        rows.push((give("FAIL, struct.pack('<H', 503)"), Status(502), "WSGI0308"));
    }
    for frame in FRAMES {
        let code = format!("send(HEAD, head()); give('linger', 1, {port}, {frame}); send(END)");
        rows.push((code, Broken, "WSGI0308"));
    }
    for file in FILES {
        let nothing = format!("send(HEAD, head()); give({file:?}, 1, {port}, FILE, bytes(16)); send(END)");
        rows.push((nothing, Body(""), ""));
        let range = "struct.pack('<QQ', 0, 20000)";
        // What the system cannot send breaks the client's connection without a word.
        let number = if file == "memory" { "WSGI0119" } else { "" };
        rows.push((
            format!("send(HEAD, head()); give({file:?}, 1, {port}, FILE, {range}); send(END)"),
            Broken,
            number,
        ));
    }
    run(&server, &rows);
    eventually("all of them are closed", || (descriptors(&server) <= before + 8).then_some(()));
}

/// As many as may be under way, one more, and as many as the kernel allows.
#[test]
fn many_at_once() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let (server, deaf) = (start(server("")), DeafPeer::new());
    let port = deaf.port();
    let before = descriptors(&server);
    let mut rows = Vec::new();
    for kind in KINDS {
        for count in [8, 9, 253] {
            let code = format!("send(HEAD, head()); give({kind:?}, {count}, {port}, FLUSH); send(END)");
            rows.push((code, Broken, "WSGI0308"));
        }
        let flood = format!("[give({kind:?}, 253, {port}, LOG, b'\\6x') for _ in range(3)]; send(END)");
        rows.push((flood, Status(502), "WSGI0308"));
    }
    run(&server, &rows);
    eventually("all of them are closed", || (descriptors(&server) <= before + 8).then_some(()));
}

/// Behind the end of a response, where nobody reads: the client has its answer, unless they came with it, and the connection is
/// given up.
#[test]
fn on_idle_connections() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let (server, deaf) = (start(server("")), DeafPeer::new());
    let before = descriptors(&server);
    for kind in KINDS {
        for (count, times) in [(1, 1), (253, 3)] {
            let port = deaf.port();
            let give = format!("give({kind:?}, {count}, {port}, LOG, b'\\6late')");
            let code = format!("say(b'whole'); [{give} for _ in range({times})]");
            let answer = read(server.connect().send(request("GET", "", &code)));
            assert!(matches!(answer, Body("whole") | Broken | Status(502)), "{kind}: {answer:?}");
            // What comes late may spoil the daemon's next answer.
            eventually("it serves on", || (server.get("/").text() == "honest").then_some(()));
        }
    }
    eventually("all of them are closed", || (descriptors(&server) <= before + 8).then_some(()));
}

/// A file system of the daemon's user, which never answers when a file is read or closed.
struct SilentFiles {
    process: Child,
    folder: PathBuf,
}

impl SilentFiles {
    /// Mounted below the ServerRoot; `None` where this may not be done.
    fn mount(server: &Httpd) -> Option<Self> {
        let folder = server.root().join("run/silent");
        std::fs::create_dir(&folder).expect("own folder");
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/apps/silent_fs.py");
        let command =
            Command::new("/usr/bin/python3").arg(program).arg(&folder).stdout(Stdio::piped()).spawn();
        let mut process = command.expect("a Python is there");
        let mut said = String::new();
        let _ = BufReader::new(process.stdout.as_mut().expect("piped")).read_line(&mut said); // nothing is as good
        (said == "mounted\n").then_some(Self { process, folder })
    }
}

impl Drop for SilentFiles {
    /// Whoever waits for it gets an error.
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

/// A file of such a file system is refused, and no thread waits for it.
#[test]
fn files_of_a_file_system_that_never_answers() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let server = start(server(""));
    let Some(files) = SilentFiles::mount(&server) else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let path = files.folder.join("file").display().to_string();
    let rows: Vec<_> = (0..12)
        .map(|_| (format!("send(HEAD, head()); file({path:?}, 0, 50000); send(END)"), Broken, "WSGI0308"))
        .collect();
    run(&server, &rows);
}

/// All threads of the child at once, again and again; then each of them serves, and a graceful restart and a stop end the child.
#[test]
fn no_thread_is_held() {
    if Subject::skips("its daemons are forks of httpd, which nothing can stand in for") {
        return;
    }
    let (server, deaf) = (start(server("threads=8").allow_log("AH03490")), DeafPeer::new());
    let code =
        format!("give('linger', 9, {}, HEAD, head()); give('nested', 1, {0}, LOG, b'\\6x')", deaf.port());
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert_eq!(
                        read(server.connect().send(request("GET", "Connection: close\r\n", &code))),
                        Status(502)
                    )
                });
            }
        });
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.get("/").ok().text(), "honest"));
        }
    });
    let before = server.children();
    server.graceful();
    eventually("the child has ended", || before.iter().all(|child| !child.is_alive()).then_some(()));
    server.stop();
}
