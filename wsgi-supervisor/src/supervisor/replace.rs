//! Who serves a slot: first starts, successors, the hand-over between them, and rolling a whole group.

use super::Supervisor;
use super::births::ProcessOrigin;
use crate::backoff::ProcessOutcome;
use crate::escalation::EndingReason;
use crate::group::{DaemonProcess, ProcessSlot, owner};
use crate::log::LogLevel;
use crate::messages::LineSubject;
use crate::os::clock::epoch_us;
use crate::spawn::{self, SpawnRequest};
use nix::errno::Errno;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wsgi_protocol::launch::{DaemonOrder, ReadyByte};
use wsgi_protocol::metrics::GroupRecord;

/// How long processes are started before the supervisor looks for other things to do.
const TURN: Duration = Duration::from_millis(50);

impl Supervisor {
    /// Starts what is missing or shall be replaced. Where that is much, the rest follows after a look at what has come in
    /// meanwhile: httpd, which wants to give another configuration, waits for an answer.
    pub(super) fn advance_groups(&mut self, now: Instant) {
        self.advance_forkers(now);
        let mut slots: Vec<_> =
            self.groups.iter().map(|(name, group)| (name.clone(), group.slots.len())).collect();
        if let Some(last) = self.advanced_to.take() {
            let done = slots.partition_point(|(name, _)| *name <= last);
            slots.rotate_left(done);
        }
        for (name, count) in slots {
            self.advance_roll(&name, now);
            self.advance_retiring(&name, now);
            for index in 0..count {
                self.advance_slot(&name, index, now);
            }
            if now.elapsed() > TURN {
                self.advanced_to = Some(name);
                return self.wake_at(now);
            }
        }
    }

    pub(super) fn slot_of(&self, process: &DaemonProcess) -> Option<&ProcessSlot> {
        self.slot(&process.plan.spec.name, process.slot)
    }

    pub(super) fn slot(&self, name: &[u8], index: usize) -> Option<&ProcessSlot> {
        self.groups.get(name)?.slots.get(index)
    }

    fn slot_mut(&mut self, name: &[u8], index: usize) -> Option<&mut ProcessSlot> {
        self.groups.get_mut(name)?.slots.get_mut(index)
    }

    fn advance_slot(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(slot) = self.slot(name, index) else { return };
        match (slot.current, slot.successor) {
            (Some(current), None) => self.replace_if_needed(name, index, current, now),
            (Some(_), Some(_)) => {}
            (None, Some(successor)) => {
                // Its predecessor died: it serves alone, however long it takes to come up.
                if let Some(slot) = self.slot_mut(name, index) {
                    (slot.current, slot.successor) = (Some(successor), None);
                }
                self.switch_socket(name, index);
                if let Some(process) = self.processes.get_mut(&successor) {
                    process.is_successor = false;
                    process.deadline = None;
                }
                self.publish(name, index);
            }
            (None, None) => {
                let retry_at = slot.retry_at.filter(|at| *at > now);
                let waits = slot.plan.is_service() && self.is_inhabited(name, index);
                match retry_at {
                    Some(at) => self.wake_at(at),
                    None if waits => {} // a service never runs twice; the end of the old one wakes us
                    None => {
                        let origin = self.origin(name, index, now);
                        self.start_from(origin, name, index, false, now);
                    }
                }
            }
        }
    }

    fn is_inhabited(&self, name: &[u8], index: usize) -> bool {
        self.processes.values().any(|process| process.slot == index && process.plan.spec.name == name)
    }

    /// A process is replaced when it asks for it, when it is of an older generation, or in a roll.
    fn replace_if_needed(&mut self, name: &[u8], index: usize, current: i32, now: Instant) {
        let Some(process) = self.processes.get_mut(&current) else { return };
        let Some(slot) = self.groups.get_mut(name).and_then(|group| group.slots.get_mut(index)) else {
            return;
        };
        let is_stale = process.plan.generation.serial != slot.plan.generation.serial;
        if process.ending.is_some() || !(is_stale || process.renew || process.asked.is_some()) {
            return;
        }
        let is_ours = is_stale || process.told_renew.is_some();
        let (asked, is_service) = (process.asked, process.plan.is_service());
        if is_stale && process.served.is_some() && !slot.is_cut_off {
            // With its scripts loaded, a successor serves its first request as fast as the last one was.
            if let Some(at) = tell_renew(process, now) {
                self.wake_at(at);
                return;
            }
        }
        if asked == Some(ReadyByte::Replace) && !is_ours && self.is_reloading(name) {
            return; // the first one tries: if the new code fails, it fails once
        }
        // What httpd or an operator wants is only held back by failures.
        let pause = self.slot(name, index).and_then(|slot| slot.successor_at);
        if let Some(at) = pause.filter(|at| (asked.is_none() || is_ours) && *at > now) {
            self.wake_at(at);
            return;
        }
        if !is_service && self.is_exclusive(name) {
            if asked.is_none() || is_ours || self.may_replace(name, index, now) {
                self.end_for_successor(name, index, now);
            }
            return;
        }
        let origin = if is_service { ProcessOrigin::Exec } else { self.origin(name, index, now) };
        if origin == ProcessOrigin::Wait {
            return;
        }
        // A daemon may ask at any rate. Where a zygote was started for it, that has counted already.
        let has_counted = asked == Some(ReadyByte::Replace) && origin != ProcessOrigin::Exec;
        if asked.is_some() && !is_ours && !has_counted && !self.may_replace(name, index, now) {
            return;
        }
        self.replace(name, index, current, origin, now);
    }

    /// Whether one more replacement of the slot is within its pace.
    fn may_replace(&mut self, name: &[u8], index: usize, now: Instant) -> bool {
        let Some(slot) = self.slot_mut(name, index) else { return false };
        let granted = slot.pace.take(now);
        if let Err(at) = granted {
            self.wake_at(at);
        }
        granted.is_ok()
    }

    fn replace(&mut self, name: &[u8], index: usize, current: i32, origin: ProcessOrigin, now: Instant) {
        let Some(process) = self.processes.get_mut(&current) else { return };
        let Some(slot) = self.groups.get_mut(name).and_then(|group| group.slots.get_mut(index)) else {
            return;
        };
        if process.plan.is_service() {
            process.end(EndingReason::StopService, now);
            slot.current = None;
            slot.retry_at = None;
            self.wake_at(now);
            self.occupant_left(name, index);
            return;
        }
        self.start_from(origin, name, index, true, now);
    }

    /// Starts a process for a slot from where it comes.
    fn start_from(
        &mut self,
        origin: ProcessOrigin,
        name: &[u8],
        index: usize,
        has_predecessor: bool,
        now: Instant,
    ) {
        if self.is_clogged(name, now) {
            return;
        }
        match origin {
            ProcessOrigin::Exec => self.start(name, index, has_predecessor, now),
            ProcessOrigin::Zygote(zygote) => self.order_birth(name, index, zygote, has_predecessor, now),
            ProcessOrigin::Wait => {}
        }
    }

    /// Whether the first successor with changed code is on its way in the group.
    fn is_reloading(&self, name: &[u8]) -> bool {
        // A roll under way means that the new code has come up in one process.
        let Some(group) = self.groups.get(name).filter(|group| group.roll_since.is_none()) else {
            return false;
        };
        let asked = |slot: &ProcessSlot| self.processes.get(&slot.current?)?.asked;
        group.slots.iter().any(|slot| slot.successor.is_some() && asked(slot) == Some(ReadyByte::Replace))
    }

    /// The changed code does not come up: the other processes that wait for it need not try.
    fn keep_others(&mut self, name: &[u8]) {
        let Some(group) = self.groups.get(name) else { return };
        for slot in group.slots.iter().filter(|slot| slot.successor.is_none()) {
            let Some(process) = slot.current.and_then(|pid| self.processes.get_mut(&pid)) else { continue };
            if process.asked == Some(ReadyByte::Replace) && process.ending.is_none() {
                process.asked = None;
                let _ = nix::unistd::write(&process.order, &[DaemonOrder::Keep as u8]);
            }
        }
    }

    /// Starts a process for a slot, beside its predecessor if it has one.
    fn start(&mut self, name: &[u8], index: usize, has_predecessor: bool, now: Instant) {
        self.oom.forget();
        self.prepare_socket(name, index, has_predecessor);
        let circumstances = self.circumstances;
        let serial = self.slot(name, index).map(|slot| slot.plan.generation.serial);
        let cgroup = self.make_cgroup(name);
        let current = self.slot(name, index).and_then(|slot| self.processes.get(&slot.current?));
        let is_new_generation = current.is_some_and(|old| Some(old.plan.generation.serial) != serial);
        let Some(slot) = self.slot_mut(name, index) else { return };
        let plan = Rc::clone(&slot.plan);
        let started = heirloom(slot).and_then(|()| {
            let Some((_, heirloom)) = &slot.heirloom else { return Err(Errno::EBADF) };
            let request = SpawnRequest {
                spec: &plan.spec,
                host_library: &plan.generation.host_library,
                zygote: false,
                slot: u32::try_from(index).unwrap_or(u32::MAX),
                has_predecessor,
                lenient: is_new_generation,
                listener: slot.socket().as_fd(),
                heirloom: heirloom.as_fd(),
                cgroup: cgroup.as_ref(),
                board: plan.board(),
            };
            spawn::start(&request, circumstances)
        });
        match started {
            Ok(started) => {
                let mut process = DaemonProcess::new(started, Rc::clone(&plan), index, has_predecessor, now);
                process.cgroup = cgroup.map(Rc::new);
                self.settle(process);
            }
            Err(errno) => {
                let (prefix, group) = (LineSubject::Fork.prefix(), plan.name());
                let text =
                    format!("{prefix}cannot start a daemon process of group '{group}': {}", errno.desc());
                plan.log.write(LineSubject::Fork.level(), &text);
                if has_predecessor {
                    self.successor_lost(name, index, true, now);
                } else {
                    let retry_at = now + slot.backoff.note(ProcessOutcome::NotSetUp);
                    slot.retry_at = Some(retry_at);
                    self.wake_at(retry_at);
                    self.publish(name, index);
                }
            }
        }
    }

    /// Gives a process its place in its slot.
    pub(super) fn settle(&mut self, process: DaemonProcess) {
        let (name, index) = (process.plan.spec.name.clone(), process.slot);
        // Without a place it is not wanted, and ends when its pipes are closed.
        let Some(slot) = self.slot_mut(&name, index) else { return };
        let is_successor = process.is_successor;
        let occupant = if is_successor { &mut slot.successor } else { &mut slot.current };
        *occupant = Some(process.pid);
        slot.starts = slot.starts.saturating_add(1);
        process.plan.count(GroupRecord::note_start);
        slot.retry_at = None;
        self.tell_start(&process);
        if let Some(deadline) = process.deadline {
            self.wake_at(deadline);
        }
        self.processes.insert(process.pid, process);
        self.publish(&name, index);
    }

    pub(super) fn tell_start(&self, process: &DaemonProcess) {
        let (spec, identity) = (&process.plan.spec, &process.plan.spec.identity);
        let ids = match self.circumstances.as_root {
            true => format!(" with uid={} gid={}", identity.uid, identity.gid),
            false => String::new(),
        };
        let (pid, group, threads) = (process.pid, process.plan.name(), spec.launch.threads);
        let line = match (&process.forker, process.zygote) {
            (Some(_), _) => format!("starting zygote {pid} of group '{group}'{ids}"),
            (None, Some(_)) => format!("process {pid} of group '{group}' was forked threads={threads}"),
            (None, None) => format!("starting process {pid} of group '{group}'{ids} threads={threads}"),
        };
        process.plan.log.write(LogLevel::INFO, &line);
    }

    /// A ready byte of a process.
    pub(super) fn on_ready(&mut self, pid: i32, ready: ReadyByte, now: Instant) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if process.forker.is_some() {
            return self.zygote_says(pid, ready, now);
        }
        let (name, index) = (process.plan.spec.name.clone(), process.slot);
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
                    process.asked = Some(ready);
                    process.asked_at = Some(now);
                    if let Some(group) = self.groups.get_mut(&name).filter(|_| ready == ReadyByte::Replace) {
                        group.code_has_changed(index, now);
                    }
                }
            }
            ReadyByte::ImportFailed | ReadyByte::ImportConflict => {
                process.end(EndingReason::Discard, now);
                let Some(slot) = self.slot_mut(&name, index) else { return };
                if slot.successor == Some(pid) && ready == ReadyByte::ImportConflict {
                    self.successor_conflicts(&name, index, now);
                } else if slot.successor == Some(pid) {
                    self.successor_lost(&name, index, false, now);
                } else if slot.current == Some(pid) {
                    // Its predecessor died meanwhile: the next one starts without one, and serves in any case.
                    slot.current = None;
                    slot.retry_at = Some(now + slot.backoff.note(ProcessOutcome::NeverServed));
                    if ready == ReadyByte::ImportConflict {
                        slot.note_conflict();
                    }
                    self.occupant_left(&name, index);
                }
            }
        }
    }

    /// A successor serves: its predecessor drains.
    fn hand_over(&mut self, name: &[u8], index: usize, pid: i32, now: Instant) {
        let Some(slot) = self.slot_mut(name, index).filter(|slot| slot.successor == Some(pid)) else {
            return;
        };
        let old = slot.current.replace(pid);
        slot.successor = None;
        (slot.lost_successors, slot.successor_at) = (0, None);
        self.switch_socket(name, index);
        let started = self.processes.get(&pid).map(|process| process.started);
        let deserted = self.deserted;
        if let Some(old) = old.and_then(|old| self.processes.get_mut(&old)) {
            let is_deserted = old.plan.generation.serial <= deserted;
            old.end(if is_deserted { EndingReason::MakeRoom } else { EndingReason::Drain }, now);
            let changed_code = old.asked == Some(ReadyByte::Replace);
            old.plan.count(|counters| counters.note_reload(true, epoch_us(), changed_code));
            if let Some(group) = self.groups.get_mut(name).filter(|_| changed_code) {
                group.roll_since = started;
                group.roll_by_operator = false;
            }
        }
        if let Some(group) = self.groups.get_mut(name) {
            group.is_held_back = false;
        }
        self.occupant_left(name, index);
        self.wake_at(now);
    }

    /// Lets the next process of a group follow that still runs the code from before a change.
    fn advance_roll(&mut self, name: &[u8], now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(since) = group.roll_since else { return };
        let are_expected =
            self.births.iter().any(|birth| birth.has_predecessor && birth.plan.spec.name == name);
        if are_expected || group.slots.iter().any(|slot| slot.successor.is_some()) {
            return; // one by one
        }
        let mut are_old = false;
        for slot in &group.slots {
            let Some(process) = slot.current.and_then(|pid| self.processes.get_mut(&pid)) else { continue };
            if process.started < since && process.ending.is_none() {
                are_old = true;
                if process.served.is_some() {
                    if let Some(at) = tell_renew(process, now) {
                        self.wake_at(at);
                    }
                    return;
                }
            }
        }
        if !are_old {
            group.roll_since = None;
        }
    }

    /// A successor did not come up: its predecessor stays.
    pub(super) fn successor_lost(&mut self, name: &[u8], index: usize, not_set_up: bool, now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(slot) = group.slots.get_mut(index) else { return };
        slot.successor = None;
        let pause = slot.successor_pause(not_set_up);
        slot.successor_at = Some(now + pause);
        if self.ending.is_some() {
            return; // it was we who ended it
        }
        let Some(current) = slot.current.and_then(|pid| self.processes.get_mut(&pid)) else { return };
        let (group_name, pid) = (slot.plan.name(), current.pid);
        let is_stale = current.plan.generation.serial != slot.plan.generation.serial;
        let was_rolled = std::mem::take(&mut current.renew) | current.told_renew.take().is_some();
        group.is_held_back = true;
        let asked = current.asked.take();
        current.asked_at = None;
        let changed_code = asked == Some(ReadyByte::Replace);
        current.plan.count(|counters| counters.note_reload(false, epoch_us(), changed_code));
        if asked.is_some() {
            let _ = nix::unistd::write(&current.order, &[DaemonOrder::Keep as u8]);
        }
        if was_rolled {
            group.roll_since = None;
        }
        let reason = match asked {
            _ if is_stale => "with the new configuration",
            _ if was_rolled && group.roll_by_operator => "at the restart by mod_wsgi-ctl",
            Some(ReadyByte::Recycle) if !was_rolled => "to recycle a process",
            _ => "with the changed code",
        };
        let why = if not_set_up { "cannot be started" } else { "does not come up" };
        let again = match is_stale {
            true => format!(", it is tried again in {} s and later at least every minute", pause.as_secs()),
            false => String::new(),
        };
        let is_repeated = is_stale && group.told_kept == Some(slot.plan.generation.serial);
        if is_stale {
            group.told_kept = Some(slot.plan.generation.serial);
        }
        let level = if is_repeated { LogLevel::INFO } else { LogLevel::ERROR };
        let line =
            format!("daemon process group '{group_name}' {why} {reason}: process {pid} keeps serving{again}");
        slot.plan.log.write(level, &line);
        if asked == Some(ReadyByte::Replace) {
            self.keep_others(name);
        }
        self.publish(name, index);
        self.wake_at(now);
    }

    /// The process of a slot is another one, or none: httpd's children are told.
    pub(super) fn occupant_left(&self, name: &[u8], index: usize) {
        for generation in &self.live {
            generation.with_slot(name, index, |slot| {
                slot.epoch.fetch_add(1, Ordering::Release);
            });
        }
        self.publish(name, index);
    }
}

/// Tells a process that it shall be replaced. One that does not ask for its successor in a second gets it unasked,
/// and a service is replaced at once. Returns when to look again.
fn tell_renew(process: &mut DaemonProcess, now: Instant) -> Option<Instant> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let told = match process.told_renew {
        Some(told) => told,
        None => {
            let _ = nix::unistd::write(&process.order, &[DaemonOrder::Renew as u8]);
            *process.told_renew.insert(now)
        }
    };
    process.renew = process.plan.is_service() || (process.asked.is_none() && now >= told + PATIENCE);
    (!process.renew && process.asked.is_none()).then_some(told + PATIENCE)
}

/// Makes sure that a slot has an heirloom of the user its processes run as.
pub(super) fn heirloom(slot: &mut ProcessSlot) -> Result<(), Errno> {
    let owner = owner(&slot.plan.spec.identity);
    if slot.heirloom.as_ref().is_none_or(|(known, _)| *known != owner) {
        slot.heirloom = Some((owner, spawn::heirloom()?));
    }
    Ok(())
}
