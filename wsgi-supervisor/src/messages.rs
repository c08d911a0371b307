//! The sentences of the supervisor about processes and groups. Those about a failed system call stand beside it
//! (`listen.rs`, `spawn/step.rs`); numbers and levels stand in `wsgi_protocol::events`.

use crate::error::SupervisorError;
use crate::listen::ListenError;
use crate::log_line::LogLine;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;
use wsgi_protocol::events;

/// Something that the supervisor itself could not do.
#[must_use]
pub fn supervisor_failed(error: &SupervisorError) -> LogLine {
    LogLine::of(&events::SUPERVISOR_FAILED, format!("supervisor: {error}"))
}

/// Children of earlier generations are without a supervisor.
#[must_use]
pub fn lost_inheritance(error: &SupervisorError) -> LogLine {
    LogLine::notice(format!("supervisor: children from before a graceful restart cannot be served: {error}"))
}

/// The kernel does not give it the processes that daemons leave behind.
#[must_use]
pub fn cannot_adopt(why: &str) -> LogLine {
    LogLine::of(&events::CANNOT_ADOPT, format!("supervisor: cannot adopt processes: {why}"))
}

/// It ends what it has started.
#[must_use]
pub fn ending(processes: usize) -> LogLine {
    LogLine::info(format!("supervisor: ending {processes} daemon processes"))
}

/// Operators cannot reach it.
#[must_use]
pub fn no_operator(path: &Path, why: &str, advice: &str) -> LogLine {
    let path = path.display();
    LogLine::of(
        &events::NO_OPERATOR_SOCKET,
        format!("supervisor: mod_wsgi-ctl will not work: cannot listen on '{path}': {why}; {advice}"),
    )
}

/// Operators can reach it again.
#[must_use]
pub fn operator_is_back(path: &Path) -> LogLine {
    LogLine::notice(format!("supervisor: mod_wsgi-ctl works again: '{}' was missing", path.display()))
}

/// What an operator did with a group.
#[must_use]
pub fn ordered(group: &str, what: &str) -> LogLine {
    LogLine::notice(format!("daemon process group '{group}' is {what}"))
}

/// An operator has taken the server out of its balancers, or put it back.
#[must_use]
pub fn drained(on: bool) -> LogLine {
    LogLine::notice(if on {
        "the server is drained by mod_wsgi-ctl: wsgi-health answers 503, connections are closed after their request"
    } else {
        "the server is no longer drained: wsgi-health answers as before"
    })
}

/// A group cannot be as it is written.
#[must_use]
pub fn group_refused(group: &str, reason: &str) -> LogLine {
    LogLine::of(&events::GROUP_REFUSED, format!("daemon process group '{group}' is not started: {reason}"))
}

/// A group has no sockets.
#[must_use]
pub fn group_without_socket(group: &str, error: &ListenError) -> LogLine {
    let again = if error.may_pass() { "; it is tried again every few seconds" } else { "" };
    LogLine::of(error.event(), format!("daemon process group '{group}' is not started: {error}{again}"))
}

/// A group has its sockets at last.
#[must_use]
pub fn group_started_now(group: &str) -> LogLine {
    LogLine::notice(format!("daemon process group '{group}' is started now"))
}

/// A group that an operator has stopped is in the new configuration, too.
#[must_use]
pub fn stays_stopped(group: &str) -> LogLine {
    LogLine::notice(format!("daemon process group '{group}' stays stopped: mod_wsgi-ctl start starts it"))
}

/// How a process has been started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// A zygote, exec'ed.
    Zygote,
    /// A worker, exec'ed.
    Executed,
    /// A worker that a zygote has forked.
    Forked,
}

/// A process has been started; `ids` is its user, if that is another one.
#[must_use]
pub fn starting(kind: StartKind, pid: i32, group: &str, ids: &str, threads: u32) -> LogLine {
    LogLine::info(match kind {
        StartKind::Zygote => format!("starting zygote {pid} of group '{group}'{ids}"),
        StartKind::Forked => format!("process {pid} of group '{group}' was forked threads={threads}"),
        StartKind::Executed => format!("starting process {pid} of group '{group}'{ids} threads={threads}"),
    })
}

/// fork failed.
#[must_use]
pub fn cannot_start(group: &str, why: &str) -> LogLine {
    LogLine::of(&events::FORK, format!("cannot start a daemon process of group '{group}': {why}"))
}

/// fork failed for a zygote.
#[must_use]
pub fn cannot_start_zygote(group: &str, why: &str) -> LogLine {
    LogLine::of(&events::NO_ZYGOTE, format!("cannot start a zygote of daemon process group '{group}': {why}"))
}

/// Zygotes keep failing.
#[must_use]
pub fn preload_given_up(group: &str, is_retried: bool) -> LogLine {
    let times = if is_retried { "once more" } else { "three times in a row" };
    LogLine::of(
        &events::PRELOAD_GIVEN_UP,
        format!(
            "preload=on does not work for daemon process group '{group}': its zygote has failed {times}, which the lines \
             above explain; each process imports the application itself, and a zygote is tried again when the script \
             changes, at `mod_wsgi-ctl restart` and at a graceful restart of httpd"
        ),
    )
}

/// A zygote was asked for a process, and there was none.
#[must_use]
pub fn barren_zygote(zygote: i32, group: &str, why: &str) -> LogLine {
    LogLine::of(
        &events::BARREN_ZYGOTE,
        format!("zygote {zygote} of group '{group}' gives no process and is replaced: {why}"),
    )
}

/// A process has not served after its time.
#[must_use]
pub fn not_up_in_time(noun: &str, pid: i32, group: &str, seconds: u64) -> LogLine {
    LogLine::of(
        &events::NOT_UP_IN_TIME,
        format!("{noun} {pid} of group '{group}' did not come up in {seconds} s"),
    )
}

/// Attempt after attempt of a slot's process has failed.
#[must_use]
pub fn keeps_failing(group: &str, index: usize, count: usize, failures: usize, pause: Duration) -> LogLine {
    let (number, pause) = (index + 1, pause.as_secs_f64());
    LogLine::of(
        &events::KEEPS_FAILING,
        format!(
            "daemon process group '{group}', process {number} of {count}, has failed {failures} times in a row: its \
             requests get 503, it is tried again in {pause:.1} s and later every 8 s"
        ),
    )
}

/// A successor has failed, and its predecessor stays. `retry`: when it is tried again by itself.
#[must_use]
pub fn predecessor_stays(
    group: &str,
    pid: i32,
    not_set_up: bool,
    reason: &str,
    retry: Option<Duration>,
) -> LogLine {
    let why = if not_set_up { "cannot be started" } else { "does not come up" };
    let again = retry
        .map(|pause| format!(", it is tried again in {} s and later at least every minute", pause.as_secs()));
    let again = again.unwrap_or_default();
    LogLine::of(
        &events::PREDECESSOR_STAYS,
        format!("daemon process group '{group}' {why} {reason}: process {pid} keeps serving{again}"),
    )
}

/// Killed processes of a group do not end.
#[must_use]
pub fn clogged(group: &str, stuck: &[i32]) -> LogLine {
    LogLine::of(
        &events::GROUP_CLOGGED,
        format!(
            "processes of group '{group}' were killed and do not end, because they wait in the kernel: {stuck:?}; no other one \
             is started before they do"
        ),
    )
}

/// A process has closed descriptors that it needs.
#[must_use]
pub fn descriptors_lost(pid: i32, group: &str) -> LogLine {
    LogLine::of(
        &events::DESCRIPTORS_LOST,
        format!("process {pid} of group '{group}' has closed descriptors of ours; it is replaced"),
    )
}

/// A process says more than it has to say.
#[must_use]
pub fn chatter(pid: i32, group: &str) -> LogLine {
    LogLine::of(
        &events::CHATTER,
        format!("process {pid} of group '{group}' sends sign after sign; it is not listened to any more"),
    )
}

/// A group writes more than `log-rate=`.
#[must_use]
pub fn output_dropped(lines: u64, bytes: u64, group: &str, rate: u32) -> LogLine {
    LogLine::of(
        &events::LOG_RATE,
        format!(
            "{lines} lines ({bytes} bytes) of output of group '{group}' were dropped: there were more than \
             log-rate={rate} a second"
        ),
    )
}

/// A logger did not read.
#[must_use]
pub fn lines_lost(count: u64) -> LogLine {
    LogLine::of(&events::LOG_LINES_LOST, format!("{count} lines were lost because the logger did not read"))
}

/// Two processes of a group cannot live beside each other. `are_many`: it has several.
#[must_use]
pub fn conflict(group: &str, are_many: bool) -> LogLine {
    let what_then = if are_many {
        "write reload=exclusive, which ends each process before its successor starts, or give the group one process"
    } else {
        "from now on its process ends before its successor starts, and requests wait meanwhile; reload=exclusive does so \
         without trying"
    };
    LogLine::of(
        &events::CONFLICT,
        format!(
            "the application of daemon process group '{group}' holds something that two processes cannot have (see the \
             traceback above): {what_then}"
        ),
    )
}

/// What only one process can have is somebody else's.
#[must_use]
pub fn stays_taken(group: &str, processes: u32) -> LogLine {
    LogLine::of(
        &events::STAYS_TAKEN,
        format!(
            "what the application of daemon process group '{group}' needs for itself alone is still taken after \
             {processes} processes (see the tracebacks above): the next process serves without having loaded it, and each \
             request tries the import again"
        ),
    )
}

/// An application has shut its listening socket down.
#[must_use]
pub fn socket_shut(pid: i32, group: &str) -> LogLine {
    LogLine::of(
        &events::SOCKET_SHUT,
        format!(
            "the listening socket of process {pid} of group '{group}' takes no connections any more: its application has \
             shut it down; it is replaced, and so is the process"
        ),
    )
}

/// Somebody has removed a socket's file.
#[must_use]
pub fn socket_removed(group: &str, what_is_done: &str) -> LogLine {
    LogLine::of(
        &events::SOCKET_REMOVED,
        format!(
            "somebody has removed the file of a socket of daemon process group '{group}': {what_is_done}"
        ),
    )
}

/// A process has ended and others of its session live.
#[must_use]
pub fn left_behind(pid: i32, group: &str, count: usize, is_empty: bool) -> LogLine {
    let words =
        format!("process {pid} of group '{group}' has left {count} processes behind, which are ended");
    // Its control group alone is not worth more.
    if is_empty { LogLine::debug(words) } else { LogLine::info(words) }
}

/// Members of a session survive SIGKILL.
#[must_use]
pub fn session_stays(leader: i32, left: &[i32]) -> LogLine {
    LogLine::info(format!("processes of session {leader} do not end by SIGKILL: {left:?}"))
}

/// How the end of a process is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// It had to be killed.
    Killed,
    /// Nobody needs it any more.
    GivenUp,
    /// It was told to.
    AsTold,
    /// It was told to, and ended by a signal or with a status.
    AsToldBadly,
    /// By itself, in order.
    Ended,
    /// By itself, not in order.
    Died,
}

/// A process has ended: `what` names it, `how` says how and when.
#[must_use]
pub fn process_ended(kind: EndKind, what: impl Display, how: impl Display) -> LogLine {
    let words = |verb: &str| format!("{what} {verb}: {how}");
    match kind {
        EndKind::Killed => LogLine::of(&events::DAEMON_KILLED, words("did not end in time and was killed")),
        EndKind::GivenUp => LogLine::info(words("was given up")),
        EndKind::AsTold => LogLine::info(words("has ended as told")),
        EndKind::AsToldBadly => {
            LogLine::of(&events::DAEMON_ENDED_BADLY, words("has ended as told, but not in order"))
        }
        EndKind::Ended => LogLine::info(words("has ended")),
        EndKind::Died => LogLine::of(&events::DAEMON_DIED, words("has died")),
    }
}
