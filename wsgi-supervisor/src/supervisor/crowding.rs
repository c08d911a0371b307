//! How many processes may start at once, by what the machine has to do, and whose requests wait for them.

use super::Supervisor;
use crate::decide::ProcessEvent;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How often it is seen whether the machine has time for one more, when there are enough.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Processes that start at once, for each core: one computes while another one waits for its files.
const FOR_EACH_CORE: usize = 2;
/// And in any case.
const FEWEST: usize = 4;

/// Those that this process may use. Asked once: each question reads files of its control group.
static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

impl Supervisor {
    /// Where cores are idle, those that start wait for something else than for them, and do not get in each other's way.
    pub(super) fn allow_starts(&mut self, now: Instant) {
        let cores = *CORES;
        let most = (FOR_EACH_CORE * cores).max(FEWEST);
        let is_idle = self.machine.starting(now) >= most && runnable().is_some_and(|count| count <= cores);
        self.machine.limit_starts(if is_idle { 0 } else { most });
    }

    /// Where more processes are missing than can start at once, those come first whom somebody waits for.
    pub(super) fn tell_awaited(&mut self, now: Instant) {
        if self.machine.missing().nth(FEWEST).is_none() {
            return;
        }
        let listeners = |(name, index): (&Vec<u8>, usize)| {
            let slot = self.slots.get(name)?.get(index)?;
            Some(((name.clone(), index), PollFd::new(slot.listener.as_fd(), PollFlags::POLLIN)))
        };
        let (places, mut polled): (Vec<_>, Vec<_>) = self.machine.missing().filter_map(listeners).unzip();
        if poll(&mut polled, PollTimeout::ZERO).is_err() {
            return;
        }
        let waits =
            |polled: &PollFd<'_>| polled.revents().is_some_and(|events| events.contains(PollFlags::POLLIN));
        let awaited = places.into_iter().zip(&polled).filter(|(_, polled)| waits(polled));
        let awaited = awaited.map(|(place, _)| place).collect();
        self.on(ProcessEvent::Awaited(awaited), now);
    }
}

/// How many threads of the machine run or could.
fn runnable() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_how_many_run() {
        assert!(runnable().is_some_and(|count| (1..100_000).contains(&count)));
    }
}
