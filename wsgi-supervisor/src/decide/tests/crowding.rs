//! Starts that wait for each other.

use super::super::event::ProcessEvent;
use super::world::{CRASHED, World, group, preloading};
use wsgi_protocol::launch::ReadyByte;

fn limited(most: usize) -> World {
    let mut world = World::new();
    world.machine.limit_starts(most);
    world
}

#[test]
fn so_many_start_at_once() {
    let mut world = limited(2);
    assert_eq!(world.configure(&[group("a", 2), group("b", 2)]), "exec a0=1, exec a1=2");
    assert!(world.machine.is_held_up());
    assert_eq!(world.says(2, ReadyByte::Serving), "exec b0=3");
    // One that has died is not starting any more; who failed is not in the way of others.
    assert_eq!(world.ends(1, CRASHED), "exec b1=4");
    assert_eq!(world.says(3, ReadyByte::Serving), "exec a0=5");
    world.serve_all();
    assert!(!world.machine.is_held_up());
}

#[test]
fn nobody_waits_for_what_hangs() {
    let mut world = limited(1);
    assert_eq!(world.configure(&[group("a", 1), group("b", 1), group("c", 1)]), "exec a0=1");
    assert_eq!(world.wait_ms(4999), "");
    assert_eq!(world.wait_ms(1), "exec b0=2");
    assert_eq!(world.wait_ms(5000), "exec c0=3");
}

#[test]
fn those_come_first_whom_somebody_waits_for() {
    let mut world = limited(1);
    world.configure(&[group("a", 1), group("b", 1), preloading("c", 1), group("d", 1)]);
    world.on(ProcessEvent::Awaited(vec![(b"d".to_vec(), 0)]));
    // The zygote's worker has its imports behind it.
    assert_eq!(world.says(1, ReadyByte::Serving), "exec d0=2, fork c0 by 1");
    world.bear();
    assert_eq!(world.says(2, ReadyByte::Serving), "");
    assert_eq!(world.says(3, ReadyByte::Serving), "exec a0=4");
}

#[test]
fn whom_nobody_serves_comes_before_successors() {
    let mut world = World::serving(&[group("a", 1), group("b", 1)]);
    world.machine.limit_starts(1);
    let groups = [group("a", 1), group("b", 1), group("c", 1)];
    assert_eq!(world.configure(&groups), "exec c0=3, Renew 1, Renew 2");
    assert_eq!(world.wait_ms(1000), "");
    assert_eq!(world.says(3, ReadyByte::Serving), "succeed a0=4");
}

#[test]
fn who_has_waited_longest_is_first() {
    let mut world = limited(1);
    let names = ["a", "b", "c", "d"];
    world.configure(&names.map(|name| group(name, 1)));
    let place = |name: &str| (name.as_bytes().to_vec(), 0);
    world.on(ProcessEvent::Awaited(vec![place("d")]));
    world.wait_ms(10);
    world.on(ProcessEvent::Awaited(vec![place("b"), place("d")]));
    assert_eq!(world.says(1, ReadyByte::Serving), "exec d0=2");
    world.on(ProcessEvent::Awaited(Vec::new()));
    world.on(ProcessEvent::Awaited(vec![place("c")]));
    assert_eq!(world.says(2, ReadyByte::Serving), "exec c0=3");
}

#[test]
fn successors_wait_and_their_predecessors_serve() {
    let mut world = World::serving(&[group("a", 1), group("b", 1), group("c", 1)]);
    world.machine.limit_starts(2);
    let groups = [group("a", 1), group("b", 1), group("c", 1)];
    assert_eq!(world.configure(&groups), "Renew 1, Renew 2, Renew 3");
    assert_eq!(world.wait_ms(1000), "succeed a0=4, succeed b0=5");
    // The next configuration gives up two, not three.
    assert_eq!(
        world.configure(&groups),
        "Stop 4, terminate 4, Stop 5, terminate 5, succeed c0=6, succeed a0=7"
    );
    assert_eq!(world.says(6, ReadyByte::Serving), "switch c0, Drain 3, succeed b0=8");
    assert_eq!(world.slot("b", 0), (Some(2), Some(8)));
}
