//! The supervisor: started once by httpd's parent, it owns the listening sockets and the daemon processes.
//! It ends with httpd, and its exit status is 0 or 1, never one that means something to an MPM.
//! (`control` is httpd's way in, `operator` that of `mod_wsgi-ctl`.)

#![deny(unsafe_code)]

mod budget;
mod cgroup;
mod check;
mod control;
mod decide;
mod disposal;
mod error;
mod facts;
mod generation;
mod handles;
mod leftovers;
mod listen;
mod log;
mod log_file;
mod log_level;
mod log_line;
mod log_writer;
mod memory;
mod messages;
mod oom;
mod operator;
mod other_supervisor;
mod output;
mod spawn;
mod supervisor;
mod watch;

use error::SupervisorError;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use wsgi_protocol::control::CONTROL_FD;

fn main() -> ExitCode {
    match catch_unwind(AssertUnwindSafe(supervise)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("wsgi-supervisor: {error}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE, // the panic is in the log already
    }
}

fn supervise() -> Result<(), SupervisorError> {
    wsgi_system::signals::reset();
    let control = begin().map_err(SupervisorError::ControlSocket)?;
    let kind = nix::sys::stat::fstat(&control).map(|facts| facts.st_mode & libc::S_IFMT);
    if kind != Ok(libc::S_IFSOCK) {
        return Err(SupervisorError::ControlSocket(Errno::ENOTSOCK));
    }
    let _ = nix::sys::prctl::set_name(c"wsgi-supervisor");
    // SIGXFSZ: a log that has reached `ulimit -f` gives an error, which costs a line and not all daemons.
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGPIPE,
        Signal::SIGXFSZ,
    ] {
        wsgi_system::signals::ignore(signal);
    }
    // Sockets are made under 0077; daemons get back what httpd had.
    let inherited = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let circumstances = spawn::SpawnCircumstances {
        as_root: nix::unistd::geteuid().is_root(),
        umask: inherited,
        files: raise_file_limit(),
    };
    supervisor::Supervisor::new(control, circumstances)?.run()
}

/// Takes over the control socket.
#[allow(unsafe_code)]
fn begin() -> Result<OwnedFd, Errno> {
    // SAFETY: nothing here starts a thread, and no dependency does.
    unsafe { wsgi_system::process::promise_one_thread() };
    // SAFETY: httpd's parent has left it open, and nothing has been opened here yet.
    let control = unsafe { wsgi_system::descriptors::adopt(CONTROL_FD) };
    control.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EBADF)))
}

/// Each daemon takes four descriptors here. Returns the limits as httpd had them, for the daemons.
fn raise_file_limit() -> Option<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    Some((soft, hard))
}
