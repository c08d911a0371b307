//! What a forked child does until it is the interpreter (spec/daemon.md §1.4, in that order).

use super::step::{Failure, Step};
use super::{Descriptors, Program, advice};
use crate::os::{descriptors, inheritance, process};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, AccessFlags, Gid, Pid, Uid};
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};
use wsgi_protocol::control::{GroupSpec, Identity, Limits};

/// Becomes the daemon, or reports why not and ends.
pub fn become_daemon(spec: &GroupSpec, program: &Program, fds: &Descriptors<'_>, supervisor: Pid) {
    let report = fds.report;
    let Err(failure) = prepare_and_exec(spec, program, fds, supervisor);
    tell(report, failure, "");
}

fn tell(report: BorrowedFd<'_>, failure: Failure, advice: &str) {
    let _ = unistd::write(report, &failure.to_bytes(advice));
}

/// Names the step that an error belongs to.
trait At<T> {
    fn at(self, step: Step) -> Result<T, Failure>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.map_err(|errno| Failure { step, errno })
    }
}

fn prepare_and_exec(
    spec: &GroupSpec,
    program: &Program,
    fds: &Descriptors<'_>,
    supervisor: Pid,
) -> Result<Infallible, Failure> {
    // Until the exec this is a copy of the supervisor, with its memory and descriptors: nobody may look into it, least of
    // all the user that it becomes. The exec makes it dumpable again, as a program of its own.
    prctl::set_dumpable(false).at(Step::Session)?;
    // Own session: a terminal's Ctrl-C does not reach it, and it has its own process group.
    unistd::setsid().at(Step::Session)?;
    // The report has to survive the layout, whatever its number.
    let layout = fds.layout();
    let report =
        descriptors::park(fds.report, layout.len()).and_then(descriptors::adopt).at(Step::Descriptors)?;
    let inherited = libc::c_uint::try_from(layout.len()).map_err(|_| Errno::EMFILE).at(Step::Descriptors)?;
    descriptors::lay_out(&layout, report.as_fd()).at(Step::Descriptors)?;
    if let Some(entrance) = &program.cgroup {
        // Without it, what it leaves is known by its session only.
        let _ = std::fs::write(entrance, "0");
    }
    let result = shed(program.circumstances.as_root, report.as_fd())
        .and_then(|()| change_identity(spec, program.circumstances.as_root, report.as_fd()))
        .and_then(|()| restrict(spec, program, report.as_fd(), supervisor))
        .and_then(|()| {
            process::reset_signals();
            // What a library has opened for a lookup.
            descriptors::close_at_exec(inherited);
            // The interpreter would say so with a traceback, once per attempt.
            unistd::access(program.host_library.as_c_str(), AccessFlags::R_OK).at(Step::HostLibrary)?;
            unistd::execve(&program.interpreter, &program.arguments, &program.environment).at(Step::Exec)
        });
    let Err(failure) = result;
    let is_seen = failure.step == Step::Exec && spec.identity.chroot.is_none();
    let advice = is_seen.then(|| advice::about(&spec.interpreter, failure.errno)).flatten();
    tell(report.as_fd(), failure, &advice.unwrap_or_default());
    process::exit_now(1)
}

/// What was started from which shell must not be of any meaning for a daemon: what it would inherit and could use
/// (docs/security.md has the whole list).
fn shed(as_root: bool, report: BorrowedFd<'_>) -> Result<(), Failure> {
    inheritance::leave_keyring().at(Step::Keyring)?;
    inheritance::restore_address_layout();
    inheritance::leave_real_time();
    if as_root {
        // Where there is no /proc there are no daemons of ours, but that is for others to say.
        soft(inheritance::give_up_oom_protection().at(Step::OomScore), report);
    }
    Ok(())
}

/// Steps 5 to 10: nice, chroot, group, groups, user, working directory.
fn change_identity(spec: &GroupSpec, as_root: bool, report: BorrowedFd<'_>) -> Result<(), Failure> {
    let identity = &spec.identity;
    if identity.cpu_priority != 0 {
        soft(process::set_nice(identity.cpu_priority).at(Step::Priority), report);
    }
    if as_root {
        // Before chroot: the lookup must read the system's files and libraries, not those of the jail.
        let groups = groups_of(identity)?;
        if let Some(root) = &identity.chroot {
            unistd::chroot(root.as_slice()).at(Step::Chroot)?;
            unistd::chdir("/").at(Step::Chroot)?;
        }
        become_user(identity, &groups)?;
    }
    if let Some(home) = &identity.home {
        unistd::chdir(home.as_slice()).at(Step::Home)
    } else if as_root && identity.differs_from_httpd {
        let home = identity.passwd_home.as_deref().ok_or(Errno::ENOENT).at(Step::NoPasswdHome)?;
        unistd::chdir(home).at(Step::PasswdHome)
    } else {
        Ok(())
    }
}

/// The groups the process will have: listed ones, or the memberships of the user.
fn groups_of(identity: &Identity) -> Result<Vec<Gid>, Failure> {
    let gid = Gid::from_raw(identity.gid);
    if let Some(listed) = &identity.supplementary {
        let others = listed.iter().map(|group| Gid::from_raw(*group)).filter(|group| *group != gid);
        return Ok(std::iter::once(gid).chain(others).collect());
    }
    if identity.user.is_empty() {
        return Ok(vec![gid]);
    }
    let user = std::ffi::CString::new(identity.user.as_slice());
    let user = user.map_err(|_| Errno::EINVAL).at(Step::InitGroups)?;
    unistd::getgrouplist(&user, gid).at(Step::InitGroups)
}

/// Group, supplementary groups, user: each fatal, and none can be taken back.
fn become_user(identity: &Identity, groups: &[Gid]) -> Result<(), Failure> {
    unistd::setgid(Gid::from_raw(identity.gid)).at(Step::SetGroup)?;
    unistd::setgroups(groups).at(Step::SetGroups)?;
    // Capabilities that its user does not have keep that user from looking into the process until the exec, which takes
    // them; also where fs.suid_dumpable makes the process dumpable in the moment of the change.
    prctl::set_keepcaps(true).at(Step::SetUser)?;
    unistd::setuid(Uid::from_raw(identity.uid)).at(Step::SetUser)?;
    prctl::set_dumpable(false).at(Step::SetUser)
}

/// Steps 11 to 20 and what the original lacks: no way back to privileges, death with the supervisor.
fn restrict(
    spec: &GroupSpec,
    program: &Program,
    report: BorrowedFd<'_>,
    supervisor: Pid,
) -> Result<(), Failure> {
    inheritance::leave_capabilities().at(Step::NoNewPrivileges)?;
    umask(spec.identity.umask.map_or(program.circumstances.umask, Mode::from_bits_truncate));
    if let Some((now, most)) = program.circumstances.files {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, now, most); // only lowers what the supervisor raised
    }
    soft(core_dumps(spec.limits.core_dumps).at(Step::CoreDumps), report);
    for (step, result) in limit(&spec.limits, spec.launch.timers.shutdown) {
        soft(result.at(step), report);
    }
    if !spec.identity.may_gain_privileges {
        prctl::set_no_new_privs().at(Step::NoNewPrivileges)?;
    }
    // After setuid, which clears it. If the supervisor died before, nobody would ever tell.
    prctl::set_pdeathsig(Signal::SIGKILL).at(Step::ParentDeath)?;
    if unistd::getppid() != supervisor {
        return Err(Failure { step: Step::ParentDeath, errno: Errno::ESRCH });
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

fn limit(limits: &Limits, shutdown_ms: u64) -> Vec<(Step, Result<(), Errno>)> {
    let mut results = Vec::new();
    if limits.cpu_seconds > 0 {
        let hard = limits.cpu_seconds.saturating_add(1 + shutdown_ms.div_ceil(1000));
        results.push((Step::LimitCpu, setrlimit(Resource::RLIMIT_CPU, limits.cpu_seconds, hard)));
    }
    if limits.tasks > 0 {
        // After the change of the user, which would fail an exec if there were more already.
        results.push((Step::LimitTasks, setrlimit(Resource::RLIMIT_NPROC, limits.tasks, limits.tasks)));
    }
    if limits.data > 0 {
        results.push((Step::LimitData, setrlimit(Resource::RLIMIT_DATA, limits.data, limits.data)));
    }
    if limits.address_space > 0 {
        let bytes = limits.address_space;
        results.push((Step::LimitAddressSpace, setrlimit(Resource::RLIMIT_AS, bytes, bytes)));
    }
    results
}

/// A failure that is only worth a warning.
fn soft(result: Result<(), Failure>, report: BorrowedFd<'_>) {
    if let Err(failure) = result {
        tell(report, failure, "");
    }
}
