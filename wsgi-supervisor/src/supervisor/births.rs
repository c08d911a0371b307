//! Groups with `preload=on`: their zygotes are kept alive, and asked for workers.

use super::Supervisor;
use super::replace::heirloom;
use crate::backoff::ProcessOutcome;
use crate::cgroup::ProcessCgroup;
use crate::escalation::EndingReason;
use crate::forker::{WorkerBirth, ZygoteCandidate};
use crate::group::{DaemonProcess, NO_SLOT};
use crate::messages::LineSubject;
use crate::spawn::birth::{self, BirthClaim};
use crate::spawn::{self, SpawnRequest};
use nix::errno::Errno;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Instant;
use wsgi_protocol::birth::BirthOrder;
use wsgi_protocol::launch::ReadyByte;

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

impl Supervisor {
    /// Keeps a zygote for each group that wants one, and lets go of others and of workers that do not come.
    pub(super) fn advance_forkers(&mut self, now: Instant) {
        let mut missing = Vec::new();
        let mut moments = Vec::new();
        for (name, group) in &self.groups {
            let Some(forker) = &group.forker else { continue };
            let has_zygote = forker.current.is_some() || forker.candidate.is_some();
            if forker.given_up || has_zygote || group.slots.is_empty() {
                continue;
            }
            match forker.retry_at.filter(|at| *at > now) {
                Some(at) => moments.push(at),
                None => missing.push(name.clone()),
            }
        }
        for name in missing {
            self.start_zygote(&name, None, now);
        }
        for process in self.processes.values_mut().filter(|process| process.forker.is_some()) {
            let group = self.groups.get(&process.plan.spec.name).filter(|group| !group.slots.is_empty());
            let forker = group.and_then(|group| group.forker.as_ref());
            let is_wanted = forker.is_some_and(|forker| !forker.given_up && forker.has(process.pid));
            if process.ending.is_none() && !is_wanted {
                process.end(EndingReason::Stop, now);
                moments.push(now);
            }
        }
        while let Some(late) = self.births.iter().position(|birth| birth.deadline <= now) {
            let birth = self.births.remove(late);
            self.birth_failed(&birth.plan.spec.name, birth.zygote, "it does not answer", now);
        }
        moments.extend(self.births.iter().map(|birth| birth.deadline));
        moments.into_iter().for_each(|at| self.wake_at(at));
    }

    /// Whether a worker for the slot is on its way.
    pub(super) fn is_expected(&self, name: &[u8], index: usize) -> bool {
        self.births.iter().any(|birth| birth.is_for(name, index))
    }

    /// Decides where the next process of a slot comes from; starts a zygote with the changed code if that is asked for.
    pub(super) fn origin(&mut self, name: &[u8], index: usize, now: Instant) -> ProcessOrigin {
        if self.is_expected(name, index) {
            return ProcessOrigin::Wait;
        }
        let Some(group) = self.groups.get_mut(name) else { return ProcessOrigin::Exec };
        let (Some(forker), Some(slot)) = (&group.forker, group.slots.get_mut(index)) else {
            return ProcessOrigin::Exec;
        };
        if forker.given_up || forker.plan.generation.serial != slot.plan.generation.serial {
            return ProcessOrigin::Exec;
        }
        // Whoever noticed changed code is replaced by another zygote's worker. That one notices by itself if its code is
        // still not the newest.
        let asker = slot.current.and_then(|pid| self.processes.get(&pid));
        let stale = asker
            .filter(|process| process.asked == Some(ReadyByte::Replace))
            .and_then(|process| process.zygote);
        let renewed_since = group.roll_since.filter(|_| group.roll_by_operator);
        let is_usable = |pid: &i32| {
            let started = self.processes.get(pid).map(|zygote| zygote.started);
            Some(*pid) != stale && renewed_since.is_none_or(|since| started.is_some_and(|at| at >= since))
        };
        if let Some(pid) = forker.current.filter(is_usable) {
            return ProcessOrigin::Zygote(pid);
        }
        if forker.current.is_some() && forker.candidate.is_none() {
            match slot.pace.take(now) {
                Ok(()) => self.start_zygote(name, Some(index), now),
                Err(at) => self.wake_at(at),
            }
        }
        ProcessOrigin::Wait
    }

    /// Starts a zygote: for changed code that the process of slot `asker` has noticed, or because there is none.
    fn start_zygote(&mut self, name: &[u8], asker: Option<usize>, now: Instant) {
        if self.is_clogged(name, now) {
            return;
        }
        let circumstances = self.circumstances;
        let cgroup = self.make_cgroup(name);
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(forker) = &mut group.forker else { return };
        let Some(slot) = group.slots.get_mut(asker.unwrap_or(0)) else { return };
        let plan = Rc::clone(&forker.plan);
        let started = heirloom(slot).and_then(|()| {
            let Some((_, heirloom)) = &slot.heirloom else { return Err(Errno::EBADF) };
            let (ours, theirs) = birth::order_sockets()?;
            let request = SpawnRequest {
                spec: &plan.spec,
                host_library: &plan.generation.host_library,
                zygote: true,
                slot: 0,
                has_predecessor: asker.is_some(),
                lenient: asker.is_none(),
                listener: theirs.as_fd(),
                heirloom: heirloom.as_fd(),
                cgroup: cgroup.as_ref(),
                board: plan.board(),
            };
            spawn::start(&request, circumstances).map(|started| (started, ours))
        });
        match started {
            Ok((started, ours)) => {
                // Others wait for it then: it has to come up within a bounded time.
                let is_bounded = asker.is_some() || forker.is_retried;
                let mut process = DaemonProcess::new(started, plan, NO_SLOT, is_bounded, now);
                (process.forker, process.cgroup) = (Some(ours), cgroup.map(Rc::new));
                forker.candidate = Some(ZygoteCandidate { pid: process.pid, asker, started: now });
                forker.retry_at = None;
                self.tell_start(&process);
                if let Some(deadline) = process.deadline {
                    self.wake_at(deadline);
                }
                self.processes.insert(process.pid, process);
            }
            Err(errno) => {
                forker.note_death(ProcessOutcome::NeverServed, now);
                let (prefix, group) = (LineSubject::NoZygote.prefix(), plan.name());
                let text = format!(
                    "{prefix}cannot start a zygote of daemon process group '{group}': {}",
                    errno.desc()
                );
                plan.log.write(LineSubject::NoZygote.level(), &text);
                if asker.is_some() {
                    self.answer_askers(name, now, true, now);
                }
                self.check_patience(name, now);
            }
        }
    }

    /// A ready byte of a zygote.
    pub(super) fn zygote_says(&mut self, pid: i32, ready: ReadyByte, now: Instant) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let name = process.plan.spec.name.clone();
        match ready {
            ReadyByte::Serving => {
                process.served.get_or_insert(now);
                process.deadline = None;
                let Some(group) = self.groups.get_mut(&name) else { return };
                group.told_set_up = None;
                let Some(forker) = &mut group.forker else { return };
                if forker.candidate.is_some_and(|candidate| candidate.pid == pid) {
                    forker.candidate = None;
                    // Workers that its predecessor is forking have the old code.
                    let old = forker.current.replace(pid);
                    self.births.retain(|birth| Some(birth.zygote) != old);
                    self.wake_at(now);
                }
            }
            ReadyByte::ImportFailed | ReadyByte::ImportConflict => {
                process.end(EndingReason::Discard, now);
                self.candidate_lost(&name, pid, false, now);
            }
            ReadyByte::Replace | ReadyByte::Recycle => {}
        }
    }

    /// A zygote will not take over: whoever asked for it keeps serving.
    pub(super) fn candidate_lost(&mut self, name: &[u8], pid: i32, not_set_up: bool, now: Instant) {
        let Some(forker) = self.groups.get_mut(name).and_then(|group| group.forker.as_mut()) else {
            return;
        };
        let Some(candidate) = forker.candidate.take_if(|candidate| candidate.pid == pid) else { return };
        match candidate.asker {
            Some(_) => self.answer_askers(name, candidate.started, not_set_up, now),
            None => {
                let outcome = if not_set_up { ProcessOutcome::NotSetUp } else { ProcessOutcome::NeverServed };
                forker.note_death(outcome, now);
                self.check_patience(name, now);
            }
        }
        self.wake_at(now);
    }

    /// The code that processes have asked for before `started` does not come up: all of them keep serving.
    fn answer_askers(&mut self, name: &[u8], started: Instant, not_set_up: bool, now: Instant) {
        let Some(group) = self.groups.get(name) else { return };
        let by_operator = group.roll_since.is_some() && group.roll_by_operator;
        let wants_new_code = |process: &DaemonProcess| {
            let asked = process.asked_at.is_some_and(|at| at <= started);
            process.renew || (asked && (process.asked == Some(ReadyByte::Replace) || by_operator))
        };
        let of_slot = |pid: Option<i32>| pid.and_then(|pid| self.processes.get(&pid));
        let places = group
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| of_slot(slot.current).is_some_and(wants_new_code));
        let askers: Vec<usize> = places.map(|(index, _)| index).collect();
        for index in askers {
            self.successor_lost(name, index, not_set_up, now);
        }
    }

    /// A zygote is dead; its workers are not its children and go on.
    pub(super) fn zygote_lost(&mut self, process: &DaemonProcess, now: Instant) {
        let name = &process.plan.spec.name;
        self.candidate_lost(name, process.pid, process.set_up_failed, now);
        let Some(forker) = self.groups.get_mut(name).and_then(|group| group.forker.as_mut()) else {
            return;
        };
        if forker.current != Some(process.pid) {
            return;
        }
        forker.current = None;
        if process.ending.is_none() {
            let served = process.served.unwrap_or(now);
            forker.note_death(ProcessOutcome::Served { after: now.duration_since(served) }, now);
            self.check_patience(name, now);
        }
        self.wake_at(now);
    }

    fn check_patience(&mut self, name: &[u8], now: Instant) {
        let Some(forker) = self.groups.get_mut(name).and_then(|group| group.forker.as_mut()) else {
            return;
        };
        if !forker.lose_patience() || self.ending.is_some() {
            return;
        }
        let plan = Rc::clone(&forker.plan);
        let times = if forker.is_retried { "once more" } else { "three times in a row" };
        let line = format!(
            "{}preload=on does not work for daemon process group '{}': its zygote has failed {times}, which the lines \
             above explain; each process imports the application itself, and a zygote is tried again when the script \
             changes, at `mod_wsgi-ctl restart` and at a graceful restart of httpd",
            LineSubject::PreloadGivenUp.prefix(),
            plan.name()
        );
        plan.log.write(LineSubject::PreloadGivenUp.level(), &line);
        self.wake_at(now);
    }

    /// Asks a zygote for the worker of a slot.
    pub(super) fn order_birth(
        &mut self,
        name: &[u8],
        index: usize,
        zygote: i32,
        has_predecessor: bool,
        now: Instant,
    ) {
        self.prepare_socket(name, index, has_predecessor);
        let Some(slot) = self.groups.get_mut(name).and_then(|group| group.slots.get_mut(index)) else {
            return;
        };
        let plan = Rc::clone(&slot.plan);
        slot.retry_at = None;
        let forker = self.processes.get(&zygote).and_then(|process| process.forker.as_ref());
        let asked = heirloom(slot).and_then(|()| {
            let (Some(forker), Some((_, heirloom))) = (forker, &slot.heirloom) else {
                return Err(Errno::EBADF);
            };
            let order = BirthOrder { slot: u32::try_from(index).unwrap_or(u32::MAX), has_predecessor };
            birth::ask(forker.as_fd(), order, slot.socket().as_fd(), heirloom.as_fd())
        });
        match asked {
            Ok(unborn) => {
                let birth = WorkerBirth::new(plan, index, zygote, has_predecessor, unborn, now);
                self.wake_at(birth.deadline);
                self.births.push(birth);
                self.publish(name, index);
            }
            Err(errno) => self.birth_failed(name, zygote, errno.desc(), now),
        }
    }

    /// A process says that it is the worker that a zygote was asked for, or there will be none.
    pub(super) fn read_claim(&mut self, index: usize, now: Instant) {
        let Some(birth) = self.births.get(index) else { return };
        let claim = birth.unborn.claim();
        if claim == BirthClaim::Nothing {
            return;
        }
        let WorkerBirth { plan, slot, zygote, has_predecessor, unborn, .. } = self.births.remove(index);
        let own = self.make_cgroup(&plan.spec.name).map(Rc::new);
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
        let name = plan.spec.name.clone();
        match started {
            Some(started) => {
                let mut process = DaemonProcess::new(started, plan, slot, has_predecessor, now);
                (process.zygote, process.cgroup) = (Some(zygote), cgroup);
                self.settle(process);
                self.wake_at(now);
            }
            None => self.birth_failed(&name, zygote, "its process ended before it was there", now),
        }
    }

    /// No worker came of an order: the zygote is taken for broken, and the next one is asked.
    fn birth_failed(&mut self, name: &[u8], zygote: i32, why: &str, now: Instant) {
        if let Some(process) = self.processes.get_mut(&zygote).filter(|process| process.ending.is_none()) {
            let group = process.plan.name();
            let prefix = LineSubject::BarrenZygote.prefix();
            let line =
                format!("{prefix}zygote {zygote} of group '{group}' gives no process and is replaced: {why}");
            process.plan.log.write(LineSubject::BarrenZygote.level(), &line);
            process.end(EndingReason::Stop, now);
        }
        self.note_birth(name, false, now);
        if let Some(forker) = self.groups.get_mut(name).and_then(|group| group.forker.as_mut()) {
            forker.current.take_if(|pid| *pid == zygote);
        }
        self.births.retain(|birth| birth.zygote != zygote);
        self.wake_at(now);
    }

    /// A successor died before it served. Where zygotes have just been given up, the next one is exec'ed: what
    /// does not come up after a fork may do so without, and a deployment must not be lost by a try of `preload=on`.
    pub(super) fn successor_failed(
        &mut self,
        name: &[u8],
        index: usize,
        is_forked: bool,
        not_set_up: bool,
        now: Instant,
    ) {
        let group = self.groups.get_mut(name).filter(|_| is_forked);
        let without = group.filter(|group| group.forker.as_ref().is_some_and(|forker| forker.given_up));
        let Some(slot) = without.and_then(|group| group.slots.get_mut(index)) else {
            return self.successor_lost(name, index, not_set_up, now);
        };
        slot.successor = None;
        self.wake_at(now);
    }

    /// A forked worker serves, or has died before it did.
    pub(super) fn note_birth(&mut self, name: &[u8], served: bool, now: Instant) {
        if let Some(forker) = self.groups.get_mut(name).and_then(|group| group.forker.as_mut()) {
            forker.note_birth(served);
            self.check_patience(name, now);
        }
    }
}
