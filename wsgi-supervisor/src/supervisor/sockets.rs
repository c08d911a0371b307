//! Which socket a slot has, and when it gets another one. An application's process shares its listening socket with whatever
//! it starts, and can shut it down: so each generation, each restart by an operator, and each socket that has been shut down
//! is followed by another socket. Requests lose nothing by that: the names of the old one are moved to the new one in one
//! step each, and who waits in the queue of the old one is sent away unread, and asks again.

use super::Supervisor;
use super::actions::tell_problems;
use crate::decide::{ProcessEvent, SocketFate, StartOrder, owner};
use crate::generation::PlanHandles;
use crate::handles::SlotHandles;
use crate::listen::{ListenError, ListeningSocket};
use crate::log::GroupLog;
use crate::log_line::LogLine;
use crate::messages;
use crate::watch::NoticeReach;
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;
use wsgi_protocol::control::GroupSpec;

/// What a new generation does about the socket of a slot.
#[derive(Debug)]
pub(super) enum SocketPlan {
    /// It stays until the next process serves, which has another one.
    Kept,
    /// There was none, or none that could be reached.
    Made(ListeningSocket),
    /// Requests of the generation go to this one from now on: the processes are another user's.
    Next(ListeningSocket),
    /// They do already.
    Waiting,
}

impl SocketPlan {
    /// What that means for the processes of the slot.
    pub(super) fn fate(&self) -> SocketFate {
        match self {
            Self::Kept => SocketFate::Kept,
            Self::Made(_) => SocketFate::Made,
            Self::Next(_) | Self::Waiting => SocketFate::CutOff,
        }
    }

    /// It is not used after all.
    pub(super) fn withdraw(&mut self) {
        if let Self::Made(listener) | Self::Next(listener) = self {
            listener.withdraw();
        }
    }
}

impl SlotHandles {
    /// Takes what a new generation has for it.
    fn give(&mut self, socket: SocketPlan, was_cut_off: bool) {
        let is_waiting = matches!(socket, SocketPlan::Waiting);
        let unused = if is_waiting { None } else { self.next.take() };
        match socket {
            SocketPlan::Kept | SocketPlan::Waiting => {}
            SocketPlan::Made(listener) => self.listener = listener,
            SocketPlan::Next(listener) => self.next = Some(listener),
        }
        let Some(mut unused) = unused else { return };
        // Who waits there goes where requests of the new generation go, and so never to a process of a user from before;
        // unless that one is the present user again.
        let taker = self.next.as_mut().unwrap_or(&mut self.listener);
        let problems = if was_cut_off { taker.absorb(&mut unused) } else { unused.withdraw() };
        tell_problems(&self.plan, problems);
    }
}

impl Supervisor {
    /// The socket of a slot in a new generation.
    pub(super) fn socket_for(
        &mut self,
        spec: &GroupSpec,
        index: usize,
        path: &Path,
        log: &GroupLog,
    ) -> Result<SocketPlan, ListenError> {
        let (as_root, options) = (self.circumstances.as_root, &spec.sockets);
        let mut warn = |line: LogLine| log.tell(&line);
        let slot = self.slots.get_mut(&spec.name).and_then(|slots| slots.get_mut(index));
        let Some(slot) = slot else {
            return ListeningSocket::bind(path, options, as_root, &mut warn).map(SocketPlan::Made);
        };
        let user = self.machine.occupant(&spec.name, index).map(|process| &process.plan);
        let is_foreign = user.is_some_and(|user| {
            as_root && owner(&user.spec.identity) != owner(&spec.identity) && !user.is_service()
        });
        let is_cut_off = self.machine.slot(&spec.name, index).is_some_and(|slot| slot.is_cut_off);
        // A name that leads to a socket of this slot is moved in one step.
        let is_next_there = slot.next.as_ref().is_some_and(|next| next.is_at(path));
        let is_ours = is_next_there || slot.listener.is_at(path);
        let make = |warn: &mut dyn FnMut(LogLine)| match is_ours {
            true => ListeningSocket::bind_over(path, options, as_root, true, warn),
            false => ListeningSocket::bind(path, options, as_root, warn),
        };
        if is_foreign {
            let is_same = is_cut_off && owner(&slot.plan.plan.spec.identity) == owner(&spec.identity);
            return match slot.next.as_mut().filter(|_| is_same) {
                Some(next) => next.adapt(path, options, as_root, &mut warn).map(|()| SocketPlan::Waiting),
                None => make(&mut warn).map(SocketPlan::Next),
            };
        }
        if is_next_there && slot.listener.replace(path).is_err() {
            // It has lost its only name to a socket of another user's, whose turn never came.
            return make(&mut warn).map(SocketPlan::Made);
        }
        match slot.listener.adapt(path, options, as_root, &mut warn) {
            Ok(()) => Ok(SocketPlan::Kept),
            // Somebody removed its files: nobody can reach it any more.
            Err(ListenError::Call(_, _, Errno::ENOENT)) => make(&mut warn).map(SocketPlan::Made),
            Err(error) => Err(error),
        }
    }

    /// Puts a plan and its socket into a slot, or makes the slot.
    pub(super) fn seat(&mut self, plan: &Rc<PlanHandles>, index: usize, socket: SocketPlan) {
        let name = &plan.plan.spec.name;
        let was_cut_off = self.machine.slot(name, index).is_some_and(|slot| slot.is_cut_off);
        let slots = self.slots.entry(name.clone()).or_default();
        match (slots.get_mut(index), socket) {
            (Some(slot), socket) => {
                slot.give(socket, was_cut_off);
                slot.plan = Rc::clone(plan);
            }
            (None, SocketPlan::Made(listener)) => slots.push(SlotHandles::new(Rc::clone(plan), listener)),
            (None, SocketPlan::Kept | SocketPlan::Next(_) | SocketPlan::Waiting) => {} // cannot be: there is a slot then
        }
    }

    pub(super) fn slot_mut(&mut self, name: &[u8], index: usize) -> Option<&mut SlotHandles> {
        self.slots.get_mut(name)?.get_mut(index)
    }

    /// Before a process is started: sees that there is the socket it shall have. Where no process serves the old one, it goes
    /// at once.
    pub(super) fn prepare_socket(
        &mut self,
        order: &StartOrder,
        index: usize,
        has_predecessor: bool,
        now: Instant,
    ) {
        let (name, as_root) = (&order.plan.spec.name, self.circumstances.as_root);
        let Some(slot) = self.slot_mut(name, index) else { return };
        if order.wants_socket && slot.next.is_none() && !slot.make_next(index, as_root) {
            self.on(ProcessEvent::SocketRefused(name.clone(), index), now);
        }
        if !has_predecessor {
            self.switch_socket(name, index, now);
        }
    }

    /// The process with the next socket serves, or is the only one: the old socket goes, with who waits in its queue.
    pub(super) fn switch_socket(&mut self, name: &[u8], index: usize, now: Instant) {
        let Some(slot) = self.slot_mut(name, index) else { return };
        let (Some(mut next), Some(path)) = (slot.next.take(), slot.path(index)) else { return };
        tell_problems(&slot.plan, next.take_over(&mut slot.listener, &path));
        slot.listener = next;
        self.on(ProcessEvent::SocketSwitched(name.to_vec(), index), now);
    }

    /// Looks whether all sockets listen, and replaces those that do not, with their processes.
    pub(super) fn advance_sockets(&mut self, now: Instant) {
        if self.socket_looks.is_due(now) {
            self.look_at_sockets(now);
        }
        if let Some(at) = self.socket_looks.next() {
            self.wake_at(at);
        }
    }

    /// All listening sockets, for poll.
    pub(super) fn listeners(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.slots.values().flatten().map(|slot| slot.listener.as_fd())
    }

    fn look_at_sockets(&mut self, now: Instant) {
        let as_root = self.circumstances.as_root;
        let (mut shut, mut are_replaced) = (Vec::new(), true);
        for (name, slots) in &mut self.slots {
            for (index, slot) in slots.iter_mut().enumerate() {
                if slot.listener.is_listening(&slot.plan.plan.spec.sockets) {
                    continue;
                }
                // One that has a next one goes when that one's process serves.
                let is_due = slot.next.is_none() && self.machine.grant_socket(name, index, now);
                let is_made = is_due && slot.make_next(index, as_root);
                are_replaced &= is_made;
                if is_due {
                    shut.push((name.clone(), index, is_made));
                }
            }
        }
        self.socket_looks.looked(now, are_replaced, NoticeReach::All);
        for (name, index, is_made) in shut {
            if !is_made {
                self.on(ProcessEvent::SocketRefused(name, index), now);
                continue;
            }
            self.switch_socket(&name, index, now);
            self.tell_shut(&name, index);
            self.on(ProcessEvent::SocketReplaced(name, index), now);
            self.wake_at(now);
        }
    }

    fn tell_shut(&self, name: &[u8], index: usize) {
        let Some(slot) = self.slots.get(name).and_then(|slots| slots.get(index)) else { return };
        let pid = self.machine.slot(name, index).and_then(|slot| slot.current).unwrap_or(0);
        slot.plan.log.tell(&messages::socket_shut(pid, &slot.plan.plan.name()));
    }
}

impl SlotHandles {
    /// Makes the next socket. If that fails, the present one has to do.
    fn make_next(&mut self, index: usize, as_root: bool) -> bool {
        let Some(path) = self.path(index) else { return false };
        let log = self.plan.log.clone();
        let mut warn = |line: LogLine| log.tell(&line);
        match ListeningSocket::bind_over(&path, &self.plan.plan.spec.sockets, as_root, false, &mut warn) {
            Ok(listener) => self.next = Some(listener),
            Err(error) => log.tell(&error.line()),
        }
        self.next.is_some()
    }
}
