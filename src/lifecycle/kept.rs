//! httpd's parent as C enters it: its only thread, the configuration, and the records that survive the unloading of this module.

use super::earlier::EarlierGenerations;
use super::log_writer::LogWriters;
use super::supervisor::PersistentState;
use crate::config::{self, ConfigState};
use crate::generation::board::KeptBoard;
use crate::generation::metrics::KeptMetrics;
use crate::generation::status::StatusMemory;
use crate::httpd::parent::ParentThread;
use crate::httpd::server::Server;

/// All that httpd's parent has, for whoever C has called on its only thread.
pub struct HttpdParent {
    /// The thread.
    pub thread: ParentThread,
    /// What the configuration pass has collected.
    pub state: &'static mut ConfigState,
    /// What survives this module.
    pub kept: KeptRecords,
    /// Memories that survive it.
    pub memories: KeptMemories,
}

/// What survives the unloading of this module.
pub struct KeptRecords {
    /// The supervisor.
    pub supervisor: &'static mut PersistentState,
    /// Generations that may still have children.
    pub earlier: &'static mut EarlierGenerations,
    /// Processes that write logs.
    pub writers: &'static mut LogWriters,
}

/// Memories that all generations share.
pub struct KeptMemories {
    /// Counters.
    pub metrics: &'static mut KeptMetrics,
    /// The copy of the scoreboard.
    pub board: &'static mut KeptBoard,
}

impl HttpdParent {
    /// With the main server of a configuration that has been read; `None` without the state of its pass.
    ///
    /// # Safety
    /// C has called httpd's parent on its only thread, and what this gives is not used any more when the parent is back in C.
    pub unsafe fn new(main: Server<'static>) -> Option<Self> {
        // SAFETY: by the contract.
        unsafe {
            let (thread, state) = (ParentThread::new(main), config::state_mut()?);
            let memories = KeptMemories { metrics: thread.lasting(), board: thread.lasting() };
            Some(Self { thread, state, kept: KeptRecords::of(thread), memories })
        }
    }

    /// With the configuration that is served; `None` where there is none, and in a child.
    ///
    /// # Safety
    /// As [`HttpdParent::new`].
    pub unsafe fn serving() -> Option<Self> {
        let main = config::state().filter(|_| config::is_owner())?.main?;
        // SAFETY: by the contract.
        unsafe { Self::new(main) }
    }
}

impl KeptRecords {
    /// Those of this httpd.
    ///
    /// # Safety
    /// Nobody else uses them as long as they are used.
    pub unsafe fn of(thread: ParentThread) -> Self {
        // SAFETY: by the contract; they are records of their own each.
        unsafe { Self { supervisor: thread.lasting(), earlier: thread.lasting(), writers: thread.lasting() } }
    }

    /// In a child: what only the parent may hold goes.
    pub fn give_up_in_child(self) {
        self.supervisor.give_up_in_child();
        self.earlier.close();
        self.writers.close();
    }

    /// Replaces the status memory.
    pub fn make_status(&mut self, slots: usize, children: usize) -> std::io::Result<StatusMemory> {
        let (memory, fd) = StatusMemory::create(slots, children)?;
        // SAFETY: what was kept is the last generation's mapping; in the parent nothing uses it any more.
        unsafe { self.supervisor.status.replace(memory.mapping()) };
        self.supervisor.keep_status_fd(fd);
        Ok(memory)
    }
}
