//! Starts processes as the state machine has ordered: by exec, or by a zygote.

use super::Supervisor;
use crate::cgroup::ProcessCgroup;
use crate::decide::{ProcessEvent, ProcessRole, StartOrder};
use crate::handles::ProcessHandles;
use crate::messages::{self, StartKind};
use crate::spawn::birth::{self, BirthClaim};
use crate::spawn::{self, SpawnRequest, StartedDaemon};
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;
use wsgi_protocol::birth::BirthOrder;

impl Supervisor {
    /// Forks and execs a process.
    pub(super) fn exec(&mut self, order: StartOrder, now: Instant) {
        let cgroup = self.make_cgroup(&order.plan).map(Rc::new);
        let started = match order.role {
            ProcessRole::Worker { slot, has_predecessor } => {
                self.oom.forget();
                self.prepare_socket(&order, slot, has_predecessor, now);
                let started = self.spawn(&order, slot, None, cgroup.as_deref());
                started.map(|started| (started, None))
            }
            ProcessRole::Zygote { asker } => birth::order_sockets().and_then(|(ours, theirs)| {
                let started = self.spawn(&order, asker.unwrap_or(0), Some(&theirs), cgroup.as_deref())?;
                Ok((started, Some(ours)))
            }),
        };
        match started {
            Ok((started, forker)) => {
                let pid = started.pid.as_raw();
                self.on(ProcessEvent::Started(order, pid), now);
                self.welcome(pid, started, forker, cgroup, now);
            }
            Err(errno) => self.on(ProcessEvent::NotStarted(order, errno.desc().to_owned()), now),
        }
    }

    /// Starts a process with the heirloom of a slot, and the slot's socket if it has no other one.
    fn spawn(
        &mut self,
        order: &StartOrder,
        slot: usize,
        orders: Option<&OwnedFd>,
        cgroup: Option<&ProcessCgroup>,
    ) -> Result<StartedDaemon, Errno> {
        let circumstances = self.circumstances;
        let plan = self.handles_of(&order.plan).cloned().ok_or(Errno::EINVAL)?;
        let place = self.slot_mut(&order.plan.spec.name, slot).ok_or(Errno::EINVAL)?;
        place.heirloom()?;
        let Some((_, heirloom)) = &place.heirloom else { return Err(Errno::EBADF) };
        let has_predecessor = match order.role {
            ProcessRole::Worker { has_predecessor, .. } => has_predecessor,
            ProcessRole::Zygote { asker } => asker.is_some(),
        };
        let request = SpawnRequest {
            spec: &order.plan.spec,
            host_library: &plan.generation.host_library,
            zygote: orders.is_some(),
            slot: if orders.is_some() { 0 } else { u32::try_from(slot).unwrap_or(u32::MAX) },
            has_predecessor,
            lenient: order.is_lenient,
            listener: orders.map_or_else(|| place.socket().as_fd(), AsFd::as_fd),
            heirloom: heirloom.as_fd(),
            cgroup,
            board: plan.board(),
        };
        spawn::start(&request, circumstances)
    }

    /// Keeps what connects us with a process, if that has got a place; without one it ends when its pipes are closed.
    fn welcome(
        &mut self,
        pid: i32,
        started: StartedDaemon,
        forker: Option<OwnedFd>,
        cgroup: Option<Rc<ProcessCgroup>>,
        now: Instant,
    ) {
        let Some(process) = self.machine.process(pid) else { return };
        let Some(plan) = self.handles_of(&process.plan) else { return };
        let (spec, identity) = (&plan.plan.spec, &plan.plan.spec.identity);
        let ids = match self.circumstances.as_root {
            true => format!(" with uid={} gid={}", identity.uid, identity.gid),
            false => String::new(),
        };
        let (group, threads) = (plan.plan.name(), spec.launch.threads);
        let kind = match (process.is_zygote(), process.zygote) {
            (true, _) => StartKind::Zygote,
            (false, Some(_)) => StartKind::Forked,
            (false, None) => StartKind::Executed,
        };
        plan.log.tell(&messages::starting(kind, pid, &group, &ids, threads));
        let mut handles = ProcessHandles::new(started, Rc::clone(plan), cgroup, now);
        handles.forker = forker;
        self.processes.insert(pid, handles);
    }

    /// Asks a zygote for the worker of a slot.
    pub(super) fn ask_zygote(&mut self, number: u64, zygote: i32, order: &StartOrder, now: Instant) {
        let ProcessRole::Worker { slot, has_predecessor } = order.role else { return };
        self.prepare_socket(order, slot, has_predecessor, now);
        let forker = self.processes.get(&zygote).and_then(|process| process.forker.as_ref());
        let place = self.slots.get_mut(&order.plan.spec.name).and_then(|slots| slots.get_mut(slot));
        let asked = forker.zip(place).ok_or(Errno::EBADF).and_then(|(forker, place)| {
            place.heirloom()?;
            let Some((_, heirloom)) = &place.heirloom else { return Err(Errno::EBADF) };
            let record = BirthOrder { slot: u32::try_from(slot).unwrap_or(u32::MAX), has_predecessor };
            birth::ask(forker.as_fd(), record, place.socket().as_fd(), heirloom.as_fd())
        });
        match asked {
            Ok(unborn) => _ = self.unborn.insert(number, unborn),
            Err(errno) => self.on(ProcessEvent::NotAsked(number, errno.desc().to_owned()), now),
        }
    }

    /// A process says that it is the worker that a zygote was asked for, or there will be none.
    pub(super) fn read_claim(&mut self, number: u64, now: Instant) {
        let Some(claim) = self.unborn.get(&number).map(birth::UnbornWorker::claim) else { return };
        if claim == BirthClaim::Nothing {
            return;
        }
        let Some(unborn) = self.unborn.remove(&number) else { return };
        let Some((order, zygote)) = self.machine.birth(number) else { return };
        let plan = Rc::clone(&order.plan);
        let own = self.make_cgroup(&plan).map(Rc::new);
        let mut cgroup = None;
        let started = match claim {
            // The user is its zygote's; and a process has one place.
            BirthClaim::Here(pid, uid)
                if !self.processes.contains_key(&pid.as_raw())
                    && (!self.circumstances.as_root || uid == plan.spec.identity.uid) =>
            {
                // Before it runs anything of the application's. If it cannot, it stays in that of its zygote, which must not
                // end with the zygote then.
                let enters =
                    |own: &Rc<ProcessCgroup>| std::fs::write(own.entrance(), pid.to_string()).is_ok();
                let of_zygote = || self.processes.get(&zygote)?.cgroup.clone();
                cgroup = own.filter(enters).or_else(of_zygote);
                unborn.welcome(pid)
            }
            _ => None,
        };
        match started {
            Some(started) => {
                let pid = started.pid.as_raw();
                self.on(ProcessEvent::Born(number, pid), now);
                self.welcome(pid, started, None, cgroup, now);
            }
            None => self.on(ProcessEvent::Unborn(number), now),
        }
    }
}
