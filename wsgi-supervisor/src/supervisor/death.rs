//! A process has ended: say why, and let its slot react at once.

use super::messages::MAX_ORPHANS;
use super::{OrphanOutput, Supervisor};
use crate::backoff::{ProcessOutcome, SERVICE_PACE};
use crate::escalation::EndingReason;
use crate::group::DaemonProcess;
use crate::log::LogLevel;
use crate::messages::LineSubject;
use crate::os::clock::monotonic_ns;
use crate::os::process::{ended_child, reap};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wsgi_protocol::death::{DeathCause, EndReason, MAX_STACK, ProcessDeath};

/// Most pieces of output read after a death, before the line about it is written.
const LAST_PIECES: usize = 64;

/// A group that has so many killed processes beyond its places, which do not end, gets no further one.
const STUCK: usize = 8;
/// How often it is seen whether they have.
const LOOK: Duration = Duration::from_secs(1);

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
        self.read_report(pid);
        self.read_ready(pid, now);
        for _ in 0..LAST_PIECES {
            if !self.read_output(pid, now) {
                break;
            }
        }
        let Some(mut process) = self.processes.remove(&pid) else { return };
        let log = process.plan.log.clone();
        process.lines.recover(|level, text| log.write_as(level, pid, text));
        process.lines.finish(|level, text| log.write_as(level, pid, text));
        let death = ProcessDeath {
            pid: pid.cast_unsigned(),
            status,
            reason: self.explanation(&process, status),
            killed: process.killed,
            stack: last_stack(&process),
        };
        let cause = death.cause();
        self.note_death(&process, &death);
        if process.forker.is_none() {
            process.plan.count(|counters| counters.note_stop(&death, cpu_us));
        }
        if process.ending.is_none() && !(process.asked.is_some() && cause.is_orderly()) || process.killed {
            let group = self.groups.get_mut(&process.plan.spec.name);
            if let Some(slot) = group.and_then(|group| group.slots.get_mut(process.slot)) {
                slot.last_death = Some((pid, death.to_string()));
            }
        }
        if process.forker.is_some() {
            tell(&process, &death, false, now);
            self.zygote_lost(&process, now);
            return self.keep_output(process);
        }
        let is_successor = self.slot_of(&process).is_some_and(|slot| slot.successor == Some(pid));
        let is_current = self.slot_of(&process).is_some_and(|slot| slot.current == Some(pid));
        tell(&process, &death, is_successor, now);
        let is_stillborn = process.zygote.is_some() && process.served.is_none() && process.ending.is_none();
        if is_stillborn {
            self.note_birth(&process.plan.spec.name, false, now);
        }
        if is_successor {
            let (name, is_forked) = (&process.plan.spec.name, process.zygote.is_some());
            self.successor_failed(name, process.slot, is_forked, process.set_up_failed, now);
        } else if is_current {
            self.current_lost(&process, cause, now);
        }
        self.keep_output(process);
    }

    /// What the process said of itself; or, if it was killed and not by us: was it for lack of memory?
    fn explanation(&mut self, process: &DaemonProcess, status: i32) -> Option<EndReason> {
        let is_kill =
            matches!(DeathCause::from_raw(status), DeathCause::Signal { number: libc::SIGKILL, .. });
        let is_foreign = is_kill && !process.killed && process.reason.is_none();
        if is_foreign && self.oom.explains_kill() { Some(EndReason::OutOfMemory) } else { process.reason }
    }

    /// httpd's children, whose requests have just been cut off, wait for this.
    fn note_death(&self, process: &DaemonProcess, death: &ProcessDeath) {
        let now = monotonic_ns();
        for generation in &self.live {
            generation.with_slot(&process.plan.spec.name, process.slot, |slot| {
                slot.last_exit.store(death.status.cast_unsigned(), Ordering::Relaxed);
                slot.last_pid.store(death.pid, Ordering::Relaxed);
            });
            generation.publish_death(&process.plan.spec.name, process.slot, now, death);
        }
    }

    /// The process of a slot is gone: the next one starts at once, unless it keeps failing.
    fn current_lost(&mut self, process: &DaemonProcess, cause: DeathCause, now: Instant) {
        let (name, index) = (process.plan.spec.name.clone(), process.slot);
        let Some(group) = self.groups.get_mut(&name) else { return };
        let count = group.slots.len();
        let Some(slot) = group.slots.get_mut(index) else { return };
        slot.current = None;
        let is_service = process.plan.is_service();
        // It may have asked for its successor before, or just have said why it ends (`reload=immediate`).
        let has_said_why = process.asked.is_some() || process.served.is_some() && process.reason.is_some();
        let pause = if process.ending.is_some() || (has_said_why && cause.is_orderly()) {
            Duration::ZERO
        } else if process.set_up_failed {
            slot.backoff.note(ProcessOutcome::NotSetUp)
        } else if is_service && cause.is_orderly() {
            (process.started + SERVICE_PACE).saturating_duration_since(now)
        } else {
            let since = if is_service { Some(process.started) } else { process.served };
            let lived = since.map(|since| ProcessOutcome::Served { after: now.duration_since(since) });
            let outcome = lived.unwrap_or(ProcessOutcome::NeverServed);
            slot.backoff.note(if is_service { outcome.without_requests() } else { outcome })
        };
        slot.retry_at = Some(now + pause);
        if slot.backoff.failures() == 0 {
            slot.told_failing = false;
        } else if slot.backoff.is_failing() && !slot.told_failing && self.ending.is_none() {
            slot.told_failing = true;
            let line = format!(
                "daemon process group '{}', process {} of {}, has failed {} times in a row: its requests get 503, \
                 it is tried again in {:.1} s and later every 8 s",
                process.plan.name(),
                index + 1,
                count,
                slot.backoff.failures(),
                pause.as_secs_f64()
            );
            if !process.set_up_failed {
                slot.plan.log.write(LogLevel::ERROR, &line);
            }
        }
        self.occupant_left(&name, index);
    }

    /// Whether so many processes of a group were killed without ending that it gets no further one. An application can have
    /// them wait in the kernel, for a file system of its user's, and ask for another process again and again.
    pub(super) fn is_clogged(&mut self, name: &[u8], now: Instant) -> bool {
        let is_stuck = |process: &&DaemonProcess| process.killed && process.plan.spec.name == name;
        let stuck: Vec<i32> = self.processes.values().filter(is_stuck).map(|process| process.pid).collect();
        let Some(group) = self.groups.get_mut(name) else { return false };
        let is_clogged = stuck.len() >= STUCK + group.slots.len();
        let is_told = std::mem::replace(&mut group.told_clogged, is_clogged);
        if !is_clogged {
            return false;
        }
        if let Some(plan) = group.plan.as_ref().filter(|_| !is_told) {
            let line = format!(
                "{}processes of group '{}' were killed and do not end, because they wait in the kernel: {stuck:?}; no other \
                 one is started before they do",
                LineSubject::Clogged.prefix(),
                plan.name()
            );
            plan.log.write(LineSubject::Clogged.level(), &line);
        }
        self.wake_at(now + LOOK);
        true
    }

    /// Children that a daemon left behind may still write to its output.
    fn keep_output(&mut self, process: DaemonProcess) {
        let Some(output) = process.output else { return };
        if self.orphans.len() == MAX_ORPHANS {
            self.orphans.remove(0).finish(Instant::now());
        }
        self.orphans.push(OrphanOutput {
            pid: process.pid,
            plan: Rc::clone(&process.plan),
            output,
            lines: process.lines,
        });
    }
}

/// The Python stack that a dead process has left; empty if there is none.
fn last_stack(process: &DaemonProcess) -> Vec<u8> {
    let mut bytes = vec![0; MAX_STACK];
    // The file has this size, and nobody can change it; unwritten bytes are zero.
    let length = nix::sys::uio::pread(&process.stack, &mut bytes, 0).unwrap_or(0);
    let end = bytes[..length].iter().position(|byte| *byte == 0).unwrap_or(length);
    bytes.truncate(end);
    bytes
}

/// The line about a death.
fn tell(process: &DaemonProcess, death: &ProcessDeath, is_successor: bool, now: Instant) {
    if process.set_up_failed {
        return;
    }
    let seconds = |since: Instant| now.duration_since(since).as_secs_f64();
    let age = match process.served {
        _ if process.plan.is_service() => format!("{:.1} s after its start", seconds(process.started)),
        Some(served) => format!("after {:.1} s of service", seconds(served)),
        None => format!("{:.1} s after its start, before it served", seconds(process.started)),
    };
    let (level, verb) = match &process.ending {
        Some(_) if process.killed => (LogLevel::WARN, "did not end in time and was killed"),
        Some((EndingReason::Discard, _)) => (LogLevel::INFO, "was given up"),
        Some(_) if death.cause().is_orderly() => (LogLevel::INFO, "has ended as told"),
        Some(_) => (LogLevel::WARN, "has ended as told, but not in order"),
        None if death.cause().is_orderly() => (LogLevel::INFO, "has ended"),
        None => (LogLevel::ERROR, "has died"),
    };
    let mut line = format!(
        "{} {} of group '{}' {verb}: {death}, {age}",
        process.noun(),
        process.pid,
        process.plan.name()
    );
    if is_successor {
        line.push_str(", while its predecessor went on serving");
    }
    if level != LogLevel::INFO {
        if let Some(hint) = process.lines.hint() {
            line.push_str(&format!("; its last output: {hint}"));
        }
        if let Some(stack) = death.stack_line() {
            line.push_str(&format!("; Python stack: {stack}"));
        }
    }
    process.plan.log.write(level, &line);
}
