//! The world of a state machine in tests: a clock that stands still, processes that are only numbers, and answers to what it
//! wants done. What must never be is looked for after each step.

use super::super::StateMachine;
use super::super::event::{
    GroupOrder, PlaceCount, ProcessAction, ProcessEvent, ProcessRole, SocketFate, StartOrder,
};
use super::super::plan::{GroupPlan, SupervisorEnd};
use super::super::process::DaemonProcess;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_protocol::control::GroupSpec;
use wsgi_protocol::death::{EndReason, ProcessDeath};
use wsgi_protocol::launch::{DaemonOrder, ReadyByte};

/// A raw wait status: exit(0).
pub const IN_ORDER: i32 = 0;
/// The same for SIGSEGV.
pub const CRASHED: i32 = 11;

/// A group of this many processes with a name of one letter, with room for four.
pub fn group(name: &str, processes: u32) -> GroupSpec {
    let mut spec = GroupSpec { name: name.into(), processes, ..GroupSpec::default() };
    spec.sockets.paths = (0..4).map(|index| format!("/{name}{index}").into_bytes()).collect();
    spec.launch.threads = 1;
    spec.launch.multiprocess = true;
    (spec.launch.timers.graceful, spec.launch.timers.shutdown) = (15_000, 5000);
    spec
}

/// The same with `preload=on`.
pub fn preloading(name: &str, processes: u32) -> GroupSpec {
    GroupSpec { preload: true, ..group(name, processes) }
}

/// A service: `threads=0`.
pub fn service(name: &str) -> GroupSpec {
    let mut spec = group(name, 1);
    spec.launch.threads = 0;
    spec
}

/// A state machine and what is around it.
#[derive(Debug, Clone)]
pub struct World {
    pub machine: StateMachine,
    pub now: Instant,
    /// Processes that are not dead.
    pub alive: BTreeSet<i32>,
    /// What was ordered of each since it was looked at last.
    pub orders: BTreeMap<i32, Vec<ProcessAction>>,
    /// Workers that zygotes were asked for.
    pub asked: Vec<(u64, i32)>,
    /// What was done, in short.
    pub done: Vec<String>,
    /// Lines for logs.
    pub lines: Vec<String>,
    /// No process can be started now.
    pub is_full: bool,
    /// The last process id, and the serial of the last configuration.
    pub last: (i32, u64),
    /// What a configuration does about sockets that are there.
    pub fate: SocketFate,
    /// Slots with a socket whose turn has not come.
    pub next: BTreeSet<(Vec<u8>, usize)>,
}

impl World {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            machine: StateMachine::default(),
            now,
            alive: BTreeSet::new(),
            orders: BTreeMap::new(),
            asked: Vec::new(),
            done: Vec::new(),
            lines: Vec::new(),
            is_full: false,
            last: (0, 0),
            fate: SocketFate::Kept,
            next: BTreeSet::new(),
        }
    }

    /// One of these groups, all of whose processes serve.
    pub fn serving(groups: &[GroupSpec]) -> Self {
        let mut world = Self::new();
        world.configure(groups);
        world.serve_all();
        world.done.clear();
        world
    }

    /// Tells the machine something, and does what it wants done.
    pub fn on(&mut self, event: ProcessEvent) {
        for action in self.machine.on(event, self.now) {
            self.perform(action);
        }
        let machine = &self.machine;
        self.asked.retain(|(number, _)| machine.birth(*number).is_some());
    }

    /// Lets it do what is due; tells what that was.
    pub fn tick(&mut self) -> String {
        for _ in 0..1000 {
            self.on(ProcessEvent::Tick);
            if self.machine.wake().is_none_or(|at| at > self.now) {
                super::invariants::check(self);
                return std::mem::take(&mut self.done).join(", ");
            }
        }
        panic!("it never comes to rest: {:?}", self.done);
    }

    /// Lets time pass, with a tick whenever the machine wants one.
    pub fn wait(&mut self, time: Duration) -> String {
        let (until, mut done) = (self.now + time, vec![self.tick()]);
        while let Some(at) = self.machine.wake().filter(|at| *at <= until) {
            self.now = at;
            done.push(self.tick());
        }
        self.now = until;
        done.push(self.tick());
        done.retain(|text| !text.is_empty());
        done.join(", ")
    }

    pub fn wait_ms(&mut self, ms: u64) -> String {
        self.wait(Duration::from_millis(ms))
    }

    pub fn says(&mut self, pid: i32, ready: ReadyByte) -> String {
        assert!(self.alive.contains(&pid), "{pid} is dead");
        self.on(ProcessEvent::Said(pid, ready));
        self.tick()
    }

    /// A process ends with this wait status.
    pub fn ends(&mut self, pid: i32, status: i32) -> String {
        self.ends_because(pid, status, None)
    }

    pub fn ends_because(&mut self, pid: i32, status: i32, reason: Option<EndReason>) -> String {
        assert!(self.alive.remove(&pid), "{pid} is dead");
        self.orders.remove(&pid);
        let killed = self.process(pid).killed;
        let death = ProcessDeath { pid: pid.cast_unsigned(), status, reason, killed, stack: Vec::new() };
        reason.into_iter().for_each(|reason| self.on(ProcessEvent::Explained(pid, reason)));
        self.on(ProcessEvent::Died(death, None));
        self.tick()
    }

    /// A new configuration of these groups.
    pub fn configure(&mut self, groups: &[GroupSpec]) -> String {
        self.last.1 += 1;
        let serial = self.last.1;
        let mut counts = BTreeMap::new();
        let mut installed = Vec::new();
        for spec in groups {
            let known = self.machine.group(&spec.name);
            let is_stopped = known.is_some_and(|group| group.stopped);
            let count = if is_stopped { 0 } else { spec.processes as usize };
            counts.insert(spec.name.clone(), PlaceCount { count, most: spec.sockets.paths.len() });
            let slots = known.map_or(0, |group| group.slots.len());
            let fates = (0..count).map(|index| if index < slots { self.fate } else { SocketFate::Made });
            for index in (0..count.min(slots)).filter(|_| self.fate == SocketFate::CutOff) {
                self.next.insert((spec.name.clone(), index));
            }
            let plan = GroupPlan { spec: spec.clone(), serial, number: 1 };
            installed.push((Rc::new(plan), fates.collect()));
        }
        self.on(ProcessEvent::Configured(serial, false, counts, installed));
        self.tick()
    }

    /// An operator's order, if it is allowed.
    pub fn operate(&mut self, name: &str, order: GroupOrder) -> Result<String, String> {
        self.machine.allow(name.as_bytes(), order)?;
        let count = self.machine.count_after(name.as_bytes(), order);
        let group = self.machine.group(name.as_bytes()).unwrap();
        let (slots, wanted) = (group.slots.len(), group.wanted);
        let new = (wanted.min(slots)..count).filter(|_| order != GroupOrder::Restart);
        let sockets =
            new.map(|index| (index, if index < slots { SocketFate::Kept } else { SocketFate::Made }));
        self.on(ProcessEvent::Operated(name.into(), order, sockets.collect()));
        Ok(self.tick())
    }

    pub fn end(&mut self, end: SupervisorEnd) -> String {
        self.on(ProcessEvent::Ending(end));
        self.tick()
    }

    /// The worker that was asked for first is there; its process id.
    pub fn bear(&mut self) -> i32 {
        let (number, _) = self.asked.remove(0);
        let pid = self.new_pid();
        self.on(ProcessEvent::Born(number, pid));
        match self.machine.process(pid) {
            Some(_) => _ = self.alive.insert(pid),
            None => self.last.0 -= 1,
        }
        self.tick();
        pid
    }

    /// All processes come up, zygotes too, and those that are asked for.
    pub fn serve_all(&mut self) {
        for _ in 0..100 {
            self.tick();
            let starting =
                self.machine.processes().find(|process| process.served.is_none() && process.ending.is_none());
            match starting.map(|process| process.pid) {
                Some(pid) => _ = self.says(pid, ReadyByte::Serving),
                None if self.asked.is_empty() => return,
                None => _ = self.bear(),
            }
        }
    }

    /// Processes do what they were ordered to; nothing else happens to them. Whether one did anything.
    pub fn obey(&mut self) -> bool {
        let ordered: Vec<i32> = self.orders.keys().copied().collect();
        ordered.iter().for_each(|pid| self.obeys(*pid));
        !ordered.is_empty()
    }

    /// A process does what it was ordered to.
    pub fn obeys(&mut self, pid: i32) {
        let Some(orders) = self.orders.remove(&pid) else { return };
        let ends = orders.iter().any(|order| match order {
            ProcessAction::Order(_, order) => !matches!(order, DaemonOrder::Keep | DaemonOrder::Renew),
            _ => true,
        });
        if ends {
            self.ends(pid, IN_ORDER);
        } else if orders.contains(&ProcessAction::Order(pid, DaemonOrder::Renew)) {
            self.says(pid, ReadyByte::Recycle);
        }
    }

    pub fn process(&self, pid: i32) -> &DaemonProcess {
        self.machine.process(pid).unwrap_or_else(|| panic!("{pid} is not known"))
    }

    /// The processes of a slot: the one that serves, and its successor.
    pub fn slot(&self, name: &str, index: usize) -> (Option<i32>, Option<i32>) {
        let slot = self.machine.slot(name.as_bytes(), index).expect("no slot");
        (slot.current, slot.successor)
    }

    /// Lines at level error or worse since the last call.
    pub fn errors(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| line.as_bytes()[0] <= b'3');
        lines
    }

    fn new_pid(&mut self) -> i32 {
        self.last.0 += 1;
        self.last.0
    }

    fn perform(&mut self, action: ProcessAction) {
        let text = |group: &[u8]| String::from_utf8_lossy(group).into_owned();
        match action {
            ProcessAction::Exec(order) => {
                if self.is_full {
                    self.done.push("exec fails".to_owned());
                    return self.on(ProcessEvent::NotStarted(order, "no room".to_owned()));
                }
                let pid = self.new_pid();
                let group = text(&order.plan.spec.name);
                self.done.push(match order.role {
                    ProcessRole::Worker { slot, has_predecessor: false } => {
                        format!("exec {group}{slot}={pid}")
                    }
                    ProcessRole::Worker { slot, .. } => format!("succeed {group}{slot}={pid}"),
                    ProcessRole::Zygote { .. } => format!("zygote {group}={pid}"),
                });
                self.prepare_socket(&order);
                self.alive.insert(pid);
                self.on(ProcessEvent::Started(order, pid));
                assert!(self.machine.process(pid).is_some(), "a process that was started has no place");
            }
            ProcessAction::Fork(number, zygote, order) => {
                assert!(self.alive.contains(&zygote), "{zygote} is asked, and is dead");
                if self.is_full {
                    self.done.push("fork fails".to_owned());
                    return self.on(ProcessEvent::NotAsked(number, "no room".to_owned()));
                }
                let ProcessRole::Worker { slot, .. } = order.role else { panic!("{order:?}") };
                self.prepare_socket(&order);
                self.done.push(format!("fork {}{slot} by {zygote}", text(&order.plan.spec.name)));
                self.asked.push((number, zygote));
            }
            ProcessAction::Order(pid, _) | ProcessAction::Terminate(pid) | ProcessAction::Kill(pid) => {
                assert!(self.alive.contains(&pid), "{action:?}, and it is dead");
                self.done.push(match &action {
                    ProcessAction::Order(_, order) => format!("{order:?} {pid}"),
                    ProcessAction::Kill(_) => format!("kill {pid}"),
                    _ => format!("terminate {pid}"),
                });
                self.orders.entry(pid).or_default().push(action);
            }
            ProcessAction::SwitchSocket(group, slot) => self.switch(&group, slot),
            ProcessAction::ForgetHeirloom(group, slot) => {
                self.done.push(format!("forget {}{slot}", text(&group)));
            }
            ProcessAction::Retire(group, slot, _) => self.done.push(format!("retire {}{slot}", text(&group))),
            ProcessAction::Withdraw(_) => self.done.push("withdraw".to_owned()),
            ProcessAction::Vacate(group, from) => self.done.push(format!("vacate {}{from}", text(&group))),
            ProcessAction::Log(_, line) => self.lines.push(format!("{} {}", line.level().0, line.text())),
            ProcessAction::Publish(..)
            | ProcessAction::Replaced(..)
            | ProcessAction::PublishCount(..)
            | ProcessAction::Count(..) => {}
        }
    }

    fn prepare_socket(&mut self, order: &StartOrder) {
        let ProcessRole::Worker { slot, has_predecessor } = order.role else { return };
        if order.wants_socket {
            self.next.insert((order.plan.spec.name.clone(), slot));
        }
        if !has_predecessor {
            self.switch(&order.plan.spec.name, slot);
        }
    }

    fn switch(&mut self, group: &[u8], slot: usize) {
        if self.next.remove(&(group.to_vec(), slot)) {
            self.done.push(format!("switch {}{slot}", String::from_utf8_lossy(group)));
            self.on(ProcessEvent::SocketSwitched(group.to_vec(), slot));
        }
    }
}
