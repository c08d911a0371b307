//! Which socket a slot has, and when it gets another one. An application's process shares its listening socket with whatever
//! it starts, and can shut it down: so each generation, each restart by an operator, and each socket that has been shut down
//! is followed by another socket. Requests lose nothing by that: the names of the old one are moved to the new one in one
//! step each, and who waits in the queue of the old one is sent away unread, and asks again.

use super::Supervisor;
use crate::escalation::EndingReason;
use crate::generation::GroupPlan;
use crate::group::{ProcessSlot, owner};
use crate::listen::{ListenError, ListeningSocket};
use crate::log::{GroupLog, LogLevel};
use crate::messages::LineSubject;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::control::GroupSpec;

/// How often all listening sockets are looked at.
const LOOK: Duration = Duration::from_secs(2);

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
    /// It is not used after all.
    pub(super) fn withdraw(&mut self) {
        if let Self::Made(listener) | Self::Next(listener) = self {
            listener.withdraw();
        }
    }
}

impl ProcessSlot {
    /// Takes what a new generation has for it.
    pub(super) fn give(&mut self, socket: SocketPlan) {
        let is_waiting = matches!(socket, SocketPlan::Waiting);
        let unused = if is_waiting { None } else { self.next.take() };
        let was_cut_off = self.is_cut_off;
        self.wants_socket = matches!(socket, SocketPlan::Kept);
        self.is_cut_off = is_waiting || matches!(socket, SocketPlan::Next(_));
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
        problems.iter().for_each(|problem| self.plan.log.write(LogLevel::WARN, problem));
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        let path = self.plan.spec.sockets.paths.get(index)?;
        Some(Path::new(OsStr::from_bytes(path)).to_owned())
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
        let mut warn = |text: String| log.write(LogLevel::WARN, &text);
        let slot = self.groups.get_mut(&spec.name).and_then(|group| group.slots.get_mut(index));
        let Some(slot) = slot else {
            return ListeningSocket::bind(path, options, as_root, &mut warn).map(SocketPlan::Made);
        };
        let current = slot.current.and_then(|pid| self.processes.get(&pid));
        let is_foreign = |user: &crate::group::DaemonProcess| {
            as_root && owner(&user.plan.spec.identity) != owner(&spec.identity) && !user.plan.is_service()
        };
        // A name that leads to a socket of this slot is moved in one step.
        let is_next_there = slot.next.as_ref().is_some_and(|next| next.is_at(path));
        let is_ours = is_next_there || slot.listener.is_at(path);
        let make = |warn: &mut dyn FnMut(String)| match is_ours {
            true => ListeningSocket::bind_over(path, options, as_root, true, warn),
            false => ListeningSocket::bind(path, options, as_root, warn),
        };
        if current.is_some_and(is_foreign) {
            let is_same = slot.is_cut_off && owner(&slot.plan.spec.identity) == owner(&spec.identity);
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

    /// Puts a plan and its socket into a slot, or makes the slot. A successor of an older plan is of no use any more.
    pub(super) fn seat(&mut self, plan: &Rc<GroupPlan>, index: usize, socket: SocketPlan, now: Instant) {
        let Some(group) = self.groups.get_mut(&plan.spec.name) else { return };
        match (group.slots.get_mut(index), socket) {
            (Some(slot), socket) => {
                slot.give(socket);
                slot.renew(Rc::clone(plan));
                let stale = slot.successor.take().and_then(|pid| self.processes.get_mut(&pid));
                if let Some(process) = stale {
                    process.end(EndingReason::Drain, now);
                }
            }
            (None, SocketPlan::Made(listener)) => {
                group.slots.push(ProcessSlot::new(Rc::clone(plan), listener, now));
            }
            (None, SocketPlan::Kept | SocketPlan::Next(_) | SocketPlan::Waiting) => {} // cannot be: there is a slot then
        }
    }

    /// Before a process is started: sees that there is the socket it shall have. Where no process serves the old one, it goes
    /// at once.
    pub(super) fn prepare_socket(&mut self, name: &[u8], index: usize, has_predecessor: bool) {
        let as_root = self.circumstances.as_root;
        let slot = self.groups.get_mut(name).and_then(|group| group.slots.get_mut(index));
        let Some(slot) = slot else { return };
        if slot.wants_socket && slot.next.is_none() {
            slot.make_next(index, as_root);
        }
        if !has_predecessor {
            self.switch_socket(name, index);
        }
    }

    /// The process with the next socket serves, or is the only one: the old socket goes, with who waits in its queue.
    pub(super) fn switch_socket(&mut self, name: &[u8], index: usize) {
        let slot = self.groups.get_mut(name).and_then(|group| group.slots.get_mut(index));
        let Some(slot) = slot else { return };
        let (Some(mut next), Some(path)) = (slot.next.take(), slot.path(index)) else { return };
        for problem in next.take_over(&mut slot.listener, &path) {
            slot.plan.log.write(LogLevel::WARN, &problem);
        }
        slot.listener = next;
        (slot.wants_socket, slot.is_cut_off) = (false, false);
    }

    /// Looks whether all sockets listen, and replaces those that do not, with their processes.
    pub(super) fn advance_sockets(&mut self, now: Instant) {
        if self.sockets_at > now {
            return self.wake_at(self.sockets_at);
        }
        let as_root = self.circumstances.as_root;
        let mut shut = Vec::new();
        for (name, group) in &mut self.groups {
            for (index, slot) in group.slots.iter_mut().enumerate() {
                let is_due = !slot.listener.is_listening(&slot.plan.spec.sockets) && slot.next.is_none();
                if is_due && slot.pace.take(now).is_ok() && slot.make_next(index, as_root) {
                    shut.push((name.clone(), index));
                }
            }
        }
        for (name, index) in shut {
            self.switch_socket(&name, index);
            let Some(slot) = self.slot_at(&name, index) else { continue };
            let pid = slot.current.unwrap_or(0);
            let (prefix, group) = (LineSubject::Shut.prefix(), slot.plan.name());
            let line = format!(
                "{prefix}the listening socket of process {pid} of group '{group}' takes no connections any more: its \
                 application has shut it down; it is replaced, and so is the process"
            );
            slot.plan.log.write(LineSubject::Shut.level(), &line);
            for pid in [slot.current, slot.successor].into_iter().flatten() {
                if let Some(process) = self.processes.get_mut(&pid) {
                    (process.renew, process.told_renew) = (true, Some(now));
                }
            }
            self.wake_at(now);
        }
        if !self.groups.is_empty() {
            self.sockets_at = now + LOOK;
            self.wake_at(self.sockets_at);
        }
    }

    fn slot_at(&self, name: &[u8], index: usize) -> Option<&ProcessSlot> {
        self.groups.get(name)?.slots.get(index)
    }
}

impl ProcessSlot {
    /// Makes the next socket. If that fails, the present one has to do.
    fn make_next(&mut self, index: usize, as_root: bool) -> bool {
        let Some(path) = self.path(index) else { return false };
        let log = self.plan.log.clone();
        let mut warn = |text: String| log.write(LogLevel::WARN, &text);
        match ListeningSocket::bind_over(&path, &self.plan.spec.sockets, as_root, false, &mut warn) {
            Ok(listener) => self.next = Some(listener),
            Err(error) => {
                self.wants_socket = false;
                log.write(error.level(), &error.to_string());
            }
        }
        self.next.is_some()
    }
}
