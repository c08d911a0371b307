//! Does what the state machine wants done.

use super::Supervisor;
use crate::decide::{GroupCounter, GroupPlan, ProcessAction, ProcessEvent};
use crate::generation::PlanHandles;
use crate::handles::RetiredSocket;
use crate::listen::ListeningSocket;
use crate::log_line::LogLine;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wsgi_protocol::launch::DaemonOrder;
use wsgi_protocol::metrics::GroupRecord;
use wsgi_protocol::status::SlotState;
use wsgi_system::clock::epoch_us;

impl Supervisor {
    /// Tells the state machine what has happened, and does what it wants done.
    pub(super) fn on(&mut self, event: ProcessEvent, now: Instant) {
        for action in self.machine.on(event, now) {
            self.perform(action, now);
        }
    }

    fn perform(&mut self, action: ProcessAction, now: Instant) {
        match action {
            ProcessAction::Exec(order) => self.exec(order, now),
            ProcessAction::Fork(number, zygote, order) => self.ask_zygote(number, zygote, &order, now),
            ProcessAction::Order(pid, order) => self.send(pid, order, now),
            ProcessAction::Terminate(pid) => signal(pid, Signal::SIGTERM),
            ProcessAction::Kill(pid) => signal(pid, Signal::SIGKILL),
            ProcessAction::Publish(group, slot) => self.publish(&group, slot),
            ProcessAction::Replaced(group, slot) => self.publish_replaced(&group, slot),
            ProcessAction::PublishCount(serial, group, count) => {
                let generation = self.live.iter().find(|generation| generation.serial == serial);
                generation.into_iter().for_each(|generation| generation.publish_count(&group, count));
            }
            ProcessAction::SwitchSocket(group, slot) => self.switch_socket(&group, slot, now),
            ProcessAction::ForgetHeirloom(group, slot) => {
                if let Some(slot) = self.slot_mut(&group, slot) {
                    slot.heirloom = None;
                }
            }
            ProcessAction::Retire(group, slot, number) => self.retire(&group, slot, number),
            ProcessAction::Withdraw(number) => {
                let Some(place) = self.retired.get_mut(&number) else { return };
                tell_problems(&place.plan, place.listener.withdraw());
            }
            ProcessAction::Vacate(group, from) => self.vacate(&group, from),
            ProcessAction::Count(plan, counter) => {
                let Some(plan) = self.handles_of(&plan) else { return };
                plan.count(|counters| match counter {
                    GroupCounter::Started => GroupRecord::note_start(counters),
                    GroupCounter::Reloaded { is_done, is_changed_code } => {
                        counters.note_reload(is_done, epoch_us(), is_changed_code);
                    }
                });
            }
            ProcessAction::Log(plan, line) => {
                if let Some(plan) = self.handles_of(&plan) {
                    plan.log.tell(&line);
                }
            }
        }
    }

    /// What belongs to a plan. It is there as long as anything is decided by the plan.
    pub(super) fn handles_of(&self, plan: &GroupPlan) -> Option<&Rc<PlanHandles>> {
        self.plans.get(&(plan.serial, plan.spec.name.clone()))
    }

    /// Keeps what belongs to a plan.
    pub(super) fn keep_plan(&mut self, plan: &Rc<PlanHandles>) {
        self.plans.insert((plan.plan.serial, plan.plan.spec.name.clone()), Rc::clone(plan));
    }

    /// Lets go of what nothing is decided about any more.
    pub(super) fn forget(&mut self) {
        self.unborn.retain(|number, _| self.machine.birth(*number).is_some());
        self.retired.retain(|number, _| self.machine.is_retiring(*number));
        self.slots.retain(|name, slots| !slots.is_empty() || self.machine.group(name).is_some());
        // One reference is that of the handles.
        self.plans.retain(|_, plan| Rc::strong_count(&plan.plan) > 1);
    }

    fn send(&mut self, pid: i32, order: DaemonOrder, now: Instant) {
        let Some(process) = self.processes.get(&pid) else { return };
        if nix::unistd::write(&process.order, &[order as u8]) == Err(Errno::EPIPE) {
            self.on(ProcessEvent::Deaf(pid), now);
        }
    }

    /// A place is given up: it is closed to new requests.
    fn retire(&mut self, name: &[u8], index: usize, number: u64) {
        let Some(mut slot) = self.slots.get_mut(name).and_then(Vec::pop) else { return };
        if let Some(next) = &mut slot.next {
            next.withdraw();
        }
        for generation in &self.live {
            generation.with_slot(name, index, |memory| {
                memory.state.store(SlotState::Retired as u32, Ordering::Release);
            });
        }
        self.retired.insert(number, RetiredSocket { plan: slot.plan, listener: slot.listener });
    }

    /// Sockets that nobody wants any more go.
    fn vacate(&mut self, name: &[u8], from: usize) {
        let Some(slots) = self.slots.get_mut(name) else { return };
        for mut slot in slots.drain(from.min(slots.len())..) {
            let next = slot.next.as_mut().map(ListeningSocket::withdraw).unwrap_or_default();
            tell_problems(&slot.plan, [slot.listener.withdraw(), next].concat());
        }
    }
}

/// It has not been waited for, so the number cannot belong to another process.
fn signal(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Logs what went wrong with a socket.
pub(super) fn tell_problems(plan: &PlanHandles, problems: Vec<LogLine>) {
    problems.iter().for_each(|problem| plan.log.tell(problem));
}
