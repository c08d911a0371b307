//! httpd's log writer: a process that the parent forks when some error log must be written by httpd itself (syslog, a piped
//! logger, an ErrorLogFormat). It has the server records in its memory and an httpd child's rights, takes one record per line
//! from the supervisor's socket and logs it. A line stays in the socket until it is written, so that none is lost when a
//! writer dies: the parent holds the socket and forks another.

use super::earlier::EarlierGenerations;
use super::log_main;
use super::log_progress::WriterProgress;
use super::supervisor::PersistentState;
use crate::config;
use crate::generation::runtime::ChildRuntime;
use crate::httpd::log::LogLevel;
use crate::httpd::origin::{LogOrigin, LogServers};
use crate::httpd::pool::persistent;
use crate::messages;
use apr_sys as sys;
use std::ffi::c_int;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;
use wsgi_protocol::record::{LogRecord, MAX_RECORD};
use wsgi_system::clock::monotonic_seconds;
use wsgi_system::descriptors::KeptDescriptor;
use wsgi_system::options;
use wsgi_system::process::{self, ChildState};
use wsgi_system::signals::{self, SignalNumber};
use wsgi_system::sockets::{self, RecordLook};

/// Key of the record in the process pool; the number is the layout's version.
const KEY: &std::ffi::CStr = c"mod_wsgi:log-writer:3";
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
    /// Where writers leave how far they have come; 0 before the first one, or without memory for it.
    progress: usize,
    /// apr's records of the processes, for the other-child list; process id 0 for none.
    processes: [sys::apr_proc_t; WRITERS],
}

/// Starts httpd's log writer if some log needs it. Without one, the supervisor writes as it can.
///
/// # Safety
/// Parent process in post_config; `pconf` is the live configuration pool.
pub unsafe fn begin(
    runtime: &mut ChildRuntime,
    main: *mut sys::server_rec,
    pconf: *mut sys::apr_pool_t,
    servers: &LogServers,
) {
    // SAFETY: parent process; the registrations of the last configuration pool went with it.
    let writers = unsafe { LogWriters::of(main) };
    if !runtime.configuration.log_writer {
        writers.close();
    // SAFETY: by the contract.
    } else if let Err(error) = unsafe { writers.begin(main, servers) } {
        log_main(main, LogLevel::Error, &messages::no_log_writer(&error));
    }
    runtime.log_writer = writers.socket();
    runtime.configuration.log_writer = runtime.log_writer.is_some();
    // SAFETY: by the contract.
    unsafe { writers.register(pconf) };
}

/// The other-child callback of log writers.
///
/// # Safety
/// `process` is the record that was registered.
pub unsafe fn changed(reason: c_int, process: *mut sys::apr_proc_t, status: c_int) {
    if ![sys::APR_OC_REASON_DEATH, sys::APR_OC_REASON_LOST].contains(&(reason as u32)) {
        return;
    }
    let main = crate::child::main_server();
    // SAFETY: runs on the parent's only thread while the configuration is alive.
    let Some(state) = (unsafe { config::state_mut() }).filter(|_| !main.is_null()) else { return };
    // SAFETY: as above.
    let writers = unsafe { LogWriters::of(main) };
    // SAFETY: as above.
    match unsafe { writers.ended((process, status), main, &state.log_servers) } {
        None => {}
        Some(Ok(discarded)) => {
            log_main(main, LogLevel::Warning, &messages::log_writer_died(status));
            if let Some((pid, length)) = discarded {
                log_main(main, LogLevel::Error, &messages::log_line_discarded(pid, length));
            }
        }
        Some(Err(error)) => log_main(main, LogLevel::Error, &messages::no_log_writer(&error)),
    }
    if let Some(runtime) = &mut state.runtime {
        runtime.log_writer = writers.socket();
        runtime.configuration.log_writer = runtime.log_writer.is_some();
    }
}

impl LogWriters {
    /// Where the supervisor shall write; `None` without a writer.
    fn socket(&self) -> Option<RawFd> {
        self.writer.is_some().then_some(self.writer.number())
    }

    /// The record of this httpd.
    ///
    /// # Safety
    /// `main` is a valid server record; one borrow at a time.
    pub unsafe fn of<'a>(main: *mut sys::server_rec) -> &'a mut Self {
        // SAFETY: the process pool lives as long as httpd; zero is a valid apr_proc_t.
        unsafe {
            let none = [std::mem::zeroed(); WRITERS];
            let initial = Self {
                reader: KeptDescriptor::NONE,
                writer: KeptDescriptor::NONE,
                current: 0,
                started: 0,
                failures: 0,
                suspect: (0, 0),
                progress: 0,
                processes: none,
            };
            &mut *persistent((*(*main).process).pool, KEY, initial)
        }
    }

    /// Starts the writer of a new generation. The last one goes on until the supervisor has closed its socket.
    ///
    /// # Safety
    /// Parent process in post_config, the configuration is complete.
    unsafe fn begin(&mut self, main: *mut sys::server_rec, servers: &LogServers) -> io::Result<()> {
        self.close();
        let (reader, writer) = sockets::record_pair()?;
        self.reader.keep(reader);
        self.writer.keep(writer);
        (self.failures, self.suspect) = (0, (0, 0));
        if self.progress == 0 {
            self.progress = WriterProgress::map().map_or(0, |(_, address)| address);
        }
        self.settle();
        // SAFETY: by the contract.
        unsafe { self.start(main, servers) }.inspect_err(|_| self.close())
    }

    /// # Safety
    /// Parent process, the configuration is complete.
    unsafe fn start(&mut self, main: *mut sys::server_rec, servers: &LogServers) -> io::Result<()> {
        // With all places taken the oldest writers have a fault; their end would only be told as a stranger's.
        let place = self.processes.iter().position(|process| process.pid == 0).unwrap_or(0);
        // SAFETY: the parent has one thread; the child never returns.
        let pid = unsafe { process::fork(|_| self.run(main, servers))? };
        self.processes[place].pid = pid;
        (self.current, self.started) = (place, monotonic_seconds());
        Ok(())
    }

    /// Puts all writers on apr's other-child list.
    ///
    /// # Safety
    /// Parent process; `pconf` is the live configuration pool, and no writer is on the list.
    unsafe fn register(&mut self, pconf: *mut sys::apr_pool_t) {
        for process in self.processes.iter_mut().filter(|process| process.pid != 0) {
            // SAFETY: the record lives in the process pool; the registration ends with `pconf`.
            unsafe { register(process, pconf) };
        }
    }

    /// A writer has ended: that of the running generation is replaced. The result is what to say of it, and of a line that was
    /// left out: whose it was, and its length.
    ///
    /// # Safety
    /// Parent process; `process` is one of this record's, and the configuration is alive.
    unsafe fn ended(
        &mut self,
        (process, status): (*mut sys::apr_proc_t, c_int),
        main: *mut sys::server_rec,
        servers: &LogServers,
    ) -> Option<io::Result<Option<(u32, usize)>>> {
        // SAFETY: `process` is the data pointer given at registration.
        unsafe { sys::apr_proc_other_child_unregister(process.cast()) };
        let place = self.processes.iter_mut().position(|own| ptr::eq(own, process))?;
        self.processes[place].pid = 0;
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
        // SAFETY: by the contract.
        let restarted = unsafe { self.start(main, servers) };
        match &restarted {
            // SAFETY: by the contract.
            Ok(()) => unsafe { register(&mut self.processes[self.current], (*(*main).process).pconf) },
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
        // SAFETY: 0, or the address of the page.
        unsafe { WriterProgress::at(self.progress) }
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
        let process = &mut self.processes[self.current];
        for _ in 0..LAST_LOOKS {
            let lives =
                had_one && process.pid != 0 && process::look_at_child(process.pid) == ChildState::Running;
            if !lives {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The writer's life.
    ///
    /// # Safety
    /// In the forked process.
    unsafe fn run(&mut self, main: *mut sys::server_rec, servers: &LogServers) -> i32 {
        IGNORED.into_iter().for_each(signals::ignore);
        signals::restore(SignalNumber::SIGCHLD);
        process::set_name(b"wsgi-logs");
        let socket = self.reader.take();
        self.close();
        // SAFETY: the process has one thread, and everything it uses was inherited.
        unsafe {
            let supervisor = PersistentState::of(main);
            supervisor.close_lifeline_writer();
            supervisor.give_up_in_child();
            EarlierGenerations::of(main).close();
            close_listeners();
            if sys::ap_run_drop_privileges((*(*main).process).pconf, main) != 0 {
                return 1;
            }
            socket.map_or(1, |socket| write_all(socket.as_fd(), servers, self.progress()))
        }
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
///
/// # Safety
/// The configuration behind `servers` is alive.
unsafe fn write_all(socket: BorrowedFd<'_>, servers: &LogServers, progress: Option<WriterProgress>) -> i32 {
    loop {
        match receive(socket, RecordLook::Peek) {
            Ok(record) if record.is_empty() => return 0,
            Ok(record) => {
                progress.inspect(WriterProgress::begin);
                if let Some(record) = LogRecord::decode(&record) {
                    let origin = LogOrigin { pid: record.pid, tid: record.tid };
                    // SAFETY: by the contract.
                    unsafe { servers.log(record.server, origin, record.level.min(15), record.text) };
                }
                let _ = receive(socket, RecordLook::Take);
                progress.inspect(WriterProgress::finish);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return 1,
        }
    }
}

/// The ports must be free when the parent ends, however long the last lines take.
fn close_listeners() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<RawFd> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers {
        // SAFETY: only asked what it is; a listening socket is nothing that this process uses.
        unsafe {
            if options::is_listening(BorrowedFd::borrow_raw(number)) {
                drop(OwnedFd::from_raw_fd(number));
            }
        }
    }
}

/// # Safety
/// `process` lives in the process pool and is not on the list; `pconf` is live.
unsafe fn register(process: *mut sys::apr_proc_t, pconf: *mut sys::apr_pool_t) {
    let callback = Some(crate::callbacks::handed().log_writer_changed);
    // SAFETY: by the contract.
    unsafe {
        sys::apr_proc_other_child_register(process, callback, process.cast(), ptr::null_mut(), pconf);
    }
}

fn is_stopping() -> bool {
    let mut state = 0;
    // SAFETY: plain query with a valid place for the answer.
    let status = unsafe { sys::ap_mpm_query(sys::AP_MPMQ_MPM_STATE as c_int, &mut state) };
    status == 0 && state == sys::AP_MPMQ_STOPPING as c_int
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writers() -> LogWriters {
        // SAFETY: zero is a valid apr_proc_t.
        let processes = [unsafe { std::mem::zeroed() }; WRITERS];
        let (mut reader, mut writer) = (KeptDescriptor::NONE, KeptDescriptor::NONE);
        let pair = sockets::record_pair().unwrap();
        reader.keep(pair.0);
        writer.keep(pair.1);
        let (progress, suspect) = (WriterProgress::map().unwrap().1, (0, 0));
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
