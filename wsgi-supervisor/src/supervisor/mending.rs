//! Names of sockets that somebody has removed, and sockets that could not be made when the configuration came: a cleaner of
//! temporary files, an operator's slip, a file system that is full for a while. The kernel says when names go; as long as
//! something is missing, they are looked at every few seconds.

use super::Supervisor;
use crate::decide::ProcessEvent;
use crate::generation::{PathClaims, PlanHandles};
use crate::handles::SlotHandles;
use crate::listen::ListeningSocket;
use crate::log::GroupLog;
use crate::log_line::LogLine;
use crate::messages;
use crate::operator::OperatorSocket;
use crate::watch::NoticeReach;
use nix::errno::Errno;
use nix::sys::stat::lstat;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;
use wsgi_protocol::control::GroupSpec;

/// A group of the newest generation that has no sockets yet.
#[derive(Debug)]
pub(super) struct WaitingGroup {
    /// The group.
    pub(super) spec: GroupSpec,
    /// Its log.
    pub(super) log: GroupLog,
}

/// What can be done about the names of a slot's socket.
#[derive(Debug, PartialEq, Eq)]
enum MendedName {
    /// Nothing is missing.
    Nothing,
    /// Nothing can be done now.
    Missing,
    /// The socket has all its names again.
    Names,
    /// No name was left: there is another socket, for another process.
    Socket,
}

impl Supervisor {
    /// Looks whether everything can be reached that httpd's children and operators look for.
    pub(super) fn advance_names(&mut self, now: Instant) {
        if self.live.is_empty() {
            return;
        }
        if self.name_looks.is_due(now) {
            let reach = self.watch_folders(); // before the look: what goes meanwhile is told
            self.start_waiting(now);
            let has_operator = self.mend_operator();
            let has_sockets = self.mend_sockets(now);
            let is_well = self.waiting.is_empty() && has_operator && has_sockets;
            self.name_looks.looked(now, is_well, reach);
        }
        if let Some(at) = self.name_looks.next() {
            self.wake_at(at);
        }
    }

    /// Has the folders watched in which there are names.
    fn watch_folders(&mut self) -> NoticeReach {
        let places = self.live.iter().flat_map(|generation| generation.places.values());
        let names = places.flat_map(|place| &place.paths).map(PathBuf::as_path);
        let operator = Path::new(OsStr::from_bytes(&self.operator_path));
        self.folders.watch(names.chain([operator]).filter_map(Path::parent))
    }

    /// Groups whose sockets can be made now are started.
    fn start_waiting(&mut self, now: Instant) {
        let newest = self.live.last().map(Rc::clone).filter(|_| !self.waiting.is_empty());
        let Some(generation) = newest else { return };
        for WaitingGroup { spec, log } in std::mem::take(&mut self.waiting) {
            match self.listeners_for(&spec, &log) {
                Ok(sockets) => {
                    let plan = Rc::new(PlanHandles::new(spec, log, Rc::clone(&generation)));
                    plan.log.tell(&messages::group_started_now(&plan.plan.name()));
                    let installation = self.seat_all(&plan, sockets);
                    self.on(ProcessEvent::Installed(installation), now);
                    self.wake_at(now);
                }
                Err(_) => self.waiting.push(WaitingGroup { spec, log }),
            }
        }
        self.publish_all();
    }

    /// The socket for operators. False: it cannot be made.
    fn mend_operator(&mut self) -> bool {
        let path = Path::new(OsStr::from_bytes(&self.operator_path));
        let is_fine = self.operator.as_ref().is_some_and(OperatorSocket::is_reachable);
        if is_fine || path.as_os_str().is_empty() || !is_missing(path) {
            return true;
        }
        let Ok(operator) = OperatorSocket::bind(path) else { return false };
        self.log.tell(&messages::operator_is_back(path));
        self.operator = Some(operator);
        true
    }

    /// The sockets of processes. False: some are still missing.
    fn mend_sockets(&mut self, now: Instant) -> bool {
        let claims = self.claims();
        let as_root = self.circumstances.as_root;
        let (mut replaced, mut is_whole) = (Vec::new(), true);
        for (name, slots) in &mut self.slots {
            for (index, slot) in slots.iter_mut().enumerate() {
                let Some(paths) = claims.paths(name, index) else { continue };
                let mut grant = || self.machine.grant_socket(name, index, now);
                match slot.mend(index, paths, as_root, &mut grant) {
                    MendedName::Nothing => {}
                    MendedName::Missing => is_whole = false,
                    MendedName::Names => slot.tell_removed("it is made again"),
                    MendedName::Socket => {
                        slot.tell_removed("another socket takes its place, and another process");
                        replaced.push((name.clone(), index));
                    }
                }
            }
        }
        for (name, index) in replaced {
            self.switch_socket(&name, index, now);
            self.on(ProcessEvent::SocketReplaced(name, index), now);
            self.wake_at(now);
        }
        is_whole
    }

    /// Which paths httpd's children of all generations look for.
    pub(super) fn claims(&self) -> PathClaims {
        PathClaims::of(self.live.iter().flat_map(|generation| {
            let count = |name: &[u8]| self.machine.count(generation.serial, name);
            generation.places.iter().map(move |(name, place)| (name, place, count(name)))
        }))
    }
}

impl SlotHandles {
    /// Makes missing names again: links to one that is left, or the name of another socket.
    fn mend(
        &mut self,
        index: usize,
        wanted: &BTreeSet<PathBuf>,
        as_root: bool,
        grant: &mut dyn FnMut() -> bool,
    ) -> MendedName {
        let is_lost = |path: &&PathBuf| !self.listener.is_at(path) && is_missing(path);
        let lost: Vec<PathBuf> = wanted.iter().filter(is_lost).cloned().collect();
        if lost.is_empty() {
            self.told_missing = false;
            return MendedName::Nothing;
        }
        // The names of a socket that is on its way are its own when it is there.
        if self.next.is_some() {
            return MendedName::Missing;
        }
        if lost.iter().all(|path| self.listener.restore(path).is_ok()) {
            return MendedName::Names;
        }
        let Some(own) = self.path(index).filter(|own| lost.contains(own) && !self.listener.is_at(own)) else {
            return MendedName::Missing; // an older generation's, and there is no room for it
        };
        if !grant() {
            return MendedName::Missing;
        }
        let log = self.plan.log.clone();
        let mut warn = |line: LogLine| log.tell(&line);
        match ListeningSocket::bind_over(&own, &self.plan.plan.spec.sockets, as_root, false, &mut warn) {
            Ok(listener) => {
                self.next = Some(listener);
                MendedName::Socket
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told_missing, true) {
                    log.tell(&LogLine::of(
                        error.event(),
                        format!("{error}; it is tried again every few seconds"),
                    ));
                }
                MendedName::Missing
            }
        }
    }

    fn tell_removed(&mut self, what_is_done: &str) {
        self.told_missing = false;
        self.plan.log.tell(&messages::socket_removed(&self.plan.plan.name(), what_is_done));
    }
}

fn is_missing(path: &Path) -> bool {
    matches!(lstat(path), Err(Errno::ENOENT | Errno::ENOTDIR))
}
