//! Groups that flood: with output, with signs to the supervisor, with processes. Others do not notice.

use crate::snippets::{SendSnippets, base64};
use integration::{Httpd, HttpdBuilder, SeenProcess, Subject, eventually, test_user, wait_until};
use std::time::Duration;

const SNIPPETS: &str = include_str!("../../apps/snippet.py");

/// What the original does.
const UNBOUNDED: &str = "it has no such limit";

fn two_groups(options: &str) -> HttpdBuilder {
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
    let is_it = |p: &SeenProcess| p.parent == server.pid() && p.command.contains("wsgi-supervisor");
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

/// With `preload=on` what applications leave behind comes to the supervisor: it waits for a bounded number of processes at
/// once, and for all in the end.
#[test]
fn orphans_in_any_number_are_waited_for() {
    if Subject::skips("there is no supervisor") {
        return;
    }
    let server = two_groups("preload=on").allow_log("SIGKILL").start();
    let code = "import os
def app(environ, start_response):
    if not os.fork():
        for _ in range(700):
            if not os.fork(): os._exit(0)
        os._exit(0)
    os.wait()
    return answer(start_response, str(os.getpid()))
";
    // A worker of the zygote's is not there before the supervisor has asked for it.
    server.run("def app(environ, start_response):\n    return answer(start_response, 'there')\n").ok();
    let is_supervisor = |process: &SeenProcess| process.command.contains("wsgi-supervisor");
    let supervisor = server.processes().into_iter().find(is_supervisor).expect("it runs").pid;
    let ended = || {
        let text = std::fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"))
            .expect("it runs");
        let is_zombie = |pid: &&str| {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| s.contains(") Z "))
        };
        text.split_whitespace().filter(is_zombie).count()
    };
    integration::signal(supervisor, nix::sys::signal::Signal::SIGSTOP);
    let pid: i32 = server.run(code).ok().text().parse().expect("a number");
    let there = eventually("they have ended", || Some(ended()).filter(|count| *count >= 700));
    assert!(there >= 700);
    integration::kill(pid);
    integration::signal(supervisor, nix::sys::signal::Signal::SIGCONT);
    eventually("all are waited for", || (ended() == 0).then_some(()));
    let code =
        "import os\ndef app(environ, start_response):\n    return answer(start_response, str(os.getpid()))\n";
    assert_ne!(server.run(code).ok().text(), pid.to_string());
}

/// What a request logs is not dropped: it waits, and the disk fills no faster than the group may fill it.
#[test]
fn requests_that_log_without_end_wait() {
    if Subject::skips(UNBOUNDED) {
        return;
    }
    let server = two_groups("log-rate=20").allow_log("flood ").start();
    let code = "import os
def app(environ, start_response):
    path, count = os.path.join(os.path.dirname(environ['SCRIPT_FILENAME']), 'released'), 0
    while not os.path.exists(path):
        print('flood', count, 'x' * 1030, file=environ['wsgi.errors'])
        count += 1
    return answer(start_response, str(count))
";
    // Each counts as two lines, because of its length.
    let logged = || server.error_log().matches("flood ").count();
    std::thread::scope(|scope| {
        let start = std::time::Instant::now();
        let request = scope.spawn(|| server.run(code).ok().text());
        wait_until(Duration::from_secs(60), || (logged() >= 1300).then_some(()));
        let (lines, seconds) = (logged(), start.elapsed().as_secs_f64());
        server.release();
        assert!(
            lines >= 1300 && lines as f64 * 2.0 <= 2000.0 + 200.0 * (seconds + 1.0),
            "{lines} in {seconds} s"
        );
        let honest = "def app(environ, start_response):\n    return answer(start_response, 'honest')\n";
        let request_of_others = server.request("GET", "/honest").header("X-Code", &base64(honest.as_bytes()));
        assert_eq!(request_of_others.send().ok().text(), "honest");
        let said: usize = request.join().expect("no panic").parse().expect("a number");
        assert_eq!(logged(), said);
    });
}
