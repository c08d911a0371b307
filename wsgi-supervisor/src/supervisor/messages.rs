//! Reading what daemons say: ready bytes, failures of the set-up, output.

use super::{Orphan, Supervisor};
use crate::log::{Level, Log};
use crate::output::Lines;
use crate::spawn::advice;
use crate::spawn::step::{Failure, REPORT_BYTES, Step};
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use std::time::Instant;
use wsgi_protocol::death::Reason;
use wsgi_protocol::launch::Ready;

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
fn pass_on(fd: &OwnedFd, lines: &mut Lines, log: &Log, pid: i32) -> Result<(), bool> {
    let mut buffer = vec![0; PIECE];
    let length = read_once(fd, &mut buffer)?;
    lines.push(&buffer[..length], |level, text| log.write_as(level, pid, text));
    Ok(())
}

impl Supervisor {
    /// Takes the ready bytes that are there. A byte that means nothing ends the conversation.
    pub(super) fn read_ready(&mut self, pid: i32, now: Instant) {
        let mut bytes = [0; 64];
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Some(fd) = &process.ready else { return };
        let length = match read_once(fd, &mut bytes) {
            Ok(length) => length,
            Err(ended) => {
                if ended {
                    process.ready = None;
                }
                return;
            }
        };
        for byte in &bytes[..length] {
            match (Ready::from_byte(*byte), Reason::said_by_daemon(*byte)) {
                (Some(ready), _) => self.on_ready(pid, ready, now),
                (None, Some(reason)) => {
                    if let Some(process) = self.processes.get_mut(&pid) {
                        process.reason.get_or_insert(reason);
                    }
                }
                (None, None) => {
                    if let Some(process) = self.processes.get_mut(&pid) {
                        process.ready = None;
                    }
                    return;
                }
            }
        }
    }

    /// Takes the reports of a child that is being set up.
    pub(super) fn read_report(&mut self, pid: i32) {
        loop {
            let mut bytes = [0; REPORT_BYTES];
            let Some(process) = self.processes.get_mut(&pid) else { return };
            let Some(fd) = &process.report else { return };
            match read_once(fd, &mut bytes) {
                // A report is written in one piece, far below PIPE_BUF.
                Ok(REPORT_BYTES) => {
                    if let Some(failure) = Failure::from_bytes(bytes) {
                        self.on_failure(pid, failure);
                    }
                }
                Ok(_) | Err(true) => {
                    process.report = None;
                    return;
                }
                Err(false) => return,
            }
        }
    }

    /// One line for a step that failed; the same one again only at level info.
    fn on_failure(&mut self, pid: i32, failure: Failure) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let spec = &process.plan.spec;
        let fix = match (failure.step, failure.errno) {
            (Step::Exec, Errno::EACCES) if spec.identity.chroot.is_none() => {
                advice::for_denied(&spec.interpreter, &spec.identity)
            }
            (Step::Exec, Errno::ENOENT) if spec.identity.chroot.is_none() => {
                advice::for_missing(&spec.interpreter)
            }
            _ => None,
        };
        let line = failure.describe(spec, &process.plan.generation.host_library, fix);
        process.set_up_failed |= !failure.is_soft();
        let mut level = failure.message().level();
        if let Some(group) = self.groups.get_mut(&spec.name) {
            if group.told_set_up.as_deref() == Some(line.as_str()) {
                level = Level::INFO;
            }
            group.told_set_up = Some(line.clone());
        }
        process.plan.log.write(level, &line);
    }

    /// Takes a piece of a daemon's output; tells whether there was one.
    pub(super) fn read_output(&mut self, pid: i32) -> bool {
        let Some(process) = self.processes.get_mut(&pid) else { return false };
        let Some(fd) = &process.output else { return false };
        let result = pass_on(fd, &mut process.lines, &process.plan.log, pid);
        if result == Err(true) {
            process.output = None;
        }
        result.is_ok()
    }

    /// Output of processes whose daemon is dead.
    pub(super) fn read_orphan(&mut self, index: usize) {
        let Some(orphan) = self.orphans.get_mut(index) else { return };
        if pass_on(&orphan.output, &mut orphan.lines, &orphan.log, orphan.pid) == Err(true) {
            let Orphan { pid, log, mut lines, .. } = self.orphans.remove(index);
            lines.finish(|level, text| log.write_as(level, pid, text));
        }
    }
}
