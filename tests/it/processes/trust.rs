//! What a daemon holds of the server it belongs to: nothing but what it was given (docs/security.md).

use crate::snippets::{self, SendSnippets};
use integration::{Httpd, HttpdBuilder, Mode, SeenProcess, Subject, copy_program, is_root, test_user};
use nix::sys::statvfs::{FsFlags, statvfs};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};

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

fn server() -> HttpdBuilder {
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
        let is_supervisor = |process: &SeenProcess| process.command.contains("wsgi-supervisor");
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
        copy_program("/usr/bin/id".as_ref(), &program);
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

/// Pipes and sockets of a process, as the kernel names them.
fn channels(pid: i32) -> BTreeSet<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("readable").flatten();
    let targets = entries
        .filter_map(|entry| std::fs::read_link(entry.path()).ok()?.into_os_string().into_string().ok());
    targets.filter(|target| target.starts_with("pipe:") || target.starts_with("socket:")).collect()
}

/// httpd's parent holds no end of anything that a daemon holds; of what the supervisor shares with it, it holds no end either.
#[test]
fn nothing_leads_from_a_daemon_to_the_parent() {
    if Subject::skips("daemons are forks of httpd's parent") {
        return;
    }
    let server = server().start();
    let daemon = facts(&server)["pid"].as_i64().expect("a number") as i32;
    let is_supervisor = |process: &SeenProcess| process.command.contains("wsgi-supervisor");
    let supervisor = server.processes().into_iter().find(is_supervisor).expect("it runs").pid;
    let [parent, supervisor, daemon] = [server.pid(), supervisor, daemon].map(channels);
    assert!(
        supervisor.intersection(&daemon).count() >= 3,
        "orders, signs and output: {supervisor:?} {daemon:?}"
    );
    assert_eq!(parent.intersection(&daemon).collect::<Vec<_>>(), [""; 0]);
    // A lifeline is a pipe; and the pair of the control socket has two names.
    let shared: Vec<_> =
        parent.intersection(&supervisor).filter(|name| name.starts_with("socket:")).collect();
    assert_eq!(shared, [""; 0]);
}

/// Connects to all listening sockets of the server, as the group's user.
const CONNECTOR: &str = "import os, socket
def app(environ, start_response):
    paths = [line.split()[7] for line in open('/proc/net/unix') if os.environ['RUN'] in line]
    said = []
    for path in sorted(set(paths)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if path.endswith('.control') else socket.SOCK_STREAM) as own:
            try:
                own.connect(path)
                said.append(path + ' connected')
            except OSError as error:
                said.append(path.rsplit('.', 1)[1] + ' ' + type(error).__name__)
    return answer(start_response, ' '.join(said))
";

/// Neither the socket of any group, its own included, nor that of `mod_wsgi-ctl` takes a connection from a group's user.
#[test]
fn sockets_of_groups_and_of_the_operator_take_no_user() {
    if Subject::skips("there is no socket for an operator") {
        return;
    }
    let (Some(a), Some(b)) = (test_user('a'), test_user('b')) else {
        println!("skipped: only root can become another user");
        return;
    };
    let server = snippets::server(Mode::Daemon)
        .daemon_options(&format!("user={a} group={a} home=/ env=RUN=@ROOT@/run/"))
        .directives(&format!("WSGIDaemonProcess other user={b} group={b} home=/"))
        .directives("<Location /other>\nWSGIProcessGroup other\n</Location>")
        .start();
    let said = server.run(CONNECTOR).ok().text();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert!(words.len() == 6 && words.contains(&"control"), "{said}");
    assert!(words.iter().skip(1).step_by(2).all(|word| *word == "PermissionError"), "{said}");
}

/// Root reads nothing for a group that its user could not read, or could have put in the place of something else.
#[test]
fn env_files_of_others_are_not_read() {
    if Subject::skips("env-file= is not known") {
        return;
    }
    let (Some(a), Some(b)) = (test_user('a'), test_user('b')) else {
        println!("skipped: only root can have other users");
        return;
    };
    let uid =
        |name: &str| nix::unistd::User::from_name(name).expect("readable").expect("it was made").uid.as_raw();
    let server = server().directives("Include @ROOT@/app/more.conf").file("more.conf", "").start();
    let root = server.root().join("app");
    std::fs::create_dir(root.join("open")).expect("own folder");
    let place = |name: &str, owner: &str| {
        let path = root.join(name);
        std::fs::write(&path, "SECRET=yes\n").expect("own file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("own file");
        chown(&path, Some(uid(owner)), None).expect("root may");
        path
    };
    let (roots, others, own) = (place("open/root.env", "root"), place("other.env", &b), place("own.env", &a));
    std::fs::hard_link(place("link.env", "root"), root.join("second.env")).expect("own folder");
    chown(root.join("open"), Some(uid(&a)), None).expect("root may");
    for (path, refusal) in [
        (&roots, "belongs to another user than the group's"),
        (&root.join("second.env"), "belongs to another user than the group's"),
        (&others, "must be owned by root or by the user of the group"),
        (&own, ""),
    ] {
        server.write(
            "more.conf",
            &format!("WSGIDaemonProcess x user={a} home=/ env-file={}\n", path.display()),
        );
        let said = server.configtest().text;
        let about: Vec<&str> = said.lines().filter(|line| line.contains("env-file '")).collect();
        assert_eq!(about.len(), usize::from(!refusal.is_empty()), "{}: {said}", path.display());
        assert!(about.iter().all(|line| line.contains(refusal)), "{about:?}");
    }
    server.write("more.conf", "");
}
