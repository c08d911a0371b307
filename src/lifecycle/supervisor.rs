//! The parent's side of the supervisor: started once, kept over restarts, told each new configuration.

use crate::generation::runtime::ChildRuntime;
use crate::httpd::other_child::{EndWatch, OtherChild};
use crate::httpd::parent::ParentThread;
use crate::httpd::pool::{LastingRecord, ProcessPool};
use std::ffi::CString;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use wsgi_protocol::control::{CONFIGURE_FIXED_FDS, CONTROL_FD, MAX_LOG_FDS, ParentCommand, SupervisorAnswer};
use wsgi_protocol::launch::{decode, encode};
use wsgi_system::clock::monotonic_seconds;
use wsgi_system::descriptors::{KeptDescriptor, pipe};
use wsgi_system::memory::{MemorySeal, ReplacedMapping};
use wsgi_system::polling::wait;
use wsgi_system::process::{self, ChildState, ExecStrings, ForkedChild};
use wsgi_system::signals::{self, SignalNumber};
use wsgi_system::sockets::{RecordLook, WaitMode, record, record_pair, send_with_descriptors};
use wsgi_system::stat::ProcessStat;

/// How long the parent waits for the supervisor's answer.
const ANSWER: Duration = Duration::from_secs(20);
/// From when on it looks whether the supervisor can answer at all, and how often: nobody serves new connections while
/// httpd reads its configuration.
const LOOK: Duration = Duration::from_millis(500);
/// Looks at which the supervisor was stopped or stuck in the kernel, before it is given up.
const LOOKS: u32 = 3;
/// How often, and how far apart, it is tried to execute a program that somebody has open to write.
const BUSY_TRIES: u32 = 200;
const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// Exit status of a child that could not execute the supervisor, to which the errno is added: those of programs, and of the
/// linker that loads them, are lower.
const NOT_EXECUTED: i32 = 128;

/// What survives the unloading of the module: plain numbers only (decisions.md, "State across restarts is plain
/// numbers").
#[derive(Debug)]
#[repr(C)]
pub struct PersistentState {
    /// Process id of the supervisor, 0 for none.
    pub pid: i32,
    /// Control socket.
    pub control: KeptDescriptor,
    /// Write end of the current generation's lifeline.
    pub lifeline: KeptDescriptor,
    /// Its read end, for a supervisor that has to be started again.
    pub lifeline_reader: KeptDescriptor,
    /// Memory file behind `status`.
    pub status_fd: KeptDescriptor,
    /// The status memory of the generation.
    pub status: ReplacedMapping,
    /// When the supervisor was started last, or that was tried, seconds (monotonic).
    pub started: i64,
    /// Failures in quick succession.
    pub failures: u32,
    /// apr's record of the process, for the other-child list; lives in the process pool. Without a supervisor its process
    /// id is that of the pause before the next attempt (`revival`), -1 for none.
    pub process: &'static OtherChild,
}

/// A generation as the supervisor is told of it.
#[derive(Clone, Copy)]
pub struct SentConfiguration<'c> {
    /// A memory file with what is written down.
    pub message: BorrowedFd<'c>,
    /// What else it needs.
    pub runtime: &'c ChildRuntime,
    /// The socket of httpd's log writer, if there is one.
    pub log_writer: Option<BorrowedFd<'c>>,
}

// SAFETY: numbers of what the process keeps, and a record of apr's in the same pool.
unsafe impl LastingRecord for PersistentState {
    const KEY: &'static std::ffi::CStr = c"mod_wsgi:supervisor:2";

    fn initial(process: ProcessPool) -> Self {
        Self {
            pid: 0,
            control: KeptDescriptor::NONE,
            lifeline: KeptDescriptor::NONE,
            lifeline_reader: KeptDescriptor::NONE,
            status_fd: KeptDescriptor::NONE,
            status: ReplacedMapping::NONE,
            started: 0,
            failures: 0,
            process: process.keep(OtherChild::none()),
        }
    }
}

impl PersistentState {
    /// Whether the supervisor still runs; reaps it if it has just ended.
    pub fn is_alive(&mut self) -> bool {
        if self.pid <= 0 {
            return false;
        }
        // kill(pid, 0) would take a zombie for alive (decisions.md, "Dead or alive").
        if process::look_at_child(self.pid) == ChildState::Running {
            return true;
        }
        self.forget();
        false
    }

    /// Drops the control socket: the supervisor takes that as its retirement.
    pub fn forget(&mut self) {
        self.control.close();
        self.pid = 0;
        // Otherwise the number, which may be another process's soon, would be taken for that of a pause.
        self.process.set_pid(-1);
    }

    /// Sends it SIGKILL and reaps it. What is not reaped in a moment, because it hangs in the kernel, dies when it comes
    /// back from there.
    pub fn give_up(&mut self) {
        if self.is_alive() {
            // A child that has not been waited for, so the number cannot belong to another process.
            let _ = process::kill(self.pid, Some(SignalNumber::SIGKILL));
            let begun = Instant::now();
            while self.is_alive() && begun.elapsed() < LOOK {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        self.forget();
    }

    /// The state letter of the supervisor in /proc.
    pub fn state(&self) -> Option<u8> {
        ProcessStat::of(self.pid.try_into().ok()?).map(|stat| stat.state())
    }

    /// Starts a supervisor process.
    pub fn start(&mut self, parent: ParentThread, program: &Path, tag: &str) -> io::Result<()> {
        // exec fails in the child, where nobody could tell why.
        std::fs::metadata(program)?;
        let (ours, theirs) = record_pair()?;
        let name = CString::new(program.as_os_str().as_bytes())?;
        let tag = CString::new(tag)?;
        let arguments = ExecStrings::new([name.as_c_str(), &tag]);
        let path = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let zone = std::env::var("TZ").ok().and_then(|tz| CString::new(format!("TZ={tz}")).ok());
        let environment = ExecStrings::new([path, ONE_HEAP].into_iter().chain(zone.as_deref()));
        let child =
            |own: &ForkedChild| exec_supervisor(own, theirs.as_raw_fd(), &name, &arguments, &environment);
        let pid = parent.fork(child)?;
        self.pid = pid;
        self.control.keep(ours);
        self.started = monotonic_seconds();
        self.process.set_pid(pid);
        Ok(())
    }

    /// Sends the generation and waits until its sockets listen.
    pub fn configure(&mut self, configuration: SentConfiguration<'_>) -> io::Result<Vec<(Vec<u8>, String)>> {
        let answer = self
            .send(configuration)
            .and_then(|()| self.await_answer(configuration.runtime.configuration.generation));
        answer.map_err(|error| self.or_its_end(error))
    }

    /// Why there was no answer: how it ended, if it did.
    fn or_its_end(&mut self, error: io::Error) -> io::Error {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        // It can be waited for a moment after its socket was closed.
        let begun = Instant::now();
        let is_end = matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof);
        while is_end && self.pid > 0 && begun.elapsed() < LOOK {
            match process::look_at_child(self.pid) {
                ChildState::Running => std::thread::sleep(Duration::from_millis(2)),
                ChildState::Unknown => break,
                ChildState::Ended(status) => {
                    self.forget();
                    return io::Error::new(error.kind(), ended_by(status));
                }
            }
        }
        error
    }

    /// Sends the generation.
    pub fn send(&mut self, configuration: SentConfiguration<'_>) -> io::Result<()> {
        let SentConfiguration { message, runtime, log_writer } = configuration;
        self.open_lifeline()?;
        let (Some(status), Some(lifeline)) = (self.status_fd.borrow(), self.lifeline_reader.borrow()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let (metrics, board) = shared_memories(runtime, status);
        let mut fds = vec![message, status, lifeline, metrics, board];
        debug_assert_eq!(fds.len(), CONFIGURE_FIXED_FDS);
        fds.extend(log_writer.into_iter().chain(runtime.logs.iter().copied()).take(1 + MAX_LOG_FDS));
        self.send_record(&encode(&ParentCommand::Configure).map_err(io::Error::other)?, &fds)
    }

    /// Sends one record. It never waits: a supervisor that reads nothing has room for a hundred records.
    pub fn send_record(&self, payload: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let control = self.control.borrow().ok_or(io::ErrorKind::NotConnected)?;
        send_with_descriptors(control, &[IoSlice::new(payload)], fds, WaitMode::No).map(drop)
    }

    /// Makes the lifeline of the generation, if there is none yet. It has to be there before the first child, also where
    /// the supervisor cannot be started yet.
    pub fn open_lifeline(&mut self) -> io::Result<()> {
        if !self.lifeline_reader.is_some() {
            let (reader, writer) = pipe()?;
            self.lifeline.keep(writer);
            self.lifeline_reader.keep(reader);
        }
        Ok(())
    }

    /// Tells it that httpd stops; a second time that nobody waits any longer.
    pub fn tell_stop(&self) {
        // One that is not there any more need not be told.
        let _ = encode(&ParentCommand::Stop)
            .map_err(io::Error::other)
            .and_then(|command| self.send_record(&command, &[]));
    }

    /// Gives up the parent's end of the lifeline; children of its generation hold their own.
    pub fn close_lifeline_writer(&mut self) {
        self.lifeline.close();
    }

    fn await_answer(&mut self, generation: u32) -> io::Result<Vec<(Vec<u8>, String)>> {
        let mut buffer = vec![0u8; 256 * 1024];
        loop {
            self.await_readable()?;
            let control = self.control.borrow().ok_or(io::ErrorKind::NotConnected)?;
            let got = record(control, &mut buffer, RecordLook::Take)?;
            if got == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the supervisor ended"));
            }
            match decode::<SupervisorAnswer>(&buffer[..got]).map_err(io::Error::other)? {
                SupervisorAnswer::Listening { generation: answered, failed } if answered == generation => {
                    return Ok(failed);
                }
                SupervisorAnswer::Listening { .. } => {}
                SupervisorAnswer::Refused => {
                    return Err(io::Error::new(io::ErrorKind::Unsupported, "it is of another version"));
                }
            }
        }
    }

    /// Waits for something on the control socket. A supervisor that is stopped (SIGSTOP, a debugger, a frozen cgroup) or
    /// stuck in the kernel is not waited for as long as one that is only slow.
    fn await_readable(&self) -> io::Result<()> {
        let (begun, mut stuck) = (Instant::now(), 0);
        while wait(self.control.number(), libc::POLLIN, LOOK.as_millis() as i32)? == 0 {
            let state = self.state().unwrap_or(b'?');
            stuck = if b"TtD".contains(&state) { stuck + 1 } else { 0 };
            if stuck >= LOOKS {
                let text = format!("it is stopped or hangs in the kernel (state {})", char::from(state));
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            if begun.elapsed() >= ANSWER {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
            }
        }
        Ok(())
    }
}

/// glibc's allocator without its caches of freed chunks: in a process that lives for months they fill up with every size
/// ever used and pin the pages they lie in, which looked like a leak of 100 bytes per graceful restart.
const ONE_HEAP: &std::ffi::CStr = c"GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0";

/// In the forked child: descriptor 3 is the control socket, all higher ones are closed, signals are default.
/// Async-signal-safe.
fn exec_supervisor(
    own: &ForkedChild,
    control: RawFd,
    program: &CString,
    arguments: &ExecStrings<'_>,
    environment: &ExecStrings<'_>,
) -> i32 {
    process::leave_session();
    let _ = own.put(control, CONTROL_FD);
    own.close_from(CONTROL_FD as u32 + 1);
    signals::reset();
    // A log that has reached `ulimit -f` is no reason to die.
    signals::ignore(SignalNumber::SIGXFSZ);
    let exec = || own.exec(program, arguments, environment) as i32;
    let mut errno = exec();
    // Who has just copied the program may still have it open to write, or a child of his until it executes something.
    for _ in 0..BUSY_TRIES {
        if errno != libc::ETXTBSY {
            break;
        }
        own.sleep(BUSY_PAUSE);
        errno = exec();
    }
    NOT_EXECUTED + errno
}

/// How a supervisor has ended that has not answered, by its raw wait status.
fn ended_by(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        return format!("it was ended by signal {} before it answered", libc::WTERMSIG(status));
    }
    let status = libc::WEXITSTATUS(status);
    not_executed(status).unwrap_or_else(|| format!("it ended with exit status {status} before it answered"))
}

/// What apr's status says of its end, in which exit status and signal number are merged into one.
pub fn said_by(status: i32) -> String {
    not_executed(status).unwrap_or_else(|| format!("status or signal {status}"))
}

/// What an exit status says of a program that could not be executed.
pub fn not_executed(status: i32) -> Option<String> {
    let errno = status.checked_sub(NOT_EXECUTED).filter(|errno| *errno > 0)?;
    Some(format!("it cannot be executed: {}", io::Error::from_raw_os_error(errno)))
}

/// Descriptors of the metrics memory and the scoreboard's copy; `other` stands for what there is not.
pub fn shared_memories<'d>(
    runtime: &'d ChildRuntime,
    other: BorrowedFd<'d>,
) -> (BorrowedFd<'d>, BorrowedFd<'d>) {
    (runtime.metrics.map_or(other, |memory| memory.fd), runtime.board.map_or(other, |board| board.fd))
}

/// A memory file with this content.
pub fn memory_file(content: &[u8]) -> io::Result<OwnedFd> {
    use std::io::{Seek, Write};
    let file = wsgi_system::memory::memory_file(c"mod_wsgi configuration", 0, MemorySeal::empty())?;
    let mut file = std::fs::File::from(file);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

impl PersistentState {
    /// Keeps the descriptor of the status memory for a supervisor that has to be started again.
    pub fn keep_status_fd(&mut self, fd: OwnedFd) {
        self.status_fd.keep(fd);
    }

    /// Puts the supervisor on apr's other-child list, so that its death is noticed, until the configuration is cleared.
    pub fn register(&mut self, parent: ParentThread) {
        parent.watch(self.process, EndWatch::Supervisor);
    }

    /// In a child: the control socket would let it command a root process.
    pub fn give_up_in_child(&mut self) {
        [&mut self.control, &mut self.status_fd, &mut self.lifeline_reader]
            .into_iter()
            .for_each(KeptDescriptor::close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let exit = |status: i32| ended_by(status << 8);
        assert_eq!(exit(1), "it ended with exit status 1 before it answered");
        assert_eq!(exit(NOT_EXECUTED + libc::ETXTBSY), "it cannot be executed: Text file busy (os error 26)");
        assert_eq!(ended_by(libc::SIGKILL), "it was ended by signal 9 before it answered");
        assert_eq!(
            (said_by(0), said_by(libc::SIGSEGV)),
            ("status or signal 0".into(), "status or signal 11".into())
        );
    }
}
