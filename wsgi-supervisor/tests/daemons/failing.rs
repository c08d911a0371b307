//! Processes that die, or never come up.

use crate::rig::{SupervisorRig, eventually, is_alive, signal};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use wsgi_protocol::status::SlotState;

#[test]
fn killed_process_is_replaced_at_once_and_says_why() {
    // A pause would make each of them wait; the quickest is one that the machine let pass.
    let quickest = (0..5).map(|_| killed_process_is_replaced()).min().unwrap();
    assert!(quickest < Duration::from_millis(800), "{quickest:?}");
}

/// How long it takes.
fn killed_process_is_replaced() -> Duration {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let first = generation.serving(0, 0);
    let before = generation.view(0);
    let begun = Instant::now();
    signal(first, Signal::SIGKILL);
    let second = generation.serving(0, first);
    let took = begun.elapsed();
    let after = generation.view(0);
    assert_eq!((after.pid, after.last_pid, after.last_exit), (second, first, 9));
    assert_eq!(after.epoch, before.epoch + 1);
    let line =
        rig.logged(&[&format!("daemon process {first} of group 'app' has died"), "signal 9 (SIGKILL)"]);
    assert!(line.contains("[wsgi:error]") && line.contains("s of service"), "{line}");
    assert!(!rig.launch(second).has_predecessor);
    took
}

#[test]
fn process_that_dies_before_it_serves_is_held_back() {
    let mut rig = SupervisorRig::new();
    rig.behave("die");
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let view = generation.state(0, SlotState::Failed);
    assert_eq!(view.last_exit, 3 << 8);
    rig.logged(&[
        "has died: exit status 3",
        "before it served",
        "last output: Traceback | ImportError: no such thing",
    ]);
    rig.logged(&["has failed 4 times in a row", "503"]);
    let count = rig.started().len();
    assert!((4..=5).contains(&count), "{count} starts");
    rig.behave("serve");
    generation.serving(0, 0);
    assert_eq!(rig.log().matches("times in a row").count(), 1);
}

#[test]
fn missing_interpreter_is_one_clear_line() {
    let mut rig = SupervisorRig::new();
    let link = rig.path("python-link");
    std::os::unix::fs::symlink("/nowhere/python3.99", &link).unwrap();
    let mut group = rig.group("app", "a", 0, 2);
    group.interpreter = link.to_str().unwrap().into();
    let generation = rig.configure(vec![group, rig.group("good", "g", 2, 1)]);
    generation.serving(2, 0);
    generation.state(0, SlotState::Failed);
    generation.state(1, SlotState::Failed);
    let line = rig.logged(&["[wsgi:alert]", "group 'app'", "cannot execute the interpreter", "No such file"]);
    assert!(line.contains("a link to '/nowhere/python3.99'"), "{line}");
    std::thread::sleep(Duration::from_millis(1200));
    let alerts = rig.log().lines().filter(|line| line.contains("[wsgi:alert]")).count();
    assert_eq!(alerts, 1, "{}", rig.log());
    rig.install_interpreter("late");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(rig.path("late"), &link).unwrap();
    generation.serving(0, 0);
}

#[test]
fn interpreter_behind_a_closed_directory_names_it() {
    if !nix::unistd::geteuid().is_root() {
        return; // the owner of the directory could enter it
    }
    let mut rig = SupervisorRig::new();
    fs::create_dir(rig.path("closed")).unwrap();
    rig.install_interpreter("closed/python");
    fs::set_permissions(rig.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut group = rig.group("app", "a", 0, 1);
    group.interpreter = rig.path("closed/python").to_str().unwrap().into();
    group.identity.user = b"nobody".to_vec();
    let generation = rig.configure(vec![group]);
    generation.state(0, SlotState::Failed);
    let closed = rig.path("closed");
    let fix = format!("grant search permission on '{}' to this user", closed.display());
    rig.logged(&["group 'app' (user 'nobody')", "closed/python'", "Permission denied (error 13)", &fix]);
}

#[test]
fn each_step_of_the_set_up_is_named() {
    if !nix::unistd::geteuid().is_root() {
        return; // an ordinary user's daemons have no such steps
    }
    let mut rig = SupervisorRig::new();
    let mut home = rig.group("home", "h", 0, 1);
    home.identity.home = Some(b"/nowhere".to_vec());
    let mut passwd = rig.group("passwd", "p", 1, 1);
    passwd.identity.differs_from_httpd = true;
    let mut chroot = rig.group("chroot", "c", 2, 1);
    chroot.identity.chroot = Some(b"/nowhere".to_vec());
    let mut root = rig.group("root", "r", 3, 1);
    root.identity.uid = 0;
    let generation = rig.configure(vec![home, passwd, chroot, root]);
    for slot in 0..3 {
        assert_eq!(generation.state(slot, SlotState::Failed).last_exit, 1 << 8);
    }
    rig.logged(&["WSGI0009: ", "'home'", "change to home '/nowhere'"]);
    rig.logged(&["WSGI0011: ", "'passwd'"]);
    rig.logged(&["WSGI0003: ", "'chroot'", "chroot to '/nowhere'"]);
    rig.logged(&["'root' is not started: it would run as root"]);
    assert_eq!(generation.view(3).state, SlotState::Empty);
}

#[test]
fn exit_codes_stay_here() {
    let mut rig = SupervisorRig::new();
    rig.behave("die");
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    generation.state(0, SlotState::Failed);
    rig.control = None;
    assert_eq!(rig.ended(), 0);
}

/// Bytes that mean nothing on the pipe for signs, and all there are on the one for output.
#[test]
fn nonsense_of_a_process_confuses_nobody() {
    let mut rig = SupervisorRig::new();
    rig.behave("serve noise");
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1), rig.group("other", "b", 1, 1)]);
    let pids = [generation.serving(0, 0), generation.serving(1, 0)];
    rig.logged(&["\\x01\\x02"]);
    signal(pids[1], Signal::SIGKILL);
    generation.serving(1, pids[1]);
    assert!(is_alive(pids[0]) && generation.view(0).pid == pids[0]);
    let is_printable = |byte: u8| matches!(byte, b'\n' | b' '..=b'~');
    assert!(rig.log().bytes().all(is_printable), "{}", rig.log());
}

/// A control group whose processes do nothing, not even end, as those that wait in the kernel.
struct FreezerCgroup(std::path::PathBuf);

impl FreezerCgroup {
    fn new() -> Option<Self> {
        let path =
            std::path::Path::new("/sys/fs/cgroup/freezer").join(format!("wsgi-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let freezer = Self(path);
        fs::write(freezer.0.join("freezer.state"), "FROZEN").ok()?;
        Some(freezer)
    }

    fn add(&self, pid: i32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    fn thaw(&self) {
        fs::write(self.0.join("freezer.state"), "THAWED").unwrap();
    }
}

impl Drop for FreezerCgroup {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("freezer.state"), "THAWED");
        for _ in 0..1000 {
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Who has processes that cannot be killed gets a bounded number of them.
#[test]
fn processes_that_do_not_end_are_not_followed_by_ever_more() {
    let mut rig = SupervisorRig::new();
    let Some(freezer) = FreezerCgroup::new() else {
        println!("skipped: processes cannot be frozen here");
        return;
    };
    let mut generations = vec![rig.configure(vec![rig.group("app", "a", 0, 1)])];
    let old = generations[0].serving(0, 0);
    rig.behave("hang");
    let successors =
        |rig: &SupervisorRig| rig.started().into_iter().filter(|pid| *pid != old).collect::<Vec<_>>();
    for count in 1..=9 {
        generations.push(rig.configure(vec![rig.group("app", "a", 0, 1)]));
        let all = eventually("one more", || Some(successors(&rig)).filter(|all| all.len() == count));
        all.iter().for_each(|pid| freezer.add(*pid));
    }
    // They are killed a second after they were given up.
    let last = eventually("no further one", || {
        std::thread::sleep(Duration::from_millis(200));
        let next = rig.configure(vec![rig.group("app", "a", 0, 1)]);
        rig.log().contains("WSGI0337").then_some(next)
    });
    rig.logged(&["WSGI0337", "wait in the kernel"]);
    let started = || rig.log().matches("starting process").count();
    let count = started();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((started(), last.view(0).pid), (count, old));
    rig.behave("serve");
    freezer.thaw();
    last.serving(0, old);
    assert_eq!(rig.log().matches("WSGI0337").count(), 1);
}
