//! The supervisor ends, and everything with it.

use crate::rig::{SupervisorRig, eventually, is_alive, signal};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use wsgi_protocol::control::ParentCommand;

#[test]
fn closed_control_socket_drains() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 2)]);
    let pids = [generation.serving(0, 0), generation.serving(1, 0)];
    rig.control = None;
    assert_eq!(rig.ended(), 0);
    for pid in pids {
        rig.ordered(pid, "D");
    }
}

#[test]
fn stop_command_ends_quickly() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1), rig.group("b", "b", 1, 1)]);
    let pid = generation.serving(0, 0);
    generation.serving(1, 0);
    let start = Instant::now();
    rig.command(&ParentCommand::Stop, &[]);
    assert_eq!(rig.ended(), 0);
    assert!(start.elapsed() < Duration::from_secs(8));
    rig.ordered(pid, "X");
}

#[test]
fn sigterm_stops_and_other_signals_do_not() {
    let mut rig = SupervisorRig::new();
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let pid = generation.serving(0, 0);
    let supervisor = rig.child.id().cast_signed();
    for harmless in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGQUIT] {
        signal(supervisor, harmless);
    }
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(generation.view(0).pid, pid);
    signal(supervisor, Signal::SIGTERM);
    assert_eq!(rig.ended(), 0);
    rig.ordered(pid, "X");
}

#[test]
fn deaf_and_hanging_processes_are_killed() {
    let mut rig = SupervisorRig::new();
    rig.behave("deaf");
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    generation.serving(0, 0);
    rig.behave("hang");
    let _second = rig.configure(vec![rig.group("app", "a", 0, 1), rig.group("b", "b", 1, 1)]);
    eventually("all started", || (rig.started().len() == 3).then_some(()));
    let start = Instant::now();
    rig.command(&ParentCommand::Stop, &[]);
    assert_eq!(rig.ended(), 0);
    let took = start.elapsed().as_millis();
    assert!((1000..8000).contains(&took), "{took} ms for shutdown-timeout=1");
}

#[test]
fn death_of_the_parent_ends_everything() {
    // The shell is httpd's parent; the test keeps the control socket open, as forked children of httpd might.
    let mut rig = SupervisorRig::with(
        "exec 3<&0 </dev/null; \"$0\" /tag & echo $! >\"/tmp/wsgi-rig-pid-$$\"; exec 3<&-; wait",
    );
    let generation = rig.configure(vec![rig.group("app", "a", 0, 2)]);
    let pids = [generation.serving(0, 0), generation.serving(1, 0)];
    let file = format!("/tmp/wsgi-rig-pid-{}", rig.child.id());
    let supervisor: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    std::fs::remove_file(file).unwrap();
    let start = Instant::now();
    rig.child.kill().unwrap();
    eventually("the supervisor ends", || (!is_alive(supervisor)).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    rig.nothing_left();
    for pid in pids {
        rig.ordered(pid, "X");
    }
}

#[test]
fn death_of_the_supervisor_takes_the_daemons_along() {
    let mut rig = SupervisorRig::new();
    rig.behave("deaf");
    let generation = rig.configure(vec![rig.group("app", "a", 0, 1)]);
    let pid = generation.serving(0, 0);
    rig.child.kill().unwrap();
    eventually("the daemon is gone", || (!is_alive(pid)).then_some(()));
    // Nobody could remove the socket; the next supervisor does.
    std::fs::remove_file(rig.path("a0.sock")).unwrap();
}
