//! A supervisor that could not be started, or has died, is started again: at once, then with growing pauses, for as
//! long as httpd runs. The parent never sleeps for it: a pause is a child process that does nothing but end, and where
//! not even that can be made, httpd's own watch (the monitor hook, every ten seconds) tries again.

use super::earlier::EarlierGenerations;
use super::supervisor::{PersistentState, SentConfiguration};
use crate::generation::runtime::ChildRuntime;
use crate::httpd::parent::ParentThread;
use crate::httpd::server::HttpdNames;
use crate::messages::{self, EventLine};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;
use wsgi_protocol::status::SlotState;
use wsgi_system::clock::monotonic_seconds;
use wsgi_system::process::{self, ForkedChild};
use wsgi_system::signals::SignalNumber;

/// Pause before the next attempt after so many failures in quick succession, milliseconds; the last one stays.
const PAUSES: [u64; 7] = [0, 100, 250, 500, 1000, 2000, 5000];
/// From this pause on requests are answered at once instead of waiting for the next supervisor.
const TELLS_CLIENTS: u64 = 1000;
/// A supervisor that lived less than this, in seconds, has failed.
const SHORT_LIFE: i64 = 5;
/// A failure is told as often as this, once the pauses do not grow any more.
const TOLD_EVERY: u32 = 12;

fn pause_after(failures: u32) -> u64 {
    PAUSES[(failures as usize).min(PAUSES.len() - 1)]
}

/// Failures in a row, and the pause in milliseconds, after one more supervisor that has lived for so many seconds: two of these
/// take one failure back, and all count as pause, so that what could not be started for a while and then served is not missed
/// for long when it dies.
fn after_life(failures: u32, lived: i64) -> (u32, u64) {
    if lived >= SHORT_LIFE {
        return (0, 0);
    }
    let lived = u32::try_from(lived).unwrap_or(0);
    let failures = failures.min(PAUSES.len() as u32 - 1).saturating_sub(lived / 2) + 1;
    (failures, pause_after(failures).saturating_sub(u64::from(lived) * 1000))
}

fn is_told(failures: u32) -> bool {
    (failures as usize) < PAUSES.len() || failures.is_multiple_of(TOLD_EVERY)
}

/// What a supervisor is started with.
pub struct RevivalTask<'t> {
    /// The parent's thread.
    pub parent: ParentThread,
    /// The configuration that httpd's children run with.
    pub runtime: &'t ChildRuntime,
    /// Generations that may still have children.
    pub earlier: &'t mut EarlierGenerations,
    /// The socket of httpd's log writer, if there is one.
    pub log_writer: Option<BorrowedFd<'t>>,
}

impl RevivalTask<'_> {
    /// Logs in the main log.
    pub fn say(&self, line: &EventLine) {
        self.parent.main().say(line);
    }

    /// What the supervisor is told.
    fn configuration(&mut self) -> io::Result<SentConfiguration<'_>> {
        let message = self.earlier.write_configuration(self.runtime)?;
        Ok(SentConfiguration { message, runtime: self.runtime, log_writer: self.log_writer })
    }
}

impl PersistentState {
    /// Makes sure that a supervisor of this version runs and has the new configuration; the failed groups with their
    /// reasons.
    pub fn bring_up(&mut self, task: &mut RevivalTask<'_>) -> io::Result<Vec<(Vec<u8>, String)>> {
        self.end_pause();
        if self.is_alive() {
            let pid = self.pid;
            match task.configuration().and_then(|configuration| self.configure(configuration)) {
                Ok(failed) => return Ok(failed),
                // After an upgrade: it lets its daemons end in order, a new one takes over.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => self.forget(),
                Err(error) => {
                    task.say(&messages::supervisor_given_up(pid, &error));
                    self.give_up();
                }
            }
        }
        self.start(task.parent, &task.runtime.supervisor, &tag())?;
        task.earlier.tell(self, task.runtime);
        self.configure(task.configuration()?)
    }

    /// The supervisor has ended: starts another one, now or after a pause. One that `has_lived` has been executed at least; to try
    /// that takes time, too.
    pub fn replace(&mut self, task: &mut RevivalTask<'_>, has_lived: bool) {
        self.forget();
        let lived = if has_lived { monotonic_seconds() - self.started } else { 0 };
        let (failures, pause) = after_life(self.failures, lived);
        self.failures = failures;
        match pause {
            0 => self.try_again(task),
            pause => self.pause(task, pause),
        }
    }

    /// Starts a supervisor for the configuration that httpd's children run with. It is not waited for.
    pub fn try_again(&mut self, task: &mut RevivalTask<'_>) {
        self.end_pause();
        let started = self.start(task.parent, &task.runtime.supervisor, &tag()).and_then(|()| {
            task.earlier.tell(self, task.runtime);
            self.send(task.configuration()?)
        });
        match started {
            Ok(()) => self.register(task.parent),
            Err(error) => self.note_failure(task, &error),
        }
    }

    /// An attempt has failed: says why, and sees to the next one.
    pub fn note_failure(&mut self, task: &RevivalTask<'_>, error: &io::Error) {
        self.give_up();
        self.started = monotonic_seconds();
        self.failures = self.failures.saturating_add(1);
        if is_told(self.failures) {
            task.say(&messages::supervisor_failed(&task.runtime.supervisor, error));
        }
        // Nobody serves: requests learn it at once.
        mark_unsupervised(task.runtime);
        self.pause(task, pause_after(self.failures));
    }

    /// The next attempt follows in `millis`.
    fn pause(&mut self, task: &RevivalTask<'_>, millis: u64) {
        if millis >= TELLS_CLIENTS {
            mark_unsupervised(task.runtime);
        }
        let pid = task.parent.fork(|child| sleep_and_end(child, millis)).unwrap_or(-1);
        self.process.set_pid(pid);
        if pid > 0 {
            self.register(task.parent);
        }
    }

    /// Whether a pause is under way.
    fn is_pausing(&self) -> bool {
        self.pid <= 0 && self.process.pid() > 0
    }

    /// The pause is over: its process has been reaped.
    pub fn pause_is_over(&mut self) {
        self.process.set_pid(-1);
    }

    /// Ends a pause that is under way. Its registration ends with the configuration, or has been overwritten by then.
    pub fn end_pause(&mut self) {
        if self.is_pausing() {
            let pid = self.process.pid();
            // A child that has not been waited for, so that the number is no other process's.
            let _ = process::kill(pid, Some(SignalNumber::SIGKILL));
            let _ = process::await_child(pid);
        }
        if self.pid <= 0 {
            self.pause_is_over();
        }
    }

    /// httpd's watch: tries again where no pause could be made.
    pub fn watch(&mut self, task: &mut RevivalTask<'_>) {
        let is_wanted = !task.runtime.configuration.groups.is_empty();
        if is_wanted && self.pid <= 0 && !self.is_pausing() {
            self.try_again(task);
        }
    }
}

/// The child that is a pause: it holds nothing open and ends with httpd. Async-signal-safe.
fn sleep_and_end(child: &ForkedChild, millis: u64) -> i32 {
    process::die_with_parent(true);
    child.close_from(0);
    child.sleep(Duration::from_millis(millis));
    0
}

/// Tells httpd's children that nobody looks after the daemons; the next supervisor overwrites it.
fn mark_unsupervised(runtime: &ChildRuntime) {
    for group in &runtime.groups {
        for index in 0..group.sockets.len() {
            if let Some(slot) = runtime.status.slot(group.first_slot + index) {
                slot.state.store(SlotState::Unsupervised as u32, Release);
            }
        }
    }
}

/// What `ps` shows of the supervisor: the ServerRoot it belongs to.
fn tag() -> String {
    format!("httpd={}", HttpdNames::get().root.lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds() {
        let pauses: Vec<_> = (0..9).map(pause_after).collect();
        assert_eq!(pauses, [0, 100, 250, 500, 1000, 2000, 5000, 5000, 5000]);
    }

    #[test]
    fn seconds_of_service_take_failures_back() {
        assert_eq!([0, 1, 4, 6].map(|lived| after_life(6, lived)), [(7, 5000), (7, 4000), (5, 0), (0, 0)]);
        // One that ends at once, again and again.
        let pauses = |lived| {
            let mut failures = 0;
            let mut next = || {
                let (count, pause) = after_life(failures, lived);
                failures = count;
                pause
            };
            std::array::from_fn::<_, 7, _>(|_| next())
        };
        assert_eq!(pauses(0), [100, 250, 500, 1000, 2000, 5000, 5000]);
        assert_eq!(pauses(1), [0, 0, 0, 0, 1000, 4000, 4000]);
        // One that has served for three seconds, after it could not be started for long.
        assert_eq!((after_life(40, 3), after_life(5, 3)), ((6, 2000), (5, 0)));
    }

    #[test]
    fn failures_are_told_until_the_pause_stays_and_then_once_a_minute() {
        let told: Vec<_> = (1..40).filter(|failures| is_told(*failures)).collect();
        assert_eq!(told, [1, 2, 3, 4, 5, 6, 12, 24, 36]);
    }
}
