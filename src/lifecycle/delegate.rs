//! Has other processes look at files that another user may have made. Whatever such a path leads to, neither does it hold
//! the root parent up nor has it an effect: a child looks, as the user whose processes will use the file, and is given
//! up when its file system does not answer.

use super::accounts::SystemAccounts;
use crate::httpd::parent::OnlyThread;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use wsgi_plan::{
    AnswerPatience, DelegateOutcome, DelegateTask, Delegation, ProcessIdentity, SurveyAnswer, SurveyQuestion,
};
use wsgi_protocol::launch::{decode, encode};
use wsgi_system::descriptors;
use wsgi_system::polling::poll_entries;
use wsgi_system::process::{self, ChildState, ForkedChild};
use wsgi_system::signals::{self, SignalNumber};

/// Processes at the same time.
const WINDOW: usize = 32;
/// Most bytes of one answer.
const ANSWER: usize = 1 << 20;
/// How long to wait for the end of processes that were killed. One that sleeps in the kernel is left behind.
const FAREWELL: Duration = Duration::from_millis(500);

/// Forks for each identity and for what a group needs for its start.
#[derive(Debug)]
pub struct ForkedDelegates {
    /// The parent's thread, while it has no other.
    pub thread: OnlyThread,
    /// Whom httpd's parent runs as; root's delegates take on the identity they are asked for.
    pub own_uid: u32,
}

impl Delegation for ForkedDelegates {
    fn ask(
        &self,
        tasks: &[DelegateTask<'_, SurveyQuestion>],
        patience: AnswerPatience,
    ) -> Vec<Vec<DelegateOutcome<SurveyAnswer>>> {
        let look = |question: &SurveyQuestion| question.look(&SystemAccounts, self.own_uid);
        ask(self.thread, tasks, self.own_uid == 0, patience, &look, &SurveyQuestion::is_near)
    }
}

/// Has all questions answered by `look`, in processes of the runners if `is_root`. Questions that are `related` to one
/// without an answer are not asked any more.
fn ask<Q, A: Serialize + DeserializeOwned>(
    thread: OnlyThread,
    tasks: &[DelegateTask<'_, Q>],
    is_root: bool,
    patience: AnswerPatience,
    look: &dyn Fn(&Q) -> A,
    related: &dyn Fn(&Q, &Q) -> bool,
) -> Vec<Vec<DelegateOutcome<A>>> {
    let mut delegates = DelegatePool::new(patience.one, tasks.iter().map(|task| task.questions.len()));
    let end = Instant::now() + patience.all;
    loop {
        while delegates.running.len() < WINDOW
            && let Some((index, from)) = delegates.waiting.pop_front()
        {
            let task = &tasks[index];
            let runner = Some(task.runner).filter(|runner| is_root && !runner.is_reader());
            let skip = &delegates.skipped[index];
            let answer =
                |at: usize| (!skip[at]).then(|| encode(&look(task.questions[at])).unwrap_or_default());
            match spawn(thread, runner, from, task.questions.len(), &answer) {
                Ok((pid, pipe)) => delegates.running.push(RunningDelegate::new(index, from, pid, pipe)),
                Err(_) => break, // no process, no answer
            }
        }
        if delegates.running.is_empty() || Instant::now() >= end {
            break;
        }
        delegates.listen(end);
        for (index, at) in std::mem::take(&mut delegates.unanswered) {
            let questions = &tasks[index].questions;
            for later in at + 1..questions.len() {
                delegates.skipped[index][later] |= related(questions[at], questions[later]);
            }
        }
    }
    delegates.close();
    let typed = |bytes: DelegateOutcome<Vec<u8>>| match bytes {
        DelegateOutcome::Seen(bytes) => {
            decode(&bytes).map_or(DelegateOutcome::Unasked, DelegateOutcome::Seen)
        }
        DelegateOutcome::Silent => DelegateOutcome::Silent,
        DelegateOutcome::Unasked => DelegateOutcome::Unasked,
    };
    delegates.answers.into_iter().map(|row| row.into_iter().map(typed).collect()).collect()
}

/// The processes that look, and what they have answered.
struct DelegatePool {
    patience: Duration,
    answers: Vec<Vec<DelegateOutcome<Vec<u8>>>>,
    skipped: Vec<Vec<bool>>,
    /// Tasks, and the question each goes on with.
    waiting: VecDeque<(usize, usize)>,
    running: Vec<RunningDelegate>,
    unanswered: Vec<(usize, usize)>,
    ended: Vec<i32>,
}

/// A process that looks.
struct RunningDelegate {
    task: usize,
    first: usize,
    next: usize,
    pid: i32,
    pipe: OwnedFd,
    bytes: Vec<u8>,
    since: Instant,
}

impl RunningDelegate {
    fn new(task: usize, next: usize, pid: i32, pipe: OwnedFd) -> Self {
        Self { task, first: next, next, pid, pipe, bytes: Vec::new(), since: Instant::now() }
    }
}

impl DelegatePool {
    fn new(patience: Duration, counts: impl Iterator<Item = usize> + Clone) -> Self {
        let waiting = counts.clone().enumerate().filter(|(_, count)| *count > 0);
        Self {
            patience,
            answers: counts
                .clone()
                .map(|count| (0..count).map(|_| DelegateOutcome::Unasked).collect())
                .collect(),
            skipped: counts.clone().map(|count| vec![false; count]).collect(),
            waiting: waiting.map(|(index, _)| (index, 0)).collect(),
            running: Vec::new(),
            unanswered: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Waits for answers, takes them, and gives up who does not answer.
    fn listen(&mut self, end: Instant) {
        let entry =
            |r: &RunningDelegate| libc::pollfd { fd: r.pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut polls: Vec<libc::pollfd> = self.running.iter().map(entry).collect();
        let overdue =
            self.running.iter().map(|running| running.since + self.patience).min().unwrap_or(end).min(end);
        let pause = overdue.saturating_duration_since(Instant::now()).as_millis() as i32 + 1;
        let _ = poll_entries(&mut polls, pause);
        for (at, poll) in polls.iter().enumerate().rev() {
            if poll.revents != 0 {
                if !self.take(at) {
                    // One that has answered nothing could not become its runner, or was killed.
                    let goes_on = self.running[at].next > self.running[at].first;
                    self.end(at, goes_on);
                }
            } else if self.running[at].since.elapsed() >= self.patience {
                self.end(at, true);
            }
        }
    }

    /// Takes what a process has written; whether more is to come.
    fn take(&mut self, at: usize) -> bool {
        let running = &mut self.running[at];
        let mut piece = [0; 16 * 1024];
        // The pipe does not block.
        match descriptors::read(running.pipe.as_fd(), &mut piece) {
            Ok(0) => return false,
            Ok(got) => running.bytes.extend_from_slice(&piece[..got]),
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
        let row = &mut self.answers[running.task];
        while let Some((length, rest)) = running.bytes.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            if length > ANSWER || running.next >= row.len() {
                return false;
            }
            let Some(answer) = rest.get(..length) else { break };
            if length > 0 {
                row[running.next] = DelegateOutcome::Seen(answer.to_vec());
            }
            running.bytes.drain(..4 + length);
            running.next += 1;
            running.since = Instant::now();
        }
        true
    }

    /// A process has ended or is given up: what it has not answered is left out, and another one goes on behind that, if
    /// there is a point.
    fn end(&mut self, at: usize, goes_on: bool) {
        let running = self.running.swap_remove(at);
        // A child that has not been waited for.
        let _ = process::kill(running.pid, Some(SignalNumber::SIGKILL));
        self.ended.push(running.pid);
        if running.next < self.answers[running.task].len() {
            self.answers[running.task][running.next] = DelegateOutcome::Silent;
            self.unanswered.push((running.task, running.next));
            if goes_on && running.next + 1 < self.answers[running.task].len() {
                self.waiting.push_back((running.task, running.next + 1));
            }
        }
        self.reap();
    }

    fn reap(&mut self) {
        self.ended.retain(|pid| process::look_at_child(*pid) == ChildState::Running);
    }

    /// Ends all, and waits for them a moment.
    fn close(&mut self) {
        while !self.running.is_empty() {
            self.end(0, false);
        }
        let until = Instant::now() + FAREWELL;
        self.reap();
        while !self.ended.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
            self.reap();
        }
    }
}

/// Starts the process that answers the questions `from..to`.
fn spawn(
    thread: OnlyThread,
    runner: Option<&ProcessIdentity>,
    from: usize,
    to: usize,
    answer: &dyn Fn(usize) -> Option<Vec<u8>>,
) -> io::Result<(i32, OwnedFd)> {
    let (reader, writer) = descriptors::pipe()?;
    descriptors::set_nonblocking(reader.as_fd())?;
    let pid = thread.fork(|child| serve(child, runner, from..to, &writer, answer))?;
    Ok((pid, reader))
}

/// The child: takes the identity, answers, ends. A panic must not unwind into httpd's parent, of which this is a copy.
fn serve(
    child: &ForkedChild,
    runner: Option<&ProcessIdentity>,
    range: Range<usize>,
    writer: &OwnedFd,
    answer: &dyn Fn(usize) -> Option<Vec<u8>>,
) -> i32 {
    let Ok(pipe) = seclude(child, writer) else { return 1 };
    std::panic::set_hook(Box::new(|_| ())); // a panic is no answer, and its text would go to httpd's log
    let caught = |at| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answer(at))).ok().flatten();
    let is_runner = runner.is_none_or(|runner| child.become_user(runner.uid, runner.gid, &runner.groups));
    let is_done = is_runner && range.into_iter().all(|at| put(&pipe, &caught(at).unwrap_or_default()));
    i32::from(!is_done)
}

/// Gives up httpd's signal handlers and its descriptors; returns the pipe that is left.
fn seclude(child: &ForkedChild, pipe: &OwnedFd) -> io::Result<OwnedFd> {
    const PIPE: u32 = 3;
    signals::reset();
    // Out of the way first: it may have any number.
    let copy = process::park(pipe.as_fd(), PIPE as usize)?;
    child.close_all_but(PIPE, &[copy.as_raw_fd()]);
    Ok(copy)
}

fn put(pipe: &OwnedFd, answer: &[u8]) -> bool {
    let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
    // The pipe blocks until the parent reads or ends.
    descriptors::write_all(pipe.as_fd(), &[&length.to_le_bytes(), answer].concat()).is_ok()
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    /// 0 sleeps for longer than anybody waits, 1 ends the process.
    fn look(question: &u32) -> u32 {
        match question {
            0 => std::thread::sleep(Duration::from_secs(600)),
            1 => process::exit_now(7),
            _ => {}
        }
        question * 2
    }

    fn thread() -> OnlyThread {
        // SAFETY: glibc has its own locks free in a forked child, and those of other tests are not asked for there.
        unsafe { OnlyThread::new() }
    }

    #[test]
    fn who_does_not_answer_is_given_up_and_the_others_are_asked() {
        let runner = ProcessIdentity::reader();
        let ask_all = |lists: &[&[u32]]| {
            let tasks: Vec<DelegateTask<'_, u32>> = lists
                .iter()
                .map(|list| DelegateTask { runner: &runner, questions: list.iter().collect() })
                .collect();
            let patience = AnswerPatience { one: Duration::from_secs(2), all: Duration::from_secs(60) };
            ask(thread(), &tasks, false, patience, &look, &|lost, later| *lost == 0 && *later == 9)
        };
        let answers = ask_all(&[&[2, 0, 9, 3], &[4, 1, 5], &[], &[6]]);
        use DelegateOutcome::{Seen, Silent, Unasked};
        assert_eq!(answers[0], [Seen(4), Silent, Unasked, Seen(6)], "9 is related to 0");
        assert_eq!(answers[1], [Seen(8), Silent, Seen(10)]);
        assert_eq!(answers[3], [Seen(12)]);
        let many: Vec<u32> = (2..3000).collect();
        assert!(ask_all(&[&many])[0].iter().all(|answer| matches!(answer, Seen(_))));
    }

    #[test]
    fn a_panic_is_no_answer() {
        let runner = ProcessIdentity::reader();
        let task = DelegateTask { runner: &runner, questions: vec![&1u32, &2] };
        // Without the hook that prints it: other tests' threads may have had its locks when this process was forked.
        let look =
            |question: &u32| if *question == 1 { resume_unwind(Box::new("as ordered")) } else { *question };
        let patience = AnswerPatience { one: Duration::from_secs(30), all: Duration::from_secs(30) };
        assert_eq!(
            ask(thread(), &[task], false, patience, &look, &|_, _| false),
            [[DelegateOutcome::Unasked, DelegateOutcome::Seen(2)]]
        );
    }

    /// What the process that looks is to its user: dumpable, and the lines of /proc about its ids and capabilities.
    fn describe(_: &u32) -> (bool, Vec<String>) {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let wanted = ["Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:"];
        let lines = status.lines().filter(|line| wanted.iter().any(|start| line.starts_with(start)));
        (process::is_dumpable(), lines.map(str::to_owned).collect())
    }

    #[test]
    fn who_looks_has_nothing_of_roots_and_cannot_be_traced() {
        if process::effective_uid() != 0 {
            return;
        }
        let runner =
            ProcessIdentity { uid: 65534, gid: 65533, groups: vec![65533, 65532], name: "nobody".to_owned() };
        let task = DelegateTask { runner: &runner, questions: vec![&2u32] };
        let patience = AnswerPatience { one: Duration::from_secs(30), all: Duration::from_secs(30) };
        let answers = ask(thread(), &[task], true, patience, &describe, &|_, _| false);
        let DelegateOutcome::Seen((dumpable, lines)) = &answers[0][0] else { panic!("{answers:?}") };
        let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["Uid:", "65534", "65534", "65534", "65534"]);
        assert_eq!(words[1], ["Gid:", "65533", "65533", "65533", "65533"]);
        assert_eq!(words[2], ["Groups:", "65532", "65533"]);
        assert!(words[3..].iter().all(|words| words[1] == "0000000000000000"), "{lines:?}");
        assert!(!dumpable);
    }
}
