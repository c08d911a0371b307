//! What an operator asks for: looking at everything, restarting, scaling, stopping and starting groups, stacks.

use super::Supervisor;
use crate::decide::{DaemonGroup, DaemonProcess, GroupOrder};
use crate::messages;
use crate::operator::{self, OperatorSocket};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use wsgi_protocol::launch::{ApplicationInterface, DaemonOrder, Launch};
use wsgi_protocol::metrics::{MemoryHeader, RunningRequest, ThreadStage};
use wsgi_protocol::operator::{
    GroupMetrics, GroupStatus, OperatorQuestion, OperatorReply, ProcessState, ProcessStatus, ServerStatus,
};
use wsgi_protocol::status::ProcessConcurrency;
use wsgi_system::clock::{epoch_us, monotonic_ns};

/// What to write when the operator's socket cannot be made.
fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => {
            "create the directory, or set WSGISocketPrefix to a path in one that exists"
        }
        Errno::ENAMETOOLONG | Errno::EINVAL => "set WSGISocketPrefix to a shorter path",
        _ => "set WSGISocketPrefix to a path in a directory that root may write to",
    }
}

/// Requests of a group that are told, oldest first.
const MOST_REQUESTS: usize = 1000;

impl Supervisor {
    /// Listens where the configuration says. Without the socket everything else works.
    pub(super) fn open_operator(&mut self, path: &[u8]) {
        path.clone_into(&mut self.operator_path);
        let path = Path::new(OsStr::from_bytes(path));
        if path.as_os_str().is_empty() || self.operator.as_ref().is_some_and(|known| known.path() == path) {
            return;
        }
        self.operator = None;
        match OperatorSocket::bind(path) {
            Ok(operator) => self.operator = Some(operator),
            Err(errno) => {
                let why = format!("{} (error {})", errno.desc(), errno as i32);
                self.log.tell(&messages::no_operator(path, &why, advice(errno)));
            }
        }
    }

    /// Takes the question of a connected operator and answers it.
    pub(super) fn read_operator(&mut self, index: usize, now: Instant) {
        let Some(operator) = &mut self.operator else { return };
        let Some((peer, question)) = operator.question(index) else { return };
        let reply = self.operate(&question, now).unwrap_or_else(OperatorReply::Refused);
        operator::answer(&peer, &reply);
    }

    fn operate(&mut self, question: &OperatorQuestion, now: Instant) -> Result<OperatorReply, String> {
        let name = match question {
            OperatorQuestion::Status => return Ok(OperatorReply::Status(self.status(now))),
            OperatorQuestion::Metrics => return Ok(OperatorReply::Metrics(self.metrics())),
            OperatorQuestion::Drain { on } => return self.drain(*on),
            OperatorQuestion::Restart { group }
            | OperatorQuestion::Scale { group, .. }
            | OperatorQuestion::Stop { group }
            | OperatorQuestion::Start { group }
            | OperatorQuestion::Stacks { group } => group,
        };
        let order = match question {
            OperatorQuestion::Restart { .. } => GroupOrder::Restart,
            OperatorQuestion::Scale { processes, .. } => GroupOrder::Scale(*processes),
            OperatorQuestion::Stop { .. } => GroupOrder::Stop,
            OperatorQuestion::Start { .. } => GroupOrder::Start,
            _ => return self.machine.current_group(name).map(|_| self.stacks(name)),
        };
        self.machine.allow(name, order)?;
        self.order_group(name, order, now)?;
        let text = String::from_utf8_lossy(name);
        let what = match order {
            GroupOrder::Restart => "restarted by mod_wsgi-ctl".to_owned(),
            GroupOrder::Scale(count) => format!("scaled to {count} processes by mod_wsgi-ctl"),
            GroupOrder::Stop => "stopped by mod_wsgi-ctl; its requests get 503".to_owned(),
            GroupOrder::Start => "started by mod_wsgi-ctl".to_owned(),
        };
        self.log.tell(&messages::ordered(&text, &what));
        self.wake_at(now);
        Ok(OperatorReply::Begun)
    }

    /// Notes in the metrics memory, which httpd's children of all generations look at, that balancers shall send no more
    /// requests here, or that they may.
    fn drain(&mut self, on: bool) -> Result<OperatorReply, String> {
        if self.machine.ending().is_some() {
            return Err("httpd is stopping".to_owned());
        }
        let Some(header) = self.header() else {
            return Err("httpd has no metrics memory; its error log says why".to_owned());
        };
        let was = header.drained_us.load(Relaxed) != 0;
        if was == on {
            let text = if on { "the server is drained already" } else { "the server is not drained" };
            return Err(text.to_owned());
        }
        header.drained_us.store(if on { epoch_us().max(1) } else { 0 }, Relaxed);
        self.log.tell(&messages::drained(on));
        Ok(OperatorReply::Begun)
    }

    /// The front of the metrics memory.
    fn header(&self) -> Option<&MemoryHeader> {
        self.live.last()?.metrics.as_ref()?.view().map(|view| view.header)
    }

    /// Asks the processes of a group for their stacks. The text goes to the log: nothing a daemon says is read here.
    fn stacks(&self, name: &[u8]) -> OperatorReply {
        let of_group = self.machine.processes().filter(|process| process.is_of(name));
        let asked: Vec<&DaemonProcess> =
            of_group.filter(|process| process.served.is_some() && !process.is_zygote()).collect();
        let log = asked.first().and_then(|process| self.handles_of(&process.plan)?.log.place());
        for handles in asked.iter().filter_map(|process| self.processes.get(&process.pid)) {
            let _ = nix::unistd::write(&handles.order, &[DaemonOrder::Stacks as u8]);
        }
        OperatorReply::Stacks { log, pids: asked.iter().map(|process| process.pid).collect() }
    }

    fn status(&self, now: Instant) -> ServerStatus {
        let group = |(name, group): (&Vec<u8>, &DaemonGroup)| {
            let spec = &group.plan.as_ref()?.spec;
            Some(GroupStatus {
                name: name.clone(),
                configured: spec.processes,
                wanted: u32::try_from(group.wanted).unwrap_or(u32::MAX),
                threads: spec.launch.threads,
                at_once: self.at_once(name, &spec.launch),
                stopped: group.stopped,
                import_failed: group.is_held_back,
                processes: self.process_rows(name, group, now),
            })
        };
        ServerStatus {
            httpd: self.parent_id.as_raw(),
            supervisor: std::process::id().cast_signed(),
            generation: self.live.last().map_or(0, |generation| generation.number),
            drained_us: self.header().map_or(0, |header| header.drained_us.load(Relaxed)),
            groups: self.machine.groups().filter_map(group).collect(),
        }
    }

    /// What httpd's children count: plain numbers, and the texts of requests, which are only passed on.
    fn metrics(&self) -> Vec<GroupMetrics> {
        let now = monotonic_ns();
        let group = |(name, group): (&Vec<u8>, &DaemonGroup)| {
            let plan = group.plan.as_ref()?;
            let generation = &self.handles_of(plan)?.generation;
            let (view, number) = (generation.metrics.as_ref()?.view()?, plan.spec.metrics? as usize);
            let first = generation.places.get(name)?.first_slot;
            let pid = |running: &RunningRequest| group.slots.get(running.slot?.checked_sub(first)?)?.current;
            let row = |running: RunningRequest| {
                let age = now.saturating_sub(running.since) / 1_000_000;
                (age, pid(&running).unwrap_or(0), running)
            };
            let running = view.running(number);
            let relayed = running.iter().filter(|one| one.stage == ThreadStage::WebSocket).count();
            let places = 0..self.slots.get(name).map_or(0, Vec::len);
            let own: u32 = places.map(|index| self.sockets(name, index)).fold(0, u32::saturating_add);
            Some(GroupMetrics {
                name: name.clone(),
                totals: view.totals(number),
                websockets: u32::try_from(relayed).unwrap_or(u32::MAX).saturating_add(own),
                running: running.into_iter().take(MOST_REQUESTS).map(row).collect(),
            })
        };
        self.machine.groups().filter_map(group).collect()
    }

    /// The processes of a group by place, then those that have lost theirs.
    fn process_rows(&self, name: &[u8], group: &DaemonGroup, now: Instant) -> Vec<ProcessStatus> {
        let mut rows = Vec::new();
        for (index, slot) in group.slots.iter().enumerate() {
            let (in_flight, requests) = self.counts(name, index);
            let sockets = self.sockets(name, index);
            let current = self.machine.occupant(name, index);
            rows.push(ProcessStatus {
                in_flight,
                sockets,
                requests,
                restarts: slot.starts.saturating_sub(1),
                last_death: slot.last_death.clone(),
                ..current.map(|process| row(process, now)).unwrap_or_default()
            });
            if let Some(last) = rows.last_mut() {
                last.place = place(Some(index));
            }
        }
        for process in self.machine.processes().filter(|process| process.is_of(name)) {
            let slot = process.slot.and_then(|index| group.slots.get(index));
            if slot.is_some_and(|slot| slot.current == Some(process.pid)) {
                continue;
            }
            let mut row = row(process, now);
            if slot.is_some_and(|slot| slot.successor == Some(process.pid)) {
                row.state = ProcessState::Succeeding;
            }
            rows.push(row);
        }
        rows
    }

    /// How many requests a process of the group can run at once.
    fn at_once(&self, name: &[u8], launch: &Launch) -> u32 {
        let rule = ProcessConcurrency {
            threads: launch.threads,
            on_loop: launch.requests_in_flight,
            is_asgi: launch.interface == ApplicationInterface::Asgi,
        };
        let mut at_once = launch.threads;
        if let Some(generation) = self.live.last() {
            for index in 0..self.slots.get(name).map_or(0, Vec::len) {
                generation.with_slot(name, index, |slot| at_once = at_once.max(slot.capacity(rule)));
            }
        }
        at_once
    }

    /// WebSockets that the process at a place has on their own sockets.
    fn sockets(&self, name: &[u8], index: usize) -> u32 {
        let mut sockets = 0;
        if let Some(generation) = self.live.last() {
            generation.with_slot(name, index, |slot| sockets = slot.sockets.load(Relaxed));
        }
        sockets
    }

    /// Requests under way and completed at a place, over all generations of httpd's children.
    fn counts(&self, name: &[u8], index: usize) -> (u32, u32) {
        let (mut in_flight, mut requests) = (0u32, 0);
        for generation in &self.live {
            generation.with_slot(name, index, |slot| {
                in_flight = in_flight.saturating_add(slot.in_flight.load(Relaxed));
                requests = slot.requests.load(Relaxed);
            });
        }
        (in_flight, requests)
    }
}

fn row(process: &DaemonProcess, now: Instant) -> ProcessStatus {
    let state = match process {
        process if process.ending.is_some() => ProcessState::Draining,
        process if process.is_zygote() => ProcessState::Zygote,
        process if process.plan.is_service() => ProcessState::Service,
        process if process.served.is_some() => ProcessState::Serving,
        _ => ProcessState::Starting,
    };
    ProcessStatus {
        place: place(process.slot),
        pid: process.pid,
        state,
        age: u64::try_from(now.duration_since(process.started).as_millis()).unwrap_or(u64::MAX),
        generation: process.plan.number,
        ..ProcessStatus::default()
    }
}

fn place(index: Option<usize>) -> u32 {
    // A zygote has no place.
    index.map_or(0, |index| u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1))
}
