//! The supervision loop: everything the supervisor owns, and the order in which it looks at it.

mod actions;
mod configure;
mod crowding;
mod death;
mod end;
mod mending;
mod operate;
mod publishing;
mod reading;
mod remains;
mod scale;
mod sockets;
mod start;

use crate::cgroup::DelegatedCgroup;
use crate::control::{ConfigureDelivery, ControlSocket, ReceivedRecord};
use crate::decide::{ProcessEvent, StateMachine, SupervisorEnd};
use crate::disposal::close_dropped;
use crate::error::SupervisorError;
use crate::generation::{Generation, PlanHandles};
use crate::handles::{ProcessHandles, RetiredSocket, SlotHandles};
use crate::log::GroupLog;
use crate::log_level::LogLevel;
use crate::log_writer::LogWriter;
use crate::messages;
use crate::oom::OomWatch;
use crate::operator::OperatorSocket;
use crate::output::LineCutter;
use crate::spawn::SpawnCircumstances;
use crate::spawn::birth::UnbornWorker;
use crate::watch::{FolderWatch, LookTimes};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getppid};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use wsgi_protocol::control::SupervisorAnswer;
use wsgi_system::process::open_process;

/// How long processes are started before the supervisor looks for other things to do.
const TURN: Duration = Duration::from_millis(50);
/// Most signals that are read at once.
const SIGNALS: usize = 16;

/// The supervisor.
#[derive(Debug)]
pub struct Supervisor {
    control: Option<ControlSocket>,
    /// The way in for `mod_wsgi-ctl`.
    operator: Option<OperatorSocket>,
    /// Where it is to be.
    operator_path: Vec<u8>,
    signals: SignalFd,
    /// Process descriptor of httpd's parent, where the kernel has such.
    parent: Option<OwnedFd>,
    parent_id: Pid,
    circumstances: SpawnCircumstances,
    /// Generations with httpd children, the current one last.
    live: Vec<Rc<Generation>>,
    /// Read ends of their lifelines, by serial; gone when all httpd children of the generation have ended.
    lifelines: Vec<(u64, OwnedFd)>,
    /// What is decided: groups and processes.
    machine: StateMachine,
    /// What belongs to plans by which something is decided, by serial and group.
    plans: BTreeMap<(u64, Vec<u8>), Rc<PlanHandles>>,
    /// What belongs to the slots of each group.
    slots: BTreeMap<Vec<u8>, Vec<SlotHandles>>,
    /// What belongs to processes.
    processes: BTreeMap<i32, ProcessHandles>,
    /// Our side of workers that zygotes were asked for, by their numbers.
    unborn: BTreeMap<u64, UnbornWorker>,
    /// Sockets of places that are given up, by their numbers.
    retired: BTreeMap<u64, RetiredSocket>,
    /// Output pipes of dead daemons that their own children still hold.
    orphans: Vec<OrphanOutput>,
    /// Sessions of dead processes that are not empty yet.
    remains: Vec<remains::SessionRemains>,
    /// Where control groups for processes can be made.
    cgroups: Option<DelegatedCgroup>,
    log: GroupLog,
    /// httpd's log writers, of all generations that still log.
    log_writers: Vec<Weak<LogWriter>>,
    oom: OomWatch,
    /// The end that was told in the log.
    told_ending: Option<SupervisorEnd>,
    /// The control socket was closed at this moment.
    control_lost: Option<Instant>,
    serial: u64,
    /// More children have ended than were waited for.
    is_behind: bool,
    /// When the listening sockets are looked at.
    socket_looks: LookTimes,
    /// When their names are.
    name_looks: LookTimes,
    /// Says when names are gone.
    folders: FolderWatch,
    /// Generations from before this supervisor whose children may still serve, until the first configuration comes.
    inherited: Vec<ConfigureDelivery>,
    /// What a supervisor before this one has left behind is gone.
    has_cleaned: bool,
    /// Groups of the newest generation for which there are no sockets yet.
    waiting: Vec<mending::WaitingGroup>,
    /// The next moment at which something is due.
    wake: Option<Instant>,
}

/// Output of processes that a dead daemon left behind.
#[derive(Debug)]
struct OrphanOutput {
    pid: i32,
    plan: Rc<PlanHandles>,
    output: OwnedFd,
    lines: LineCutter,
}

/// What a descriptor is, in the list given to poll.
#[derive(Debug, Clone, Copy)]
enum PollSource {
    Control,
    Signals,
    Parent,
    Lifeline(u64),
    Ready(i32),
    Output(i32),
    Report(i32),
    Orphan(usize),
    Claim(u64),
    Operator,
    Peer(usize),
    LogWriter,
    Listeners,
    Folders,
}

impl Supervisor {
    /// Takes over the control socket and httpd's parent as it is now.
    ///
    /// # Errors
    /// Signals cannot be set up.
    pub fn new(control: OwnedFd, circumstances: SpawnCircumstances) -> Result<Self, SupervisorError> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.add(Signal::SIGTERM);
        mask.thread_block().map_err(SupervisorError::Signals)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&mask, flags).map_err(SupervisorError::Signals)?;
        let parent_id = getppid();
        // Of another process if the parent died in between, but then the control socket is closed.
        let parent = open_process(parent_id.as_raw()).ok();
        Ok(Self {
            control: Some(ControlSocket::new(control)),
            operator: None,
            operator_path: Vec::new(),
            signals,
            parent,
            parent_id,
            circumstances,
            live: Vec::new(),
            lifelines: Vec::new(),
            machine: StateMachine::default(),
            plans: BTreeMap::new(),
            slots: BTreeMap::new(),
            processes: BTreeMap::new(),
            unborn: BTreeMap::new(),
            retired: BTreeMap::new(),
            orphans: Vec::new(),
            remains: Vec::new(),
            cgroups: DelegatedCgroup::find(),
            log: GroupLog::new(None, LogLevel::WARN.0),
            log_writers: Vec::new(),
            oom: OomWatch::new(),
            told_ending: None,
            control_lost: None,
            serial: 0,
            is_behind: false,
            socket_looks: LookTimes::default(),
            name_looks: LookTimes::default(),
            folders: FolderWatch::new(),
            inherited: Vec::new(),
            has_cleaned: false,
            waiting: Vec::new(),
            wake: None,
        })
    }

    /// Runs until all daemons have ended after the end of httpd.
    ///
    /// # Errors
    /// Waiting for events fails, which it does not.
    pub fn run(&mut self) -> Result<(), SupervisorError> {
        loop {
            self.wake = None;
            self.advance(Instant::now());
            if self.is_finished() {
                self.unlink_all();
                self.finish_orphans(Instant::now());
                self.living_log_writers().iter().for_each(|writer| writer.finish());
                return Ok(());
            }
            if let Some(at) = close_dropped(Instant::now()) {
                self.wake_at(at);
            }
            for source in self.wait().map_err(SupervisorError::Wait)? {
                self.handle(source);
            }
        }
    }

    /// Does everything that is due.
    fn advance(&mut self, now: Instant) {
        if self.is_behind {
            self.reap(now);
        }
        self.advance_end(now);
        self.advance_machine(now);
        self.tell_end();
        self.forget();
        self.advance_remains(now);
        self.advance_output(now);
        if let Some(at) = self.operator.as_mut().and_then(|operator| operator.expire(now)) {
            self.wake_at(at);
        }
        if self.machine.ending().is_none() {
            self.advance_sockets(now);
            self.advance_names(now);
        }
        self.log_writers.retain(|writer| writer.strong_count() > 0);
        for writer in self.living_log_writers() {
            if let Some(limit) = writer.advance(now) {
                self.wake_at(limit);
            }
        }
    }

    /// Lets the state machine do what is due. Where many processes are to be started, the rest follows after a look at what
    /// has come in meanwhile: httpd, which wants to give another configuration, waits for an answer.
    fn advance_machine(&mut self, now: Instant) {
        self.tell_awaited(now);
        self.allow_starts(now);
        self.on(ProcessEvent::Tick, now);
        while self.machine.is_behind() && now.elapsed() < TURN {
            self.allow_starts(now);
            self.on(ProcessEvent::Tick, now);
        }
        if self.machine.is_held_up() {
            self.wake_at(now + crowding::LOOK);
        }
        if let Some(at) = self.machine.wake() {
            self.wake_at(at);
        }
    }

    fn living_log_writers(&self) -> Vec<Rc<LogWriter>> {
        self.log_writers.iter().filter_map(Weak::upgrade).collect()
    }

    /// Remembers that something is due at `moment`.
    fn wake_at(&mut self, moment: Instant) {
        self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)));
    }

    fn wait(&self) -> Result<Vec<PollSource>, Errno> {
        let (mut sources, mut polled): (Vec<_>, Vec<_>) = self
            .sources()
            .into_iter()
            .map(|(source, fd)| (source, PollFd::new(fd, PollFlags::POLLIN)))
            .unzip();
        let writers = self.living_log_writers();
        for writer in writers.iter().filter(|writer| writer.is_waiting()) {
            sources.push(PollSource::LogWriter);
            polled.push(PollFd::new(writer.as_fd(), PollFlags::POLLOUT));
        }
        if self.name_looks.awaits_notice()
            && let Some(mounts) = self.folders.mounts()
        {
            sources.push(PollSource::Folders);
            polled.push(PollFd::new(mounts, PollFlags::POLLPRI));
        }
        if self.socket_looks.awaits_notice() {
            sources.extend(self.listeners().map(|_| PollSource::Listeners));
            // Connections do not wake us, only the end of it.
            let ended = PollFlags::from_bits_retain(libc::POLLRDHUP);
            polled.extend(self.listeners().map(|listener| PollFd::new(listener, ended)));
        }
        match poll(&mut polled, self.timeout()) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Vec::new()),
            Ok(_) => {}
            Err(errno) => return Err(errno),
        }
        let is_ready = |polled: &PollFd<'_>| polled.any().unwrap_or(true);
        Ok(sources
            .into_iter()
            .zip(&polled)
            .filter(|(_, fd)| is_ready(fd))
            .map(|(source, _)| source)
            .collect())
    }

    fn timeout(&self) -> PollTimeout {
        let Some(wake) = self.wake else { return PollTimeout::NONE };
        let left = wake.saturating_duration_since(Instant::now());
        // Rounded up, or the loop would spin through the last millisecond.
        let millis = left.as_micros().div_ceil(1000).min(3_600_000);
        PollTimeout::try_from(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
            .unwrap_or(PollTimeout::ZERO)
    }

    fn sources(&self) -> Vec<(PollSource, BorrowedFd<'_>)> {
        let now = Instant::now();
        let mut list = vec![(PollSource::Signals, self.signals.as_fd())];
        list.extend(self.control.as_ref().map(|control| (PollSource::Control, control.as_fd())));
        list.extend(self.parent.as_ref().map(|parent| (PollSource::Parent, parent.as_fd())));
        for (pid, process) in &self.processes {
            let pid = *pid;
            list.extend(process.report.as_ref().map(|fd| (PollSource::Report(pid), fd.as_fd())));
            list.extend(process.ready.as_ref().map(|fd| (PollSource::Ready(pid), fd.as_fd())));
            let output = process.output.as_ref().filter(|_| process.plan.is_heard(now));
            list.extend(output.map(|fd| (PollSource::Output(pid), fd.as_fd())));
        }
        list.extend(
            self.orphans
                .iter()
                .enumerate()
                .filter(|(_, orphan)| orphan.plan.is_heard(now))
                .map(|(index, orphan)| (PollSource::Orphan(index), orphan.output.as_fd())),
        );
        list.extend(
            self.unborn.iter().map(|(number, unborn)| (PollSource::Claim(*number), unborn.ready.as_fd())),
        );
        if let Some(operator) = &self.operator {
            list.push((PollSource::Operator, operator.as_fd()));
            list.extend(operator.peers().enumerate().map(|(index, fd)| (PollSource::Peer(index), fd)));
        }
        list.extend(
            self.folders
                .notices()
                .filter(|_| self.name_looks.awaits_notice())
                .map(|fd| (PollSource::Folders, fd)),
        );
        for (generation, fd) in &self.lifelines {
            list.push((PollSource::Lifeline(*generation), fd.as_fd()));
        }
        list
    }

    fn handle(&mut self, source: PollSource) {
        let now = Instant::now();
        match source {
            PollSource::Control => self.read_control(now),
            PollSource::Signals => self.read_signals(now),
            PollSource::Parent => self.parent_ended(now),
            PollSource::Lifeline(serial) => self.lifeline_ended(serial, now),
            PollSource::Ready(pid) => self.read_ready(pid, now),
            PollSource::Output(pid) => _ = self.read_output(pid, now),
            PollSource::Report(pid) => self.read_report(pid, now),
            PollSource::Orphan(index) => self.read_orphan(index, now),
            PollSource::Claim(number) => self.read_claim(number, now),
            PollSource::Operator => _ = self.operator.as_mut().map(|operator| operator.accept(now)),
            PollSource::Peer(index) => self.read_operator(index, now),
            PollSource::LogWriter => {} // `advance` gives it what waits
            PollSource::Listeners => self.socket_looks.notice(now),
            PollSource::Folders => self.name_looks.notice(now),
        }
    }

    fn read_control(&mut self, now: Instant) {
        let Some(control) = &self.control else { return };
        match control.receive() {
            Ok(ReceivedRecord::Nothing) => {}
            // The parent has given this supervisor up while it could not read: another one has the order.
            Ok(ReceivedRecord::Configure(_)) if control.is_closed() => {}
            Ok(ReceivedRecord::Configure(_)) if self.machine.ending().is_some() => {
                control.answer(&SupervisorAnswer::Refused)
            }
            Ok(ReceivedRecord::Configure(delivery)) => {
                let answer = self.take_delivery(*delivery, now);
                if let Some(control) = &self.control {
                    control.answer(&answer);
                }
            }
            Ok(ReceivedRecord::Inherit(delivery)) => self.inherited.push(*delivery),
            Ok(ReceivedRecord::LostInheritance(error)) => {
                self.log.tell(&messages::lost_inheritance(&error));
            }
            Ok(ReceivedRecord::Stop) if self.machine.ending() == Some(SupervisorEnd::Stop) => {
                self.on(ProcessEvent::KillAll, now);
            }
            Ok(ReceivedRecord::Stop) => self.begin_end(SupervisorEnd::Stop, now),
            Ok(ReceivedRecord::Closed) => {
                self.control = None;
                self.control_lost = Some(now);
            }
            Err(error) => {
                control.answer(&SupervisorAnswer::Refused);
                self.log.tell(&messages::supervisor_failed(&error));
            }
        }
    }

    fn read_signals(&mut self, now: Instant) {
        for _ in 0..SIGNALS {
            let Ok(Some(signal)) = self.signals.read_signal() else { break };
            if signal.ssi_signo == Signal::SIGTERM as u32 {
                self.begin_end(SupervisorEnd::Stop, now);
            }
        }
        // Signals of the same kind merge: several children may have ended.
        self.reap(now);
    }
}
