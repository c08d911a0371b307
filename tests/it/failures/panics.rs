//! A panic in our own code under a request is a 500 and a log line, never a dead httpd child. The module is built
//! once more for it, with a feature that lets a request header ask for a panic.

use crate::asking::load;
use integration::{Httpd, Mode, Subject, copy_program, eventually};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const APP: &str =
    "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n";

/// Says whether the data of a thread that has been here before are still there.
const KEEPING: &str = "
import threading

local, seen = threading.local(), set()


def application(environ, start_response):
    start_response('200 OK', [])
    ident = threading.get_ident()
    is_lost = ident in seen and not hasattr(local, 'here')
    local.here = True
    seen.add(ident)
    return [b'lost' if is_lost else b'kept']
";

/// Includes requests in the midst of its response.
const OUTER: &str = "
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/html')])
    if not environ['PATH_INFO'].startswith('/outer'):
        yield b'x'
        return
    yield b'<!--#include virtual=\"/inner\" -->, ' + b'.' * 20000
    yield b'<!--#include virtual=\"/fault\" -->, ' + b'.' * 20000
    yield b'<!--#include virtual=\"/inner\" -->, last'
";

const FAULT: &str = "<Location /fault>\nSetEnv INJECTED_FAULT 1\n</Location>\n";

const INCLUDES: &str = "<Location /outer>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n";

/// What the host library says of it.
const INJECTED: &str = "WSGI0309: internal error, please report it: injected fault";

/// As many requests as meet each thread of a process.
const MANY: usize = 60;

/// The module and the host library with `fault-injection`.
struct FaultyBuild {
    module: PathBuf,
    host: PathBuf,
}

fn faulty_build() -> FaultyBuild {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = workspace.join("target/faults");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "mod_wsgi", "-p", "python-host"])
        .args(["--features", "mod_wsgi/fault-injection,python-host/fault-injection", "--target-dir"])
        .arg(&target)
        .current_dir(&workspace)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the faulty module builds");
    let library = |name: &str| target.join("debug").join(name);
    FaultyBuild { module: library("libmod_wsgi.so"), host: library("libwsgi_python_host.so") }
}

/// A server of `app` with the faulty module, and with the faulty host library in place of the sound one.
fn faulty_server(mode: Mode, app: &str, directives: &str, expected: &str) -> Httpd {
    let faulty = faulty_build();
    let server = Httpd::builder()
        .without_module()
        .directives("Include @ROOT@/app/more.conf")
        .file("more.conf", "")
        .log_level("warn")
        .expect_log(expected)
        // What httpd says of an include that failed.
        .allow_log("[include:error]")
        .start();
    server.write("app.wsgi", app);
    server.write("access.py", "def allow_access(environ, host): return True\n");
    let lines = server.module_lines(mode);
    let sound = lines.split_whitespace().nth(2).map(PathBuf::from).expect("LoadModule wsgi_module PATH");
    let support = server.root().join("app/support");
    fs::create_dir(&support).expect("a folder");
    for entry in fs::read_dir(sound.with_file_name("mod_wsgi")).expect("the support folder").flatten() {
        copy_program(&entry.path(), &support.join(entry.file_name()));
    }
    copy_program(&faulty.host, &support.join("python-host.abi3.so"));
    let lines = lines.replace(&*sound.to_string_lossy(), &faulty.module.to_string_lossy());
    let root = server.root().display();
    let directives = directives.replace("@ROOT@", &root.to_string());
    let more = format!(
        "{lines}WSGISupportDirectory {}\nWSGIScriptAlias / {root}/app/app.wsgi\n{directives}\n",
        support.display()
    );
    server.write("more.conf", &more);
    server.graceful();
    eventually("the application is served", || (server.get("/").status == 200).then_some(()));
    server
}

#[test]
fn panic_is_500_and_the_child_lives_on() {
    if Subject::skips("it has no such switch") {
        return;
    }
    for (mode, faults) in [(Mode::Daemon, &["handler", "relay"][..]), (Mode::Embedded, &["handler"])] {
        let access = "<Location /asked>\nWSGIAccessScript @ROOT@/app/access.py\n</Location>";
        let server = faulty_server(mode, APP, access, "internal error, please report it: panicked at");
        for fault in faults {
            assert_eq!(server.request("GET", "/").header("X-Fault", fault).send().status, 500, "{fault}");
        }
        assert_eq!(server.request("GET", "/asked").header("X-Fault", "script").send().status, 403);
        assert_eq!(server.get("/asked").ok().text(), "x");
    }
}

/// The thread that a panic has come through keeps its Python states, and nobody's GIL.
#[test]
fn panic_beside_python_leaves_the_thread_as_it_was() {
    if Subject::skips("it has no such switch") {
        return;
    }
    for mode in [Mode::Daemon, Mode::Embedded] {
        let server = faulty_server(mode, KEEPING, &format!("{}{FAULT}", load(&["env"])), INJECTED);
        let kept = || (0..MANY).for_each(|_| assert_eq!(server.get("/").ok().text(), "kept", "{mode:?}"));
        kept();
        for _ in 0..MANY {
            assert_eq!(server.get("/fault").status, 500);
        }
        kept();
        server.logged("injected fault", MANY); // one line for each
    }
}

/// The request inside of which httpd has begun the one that panics goes on.
#[test]
fn panic_in_a_request_inside_of_another_one() {
    if Subject::skips("it has no such switch") {
        return;
    }
    for mode in [Mode::Daemon, Mode::Embedded] {
        let directives = format!("{}{FAULT}{INCLUDES}", load(&["include", "env"]));
        let server = faulty_server(mode, OUTER, &directives, INJECTED);
        for _ in 0..10 {
            let text = server.get("/outer").ok().text();
            assert_eq!(text.replace('.', "").matches("x").count(), 2, "{text}");
            assert!(text.ends_with("last"), "{text}");
        }
    }
}
