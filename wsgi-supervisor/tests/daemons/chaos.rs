//! Everything at once, in a fixed pseudo-random order: in the end each slot is served by one process.

use crate::rig::{SupervisorRig, eventually, is_alive};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;
use wsgi_protocol::status::SlotState;

/// A small linear congruential generator, so that a failure can be repeated.
struct ChaosDice(u64);

impl ChaosDice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn any_order_of_events_ends_well() {
    let mut rig = SupervisorRig::new();
    let seed = std::env::var("WSGI_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut dice = ChaosDice(seed);
    let mut generations = vec![rig.configure(vec![rig.group("app", "a", 0, 3), rig.group("b", "b", 3, 1)])];
    for _ in 0..150 {
        let pids: Vec<_> = rig.started().into_iter().filter(|pid| is_alive(*pid)).collect();
        let any = (!pids.is_empty()).then(|| Pid::from_raw(pids[dice.roll(pids.len())]));
        match (dice.roll(12), any) {
            (0, _) => rig.behave(["serve", "fail", "die", "slow"][dice.roll(4)]),
            (1, _) => {
                let processes = u32::try_from(1 + dice.roll(3)).unwrap();
                let prefix = ["a", "c"][dice.roll(2)];
                generations.push(
                    rig.configure(vec![rig.group("app", prefix, 0, processes), rig.group("b", "b", 3, 1)]),
                );
            }
            (2, _) if generations.len() > 1 => drop(generations.remove(0)),
            (3 | 4, Some(pid)) => drop(kill(pid, Signal::SIGKILL)),
            (5 | 6, Some(pid)) => drop(kill(pid, Signal::SIGUSR1)),
            (7, Some(pid)) => drop(kill(pid, Signal::SIGUSR2)),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    rig.behave("serve");
    let before = rig.started();
    let last = rig.configure(vec![rig.group("app", "a", 0, 2), rig.group("b", "b", 3, 1)]);
    drop(generations);
    eventually("three processes serve, and no other is left", || {
        let served: Vec<_> = [0, 1, 3].into_iter().map(|slot| last.view(slot)).collect();
        let mut wanted: Vec<_> = served.iter().map(|view| view.pid).collect();
        let mut alive: Vec<_> = rig.started().into_iter().filter(|pid| is_alive(*pid)).collect();
        wanted.sort_unstable();
        alive.sort_unstable();
        let are_new =
            served.iter().all(|view| view.state == SlotState::Serving && !before.contains(&view.pid));
        (are_new && wanted == alive).then_some(())
    });
    for slot in [0, 1, 3] {
        let launch = rig.launch(last.view(slot).pid);
        assert_eq!(launch.slot as usize, slot % 3);
    }
    eventually("only its sockets are left", || {
        (rig.sockets() == ["a0.sock", "a1.sock", "b0.sock"]).then_some(())
    });
}
