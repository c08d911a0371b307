//! Starting processes: from where the next one of a slot comes, and what came of an attempt.

use super::StateMachine;
use super::backoff::ProcessOutcome;
use super::event::{GroupCounter, ProcessAction, ProcessRole, StartOrder};
use super::forker::{WorkerBirth, ZygoteCandidate};
use super::process::DaemonProcess;
use crate::log_line::LogLine;
use crate::messages;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A group that has so many killed processes beyond its places, which do not end, gets no further one.
const STUCK: usize = 8;
/// How often it is seen whether they have.
const LOOK: Duration = Duration::from_secs(1);

/// Where the next process of a slot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessOrigin {
    /// It is exec'ed.
    Exec,
    /// This zygote forks it.
    Zygote(i32),
    /// A zygote that is not ready yet will, or it is on its way.
    Wait,
}

impl StateMachine {
    /// Starts what is missing or shall be replaced, beginning after the slot that had its turn last.
    pub(super) fn advance_groups(&mut self, now: Instant) {
        self.advance_forkers(now);
        let names: Vec<_> = self.groups.keys().cloned().collect();
        for name in &names {
            self.advance_roll(name, now);
            self.advance_retiring(name, now);
        }
        let mut places: Vec<_> = (self.groups.iter())
            .flat_map(|(name, group)| (0..group.slots.len()).map(|index| (name.clone(), index)))
            .collect();
        if let Some(last) = &self.advanced_to {
            let done = places.partition_point(|place| place <= last);
            places.rotate_left(done);
        }
        self.order_places(&mut places);
        for place in places {
            if self.is_behind {
                return self.wake_at(now);
            }
            self.advance_slot(&place.0, place.1, now);
            if self.is_behind {
                self.advanced_to = Some(place);
            }
        }
        match self.is_behind {
            true => self.wake_at(now),
            false if self.is_held_up() => {}
            false => self.advanced_to = None,
        }
    }

    /// Starts a process for a slot from where it comes.
    pub(super) fn start_from(
        &mut self,
        origin: ProcessOrigin,
        name: &[u8],
        index: usize,
        has_predecessor: bool,
        now: Instant,
    ) {
        if origin == ProcessOrigin::Wait || self.is_clogged(name, now) {
            return;
        }
        let serial = self.occupant(name, index).map(|current| current.plan.serial);
        let Some(slot) = self.slot_mut(name, index) else { return };
        let order = StartOrder {
            plan: Rc::clone(&slot.plan),
            role: ProcessRole::Worker { slot: index, has_predecessor },
            // In a new generation a script may be gone from the configuration.
            is_lenient: serial.is_some_and(|serial| serial != slot.plan.serial),
            wants_socket: slot.wants_socket,
        };
        let is_forked = matches!(origin, ProcessOrigin::Zygote(_));
        slot.retry_at = slot.retry_at.filter(|_| !is_forked);
        self.is_behind = true;
        match origin {
            ProcessOrigin::Zygote(zygote) => {
                let number = self.new_number();
                let birth = WorkerBirth::new(number, order.clone(), index, zygote, now);
                self.wake_at(birth.deadline);
                self.births.push(birth);
                self.act(ProcessAction::Fork(number, zygote, order));
                self.publish(name, index);
            }
            ProcessOrigin::Exec | ProcessOrigin::Wait => self.act(ProcessAction::Exec(order)),
        }
    }

    /// Starts a zygote: for changed code that the process of slot `asker` has noticed, or because there is none.
    pub(super) fn start_zygote(&mut self, name: &[u8], asker: Option<usize>, now: Instant) {
        if self.is_behind {
            return self.wake_at(now);
        }
        if self.is_clogged(name, now) {
            return;
        }
        let Some(forker) = self.groups.get(name).and_then(|group| group.forker.as_ref()) else { return };
        let plan = Rc::clone(&forker.plan);
        let role = ProcessRole::Zygote { asker };
        self.is_behind = true;
        self.act(ProcessAction::Exec(StartOrder {
            plan,
            role,
            is_lenient: asker.is_none(),
            wants_socket: false,
        }));
    }

    /// A process has been started.
    pub(super) fn started(&mut self, order: &StartOrder, pid: i32, now: Instant) {
        match order.role {
            ProcessRole::Worker { .. } => self.settle(DaemonProcess::new(order, pid, false, now)),
            ProcessRole::Zygote { asker } => self.zygote_started(order, asker, pid, now),
        }
    }

    fn zygote_started(&mut self, order: &StartOrder, asker: Option<usize>, pid: i32, now: Instant) {
        let group = self.groups.get_mut(&order.plan.spec.name);
        let Some(forker) = group.and_then(|group| group.forker.as_mut()) else { return };
        // Others wait for it then: it has to come up within a bounded time.
        let is_awaited = asker.is_some() || forker.is_retried;
        let process = DaemonProcess::new(order, pid, is_awaited, now);
        forker.candidate = Some(ZygoteCandidate { pid, asker, started: now });
        forker.retry_at = None;
        if let Some(deadline) = process.deadline {
            self.wake_at(deadline);
        }
        self.processes.insert(pid, process);
    }

    /// Gives a process its place in its slot. Without a place it is not wanted, and ends when its pipes are closed.
    pub(super) fn settle(&mut self, process: DaemonProcess) {
        let (name, plan) = (process.plan.spec.name.clone(), Rc::clone(&process.plan));
        let Some(index) = process.slot else { return };
        let Some(slot) = self.slot_mut(&name, index) else { return };
        let occupant = if process.is_successor { &mut slot.successor } else { &mut slot.current };
        *occupant = Some(process.pid);
        slot.starts = slot.starts.saturating_add(1);
        slot.retry_at = None;
        self.act(ProcessAction::Count(plan, GroupCounter::Started));
        if let Some(deadline) = process.deadline {
            self.wake_at(deadline);
        }
        self.processes.insert(process.pid, process);
        self.publish(&name, index);
    }

    /// A process could not be started: descriptors, memory or processes have run out.
    pub(super) fn not_started(&mut self, order: &StartOrder, why: &str, now: Instant) {
        let (plan, name) = (&order.plan, &order.plan.spec.name);
        match order.role {
            ProcessRole::Worker { slot, has_predecessor } => {
                self.log(plan, messages::cannot_start(&plan.name(), why));
                if has_predecessor {
                    return self.successor_lost(name, slot, true, now);
                }
                let Some(place) = self.slot_mut(name, slot) else { return };
                let retry_at = now + place.backoff.note(ProcessOutcome::NotSetUp);
                place.retry_at = Some(retry_at);
                self.wake_at(retry_at);
                self.publish(name, slot);
            }
            ProcessRole::Zygote { asker } => {
                let group = self.groups.get_mut(name);
                if let Some(forker) = group.and_then(|group| group.forker.as_mut()) {
                    forker.note_death(ProcessOutcome::NeverServed, now);
                }
                self.log(plan, messages::cannot_start_zygote(&plan.name(), why));
                if asker.is_some() {
                    self.answer_askers(name, now, true, now);
                }
                self.check_patience(name, now);
            }
        }
    }

    /// A step of the set-up of a process has failed: one line, and the same one again only at level info.
    pub(super) fn set_up_failed(&mut self, pid: i32, line: LogLine, goes_on: bool) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.set_up_failed |= !goes_on;
        let plan = Rc::clone(&process.plan);
        let group = self.groups.get_mut(&plan.spec.name);
        let told = group.and_then(|group| group.told_set_up.replace(line.clone()));
        let is_repeated = told.as_ref() == Some(&line);
        self.log(&plan, if is_repeated { line.repeated() } else { line });
    }

    /// Whether so many processes of a group were killed without ending that it gets no further one. An application can have
    /// them wait in the kernel, for a file system of its user's, and ask for another process again and again.
    fn is_clogged(&mut self, name: &[u8], now: Instant) -> bool {
        let stuck = self.processes.values().filter(|process| process.killed && process.is_of(name));
        let stuck: Vec<i32> = stuck.map(|process| process.pid).collect();
        let Some(group) = self.groups.get_mut(name) else { return false };
        let is_clogged = stuck.len() >= STUCK + group.slots.len();
        let is_told = std::mem::replace(&mut group.told_clogged, is_clogged);
        if !is_clogged {
            return false;
        }
        if let Some(plan) = group.plan.clone().filter(|_| !is_told) {
            self.log(&plan, messages::clogged(&plan.name(), &stuck));
        }
        self.wake_at(now + LOOK);
        true
    }
}
