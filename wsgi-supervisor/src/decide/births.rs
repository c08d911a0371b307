//! Groups with `preload=on`: their zygotes are kept alive, and asked for workers.

use super::StateMachine;
use super::backoff::ProcessOutcome;
use super::escalation::EndingReason;
use super::process::DaemonProcess;
use super::start::ProcessOrigin;
use crate::messages;
use std::rc::Rc;
use std::time::Instant;
use wsgi_protocol::launch::ReadyByte;

impl StateMachine {
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
        missing.sort_by_key(|name| !self.is_group_awaited(name));
        for name in missing {
            if self.has_room(now) {
                self.start_zygote(&name, None, now);
            }
        }
        for process in self.processes.values_mut().filter(|process| process.is_zygote()) {
            let group = self.groups.get(&process.plan.spec.name).filter(|group| !group.slots.is_empty());
            let forker = group.and_then(|group| group.forker.as_ref());
            let is_wanted = forker.is_some_and(|forker| !forker.given_up && forker.has(process.pid));
            if process.ending.is_none() && !is_wanted {
                process.end(EndingReason::Stop, now);
                moments.push(now);
            }
        }
        while let Some(late) = self.births.iter().find(|birth| birth.deadline <= now) {
            self.birth_lost(late.number, "it does not answer", now);
        }
        moments.extend(self.births.iter().map(|birth| birth.deadline));
        moments.into_iter().for_each(|at| self.wake_at(at));
    }

    /// Decides where the next process of a slot comes from; starts a zygote with the changed code if that is asked for.
    pub(super) fn origin(&mut self, name: &[u8], index: usize, now: Instant) -> ProcessOrigin {
        if self.births.iter().any(|birth| birth.is_for(name, index)) {
            return ProcessOrigin::Wait;
        }
        let Some(group) = self.groups.get_mut(name) else { return ProcessOrigin::Exec };
        let (Some(forker), Some(slot)) = (&group.forker, group.slots.get_mut(index)) else {
            return ProcessOrigin::Exec;
        };
        if forker.given_up || forker.plan.serial != slot.plan.serial {
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

    /// What a zygote says.
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
    }

    /// The code that processes have asked for before `started` does not come up: all of them keep serving.
    pub(super) fn answer_askers(&mut self, name: &[u8], started: Instant, not_set_up: bool, now: Instant) {
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
            // One whose successor is on its way from another zygote gets its answer from that.
            .filter(|(_, slot)| {
                slot.successor.is_none() && of_slot(slot.current).is_some_and(wants_new_code)
            });
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
    }

    pub(super) fn check_patience(&mut self, name: &[u8], now: Instant) {
        let Some(forker) = self.groups.get_mut(name).and_then(|group| group.forker.as_mut()) else {
            return;
        };
        if !forker.lose_patience() || self.ending.is_some() {
            return;
        }
        let plan = Rc::clone(&forker.plan);
        let line = messages::preload_given_up(&plan.name(), forker.is_retried);
        self.log(&plan, line);
        self.wake_at(now);
    }

    /// The worker that a zygote was asked for is there.
    pub(super) fn born(&mut self, number: u64, pid: i32, now: Instant) {
        let Some(at) = self.births.iter().position(|birth| birth.number == number) else { return };
        let birth = self.births.remove(at);
        let mut process = DaemonProcess::new(&birth.order, pid, false, now);
        process.zygote = Some(birth.zygote);
        self.settle(process);
    }

    /// No worker came of an order: the zygote is taken for broken, and the next one is asked.
    pub(super) fn birth_lost(&mut self, number: u64, why: &str, now: Instant) {
        let Some(birth) = self.births.iter().find(|birth| birth.number == number) else { return };
        let (zygote, name) = (birth.zygote, birth.order.plan.spec.name.clone());
        if let Some(process) = self.processes.get_mut(&zygote).filter(|process| process.ending.is_none()) {
            process.end(EndingReason::Stop, now);
            let plan = Rc::clone(&process.plan);
            self.log(&plan, messages::barren_zygote(zygote, &plan.name(), why));
        }
        self.note_birth(&name, false, now);
        if let Some(forker) = self.groups.get_mut(&name).and_then(|group| group.forker.as_mut()) {
            forker.current.take_if(|pid| *pid == zygote);
        }
        self.births.retain(|birth| birth.zygote != zygote);
        self.wake_at(now);
    }

    /// A successor died before it served. Where zygotes have just been given up, the next one is exec'ed: what
    /// does not come up after a fork may do so without, and a deployment must not be lost by a try of `preload=on`.
    pub(super) fn successor_died(&mut self, process: &DaemonProcess, index: usize, now: Instant) {
        let name = &process.plan.spec.name;
        let group = self.groups.get_mut(name).filter(|_| process.zygote.is_some());
        let without = group.filter(|group| group.forker.as_ref().is_some_and(|forker| forker.given_up));
        match without.and_then(|group| group.slots.get_mut(index)) {
            Some(slot) => slot.successor = None,
            None => self.successor_lost(name, index, process.set_up_failed, now),
        }
    }

    /// A forked worker serves, or has died before it did.
    pub(super) fn note_birth(&mut self, name: &[u8], served: bool, now: Instant) {
        if let Some(forker) = self.groups.get_mut(name).and_then(|group| group.forker.as_mut()) {
            forker.note_birth(served);
            self.check_patience(name, now);
        }
    }
}
