//! What a dead process has left behind in its session is ended with it (`end-session=`): programs that it had started hold
//! copies of its descriptors, its memory and its user's privileges, and nobody else would look after them. Who starts a
//! session of its own (`setsid`, as daemons of their own do) has taken leave on purpose, and stays; unless httpd's control
//! group is delegated, because then all that a process has started is known.

use super::Supervisor;
use crate::cgroup::ProcessCgroup;
use crate::decide::{GroupPlan, SupervisorEnd};
use crate::facts;
use crate::log::GroupLog;
use crate::messages;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_system::process::{open_process, signal_process};

/// How long they may take to end by themselves after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is seen whether they have.
const LOOK: Duration = Duration::from_millis(250);
/// Pause between two attempts to kill.
const PAUSE: Duration = Duration::from_secs(1);
/// Attempts to kill. One that does not end by SIGKILL waits in the kernel, and ends when that does.
const ATTEMPTS: u32 = 5;

/// Members of the session of a dead process.
#[derive(Debug)]
pub(super) struct SessionRemains {
    /// Process id of the dead, which is that of the session.
    leader: i32,
    /// Their control group, if they have one.
    cgroup: Option<ProcessCgroup>,
    /// Real user id of the group's processes.
    user: Option<u32>,
    kill_at: Instant,
    attempts: u32,
    log: GroupLog,
}

impl Supervisor {
    /// A control group for a process of this plan.
    pub(super) fn make_cgroup(&mut self, plan: &GroupPlan) -> Option<ProcessCgroup> {
        if plan.spec.ends_session { self.cgroups.as_mut()?.make() } else { None }
    }

    /// A process has ended and has not been waited for, so that its number is still its own.
    pub(super) fn end_session(&mut self, pid: i32, now: Instant) {
        let Some(process) =
            self.processes.get_mut(&pid).filter(|process| process.plan.plan.spec.ends_session)
        else {
            return;
        };
        // One that other processes of ours are in ends with the last of them.
        let own = process.cgroup.take().and_then(Rc::into_inner);
        // Where it could not be entered, what is left is known by its session.
        let cgroup = own.filter(|cgroup| cgroup.holds(pid));
        let left = cgroup.as_ref().map_or_else(|| facts::members(pid), ProcessCgroup::members);
        let is_empty = left.iter().all(|member| *member == pid);
        if is_empty && cgroup.as_ref().is_none_or(ProcessCgroup::remove) {
            return;
        }
        let line = messages::left_behind(pid, &process.plan.plan.name(), left.len(), is_empty);
        process.plan.log.tell(&line);
        let is_stopping = self.machine.ending() == Some(SupervisorEnd::Stop);
        let signal = if is_stopping { Signal::SIGKILL } else { Signal::SIGTERM };
        send(&left, signal, |member| match &cgroup {
            Some(cgroup) => cgroup.holds(member),
            None => facts::session(member) == Some(pid),
        });
        let kill_at = if is_stopping || is_empty { now } else { now + PATIENCE };
        let user = self.circumstances.as_root.then_some(process.plan.plan.spec.identity.uid);
        let log = process.plan.log.clone();
        self.remains.push(SessionRemains { leader: pid, cgroup, user, kill_at, attempts: 0, log });
        self.wake_at(kill_at);
    }

    /// Kills those that have not ended.
    pub(super) fn advance_remains(&mut self, now: Instant) {
        let mut remains = std::mem::take(&mut self.remains);
        remains.retain_mut(|session| {
            if self.machine.ending().is_none() && session.kill_at > now {
                let is_over = session.cgroup.as_ref().is_some_and(ProcessCgroup::remove);
                self.wake_at(session.kill_at.min(now + LOOK));
                return !is_over;
            }
            let left = match &session.cgroup {
                Some(cgroup) => {
                    cgroup.kill();
                    if cgroup.remove() {
                        return false;
                    }
                    cgroup.members()
                }
                None => {
                    // The number belongs to the session as long as it has members; after that to anybody, or to ours.
                    let mut left = facts::members(session.leader);
                    left.retain(|pid| session.user.is_none_or(|user| facts::user(*pid) == Some(user)));
                    if left.is_empty() || self.processes.contains_key(&session.leader) {
                        return false;
                    }
                    send(&left, Signal::SIGKILL, |member| facts::session(member) == Some(session.leader));
                    left
                }
            };
            session.attempts += 1;
            session.kill_at = now + if self.machine.ending().is_some() { PAUSE / 20 } else { PAUSE };
            self.wake_at(session.kill_at);
            if session.attempts == ATTEMPTS {
                session.log.tell(&messages::session_stays(session.leader, &left));
            }
            session.attempts < ATTEMPTS
        });
        self.remains = remains;
    }
}

/// Sends a signal to processes that still are members.
fn send(pids: &[i32], signal: Signal, is_member: impl Fn(i32) -> bool) {
    for pid in pids {
        // By its descriptor it is the same process that is looked at and that gets the signal.
        let process = open_process(*pid).ok();
        if !is_member(*pid) {
            continue;
        }
        let _ = match &process {
            Some(process) => signal_process(process, signal),
            None => nix::sys::signal::kill(Pid::from_raw(*pid), signal),
        };
    }
}
