//! A panic in our own code under a request is a 500 and a log line, never a dead httpd child. The module is built
//! once more for it, with a feature that lets a request header ask for a panic.

use integration::{Httpd, Mode, Subject, eventually};
use std::path::PathBuf;
use std::process::Command;

const APP: &str =
    "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n";

/// The module with `fault-injection`.
fn faulty_module() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = workspace.join("target/faults");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "mod_wsgi", "--features", "fault-injection", "--target-dir"])
        .arg(&target)
        .current_dir(&workspace)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the faulty module builds");
    target.join("debug/libmod_wsgi.so")
}

#[test]
fn panic_is_500_and_the_child_lives_on() {
    if Subject::skips("it has no such switch") {
        return;
    }
    let module = faulty_module();
    for (mode, faults) in [(Mode::Daemon, &["handler", "relay"][..]), (Mode::Embedded, &["handler"])] {
        let server = Httpd::builder()
            .without_module()
            .directives("Include @ROOT@/app/more.conf")
            .file("more.conf", "")
            .log_level("warn")
            .expect_log("internal error, please report it: panicked at")
            .start();
        server.write("app.wsgi", APP);
        let lines = server.module_lines(mode);
        let sound = lines.split_whitespace().nth(2).map(PathBuf::from).expect("LoadModule wsgi_module PATH");
        let support = sound.with_file_name("mod_wsgi");
        let lines = lines.replace(&*sound.to_string_lossy(), &module.to_string_lossy());
        let root = server.root().display();
        let alias = format!(
            "WSGIScriptAlias / {root}/app/app.wsgi\n\
             <Location /asked>\nWSGIAccessScript {root}/app/access.py\n</Location>"
        );
        server.write("access.py", "def allow_access(environ, host): return True\n");
        server.write("more.conf", &format!("{lines}WSGISupportDirectory {}\n{alias}\n", support.display()));
        server.graceful();
        eventually("the application is served", || (server.get("/").status == 200).then_some(()));
        for fault in faults {
            assert_eq!(server.request("GET", "/").header("X-Fault", fault).send().status, 500, "{fault}");
        }
        assert_eq!(server.request("GET", "/asked").header("X-Fault", "script").send().status, 403);
        assert_eq!(server.get("/asked").ok().text(), "x");
    }
}
