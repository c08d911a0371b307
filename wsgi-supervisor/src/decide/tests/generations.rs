//! ARCHITECTURE "Generations", "Warm successors", "Sockets and their successors", "Number of processes".

use super::super::event::{GroupOrder, ProcessEvent, SocketFate};
use super::super::plan::SupervisorEnd;
use super::world::{CRASHED, IN_ORDER, World, group, service};
use wsgi_protocol::launch::ReadyByte;
use wsgi_protocol::status::SlotState;

#[test]
fn a_new_generation_starts_beside_the_old_one_which_drains_then() {
    let mut world = World::serving(&[group("a", 2)]);
    // It is told to leave its scripts and to ask.
    assert_eq!(world.configure(&[group("a", 2)]), "Renew 1, Renew 2");
    assert_eq!(world.says(1, ReadyByte::Recycle), "succeed a0=3");
    assert_eq!(world.says(2, ReadyByte::Recycle), "succeed a1=4");
    assert_eq!(world.says(4, ReadyByte::Serving), "switch a1, Drain 2");
    assert_eq!(world.says(3, ReadyByte::Serving), "switch a0, Drain 1");
    world.on(ProcessEvent::Childless(1));
    assert_eq!(world.tick(), "");
    assert!(!world.machine.is_live(1) && world.machine.is_live(2));
}

#[test]
fn a_process_that_does_not_answer_in_a_second_is_replaced_cold() {
    let mut world = World::serving(&[group("a", 1)]);
    assert_eq!(world.configure(&[group("a", 1)]), "Renew 1");
    assert_eq!(world.wait_ms(999), "");
    assert_eq!(world.wait_ms(1), "succeed a0=2");
}

#[test]
fn a_generation_that_does_not_come_up_is_tried_again_less_and_less_often() {
    let mut world = World::serving(&[group("a", 1)]);
    world.configure(&[group("a", 1)]);
    world.wait_ms(1000);
    for (pid, seconds) in [(2, 1), (3, 2), (4, 5), (5, 10), (6, 20), (7, 40), (8, 60), (9, 60)] {
        assert_eq!(world.ends(pid, CRASHED).replace("Keep 1, ", ""), "Renew 1");
        let done = world.wait_ms(1000 * seconds);
        let done = if done.is_empty() { world.wait_ms(1000) } else { done };
        assert_eq!(done, format!("succeed a0={}", pid + 1), "after {seconds} s");
    }
    let errors = world.errors();
    let told = errors.iter().filter(|line| line.contains("with the new configuration")).count();
    assert_eq!(told, 1, "{errors:?}");
}

#[test]
fn processes_that_have_not_served_yet_make_room_for_a_new_generation() {
    let mut world = World::new();
    world.configure(&[group("a", 1)]);
    assert_eq!(world.configure(&[group("a", 1)]), "succeed a0=2");
    // A third one gives up the successor from the second.
    assert_eq!(world.configure(&[group("a", 1)]), "Stop 2, terminate 2, succeed a0=3");
}

#[test]
fn groups_that_are_gone_serve_until_their_children_have_ended() {
    let mut world = World::serving(&[group("a", 1), group("b", 3)]);
    assert_eq!(world.configure(&[group("b", 1)]), "Renew 2");
    world.on(ProcessEvent::Childless(1));
    assert_eq!(world.tick(), "vacate a0, vacate b1, Drain 1, Drain 3, Drain 4");
    assert!(world.machine.group(b"a").is_none());
    assert_eq!(
        world.operate("a", GroupOrder::Stop).unwrap_err().split(';').next().unwrap(),
        "there is no daemon process group 'a'"
    );
    assert_eq!(world.machine.count(2, b"b"), 1);
}

#[test]
fn without_a_configuration_everything_drains_after_a_while() {
    let mut world = World::serving(&[group("a", 1)]);
    world.on(ProcessEvent::Childless(1));
    assert_eq!(world.wait_ms(7999), "");
    assert_eq!(world.wait_ms(1), "Drain 1");
    assert_eq!(world.machine.ending(), Some(SupervisorEnd::Retire));
    // A restart comes before that.
    let mut world = World::serving(&[group("a", 1)]);
    world.on(ProcessEvent::Childless(1));
    world.configure(&[group("a", 1)]);
    world.wait_ms(10_000);
    assert_eq!(world.machine.ending(), None);
}

#[test]
fn nobody_waits_for_requests_of_children_that_are_gone() {
    let mut world = World::serving(&[group("a", 1)]);
    world.on(ProcessEvent::Configured(
        2,
        true,
        [(b"a".to_vec(), super::super::event::PlaceCount { count: 1, most: 4 })].into(),
        vec![(
            std::rc::Rc::new(super::super::GroupPlan { spec: group("a", 1), serial: 2, number: 2 }),
            vec![SocketFate::Kept],
        )],
    ));
    world.wait_ms(1000);
    assert_eq!(world.says(2, ReadyByte::Serving), "switch a0, MakeRoom 1");
}

#[test]
fn another_user_gets_another_socket_from_the_beginning() {
    let mut world = World::serving(&[group("a", 1)]);
    world.fate = SocketFate::CutOff;
    // Nothing is inherited, so that nothing is asked.
    assert_eq!(world.configure(&[group("a", 1)]), "succeed a0=2");
    let slot = world.machine.slot(b"a", 0).unwrap();
    assert!(slot.is_cut_off);
    assert_eq!(slot.state_without_process(), SlotState::Starting);
    assert_eq!(world.says(2, ReadyByte::Serving), "switch a0, Drain 1");
    assert!(!world.machine.slot(b"a", 0).unwrap().is_cut_off);
}

#[test]
fn requests_of_another_user_s_generation_are_refused_while_that_fails() {
    let mut world = World::serving(&[group("a", 1)]);
    world.fate = SocketFate::CutOff;
    world.configure(&[group("a", 1)]);
    for pid in 2..5 {
        world.ends(pid, CRASHED);
        world.wait_ms(10_000);
    }
    assert_eq!(world.machine.slot(b"a", 0).unwrap().state_without_process(), SlotState::Failed);
}

#[test]
fn a_slot_keeps_its_socket_over_deaths_and_changed_code() {
    let mut world = World::serving(&[group("a", 1)]);
    assert_eq!(world.ends(1, CRASHED), "exec a0=2");
    world.says(2, ReadyByte::Serving);
    world.says(2, ReadyByte::Replace);
    assert_eq!(world.says(3, ReadyByte::Serving), "Drain 2");
}

#[test]
fn an_operator_s_restart_replaces_one_by_one_with_new_sockets() {
    let mut world = World::serving(&[group("a", 2)]);
    world.wait_ms(10);
    assert_eq!(world.operate("a", GroupOrder::Restart).unwrap(), "Renew 1");
    assert_eq!(world.says(1, ReadyByte::Recycle), "succeed a0=3");
    assert_eq!(world.says(3, ReadyByte::Serving), "switch a0, Drain 1, Renew 2");
    assert_eq!(world.wait_ms(1000), "succeed a1=4");
    assert_eq!(world.says(4, ReadyByte::Serving), "switch a1, Drain 2");
    // It does not wait for what hangs.
    world.says(3, ReadyByte::Replace);
    assert_eq!(world.slot("a", 0), (Some(3), Some(5)));
    assert_eq!(
        world.operate("a", GroupOrder::Restart).unwrap(),
        "Stop 5, terminate 5, Renew 3, succeed a0=6"
    );
}

#[test]
fn a_restart_that_fails_ends_the_roll() {
    let mut world = World::serving(&[group("a", 2)]);
    world.wait_ms(10);
    world.operate("a", GroupOrder::Restart).unwrap();
    world.says(1, ReadyByte::Recycle);
    assert_eq!(world.says(3, ReadyByte::ImportFailed), "Keep 1, Stop 3, terminate 3");
    assert!(world.errors().iter().any(|line| line.contains("at the restart by mod_wsgi-ctl")));
    assert_eq!(world.wait_ms(100_000), "kill 3");
}

#[test]
fn services_are_replaced_at_once() {
    let mut world = World::serving(&[service("s")]);
    assert_eq!(world.configure(&[service("s")]), "Renew 1, Stop 1");
    assert_eq!(world.ends(1, IN_ORDER), "exec s0=2, switch s0");
}

#[test]
fn a_place_that_goes_is_closed_before_it_drains() {
    let mut world = World::serving(&[group("a", 3)]);
    assert_eq!(world.operate("a", GroupOrder::Scale(1)).unwrap(), "retire a2, retire a1");
    assert_eq!(world.machine.count(1, b"a"), 1);
    assert_eq!(world.wait_ms(999), "");
    assert_eq!(world.wait_ms(1), "withdraw, withdraw, MakeRoom 2, MakeRoom 3");
    assert!(world.machine.is_retiring(1) && world.machine.is_retiring(2));
    world.ends(2, IN_ORDER);
    world.ends(3, IN_ORDER);
    assert!(!world.machine.is_retiring(1) && !world.machine.is_retiring(2));
    assert_eq!(world.operate("a", GroupOrder::Scale(2)).unwrap(), "exec a1=4");
}

#[test]
fn a_stopped_group_stays_so_over_configurations() {
    let mut world = World::serving(&[group("a", 1)]);
    assert_eq!(world.operate("a", GroupOrder::Start).unwrap_err(), "daemon process group 'a' is not stopped");
    assert_eq!(world.operate("a", GroupOrder::Stop).unwrap(), "retire a0");
    world.wait_ms(1000);
    world.ends(1, IN_ORDER);
    assert_eq!(world.configure(&[group("a", 1)]), "");
    assert!(world.lines.iter().any(|line| line.contains("stays stopped")));
    for order in [GroupOrder::Restart, GroupOrder::Scale(2)] {
        assert!(world.operate("a", order).unwrap_err().contains("is stopped"));
    }
    assert_eq!(world.operate("a", GroupOrder::Start).unwrap(), "exec a0=2");
}

#[test]
fn a_group_has_as_many_processes_as_it_can() {
    let mut spec = group("a", 1);
    let world = World::serving(std::slice::from_ref(&spec));
    let refused = |world: &World, count| world.machine.allow(b"a", GroupOrder::Scale(count)).unwrap_err();
    assert!(refused(&world, 0).contains("at least one process"));
    assert!(refused(&world, 5).contains("4 processes at most"));
    spec.launch.multiprocess = false;
    assert!(refused(&World::serving(&[spec]), 2).contains("has no processes= option"));
}

#[test]
fn a_group_whose_sockets_could_not_be_made_is_started_later() {
    let mut world = World::new();
    let counts = [(b"a".to_vec(), super::super::event::PlaceCount { count: 1, most: 4 })].into();
    world.on(ProcessEvent::Configured(1, false, counts, Vec::new()));
    assert_eq!(world.tick(), "");
    let plan = std::rc::Rc::new(super::super::GroupPlan { spec: group("a", 1), serial: 1, number: 1 });
    world.on(ProcessEvent::Installed((plan, vec![SocketFate::Made])));
    assert_eq!(world.tick(), "exec a0=1");
}
