//! Every line of application, daemon and supervisor goes where httpd's log goes, in httpd's format: files, piped loggers,
//! syslog, ErrorLogFormat, each virtual host's own; and none is lost when processes die.
//!
//! All of it holds for mod_wsgi, too, whose daemons are forks of httpd and write themselves; here they hold no log.

use integration::{Httpd, Subject, compile_module, eventually, kill, wait_until};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Lines of each kind in one request: 2 kinds, 4 requests, 10,000 in all.
const LINES: usize = 1250;
/// Requests after which the process kills itself.
const DEATHS: usize = 3;

/// Writes lines as a request and as a thread of its own; then the process may die on the spot.
const APP: &str = "import os, signal, threading
def application(environ, start_response):
    host, number, dies = environ['HTTP_HOST'], environ['QUERY_STRING'], environ['PATH_INFO'] == '/die'
    def outside():
        for i in range(1250): print(f'T {host} {number} {i} .')
    thread = threading.Thread(target=outside)
    thread.start()
    for i in range(1250): print(f'R {host} {number} {i} .')
    thread.join()
    if dies: os.kill(os.getpid(), signal.SIGKILL)
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]
";

/// A server with two virtual hosts, a daemon group and a log each.
fn server(format: &str, logs: [&str; 2]) -> Httpd {
    let rate = if Subject::is_ours() { " log-rate=0" } else { "" };
    let hosts: String = ["one", "two"]
        .iter()
        .zip(logs)
        .map(|(name, log)| {
            format!(
                "<VirtualHost *:@PORT@>\nServerName {name}.test\nErrorLog \"{log}\"\nWSGIDaemonProcess {name} threads=2{rate}\n\
                 WSGIScriptAlias / @ROOT@/app/app.wsgi process-group={name} application-group=%{{GLOBAL}}\n</VirtualHost>\n"
            )
        })
        .collect();
    Httpd::builder()
        .file("app.wsgi", APP)
        .directives(&format!("WSGIRestrictEmbedded On\n{format}\n{hosts}"))
        .allow_log(" .")
        .allow_log("WSGI0146") // of the requests whose process died
        .allow_log_of_control("WSGI0147")
        .allow_log("has died")
        .allow_log("{\"level\":") // the harness knows httpd's own format
        .start()
}

/// Four requests to each host, three of which kill their process.
fn talk(server: &Httpd) {
    for host in ["one.test", "two.test"] {
        for number in 0..=DEATHS {
            let path = if number < DEATHS { format!("/die?{number}") } else { format!("/?{number}") };
            let response = server.request("GET", &path).header("Host", host).send();
            assert_eq!(response.status >= 500, number < DEATHS, "{host} {path}");
        }
    }
}

/// How many deaths the log tells of.
fn deaths(log: &str) -> usize {
    let text = if Subject::is_ours() { "has died" } else { "WSGI0147" };
    log.matches(text).count()
}

/// Waits until the last lines of `host` are there.
fn wait_for_the_end(host: &str, log: impl Fn() -> String) {
    let last = format!("T {host}.test 3 1249 .");
    eventually("the last line", || log().contains(&last).then_some(()));
    eventually("the last death is told", || (deaths(&log()) >= DEATHS).then_some(()));
}

/// Complains about each line of `host` that is not there exactly once in `log`, and about those of the other one.
fn check(host: &str, log: &str) {
    check_but(0, host, log);
}

/// As [`check`]; so many lines may be there twice.
fn check_but(mut twice: usize, host: &str, log: &str) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // The line about a death repeats the last ones.
    for line in log.lines().filter(|line| !line.contains("has died")) {
        for kind in ["T ", "R "] {
            let marker = format!("{kind}{host}.test ");
            for text in line.split(&marker).skip(1) {
                let end = text.find(" .").unwrap_or_else(|| panic!("a line in pieces: {line}"));
                *seen.entry(format!("{kind}{}", &text[..end])).or_default() += 1;
            }
        }
    }
    for kind in ["T ", "R "] {
        for number in 0..=DEATHS {
            for line in 0..LINES {
                let times = seen.get(&format!("{kind}{number} {line}")).copied().unwrap_or(0);
                assert!(
                    times == 1 || times == 2 && twice > 0,
                    "{host}: {kind}{number} {line}: {times} times"
                );
                twice -= times - 1;
            }
        }
    }
    assert_eq!(deaths(log), DEATHS, "{host}: what is said of the deaths");
    let other = if host == "one" { "two.test" } else { "one.test" };
    assert!(!log.contains(other), "lines of {other} in the log of {host}");
}

/// Every line of a log has this form, which is given as what must stand between its parts.
fn all_have_form(log: &str, form: impl Fn(&str) -> bool) {
    for line in log.lines() {
        assert!(form(line), "another format: {line}");
    }
}

fn is_json(line: &str) -> bool {
    line.starts_with("{\"level\":\"")
        && line.ends_with("\"}")
        && line.matches("\",\"pid\":\"").count() == 1
        && line.matches("\",\"message\":\"").count() == 1
}

const JSON: &str = r#"ErrorLogFormat "{\"level\":\"%l\",\"pid\":\"%P\",\"message\":\"%M\"}""#;

#[test]
fn json_format() {
    Subject::skips(
        "its lines have the format; a killed daemon takes none along, and its parent says nothing",
    );
    let server = server(JSON, ["@ROOT@/logs/one.log", "@ROOT@/logs/two.log"]);
    talk(&server);
    for host in ["one", "two"] {
        let name = format!("{host}.log");
        wait_for_the_end(host, || server.log_of(&name));
        let log = server.log_of(&name);
        check(host, &log);
        all_have_form(&log, is_json);
    }
    // A line of a process outside of requests names it, not the one that writes the log.
    let response = server.request("GET", "/?4").header("Host", "one.test").send();
    let said = format!("\"pid\":\"{}\",\"message\":\"T one.test 4 0 .", response.text());
    server.wait_for_log(&said);
}

#[test]
fn piped_logger() {
    let logger = "|$cat >> @ROOT@/logs/";
    let server = server("", [&format!("{logger}one.log"), &format!("{logger}two.log")]);
    talk(&server);
    for host in ["one", "two"] {
        let name = format!("{host}.log");
        wait_for_the_end(host, || server.log_of(&name));
        let log = server.log_of(&name);
        check(host, &log);
        all_have_form(&log, |line| {
            line.starts_with('[') && line.contains("] [wsgi:") && line.contains("] [pid ")
        });
    }
}

#[test]
fn files_in_the_default_format() {
    let server = server("", ["@ROOT@/logs/one.log", "@ROOT@/logs/two.log"]);
    talk(&server);
    for host in ["one", "two"] {
        let name = format!("{host}.log");
        wait_for_the_end(host, || server.log_of(&name));
        check(host, &server.log_of(&name));
    }
}

/// What arrives at a stand-in for the system's logger.
struct Syslog {
    lines: Arc<Mutex<Vec<String>>>,
    path: PathBuf,
}

impl Syslog {
    /// `None` where the system has one, or where it cannot be made.
    fn listen() -> Option<Self> {
        let path = PathBuf::from("/dev/log");
        let socket = UnixDatagram::bind(&path).ok()?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("own socket");
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let taken = Arc::clone(&lines);
        std::thread::spawn(move || {
            let mut bytes = vec![0; 65_536];
            while let Ok(length) = socket.recv(&mut bytes) {
                if &bytes[..length] == b"end" {
                    return;
                }
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                taken.lock().expect("no panic while held").push(text);
            }
        });
        Some(Self { lines, path })
    }

    fn text(&self) -> String {
        self.lines.lock().expect("no panic while held").join("\n")
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"end", &self.path));
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn syslog() {
    let Some(syslog) = Syslog::listen() else {
        println!("skipped: /dev/log is taken, or cannot be made here");
        return;
    };
    let server = server("ErrorLog syslog:local3", ["syslog:local3", "syslog:local3"]);
    talk(&server);
    for host in ["one", "two"] {
        let last = format!("T {host}.test 3 1249 .");
        eventually("the last line", || syslog.text().contains(&last).then_some(()));
    }
    eventually("the last death is told", || (deaths(&syslog.text()) == 2 * DEATHS).then_some(()));
    let all = syslog.text();
    for host in ["one", "two"] {
        let other = if host == "one" { "two" } else { "one" };
        // One log for both; the lines of the other host are left out.
        let others = [format!("{other}.test"), format!("group '{other}'"), format!("process '{other}'")];
        let own: Vec<&str> =
            all.lines().filter(|line| !others.iter().any(|other| line.contains(other))).collect();
        check(host, &own.join("\n"));
    }
    // <facility * 8 + level>time program[pid]: [module:level] [pid …
    all_have_form(&all, |line| line.starts_with("<15") && line.contains("]: ["));
}

/// The process that writes for httpd is killed while lines come: another one takes over, and none is lost.
#[test]
fn log_writer_dies() {
    if Subject::skips("it has none") {
        return;
    }
    let server = server(JSON, ["@ROOT@/logs/one.log", "@ROOT@/logs/two.log"]);
    let writer = || {
        let found = server.processes().into_iter().find(|process| {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
            name.trim() == "wsgi-logs"
        });
        found.map(|process| process.pid)
    };
    let first = writer().expect("there is a log writer");
    std::thread::scope(|scope| {
        scope.spawn(|| talk(&server));
        scope.spawn(|| {
            server.wait_for_log("T one.test 0 500 .");
            kill(first);
        });
    });
    server.wait_for_log("WSGI0395");
    eventually("there is another one", || writer().filter(|pid| *pid != first));
    for host in ["one", "two"] {
        let name = format!("{host}.log");
        wait_for_the_end(host, || server.log_of(&name));
        // The one it had under way may be written by both.
        check_but(1, host, &server.log_of(&name));
    }
}

/// Another module's hook crashes by some lines, in the process that writes for httpd.
const POISON: &str = r#"
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
static void look(const ap_errorlog_info *info, const char *line) {
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    if (strcmp(name, "wsgi-logs") == 0 && strstr(line, "poison")) abort();
}
static void hooks(apr_pool_t *pool) { ap_hook_error_log(look, NULL, NULL, APR_HOOK_MIDDLE); }
module AP_MODULE_DECLARE_DATA poison_module = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks };
"#;

/// A line that no log writer survives is left out, and the others are written.
#[test]
fn line_that_kills_its_writer_is_left_out() {
    if Subject::skips("it has no log writer") {
        return;
    }
    let module = compile_module("poison", POISON);
    let server = Httpd::builder()
        .mode(integration::Mode::Daemon)
        .app(
            "import threading
def application(environ, start_response):
    def outside():
        for text in ('first', 'poison 1', 'second', 'poison 2', 'third'): print('said', text)
    thread = threading.Thread(target=outside)
    thread.start()
    thread.join()
    start_response('200 OK', [])
    return [b'done']
",
        )
        .directives(&format!("LoadModule poison_module {}\n{JSON}", module.display()))
        .allow_log("{\"level\":")
        .expect_log("exit signal Abort")
        .expect_log("WSGI0335")
        .start();
    assert_eq!(server.get("/").ok().text(), "done");
    // httpd looks after its children once a second.
    wait_until(Duration::from_secs(60), || server.error_log().contains("said third").then_some(()));
    let log = server.error_log();
    for text in ["said first", "said second", "said third"] {
        assert_eq!(log.matches(text).count(), 1, "{text}: {log}");
    }
    assert_eq!((log.matches("WSGI0335").count(), log.matches("WSGI0395").count()), (2, 4), "{log}");
    assert!(!log.contains("WSGI0396"), "{log}");
    server.stop(); // which loads the module once more
    std::fs::remove_file(module).expect("it was made above");
}
