//! Sockets for another number of processes.

use super::Supervisor;
use super::sockets::SocketPlan;
use crate::decide::{GroupOrder, ProcessEvent};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

impl Supervisor {
    /// Carries out an operator's order that is allowed.
    ///
    /// # Errors
    /// One sentence: a socket for another process cannot be made. The group has as many as before then.
    pub(super) fn order_group(&mut self, name: &[u8], order: GroupOrder, now: Instant) -> Result<(), String> {
        let sockets = match order {
            GroupOrder::Restart => Vec::new(),
            _ => self.extend(name, self.machine.count_after(name, order))?,
        };
        let plan = self.machine.group(name).and_then(|group| group.plan.as_ref());
        let plan = plan.and_then(|plan| self.handles_of(plan)).map(Rc::clone);
        let fates = sockets.into_iter().filter_map(|(index, socket)| {
            let fate = socket.fate();
            self.seat(plan.as_ref()?, index, socket);
            Some((index, fate))
        });
        let fates = fates.collect();
        self.on(ProcessEvent::Operated(name.to_vec(), order, fates), now);
        self.publish_all();
        Ok(())
    }

    /// Sockets for further processes, and for places that only an older configuration had wanted.
    fn extend(&mut self, name: &[u8], count: usize) -> Result<Vec<(usize, SocketPlan)>, String> {
        let Some(group) = self.machine.group(name) else { return Ok(Vec::new()) };
        let Some(plan) = group.plan.as_ref().and_then(|plan| self.handles_of(plan)).cloned() else {
            return Ok(Vec::new());
        };
        let (wanted, known) = (group.wanted, group.slots.len());
        if known < count {
            // The new sockets may have the names of those that are going.
            let retired = self.retired.values_mut().filter(|place| place.plan.plan.spec.name == name);
            retired.for_each(|place| _ = place.listener.withdraw());
        }
        let mut sockets = Vec::new();
        let spec = &plan.plan.spec;
        for (index, path) in spec.sockets.paths.iter().enumerate().take(count).skip(wanted.min(known)) {
            match self.socket_for(spec, index, Path::new(OsStr::from_bytes(path)), &plan.log) {
                Ok(socket) => sockets.push((index, socket)),
                Err(error) => {
                    sockets.iter_mut().for_each(|(_, socket)| socket.withdraw());
                    return Err(error.to_string());
                }
            }
        }
        Ok(sockets)
    }
}
