//! The short form of `make soak`: constant load while httpd is restarted gracefully, the script is touched and broken,
//! and daemons are killed (tests/soak/soak.py says what is checked).

use integration::{Subject, is_root, workspace};
use std::process::Command;

#[test]
fn short_soak() {
    if Subject::skips("a graceful restart ends its daemons") || !is_root() {
        return;
    }
    let counts = ["--graceful", "6", "--touch", "4", "--broken", "2", "--kill", "6", "--flat", "0"];
    let library = Subject::module_path().parent().expect("a folder");
    let output = Command::new("python3")
        .arg(workspace().join("tests/soak/soak.py"))
        .args(counts)
        .arg("--library")
        .arg(library)
        .output()
        .expect("python3 runs");
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
}
