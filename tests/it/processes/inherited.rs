//! What a daemon inherits of the shell or service that httpd was started from: each row of the table in docs/security.md,
//! with an httpd that was started from a shell with unusual settings.

use integration::{Httpd, HttpdBuilder, Mode, SeenProcess, Subject, is_root, test_user};
use serde_json::{Value, json};
use std::path::Path;

const APP: &str = include_str!("../../apps/inherited.py");
const LAUNCHER: &str = include_str!("../../apps/launcher.py");

fn server(options: &str) -> HttpdBuilder {
    let options = format!("threads=2 home=/var env=MW_GIVEN=1 {options}");
    Httpd::builder()
        .mode(Mode::Daemon)
        .app(APP)
        .daemon_options(&options)
        .env("MW_PLANTED", "1")
        .launched_by(LAUNCHER)
}

fn status_of(pid: i32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).expect("a field");
    line.trim().to_owned()
}

/// How the kernel weighs httpd when memory runs out; where a container may not protect itself, it is above 0.
fn oom_score(pid: i32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("own process");
    text.trim().parse().expect("a number")
}

fn namespaces(pid: i32) -> Value {
    let folder = format!("/proc/{pid}/ns");
    let names = std::fs::read_dir(&folder).expect("own process").flatten().map(|entry| entry.file_name());
    let target =
        |name: &std::ffi::OsString| std::fs::read_link(Path::new(&folder).join(name)).expect("a link");
    let pair = |name: std::ffi::OsString| {
        let target = target(&name);
        (name.to_string_lossy().into_owned(), Value::from(target.to_string_lossy()))
    };
    Value::Object(names.map(pair).collect())
}

/// What is the same for all, and what is as httpd has it.
fn expected(httpd: i32) -> Vec<(&'static str, Value)> {
    let none = "0000000000000000";
    let first =
        status_of(httpd, "Cpus_allowed_list").split([',', '-']).next().and_then(|n| n.parse::<i32>().ok());
    let login = std::fs::read_to_string(format!("/proc/{httpd}/loginuid")).unwrap_or_default();
    let cgroup = std::fs::read_to_string(format!("/proc/{httpd}/cgroup")).expect("own process");
    let slack = std::fs::read_to_string(format!("/proc/{httpd}/timerslack_ns")).unwrap_or_default();
    let securebits = if is_root() { 4 } else { 0 };
    vec![
        ("keyring", json!([false, false])),
        ("terminal", json!(0)),
        ("session", json!([true, true])),
        ("personality", json!("00000000")),
        ("no_new_privs", json!("1")),
        ("capabilities", json!([none, none, none, none])),
        ("bounding", json!(status_of(httpd, "CapBnd"))),
        ("securebits", json!(securebits)),
        ("seccomp", json!(status_of(httpd, "Seccomp"))),
        ("interval_timer", json!([0.0, 0.0])),
        ("posix_timers", json!("")),
        ("oom_score_adj", json!(oom_score(httpd).max(0).to_string())),
        ("nice", json!(3)),
        ("scheduler", json!(0)),
        ("affinity", json!([first])),
        ("memlock", json!([123 << 10, 123 << 10])),
        ("core", json!(0)),
        ("umask", json!("0027")),
        ("ignored", json!([])),
        ("blocked", json!([])),
        ("cwd", json!("/var")),
        ("root", json!("/")),
        ("environment", json!(["MW_GIVEN"])),
        ("dumpable", json!(1)),
        ("timer_slack", json!(slack.trim())),
        ("no_huge_pages", json!(1)),
        ("namespaces", namespaces(httpd)),
        ("cgroup", json!(cgroup)),
        ("login", json!(login)),
        ("locks", json!([])),
    ]
}

#[test]
fn each_row_of_the_table() {
    if Subject::skips("daemons are forks of httpd and have what it has") {
        return;
    }
    let other = test_user('a').map(|user| format!("user={user} group={user}"));
    let cases = [Some(String::new()), Some("preload=on".to_owned()), other];
    for options in cases.into_iter().flatten() {
        let server = server(&options).start();
        let seen = server.get("/").ok().json();
        for (name, value) in expected(server.pid()) {
            assert_eq!(seen[name], value, "{name} {options}");
        }
        assert_ne!(seen["io_class"], 1, "real time {options}");
        let descriptors = seen["descriptors"].as_array().expect("a list");
        assert!(!descriptors.contains(&json!(77)) && descriptors.len() <= 9, "{descriptors:?}");
    }
}

/// The launcher's settings have arrived at all: httpd itself has them.
#[test]
fn httpd_itself_has_the_unusual_settings() {
    if !is_root() {
        println!("skipped: most of them need root");
        return;
    }
    let server = server("").start();
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/{}/{name}", server.pid()))
            .expect("own process")
            .trim()
            .to_owned()
    };
    assert_eq!(read("personality"), "00040000");
    assert!([-500, 7].contains(&oom_score(server.pid())));
    assert_eq!(status_of(server.pid(), "CapAmb"), "0000000000001000");
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    assert!(fields[16] == "3" || fields[15].starts_with('-'), "nice, or real time: {stat}");
    assert!(SeenProcess::of(server.pid()).is_some());
}
