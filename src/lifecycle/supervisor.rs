//! The parent's side of the supervisor: started once, kept over restarts, told each new configuration.

use crate::clock::monotonic_seconds;
use crate::generation::runtime::ChildRuntime;
use crate::httpd::pool::persistent;
use crate::lifecycle::earlier::EarlierGenerations;
use crate::lifecycle::process::{ProcessStat, close_kept};
use apr_sys as sys;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};
use wsgi_protocol::control::{CONFIGURE_FIXED_FDS, CONTROL_FD, MAX_LOG_FDS, ParentCommand, SupervisorAnswer};
use wsgi_protocol::launch::{decode, encode};

/// Key of the record in the process pool; the number is the layout's version.
const KEY: &std::ffi::CStr = c"mod_wsgi:supervisor:2";
/// How long the parent waits for the supervisor's answer.
const ANSWER: Duration = Duration::from_secs(20);
/// From when on it looks whether the supervisor can answer at all, and how often: nobody serves new connections while
/// httpd reads its configuration.
const LOOK: Duration = Duration::from_millis(500);
/// Looks at which the supervisor was stopped or stuck in the kernel, before it is given up.
const LOOKS: u32 = 3;

/// What survives the unloading of the module: plain numbers only (decisions.md, "State across restarts is plain
/// numbers").
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct PersistentState {
    /// Process id of the supervisor, 0 for none.
    pub pid: i32,
    /// Control socket, -1 for none.
    pub control: i32,
    /// Write end of the current generation's lifeline, -1 for none.
    pub lifeline: i32,
    /// Its read end, for a supervisor that has to be started again; -1 for none.
    pub lifeline_reader: i32,
    /// Memory file behind `status`, -1 for none.
    pub status_fd: i32,
    /// Address and length of the status memory of the generation.
    pub status: (usize, usize),
    /// When the supervisor was started last, or that was tried, seconds (monotonic).
    pub started: i64,
    /// Failures in quick succession.
    pub failures: u32,
    /// apr's record of the process, for the other-child list; lives in the process pool. Without a supervisor its process
    /// id is that of the pause before the next attempt (`revival`), -1 for none.
    pub process: *mut sys::apr_proc_t,
}

impl PersistentState {
    /// The record of this httpd.
    ///
    /// # Safety
    /// `main` is a valid server record; parent process only.
    pub unsafe fn of<'a>(main: *mut sys::server_rec) -> &'a mut Self {
        let initial = Self {
            pid: 0,
            control: -1,
            lifeline: -1,
            lifeline_reader: -1,
            status_fd: -1,
            status: (0, 0),
            started: 0,
            failures: 0,
            process: ptr::null_mut(),
        };
        // SAFETY: the process pool lives as long as httpd; the record holds no pointer into this module.
        unsafe {
            let pool = (*(*main).process).pool;
            let record = persistent(pool, KEY, initial);
            if (*record).process.is_null() {
                (*record).process = sys::apr_palloc(pool, size_of::<sys::apr_proc_t>()).cast();
                (*record).process.write(std::mem::zeroed());
            }
            &mut *record
        }
    }

    /// Whether the supervisor still runs; reaps it if it has just ended.
    pub fn is_alive(&mut self) -> bool {
        if self.pid <= 0 {
            return false;
        }
        let mut status = 0;
        // SAFETY: plain system call; kill(pid, 0) would take a zombie for alive (decisions.md, "Dead or alive").
        let reaped = unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) };
        if reaped == 0 {
            return true;
        }
        self.forget();
        false
    }

    /// Drops the control socket: the supervisor takes that as its retirement.
    pub fn forget(&mut self) {
        close_kept(&mut self.control);
        self.pid = 0;
        // Otherwise the number, which may be another process's soon, would be taken for that of a pause.
        // SAFETY: allocated in `of`, lives in the process pool.
        unsafe { (*self.process).pid = -1 };
    }

    /// Sends it SIGKILL and reaps it. What is not reaped in a moment, because it hangs in the kernel, dies when it comes
    /// back from there.
    pub fn give_up(&mut self) {
        if self.is_alive() {
            // SAFETY: a child that has not been waited for, so the number cannot belong to another process.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
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
    pub fn start(&mut self, program: &Path, tag: &str) -> io::Result<()> {
        // exec fails in the child, where nobody could tell why.
        std::fs::metadata(program)?;
        let (ours, theirs) = seqpacket_pair()?;
        let name = CString::new(program.as_os_str().as_bytes())?;
        let tag = CString::new(tag)?;
        let argv = [name.as_ptr(), tag.as_ptr(), ptr::null()];
        let path = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let zone = std::env::var("TZ").ok().and_then(|tz| CString::new(format!("TZ={tz}")).ok());
        let zone = zone.as_ref().map_or(ptr::null(), |zone| zone.as_ptr());
        let env = [path.as_ptr(), ONE_HEAP.as_ptr(), zone, ptr::null()];
        // SAFETY: parent's only thread; between fork and exec the child makes system calls only.
        let pid = unsafe {
            match libc::fork() {
                -1 => return Err(io::Error::last_os_error()),
                0 => exec_supervisor(theirs.as_raw_fd(), &name, argv.as_ptr(), env.as_ptr()),
                pid => pid,
            }
        };
        self.pid = pid;
        self.control = std::os::fd::IntoRawFd::into_raw_fd(ours);
        self.started = monotonic_seconds();
        // SAFETY: allocated in `of`, lives in the process pool.
        unsafe { (*self.process).pid = pid };
        Ok(())
    }

    /// Sends the generation and waits until its sockets listen.
    pub fn configure(
        &mut self,
        earlier: &mut EarlierGenerations,
        runtime: &ChildRuntime,
    ) -> io::Result<Vec<(Vec<u8>, String)>> {
        self.send(earlier, runtime)?;
        self.await_answer(runtime.configuration.generation)
    }

    /// Sends the generation.
    pub fn send(&mut self, earlier: &mut EarlierGenerations, runtime: &ChildRuntime) -> io::Result<()> {
        let message = earlier.write_configuration(runtime)?;
        self.open_lifeline()?;
        let (metrics, board) = self.shared_memories(runtime, self.status_fd);
        let mut fds = vec![message, self.status_fd, self.lifeline_reader, metrics, board];
        debug_assert_eq!(fds.len(), CONFIGURE_FIXED_FDS);
        let writer = runtime.log_writer.iter();
        fds.extend(writer.chain(&runtime.logs).take(1 + MAX_LOG_FDS));
        self.send_record(&encode(&ParentCommand::Configure).map_err(io::Error::other)?, &fds)
    }

    /// Descriptors of the metrics memory and the scoreboard's copy; `other` stands for what there is not.
    pub fn shared_memories(&self, runtime: &ChildRuntime, other: RawFd) -> (RawFd, RawFd) {
        (runtime.metrics.map_or(other, |memory| memory.fd), runtime.board.map_or(other, |board| board.fd))
    }

    /// Sends one record.
    pub fn send_record(&self, payload: &[u8], fds: &[RawFd]) -> io::Result<()> {
        send_with_fds(self.control, payload, fds)
    }

    /// Makes the lifeline of the generation, if there is none yet. It has to be there before the first child, also where
    /// the supervisor cannot be started yet.
    pub fn open_lifeline(&mut self) -> io::Result<()> {
        if self.lifeline_reader < 0 {
            let (reader, writer) = pipe()?;
            self.lifeline = std::os::fd::IntoRawFd::into_raw_fd(writer);
            self.lifeline_reader = std::os::fd::IntoRawFd::into_raw_fd(reader);
        }
        Ok(())
    }

    /// Tells it that httpd stops; a second time that nobody waits any longer.
    pub fn tell_stop(&self) {
        // One that is not there any more need not be told.
        let _ = encode(&ParentCommand::Stop)
            .map_err(io::Error::other)
            .and_then(|command| send_with_fds(self.control, &command, &[]));
    }

    /// Gives up the parent's end of the lifeline; children of its generation hold their own.
    pub fn close_lifeline_writer(&mut self) {
        close_kept(&mut self.lifeline);
    }

    fn await_answer(&mut self, generation: u32) -> io::Result<Vec<(Vec<u8>, String)>> {
        let mut buffer = vec![0u8; 256 * 1024];
        loop {
            self.await_readable()?;
            // SAFETY: the buffer is as long as announced.
            let got = unsafe { libc::recv(self.control, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
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
        while !wait_readable(self.control, LOOK.as_millis() as i32)? {
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
///
/// # Safety
/// Only between fork and exec; all pointers valid.
unsafe fn exec_supervisor(
    control: RawFd,
    program: &CString,
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
) -> ! {
    // SAFETY: async-signal-safe calls only.
    unsafe {
        libc::setsid();
        if control == CONTROL_FD {
            libc::fcntl(control, libc::F_SETFD, 0);
        } else {
            libc::dup2(control, CONTROL_FD);
        }
        libc::syscall(libc::SYS_close_range, (CONTROL_FD + 1) as u32, u32::MAX, 0);
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        // A log that has reached `ulimit -f` is no reason to die.
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        libc::execve(program.as_ptr(), argv, env);
        libc::_exit(1)
    }
}

fn seqpacket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: two fresh descriptors are wrapped at once.
    unsafe {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        if libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: two fresh descriptors are wrapped at once.
    unsafe {
        if libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

/// A memory file with this content.
pub fn memory_file(content: &[u8]) -> io::Result<OwnedFd> {
    use std::io::{Seek, Write};
    // SAFETY: a fresh descriptor is wrapped at once.
    let fd = unsafe {
        let fd = libc::memfd_create(c"mod_wsgi configuration".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    let mut file = std::fs::File::from(fd);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

pub fn wait_readable(fd: RawFd, timeout_ms: i32) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    loop {
        // SAFETY: one valid entry.
        let ready = unsafe { libc::poll(&mut poll, 1, timeout_ms) };
        if ready >= 0 {
            return Ok(ready > 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn send_with_fds(socket: RawFd, payload: &[u8], fds: &[RawFd]) -> io::Result<()> {
    let mut data = libc::iovec { iov_base: payload.as_ptr() as *mut _, iov_len: payload.len() };
    let fds_len = size_of_val(fds) as u32;
    // SAFETY: the control buffer is as large as CMSG_SPACE says, and u64 elements align it for cmsghdr.
    unsafe {
        let mut control = vec![0u64; (libc::CMSG_SPACE(fds_len) as usize).div_ceil(8)];
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        if !fds.is_empty() {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(fds_len) as usize;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(fds_len) as usize;
            ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), fds_len as usize);
        }
        // Never waits: a supervisor that reads nothing has room for a hundred records.
        if libc::sendmsg(socket, &message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

impl PersistentState {
    /// Keeps the descriptor of the status memory for a supervisor that has to be started again.
    pub fn keep_status_fd(&mut self, fd: OwnedFd) {
        close_kept(&mut self.status_fd);
        self.status_fd = std::os::fd::IntoRawFd::into_raw_fd(fd);
    }

    /// Puts the supervisor on apr's other-child list, so that its death is noticed.
    pub fn register(&mut self, pconf: *mut sys::apr_pool_t) {
        // SAFETY: the process record lives in the process pool; the registration ends with `pconf`.
        unsafe {
            let callback = Some(crate::callbacks::handed().supervisor_changed);
            sys::apr_proc_other_child_register(
                self.process,
                callback,
                self.process.cast(),
                ptr::null_mut(),
                pconf,
            );
        }
    }

    /// Takes it off that list.
    pub fn unregister(&mut self) {
        // SAFETY: `process` is the data pointer given at registration.
        unsafe { sys::apr_proc_other_child_unregister(self.process.cast()) };
    }

    /// In a child: the control socket would let it command a root process.
    pub fn give_up_in_child(&mut self) {
        [&mut self.control, &mut self.status_fd, &mut self.lifeline_reader].into_iter().for_each(close_kept);
    }
}
