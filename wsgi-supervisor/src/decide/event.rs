//! What happens to processes, told to the state machine, and what it wants done.

use super::plan::{GroupPlan, SupervisorEnd};
use crate::log_line::LogLine;
use std::collections::BTreeMap;
use std::rc::Rc;
use wsgi_protocol::death::{EndReason, ProcessDeath};
use wsgi_protocol::launch::{DaemonOrder, ReadyByte};

/// What a process is started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProcessRole {
    /// It serves a slot.
    Worker {
        /// Index of the slot in its group.
        slot: usize,
        /// Another process serves the slot meanwhile.
        has_predecessor: bool,
    },
    /// It imports, and is forked for each worker.
    Zygote {
        /// Index of the slot whose process has noticed changed code, and waits for an answer.
        asker: Option<usize>,
    },
}

/// A process that shall be started.
#[derive(Debug, Clone, PartialEq)]
pub struct StartOrder {
    /// What with.
    pub plan: Rc<GroupPlan>,
    /// What as.
    pub role: ProcessRole,
    /// Scripts of the heirloom that cannot be imported do not matter.
    pub is_lenient: bool,
    /// The slot shall have another socket by then, if one can be made.
    pub wants_socket: bool,
}

/// What an operator wants of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupOrder {
    /// All processes are replaced one by one.
    Restart,
    /// So many processes.
    Scale(u32),
    /// None.
    Stop,
    /// As many as configured, after a stop.
    Start,
}

/// What was done about the socket of a slot for a new plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketFate {
    /// It stays until the next process serves, which has another one.
    Kept,
    /// There was none, or none that could be reached.
    Made,
    /// Requests go to another socket from now on, which the next process has: the present one is another user's.
    CutOff,
}

/// How many processes of a group the children of a generation use, and how many they could know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlaceCount {
    /// In use.
    pub count: usize,
    /// Socket paths.
    pub most: usize,
}

/// A plan, and what was done about the sockets of its first slots.
pub type Installation = (Rc<GroupPlan>, Vec<SocketFate>);

/// Something has happened.
#[derive(Debug, Clone)]
pub enum ProcessEvent {
    /// The loop has come round: what is due is done. Starts at most one process.
    Tick,
    /// Requests wait at these places, and at no others, for their first process.
    Awaited(Vec<(Vec<u8>, usize)>),
    /// Answer to [`ProcessAction::Exec`].
    Started(StartOrder, i32),
    /// The other answer: why not.
    NotStarted(StartOrder, String),
    /// Answer to [`ProcessAction::Fork`]: the zygote could not be asked for this worker, and why.
    NotAsked(u64, String),
    /// The worker that a zygote was asked for is there.
    Born(u64, i32),
    /// It will not come.
    Unborn(u64),
    /// A process has said this.
    Said(i32, ReadyByte),
    /// It has said why it ends.
    Explained(i32, EndReason),
    /// A step of its set-up has failed: the line for the log, its row, and whether it goes on nevertheless.
    SetUpFailed(i32, LogLine, bool),
    /// Its ready pipe has ended.
    Closed(i32),
    /// It takes no orders any more.
    Deaf(i32),
    /// It has ended, and has been waited for. Its last output, if that explains anything.
    Died(ProcessDeath, Option<String>),
    /// A new configuration: its serial, whether no httpd child of an older one is left, its groups, and those that
    /// are started now.
    Configured(u64, bool, BTreeMap<Vec<u8>, PlaceCount>, Vec<Installation>),
    /// A group of the newest configuration can be started after all.
    Installed(Installation),
    /// All httpd children of a generation have ended.
    Childless(u64),
    /// An operator wants this of a group, as [`super::StateMachine::allow`] has allowed it. Further slots have got sockets.
    Operated(Vec<u8>, GroupOrder, Vec<(usize, SocketFate)>),
    /// The next socket of a slot has taken the place of the one before.
    SocketSwitched(Vec<u8>, usize),
    /// No other socket could be made for a slot: the present one has to do.
    SocketRefused(Vec<u8>, usize),
    /// The socket of a slot was of no use any more, and was replaced: its processes have the old one.
    SocketReplaced(Vec<u8>, usize),
    /// Everything shall end.
    Ending(SupervisorEnd),
    /// And is not waited for any longer.
    KillAll,
}

/// Something that is counted for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupCounter {
    /// A process was started.
    Started,
    /// A process was to be replaced.
    Reloaded {
        /// It was.
        is_done: bool,
        /// Because of changed code.
        is_changed_code: bool,
    },
}

/// Something that shall be done.
#[derive(Debug, Clone, PartialEq)]
pub enum ProcessAction {
    /// Start a process by fork and exec. The answer comes before any other event.
    Exec(StartOrder),
    /// Ask this zygote for a worker of this number.
    Fork(u64, i32, StartOrder),
    /// Send an order to a process.
    Order(i32, DaemonOrder),
    /// Send SIGTERM to it.
    Terminate(i32),
    /// Send SIGKILL to it.
    Kill(i32),
    /// Tell httpd's children who serves a slot.
    Publish(Vec<u8>, usize),
    /// The same, and that it is another process than before.
    Replaced(Vec<u8>, usize),
    /// Tell the children of a generation how many processes a group has.
    PublishCount(u64, Vec<u8>, usize),
    /// The next socket of a slot takes over, if there is one.
    SwitchSocket(Vec<u8>, usize),
    /// The next process of a slot inherits no list of scripts.
    ForgetHeirloom(Vec<u8>, usize),
    /// A slot, the last of its group, is given up: its socket is kept under this number.
    Retire(Vec<u8>, usize, u64),
    /// The names of the socket that is kept under this number go.
    Withdraw(u64),
    /// Nobody wants the slots from this one on any more: their sockets go.
    Vacate(Vec<u8>, usize),
    /// Count this.
    Count(Rc<GroupPlan>, GroupCounter),
    /// A line for the log of a group.
    Log(Rc<GroupPlan>, LogLine),
}
