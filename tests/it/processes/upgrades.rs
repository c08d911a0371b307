//! An upgrade in place: a graceful restart loads a module whose records in httpd's memory are others than those of the one
//! before. It knows nothing of the log writer that was started before, which ends by itself.

use integration::{Httpd, Mode, SeenProcess, Subject, eventually, wait_until};
use std::fs;
use std::time::Duration;

const APP: &str = include_str!("../../apps/process.py");

/// httpd has to write the log: there is a log writer.
const FORMAT: &str = "ErrorLogFormat \"[%t] [%-m:%l] [pid %P] %M\"";

/// The record of log writers.
const KEY: &str = "mod_wsgi:log-writer:";

/// What the kernel calls it.
fn name(process: &SeenProcess) -> String {
    fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default().trim().to_owned()
}

/// Another build of the module, whose record has another number.
fn other_build(module: &[u8], key: &str) -> Vec<u8> {
    let mut bytes = module.to_vec();
    let places: Vec<usize> =
        (0..module.len() - key.len()).filter(|at| module[*at..].starts_with(key.as_bytes())).collect();
    assert!(!places.is_empty(), "no key {key}");
    places.into_iter().for_each(|at| bytes[at + key.len()] = b'0');
    bytes
}

#[test]
fn log_writer_of_an_older_module_is_not_left_behind() {
    if Subject::skips("its daemons are children of httpd, which ends them itself") {
        return;
    }
    // httpd says so of children that it does not know: the module did not find the older one's record.
    let server =
        Httpd::builder().mode(Mode::Daemon).app(APP).directives(FORMAT).expect_log("AH00488").start();
    eventually("requests are served", || (server.get("/").status == 200).then_some(()));
    let started = || -> Vec<SeenProcess> {
        let is_one = |process: &SeenProcess| name(process) == "wsgi-logs" && !process.is_zombie;
        server.processes().into_iter().filter(is_one).collect()
    };
    let old = started();
    assert_eq!(old.len(), 1, "{old:?}");
    let module = server.root().join("modules/mod_wsgi.so");
    let next = module.with_extension("next");
    fs::write(&next, other_build(&fs::read(&module).expect("a copy"), KEY)).expect("own folder");
    fs::rename(&next, &module).expect("own folder");
    server.graceful();
    eventually("requests are served", || (server.get("/").status == 200).then_some(()));
    let are_gone = || old.iter().all(|process| !process.is_alive()).then_some(());
    assert!(wait_until(Duration::from_secs(60), are_gone).is_some(), "{:?}", started());
    eventually("there is another one", || (started().len() == 1).then_some(()));
    server.wait_for_log("AH00488"); // httpd looks for ended children once in a second
    assert_eq!(server.get("/").status, 200);
}
