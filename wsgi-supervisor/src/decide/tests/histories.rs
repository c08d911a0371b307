//! Random histories: whatever happens in whatever order, the invariants hold; when nothing goes wrong any more, everything is
//! served; and everything ends after a stop.

use super::super::event::{GroupOrder, ProcessEvent, SocketFate};
use super::super::plan::SupervisorEnd;
use super::world::{CRASHED, IN_ORDER, World, group, preloading, service};
use crate::log_line::LogLine;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use wsgi_protocol::control::GroupSpec;
use wsgi_protocol::events;
use wsgi_protocol::launch::ReadyByte;

/// Histories that `make test` tries; the environment may ask for more.
const HISTORIES: u32 = 10_000;
/// Longest of them.
const STEPS: usize = 60;
/// Names of groups.
const NAMES: [&str; 3] = ["a", "p", "s"];

/// A step: what happens, and two numbers that say to whom and how.
type HistoryStep = (u8, u8, u8);

/// The groups of a configuration.
fn groups(seed: u8) -> Vec<GroupSpec> {
    let count = u32::from(seed % 3) + 1;
    let mut simple = group("a", count);
    simple.exclusive = seed & 8 != 0;
    simple.launch.timers.startup = if seed & 16 == 0 { 0 } else { 15_000 };
    let forked = GroupSpec { preload: seed & 32 == 0, ..preloading("p", 1 + u32::from(seed >> 7)) };
    match seed & 64 == 0 {
        true => vec![simple, forked, service("s")],
        false => vec![simple, forked],
    }
}

fn pick<T: Copy>(list: &[T], at: u8) -> Option<T> {
    list.get(usize::from(at) % list.len().max(1)).copied()
}

/// One thing happens.
fn happen(world: &mut World, (what, whom, how): HistoryStep) {
    let alive: Vec<i32> = world.alive.iter().copied().collect();
    let starting: Vec<i32> =
        alive.iter().copied().filter(|pid| world.process(*pid).served.is_none()).collect();
    let one = pick(&alive, whom);
    match (what % 20, one) {
        (0 | 1, _) => _ = world.wait_ms([1, 50, 300, 1000, 5000, 30_000][usize::from(how % 6)]),
        (2 | 3, _) => {
            if let Some(pid) = pick(&starting, whom) {
                world.says(pid, ReadyByte::Serving);
            }
        }
        (4, Some(pid)) => _ = world.says(pid, ReadyByte::Replace),
        (5, Some(pid)) => {
            let signs = [
                ReadyByte::Recycle,
                ReadyByte::ImportFailed,
                ReadyByte::ImportConflict,
                ReadyByte::Serving,
                ReadyByte::Replace,
            ];
            world.says(pid, signs[usize::from(how % 5)]);
        }
        (6 | 7, Some(pid)) => _ = world.ends(pid, [CRASHED, IN_ORDER, 9][usize::from(how % 3)]),
        (8 | 9, _) => _ = world.obey(),
        (10, _) => {
            world.fate = [SocketFate::Kept, SocketFate::Made, SocketFate::CutOff][usize::from(whom % 3)];
            world.configure(&groups(how));
        }
        (11, _) => {
            world.on(ProcessEvent::Childless(world.last.1.saturating_sub(u64::from(how % 3))));
            world.tick();
        }
        (12.., _) => happen_outside(world, (what, whom, how), one),
        _ => world.serve_all(),
    }
}

/// What operators, zygotes, sockets and the system do.
fn happen_outside(world: &mut World, (what, whom, how): HistoryStep, one: Option<i32>) {
    match (what % 20, one) {
        (12, _) => {
            let orders = [
                GroupOrder::Restart,
                GroupOrder::Scale(u32::from(how / 4)),
                GroupOrder::Stop,
                GroupOrder::Start,
            ];
            let _ = world.operate(NAMES[usize::from(whom % 3)], orders[usize::from(how % 4)]);
        }
        (13, _) if how & 128 != 0 => {
            world.machine.limit_starts(usize::from(whom % 4));
            let place = (NAMES[usize::from(whom % 3)].as_bytes().to_vec(), usize::from(how % 2));
            world.on(ProcessEvent::Awaited(vec![place]));
        }
        (13, _) => world.is_full = how % 3 == 0,
        (14 | 15, _) if !world.asked.is_empty() => {
            if how % 4 == 0 {
                world.on(ProcessEvent::Unborn(world.asked[0].0));
                world.tick();
            } else {
                world.bear();
            }
        }
        (16, _) => {
            let (name, slot) = (NAMES[usize::from(whom % 3)].as_bytes().to_vec(), usize::from(how / 2 % 3));
            world.on(match how % 2 {
                0 => ProcessEvent::SocketReplaced(name, slot),
                _ => ProcessEvent::SocketRefused(name, slot),
            });
            world.tick();
        }
        (17, Some(pid)) => {
            world.on(if how % 2 == 0 { ProcessEvent::Closed(pid) } else { ProcessEvent::Deaf(pid) });
            world.tick();
        }
        (18, Some(pid)) => {
            let line = LogLine::of(&events::SET_USER, how % 2);
            world.on(ProcessEvent::SetUpFailed(pid, line, how % 3 == 0));
            world.tick();
        }
        _ => world.serve_all(),
    }
}

/// All that is configured is served by the newest plan.
fn is_served(world: &World) -> bool {
    world.machine.groups().all(|(name, group)| {
        (0..group.slots.len()).all(|index| {
            let serial = group.plan.as_ref().map(|plan| plan.serial);
            let occupant = world.machine.occupant(name, index);
            occupant.is_some_and(|process| process.served.is_some() && Some(process.plan.serial) == serial)
        })
    })
}

/// Nothing goes wrong any more: soon everything is served. Then all ends.
pub fn calm_down(world: &mut World) {
    world.is_full = false;
    if world.machine.ending().is_none() {
        world.configure(&groups(0));
        for name in NAMES {
            let _ = world.operate(name, GroupOrder::Start);
        }
        for serial in 1..world.last.1 {
            world.on(ProcessEvent::Childless(serial));
        }
        for round in 0.. {
            world.serve_all();
            if !world.obey() && is_served(world) {
                break;
            }
            world.wait_ms(1000);
            assert!(round < 200, "it is not served: {:#?}", world.machine);
        }
        let idle = world.machine.processes().filter(|process| process.ending.is_some()).count();
        assert_eq!(idle, 0, "all that were to end have ended");
    }
    world.end(SupervisorEnd::Stop);
    world.wait_ms(3000);
    world.obey();
    assert_eq!(world.machine.processes().count(), 0, "everything ends");
}

#[test]
fn whatever_happens_all_is_served_in_the_end() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let cases = number("WSGI_HISTORIES").unwrap_or(HISTORIES);
    let seed = number("WSGI_HISTORY_SEED").unwrap_or(7).to_le_bytes().repeat(8);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let history = prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..STEPS);
    let outcome = runner.run(&history, |steps: Vec<HistoryStep>| {
        let mut world = World::new();
        world.configure(&groups(steps[0].2));
        steps.into_iter().for_each(|step| happen(&mut world, step));
        calm_down(&mut world);
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
