//! Reading what daemons say: ready bytes, failures of the set-up, output.

use super::{OrphanOutput, Supervisor};
use crate::budget::DroppedLines;
use crate::decide::ProcessEvent;
use crate::generation::PlanHandles;
use crate::messages;
use crate::output::LineCutter;
use crate::spawn::step::{ADVICE_BYTES, REPORT_BYTES, StepFailure};
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use std::time::Instant;
use wsgi_protocol::death::EndReason;
use wsgi_protocol::launch::{ReadyByte, SOCKETS_SIGN};

/// Bytes of output taken at a time, so that one chatty process does not keep the others waiting.
const PIECE: usize = 64 * 1024;
/// Output pipes of dead processes kept open for what they have left behind.
pub(super) const MAX_ORPHANS: usize = 64;

/// Reads once: bytes, or whether the pipe has ended.
fn read_once(fd: &OwnedFd, buffer: &mut [u8]) -> Result<usize, bool> {
    match nix::unistd::read(fd, buffer) {
        Ok(0) => Err(true),
        Ok(length) => Ok(length),
        Err(Errno::EAGAIN | Errno::EINTR) => Err(false),
        Err(_) => Err(true),
    }
}

/// Passes a piece of output on as lines; whether the pipe has ended.
fn pass_on(
    fd: &OwnedFd,
    lines: &mut LineCutter,
    plan: &PlanHandles,
    pid: i32,
    now: Instant,
) -> Result<(), bool> {
    let mut buffer = vec![0; PIECE];
    let length = read_once(fd, &mut buffer)?;
    let mut budget = plan.budget.borrow_mut();
    budget.advance(now);
    if lines.push(&buffer[..length], &mut budget, |level, text| plan.log.write_as(level, pid, text)) {
        budget.pause(now);
    }
    Ok(())
}

impl OrphanOutput {
    /// Nobody looks at it any more: what is there is logged, and what is left is a line.
    pub(super) fn finish(mut self, now: Instant) {
        let _ = pass_on(&self.output, &mut self.lines, &self.plan, self.pid, now);
        self.lines.finish(|level, text| self.plan.log.write_as(level, self.pid, text));
    }
}

impl Supervisor {
    /// Takes the ready bytes that are there. A byte that means nothing ends the conversation.
    pub(super) fn read_ready(&mut self, pid: i32, now: Instant) {
        let mut bytes = [0; 64];
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Some(fd) = &process.ready else { return };
        let length = match read_once(fd, &mut bytes) {
            Ok(length) if process.may_say(length, now) => length,
            Ok(_) => {
                process.ready = None;
                return process.plan.log.tell(&messages::chatter(pid, &process.plan.plan.name()));
            }
            Err(true) => {
                process.ready = None;
                return self.on(ProcessEvent::Closed(pid), now);
            }
            Err(false) => return,
        };
        let bytes = &bytes[..length];
        for byte in bytes.iter().filter(|byte| **byte != SOCKETS_SIGN) {
            let event = match (ReadyByte::from_number(*byte), EndReason::said_by_daemon(*byte)) {
                (Some(ready), _) => ProcessEvent::Said(pid, ready),
                (None, Some(reason)) => ProcessEvent::Explained(pid, reason),
                (None, None) => {
                    return self.processes.get_mut(&pid).into_iter().for_each(|process| process.ready = None);
                }
            };
            self.on(event, now);
        }
        if bytes.contains(&SOCKETS_SIGN) {
            self.publish_sockets(pid);
        }
    }

    /// Takes the reports of a child that is being set up.
    pub(super) fn read_report(&mut self, pid: i32, now: Instant) {
        loop {
            let mut bytes = [0; REPORT_BYTES];
            let Some(process) = self.processes.get_mut(&pid) else { return };
            let Some(fd) = &process.report else { return };
            match read_once(fd, &mut bytes) {
                // A report is written in one piece, far below PIPE_BUF.
                Ok(REPORT_BYTES) => {
                    let Some((failure, length)) = StepFailure::from_bytes(bytes) else { continue };
                    let mut advice = [0; ADVICE_BYTES];
                    let got = if length > 0 { read_once(fd, &mut advice[..length]).unwrap_or(0) } else { 0 };
                    let text = String::from_utf8_lossy(&advice[..got]).into_owned();
                    self.on_failure(pid, failure, Some(text).filter(|text| !text.is_empty()), now);
                }
                Ok(_) | Err(true) => {
                    process.report = None;
                    return;
                }
                Err(false) => return,
            }
        }
    }

    fn on_failure(&mut self, pid: i32, failure: StepFailure, fix: Option<String>, now: Instant) {
        let Some(process) = self.processes.get(&pid) else { return };
        let line = failure.describe(&process.plan.plan.spec, &process.plan.generation.host_library, fix);
        self.on(ProcessEvent::SetUpFailed(pid, line, failure.is_soft()), now);
    }

    /// Leaves the output of groups alone for a while that have nothing left to spend: their pipes fill, and who writes
    /// there waits, but never for long. Tells what was dropped.
    pub(super) fn advance_output(&mut self, now: Instant) {
        let of_processes =
            self.processes.values().filter(|process| process.output.is_some()).map(|process| &process.plan);
        let plans = of_processes.chain(self.orphans.iter().map(|orphan| &orphan.plan));
        let mut moments = Vec::new();
        for plan in plans {
            let mut budget = plan.budget.borrow_mut();
            moments.extend(budget.paused(now));
            let (told, next) = budget.due(now);
            moments.extend(next);
            if let Some(dropped) = told {
                tell_dropped(plan, dropped);
            }
        }
        moments.into_iter().for_each(|at| self.wake_at(at));
    }

    /// Takes a piece of a daemon's output; tells whether there was one.
    pub(super) fn read_output(&mut self, pid: i32, now: Instant) -> bool {
        let Some(process) = self.processes.get_mut(&pid) else { return false };
        let Some(fd) = &process.output else { return false };
        let result = pass_on(fd, &mut process.lines, &process.plan, pid, now);
        if result == Err(true) {
            process.output = None;
        }
        result.is_ok()
    }

    /// Output of processes whose daemon is dead.
    pub(super) fn read_orphan(&mut self, index: usize, now: Instant) {
        let Some(orphan) = self.orphans.get_mut(index) else { return };
        if pass_on(&orphan.output, &mut orphan.lines, &orphan.plan, orphan.pid, now) == Err(true) {
            self.orphans.remove(index).finish(now);
        }
    }

    /// The last look at the output of processes whose daemon is dead.
    pub(super) fn finish_orphans(&mut self, now: Instant) {
        self.orphans.drain(..).for_each(|orphan| orphan.finish(now));
    }
}

fn tell_dropped(plan: &PlanHandles, dropped: DroppedLines) {
    let DroppedLines { lines, bytes } = dropped;
    let line = messages::output_dropped(lines, bytes, &plan.plan.name(), plan.plan.spec.log_rate);
    plan.log.tell(&line);
}
