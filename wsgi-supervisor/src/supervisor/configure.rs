//! Taking over a generation: sockets first, so that httpd can go on; processes follow in the loop.

use super::Supervisor;
use super::actions::tell_problems;
use super::mending::WaitingGroup;
use super::sockets::SocketPlan;
use crate::check::check;
use crate::control::ConfigureDelivery;
use crate::decide::{Installation, PlaceCount, ProcessEvent};
use crate::generation::{Generation, GenerationLogs, GroupPlace, GroupPlaces, PlanHandles};
use crate::listen::ListenError;
use crate::log::GroupLog;
use crate::log_file::LogFile;
use crate::log_writer::LogWriter;
use crate::memory::{MetricsMemory, StatusMemory};
use crate::messages;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use wsgi_protocol::control::{GroupSpec, LogTarget, SupervisorAnswer};
use wsgi_system::descriptors::redirect_standard_error;
use wsgi_system::memory::trim_heap;

/// A group that can be started, its log, and its sockets.
type AcceptedGroup = (GroupSpec, GroupLog, Vec<SocketPlan>);
/// The name of one that cannot, and why.
type FailedGroup = (Vec<u8>, String);

impl Supervisor {
    /// Takes over a configuration, after those that a supervisor before this one had, and says what came of it. httpd's children
    /// from before a graceful restart know only the sockets and the status memory of their own one.
    pub(super) fn take_delivery(&mut self, delivery: ConfigureDelivery, now: Instant) -> SupervisorAnswer {
        for earlier in std::mem::take(&mut self.inherited) {
            // What cannot be had for it is told of the configuration that follows.
            self.configure(earlier, now);
        }
        let (is_first, operator_socket) = (!self.has_cleaned, delivery.configuration.operator_socket.clone());
        let answer = self.configure(delivery, now);
        if is_first && answer != SupervisorAnswer::Refused {
            self.remove_leftovers(&operator_socket);
            self.has_cleaned = true;
        }
        answer
    }

    fn configure(&mut self, delivery: ConfigureDelivery, now: Instant) -> SupervisorAnswer {
        let configuration = delivery.configuration;
        let memory = match StatusMemory::map(&delivery.status) {
            Ok(memory) => memory,
            Err(errno) => {
                let error = crate::error::SupervisorError::StatusMemory(errno);
                self.log.tell(&messages::supervisor_failed(&error));
                return SupervisorAnswer::Refused;
            }
        };
        let logs = self.open_logs(configuration.log, delivery.logs, delivery.log_writer);
        self.open_operator(&configuration.operator_socket);
        let (accepted, failed) = self.accept(configuration.groups, &logs, memory.len());
        let is_deserted = self.has_no_child_left();
        self.serial += 1;
        let specs =
            || accepted.iter().map(|(spec, ..)| spec).chain(self.waiting.iter().map(|waiting| &waiting.spec));
        let counts = specs().map(|spec| (spec.name.clone(), self.place_count(spec))).collect();
        let generation = Rc::new(Generation {
            serial: self.serial,
            number: configuration.generation,
            host_library: configuration.host_library,
            places: places(specs()),
            memory: RefCell::new(None),
            metrics: MetricsMemory::map(&delivery.metrics),
            board: Some(delivery.board),
        });
        self.take_over(&generation, memory);
        self.lifelines.push((self.serial, delivery.lifeline));
        let mut installed = Vec::new();
        for (spec, log, sockets) in accepted {
            let plan = Rc::new(PlanHandles::new(spec, log, Rc::clone(&generation)));
            installed.push(self.seat_all(&plan, sockets));
        }
        self.on(ProcessEvent::Configured(self.serial, is_deserted, counts, installed), now);
        self.release();
        self.publish_all();
        self.name_looks.notice(now); // there may be other folders to watch
        trim_heap();
        SupervisorAnswer::Listening { generation: configuration.generation, failed }
    }

    /// Checks groups and makes their sockets: which can be started, and which cannot, with the reasons. Those whose sockets may
    /// be made later wait.
    fn accept(
        &mut self,
        groups: Vec<GroupSpec>,
        logs: &GenerationLogs,
        slots: usize,
    ) -> (Vec<AcceptedGroup>, Vec<FailedGroup>) {
        let mut accepted = Vec::new();
        let mut failed = Vec::new();
        let mut taken = BTreeSet::new();
        self.waiting.clear();
        for spec in groups {
            let log = logs.of(spec.log);
            let name = spec.name.clone();
            let checked = check(&spec, self.circumstances.as_root, slots, &mut taken);
            let text = String::from_utf8_lossy(&name).into_owned();
            if let Err(reason) = checked {
                log.tell(&messages::group_refused(&text, &reason));
                failed.push((name, reason));
                continue;
            }
            match self.listeners_for(&spec, &log) {
                Ok(listeners) => accepted.push((spec, log, listeners)),
                Err(error) => {
                    log.tell(&messages::group_without_socket(&text, &error));
                    match error.may_pass() {
                        true => self.waiting.push(WaitingGroup { spec, log }),
                        false => failed.push((name, error.line().text())),
                    }
                }
            }
        }
        (accepted, failed)
    }

    /// What a supervisor before this one has left behind. Its generations have none to serve them any more.
    fn remove_leftovers(&self, operator_socket: &[u8]) {
        let places = self.live.iter().flat_map(|generation| generation.places.values());
        let claimed = places.flat_map(|place| place.paths.iter().cloned()).collect();
        crate::leftovers::remove(operator_socket, &claimed);
    }

    /// Takes over the logs of a generation; `main` is the supervisor's own.
    fn open_logs(&mut self, main: LogTarget, files: Vec<OwnedFd>, writer: Option<OwnedFd>) -> GenerationLogs {
        let logs = GenerationLogs {
            files: files.into_iter().map(|fd| Rc::new(LogFile::new(fd))).collect(),
            writer: writer.map(|fd| Rc::new(LogWriter::new(fd))),
        };
        if let Some(main) = logs.files.get(main.index as usize) {
            redirect_standard_error(main.fd().as_fd());
        }
        self.log_writers.extend(logs.writer.as_ref().map(Rc::downgrade));
        self.log = logs.of(main);
        logs
    }

    /// How many processes a group shall have, and can have.
    fn place_count(&self, spec: &GroupSpec) -> PlaceCount {
        let is_stopped = self.machine.group(&spec.name).is_some_and(|group| group.stopped);
        let (count, most) = (if is_stopped { 0 } else { spec.processes as usize }, spec.sockets.paths.len());
        PlaceCount { count: count.min(most), most }
    }

    /// Sockets for all slots of a group. If one fails, those made for the group go again.
    pub(super) fn listeners_for(
        &mut self,
        spec: &GroupSpec,
        log: &GroupLog,
    ) -> Result<Vec<SocketPlan>, ListenError> {
        let mut made: Vec<SocketPlan> = Vec::new();
        for (index, path) in spec.sockets.paths.iter().take(self.place_count(spec).count).enumerate() {
            match self.socket_for(spec, index, Path::new(OsStr::from_bytes(path)), log) {
                Ok(socket) => made.push(socket),
                Err(error) => {
                    made.iter_mut().for_each(SocketPlan::withdraw);
                    return Err(error);
                }
            }
        }
        Ok(made)
    }

    /// The generation becomes the current one.
    fn take_over(&mut self, generation: &Rc<Generation>, memory: StatusMemory) {
        for older in &self.live {
            let same = older.memory.borrow().as_ref().is_some_and(|old| old.identity() == memory.identity());
            if same {
                older.memory.replace(None);
            }
        }
        for place in generation.places.values() {
            for index in 0..place.paths.len() {
                let slot = memory.slot(place.first_slot + index);
                if let Some(slot) = slot.filter(|slot| slot.last_pid.load(Relaxed) == 0) {
                    slot.last_exit.store(u32::MAX, Relaxed);
                }
            }
        }
        generation.memory.replace(Some(memory));
        self.live.push(Rc::clone(generation));
    }

    /// Puts the sockets of a group into its slots, and its plan.
    pub(super) fn seat_all(&mut self, plan: &Rc<PlanHandles>, sockets: Vec<SocketPlan>) -> Installation {
        self.keep_plan(plan);
        if plan.plan.wants_zygote() {
            adopt_orphans(&plan.log);
        }
        let fates = sockets.iter().map(SocketPlan::fate).collect();
        for (index, socket) in sockets.into_iter().enumerate() {
            self.seat(plan, index, socket);
        }
        (Rc::clone(&plan.plan), fates)
    }

    /// Whether no httpd child of any generation is left, also when that has not been taken notice of yet.
    fn has_no_child_left(&self) -> bool {
        self.lifelines.iter().all(|(_, lifeline)| {
            let mut polled = [PollFd::new(lifeline.as_fd(), PollFlags::POLLIN)];
            let is_ready = poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
            is_ready && polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
        })
    }

    /// A generation's lifeline has ended: all its httpd children are gone.
    pub(super) fn lifeline_ended(&mut self, serial: u64, now: Instant) {
        let Some(at) = self.lifelines.iter().position(|(known, _)| *known == serial) else { return };
        let mut bytes = [0; 64];
        match nix::unistd::read(&self.lifelines[at].1, &mut bytes) {
            Ok(0) => {}
            _ => return, // nobody should write there; what is written is thrown away
        }
        self.lifelines.remove(at);
        self.on(ProcessEvent::Childless(serial), now);
        self.release();
    }

    /// Lets go what only finished generations wanted: memories and socket paths.
    fn release(&mut self) {
        self.live.retain(|generation| self.machine.is_live(generation.serial));
        let claims = self.claims();
        for (name, slots) in &mut self.slots {
            for (index, slot) in slots.iter_mut().enumerate() {
                let Some(paths) = claims.paths(name, index) else { continue };
                tell_problems(&slot.plan, slot.listener.retain(|path| paths.contains(path)));
            }
        }
    }
}

/// Where the groups of a configuration are found.
fn places<'a>(specs: impl Iterator<Item = &'a GroupSpec>) -> GroupPlaces {
    let place = |spec: &GroupSpec| GroupPlace {
        first_slot: spec.first_slot as usize,
        paths: spec.sockets.paths.iter().map(|path| PathBuf::from(OsStr::from_bytes(path))).collect(),
    };
    specs.map(|spec| (spec.name.clone(), place(spec))).collect()
}

/// A worker's parent is to be this process, which only the kernel can arrange: by adoption, once the process that forked
/// it is gone. From now on whatever daemons leave behind is adopted too, and reaped like anything else.
fn adopt_orphans(log: &GroupLog) {
    if let Err(errno) = nix::sys::prctl::set_child_subreaper(true) {
        log.tell(&messages::cannot_adopt(errno.desc()));
    }
}
