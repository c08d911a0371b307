//! What a daemon holds of the server it belongs to: nothing but what it was given (docs/security.md).

use integration::{Builder, Httpd, Mode, Process, Subject, is_root};
use nix::sys::statvfs::{FsFlags, statvfs};
use serde_json::Value;
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};

const APP: &str = r#"
import json, os
def application(environ, start_response):
    facts = {
        "environment": dict(os.environ),
        "descriptors": {name: os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd")
                        if os.path.islink("/proc/self/fd/" + name)},
        "status": open("/proc/self/status").read(),
        "pid": os.getpid(),
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"#;

/// Runs the program beside the script and says who it was, and who runs it.
const RUNNER: &str = r#"
import os, subprocess
def application(environ, start_response):
    program = os.path.join(os.path.dirname(environ["SCRIPT_FILENAME"]), "id")
    start_response("200 OK", [("X-Pid", str(os.getpid()))])
    return [subprocess.check_output([program, "-u"])]
"#;

fn server() -> Builder {
    Httpd::builder().mode(Mode::Daemon).app(APP)
}

fn facts(server: &Httpd) -> Value {
    server.get("/").ok().json()
}

#[test]
fn environment_is_built_from_scratch() {
    if Subject::skips("daemons get all of httpd's environment") {
        return;
    }
    let server = server().env("MW_PLANTED", "a secret of httpd").daemon_options("env=GIVEN=yes lang=C.UTF-8");
    let server = server.start();
    let facts = facts(&server);
    let environment = facts["environment"].as_object().expect("an object");
    assert!(!environment.contains_key("MW_PLANTED"), "{environment:?}");
    assert_eq!(environment["GIVEN"], "yes");
    assert_eq!(environment["LANG"], "C.UTF-8");
    let known = |name: &str| {
        let fixed =
            ["PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "USERNAME", "LOGNAME", "GIVEN"];
        fixed.contains(&name) || name.starts_with("LC_")
    };
    let unknown: Vec<_> = environment.keys().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// What the supervisor has beyond that is for its own allocator, and no daemon's; whatever httpd has of it, too.
#[test]
fn environment_of_the_supervisor_is_three_names() {
    if Subject::skips("there is no supervisor") {
        return;
    }
    let tunables = "GLIBC_TUNABLES";
    for options in ["threads=2", "threads=2 preload=on"] {
        let server = server()
            .env("MW_PLANTED", "a secret of httpd")
            .env("TZ", "Europe/Vienna")
            .env(tunables, "glibc.malloc.trim_threshold=131072")
            .daemon_options(options)
            .start();
        let of_daemon = facts(&server);
        let is_supervisor = |process: &Process| process.command.contains("wsgi-supervisor");
        let supervisor = server.processes().into_iter().find(is_supervisor).expect("it runs");
        let text = std::fs::read_to_string(format!("/proc/{}/environ", supervisor.pid)).expect("own process");
        let mut names: Vec<&str> =
            text.split('\0').filter_map(|entry| Some(entry.split_once('=')?.0)).collect();
        names.retain(|name| !name.starts_with("glibc.")); // glibc ends each tunable where it stands
        names.sort_unstable();
        assert_eq!(names, [tunables, "PATH", "TZ"]);
        assert!(text.contains("glibc.malloc.tcache_count=0") && !text.contains("trim_threshold"), "{text}");
        let environment = of_daemon["environment"].as_object().expect("an object");
        assert!(!environment.contains_key(tunables), "{environment:?}");
        assert_eq!(environment["TZ"], "Europe/Vienna");
        // As the kernel has it, too: Python could have changed its own view.
        let daemons = server.processes().into_iter().filter(|process| process.parent == supervisor.pid);
        let kept: Vec<i32> = daemons
            .map(|daemon| daemon.pid)
            .filter(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/environ"))
                    .is_ok_and(|text| text.contains(tunables))
            })
            .collect();
        assert_eq!(kept, [0; 0], "{options}");
    }
}

#[test]
fn descriptors_are_its_own() {
    if Subject::skips("daemons inherit httpd's descriptors") {
        return;
    }
    let server = server().start();
    let facts = facts(&server);
    let descriptors = facts["descriptors"].as_object().expect("an object");
    for (number, target) in descriptors {
        let target = target.as_str().expect("text");
        let number: u32 = number.parse().expect("a number");
        assert!(number <= 8 || !target.starts_with('/') || target.contains("/proc/"), "{number} is {target}");
        assert!(!target.contains("error.log") && !target.contains("access"), "{number} is {target}");
    }
    assert_eq!(descriptors["0"], "/dev/null");
}

#[test]
fn no_new_privileges() {
    if Subject::skips("set-user-id programs work there") {
        return;
    }
    let server = server().start();
    let facts = facts(&server);
    let status = facts["status"].as_str().expect("text");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}

/// `su`, `sudo` and `postdrop` are such programs; here it is `id`, which tells whose privileges it has.
#[test]
fn set_user_id_programs_gain_their_privileges_only_where_it_is_said() {
    if !is_root() {
        println!("skipped: only root can make a program of root's");
        return;
    }
    // The original knows no such option, and is as if it were Off.
    let cases: &[(&str, bool)] = match Subject::is_ours() {
        true => &[
            ("threads=2", false),
            ("threads=2 no-new-privileges=On", false),
            ("threads=2 no-new-privileges=Off", true),
            ("threads=2 no-new-privileges=off preload=on", true),
            ("threads=2 preload=on", false),
        ],
        false => &[("threads=2", true)],
    };
    for (options, gains) in cases {
        let server = Httpd::builder().mode(Mode::Daemon).app(RUNNER).daemon_options(options).start();
        let program = server.root().join("app/id");
        std::fs::copy("/usr/bin/id", &program).expect("own folder");
        std::fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("own file");
        if statvfs(&program).expect("it is there").flags().contains(FsFlags::ST_NOSUID) {
            println!("skipped: {} is mounted nosuid", program.display());
            return;
        }
        let response = server.get("/").ok();
        let pid = response.header("X-Pid").expect("present").to_owned();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        assert_eq!(status.contains("NoNewPrivs:\t1"), !gains, "{options}: {status}");
        assert_eq!(response.text().trim() == "0", *gains, "{options}: {}", response.text());
    }
}

/// A marker in the memory of httpd's parent is in no memory of a daemon.
#[test]
fn planted_secret_is_not_found() {
    if Subject::skips("daemons are forks of httpd's parent") {
        return;
    }
    if !is_root() {
        println!("skipped: only root may read the memory of other processes");
        return;
    }
    let secret = "c7e1-planted-in-the-parent-91b4";
    let server = server().env("MW_PLANTED", secret).start();
    assert!(memory_holds(server.pid(), secret), "the marker is in the parent");
    let daemon = facts(&server)["pid"].as_i64().expect("a number") as i32;
    assert!(!memory_holds(daemon, secret), "the marker is in the daemon");
}

/// Whether readable memory of a process holds `text`.
fn memory_holds(pid: i32, text: &str) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("readable");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("readable");
    let spans = maps.lines().filter(|line| line.contains(" r") && !line.contains("[v")).filter_map(|line| {
        let (start, rest) = line.split_once('-')?;
        let (end, _) = rest.split_once(' ')?;
        Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    });
    spans.into_iter().any(|(start, end)| {
        let mut bytes = vec![0; (end - start) as usize];
        // Reserved memory cannot be read, and holds nothing.
        memory.read_exact_at(&mut bytes, start).is_ok() && find(&bytes, text.as_bytes())
    })
}

fn find(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
