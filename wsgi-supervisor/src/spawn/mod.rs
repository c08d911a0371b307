//! Starts one daemon: fork, the steps of `child`, exec of the group's interpreter.

mod advice;
pub mod birth;
mod child;
pub mod step;

use crate::cgroup::ProcessCgroup;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, ftruncate, getpid, pipe2};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use wsgi_protocol::control::GroupSpec;
use wsgi_protocol::launch::{BOOTSTRAP, HEIRLOOM_MAX, STACK_FILE, encode};
use wsgi_system::process::{ForkedChild, fork_alone};

/// What the supervisor learns once, at its own start.
#[derive(Debug, Clone, Copy)]
pub struct SpawnCircumstances {
    /// Running as root: identities are changed.
    pub as_root: bool,
    /// httpd's umask.
    pub umask: Mode,
    /// httpd's limits of open files, if the supervisor has others.
    pub files: Option<(u64, u64)>,
}

/// What is exec'ed.
#[derive(Debug)]
struct DaemonProgram {
    interpreter: CString,
    host_library: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    circumstances: SpawnCircumstances,
    /// Where to enter its control group.
    cgroup: Option<PathBuf>,
}

/// The child's ends of its pipes, and what it inherits.
#[derive(Debug)]
struct ChildDescriptors<'a> {
    null: BorrowedFd<'a>,
    output: BorrowedFd<'a>,
    listener: BorrowedFd<'a>,
    ready: BorrowedFd<'a>,
    launch: BorrowedFd<'a>,
    order: BorrowedFd<'a>,
    heirloom: BorrowedFd<'a>,
    stack: BorrowedFd<'a>,
    board: Option<BorrowedFd<'a>>,
    report: BorrowedFd<'a>,
}

impl<'a> ChildDescriptors<'a> {
    /// By number: 0, 1, 2, then as `wsgi_protocol::launch` says.
    fn layout(&self) -> Vec<BorrowedFd<'a>> {
        let fixed = [
            self.null,
            self.output,
            self.output,
            self.listener,
            self.ready,
            self.launch,
            self.order,
            self.heirloom,
            self.stack,
        ];
        fixed.into_iter().chain(self.board).collect()
    }
}

/// What is to be started.
#[derive(Debug)]
pub struct SpawnRequest<'a> {
    /// The group.
    pub spec: &'a GroupSpec,
    /// Path of the host library.
    pub host_library: &'a [u8],
    /// A zygote (`preload=on`) instead of a process that serves; `listener` is where it gets its orders.
    pub zygote: bool,
    /// Position in the group.
    pub slot: u32,
    /// A process serves the slot already.
    pub has_predecessor: bool,
    /// Scripts of the heirloom that cannot be imported do not matter.
    pub lenient: bool,
    /// The slot's socket.
    pub listener: BorrowedFd<'a>,
    /// The slot's heirloom.
    pub heirloom: BorrowedFd<'a>,
    /// The control group it shall be in.
    pub cgroup: Option<&'a ProcessCgroup>,
    /// The scoreboard, if it may see that.
    pub board: Option<BorrowedFd<'a>>,
}

/// The supervisor's side of a started daemon; all reading ends do not block.
#[derive(Debug)]
pub struct StartedDaemon {
    /// Its process id.
    pub pid: Pid,
    /// Ready bytes come from here.
    pub ready: OwnedFd,
    /// Orders go here.
    pub order: OwnedFd,
    /// Its standard output and error.
    pub output: OwnedFd,
    /// Failures of its set-up; closed by a successful exec. A forked worker is set up already.
    pub report: Option<OwnedFd>,
    /// Where its last Python stack will be.
    pub stack: OwnedFd,
}

/// Starts a daemon. It never waits for it.
///
/// # Errors
/// The errno of the call that failed: descriptors, memory or processes have run out.
pub fn start(request: &SpawnRequest<'_>, circumstances: SpawnCircumstances) -> Result<StartedDaemon, Errno> {
    let program = program(request, circumstances)?;
    let launch = launch_file(request)?;
    let stack = shared_file("wsgi stack", STACK_FILE)?;
    let null = nix::fcntl::open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let (ready, ready_child) = pipe2(OFlag::O_CLOEXEC)?;
    let (output, output_child) = pipe2(OFlag::O_CLOEXEC)?;
    let (report, report_child) = pipe2(OFlag::O_CLOEXEC)?;
    let (order_child, order) = pipe2(OFlag::O_CLOEXEC)?;
    for end in [&ready, &output, &report, &order] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let descriptors = ChildDescriptors {
        null: null.as_fd(),
        output: output_child.as_fd(),
        listener: request.listener,
        ready: ready_child.as_fd(),
        launch: launch.as_fd(),
        order: order_child.as_fd(),
        heirloom: request.heirloom,
        stack: stack.as_fd(),
        board: request.board,
        report: report_child.as_fd(),
    };
    let supervisor = getpid();
    let child =
        |own: &ForkedChild| child::become_daemon(own, request.spec, &program, &descriptors, supervisor);
    let pid = Pid::from_raw(fork_alone(child)?);
    Ok(StartedDaemon { pid, ready, order, output, report: Some(report), stack })
}

fn program(request: &SpawnRequest<'_>, circumstances: SpawnCircumstances) -> Result<DaemonProgram, Errno> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::EINVAL);
    let texts = |list: &[Vec<u8>]| list.iter().map(|bytes| text(bytes)).collect::<Result<Vec<_>, _>>();
    let interpreter = text(&request.spec.interpreter)?;
    // By this name Python finds the pyvenv.cfg of an environment that has no interpreter of its own.
    let is_named = !request.spec.argument_zero.is_empty();
    let mut arguments = vec![if is_named { text(&request.spec.argument_zero)? } else { interpreter.clone() }];
    arguments.extend(texts(&request.spec.flags)?);
    let host_library = text(request.host_library)?;
    arguments.extend([c"-c".to_owned(), text(BOOTSTRAP.as_bytes())?, host_library.clone()]);
    let environment = texts(&request.spec.environment)?;
    let cgroup = request.cgroup.map(ProcessCgroup::entrance);
    Ok(DaemonProgram { interpreter, host_library, arguments, environment, circumstances, cgroup })
}

/// The memory file with the encoded `Launch`; nobody can change it any more.
fn launch_file(request: &SpawnRequest<'_>) -> Result<OwnedFd, Errno> {
    let mut launch = request.spec.launch.clone();
    launch.slot = request.slot;
    launch.has_predecessor = request.has_predecessor;
    launch.zygote = request.zygote;
    launch.lenient = request.lenient;
    let bytes = encode(&launch).map_err(|_| Errno::EINVAL)?;
    let fd = memfd_create("wsgi launch", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut written = 0;
    while written < bytes.len() {
        let offset = i64::try_from(written).map_err(|_| Errno::EFBIG)?;
        written += nix::sys::uio::pwrite(&fd, &bytes[written..], offset)?;
    }
    let seals =
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}

/// A fresh heirloom for a slot: of fixed size, its content is the processes' own business.
///
/// # Errors
/// The errno of the call that failed.
pub fn heirloom() -> Result<OwnedFd, Errno> {
    shared_file("wsgi heirloom", HEIRLOOM_MAX)
}

/// A memory file that keeps its size, for a daemon to write to.
fn shared_file(name: &str, size: usize) -> Result<OwnedFd, Errno> {
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    ftruncate(&fd, i64::try_from(size).map_err(|_| Errno::EFBIG)?)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}
