//! A new configuration takes over from the old one.

use crate::rig::{SupervisorRig, eventually, is_alive, signal};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;
use wsgi_protocol::status::SlotState;

#[test]
fn new_generation_starts_beside_the_old_one() {
    let mut rig = SupervisorRig::new();
    let mut first = rig.configure(vec![rig.group("app", "one", 0, 2), rig.group("gone", "gone", 2, 1)]);
    let old = [0, 1, 2].map(|slot| first.serving(slot, 0));
    let group = rig.group("app", "two", 4, 1);
    let second = rig.configure(vec![rig.group("added", "new", 0, 1), group]);
    let new = second.serving(4, old[0]);
    second.serving(0, 0);
    rig.ordered(old[0], "D");
    // Children of the old generation reach the new process too, under the old path and slot.
    assert_eq!((first.view(0).pid, first.view(0).state), (new, SlotState::Serving));
    UnixStream::connect(rig.path("one0.sock")).unwrap();
    UnixStream::connect(rig.path("two0.sock")).unwrap();
    assert!(rig.launch(new).has_predecessor);
    // What only the old generation has stays for its children.
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_alive(old[1]) && is_alive(old[2]));
    signal(old[2], Signal::SIGKILL);
    let respawned = first.serving(2, old[2]);
    first.children_end();
    rig.ordered(old[1], "D");
    rig.ordered(respawned, "D");
    eventually("old sockets go", || (rig.sockets() == ["new0.sock", "two0.sock"]).then_some(()));
    assert_eq!(second.view(4).pid, new);
    UnixStream::connect(rig.path("two0.sock")).unwrap();
}

#[test]
fn queue_of_an_older_generation_is_sent_away_when_the_newer_one_serves() {
    let mut rig = SupervisorRig::new();
    let mut first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = first.serving(0, 0);
    let waiting = UnixStream::connect(rig.path("a0.sock")).unwrap();
    let second = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    second.serving(0, old);
    first.children_end();
    eventually("old one ends", || (!is_alive(old)).then_some(()));
    // Nobody has read what it sent: it may ask again, and comes to another socket under the same name.
    assert_eq!(std::io::Read::read(&mut &waiting, &mut [0]).unwrap(), 0);
    UnixStream::connect(rig.path("a0.sock")).unwrap();
    assert_eq!(rig.sockets(), ["a0.sock"]);
}

#[test]
fn queue_survives_within_a_generation() {
    let mut rig = SupervisorRig::new();
    let first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = first.serving(0, 0);
    let waiting = UnixStream::connect(rig.path("a0.sock")).unwrap();
    signal(old, nix::sys::signal::Signal::SIGKILL);
    first.serving(0, old);
    // Nobody accepted it, so it is still queued: a closed queue would reset it.
    waiting.set_nonblocking(true).unwrap();
    let error = std::io::Read::read(&mut &waiting, &mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(rig.sockets(), ["a0.sock"]);
}

/// The old user's process serves those who know it; who was configured for the other user waits for that one's.
#[test]
fn requests_of_another_user_wait_for_its_process() {
    let mut rig = SupervisorRig::new();
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for prefix in ["b", "a"] {
        let first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
        let old = first.serving(0, 0);
        rig.behave("hang");
        let mut group = rig.group("app", prefix, 0, 1);
        group.identity.gid = 1;
        let second = rig.configure(vec![group.clone()]);
        let waiting = UnixStream::connect(rig.path(&format!("{prefix}0.sock"))).unwrap();
        let view = second.state(0, SlotState::Starting);
        assert_eq!((view.pid, first.view(0).state, first.view(0).pid), (0, SlotState::Serving, old));
        // Once more, while it is not there yet.
        rig.behave("serve");
        let third = rig.configure(vec![group]);
        third.serving(0, old);
        rig.ordered(old, "D");
        waiting.set_nonblocking(true).unwrap();
        let error = std::io::Read::read(&mut &waiting, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "it is in the queue of the new process");
        UnixStream::connect(rig.path("a0.sock")).unwrap();
    }
}

/// Who answers at a path, if somebody does.
fn answer(mut wire: UnixStream) -> Option<i32> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut wire, &mut text).ok().filter(|length| *length > 0)?;
    text.parse().ok()
}

/// A user whose process never comes up, between two others: its requests are the next one's, never the last one's.
#[test]
fn requests_of_a_user_between_two_never_reach_the_process_of_the_first() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for [second, third] in [["a", "a"], ["b", "c"], ["b", "b"], ["a", "c"]] {
        let mut rig = SupervisorRig::new();
        let connect =
            |rig: &SupervisorRig, prefix: &str| UnixStream::connect(rig.path(&format!("{prefix}0.sock")));
        rig.behave("serve accept");
        let first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
        let old = first.serving(0, 0);
        assert_eq!(answer(connect(&rig, "a").unwrap()), Some(old));
        rig.behave("hang");
        let with = |rig: &SupervisorRig, prefix: &str, gid: u32| {
            let mut group = rig.group("app", prefix, 0, 1);
            group.identity.gid = gid;
            vec![group]
        };
        let _second = rig.configure(with(&rig, second, 1));
        let waiting = connect(&rig, second).unwrap();
        let third_one = rig.configure(with(&rig, third, 2));
        // It is sent away and asks again.
        assert_eq!(answer(waiting), None);
        let again = connect(&rig, second).unwrap();
        rig.behave("serve accept");
        let new = rig.configure(with(&rig, third, 2)).serving(0, old);
        assert_eq!(answer(again), Some(new), "{second} {third}");
        assert_eq!(third_one.view(0).pid, new);
        assert!(!rig.log().contains("stale"), "{}", rig.log());
    }
}

/// The first user is there again: its process serves whoever comes, without a name lost in between.
#[test]
fn requests_of_a_user_who_never_came_are_those_of_the_first_again() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for prefix in ["a", "b"] {
        let mut rig = SupervisorRig::new();
        rig.behave("serve accept");
        let first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
        let old = first.serving(0, 0);
        rig.behave("hang");
        let mut group = rig.group("app", prefix, 0, 1);
        group.identity.gid = 1;
        let _second = rig.configure(vec![group]);
        rig.behave("serve accept");
        let new = rig.configure(vec![rig.group("app", "a", 0, 1)]).serving(0, old);
        for prefix in ["a", prefix] {
            let wire = UnixStream::connect(rig.path(&format!("{prefix}0.sock"))).unwrap();
            assert_eq!(answer(wire), Some(new), "{prefix}");
        }
        assert!(!rig.log().contains("stale"), "{}", rig.log());
    }
}

#[test]
fn group_that_does_not_come_up_keeps_its_processes() {
    let mut rig = SupervisorRig::new();
    let first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = first.serving(0, 0);
    rig.behave("die");
    let second = rig.configure(vec![rig.group("app", "b", 0, 1)]);
    rig.logged(&["[wsgi:error]", "group 'app' does not come up with the new configuration", "keeps serving"]);
    assert_eq!((second.view(0).state, second.view(0).pid), (SlotState::Serving, old));
    rig.behave("serve");
    second.serving(0, old);
    rig.ordered(old, "D");
    assert_eq!(rig.log().matches("new configuration").count(), 1);
}

#[test]
fn unusable_socket_keeps_the_old_group() {
    let mut rig = SupervisorRig::new();
    let first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = first.serving(0, 0);
    let mut group = rig.group("app", "a", 0, 1);
    let folder = rig.path("missing");
    group.sockets.paths = vec![folder.join("a.sock").to_str().unwrap().into()];
    let second = rig.configure(vec![group]);
    rig.logged(&["WSGI0013: daemon process group 'app' is not started: cannot bind", "missing/a.sock"]);
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_alive(old));
    assert_eq!((first.view(0).pid, second.view(0).state), (old, SlotState::Failed));
    // It is tried again.
    std::fs::create_dir(&folder).unwrap();
    second.serving(0, old);
    rig.ordered(old, "D");
    UnixStream::connect(folder.join("a.sock")).unwrap();
}

/// The parent gave this supervisor up while it was stopped: the order is another one's now, and so may be the paths.
#[test]
fn stale_order_is_dropped() {
    let mut rig = SupervisorRig::new();
    let first = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = first.serving(0, 0);
    let supervisor = rig.child.id().cast_signed();
    signal(supervisor, Signal::SIGSTOP);
    let successor = UnixListener::bind(rig.path("b0.sock")).unwrap();
    rig.order(vec![rig.group("app", "b", 0, 1)]);
    rig.control = None;
    signal(supervisor, Signal::SIGCONT);
    rig.ordered(old, "D");
    eventually("the supervisor ends", || rig.child.try_wait().unwrap());
    UnixStream::connect(rig.path("b0.sock")).unwrap();
    successor.accept().unwrap();
    assert_eq!(rig.started(), [old]);
    std::fs::remove_file(rig.path("b0.sock")).unwrap();
}

/// Another supervisor that is alive listens there.
#[test]
fn socket_that_is_listened_at_is_not_removed() {
    let (mut other, mut rig) = (SupervisorRig::new(), SupervisorRig::new());
    let first = other.configure(vec![other.group("app", "a", 0, 1)]);
    first.serving(0, 0);
    let mut group = rig.group("app", "a", 0, 1);
    group.sockets = other.group("app", "a", 0, 1).sockets;
    rig.configure(vec![group]);
    rig.logged(&["group 'app' is not started", "another supervisor listens at"]);
    drop(rig); // first, or it could take the name over that it still asks for as soon as `other` gives it up
    UnixStream::connect(other.path("a0.sock")).unwrap();
}

/// Whoever else does, as an application may that has outlived its supervisor, does not keep the name.
#[test]
fn socket_that_anybody_else_listens_at_is_replaced() {
    let mut rig = SupervisorRig::new();
    let _other = UnixListener::bind(rig.path("a0.sock")).unwrap();
    rig.behave("serve accept");
    let pid = rig.configure(vec![rig.group("app", "a", 0, 1)]).serving(0, 0);
    assert_eq!(answer(UnixStream::connect(rig.path("a0.sock")).unwrap()), Some(pid));
    rig.logged(&["WSGI0065"]);
}

#[test]
fn many_generations_in_a_row_leave_one_process() {
    let mut rig = SupervisorRig::new();
    let mut generations = Vec::new();
    for _ in 0..20 {
        generations.push(rig.configure(vec![rig.group("app", "a", 0, 1)]));
        std::thread::sleep(Duration::from_millis(20));
    }
    let last = generations.pop().unwrap();
    for generation in &mut generations {
        generation.children_end();
    }
    drop(generations);
    let alive = || rig.started().into_iter().filter(|pid| is_alive(*pid)).collect::<Vec<_>>();
    eventually("one process of the last generation", || {
        let alive = alive();
        (alive.len() == 1 && rig.launch(alive[0]).has_predecessor && last.view(0).pid == alive[0])
            .then_some(())
    });
    eventually("its socket", || (rig.sockets() == ["a0.sock"]).then_some(()));
    let fds = || std::fs::read_dir(format!("/proc/{}/fd", rig.child.id())).unwrap().count();
    eventually("few descriptors", || (fds() < 24).then_some(()));
}

#[test]
fn hundreds_of_generations_leave_the_supervisor_flat() {
    let mut rig = SupervisorRig::new();
    let script = "#!/bin/sh\n: >\"$1/$$.facts\"\nprintf R >&4\nhead -c1 <&6 >/dev/null\n";
    std::fs::write(rig.path("sh"), script).unwrap();
    std::fs::set_permissions(rig.path("sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let pid = rig.child.id();
    let resident = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let (mut before, mut serving, mut last) = (0, 0, None);
    for round in 0..300 {
        let mut group = rig.group("app", &format!("g{round}-"), 0, 2);
        group.interpreter = rig.path("sh").to_str().unwrap().into();
        let generation = rig.configure(vec![group]);
        serving = generation.serving(0, serving);
        last = Some(generation); // the older one's children end here
        if round == 100 {
            before = resident();
        }
    }
    let growth = resident().saturating_sub(before);
    assert!(growth < 200, "{growth} KiB in 200 generations");
    eventually("few descriptors", || {
        (std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() < 28).then_some(())
    });
    eventually("the newest sockets", || (rig.sockets() == ["g299-0.sock", "g299-1.sock"]).then_some(()));
    drop(last);
}
