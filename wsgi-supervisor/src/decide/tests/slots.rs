//! One slot: starts, back-off, successors with changed code, conflicts, hangs, ends.

use super::super::StateMachine;
use super::super::event::{GroupOrder, ProcessEvent, SocketFate};
use super::super::plan::SupervisorEnd;
use super::world::{CRASHED, IN_ORDER, World, group, service};
use crate::log_line::LogLine;
use std::time::Duration;
use wsgi_protocol::control::GroupSpec;
use wsgi_protocol::death::EndReason;
use wsgi_protocol::events;
use wsgi_protocol::launch::{PreloadScript, ReadyByte};
use wsgi_protocol::status::SlotState;

#[test]
fn each_slot_gets_a_process() {
    let mut world = World::new();
    assert_eq!(world.configure(&[group("a", 2), group("b", 1)]), "exec a0=1, exec a1=2, exec b0=3");
    assert_eq!(world.machine.state_of(b"a", 0), SlotState::Starting);
    assert_eq!(world.says(1, ReadyByte::Serving), "");
    assert_eq!(world.machine.state_of(b"a", 0), SlotState::Serving);
    assert_eq!(world.machine.state_of(b"c", 0), SlotState::Empty);
}

#[test]
fn who_has_served_is_followed_at_once_and_who_has_not_after_a_growing_pause() {
    let mut world = World::serving(&[group("a", 1)]);
    world.wait_ms(5000);
    assert_eq!(world.ends(1, CRASHED), "exec a0=2");
    assert_eq!(world.slot("a", 0), (Some(2), None));
    // The first failure may be chance; then 250 ms, 500 ms, 1 s, and so on to 8 s.
    assert_eq!(world.ends(2, CRASHED), "exec a0=3");
    for (pid, ms) in [(3, 250), (4, 500), (5, 1000), (6, 2000), (7, 4000), (8, 8000), (9, 8000)] {
        assert_eq!(world.ends(pid, CRASHED), "");
        assert_eq!(world.wait_ms(ms - 1), "");
        assert_eq!(world.wait_ms(1), format!("exec a0={}", pid + 1));
    }
    assert_eq!(world.machine.state_of(b"a", 0), SlotState::Failed);
    let errors = world.errors();
    assert_eq!(errors.iter().filter(|line| line.contains("its requests get 503")).count(), 1);
    assert!(errors[0].contains("process 1 of group 'a' has died"), "{errors:?}");
    assert_eq!(world.machine.slot(b"a", 0).unwrap().last_death.as_ref().unwrap().0, 9);
}

#[test]
fn a_set_up_that_fails_is_told_once_and_tried_again_after_seconds() {
    let mut world = World::new();
    world.configure(&[group("a", 1)]);
    let line = || LogLine::of(&events::SET_USER, "no such user");
    for (pid, seconds) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5)] {
        world.on(ProcessEvent::SetUpFailed(pid, line(), false));
        assert_eq!(world.ends(pid, 256), "");
        assert_eq!(world.machine.state_of(b"a", 0), SlotState::Failed);
        assert_eq!(world.wait_ms(1000 * seconds), format!("exec a0={}", pid + 1));
    }
    let told = world.lines.iter().filter(|line| line.contains("WSGI")).count();
    assert_eq!((told, world.lines.len()), (1, 5), "{:?}", world.lines);
    // A step that does not matter is no failure.
    world.on(ProcessEvent::SetUpFailed(6, LogLine::of(&events::PRIORITY, "soft"), true));
    assert!(!world.process(6).set_up_failed);
}

#[test]
fn without_room_for_a_process_it_is_tried_again() {
    let mut world = World { is_full: true, ..World::new() };
    assert_eq!(world.configure(&[group("a", 1)]), "exec fails");
    world.is_full = false;
    assert_eq!(world.wait_ms(1000), "exec a0=1");
    world.says(1, ReadyByte::Serving);
    world.is_full = true;
    assert_eq!(world.says(1, ReadyByte::Replace), "exec fails, Keep 1");
    assert!(world.errors().iter().any(|line| line.contains("cannot be started with the changed code")));
}

#[test]
fn changed_code_is_handed_over_when_the_successor_serves() {
    let mut world = World::serving(&[group("a", 1)]);
    assert_eq!(world.says(1, ReadyByte::Replace), "succeed a0=2");
    assert_eq!(world.slot("a", 0), (Some(1), Some(2)));
    assert_eq!(world.says(2, ReadyByte::Serving), "Drain 1");
    assert_eq!(world.slot("a", 0), (Some(2), None));
    assert_eq!(world.ends(1, IN_ORDER), "");
    assert!(world.errors().is_empty());
}

#[test]
fn code_that_does_not_load_leaves_the_old_process() {
    for how in [Some(ReadyByte::ImportFailed), None] {
        let mut world = World::serving(&[group("a", 1)]);
        world.says(1, ReadyByte::Replace);
        match how {
            Some(said) => assert_eq!(world.says(2, said), "Keep 1, Stop 2, terminate 2"),
            None => assert_eq!(world.ends(2, CRASHED), "Keep 1"),
        }
        assert_eq!(world.slot("a", 0), (Some(1), None));
        assert!(world.machine.group(b"a").unwrap().is_held_back);
        // It says by itself when there is something new to try.
        world.wait_ms(100_000);
        assert_eq!(world.slot("a", 0), (Some(1), None));
        assert_eq!(world.says(1, ReadyByte::Replace), "succeed a0=3");
    }
}

#[test]
fn code_that_changes_once_more_gives_up_the_successor() {
    let mut world = World::serving(&[group("a", 1)]);
    world.says(1, ReadyByte::Replace);
    assert_eq!(world.says(1, ReadyByte::Replace), "Stop 2, terminate 2, succeed a0=3");
    assert_eq!(world.slot("a", 0), (Some(1), Some(3)));
    assert_eq!(world.wait_ms(1000), "kill 2");
    assert!(world.process(2).killed);
}

#[test]
fn one_process_tries_changed_code_for_all() {
    let mut world = World::serving(&[group("a", 3)]);
    world.wait_ms(10);
    assert_eq!(world.says(2, ReadyByte::Replace), "succeed a1=4");
    assert_eq!(
        (world.says(1, ReadyByte::Replace), world.says(3, ReadyByte::Replace)),
        (String::new(), String::new())
    );
    let mut failing = world.clone();
    assert_eq!(failing.says(4, ReadyByte::ImportFailed), "Keep 2, Keep 1, Keep 3, Stop 4, terminate 4");
    // If it loads, the others follow, one by one.
    assert_eq!(world.says(4, ReadyByte::Serving), "Drain 2, Renew 1, succeed a0=5, succeed a2=6");
    world.says(5, ReadyByte::Serving);
    world.says(6, ReadyByte::Serving);
    assert_eq!(world.machine.group(b"a").unwrap().roll_since, None);
}

#[test]
fn the_others_follow_one_by_one() {
    let mut world = World::serving(&[group("a", 3)]);
    world.wait_ms(10);
    world.says(2, ReadyByte::Replace);
    assert_eq!(world.says(4, ReadyByte::Serving), "Drain 2, Renew 1");
    assert_eq!(world.says(1, ReadyByte::Recycle), "succeed a0=5");
    assert_eq!(world.says(5, ReadyByte::Serving), "Drain 1, Renew 3");
    assert_eq!(world.says(3, ReadyByte::Recycle), "succeed a2=6");
    assert_eq!(world.says(6, ReadyByte::Serving), "Drain 3");
    assert_eq!(world.machine.group(b"a").unwrap().roll_since, None);
}

#[test]
fn a_process_that_asks_all_the_time_is_replaced_once_a_second() {
    let mut world = World::serving(&[group("a", 1)]);
    for pid in 1..=5 {
        assert_eq!(world.says(pid, ReadyByte::Recycle), format!("succeed a0={}", pid + 1));
        world.says(pid + 1, ReadyByte::Serving);
    }
    assert_eq!(world.says(6, ReadyByte::Recycle), "");
    assert_eq!(world.wait_ms(1000), "succeed a0=7");
}

#[test]
fn a_successor_whose_predecessor_dies_serves_alone() {
    let mut world = World::serving(&[group("a", 1)]);
    world.says(1, ReadyByte::Recycle);
    assert_eq!(world.ends(1, CRASHED), "");
    assert_eq!(world.slot("a", 0), (Some(2), None));
    assert_eq!((world.process(2).deadline, world.process(2).is_successor), (None, false));
    // If it cannot load what it has inherited, the next one starts without a predecessor, and serves in any case.
    assert_eq!(world.says(2, ReadyByte::ImportFailed), "Stop 2, terminate 2, exec a0=3");
}

#[test]
fn hanging_imports_are_given_up() {
    let mut world = World::serving(&[group("a", 1)]);
    world.says(1, ReadyByte::Replace);
    assert_eq!(world.wait_ms(119_000), "");
    assert_eq!(world.wait_ms(1000), "Keep 1, Stop 2, terminate 2");
    assert_eq!(world.wait_ms(1000), "kill 2");
    // Where startup-timeout bounds it, so is a first process, but none with preloads.
    let mut spec = group("b", 1);
    spec.launch.timers.startup = 15_000;
    let mut world = World::new();
    world.configure(std::slice::from_ref(&spec));
    assert_eq!(world.wait_ms(15_000), "Stop 1, terminate 1, exec b0=2");
    spec.launch.preloads = vec![PreloadScript::default()];
    let mut world = World::new();
    world.configure(&[spec]);
    assert_eq!(world.wait_ms(600_000), "");
}

#[test]
fn lost_descriptors_cost_a_process_its_place() {
    let mut world = World::serving(&[group("a", 1)]);
    world.on(ProcessEvent::Closed(1));
    assert_eq!(world.wait_ms(299), "");
    assert_eq!(world.wait_ms(1), "succeed a0=2");
    assert_eq!(world.ends(2, CRASHED), "Keep 1");
    // Its successor has failed, and it cannot ask again.
    assert_eq!(world.wait_ms(10_000), "succeed a0=3");
    assert_eq!(world.says(3, ReadyByte::Serving), "Drain 1");
    world.on(ProcessEvent::Deaf(1));
    assert!(world.machine.wake().is_some_and(|wake| wake <= world.now), "its shorter deadline is woken for");
    assert_eq!(world.tick(), "terminate 1");
    assert_eq!(world.wait_ms(3000), "kill 1");
    assert_eq!(world.lines.iter().filter(|line| line.contains("closed descriptors of ours")).count(), 1);
}

#[test]
fn a_late_notice_of_changed_code_costs_no_other_place_its_successor() {
    let mut world = World::serving(&[group("a", 2)]);
    assert_eq!(world.says(1, ReadyByte::Recycle), "succeed a0=3");
    assert_eq!(world.says(2, ReadyByte::Recycle), "succeed a1=4");
    assert_eq!(world.says(1, ReadyByte::Replace), "Stop 3, terminate 3, succeed a0=5");
    assert_eq!(
        world.says(2, ReadyByte::Replace),
        "Stop 4, terminate 4",
        "and what is on its way for the first goes on"
    );
}

#[test]
fn exclusive_processes_end_before_their_successors_start() {
    let mut world = World::serving(&[GroupSpec { exclusive: true, ..group("a", 2) }]);
    assert_eq!(world.says(1, ReadyByte::Replace), "MakeRoom 1");
    // The other one serves until the first is there again.
    assert_eq!(world.says(2, ReadyByte::Recycle), "");
    assert_eq!(world.ends(1, IN_ORDER), "exec a0=3");
    assert_eq!(world.says(3, ReadyByte::Serving), "MakeRoom 2");
    // What drains is killed in the end, because a successor waits for it.
    assert_eq!(world.wait_ms(25_000), "kill 2");
    assert_eq!(world.ends(2, 9), "exec a1=4");
}

#[test]
fn immediate_ends_are_followed_at_once() {
    let mut world = World::serving(&[GroupSpec { exclusive: true, ..group("a", 1) }]);
    for pid in 1..9 {
        let done = world.ends_because(pid, IN_ORDER, Some(EndReason::ScriptReload));
        assert_eq!(done, format!("exec a0={}", pid + 1));
        world.says(pid + 1, ReadyByte::Serving);
    }
}

#[test]
fn a_conflict_makes_the_only_process_exclusive() {
    let mut world = World::serving(&[group("a", 1)]);
    world.says(1, ReadyByte::Replace);
    assert_eq!(world.says(2, ReadyByte::ImportConflict), "MakeRoom 1, Stop 2, terminate 2");
    assert_eq!(world.ends(1, IN_ORDER), "exec a0=3");
    world.says(3, ReadyByte::Serving);
    assert_eq!(world.says(3, ReadyByte::Replace), "MakeRoom 3");
    // Where there are several, it is not the predecessor alone that is in the way.
    let mut world = World::serving(&[group("a", 2)]);
    world.says(1, ReadyByte::Replace);
    assert_eq!(world.says(3, ReadyByte::ImportConflict), "Keep 1, Stop 3, terminate 3");
    assert!(world.lines.iter().any(|line| line.contains("write reload=exclusive")));
}

#[test]
fn what_stays_taken_is_done_without() {
    let mut world = World::serving(&[GroupSpec { exclusive: true, ..group("a", 1) }]);
    world.ends(1, CRASHED);
    for pid in 2..=6 {
        let done = world.says(pid, ReadyByte::ImportConflict);
        assert_eq!(done.contains("forget a0"), pid == 6, "{done}");
        world.wait_ms(8000);
    }
    assert!(world.lines.iter().any(|line| line.contains("still taken after 5 processes")));
}

#[test]
fn a_service_never_runs_twice() {
    let mut world = World::serving(&[service("s")]);
    assert_eq!(world.machine.state_of(b"s", 0), SlotState::Service);
    assert_eq!(world.says(1, ReadyByte::Recycle), "Stop 1");
    world.wait_ms(5000);
    assert_eq!(world.slot("s", 0), (None, None));
    assert_eq!(world.ends(1, IN_ORDER), "exec s0=2");
    // It may end at any time, and is started again once a second; when it crashes, less and less often.
    assert_eq!(world.ends(2, IN_ORDER), "");
    assert_eq!(world.wait_ms(1000), "exec s0=3");
    assert_eq!(world.ends(3, CRASHED), "exec s0=4");
    assert_eq!(world.ends(4, CRASHED), "");
    assert_eq!(world.wait_ms(250), "exec s0=5");
}

#[test]
fn processes_that_cannot_be_killed_do_not_pile_up() {
    let mut world = World::serving(&[group("a", 1)]);
    for pid in 2..40 {
        world.on(ProcessEvent::Said(1, ReadyByte::Replace));
        world.on(ProcessEvent::Said(1, ReadyByte::Replace));
        world.wait_ms(2000);
        if !world.alive.contains(&pid) {
            break;
        }
    }
    let stuck = world.alive.len();
    assert!((9..=11).contains(&stuck), "{:?}", world.alive);
    assert_eq!(world.lines.iter().filter(|line| line.contains("do not end, because they wait")).count(), 1);
    for pid in world.alive.clone().into_iter().filter(|pid| *pid > 1) {
        world.ends(pid, 9);
    }
    world.wait_ms(2000);
    assert!(world.says(1, ReadyByte::Replace).contains("succeed a0"));
}

#[test]
fn sockets_that_were_replaced_cost_their_processes_the_place() {
    let mut world = World::serving(&[group("a", 1)]);
    assert!(
        world.machine.grant_socket(b"a", 0, world.now) && !world.machine.grant_socket(b"b", 0, world.now)
    );
    world.on(ProcessEvent::SocketReplaced(b"a".to_vec(), 0));
    assert_eq!(world.tick(), "succeed a0=2");
    world.on(ProcessEvent::SocketRefused(b"a".to_vec(), 0));
    assert!(!world.machine.slot(b"a", 0).unwrap().wants_socket);
}

#[test]
fn a_stop_ends_everything_within_the_limit() {
    let mut world = World::serving(&[group("a", 2), service("s")]);
    world.says(1, ReadyByte::Recycle);
    assert_eq!(world.end(SupervisorEnd::Retire), "Drain 1, Drain 2, Stop 3, Stop 4, terminate 4");
    assert_eq!(world.end(SupervisorEnd::Stop), "Stop 1, Stop 2, Stop 3");
    assert_eq!(world.end(SupervisorEnd::Retire), "");
    assert_eq!(world.wait_ms(3000), "kill 4, kill 1, kill 2, kill 3");
    (1..=4).for_each(|pid| assert_eq!(world.ends(pid, 9), ""));
    assert_eq!(world.machine.processes().count(), 0);
    assert_eq!(world.machine.ending(), Some(SupervisorEnd::Stop));
}

#[test]
fn who_is_impatient_kills() {
    let mut world = World::serving(&[group("a", 2)]);
    world.end(SupervisorEnd::Stop);
    world.on(ProcessEvent::KillAll);
    assert_eq!(world.tick(), "kill 1, kill 2");
    assert_eq!(world.operate("a", GroupOrder::Restart), Err("httpd is stopping".to_owned()));
}

#[test]
fn what_nobody_knows_is_ignored() {
    let mut world = World { fate: SocketFate::Kept, ..World::new() };
    let gone = || b"gone".to_vec();
    for event in [
        ProcessEvent::Said(7, ReadyByte::Serving),
        ProcessEvent::Explained(7, EndReason::ScriptReload),
        ProcessEvent::SetUpFailed(7, LogLine::of(&events::SET_USER, ""), false),
        ProcessEvent::Closed(7),
        ProcessEvent::Deaf(7),
        ProcessEvent::Born(7, 7),
        ProcessEvent::Unborn(7),
        ProcessEvent::Childless(7),
        ProcessEvent::Operated(gone(), GroupOrder::Stop, Vec::new()),
        ProcessEvent::SocketSwitched(gone(), 0),
        ProcessEvent::SocketRefused(gone(), 0),
        ProcessEvent::SocketReplaced(gone(), 0),
    ] {
        world.on(event);
    }
    assert_eq!((world.tick(), world.lines.len()), (String::new(), 0));
    let machine = StateMachine::default();
    assert!(machine.group(b"a").is_none() && machine.birth(1).is_none() && !machine.is_retiring(1));
    assert!(world.wait(Duration::from_secs(60)).is_empty());
}
