//! httpd's log writer: a process that the parent forks when some error log must be written by httpd itself (syslog, a piped
//! logger, an ErrorLogFormat). It has the server records in its memory and an httpd child's rights, takes one record per line
//! from the supervisor's socket and logs it. A line stays in the socket until it is written, so that none is lost when a
//! writer dies: the parent holds the socket and forks another.

use super::earlier::EarlierGenerations;
use super::log_progress::{self, WriterProgress};
use super::supervisor::PersistentState;
use crate::httpd::origin::{LogOrigin, LogServers};
use crate::httpd::other_child::{EndWatch, OtherChild};
use crate::httpd::parent::ParentThread;
use crate::httpd::pool::{LastingRecord, ProcessPool};
use crate::httpd::server::is_stopping;
use std::ffi::{CStr, c_int};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;
use std::time::Duration;
use wsgi_protocol::record::{LogRecord, MAX_RECORD};
use wsgi_system::clock::monotonic_seconds;
use wsgi_system::descriptors::KeptDescriptor;
use wsgi_system::memory::KeptPage;
use wsgi_system::process::{self, ChildState, ForkedChild};
use wsgi_system::signals::{self, SignalNumber};
use wsgi_system::sockets::{self, RecordLook};

/// Writers of older generations that may still be busy with the last lines of their daemons.
const WRITERS: usize = 16;
/// Writers that end in quick succession, after which the supervisor writes itself.
const MAX_FAILURES: u32 = 5;
/// How often, and how far apart, the end of httpd looks for the end of its writer.
const LAST_LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(5);

/// Signals to httpd that are not its writer's.
const IGNORED: [SignalNumber; 8] = [
    SignalNumber::SIGHUP,
    SignalNumber::SIGINT,
    SignalNumber::SIGQUIT,
    SignalNumber::SIGTERM,
    SignalNumber::SIGUSR1,
    SignalNumber::SIGUSR2,
    SignalNumber::SIGWINCH,
    SignalNumber::SIGPIPE,
];

/// What survives the unloading of the module: plain numbers only.
#[repr(C)]
pub struct LogWriters {
    /// Where the current generation's writer reads.
    reader: KeptDescriptor,
    /// Where the supervisor writes.
    writer: KeptDescriptor,
    /// Index of the current writer.
    current: usize,
    /// When it was started, seconds (monotonic), and how many have ended in quick succession.
    started: i64,
    failures: u32,
    /// The record on which the last one ended that did so by itself, and how many had been written before it; 0 for none.
    suspect: (u64, u32),
    /// Where writers leave how far they have come; none before the first one, or without memory for it.
    progress: KeptPage<{ log_progress::LENGTH }>,
    /// apr's records of the processes, for the other-child list; process id 0 for none.
    processes: &'static [OtherChild; WRITERS],
}

// SAFETY: numbers of what the process keeps, and records of apr's in the same pool.
unsafe impl LastingRecord for LogWriters {
    const KEY: &'static CStr = c"mod_wsgi:log-writer:4";

    fn initial(process: ProcessPool) -> Self {
        Self {
            reader: KeptDescriptor::NONE,
            writer: KeptDescriptor::NONE,
            current: 0,
            started: 0,
            failures: 0,
            suspect: (0, 0),
            progress: KeptPage::NONE,
            processes: process.keep([const { OtherChild::none() }; WRITERS]),
        }
    }
}

/// What a writer is forked with.
pub struct WriterTask<'t> {
    /// The parent's thread.
    pub parent: ParentThread,
    /// By which it logs.
    pub servers: &'t LogServers,
    /// What it gives up, because only the parent may hold it.
    pub supervisor: &'t mut PersistentState,
    /// The same.
    pub earlier: &'t mut EarlierGenerations,
}

impl LogWriters {
    /// Where the supervisor shall write; `None` without a writer.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.writer.borrow()
    }

    /// Starts the writer of a new generation, in post_config. The last one goes on until the supervisor has closed its socket.
    pub fn begin(&mut self, task: &mut WriterTask<'_>) -> io::Result<()> {
        self.close();
        let (reader, writer) = sockets::record_pair()?;
        self.reader.keep(reader);
        self.writer.keep(writer);
        (self.failures, self.suspect) = (0, (0, 0));
        if self.progress.get().is_none() {
            WriterProgress::map().into_iter().for_each(|page| self.progress.keep(page));
        }
        self.settle();
        self.start(task).inspect_err(|_| self.close())
    }

    fn start(&mut self, task: &mut WriterTask<'_>) -> io::Result<()> {
        // With all places taken the oldest writers have a fault; their end would only be told as a stranger's.
        let place = self.processes.iter().position(|process| process.pid() == 0).unwrap_or(0);
        let pid = task.parent.fork(|child| self.run(child, task))?;
        self.processes[place].set_pid(pid);
        (self.current, self.started) = (place, monotonic_seconds());
        Ok(())
    }

    /// Puts all writers on apr's other-child list; the registrations of the last configuration pool went with it.
    pub fn register(&mut self, parent: ParentThread) {
        for process in self.processes.iter().filter(|process| process.pid() != 0) {
            parent.watch(process, EndWatch::LogWriter);
        }
    }

    /// The writer behind a record of apr's has ended: that of the running generation is replaced. The result is what to say of
    /// it, and of a line that was left out: whose it was, and its length.
    pub fn ended(
        &mut self,
        (process, status): (usize, c_int),
        task: &mut WriterTask<'_>,
    ) -> Option<io::Result<Option<(u32, usize)>>> {
        let place = self.processes.iter().position(|own| ptr::from_ref(own).addr() == process)?;
        self.processes[place].set_pid(0);
        if place != self.current || !self.reader.is_some() || is_stopping() {
            return None;
        }
        let quick = monotonic_seconds() - self.started < 2;
        self.failures = if quick { self.failures + 1 } else { 0 };
        let discarded = self.discard_poison(status);
        if self.failures > MAX_FAILURES {
            // With nobody left to read, the supervisor's next line fails, and it writes itself.
            self.close();
            return Some(Err(io::Error::other("it ends again and again")));
        }
        let restarted = self.start(task);
        match &restarted {
            Ok(()) => task.parent.watch(&self.processes[self.current], EndWatch::LogWriter),
            Err(_) => self.close(),
        }
        Some(restarted.map(|()| discarded))
    }

    /// Two writers have ended on the same record, however long that took: no other one shall have it. It is not looked into but
    /// for what the supervisor has written in front of the text. One that somebody has killed, or that was not at work on the
    /// record, says nothing about it.
    fn discard_poison(&mut self, status: c_int) -> Option<(u32, usize)> {
        let (was_at_work, done) = self.settle();
        if !was_at_work || status == libc::SIGKILL {
            return None;
        }
        let first = first_record(self.reader.borrow());
        let print = (first.as_deref().map_or(0, fingerprint), done);
        let last = std::mem::replace(&mut self.suspect, print);
        let record = first.filter(|_| print == last)?;
        self.reader.borrow().map(|socket| receive(socket, RecordLook::TakeNow));
        (self.failures, self.suspect) = (0, (0, 0));
        LogRecord::decode(&record).map(|record| (record.pid, record.text.len()))
    }

    fn progress(&self) -> Option<WriterProgress> {
        self.progress.get().and_then(WriterProgress::of)
    }

    /// Whether the last writer was at work, as far as that is known, and what had been written before.
    fn settle(&self) -> (bool, u32) {
        self.progress().map_or((true, 0), |progress| progress.settle())
    }

    /// Closes both ends: in the parent for the next generation, in a child because they are not its own.
    pub fn close(&mut self) {
        [&mut self.reader, &mut self.writer].into_iter().for_each(KeptDescriptor::close);
    }

    /// httpd ends, and its supervisor has: the writer writes what is left before the logs are closed.
    pub fn end(&mut self) {
        let had_one = self.reader.is_some();
        self.close();
        let pid = self.processes[self.current].pid();
        for _ in 0..LAST_LOOKS {
            let lives = had_one && pid != 0 && process::look_at_child(pid) == ChildState::Running;
            if !lives {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The writer's life.
    fn run(&mut self, child: &ForkedChild, task: &mut WriterTask<'_>) -> i32 {
        IGNORED.into_iter().for_each(signals::ignore);
        signals::restore(SignalNumber::SIGCHLD);
        process::set_name(b"wsgi-logs");
        let socket = self.reader.take();
        self.close();
        task.supervisor.close_lifeline_writer();
        task.supervisor.give_up_in_child();
        task.earlier.close();
        // The ports must be free when the parent ends, however long the last lines take.
        child.close_listening();
        if !task.parent.drop_privileges(child) {
            return 1;
        }
        socket.map_or(1, |socket| write_all(socket.as_fd(), task.servers, self.progress()))
    }
}

/// One record off the socket, or without taking it off.
fn receive(socket: BorrowedFd<'_>, look: RecordLook) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; MAX_RECORD + 1];
    let length = sockets::record(socket, &mut bytes, look)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// The record that waits first, if one does.
fn first_record(socket: Option<BorrowedFd<'_>>) -> Option<Vec<u8>> {
    receive(socket?, RecordLook::PeekNow).ok().filter(|record| !record.is_empty())
}

/// Tells records from each other; never 0.
fn fingerprint(record: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.hash(&mut hasher);
    hasher.finish().max(1)
}

/// Logs each record, and takes it off the socket when that is done; returns when nobody can write any more, with the status
/// to end with.
fn write_all(socket: BorrowedFd<'_>, servers: &LogServers, progress: Option<WriterProgress>) -> i32 {
    loop {
        match receive(socket, RecordLook::Peek) {
            Ok(record) if record.is_empty() => return 0,
            Ok(record) => {
                progress.inspect(WriterProgress::begin);
                if let Some(record) = LogRecord::decode(&record) {
                    let origin = LogOrigin { pid: record.pid, tid: record.tid };
                    servers.log(record.server, origin, record.level.min(15), record.text);
                }
                let _ = receive(socket, RecordLook::Take);
                progress.inspect(WriterProgress::finish);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writers() -> LogWriters {
        let processes = Box::leak(Box::new([const { OtherChild::none() }; WRITERS]));
        let (mut reader, mut writer) = (KeptDescriptor::NONE, KeptDescriptor::NONE);
        let pair = sockets::record_pair().unwrap();
        reader.keep(pair.0);
        writer.keep(pair.1);
        let (mut progress, suspect) = (KeptPage::NONE, (0, 0));
        progress.keep(WriterProgress::map().unwrap());
        LogWriters { reader, writer, current: 0, started: 0, failures: 0, suspect, progress, processes }
    }

    fn say(writers: &LogWriters, text: &str) {
        let record = LogRecord { server: 0, level: 3, pid: 9, tid: 9, text: text.as_bytes() }.encode();
        let (socket, parts) = (writers.writer.borrow().unwrap(), &[std::io::IoSlice::new(&record)]);
        let sent = sockets::send(socket, parts, None, sockets::WaitMode::No).unwrap();
        assert_eq!(sent, record.len());
    }

    /// A writer ends while the first record is being written.
    fn ends_at_work(writers: &mut LogWriters, status: c_int) -> Option<(u32, usize)> {
        writers.progress().unwrap().begin();
        writers.discard_poison(status)
    }

    fn writes_one(writers: &LogWriters) {
        writers.progress().unwrap().begin();
        receive(writers.reader.borrow().unwrap(), RecordLook::Take).unwrap();
        writers.progress().unwrap().finish();
    }

    #[test]
    fn only_a_record_on_which_two_writers_have_ended_is_left_out() {
        let mut writers = writers();
        assert!((0..3).all(|_| ends_at_work(&mut writers, libc::SIGSEGV).is_none()), "there is none");
        ["bad", "good", "better"].iter().for_each(|text| say(&writers, text));
        writers.failures = 2;
        assert_eq!(ends_at_work(&mut writers, libc::SIGSEGV), None);
        assert_eq!(ends_at_work(&mut writers, libc::SIGSEGV), Some((9, 3)));
        assert_eq!(writers.failures, 0);
        // The next one has had no chance yet. Then writers end between records.
        for _ in 0..2 {
            assert_eq!(ends_at_work(&mut writers, libc::SIGSEGV), None);
            writes_one(&writers);
        }
        assert_eq!(first_record(writers.reader.borrow()), None);
        writers.close();
    }

    #[test]
    fn a_record_is_innocent_of_deaths_that_have_other_reasons() {
        let mut writers = writers();
        ["same", "same", "same"].iter().for_each(|text| say(&writers, text));
        for _ in 0..3 {
            assert_eq!(ends_at_work(&mut writers, libc::SIGKILL), None, "somebody kills them");
            assert_eq!(writers.discard_poison(libc::SIGSEGV), None, "they end before they have begun");
        }
        for _ in 0..3 {
            assert_eq!(
                ends_at_work(&mut writers, libc::SIGSEGV),
                None,
                "others of the same text were written since"
            );
            writes_one(&writers);
        }
        writers.close();
    }
}
