//! What the supervisor decides, as a state machine: what has happened comes in, what shall be done goes out. It knows no
//! process, descriptor or clock, so that each rule can be tried without one.

mod backoff;
mod births;
mod conflict;
mod crowding;
mod deadline;
mod death;
mod end;
pub mod escalation;
mod event;
mod forker;
mod generations;
mod group;
mod orders;
mod plan;
mod process;
mod replacement;
mod roll;
mod scale;
mod start;

pub use event::{
    GroupCounter, GroupOrder, Installation, PlaceCount, ProcessAction, ProcessEvent, ProcessRole, SocketFate,
    StartOrder,
};
pub use group::{DaemonGroup, ProcessSlot};
pub use plan::{GroupPlan, HeirloomOwner, SupervisorEnd, owner};
pub use process::DaemonProcess;

use crate::log_line::LogLine;
use crowding::StartCrowd;
use forker::WorkerBirth;
use generations::LiveGeneration;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;
use wsgi_protocol::status::SlotState;

/// All groups and processes, and what is decided about them.
#[derive(Debug, Default, Clone)]
pub struct StateMachine {
    groups: BTreeMap<Vec<u8>, DaemonGroup>,
    processes: BTreeMap<i32, DaemonProcess>,
    /// Workers that zygotes were asked for.
    births: Vec<WorkerBirth>,
    /// Generations with httpd children, the current one last.
    live: Vec<LiveGeneration>,
    /// Up to this serial all httpd children had ended when the next configuration came (a restart that is not
    /// graceful): nobody waits for what the processes of those generations run.
    deserted: u64,
    /// Since when no httpd process can reach the newest generation: between two configurations of a restart, or
    /// for good when the next one does not load the module.
    abandoned: Option<Instant>,
    ending: Option<SupervisorEnd>,
    /// The slot after which the next turn of starts begins.
    advanced_to: Option<(Vec<u8>, usize)>,
    /// A process is started in this tick; others follow in the next one, which knows what came of it.
    is_behind: bool,
    crowd: StartCrowd,
    /// The last number given to a birth or to a place that is given up.
    last_number: u64,
    /// The next moment at which something is due.
    wake: Option<Instant>,
    /// What shall be done.
    actions: Vec<ProcessAction>,
}

impl StateMachine {
    /// Takes notice of what has happened; returns what shall be done, in this order.
    pub fn on(&mut self, event: ProcessEvent, now: Instant) -> Vec<ProcessAction> {
        match event {
            ProcessEvent::Tick => self.tick(now),
            ProcessEvent::Awaited(places) => self.await_first(places, now),
            ProcessEvent::Started(order, pid) => self.started(&order, pid, now),
            ProcessEvent::NotStarted(order, why) => self.not_started(&order, &why, now),
            ProcessEvent::NotAsked(number, why) => self.birth_lost(number, &why, now),
            ProcessEvent::Born(number, pid) => self.born(number, pid, now),
            ProcessEvent::Unborn(number) => {
                self.birth_lost(number, "its process ended before it was there", now);
            }
            ProcessEvent::Said(pid, ready) => self.said(pid, ready, now),
            ProcessEvent::Explained(pid, reason) => {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.reason.get_or_insert(reason);
                }
            }
            ProcessEvent::SetUpFailed(pid, line, goes_on) => self.set_up_failed(pid, line, goes_on),
            ProcessEvent::Closed(pid) => self.closed(pid, now),
            ProcessEvent::Deaf(pid) => self.takes_no_orders(pid, now),
            ProcessEvent::Died(death, hint) => self.died(&death, hint, now),
            ProcessEvent::Configured(serial, is_deserted, counts, installed) => {
                self.configured(serial, is_deserted, counts, installed, now);
            }
            ProcessEvent::Installed((plan, sockets)) => self.install(&plan, &sockets, now),
            ProcessEvent::Childless(serial) => self.childless(serial, now),
            ProcessEvent::Operated(group, order, sockets) => self.operate(&group, order, &sockets, now),
            ProcessEvent::SocketSwitched(group, slot) => {
                if let Some(slot) = self.slot_mut(&group, slot) {
                    (slot.wants_socket, slot.is_cut_off) = (false, false);
                }
            }
            ProcessEvent::SocketRefused(group, slot) => {
                if let Some(slot) = self.slot_mut(&group, slot) {
                    slot.wants_socket = false;
                }
            }
            ProcessEvent::SocketReplaced(group, slot) => self.socket_replaced(&group, slot, now),
            ProcessEvent::Ending(end) => self.begin_end(end, now),
            ProcessEvent::KillAll => self.kill_all(),
        }
        std::mem::take(&mut self.actions)
    }

    /// Does what is due.
    fn tick(&mut self, now: Instant) {
        (self.wake, self.is_behind) = (None, false);
        self.begin_starts();
        self.advance_abandonment(now);
        self.advance_processes(now);
        if self.ending.is_none() {
            self.advance_groups(now);
        }
    }

    /// When the next tick is due by itself.
    #[must_use]
    pub fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Whether more processes are to be started at once than one tick does.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Why everything ends, if it does.
    #[must_use]
    pub fn ending(&self) -> Option<SupervisorEnd> {
        self.ending
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&Vec<u8>, &DaemonGroup)> {
        self.groups.iter()
    }

    /// A group.
    #[must_use]
    pub fn group(&self, group: &[u8]) -> Option<&DaemonGroup> {
        self.groups.get(group)
    }

    /// A slot of a group.
    #[must_use]
    pub fn slot(&self, group: &[u8], index: usize) -> Option<&ProcessSlot> {
        self.groups.get(group)?.slots.get(index)
    }

    /// All processes that have not been waited for.
    pub fn processes(&self) -> impl Iterator<Item = &DaemonProcess> {
        self.processes.values()
    }

    /// A process.
    #[must_use]
    pub fn process(&self, pid: i32) -> Option<&DaemonProcess> {
        self.processes.get(&pid)
    }

    /// The process that serves a slot, or is the first to come up there.
    #[must_use]
    pub fn occupant(&self, group: &[u8], index: usize) -> Option<&DaemonProcess> {
        self.processes.get(&self.slot(group, index)?.current?)
    }

    /// What httpd's children are told of a slot, if they may have the process that serves it.
    #[must_use]
    pub fn state_of(&self, group: &[u8], index: usize) -> SlotState {
        let Some(slot) = self.slot(group, index) else { return SlotState::Empty };
        match self.occupant(group, index) {
            _ if slot.plan.is_service() => SlotState::Service,
            Some(process) if process.served.is_some() => SlotState::Serving,
            _ if slot.backoff.is_failing() => SlotState::Failed,
            _ => SlotState::Starting,
        }
    }

    /// What a worker that was asked for will be, and of which zygote, as long as it is waited for.
    #[must_use]
    pub fn birth(&self, number: u64) -> Option<(&StartOrder, i32)> {
        let birth = self.births.iter().find(|birth| birth.number == number)?;
        Some((&birth.order, birth.zygote))
    }

    /// Whether a place that was given up is still served.
    #[must_use]
    pub fn is_retiring(&self, number: u64) -> bool {
        self.groups.values().flat_map(|group| &group.retiring).any(|place| place.number == number)
    }

    /// Whether the slot may be given another socket now: an application can shut sockets at any rate.
    pub fn grant_socket(&mut self, group: &[u8], index: usize, now: Instant) -> bool {
        self.slot_mut(group, index).is_some_and(|slot| slot.pace.take(now).is_ok())
    }

    fn slot_mut(&mut self, group: &[u8], index: usize) -> Option<&mut ProcessSlot> {
        self.groups.get_mut(group)?.slots.get_mut(index)
    }

    /// Remembers that something is due at `moment`.
    fn wake_at(&mut self, moment: Instant) {
        self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)));
    }

    fn act(&mut self, action: ProcessAction) {
        self.actions.push(action);
    }

    fn log(&mut self, plan: &Rc<GroupPlan>, line: LogLine) {
        self.actions.push(ProcessAction::Log(Rc::clone(plan), line));
    }

    fn publish(&mut self, group: &[u8], index: usize) {
        self.actions.push(ProcessAction::Publish(group.to_vec(), index));
    }

    /// The process of a slot is another one, or none: httpd's children are told.
    fn occupant_left(&mut self, group: &[u8], index: usize) {
        self.actions.push(ProcessAction::Replaced(group.to_vec(), index));
    }

    fn new_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

#[cfg(test)]
mod tests;
