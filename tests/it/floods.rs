//! Groups that flood: with output, with signs to the supervisor, with processes. Others do not notice.

use crate::snippets::Snippets;
use integration::{Builder, Httpd, Process, Subject, eventually, test_user, wait_until};
use std::time::Duration;

const SNIPPETS: &str = include_str!("../apps/snippet.py");

/// What the original does.
const UNBOUNDED: &str = "it has no such limit";

fn two_groups(options: &str) -> Builder {
    Httpd::builder()
        .script("/honest", "honest.wsgi", SNIPPETS)
        .script("/", "app.wsgi", SNIPPETS)
        .writable("data")
        .allow_python_errors()
        .directives(&format!(
            "WSGIRestrictEmbedded On\nWSGIApplicationGroup %{{GLOBAL}}\n\
             WSGIDaemonProcess honest threads=2\nWSGIDaemonProcess app threads=2 home=/ {options}\n\
             <Location /honest>\nWSGIProcessGroup honest\n</Location>\nWSGIProcessGroup app"
        ))
}

/// CPU time of the supervisor, in clock ticks (a hundredth of a second).
fn supervisor_ticks(server: &Httpd) -> u64 {
    let is_it = |p: &Process| p.parent == server.pid() && p.command.contains("wsgi-supervisor");
    let pid = server.processes().into_iter().find(is_it).expect("it runs").pid;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

#[test]
fn output_is_dropped_beyond_its_rate_but_for_what_explains_a_death() {
    if Subject::skips(UNBOUNDED) {
        return;
    }
    let server = two_groups("log-rate=100").expect_log("WSGI0333").start();
    let honest = |code: &str| {
        let header = crate::snippets::base64(code.as_bytes());
        server.request("GET", "/honest").header("X-Code", &header).send().ok()
    };
    let flood = "import os, threading, time
def flood():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        os.write(1, b'x\\n' * 32768)
    os.write(1, b'the last words of it\\n')
    os._exit(3)
def app(environ, start_response):
    threading.Thread(target=flood).start()
    return answer(start_response, 'begun')
";
    let before = supervisor_ticks(&server);
    server.run(flood).ok();
    for number in 0..30 {
        honest(&format!(
            "import os\ndef app(environ, start_response):\n    os.write(1, b'honest line {number}.\\n')\n    \
             return answer(start_response, '')\n"
        ));
        std::thread::sleep(Duration::from_millis(50));
    }
    server.wait_for_log("has died: exit status 3");
    let ticks = supervisor_ticks(&server) - before;
    let log = server.error_log();
    for number in 0..30 {
        assert!(log.contains(&format!("honest line {number}.")), "{number}");
    }
    assert!(log.lines().any(|line| line.ends_with("] the last words of it")), "it explains the death");
    let floods = log.lines().filter(|line| line.ends_with("] x")).count();
    assert!(
        (1000..2500).contains(&floods),
        "{floods} lines: a burst, a few seconds' worth, and the last ones"
    );
    // 90 % of a processor and 60 MB/s before; the machine may be slow, but not by that.
    assert!(ticks < 100, "{ticks} hundredths of a second in three seconds");
}

/// Each byte is a sign that the supervisor acts on.
#[test]
fn signs_are_not_listened_to_without_end() {
    if Subject::skips("there is no supervisor") {
        return;
    }
    let server = two_groups("").expect_log("WSGI0334").start();
    let code = "import os, signal
def app(environ, start_response):
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        while True:
            os.write(4, b'R' * 4096)
    except OSError as error:
        return answer(start_response, error.strerror)
";
    assert_eq!(server.run(code).ok().text(), "Broken pipe");
    assert_eq!(server.get("/honest").status, 500, "it answers: the snippet is missing");
    assert!(supervisor_ticks(&server) < 300);
}

#[test]
fn tasks_are_bounded() {
    if Subject::skips(UNBOUNDED) {
        return;
    }
    let Some(user) = test_user('b') else {
        println!("skipped: only root can become another user");
        return;
    };
    let code = "import os, time
def app(environ, start_response):
    children = []
    try:
        for _ in range(400):
            pid = os.fork()
            if not pid:
                time.sleep(1000)
            children.append(pid)
        return answer(start_response, 'no end')
    except BlockingIOError:
        return answer(start_response, str(len(children)))
    finally:
        for pid in children:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
";
    let server = two_groups(&format!("user={user} group={user} tasks-max=200")).start();
    let text = wait_until(Duration::from_secs(20), || Some(server.run(code).ok().text())).expect("an answer");
    assert!(text.parse::<u32>().is_ok_and(|count| count < 200), "{text}");
    eventually("it serves", || (server.run(code).status == 200).then_some(()));
}
