//! What runs out, and what is there again when there is enough of it: descriptors, space for sockets, logs and memory.

use integration::{Builder, Httpd, Mode, Subject};

const APP: &str = include_str!("../apps/process.py");

/// httpd with this limit of open files.
fn with_files(limit: u32, options: &str) -> Builder {
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
