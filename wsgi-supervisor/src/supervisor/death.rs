//! Processes that have ended are waited for, and explained to the requests that they take along.

use super::reading::MAX_ORPHANS;
use super::{OrphanOutput, Supervisor};
use crate::decide::ProcessEvent;
use crate::handles::ProcessHandles;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wsgi_protocol::death::{DeathCause, EndReason, MAX_STACK, ProcessDeath};
use wsgi_system::clock::monotonic_ns;
use wsgi_system::process::{ended_child, reap};

/// Most pieces of output read after a death, before the line about it is written.
const LAST_PIECES: usize = 64;

/// Most processes that are waited for before everything else has its turn. With `preload=on` what applications leave behind
/// ends here as well, as fast as they like.
const AT_ONCE: usize = 256;

impl Supervisor {
    /// Takes notice of processes that have ended; the oldest come first, which are daemons.
    pub(super) fn reap(&mut self, now: Instant) {
        self.is_behind = false;
        for _ in 0..AT_ONCE {
            let Some(pid) = ended_child() else { return };
            self.end_session(pid, now);
            let Some((status, cpu_us)) = reap(pid) else { return };
            if self.processes.contains_key(&pid) {
                self.on_death(pid, status, cpu_us, now);
            }
        }
        self.is_behind = true;
        self.wake_at(now);
    }

    fn on_death(&mut self, pid: i32, status: i32, cpu_us: (u64, u64), now: Instant) {
        // What it said before its end counts, and explains it.
        self.read_report(pid, now);
        self.read_ready(pid, now);
        for _ in 0..LAST_PIECES {
            if !self.read_output(pid, now) {
                break;
            }
        }
        let Some(mut handles) = self.processes.remove(&pid) else { return };
        let log = &handles.plan.log;
        handles.lines.recover(|level, text| log.write_as(level, pid, text));
        handles.lines.finish(|level, text| log.write_as(level, pid, text));
        let process = self.machine.process(pid);
        let (reason, killed) = process.map_or((None, false), |process| (process.reason, process.killed));
        let slot = process.and_then(|process| process.slot);
        let reason = self.explanation(reason, killed, status);
        let death =
            ProcessDeath { pid: pid.cast_unsigned(), status, reason, killed, stack: last_stack(&handles) };
        if let Some(slot) = slot {
            self.publish_death(&handles.plan.plan.spec.name, slot, &death);
            handles.plan.count(|counters| counters.note_stop(&death, cpu_us));
        }
        self.on(ProcessEvent::Died(death, handles.lines.hint()), now);
        self.keep_output(pid, handles);
    }

    /// What the process said of itself; or, if it was killed and not by us: was it for lack of memory?
    fn explanation(&mut self, reason: Option<EndReason>, killed: bool, status: i32) -> Option<EndReason> {
        let is_kill =
            matches!(DeathCause::from_raw(status), DeathCause::Signal { number: libc::SIGKILL, .. });
        let is_foreign = is_kill && !killed && reason.is_none();
        if is_foreign && self.oom.explains_kill() { Some(EndReason::OutOfMemory) } else { reason }
    }

    /// httpd's children, whose requests have just been cut off, wait for this.
    fn publish_death(&self, name: &[u8], index: usize, death: &ProcessDeath) {
        let now = monotonic_ns();
        for generation in &self.live {
            generation.with_slot(name, index, |slot| {
                slot.last_exit.store(death.status.cast_unsigned(), Ordering::Relaxed);
                slot.last_pid.store(death.pid, Ordering::Relaxed);
            });
            generation.publish_death(name, index, now, death);
        }
    }

    /// Children that a daemon left behind may still write to its output.
    fn keep_output(&mut self, pid: i32, handles: ProcessHandles) {
        let Some(output) = handles.output else { return };
        if self.orphans.len() == MAX_ORPHANS {
            self.orphans.remove(0).finish(Instant::now());
        }
        self.orphans.push(OrphanOutput { pid, plan: handles.plan, output, lines: handles.lines });
    }
}

/// The Python stack that a dead process has left; empty if there is none.
fn last_stack(process: &ProcessHandles) -> Vec<u8> {
    let mut bytes = vec![0; MAX_STACK];
    // The file has this size, and nobody can change it; unwritten bytes are zero.
    let length = nix::sys::uio::pread(&process.stack, &mut bytes, 0).unwrap_or(0);
    let end = bytes[..length].iter().position(|byte| *byte == 0).unwrap_or(length);
    bytes.truncate(end);
    bytes
}
