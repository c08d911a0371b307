//! Another number of processes for a group, without losing a request: a place that goes is first closed to new
//! requests, then its process drains, and its socket stays as long as the process, so that who is still queued
//! there is served, or is seen not to have been started and goes elsewhere.

use super::Supervisor;
use crate::escalation::EndingReason;
use crate::group::RetiringSocket;
use crate::log::LogLevel;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wsgi_protocol::status::SlotState;

/// How long a place goes on serving for those who chose it just before it was closed.
const STRAGGLERS: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Gives a group `count` processes; 0 stops it.
    ///
    /// # Errors
    /// One sentence: a socket for another process cannot be made. The group has as many as before then.
    pub(super) fn scale(&mut self, name: &[u8], count: usize, now: Instant) -> Result<(), String> {
        self.extend(name, count, now)?;
        let Some(group) = self.groups.get_mut(name) else { return Ok(()) };
        (group.wanted, group.stopped) = (count, count == 0);
        self.births.retain(|birth| birth.plan.spec.name != name || birth.slot < count);
        for (index, generation) in self.live.iter().rev().enumerate() {
            // Children of an older generation do not learn of further processes.
            generation.set_count(name, if index == 0 { count } else { generation.count(name).min(count) });
        }
        let first = count.min(group.slots.len());
        for (index, mut slot) in group.slots.drain(first..).enumerate() {
            if let Some(next) = &mut slot.next {
                next.withdraw();
            }
            let pids = [slot.current, slot.successor].into_iter().flatten().collect();
            for generation in &self.live {
                generation.with_slot(name, first + index, |memory| {
                    memory.state.store(SlotState::Retired as u32, Ordering::Release);
                });
            }
            let (log, listener) = (slot.plan.log.clone(), slot.listener);
            group.retiring.push(RetiringSocket { listener, log, pids, drain_at: Some(now + STRAGGLERS) });
        }
        self.publish_all();
        Ok(())
    }

    /// Sockets and slots for further processes, and for places that only an older configuration had wanted.
    fn extend(&mut self, name: &[u8], count: usize, now: Instant) -> Result<(), String> {
        let Some(group) = self.groups.get_mut(name) else { return Ok(()) };
        let Some(plan) = group.plan.clone() else { return Ok(()) };
        let (wanted, known) = (group.wanted, group.slots.len());
        if known < count {
            // The new sockets may have the names of those that are going.
            group.retiring.iter_mut().for_each(|retiring| _ = retiring.listener.withdraw());
        }
        let mut sockets = Vec::new();
        for (index, path) in plan.spec.sockets.paths.iter().enumerate().take(count).skip(wanted.min(known)) {
            let path = Path::new(OsStr::from_bytes(path));
            match self.socket_for(&plan.spec, index, path, &plan.log) {
                Ok(socket) => sockets.push((index, socket)),
                Err(error) => {
                    sockets.iter_mut().for_each(|(_, socket)| socket.withdraw());
                    return Err(error.to_string());
                }
            }
        }
        for (index, socket) in sockets {
            self.seat(&plan, index, socket, now);
        }
        Ok(())
    }

    /// Lets places go whose time has come.
    pub(super) fn advance_retiring(&mut self, name: &[u8], now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut retiring = std::mem::take(&mut group.retiring);
        retiring.retain_mut(|place| {
            match place.drain_at {
                Some(at) if at > now => self.wake_at(at),
                Some(_) => {
                    place.drain_at = None;
                    for problem in place.listener.withdraw() {
                        place.log.write(LogLevel::WARN, &problem);
                    }
                    for pid in &place.pids {
                        if let Some(process) = self.processes.get_mut(pid) {
                            process.end(EndingReason::MakeRoom, now);
                        }
                    }
                    self.wake_at(now);
                }
                None => place.pids.retain(|pid| self.processes.contains_key(pid)),
            }
            place.drain_at.is_some() || !place.pids.is_empty()
        });
        if let Some(group) = self.groups.get_mut(name) {
            group.retiring = retiring;
        }
    }
}
