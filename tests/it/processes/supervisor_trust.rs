//! What other users can do to the supervisor: it is root, and looks after the groups of all of them (docs/security.md).

use crate::operators::control::done;
use crate::snippets::SendSnippets;
use integration::{Httpd, HttpdBuilder, SeenProcess, Subject, eventually, kill, test_user};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

const STAND_IN: &str = include_str!("../../apps/hostile.py");
const ZYGOTE: &str = include_str!("../../apps/zygote.py");
const SNIPPETS: &str = include_str!("../../apps/snippet.py");

/// What the original does.
const NO_SUPERVISOR: &str = "there is no supervisor";

/// Two groups: `honest`, and one that the test makes of `options`, whose script is the same.
fn beside_honest(options: &str) -> HttpdBuilder {
    Httpd::builder()
        .script(
            "/honest",
            "honest.wsgi",
            "import os\ndef application(environ, start_response):\n    \
                 start_response('200 OK', [('X-Pid', str(os.getpid()))])\n    return [b'honest']\n",
        )
        .script("/slow", "slow.wsgi", "")
        .script("/", "app.wsgi", SNIPPETS)
        .writable("data")
        .directives(&format!(
            "WSGIRestrictEmbedded On\nWSGIApplicationGroup %{{GLOBAL}}\n\
             WSGIDaemonProcess honest threads=2\nWSGIDaemonProcess app {options}\n\
             <Location /honest>\nWSGIProcessGroup honest\n</Location>\nWSGIProcessGroup app"
        ))
}

/// Makes `app/home/bin/python3` a program, of this user if one is named, and has the supervisor try again.
fn install(server: &Httpd, user: Option<&str>) -> PathBuf {
    let program = server.root().join("app/home/bin/python3");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("own file");
    if let Some(user) = user {
        let user = nix::unistd::User::from_name(user).expect("readable").expect("it was made");
        chown(&program, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("we are root");
    }
    server.graceful();
    program
}

fn supervisor(server: &Httpd) -> i32 {
    let is_it = |p: &SeenProcess| p.parent == server.pid() && p.command.contains("wsgi-supervisor");
    server.processes().into_iter().find(is_it).expect("it runs").pid
}

fn honest_pid(server: &Httpd) -> i32 {
    server.get("/honest").ok().header("X-Pid").expect("present").parse().expect("a number")
}

/// The supervisor looks after the other group: what dies is replaced.
fn looks_after_others(server: &Httpd) {
    let before = honest_pid(server);
    kill(before);
    eventually("the honest group has another process", || (honest_pid(server) != before).then_some(()));
}

/// Looks for a child of the supervisor that is this user's already, and its program not yet; while the lease on the
/// interpreter's file holds it there, takes what it can.
const WINDOW: &str = r#"
import ctypes, fcntl, os, signal, sys, time
program, boss, victim, secret = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()[::-1]
signal.signal(signal.SIGIO, signal.SIG_IGN)
lease = os.open(program, os.O_RDWR)
fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.kill(victim, 9)

def find():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            lines = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
        except OSError:
            continue
        if lines["PPid"] == boss and lines["Name"] == "wsgi-supervisor" and lines["Uid"].split()[0] == str(os.getuid()):
            return pid

deadline = time.monotonic() + 8
while not (pid := find()) and time.monotonic() < deadline:
    time.sleep(0.005)
time.sleep(0.2)
if not pid or find() != pid:
    sys.exit("no window")

def memory():
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in open(f"/proc/{pid}/maps"):
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            try:
                file.seek(start)
                if secret in file.read(end - start):
                    return "with the secret"
            except (OSError, OverflowError):
                pass
    return "without the secret"

def descriptor():
    pidfd = os.pidfd_open(int(pid))
    libc = ctypes.CDLL(None, use_errno=True)
    found = [n for n in range(64) if libc.syscall(438, pidfd, n, 0) >= 0]
    return found or os.strerror(ctypes.get_errno())

def attempt(function):
    try:
        return function()
    except OSError as error:
        return error.strerror

print([attempt(function) for function in (memory, descriptor, lambda: os.listdir(f"/proc/{pid}/fd"),
       lambda: open(f"/proc/{pid}/environ").read(), lambda: os.readlink(f"/proc/{pid}/cwd"))])
"#;

/// A forked child that has become the group's user and is not yet the interpreter holds all that the supervisor does.
#[test]
fn nobody_can_look_into_a_process_that_is_being_set_up() {
    if Subject::skips("daemons are forks of httpd and keep its memory") {
        return;
    }
    let (Some(a), Some(b)) = (test_user('a'), test_user('b')) else {
        println!("skipped: only root can become another user");
        return;
    };
    let secret = "e52f-env-of-the-other-7a";
    let server = beside_honest(&format!("user={a} group={a} home=/ threads=2"))
        .file("home/bin/python3", STAND_IN)
        .directives(&format!(
            "WSGIDaemonProcess slow user={a} group={a} home=/ python-home=@ROOT@/app/home\n\
             WSGIDaemonProcess other user={b} group={b} home=/ env=PASSWORD={secret} threads=2\n\
             <Location /slow>\nWSGIProcessGroup slow\n</Location>\nCoreDumpDirectory @ROOT@/app/data"
        ))
        .allow_log("[wsgi:error]")
        .allow_log("[wsgi:alert]")
        .allow_log("nothing names this group")
        .start();
    let program = install(&server, Some(&a));
    eventually("the stand-in serves", || (server.get("/slow").text() == "honest").then_some(()));
    let slow = |p: &SeenProcess| !p.is_zombie && p.command.contains("app/home/bin/python3");
    let victim = eventually("its process", || {
        let mut all = server.processes().into_iter().filter(slow);
        all.next().filter(|_| all.next().is_none())
    });
    let reversed: String = secret.chars().rev().collect();
    let arguments = [program.to_string_lossy().into_owned(), supervisor(&server).to_string()];
    let arguments = [&arguments[..], &[victim.pid.to_string(), reversed]].concat();
    let code = format!(
        "import subprocess, sys\ndef app(environ, start_response):\n    run = subprocess.run([sys.executable, '-c', {WINDOW:?}] + \
         {arguments:?}, capture_output=True, text=True)\n    return answer(start_response, run.stdout + run.stderr)\n"
    );
    let denied = "'Permission denied'";
    let expected = format!("[{denied}, 'Operation not permitted', {denied}, {denied}, {denied}]");
    assert_eq!(server.run(&code).text().trim(), expected);
    eventually("it serves again", || (server.get("/slow").text() == "honest").then_some(()));
}

/// The limit of a group's processes alone decides; the interpreter's own process may be dumped.
#[test]
fn core_dumps_are_written_where_they_are_allowed() {
    if Subject::skips("its daemons are dumpable by httpd's rules") {
        return;
    }
    let code = "import ctypes, os, resource
def app(environ, start_response):
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    soft = resource.getrlimit(resource.RLIMIT_CORE)[0]
    pid = os.fork()
    if not pid:
        os.chdir(os.environ['FOLDER'])
        if 'RAISE' in os.environ:
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        os.kill(os.getpid(), 3)
    dumped = os.WCOREDUMP(os.waitpid(pid, 0)[1])
    return answer(start_response, f'{dumped} {ctypes.CDLL(None).prctl(3)} {soft} {hard}')
";
    for (directive, options, allowed) in
        [("CoreDumpDirectory @ROOT@/app/data", "env=RAISE=1", true), ("", "env=QUIET=1", false)]
    {
        for user in [test_user('a').map(|user| format!("user={user} group={user} home=/")), None] {
            let user = user.unwrap_or_default();
            let server = beside_honest(&format!("{user} threads=2 env=FOLDER=@ROOT@/app/data {options}"))
                .directives(directive)
                .allow_log("[wsgi:error]")
                .start();
            let text = server.run(code).text();
            let (facts, hard) = text.rsplit_once(' ').expect("four words");
            let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").expect("readable");
            if allowed && (hard == "0" || pattern.starts_with(['|', '@', '/'])) {
                println!("skipped: core dumps go elsewhere here");
                continue;
            }
            assert_eq!(facts.starts_with("True 1 "), allowed, "{directive} {user}: {text}");
            assert!(allowed || facts == "False 1 0", "{user}: {text}");
        }
    }
}

/// A socket that takes hours to close, sent over whatever a zygote has: the supervisor neither receives nor closes it.
#[test]
fn a_zygote_cannot_hold_the_supervisor_up_by_descriptors() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    for then in ["stay", "leave"] {
        let server = beside_honest(&format!(
            "python-home=@ROOT@/app/home preload=on env=FOLDER=@ROOT@/app/data env=THEN={then}"
        ))
        .file("home/bin/python3", ZYGOTE)
        .allow_log("[wsgi:")
        .start();
        install(&server, None);
        eventually("the zygote has done it", || {
            server.root().join("app/data/attacks").exists().then_some(())
        });
        looks_after_others(&server);
        done(&server, &["restart", "honest"]);
        looks_after_others(&server);
        let attacks = std::fs::read_to_string(server.root().join("app/data/attacks")).expect("it is there");
        assert!(!attacks.contains("sent"), "{attacks}");
    }
}

/// The same in the queue of a listening socket, which the supervisor closes when its group goes.
#[test]
fn a_queue_cannot_hold_the_supervisor_up_by_descriptors() {
    if Subject::skips(NO_SUPERVISOR) {
        return;
    }
    let server = beside_honest("threads=2").allow_log("[wsgi:").start();
    let code = format!(
        "{}
def app(environ, start_response):
    own = socket.socket(fileno=os.dup(3))
    try:
        own.setsockopt(socket.SOL_SOCKET, 83, 1)  # SO_PASSRIGHTS, which its supervisor had taken away
    except OSError:
        pass
    path, daemon = own.getsockname(), os.getpid()
    # Before the fork: it is stopped as soon as the child runs.
    open(os.environ['FOLDER'] + '/daemon', 'w').write(str(daemon))
    if not os.fork():
        os.setsid()
        own.close()
        os.closerange(3, 1024)
        os.kill(daemon, signal.SIGSTOP)
        while open(f'/proc/{{daemon}}/stat').read().rsplit(')', 1)[1].split()[0] != 'T':
            time.sleep(0.01)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        listener, sender = lingering()
        connection.sendmsg([b'H'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [sender.fileno()]))])
        sender.close()
        open(os.environ['FOLDER'] + '/sender', 'w').write(str(os.getpid()))
        time.sleep(120)  # nobody ends it when the test itself is aborted
    time.sleep(3600)
",
        ZYGOTE
            .split_once("def attack")
            .and_then(|(head, _)| head.split_once("import "))
            .map_or(String::new(), |(_, text)| format!("import signal, {text}"))
    );
    let code = code.replace("os.environ['FOLDER']", &format!("{:?}", server.root().join("app/data")));
    std::thread::scope(|scope| {
        let request = server.snippet(&code);
        scope.spawn(move || _ = request.try_send());
        let pid = |name: &str| -> i32 {
            let path = server.root().join("app/data").join(name);
            eventually("it is queued", || std::fs::read_to_string(&path).ok()?.parse().ok())
        };
        pid("sender");
        done(&server, &["stop", "app"]);
        // Its place serves stragglers for a second; after that nothing but the process keeps the socket.
        std::thread::sleep(std::time::Duration::from_millis(1300));
        kill(pid("daemon"));
        looks_after_others(&server);
        looks_after_others(&server);
        kill(pid("sender"));
    });
}
