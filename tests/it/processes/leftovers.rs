//! What an application leaves behind: processes in its session end with it, and copies of its listening socket get no
//! requests of a later generation.

use crate::operators::control::{done, under_load};
use crate::processes::preload;
use crate::snippets::SendSnippets;
use integration::{Httpd, HttpdBuilder, Mode, SeenProcess, Subject, eventually, kill, test_user};
use std::path::PathBuf;
use std::time::Duration;

/// Snippets, and an empty answer to all other requests.
const APP: &str = concat!(
    include_str!("../../apps/snippet.py"),
    "\nrun = application\n\n\ndef application(environ, start_response):\n    if 'HTTP_X_CODE' in environ:\n        ",
    "return run(environ, start_response)\n    return answer(start_response, '')\n"
);

/// What the original does.
const SURVIVE: &str = "whatever an application has started survives its processes";

fn server(options: &str) -> HttpdBuilder {
    let options = format!("threads=4 home=/ env=FOLDER=@ROOT@/app/data {options}");
    Httpd::builder().mode(Mode::Daemon).app(APP).daemon_options(&options).writable("data")
}

/// Starts two programs: one in the session of the process, one in its own. Says their ids and that of the process.
const TWO_PROGRAMS: &str = "import os, subprocess
def app(environ, start_response):
    both = [subprocess.Popen(['sleep', '1000'], start_new_session=own).pid for own in (False, True)]
    return answer(start_response, '%d %d %d' % (os.getpid(), *both))
";

fn numbers(text: &str) -> Vec<i32> {
    text.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

fn is_alive(pid: i32) -> bool {
    SeenProcess::of(pid).is_some_and(|process| !process.is_zombie)
}

#[test]
fn what_a_process_leaves_in_its_session_is_ended_with_it() {
    if Subject::skips(SURVIVE) {
        return;
    }
    for (options, ends) in [("", true), ("preload=on", true), ("end-session=Off", false)] {
        for way in ["restart", "kill"] {
            let server = server(options).allow_log("SIGKILL").start();
            let [process, inside, outside] = numbers(&server.run(TWO_PROGRAMS).text())[..] else { panic!() };
            match way {
                "restart" => drop(done(&server, &["restart", "app"])),
                _ => kill(process),
            }
            eventually("the process ends", || (!is_alive(process)).then_some(()));
            if ends {
                eventually("what is in its session ends", || (!is_alive(inside)).then_some(()));
            } else {
                std::thread::sleep(Duration::from_millis(100));
            }
            let alive = [is_alive(inside), is_alive(outside)];
            kill(inside);
            kill(outside);
            assert_eq!(alive, [!ends, true], "{options} {way}");
            eventually("both are gone", || (!is_alive(inside) && !is_alive(outside)).then_some(()));
        }
    }
}

/// Starts httpd in a control group of its own that is marked as systemd marks those that it delegates.
const DELEGATED: &str = "import os, sys
mounts = [line.split() for line in open('/proc/self/mountinfo')]
points = [words[4] for words in mounts if words[words.index('-') + 1] == 'cgroup2']
try:
    folder = points[0] + '/mod-wsgi-test-%d' % os.getpid()
    os.mkdir(folder)
    os.setxattr(folder, 'user.delegate', b'1')
    open(folder + '/cgroup.procs', 'w').write('0')
except (IndexError, OSError) as error:
    print('no control group:', error)
os.execv(sys.argv[1], sys.argv[1:])
";

/// The folder of that control group; `None` where there can be none.
fn delegated(server: &Httpd) -> Option<PathBuf> {
    let own = control_group(server.pid());
    if !own.starts_with("mod-wsgi-test-") {
        println!("skipped: no control groups of version 2 can be made here");
        return None;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("it was found before");
    Some(PathBuf::from(mount.split(' ').nth(4).expect("a path")).join(own))
}

/// The control group of version 2 that a process is in.
fn control_group(pid: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned()
}

/// A worker that gets no control group of its own stays in that of its zygote, whose end is not its own.
#[test]
fn workers_in_the_control_group_of_their_zygote_outlive_it() {
    if Subject::skips(SURVIVE) {
        return;
    }
    let enter = "    open(folder + '/cgroup.procs'";
    let limited = format!("    open(folder + '/cgroup.max.descendants', 'w').write('1')\n{enter}");
    let server = preload::allowing_death(preload::server_of(preload::APP, "processes=2 threads=2"))
        .launched_by(&DELEGATED.replace(enter, &limited))
        .start();
    let Some(folder) = delegated(&server) else { return };
    let (zygote, workers) = preload::settled(&server, 2);
    assert!(workers.iter().all(|worker| control_group(*worker) == control_group(zygote)));
    kill(zygote);
    eventually("another zygote", || preload::family(&server).1.first().copied().filter(|pid| *pid != zygote));
    for _ in 0..20 {
        server.get("/").ok();
    }
    assert_eq!(preload::settled(&server, 2).1, workers);
    server.stop();
    eventually("nothing is left", || std::fs::remove_dir(&folder).ok());
}

/// Then a session of its own is no way out.
#[test]
fn all_that_a_process_has_started_ends_with_it_in_a_delegated_control_group() {
    if Subject::skips(SURVIVE) {
        return;
    }
    for options in ["", "preload=on"] {
        let server = server(options).launched_by(DELEGATED).allow_log("SIGKILL").start();
        let Some(folder) = delegated(&server) else { return };
        let folders = || {
            let entries = std::fs::read_dir(&folder).expect("it is there").flatten();
            entries.filter(|entry| entry.path().is_dir()).count()
        };
        for way in ["kill", "restart"] {
            let [process, inside, outside] = numbers(&server.run(TWO_PROGRAMS).ok().text())[..] else {
                panic!()
            };
            match way {
                "restart" => drop(done(&server, &["restart", "app"])),
                _ => kill(process),
            }
            eventually("all end", || (![process, inside, outside].into_iter().any(is_alive)).then_some(()));
            let expected = if options.is_empty() { 1 } else { 2 };
            eventually("their groups are removed", || (folders() == expected).then_some(()));
        }
        server.stop();
        eventually("nothing is left", || std::fs::remove_dir(&folder).ok());
    }
}

/// The harness looks for processes that are left.
#[test]
fn what_is_in_its_session_does_not_outlive_httpd() {
    if Subject::skips(SURVIVE) {
        return;
    }
    let server = server("").start();
    let stubborn = "import os, signal, sys, time
def app(environ, start_response):
    for _ in range(3):
        if not os.fork():
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            time.sleep(1000)
    return answer(start_response, 'done')
";
    assert_eq!(server.run(stubborn).ok().text(), "done");
    server.stop();
}

/// The inode of the listening socket that the process which answers has.
fn socket(server: &Httpd) -> (i32, String) {
    let code = "import os
def app(environ, start_response):
    return answer(start_response, '%d %s' % (os.getpid(), os.readlink('/proc/self/fd/3')))
";
    // On a connection of its own: httpd closes idle ones at a graceful restart.
    let text = server.snippet(code).header("Connection", "close").send().ok().text();
    let (pid, socket) = text.split_once(' ').expect("two words");
    (pid.parse().expect("a number"), socket.to_owned())
}

#[test]
fn each_generation_and_each_restart_has_another_socket() {
    if Subject::skips("its sockets are made for each generation, and no process is replaced within one") {
        return;
    }
    for (options, directive) in [("", ""), ("preload=on", "WSGISocketRotation Off")] {
        let server = server(options).directives(directive).allow_log("SIGKILL").start();
        let mut before = socket(&server);
        let mut next = |what: &str, action: &dyn Fn()| {
            action();
            let after = eventually(what, || Some(socket(&server)).filter(|after| after.0 != before.0));
            assert_ne!(after.1, before.1, "{what} {options}");
            before = after;
        };
        under_load(&server, || {
            next("graceful", &|| server.graceful());
            next("restart", &|| drop(done(&server, &["restart", "app"])));
            next("again", &|| drop(done(&server, &["restart", "app"])));
            next("and again", &|| server.graceful());
        });
    }
}

/// A process of the old user's that has a copy of the socket, in a session of its own, and takes what it can get.
const THIEF: &str = "import os, socket, time
def app(environ, start_response):
    listener = socket.socket(fileno=os.dup(3))
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        listener.setblocking(True)
        kept = []
        open(os.environ['FOLDER'] + '/thief', 'w').write(str(os.getpid()))
        while True:
            try:
                kept.append(listener.accept())
            except OSError:
                time.sleep(0.01)
                continue
            with open(os.environ['FOLDER'] + '/stolen', 'ab') as file:
                file.write(kept[-1][0].recv(100000))
    listener.close()
    os.wait()
    return answer(start_response, str(os.getuid()))
";

#[test]
fn a_copy_of_the_socket_gets_no_request_of_another_user() {
    if Subject::skips("its sockets are made for each generation") {
        return;
    }
    let (Some(a), Some(b)) = (test_user('a'), test_user('b')) else {
        println!("skipped: only root can become another user");
        return;
    };
    for directive in ["", "WSGISocketRotation Off"] {
        let server = server(&format!("user={a} group={a} socket-timeout=3 connect-timeout=3"))
            .directives(directive)
            .allow_log("[wsgi:")
            .start();
        let user = "import os\ndef app(environ, start_response):\n    return answer(start_response, str(os.getuid()))\n";
        let old = server.run(THIEF).ok().text();
        let data = server.root().join("app/data");
        let thief: i32 =
            eventually("the thief waits", || std::fs::read_to_string(data.join("thief")).ok()?.parse().ok());
        let children: Vec<i32> = server.children().iter().map(|child| child.pid).collect();
        let path = server.root().join("httpd.conf");
        let text = std::fs::read_to_string(&path).expect("it is there").replace(&a, &b);
        std::fs::write(&path, text).expect("own file");
        server.graceful();
        eventually("only children of the new generation are left", || {
            server.children().iter().all(|child| !children.contains(&child.pid)).then_some(())
        });
        let stolen = || std::fs::read(data.join("stolen")).unwrap_or_default().len();
        let before = stolen();
        std::thread::scope(|scope| {
            for _ in 0..7 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let request =
                            server.snippet(user).header("Connection", "close").header("Cookie", "of=b");
                        let response = request.send();
                        assert_eq!(response.status, 200);
                        assert_ne!(response.text(), old);
                    }
                });
            }
        });
        let after = stolen();
        kill(thief);
        assert_eq!(after, before, "{directive}");
    }
}

/// An application can shut down the socket that its process shares with the supervisor.
#[test]
fn a_socket_that_was_shut_down_is_replaced() {
    if Subject::skips("the group answers 503 until httpd is restarted") {
        return;
    }
    for options in ["", "preload=on"] {
        let server = server(options).expect_log("WSGI0331").start();
        let (pid, inode) = socket(&server);
        let code = "import os, socket
def app(environ, start_response):
    socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_RDWR)
    return answer(start_response, 'done')
";
        assert_eq!(server.run(code).ok().text(), "done");
        let after = eventually("another process with another socket", || {
            Some(socket(&server)).filter(|after| after.0 != pid)
        });
        assert_ne!(after.1, inode);
        let lines = server.error_log().matches("WSGI0331").count();
        assert_eq!(lines, 1, "{options}");
    }
}
