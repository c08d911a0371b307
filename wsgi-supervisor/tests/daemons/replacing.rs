//! A process asks for a successor.

use crate::rig::{SupervisorRig, eventually, is_alive, signal};
use nix::sys::signal::Signal;
use std::fs;
use std::time::Duration;
use wsgi_protocol::status::SlotState;

#[test]
fn successor_takes_over_and_the_old_one_drains() {
    let mut rig = SupervisorRig::new();
    rig.behave("slow");
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = generation.serving(0, 0);
    let epoch = generation.view(0).epoch;
    signal(old, Signal::SIGUSR1);
    let new = generation.serving(0, old);
    assert_eq!(generation.view(0).epoch, epoch + 1);
    rig.ordered(old, "D");
    assert!(is_alive(old), "it drains for a second");
    assert!(rig.launch(new).has_predecessor);
    let heirloom = fs::read(rig.path(&format!("{new}.heirloom"))).unwrap();
    assert_eq!(heirloom, format!("{old:016}").as_bytes());
    eventually("the old one ends", || (!is_alive(old)).then_some(()));
    rig.logged(&["[wsgi:info]", &format!("process {old} of group 'app' has ended as told")]);
    assert!(!rig.log().contains("[wsgi:error]"), "{}", rig.log());
}

#[test]
fn broken_code_keeps_the_old_process() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = generation.serving(0, 0);
    for broken in ["fail", "die"] {
        rig.behave(broken);
        let _ = fs::remove_file(rig.path("orders"));
        signal(old, Signal::SIGUSR1);
        rig.ordered(old, "K");
        eventually("the successor is gone", || {
            rig.started().into_iter().all(|pid| pid == old || !is_alive(pid)).then_some(())
        });
        assert_eq!((generation.view(0).pid, generation.view(0).state), (old, SlotState::Serving));
    }
    rig.logged(&[
        "[wsgi:error]",
        "does not come up with the changed code",
        &format!("process {old} keeps serving"),
    ]);
    rig.logged(&["exit status 3", "while its predecessor went on serving"]);
    rig.behave("serve");
    signal(old, Signal::SIGUSR1);
    generation.serving(0, old);
    rig.ordered(old, "D");
}

#[test]
fn hanging_successor_is_given_up() {
    let mut rig = SupervisorRig::new();
    let mut group = rig.group("app", "a", 0, 1);
    group.launch.timers.startup = 400;
    let generation = rig.configure(vec![group]);
    let old = generation.serving(0, 0);
    rig.behave("hang");
    signal(old, Signal::SIGUSR2);
    rig.ordered(old, "K");
    rig.logged(&["did not come up in 0 s"]);
    assert_eq!(generation.view(0).pid, old);
}

#[test]
fn predecessor_may_die_meanwhile() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let old = generation.serving(0, 0);
    rig.behave("hang");
    signal(old, Signal::SIGUSR1);
    let second = eventually("a successor", || rig.started().into_iter().find(|pid| *pid != old));
    rig.behave("serve");
    signal(old, Signal::SIGKILL);
    eventually("it is the process now", || (generation.view(0).pid == second).then_some(()));
    assert_eq!(generation.view(0).state, SlotState::Starting);
    signal(second, Signal::SIGKILL);
    generation.serving(0, second);
}

#[test]
fn whole_group_follows_one_by_one() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 3)]);
    let old = [0, 1, 2].map(|slot| generation.serving(slot, 0));
    signal(old[1], Signal::SIGUSR1);
    let new = [0, 1, 2].map(|slot| generation.serving(slot, old[slot]));
    for pid in old {
        rig.ordered(pid, "D");
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!([0, 1, 2].map(|slot| generation.view(slot).pid), new, "and no further");
    assert_eq!(rig.started().len(), 6);
}

#[test]
fn recycling_concerns_one_process() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 2)]);
    let (old, other) = (generation.serving(0, 0), generation.serving(1, 0));
    signal(old, Signal::SIGUSR2);
    generation.serving(0, old);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(generation.view(1).pid, other);
}

#[test]
fn process_that_does_not_drain_is_killed() {
    let mut rig = SupervisorRig::new();
    rig.behave("deaf");
    let mut group = rig.group("app", "a", 0, 1);
    (group.launch.timers.graceful, group.launch.timers.shutdown) = (0, 1);
    let generation = rig.configure(vec![group]);
    let old = generation.serving(0, 0);
    rig.behave("serve");
    signal(old, Signal::SIGUSR2);
    generation.serving(0, old);
    rig.logged(&[&format!("process {old} of group 'app' did not end in time and was killed")]);
}

#[test]
fn service_never_runs_twice() {
    let mut rig = SupervisorRig::new();
    rig.behave("slow");
    let mut group = rig.group("service", "s", 0, 1);
    group.launch.threads = 0;
    let generation = rig.configure(vec![group.clone()]);
    let old = eventually("a service", || Some(generation.view(0).pid).filter(|pid| *pid != 0));
    assert_eq!(generation.view(0).state, SlotState::Service);
    rig.facts(old);
    let next = rig.configure(vec![group]);
    let new =
        eventually("the next service", || Some(next.view(0).pid).filter(|pid| *pid != 0 && *pid != old));
    assert!(!is_alive(old));
    assert!(!rig.launch(new).has_predecessor);
    rig.ordered(old, "X");
}
