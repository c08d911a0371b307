//! What httpd's children see of each slot, in the status memory.

use super::Supervisor;
use std::sync::atomic::Ordering;
use wsgi_protocol::launch::SOCKETS_AT;
use wsgi_protocol::status::SlotState;

impl Supervisor {
    /// Writes state and process id of a slot into the status memories.
    pub(super) fn publish(&self, name: &[u8], index: usize) {
        let Some(slot) = self.machine.slot(name, index) else { return };
        let (state, pid) = (self.machine.state_of(name, index), slot.current.map_or(0, i32::cast_unsigned));
        let is_waiting = self.waiting.iter().any(|waiting| waiting.spec.name == name);
        for generation in &self.live {
            let (state, pid) = match slot.is_cut_off && generation.serial == slot.plan.serial {
                true => (slot.state_without_process(), 0),
                false if is_waiting && generation.serial == self.serial => (SlotState::Failed, 0),
                false => (state, pid),
            };
            generation.with_slot(name, index, |memory| {
                memory.pid.store(pid, Ordering::Relaxed);
                memory.state.store(state as u32, Ordering::Release);
            });
        }
    }

    /// The same, where the process of the slot is another one, or none.
    pub(super) fn publish_replaced(&self, name: &[u8], index: usize) {
        for generation in &self.live {
            generation.with_slot(name, index, |slot| {
                slot.epoch.fetch_add(1, Ordering::Release);
                slot.sockets.store(0, Ordering::Relaxed);
            });
        }
        self.publish(name, index);
    }

    /// How many WebSockets a process has on their own sockets: a number that it has written, and that is only shown.
    pub(super) fn publish_sockets(&self, pid: i32) {
        let (Some(process), Some(handles)) = (self.machine.process(pid), self.processes.get(&pid)) else {
            return;
        };
        let (name, Some(index)) = (&process.plan.spec.name, process.slot) else { return };
        if self.machine.slot(name, index).is_none_or(|slot| slot.current != Some(pid)) {
            return;
        }
        let mut count = [0; 4];
        let got = nix::sys::uio::pread(&handles.stack, &mut count, SOCKETS_AT as i64);
        let count = if got == Ok(count.len()) { u32::from_ne_bytes(count) } else { 0 };
        for generation in &self.live {
            generation.with_slot(name, index, |slot| slot.sockets.store(count, Ordering::Relaxed));
        }
    }

    /// The same for all slots.
    pub(super) fn publish_all(&self) {
        for (name, group) in self.machine.groups() {
            for index in 0..group.slots.len() {
                self.publish(name, index);
            }
        }
        let Some(generation) = self.live.last() else { return };
        for waiting in &self.waiting {
            for index in 0..waiting.spec.sockets.paths.len() {
                generation.with_slot(&waiting.spec.name, index, |memory| {
                    memory.state.store(SlotState::Failed as u32, Ordering::Release);
                });
            }
        }
    }
}
