//! `mod_wsgi-ctl` and what it prints to: a terminal that is given back, a reader that has gone, a program that reads JSON.

use crate::operators::control::{control_socket, done, serving};
use integration::{Httpd, Mode, Subject, eventually};
use serde_json::Value;
use std::process::{Command, Stdio};

fn program() -> std::path::PathBuf {
    Subject::module_path().with_file_name("mod_wsgi").join("mod_wsgi-ctl")
}

/// Runs a command on a terminal of its own, ends it by SIGTERM once it has drawn, and says what has become of the terminal.
const TERMINAL: &str = "import fcntl, os, pty, signal, struct, sys, termios
signal.alarm(60)
go, looked = os.pipe()
pid, fd = pty.fork()
if pid == 0:
    os.read(go, 1)  # the terminal has been looked at
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 120, 0, 0))
before = termios.tcgetattr(fd)[3]
os.write(looked, b'.')
def read():
    try: return os.read(fd, 65536)
    except OSError: return b''
seen = b''
while b'GROUP' not in seen:
    more = read()
    assert more, seen
    seen += more
raw = termios.tcgetattr(fd)[3]
os.kill(pid, signal.SIGTERM)
while more := read():
    seen += more
after = termios.tcgetattr(fd)[3]
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(bool(before & termios.ECHO), bool(raw & termios.ECHO), bool(after & termios.ECHO), b'\\x1b[?1049l' in seen, status)";

#[test]
fn a_terminal_is_given_back_at_the_end() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder().mode(Mode::Daemon).app("").allow_python_errors().start();
    let socket = control_socket(&server);
    for words in [&["top"][..], &["status", "--watch"]] {
        let output = Command::new("/usr/bin/python3")
            .args(["-c", TERMINAL])
            .arg(program())
            .args(words)
            .arg("--socket")
            .arg(&socket)
            .env("TERM", "xterm")
            .output()
            .expect("python3 runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, "True False True True 0\n", "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder().mode(Mode::Daemon).app("").allow_python_errors().start();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(program());
    command.arg("--socket").arg(control_socket(&server)).arg("status");
    let output = command.stdout(Stdio::from(writer)).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{:?} {said}", output.status);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let output = command.stdout(Stdio::from(full)).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("standard output"), "{:?} {said}", output.status);
}

#[test]
fn stacks_are_json_without_a_log_file_too() {
    if Subject::skips("there is no mod_wsgi-ctl") {
        return;
    }
    let server = Httpd::builder()
        .file("app.wsgi", "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n")
        .directives(
            "WSGIRestrictEmbedded On\n<VirtualHost *:@PORT@>\nServerName piped.test\nErrorLog \"|$cat >@ROOT@/logs/piped\"\n\
             WSGIDaemonProcess piped\n\
             WSGIScriptAlias / @ROOT@/app/app.wsgi process-group=piped application-group=%{GLOBAL}\n</VirtualHost>",
        )
        .start();
    server.request("GET", "/").header("Host", "piped.test").send().ok();
    // The first answer may be there before the supervisor has heard that the process serves.
    eventually("it serves", || (serving(&server).len() == 1).then_some(()));
    let stacks: Value = serde_json::from_str(&done(&server, &["stacks", "piped", "--json"])).expect("JSON");
    assert!(
        stacks["log"].is_null() && stacks["pids"].as_array().is_some_and(|pids| pids.len() == 1),
        "{stacks}"
    );
}
