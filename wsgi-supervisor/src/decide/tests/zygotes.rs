//! ARCHITECTURE "Zygotes".

use super::super::event::{GroupOrder, ProcessEvent};
use super::super::plan::SupervisorEnd;
use super::world::{CRASHED, IN_ORDER, World, preloading};
use wsgi_protocol::launch::ReadyByte;

#[test]
fn workers_come_from_a_zygote_that_has_imported() {
    let mut world = World::new();
    assert_eq!(world.configure(&[preloading("z", 2)]), "zygote z=1");
    assert_eq!(world.says(1, ReadyByte::Serving), "fork z0 by 1, fork z1 by 1");
    let worker = world.bear();
    assert_eq!((world.slot("z", 0), world.process(worker).zygote), ((Some(worker), None), Some(1)));
    world.serve_all();
    // So do those that follow a death.
    world.wait_ms(5000);
    assert_eq!(world.ends(worker, CRASHED), "fork z0 by 1");
}

#[test]
fn changed_code_goes_through_another_zygote_first() {
    let mut world = World::serving(&[preloading("z", 2)]);
    world.wait_ms(10);
    let (first, second) = (world.slot("z", 0).0.unwrap(), world.slot("z", 1).0.unwrap());
    assert_eq!(world.says(first, ReadyByte::Replace), "zygote z=4");
    let mut failing = world.clone();
    // If it cannot import, the old workers serve on.
    assert_eq!(failing.says(4, ReadyByte::ImportFailed), format!("Keep {first}, Stop 4, terminate 4"));
    assert_eq!(failing.slot("z", 0), (Some(first), None));
    // If it can, they are replaced one by one by its children.
    assert_eq!(world.says(4, ReadyByte::Serving), "fork z0 by 4, Stop 1");
    let next = world.bear();
    assert_eq!(world.says(next, ReadyByte::Serving), format!("Drain {first}, Renew {second}"));
    assert_eq!(world.says(second, ReadyByte::Recycle), "fork z1 by 4");
    let next = world.bear();
    assert_eq!(world.says(next, ReadyByte::Serving), format!("Drain {second}"));
}

#[test]
fn a_zygote_that_dies_is_started_again_and_its_workers_go_on() {
    let mut world = World::serving(&[preloading("z", 1)]);
    world.wait_ms(5000);
    assert_eq!(world.ends(1, CRASHED), "zygote z=3");
    assert_eq!(world.slot("z", 0), (Some(2), None));
}

#[test]
fn three_failures_in_a_row_are_done_without_a_zygote() {
    let mut world = World::new();
    world.configure(&[preloading("z", 1)]);
    world.ends(1, CRASHED);
    world.ends(2, CRASHED);
    world.wait_ms(250);
    assert_eq!(world.ends(3, CRASHED), "exec z0=4");
    assert!(world.lines.iter().any(|line| line.contains("has failed three times in a row")));
    world.says(4, ReadyByte::Serving);
    // Changed code gives it another try, which hangs for two minutes at most; one failure is enough then.
    assert_eq!(world.says(4, ReadyByte::Replace), "zygote z=5");
    assert_eq!(world.ends(5, CRASHED), "succeed z0=6");
    assert!(world.lines.iter().any(|line| line.contains("has failed once more")));
    // So does an operator.
    world.says(6, ReadyByte::Serving);
    world.wait_ms(2000);
    assert_eq!(world.operate("z", GroupOrder::Restart).unwrap(), "zygote z=7, Renew 6");
    assert_eq!(world.says(7, ReadyByte::Serving), "");
    assert_eq!(world.wait_ms(1000), "fork z0 by 7");
}

#[test]
fn a_zygote_that_gives_no_process_is_replaced() {
    let mut world = World::serving(&[preloading("z", 1)]);
    world.wait_ms(5000);
    world.ends(2, CRASHED);
    assert_eq!(world.wait_ms(9_999), "");
    assert_eq!(world.wait_ms(1), "Stop 1, zygote z=3");
    assert_eq!(world.says(3, ReadyByte::Serving), "fork z0 by 3");
    let (number, _) = world.asked[0];
    world.on(ProcessEvent::Unborn(number));
    assert_eq!(world.tick(), "Stop 3, zygote z=4");
    world.is_full = true;
    assert_eq!(world.says(4, ReadyByte::Serving), "fork fails, Stop 4, exec fails");
}

#[test]
fn a_zygote_that_cannot_be_started_is_done_without() {
    let mut world = World { is_full: true, ..World::new() };
    world.configure(&[preloading("z", 1)]);
    world.is_full = false;
    assert_eq!(world.wait_ms(8000), "zygote z=1");
    world.serve_all();
    world.is_full = true;
    let worker = world.slot("z", 0).0.unwrap();
    assert_eq!(world.says(worker, ReadyByte::Replace), format!("exec fails, Keep {worker}, Stop 1"));
}

#[test]
fn workers_that_die_before_they_serve_speak_against_the_zygote() {
    let mut world = World::new();
    world.configure(&[preloading("z", 1)]);
    world.says(1, ReadyByte::Serving);
    for _ in 0..2 {
        let worker = world.bear();
        world.ends(worker, CRASHED);
        world.wait_ms(8000);
    }
    let worker = world.bear();
    assert_eq!(world.ends(worker, CRASHED), "Stop 1");
    assert_eq!(world.wait_ms(500), "exec z0=5");
}

#[test]
fn a_successor_that_does_not_come_up_after_a_fork_may_do_so_without() {
    let mut world = World::serving(&[preloading("z", 1)]);
    world.says(2, ReadyByte::Replace);
    world.says(3, ReadyByte::Serving);
    // Two births are lost already, and the third process is the successor.
    for name in ["first", "second", "third"] {
        if world.machine.group(b"z").unwrap().has_zygotes() {
            let worker = world.bear();
            world.ends(worker, CRASHED);
            world.wait_ms(10_000);
            if world.asked.is_empty() {
                world.says(2, ReadyByte::Replace);
                let zygote =
                    world.machine.processes().filter(|process| process.is_zygote()).map(|p| p.pid).max();
                zygote.filter(|pid| world.process(*pid).served.is_none()).into_iter().for_each(|pid| {
                    world.says(pid, ReadyByte::Serving);
                });
            }
        }
        assert!(world.slot("z", 0).0 == Some(2), "{name}");
    }
    assert!(!world.machine.group(b"z").unwrap().has_zygotes());
    assert!(world.slot("z", 0).1.is_some(), "{:?}", world.done);
}

#[test]
fn a_new_generation_has_a_zygote_of_its_own() {
    let mut world = World::serving(&[preloading("z", 1)]);
    assert_eq!(world.configure(&[preloading("z", 1)]), "zygote z=3, Stop 1, Renew 2");
    assert_eq!(world.ends(1, IN_ORDER), "");
    assert_eq!(world.wait_ms(1000), "");
    assert_eq!(world.says(3, ReadyByte::Serving), "fork z0 by 3");
    let worker = world.bear();
    assert_eq!(world.says(worker, ReadyByte::Serving), "switch z0, Drain 2");
}

/// One that nobody has asked for: it imports for the first time, or for a new generation.
#[test]
fn a_zygote_that_hangs_gives_way_to_what_has_been_mended() {
    let mut world = World::serving(&[preloading("z", 2)]);
    let (first, second) = (world.slot("z", 0).0.unwrap(), world.slot("z", 1).0.unwrap());
    world.configure(&[preloading("z", 2)]);
    world.ends(1, IN_ORDER);
    assert_eq!(world.says(first, ReadyByte::Recycle), "");
    assert_eq!(world.says(first, ReadyByte::Replace), "Stop 4, terminate 4, zygote z=5");
    // The others notice the same change.
    assert_eq!(world.says(second, ReadyByte::Replace), "");
    world.wait_ms(2000);
    assert_eq!(world.says(first, ReadyByte::Replace), "Stop 5, terminate 5, zygote z=6");
    // An operator does not wait for it either.
    assert_eq!(world.operate("z", GroupOrder::Restart).unwrap(), "Stop 6, terminate 6, zygote z=7");
    world.serve_all();
    assert!(world.slot("z", 0).0.is_some_and(|pid| pid > 7));
}

#[test]
fn a_zygote_that_hangs_is_given_up_in_any_case() {
    let mut world = World::new();
    world.configure(&[preloading("z", 1)]);
    assert_eq!(world.wait_ms(119_999), "");
    assert_eq!(world.wait_ms(1), "Stop 1, terminate 1, zygote z=2");
    world.obey();
    world.wait_ms(120_000);
    world.obey();
    world.wait_ms(120_250);
    world.obey();
    assert_eq!(world.slot("z", 0), (Some(4), None), "without one: {:?}", world.done);
}

#[test]
fn births_end_with_the_place_and_with_everything() {
    let mut world = World::serving(&[preloading("z", 2)]);
    world.wait_ms(5000);
    world.ends(3, CRASHED);
    assert_eq!(world.asked.len(), 1);
    world.operate("z", GroupOrder::Scale(1)).unwrap();
    world.tick();
    assert!(world.machine.births.is_empty());
    world.ends(2, IN_ORDER);
    assert_eq!(world.machine.births.len(), 1);
    world.end(SupervisorEnd::Stop);
    assert!(world.machine.births.is_empty());
    assert_eq!(world.says(1, ReadyByte::Recycle), "", "a zygote asks for nothing");
}
