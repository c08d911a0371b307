//! What a forked child does until it is the interpreter (spec/daemon.md §1.4, in that order).

use super::step::{StartStep, StepFailure};
use super::{ChildDescriptors, DaemonProgram, advice};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, AccessFlags, Gid, Pid, Uid};
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};
use wsgi_protocol::control::{DaemonIdentity, GroupSpec, ResourceLimits};
use wsgi_system::process::ForkedChild;
use wsgi_system::{inheritance, process, signals};

/// Becomes the daemon, or reports why not and returns the status to end with.
pub fn become_daemon(
    own: &ForkedChild,
    spec: &GroupSpec,
    program: &DaemonProgram,
    fds: &ChildDescriptors<'_>,
    supervisor: Pid,
) -> i32 {
    let report = fds.report;
    let Err(failure) = prepare_and_exec(own, spec, program, fds, supervisor);
    tell(report, failure, "");
    1
}

fn tell(report: BorrowedFd<'_>, failure: StepFailure, advice: &str) {
    let _ = unistd::write(report, &failure.to_bytes(advice));
}

/// Names the step that an error belongs to.
trait StepContext<T> {
    fn at(self, step: StartStep) -> Result<T, StepFailure>;
}

impl<T> StepContext<T> for Result<T, Errno> {
    fn at(self, step: StartStep) -> Result<T, StepFailure> {
        self.map_err(|errno| StepFailure { step, errno })
    }
}

fn prepare_and_exec(
    own: &ForkedChild,
    spec: &GroupSpec,
    program: &DaemonProgram,
    fds: &ChildDescriptors<'_>,
    supervisor: Pid,
) -> Result<Infallible, StepFailure> {
    // Until the exec this is a copy of the supervisor, with its memory and descriptors: nobody may look into it, least of
    // all the user that it becomes. The exec makes it dumpable again, as a program of its own.
    prctl::set_dumpable(false).at(StartStep::Session)?;
    // Lookups of users and files on a mount that does not answer may take for ever.
    die_with(supervisor)?;
    // Own session: a terminal's Ctrl-C does not reach it, and it has its own process group.
    unistd::setsid().at(StartStep::Session)?;
    // The report has to survive the layout, whatever its number.
    let layout = fds.layout();
    let report = process::park(fds.report, layout.len()).at(StartStep::Descriptors)?;
    let inherited =
        libc::c_uint::try_from(layout.len()).map_err(|_| Errno::EMFILE).at(StartStep::Descriptors)?;
    own.lay_out(&layout, report.as_fd()).at(StartStep::Descriptors)?;
    if let Some(entrance) = &program.cgroup {
        // Without it, what it leaves is known by its session only.
        let _ = std::fs::write(entrance, "0");
    }
    let result = shed(program.circumstances.as_root, report.as_fd())
        .and_then(|()| change_identity(spec, program.circumstances.as_root, report.as_fd(), supervisor))
        .and_then(|()| restrict(spec, program, report.as_fd(), supervisor))
        .and_then(|()| {
            signals::reset();
            // What a library has opened for a lookup.
            own.close_at_exec(inherited);
            // The interpreter would say so with a traceback, once per attempt.
            unistd::access(program.host_library.as_c_str(), AccessFlags::R_OK).at(StartStep::HostLibrary)?;
            unistd::execve(&program.interpreter, &program.arguments, &program.environment).at(StartStep::Exec)
        });
    let Err(failure) = result;
    let is_seen = failure.step == StartStep::Exec && spec.identity.chroot.is_none();
    let advice = is_seen.then(|| advice::about(&spec.interpreter, failure.errno)).flatten();
    tell(report.as_fd(), failure, &advice.unwrap_or_default());
    process::exit_now(1)
}

/// What was started from which shell must not be of any meaning for a daemon: what it would inherit and could use
/// (docs/security.md has the whole list).
fn shed(as_root: bool, report: BorrowedFd<'_>) -> Result<(), StepFailure> {
    inheritance::leave_keyring().at(StartStep::Keyring)?;
    inheritance::restore_address_layout();
    inheritance::leave_real_time();
    if as_root {
        // Where there is no /proc there are no daemons of ours, but that is for others to say.
        soft(inheritance::give_up_oom_protection().at(StartStep::OomScore), report);
    }
    Ok(())
}

/// Steps 5 to 10: nice, chroot, group, groups, user, working directory.
fn change_identity(
    spec: &GroupSpec,
    as_root: bool,
    report: BorrowedFd<'_>,
    supervisor: Pid,
) -> Result<(), StepFailure> {
    let identity = &spec.identity;
    if identity.cpu_priority != 0 {
        soft(process::set_nice(identity.cpu_priority).at(StartStep::Priority), report);
    }
    if as_root {
        // Before chroot: the lookup must read the system's files and libraries, not those of the jail.
        let groups = groups_of(identity)?;
        if let Some(root) = &identity.chroot {
            unistd::chroot(root.as_slice()).at(StartStep::Chroot)?;
            unistd::chdir("/").at(StartStep::Chroot)?;
        }
        become_user(identity, &groups)?;
        // The change of the user has taken it back.
        die_with(supervisor)?;
    }
    if let Some(home) = &identity.home {
        unistd::chdir(home.as_slice()).at(StartStep::Home)
    } else if as_root && identity.differs_from_httpd {
        let home = identity.passwd_home.as_deref().ok_or(Errno::ENOENT).at(StartStep::NoPasswdHome)?;
        unistd::chdir(home).at(StartStep::PasswdHome)
    } else {
        Ok(())
    }
}

/// The groups the process will have: listed ones, or the memberships of the user.
fn groups_of(identity: &DaemonIdentity) -> Result<Vec<Gid>, StepFailure> {
    let gid = Gid::from_raw(identity.gid);
    if let Some(listed) = &identity.supplementary {
        let others = listed.iter().map(|group| Gid::from_raw(*group)).filter(|group| *group != gid);
        return Ok(std::iter::once(gid).chain(others).collect());
    }
    if identity.user.is_empty() {
        return Ok(vec![gid]);
    }
    let user = std::ffi::CString::new(identity.user.as_slice());
    let user = user.map_err(|_| Errno::EINVAL).at(StartStep::InitGroups)?;
    unistd::getgrouplist(&user, gid).at(StartStep::InitGroups)
}

/// Group, supplementary groups, user: each fatal, and none can be taken back.
fn become_user(identity: &DaemonIdentity, groups: &[Gid]) -> Result<(), StepFailure> {
    unistd::setgid(Gid::from_raw(identity.gid)).at(StartStep::SetGroup)?;
    unistd::setgroups(groups).at(StartStep::SetGroups)?;
    // Capabilities that its user does not have keep that user from looking into the process until the exec, which takes
    // them; also where fs.suid_dumpable makes the process dumpable in the moment of the change.
    prctl::set_keepcaps(true).at(StartStep::SetUser)?;
    unistd::setuid(Uid::from_raw(identity.uid)).at(StartStep::SetUser)?;
    prctl::set_dumpable(false).at(StartStep::SetUser)
}

/// Steps 11 to 20 and what the original lacks: no way back to privileges, death with the supervisor.
fn restrict(
    spec: &GroupSpec,
    program: &DaemonProgram,
    report: BorrowedFd<'_>,
    supervisor: Pid,
) -> Result<(), StepFailure> {
    inheritance::leave_capabilities().at(StartStep::NoNewPrivileges)?;
    umask(spec.identity.umask.map_or(program.circumstances.umask, Mode::from_bits_truncate));
    if let Some((now, most)) = program.circumstances.files {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, now, most); // only lowers what the supervisor raised
    }
    soft(core_dumps(spec.limits.core_dumps).at(StartStep::CoreDumps), report);
    for (step, result) in limit(&spec.limits, spec.launch.timers.shutdown) {
        soft(result.at(step), report);
    }
    if !spec.identity.may_gain_privileges {
        prctl::set_no_new_privs().at(StartStep::NoNewPrivileges)?;
    }
    // Once more: no change of an identity comes after this.
    die_with(supervisor)
}

/// Has the kernel kill this process when the supervisor dies. If it died before, nobody would ever tell.
fn die_with(supervisor: Pid) -> Result<(), StepFailure> {
    prctl::set_pdeathsig(Signal::SIGKILL).at(StartStep::ParentDeath)?;
    if unistd::getppid() != supervisor {
        return Err(StepFailure { step: StartStep::ParentDeath, errno: Errno::ESRCH });
    }
    Ok(())
}

/// The original's daemons dump core only when `CoreDumpDirectory` is set: a limit says so, because an exec makes the
/// process dumpable in any case.
fn core_dumps(allowed: bool) -> Result<(), Errno> {
    if allowed {
        return Ok(());
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    setrlimit(Resource::RLIMIT_CORE, 0, hard)
}

fn limit(limits: &ResourceLimits, shutdown_ms: u64) -> Vec<(StartStep, Result<(), Errno>)> {
    let mut results = Vec::new();
    if limits.cpu_seconds > 0 {
        let hard = limits.cpu_seconds.saturating_add(1 + shutdown_ms.div_ceil(1000));
        results.push((StartStep::LimitCpu, setrlimit(Resource::RLIMIT_CPU, limits.cpu_seconds, hard)));
    }
    if limits.tasks > 0 {
        // After the change of the user, which would fail an exec if there were more already.
        results.push((StartStep::LimitTasks, setrlimit(Resource::RLIMIT_NPROC, limits.tasks, limits.tasks)));
    }
    if limits.data > 0 {
        results.push((StartStep::LimitData, setrlimit(Resource::RLIMIT_DATA, limits.data, limits.data)));
    }
    if limits.address_space > 0 {
        let bytes = limits.address_space;
        results.push((StartStep::LimitAddressSpace, setrlimit(Resource::RLIMIT_AS, bytes, bytes)));
    }
    results
}

/// A failure that is only worth a warning.
fn soft(result: Result<(), StepFailure>, report: BorrowedFd<'_>) {
    if let Err(failure) = result {
        tell(report, failure, "");
    }
}
