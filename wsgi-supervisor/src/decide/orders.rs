//! What processes say, and what an operator asks for.

use super::StateMachine;
use super::escalation::EndingReason;
use super::event::{GroupOrder, SocketFate};
use super::group::DaemonGroup;
use std::time::{Duration, Instant};
use wsgi_protocol::launch::ReadyByte;

/// Between the end of a process's pipes and the moment when it can be waited for.
const LAST_MOMENT: Duration = Duration::from_millis(300);

impl StateMachine {
    /// A ready byte of a process.
    pub(super) fn said(&mut self, pid: i32, ready: ReadyByte, now: Instant) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Some(index) = process.slot else { return self.zygote_says(pid, ready, now) };
        let name = process.plan.spec.name.clone();
        match ready {
            ReadyByte::Serving => {
                let is_born = process.zygote.is_some() && process.served.is_none();
                process.served.get_or_insert(now);
                process.deadline = None;
                if is_born {
                    self.note_birth(&name, true, now);
                }
                if let Some(group) = self.groups.get_mut(&name) {
                    group.told_set_up = None;
                    group.slots.get_mut(index).into_iter().for_each(|slot| slot.conflicts = 0);
                }
                self.hand_over(&name, index, pid, now);
                self.publish(&name, index);
            }
            ReadyByte::Replace | ReadyByte::Recycle => {
                if process.asked == Some(ReadyByte::Replace) && ready == ReadyByte::Replace {
                    self.give_up_outdated(&name, now);
                } else if process.asked != Some(ReadyByte::Replace) {
                    // What is on its way for this process was asked for before this change was seen.
                    let is_outdated = ready == ReadyByte::Replace
                        && (process.asked.is_some() || process.told_renew.is_some());
                    process.asked = Some(ready);
                    process.asked_at = Some(now);
                    if let Some(group) = self.groups.get_mut(&name).filter(|_| ready == ReadyByte::Replace) {
                        group.code_has_changed(index, now);
                    }
                    if is_outdated {
                        self.give_up_outdated_at(&name, index, now);
                    }
                }
                if ready == ReadyByte::Replace {
                    self.give_up_unasked(&name, now);
                }
            }
            ReadyByte::ImportFailed | ReadyByte::ImportConflict => {
                process.end(EndingReason::Discard, now);
                self.import_failed(&name, index, pid, ready == ReadyByte::ImportConflict, now);
            }
        }
    }

    /// A process could not load what its predecessor had, and ends.
    fn import_failed(&mut self, name: &[u8], index: usize, pid: i32, is_conflict: bool, now: Instant) {
        let Some(slot) = self.slot(name, index) else { return };
        if slot.successor == Some(pid) && is_conflict {
            self.successor_conflicts(name, index, now);
        } else if slot.successor == Some(pid) {
            self.successor_lost(name, index, false, now);
        } else if slot.current == Some(pid) {
            // Its predecessor died meanwhile: the next one starts without one, and serves in any case.
            if is_conflict {
                self.note_conflict(name, index);
            }
            self.occupant_failed(name, index, now);
        }
    }

    /// A process says nothing any more: it ends, or has lost its descriptors.
    pub(super) fn closed(&mut self, pid: i32, now: Instant) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.closed_at = Some(now + LAST_MOMENT);
        }
    }

    /// The socket of a slot was of no use any more, and was replaced: so are its processes.
    pub(super) fn socket_replaced(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(slot) = self.slot(name, index) else { return };
        for pid in slot.occupants() {
            if let Some(process) = self.processes.get_mut(&pid) {
                (process.renew, process.told_renew) = (true, Some(now));
            }
        }
    }

    /// Whether an operator may order this of a group now.
    ///
    /// # Errors
    /// One sentence: why not.
    pub fn allow(&self, name: &[u8], order: GroupOrder) -> Result<(), String> {
        let text = String::from_utf8_lossy(name);
        let group = self.current_group(name)?;
        match order {
            GroupOrder::Restart | GroupOrder::Scale(_) if group.stopped => {
                Err(format!("daemon process group '{text}' is stopped; `mod_wsgi-ctl start` starts it"))
            }
            GroupOrder::Scale(processes) => allow_scale(group, processes),
            GroupOrder::Start if !group.stopped => {
                Err(format!("daemon process group '{text}' is not stopped"))
            }
            GroupOrder::Restart | GroupOrder::Stop | GroupOrder::Start => Ok(()),
        }
    }

    /// A group of the newest configuration.
    ///
    /// # Errors
    /// One sentence: there is none, or everything ends.
    pub fn current_group(&self, name: &[u8]) -> Result<&DaemonGroup, String> {
        if self.ending.is_some() {
            return Err("httpd is stopping".to_owned());
        }
        let is_current = self.live.last().is_some_and(|newest| newest.counts.contains_key(name));
        self.groups.get(name).filter(|_| is_current).ok_or_else(|| {
            let text = String::from_utf8_lossy(name);
            format!("there is no daemon process group '{text}'; `mod_wsgi-ctl status` lists them")
        })
    }

    /// How many processes the group will have after an order.
    #[must_use]
    pub fn count_after(&self, name: &[u8], order: GroupOrder) -> usize {
        let group = self.groups.get(name);
        match order {
            GroupOrder::Restart => group.map_or(0, |group| group.wanted),
            GroupOrder::Scale(processes) => processes as usize,
            GroupOrder::Stop => 0,
            GroupOrder::Start => {
                group.and_then(|group| group.plan.as_ref()).map_or(1, |plan| plan.spec.processes as usize)
            }
        }
    }

    /// Carries out what an operator has ordered.
    pub(super) fn operate(
        &mut self,
        name: &[u8],
        order: GroupOrder,
        sockets: &[(usize, SocketFate)],
        now: Instant,
    ) {
        let count = self.count_after(name, order);
        let Some(group) = self.groups.get_mut(name) else { return };
        match order {
            GroupOrder::Restart => {
                group.roll(now, true);
                return self.give_up_all(name, now);
            }
            GroupOrder::Start => {
                if let Some(forker) = group.forker.as_mut() {
                    forker.try_again();
                }
            }
            GroupOrder::Scale(_) | GroupOrder::Stop => {}
        }
        self.scale(name, count, sockets, now);
    }
}

/// Whether a group may have so many processes.
fn allow_scale(group: &DaemonGroup, processes: u32) -> Result<(), String> {
    let Some(plan) = &group.plan else { return Err("the group is not configured".to_owned()) };
    let (name, most) = (plan.name(), plan.spec.sockets.paths.len());
    let count = usize::try_from(processes).unwrap_or(usize::MAX);
    if count == 0 {
        return Err("a group has at least one process; `mod_wsgi-ctl stop` ends them all".to_owned());
    }
    if count > most {
        return Err(format!(
            "group '{name}' can have {most} processes at most until httpd reads its configuration again: raise processes="
        ));
    }
    if count > 1 && !plan.spec.launch.multiprocess {
        return Err(format!(
            "group '{name}' has no processes= option, which promises its application that there is only one process \
             (wsgi.multiprocess): write processes=1 to allow more"
        ));
    }
    Ok(())
}
