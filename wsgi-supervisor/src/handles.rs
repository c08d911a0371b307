//! What the supervisor holds for processes and slots: descriptors and sockets. What is decided about them is in `decide`.

use crate::cgroup::ProcessCgroup;
use crate::decide::HeirloomOwner;
use crate::generation::PlanHandles;
use crate::listen::ListeningSocket;
use crate::output::LineCutter;
use crate::spawn::{self, StartedDaemon};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Most signs that a process gives in [`SIGN_TIME`]: it has about a handful in its life.
const SIGNS: usize = 200;
/// See [`SIGNS`].
const SIGN_TIME: Duration = Duration::from_secs(10);

/// Our ends of what connects us with a daemon.
#[derive(Debug)]
pub struct ProcessHandles {
    /// What it was started with.
    pub plan: Rc<PlanHandles>,
    /// For a zygote: orders for workers go here.
    pub forker: Option<OwnedFd>,
    /// Ready bytes.
    pub ready: Option<OwnedFd>,
    /// Orders.
    pub order: OwnedFd,
    /// Standard output and error.
    pub output: Option<OwnedFd>,
    /// Failures of the set-up.
    pub report: Option<OwnedFd>,
    /// Its last Python stack.
    pub stack: OwnedFd,
    /// Cuts `output` into lines.
    pub lines: LineCutter,
    /// Its control group, if it has one: its own, or that of its zygote.
    pub cgroup: Option<Rc<ProcessCgroup>>,
    /// How many signs it has given lately, and since when.
    signs: (usize, Instant),
}

impl ProcessHandles {
    /// Those of a process that was just started.
    #[must_use]
    pub fn new(
        started: StartedDaemon,
        plan: Rc<PlanHandles>,
        cgroup: Option<Rc<ProcessCgroup>>,
        now: Instant,
    ) -> Self {
        Self {
            plan,
            forker: None,
            ready: Some(started.ready),
            order: started.order,
            output: Some(started.output),
            report: started.report,
            stack: started.stack,
            lines: LineCutter::default(),
            cgroup,
            signs: (0, now),
        }
    }

    /// Counts signs; whether it still is to be listened to.
    pub fn may_say(&mut self, count: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.signs.1) > SIGN_TIME {
            self.signs = (0, now);
        }
        self.signs.0 += count;
        self.signs.0 <= SIGNS
    }
}

/// The sockets of a slot, and what its processes hand on.
#[derive(Debug)]
pub struct SlotHandles {
    /// What processes are started with from now on.
    pub plan: Rc<PlanHandles>,
    /// The socket; its queue outlives the processes.
    pub listener: ListeningSocket,
    /// The socket that takes its place, with all its names, when the next process serves.
    pub next: Option<ListeningSocket>,
    /// It was told that the name of its socket is gone and cannot be made again.
    pub told_missing: bool,
    /// Handed from process to process, and whose it is.
    pub heirloom: Option<(HeirloomOwner, OwnedFd)>,
}

impl SlotHandles {
    /// Those of a new slot.
    #[must_use]
    pub fn new(plan: Rc<PlanHandles>, listener: ListeningSocket) -> Self {
        Self { plan, listener, next: None, told_missing: false, heirloom: None }
    }

    /// The socket that its next process listens on.
    #[must_use]
    pub fn socket(&self) -> &ListeningSocket {
        self.next.as_ref().unwrap_or(&self.listener)
    }

    /// The heirloom for its next process; a new one where there is none of its user.
    ///
    /// # Errors
    /// The errno of the call that failed.
    pub fn heirloom(&mut self) -> Result<&OwnedFd, Errno> {
        let owner = crate::decide::owner(&self.plan.plan.spec.identity);
        let known = self.heirloom.take().filter(|(known, _)| *known == owner);
        let heirloom = match known {
            Some(known) => known,
            None => (owner, spawn::heirloom()?),
        };
        Ok(&self.heirloom.insert(heirloom).1)
    }

    /// The path of its socket in the newest plan.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<PathBuf> {
        let path = self.plan.plan.spec.sockets.paths.get(index)?;
        Some(Path::new(OsStr::from_bytes(path)).to_owned())
    }
}

/// The socket of a place that is given up.
#[derive(Debug)]
pub struct RetiredSocket {
    /// The plan of its group.
    pub plan: Rc<PlanHandles>,
    /// The socket.
    pub listener: ListeningSocket,
}
